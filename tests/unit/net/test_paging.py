"""Following pages of a scripted API: each fault alone, passing and staying."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geosr_lake.net.paging import Listing, PagingError, follow
from geosr_lake.net.stac import Page, Request

SIZE = 3


def request(at: int) -> Request:
    return Request("POST", "http://127.0.0.1/search", {"at": at}, {})


def items(*names: int, collection: str = "c") -> list[dict[str, Any]]:
    return [{"id": f"{name:03}", "collection": collection} for name in names]


class Api:
    """Ten items in pages of three; `twist` may change what it answers."""

    def __init__(self, *, counted: bool, total: int = 10) -> None:
        self.counted, self.total = counted, total
        self.asked: list[int] = []
        self.twist: Callable[[int, int, Page], Page] = lambda _at, _times, page: page

    def page(self, at: int) -> Page:
        found = items(*range(at, min(at + SIZE, self.total)))
        following = request(at + SIZE) if at + SIZE < self.total else None
        return Page(found, following, self.total if self.counted else None)

    def __call__(self, of: Request) -> Page:
        at = of.body["at"]
        self.asked.append(at)
        assert len(self.asked) < 50, "an endless run"
        return self.twist(at, self.asked.count(at), self.page(at))

    def follow(self, **options: Any) -> tuple[list[str], Listing]:
        taken: list[str] = []

        def take(found: Sequence[dict[str, Any]]) -> None:
            taken.extend(item["id"] for item in found)

        listing = follow(
            request(0), self, take, **{"collection": "c", "page_items": SIZE, **options}
        )
        assert max(Counter(taken).values(), default=1) == 1
        assert listing.items == len(taken)
        return taken, listing


@pytest.mark.parametrize("counted", [True, False])
@pytest.mark.parametrize("total", [0, 1, 3, 9, 10])
def test_sound_pages(counted: bool, total: int) -> None:
    taken, listing = Api(counted=counted, total=total).follow()
    assert len(taken) == total
    assert listing.faults == {}


def with_next(page: Page, following: Request | None) -> Page:
    return Page(page.items, following, page.matched)


def twisted(code: str, api: Api, at: int, page: Page) -> Page:
    """Return the second page with one fault, other pages as they are."""
    if at != 3:
        return page
    return {
        "page_repeated": with_next(api.page(0), page.next),
        "paging_loop": with_next(page, request(0)),
        "not_asked_for": Page(items(90, collection="other"), page.next, page.matched),
        "next_missing": with_next(page, None),
    }[code]


CODES = ("page_repeated", "paging_loop", "not_asked_for", "next_missing")


@pytest.mark.parametrize("counted", [True, False])
@pytest.mark.parametrize("code", CODES)
def test_a_fault_that_passes_heals(code: str, counted: bool) -> None:
    api = Api(counted=counted)
    api.twist = lambda at, times, page: twisted(code, api, at, page) if times == 1 else page
    taken, listing = api.follow()
    assert len(taken) == 10
    assert listing.faults.get(code) == 1


@pytest.mark.parametrize("counted", [True, False])
@pytest.mark.parametrize("code", ["page_repeated", "paging_loop", "not_asked_for"])
def test_a_fault_that_stays_is_an_error(code: str, counted: bool) -> None:
    api = Api(counted=counted)
    api.twist = lambda at, _times, page: twisted(code, api, at, page)
    with pytest.raises(PagingError) as error:
        api.follow()
    assert code in error.value.faults
    assert api.asked.count(3) == 3, "asked for again twice, not followed round"


def test_a_missing_next_is_seen_where_items_are_counted() -> None:
    api = Api(counted=True)
    api.twist = lambda at, _times, page: twisted("next_missing", api, at, page)
    with pytest.raises(PagingError, match="6 of 10") as error:
        api.follow()
    assert error.value.code == "items_missing"
    assert error.value.faults == {"next_missing": 1}


def test_a_next_of_the_last_page_that_goes_round_is_no_loss_where_all_have_come() -> None:
    api = Api(counted=True)
    api.twist = lambda at, _times, page: with_next(page, request(0)) if at == 9 else page
    taken, listing = api.follow()
    assert len(taken) == 10
    assert listing.faults == {"paging_loop": 1}


@pytest.mark.parametrize("counted", [True, False])
def test_an_item_that_moves_to_the_next_page(counted: bool) -> None:
    """Item 2 came on the first page and comes again on the second, in the place of item 3."""
    api = Api(counted=counted)
    moved = items(2, 4, 5)
    api.twist = lambda at, _times, page: Page(moved, page.next, page.matched) if at == 3 else page
    with pytest.raises(PagingError) as error:
        api.follow()
    assert error.value.code == ("items_missing" if counted else "item_moved")
    assert error.value.faults["item_moved"] == 1


def test_an_item_that_comes_twice_is_no_loss_where_all_have_come() -> None:
    api = Api(counted=True)
    more = items(2, 3, 4, 5)
    api.twist = lambda at, _times, page: Page(more, page.next, page.matched) if at == 3 else page
    taken, listing = api.follow()
    assert len(taken) == 10
    assert listing.faults == {"item_moved": 1}


def test_pages_without_end() -> None:
    api = Api(counted=False, total=10**9)
    with pytest.raises(PagingError) as error:
        api.follow(max_pages=20)
    assert error.value.code == "too_many_pages"


def test_empty_pages_without_end() -> None:
    api = Api(counted=True)
    api.twist = lambda at, _times, _page: Page([], request(at + SIZE), 10)
    with pytest.raises(PagingError) as error:
        api.follow()
    assert error.value.code == "items_missing"


def test_empty_pages_before_more_of_what_nobody_counts_are_no_end() -> None:
    """Four of them come, then more items: what came first is no whole listing."""
    api = Api(counted=False)
    api.twist = lambda at, _times, page: (
        page if at == 0 else Page([], request(at + SIZE), None) if at < 15 else page
    )
    with pytest.raises(PagingError) as error:
        api.follow()
    assert error.value.code == "empty_pages"
    assert error.value.faults == {"empty_pages": 1}


@pytest.mark.parametrize("times", [1, 99])
@pytest.mark.parametrize("lost", [0, 3])
def test_a_server_that_gives_fewer_than_are_asked_for(lost: int, times: int) -> None:
    """Its pages are never as long as asked: a lost link is seen by those before it."""
    api = Api(counted=False)
    api.twist = lambda at, nth, page: with_next(page, None) if at == lost and nth <= times else page
    taken, listing = api.follow(page_items=100)
    if times == 1:
        assert (len(taken), listing.faults) == (10, {"next_missing": 1})
    else:
        assert len(taken) == lost + SIZE
        # Of a first page that is asked for twice, and ends both times, nothing tells more.
        assert (listing.unsure, listing.longest) == (lost > 0, SIZE)


@pytest.mark.parametrize("total", [1, 2, 10])
def test_a_last_page_that_is_shorter_than_others_is_the_last(total: int) -> None:
    taken, listing = Api(counted=False, total=total).follow(page_items=100)
    assert (len(taken), listing.unsure, listing.faults) == (total, False, {})


def test_items_without_an_id_come_once_as_well() -> None:
    """They are not kept, but have their place in the account."""
    api = Api(counted=True)
    odd: list[dict[str, Any]] = [{"id": 7, "collection": "c"}, {"collection": "c"}]
    api.twist = lambda at, _times, page: (
        Page([*page.items[1:], odd[0]], page.next, 11)
        if at == 3
        else Page([*page.items, odd[1]], page.next, 11)
    )
    listed: list[dict[str, Any]] = []
    listing = follow(request(0), api, listed.extend, collection="c", page_items=SIZE)
    assert listing.items == len(listed) == 11
    assert [item for item in listed if not isinstance(item.get("id"), str)] == [odd[1], odd[0]]


def test_after_a_full_page_without_next_it_goes_on_by_id() -> None:
    api = Api(counted=False)
    api.twist = lambda _at, _times, page: with_next(page, None)
    taken, listing = api.follow(after_id=lambda last: request(int(last) + 1))
    assert len(taken) == 10
    assert listing.faults == {}


def test_a_first_page_that_comes_for_ever_is_not_followed_by_id() -> None:
    api = Api(counted=False)
    api.twist = lambda _at, _times, _page: with_next(api.page(0), None)
    with pytest.raises(PagingError) as error:
        api.follow(after_id=lambda last: request(int(last) + 1))
    assert error.value.code == "page_repeated"
    assert api.asked == [0, 3, 3, 3]


@pytest.mark.parametrize(("total", "unsure"), [(9, True), (10, False)])
def test_a_listing_that_ends_with_a_full_page_is_unsure(total: int, unsure: bool) -> None:
    assert Api(counted=False, total=total).follow()[1].unsure == unsure
    assert not Api(counted=True, total=total).follow()[1].unsure


@given(st.lists(st.sampled_from(["ok", *CODES]), max_size=12), st.booleans())
def test_never_an_item_twice_and_never_a_loss_unsaid(script: list[str], counted: bool) -> None:
    """Whatever comes: all ten items, an error, or a listing that says that it is unsure."""
    api = Api(counted=counted)
    words = iter(script)

    def twist(at: int, _times: int, page: Page) -> Page:
        word = next(words, "ok")
        return twisted(word, api, 3, page) if word != "ok" and at else page

    api.twist = twist
    try:
        taken, listing = api.follow()
    except PagingError:
        return
    assert len(taken) == 10 or listing.unsure
