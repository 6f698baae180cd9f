"""The oddities of the known APIs, each before the real server: all items once, or said in words."""

from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from fault_proxy import proxied
from live_fetch import FULL, NAIP, fetch
from live_oracle import between
from stac_server import Server

from geosr_lake.net.apis import EARTH_SEARCH, KNOWN, PLANETARY_COMPUTER

pytestmark = pytest.mark.fault
KEYS = list(KNOWN)


@pytest.fixture
def uncounted(server: Server) -> Iterator[None]:
    """Pages do not say `numberMatched`."""
    server.count(on=False)
    yield
    server.count(on=True)


def test_planetary_computer_full_pages_lack_next_and_nothing_is_counted(
    server: Server, tmp_path: Path, uncounted: None
) -> None:
    with proxied(server.url, share=1.0, kinds=("no_next",)) as proxy:
        ids, failed, _ = fetch(proxy, tmp_path, api=PLANETARY_COMPUTER)
    assert failed == []
    assert ids == Counter(between(server, "naip", NAIP))
    assert proxy.faults["no_next"] > 5


def test_planetary_computer_composites_have_a_start_and_an_end_only(
    server: Server, tmp_path: Path, uncounted: None
) -> None:
    days = (date(2023, 9, 5), date(2023, 9, 6))
    expected = between(server, "modis-13Q1-061", days)
    assert all(server.items[one]["properties"]["datetime"] is None for one in expected)
    with proxied(server.url, share=1.0, kinds=("no_next",)) as proxy:
        ids, failed, _ = fetch(
            proxy, tmp_path, api=PLANETARY_COMPUTER, collection="modis-13Q1-061", days=days
        )
    assert failed == []
    assert ids.keys() == expected
    assert len(expected) > 20


def test_earth_search_answers_that_would_be_too_long_are_502(
    server: Server, tmp_path: Path
) -> None:
    page_items = EARTH_SEARCH.page_items
    with proxied(server.url, most_items=page_items // 4) as proxy:
        ids, failed, done = fetch(
            proxy, tmp_path, api=EARTH_SEARCH, days=(FULL, FULL), page_items=page_items, tries=2
        )
    assert failed == []
    assert ids == Counter(between(server, "naip", (FULL, FULL)))
    assert done[0].pages == 3, "61 items in pages of 25"
    assert proxy.faults == {"502": 4}, "two tries with 100 items a page, two with 50"


def test_another_api_is_not_asked_for_shorter_pages(server: Server, tmp_path: Path) -> None:
    with proxied(server.url, most_items=25) as proxy:
        _, failed, _ = fetch(proxy, tmp_path, days=(FULL, FULL), page_items=100, tries=2)
    assert [one.reason for one in failed] == ["The host answered 502"]


def test_earth_search_throttles_with_403(server: Server, tmp_path: Path) -> None:
    with proxied(server.url, share=0.2, kinds=("403",), seed=5) as proxy:
        ids, failed, _ = fetch(proxy, tmp_path, api=EARTH_SEARCH)
        assert proxy.faults["403"] > 5
        proxy.share = 1.0
        proxy.only = '"datetime"'
        _, refused, _ = fetch(proxy, tmp_path, days=(FULL, FULL))
    assert failed == []
    assert ids == Counter(between(server, "naip", NAIP))
    assert [one.reason for one in refused] == ["The host answered 403"], "of others it is a refusal"


@pytest.mark.parametrize("kind", ["merge", "whole", "relative"])
@pytest.mark.parametrize("name", KEYS)
def test_a_next_link_says_the_whole_search_or_what_changes(
    server: Server, tmp_path: Path, name: str, kind: str
) -> None:
    with proxied(server.url, share=1.0, kinds=(kind,)) as proxy:
        ids, failed, _ = fetch(proxy, tmp_path, api=KNOWN[name], days=(FULL, FULL))
    assert failed == []
    assert ids == Counter(between(server, "naip", (FULL, FULL)))
    assert proxy.faults[kind] == 8


@pytest.mark.parametrize("name", KEYS)
def test_a_number_that_is_too_high_is_said_and_one_too_low_loses_nothing(
    server: Server, tmp_path: Path, name: str
) -> None:
    expected = Counter(between(server, "naip", (FULL, FULL)))
    with proxied(server.url, share=1.0, kinds=("counts_less",)) as proxy:
        ids, failed, done = fetch(proxy, tmp_path, api=KNOWN[name], days=(FULL, FULL))
    assert (failed, ids) == ([], expected)
    assert (done[0].items, done[0].matched) == (61, 60)
    with proxied(server.url, share=1.0, kinds=("counts_more",)) as proxy:
        ids, failed, _ = fetch(proxy, tmp_path, api=KNOWN[name], days=(FULL, FULL))
    assert ids == Counter()
    assert [one.reason for one in failed] == [
        "Fewer items came than the api said there are: 61 of 62"
    ]


@pytest.mark.parametrize("name", KEYS)
@pytest.mark.parametrize("kind", ["429", "503"])
def test_who_throttles_is_waited_for(server: Server, tmp_path: Path, name: str, kind: str) -> None:
    with proxied(server.url, share=0.25, kinds=(kind,), seed=2) as proxy:
        ids, failed, _ = fetch(proxy, tmp_path, api=KNOWN[name])
    assert proxy.faults[kind] > 2
    assert failed == []
    assert ids == Counter(between(server, "naip", NAIP))
    assert proxy.early == []
