"""An API that fails: each item once or the slice undone in words; never early, never too often."""

import time
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from canary import found_in
from fault_proxy import PAGING, PASSING, SENSELESS, proxied
from killed_ingest import DAYS, killed
from live_fetch import FULL, NAIP, QUICK, fetch
from live_oracle import between, ids_of
from stac_server import Server

from geosr_lake.errors import TransientSourceError
from geosr_lake.lake import Lake, ledger
from geosr_lake.net.apis import api_of
from geosr_lake.scenes.live import Wanted, ingest_api
from geosr_lake.scenes.spool import Draft

pytestmark = pytest.mark.fault


@pytest.mark.parametrize("counted", [True, False])
def test_one_request_in_five_fails_and_all_items_arrive_once(
    server: Server, tmp_path: Path, counted: bool
) -> None:
    server.count(on=counted)
    try:
        with proxied(server.url, share=0.2, kinds=(*PASSING, *PAGING), seed=11) as proxy:
            ids, failed, _ = fetch(proxy, tmp_path / "spool")
    finally:
        server.count(on=True)
    assert sum(proxy.faults.values()) >= 0.1 * len(proxy.times) > 3, proxy.faults
    assert failed == []
    assert ids == Counter(between(server, "naip", NAIP))
    assert proxy.early == [], "nothing came before Retry-After allowed it"
    assert found_in(tmp_path) == []


@pytest.mark.parametrize(
    ("kind", "counted", "code"),
    [
        ("repeat", True, "page_repeated"),
        ("repeat", False, "page_repeated"),
        ("loop", True, "paging_loop"),
        ("loop", False, "paging_loop"),
        ("no_next", True, "next_missing"),
        ("no_next", False, "next_missing"),
    ],
)
def test_a_paging_fault_that_stays_leaves_the_slice_undone(
    server: Server, tmp_path: Path, kind: str, counted: bool, code: str
) -> None:
    server.count(on=counted)
    try:
        with proxied(server.url, share=1.0, kinds=(kind,), only='"datetime"') as proxy:
            ids, failed, _ = fetch(proxy, tmp_path / "spool", days=(FULL, FULL))
    finally:
        server.count(on=True)
    assert ids == Counter()
    assert len(failed) == 1
    assert code in failed[0].faults
    assert len(proxy.times) <= 2 * (9 * 3) + 2, "two listings of 9 pages, each asked 3 times"
    assert list((tmp_path / "spool").iterdir()) == []


@pytest.mark.parametrize("kind", SENSELESS)
def test_a_link_that_makes_no_sense_leaves_its_day_undone(
    server: Server, tmp_path: Path, kind: str
) -> None:
    """And no other: the days of one page are had."""
    with proxied(server.url, share=1.0, kinds=(kind,), only='"datetime"') as proxy:
        ids, failed, done = fetch(proxy, tmp_path / "spool")
    expected = between(server, "naip", NAIP)
    assert proxy.faults[kind] == len(failed) > 0
    assert {one.reason.partition(" (")[0] for one in failed} <= {
        "A link of the API makes no request",
        "The link to the next page makes no sense",
        "A link leads to another host than the one that was named; it is not followed",
    }
    assert len(failed) + len(done) == 31
    left = Counter(expected)
    for one in failed:
        left -= Counter(between(server, "naip", (one.slice.day, one.slice.day)))
    assert ids == left
    assert sum(ids.values()) > 0


@pytest.mark.parametrize("counted", [True, False])
def test_a_day_that_fills_its_pages_is_whole(server: Server, tmp_path: Path, counted: bool) -> None:
    """Where nothing is counted a full last page proves nothing: pages of another length do."""
    expected = between(server, "naip", (FULL, FULL))
    server.count(on=counted)
    try:
        with proxied(server.url) as proxy:
            ids, failed, done = fetch(proxy, tmp_path, days=(FULL, FULL), page_items=len(expected))
    finally:
        server.count(on=True)
    assert (failed, ids) == ([], Counter(expected))
    assert [(one.pages, one.faults) for one in done] == [(1, {})]


def test_the_rate_holds_and_idle_time_is_not_saved_up(server: Server, tmp_path: Path) -> None:
    with proxied(server.url, share=0.2, kinds=("500",), seed=3) as proxy:
        began = time.time()
        fetch(proxy, tmp_path / "spool", rate=20.0)
        took_s = time.time() - began
    assert len(proxy.times) <= 1.05 * 20 * took_s + 1
    assert proxy.most_in_a_second() <= 22, "20 a second, one at the edge, one late"


def test_an_api_that_is_down_is_given_up_soon(server: Server, tmp_path: Path) -> None:
    with proxied(server.url, share=1.0, kinds=("500",), only='"datetime"') as proxy:
        ids, failed, _ = fetch(proxy, tmp_path / "spool", tries=2, up=5)
    assert ids == Counter()
    assert 5 <= len(failed) < 31
    assert {one.reason for one in failed} == {"The host answered 500"}


@pytest.mark.spark
def test_one_day_that_fails_is_undone_and_had_by_the_next_run(
    lake: Lake, server: Server, tmp_path: Path
) -> None:
    days = (date(2024, 7, 28), date(2024, 8, 2))
    with proxied(server.url, share=1.0, kinds=("503",), only="2024-07-31T00") as proxy:
        asked = Wanted(
            api_of(proxy.url), ("landsat-c2-l2",), days, rate=100.0, timeouts=QUICK, tries=2
        )
        summary = ingest_api(lake, asked)
        assert list(summary.undone) == [f"api:{proxy.url}/landsat-c2-l2/2024-07-31"]
        with pytest.raises(TransientSourceError, match="1 of 6 slices are undone"):
            summary.check()
        lost = between(server, "landsat-c2-l2", (date(2024, 7, 31), date(2024, 7, 31)))
        everything = between(server, "landsat-c2-l2", days)
        assert ids_of(lake) == Counter(everything - lost)
        status = {row["day"]: row["status"] for row in lake.arrow("slices").to_pylist()}
        assert status.pop("2024-07-31") == "undone"
        assert set(status.values()) == {"done"}

        proxy.share = 0.0
        summary = ingest_api(lake, asked)
        summary.check()
        assert (summary.held, summary.fetched) == (5, 1)
        assert ids_of(lake) == Counter(everything)


def test_what_came_before_a_full_disk_is_in_the_lake(
    lake: Lake, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the spool that fills the disk would never be emptied."""
    days = (date(2024, 7, 28), date(2024, 8, 2))
    finish, finished = Draft.finish, []

    def full(draft: Draft, **of: Any) -> Any:
        finished.append(draft)
        if len(finished) > 2:
            raise OSError(28, "No space left on device")
        return finish(draft, **of)

    asked = Wanted(api_of(server.url), ("landsat-c2-l2",), days, rate=100.0, workers=1)
    with monkeypatch.context() as patched:
        patched.setattr(Draft, "finish", full)
        with pytest.raises(OSError, match="No space"):
            ingest_api(lake, asked)
    assert ids_of(lake) == Counter(between(server, "landsat-c2-l2", (days[0], date(2024, 7, 29))))
    assert not list((Path(lake.root) / "spool").glob("*"))
    summary = ingest_api(lake, asked)
    assert (summary.held, summary.fetched) == (2, 4)
    assert ids_of(lake) == Counter(between(server, "landsat-c2-l2", days))


def converges(root: Path, server: Server) -> None:
    """Check that the lake holds whole slices or none of them, and that a run mends the rest."""
    lake = Lake.create(root)
    expected = between(server, "landsat-c2-l2", DAYS)
    assert set(ids_of(lake)) <= expected
    assert not [item for item, times in ids_of(lake).items() if times > 1]
    rows = ledger.read(root, "slices").to_pylist()
    for row in rows:
        day = date.fromisoformat(row["day"])
        assert between(server, "landsat-c2-l2", (day, day)) <= set(
            lake.live("items").toPandas()["item_id"]
        ), "a row stands for items that stand"
    asked = Wanted(api_of(server.url), ("landsat-c2-l2",), DAYS, rate=100.0)
    summary = ingest_api(lake, asked)
    summary.check()
    assert summary.held + summary.resumed + summary.fetched == 15
    assert summary.held + summary.resumed >= len(rows)
    assert ids_of(lake) == Counter(expected)
    slices = [row["day"] for row in lake.arrow("slices").to_pylist()]
    assert sorted(slices) == sorted(set(slices)), "each slice once"
    assert not (root / "spool").exists()
    assert found_in(root) == []
    scenes = lake.arrow("scenes")["item_id"].to_pylist()
    assert len(scenes) + sum(map(len, lake.arrow("scenes")["superseded"].to_pylist())) == len(
        ids_of(lake)
    )


@pytest.mark.spark
def test_killed_while_it_fetches_it_goes_on(server: Server, tmp_path: Path, spark: Any) -> None:
    killed(tmp_path / "lake", server.url, "page", after=6)
    whole = [f for f in (tmp_path / "lake" / "spool").iterdir() if not f.name.startswith(".")]
    with_dot = [f for f in (tmp_path / "lake" / "spool").iterdir() if f.name.startswith(".")]
    assert with_dot, "something was in flight"
    lake = Lake.open(tmp_path / "lake")
    asked = Wanted(api_of(server.url), ("landsat-c2-l2",), DAYS, rate=100.0)
    summary = ingest_api(lake, asked)
    summary.check()
    assert summary.resumed == len(whole)
    assert summary.fetched == 15 - len(whole), "what was whole is not fetched again"
    assert ids_of(lake) == Counter(between(server, "landsat-c2-l2", DAYS))


@pytest.mark.spark
@pytest.mark.slow
@pytest.mark.parametrize("point", ["spooled", "derived", "rows", "committed"])
def test_killed_anywhere_the_next_run_converges(
    server: Server, tmp_path: Path, spark: Any, point: str
) -> None:
    killed(tmp_path / "lake", server.url, point, after=3 if point == "spooled" else 0)
    converges(tmp_path / "lake", server)


@pytest.mark.spark
@pytest.mark.slow
@pytest.mark.parametrize("after", [0, 2])
def test_killed_in_a_later_batch_the_first_ones_stay(
    server: Server, tmp_path: Path, spark: Any, after: int
) -> None:
    killed(tmp_path / "lake", server.url, "rows", after=after, batch=30_000)
    if after:
        assert ledger.read(tmp_path / "lake", "commits").num_rows >= after
    converges(tmp_path / "lake", server)
