"""Following pages with suspicion: what came twice, went round, broke off or moved is seen and said.

A fault that passes is asked for again; one that stays ends the listing in an error, unless the API
says how many items there are and all have come. Only then is a listing whole.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from geosr_lake.errors import TransientSourceError
from geosr_lake.net.stac import Page, Request

REPEATS = 2
"""Times that a faulty page is asked for again."""
MAX_PAGES = 20_000
MAX_EMPTY = 3
"""Pages without an item, one after another, that are followed."""

FAULTS = {
    "page_repeated": "a page held only items of the pages before it",
    "paging_loop": "a next link led back to a page that had come",
    "next_missing": "a page had no next link though items were missing",
    "empty_pages": "page after page had a next link and no item",
    "item_moved": "an item came on two pages",
    "not_asked_for": "a page held items of another collection",
    "too_many_pages": "there were more pages than the limit",
    "items_missing": "fewer items came than the API said there are",
}
"""What can be wrong with pages, and what it means."""


class PagingError(TransientSourceError):
    """A listing that is not whole; `code` says why, `faults` counts what was seen."""

    def __init__(
        self,
        what: str,
        *,
        where: str | None = None,
        next_step: str | None = None,
        code: str = "",
        faults: dict[str, int] | None = None,
    ) -> None:
        super().__init__(what, where=where, next_step=next_step)
        self.code = code
        self.faults = faults or {}


@dataclass
class Listing:
    """A listing that is whole.

    Attributes:
        items: Items, each counted once.
        pages: Pages that were taken.
        matched: Items that the API says there are; None where it does not say.
        faults: What was seen on the way, and healed.
        unsure: It ended with a full page and nothing is counted: either all has come, or the link
            to more was lost.
        longest: Items of the longest page.
    """

    items: int
    pages: int
    matched: int | None
    faults: dict[str, int] = field(default_factory=dict)
    unsure: bool = False
    longest: int = 0


def _name(item: dict[str, Any]) -> str:
    """Return the id of an item; of one without an id, which is not kept, its text."""
    found = item.get("id")
    if isinstance(found, str):
        return found
    try:
        return orjson.dumps(item).decode()
    except orjson.JSONEncodeError:  # nested too deep
        return str(sorted(item))


@dataclass
class _State:
    collection: str
    page_items: int
    by_id: bool
    requests: set[bytes] = field(default_factory=set)
    ids: set[str] = field(default_factory=set)
    matched: int | None = None
    faults: Counter[str] = field(default_factory=Counter)
    suspect: str | None = None
    unsure: bool = False
    longest: int = 0

    def is_full(self, page: Page) -> bool:
        """Tell whether a page is as long as pages get: a server may give fewer than asked for."""
        return len(page.items) >= min(self.page_items, self.longest or self.page_items)

    def short(self, new: int = 0) -> bool:
        """Tell whether the API says that there is more."""
        return self.matched is not None and len(self.ids) + new < self.matched

    def fault(self, page: Page) -> str | None:
        """Return what is wrong with a page, if anything is."""
        ids = {_name(item) for item in page.items}
        if any(item.get("collection", self.collection) != self.collection for item in page.items):
            return "not_asked_for"
        if page.next is not None and page.next.key in self.requests:
            return "paging_loop"
        if ids and ids <= self.ids:
            return "page_repeated"
        if page.next is None:
            self.matched = page.matched if page.matched is not None else self.matched
            # Of a first page nothing tells how long pages get: it is asked for twice.
            may_be_cut = self.is_full(page) or (ids and not self.longest)
            uncounted = self.matched is None and not self.by_id
            if self.short(len(ids - self.ids)) or (uncounted and may_be_cut):
                return "next_missing"
        return None

    def error(self, code: str) -> PagingError:
        detail = f": {len(self.ids)} of {self.matched}" if self.matched is not None else ""
        what = f"{FAULTS[code].capitalize()}{detail}"
        return PagingError(what, code=code, faults=dict(self.faults))


def follow(
    first: Request,
    ask: Callable[[Request], Page],
    take: Callable[[Sequence[dict[str, Any]]], None],
    *,
    collection: str,
    page_items: int,
    after_id: Callable[[str], Request] | None = None,
    max_pages: int = MAX_PAGES,
) -> Listing:
    """Follow pages from `first` to the last and give each item to `take` once.

    Args:
        first: The first request.
        ask: Sends a request.
        take: Takes items that have not come before; what it took is void if this raises.
        collection: That all items must be of.
        page_items: Items of a full page.
        after_id: Makes the request for items with greater ids, for an API whose full pages may
            lack a `next` link; None for others.
        max_pages: A listing that is longer is given up.

    Raises:
        PagingError: If the listing is not whole.
        SourceError: If a page cannot be had.
    """
    state = _State(collection, page_items, after_id is not None)
    request: Request | None = first
    pages = empty = 0
    while request is not None:
        if pages == max_pages:
            raise state.error("too_many_pages")
        state.requests.add(request.key)
        page = _sound(request, ask, state)
        pages += 1
        state.matched = page.matched if page.matched is not None else state.matched
        named = {_name(item): item for item in page.items}
        fresh = {name: item for name, item in named.items() if name not in state.ids}
        if 0 < len(fresh) < len(page.items):
            state.faults["item_moved"] += len(page.items) - len(fresh)
            state.suspect = state.suspect or "item_moved"
        if fresh:
            take(list(fresh.values()))
            state.ids |= fresh.keys()
        is_full = state.is_full(page)
        state.longest = max(state.longest, len(page.items))
        empty = 0 if page.items else empty + 1
        request = page.next
        if request is not None and empty > MAX_EMPTY:
            if state.matched is None:  # nobody knows whether there is more behind them
                state.faults["empty_pages"] += 1
                raise state.error("empty_pages")
            request = None
        if request is not None and request.key in state.requests:
            request = None  # it went round, but all has come
        if request is None and after_id and fresh and is_full:
            request = after_id(_name(page.items[-1]))
    if state.short():
        raise state.error("items_missing")
    if state.suspect and state.matched is None:
        raise state.error(state.suspect)
    return Listing(
        len(state.ids), pages, state.matched, dict(state.faults), state.unsure, state.longest
    )


def _sound(request: Request, ask: Callable[[Request], Page], state: _State) -> Page:
    """Return the page that a request asks for, asked for again while it shows a fault."""
    page = ask(request)
    fault = state.fault(page)
    for _ in range(REPEATS):
        if fault is None:
            return page
        before = [_name(item) for item in page.items]
        page, earlier = ask(request), fault
        fault = state.fault(page)
        same = fault == earlier and before == [_name(item) for item in page.items]
        if same and fault == "next_missing" and state.matched is None:
            state.unsure = state.is_full(page)
            return page
        if fault != earlier or not same:
            state.faults[earlier] += 1
    if fault is None:
        return page
    state.faults[fault] += 1
    new = {_name(item) for item in page.items} - state.ids
    matched = page.matched if page.matched is not None else state.matched
    all_there = matched is not None and len(state.ids) + len(new) >= matched
    if fault == "not_asked_for" or (fault == "paging_loop" and not all_there):
        state.ids |= new
        state.matched = matched
        raise state.error(fault)
    if fault == "page_repeated":
        state.suspect = fault
    state.unsure = fault == "next_missing" and matched is None and state.is_full(page)
    return page
