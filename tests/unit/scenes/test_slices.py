"""Slices of an interval, what of them is asked for again, and the spool."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from canary import CANARY, found_in, signed

from geosr_lake.archives.record import parse
from geosr_lake.errors import UsageError
from geosr_lake.lake import Lake, ledger
from geosr_lake.lake.bucket import Bucket
from geosr_lake.lake.progress import Silent
from geosr_lake.net.apis import api_of
from geosr_lake.scenes import live, spool
from geosr_lake.scenes.fetch import Failed
from geosr_lake.scenes.slices import Slice, area_of, can_have_changed, plan

API = "https://example.com/stac"


def test_a_plan() -> None:
    days = (date(2024, 2, 28), date(2024, 3, 1))
    slices = plan(API, ["b", "a", "a"], days, (-105.0, 39.5, -104.0, 40.0))
    assert [(s.collection, s.day.day) for s in slices] == [
        ("a", 28), ("b", 28), ("a", 29), ("b", 29), ("a", 1), ("b", 1),
    ]  # fmt: skip
    assert len({s.slice_id for s in slices}) == 6
    assert slices[0].bbox == (-105.0, 39.5, -104.0, 40.0)
    assert slices[0].source == f"api:{API}/a/2024-02-28?bbox=-105,39.5,-104,40"
    with pytest.raises(UsageError, match="more than 100,000"):
        plan(API, ["a"], (date(1700, 1, 1), date(2024, 1, 1)), None)


def test_equal_boxes_have_one_name() -> None:
    assert area_of((-0.0, 0.0, 1.0, 2.50)) == area_of((0.0, 0.0, 1.0, 2.5)) == "0,0,1,2.5"
    assert area_of(None) == ""


def test_what_can_have_changed() -> None:
    day, settles = date(2024, 7, 1), 30
    settled = datetime(2024, 8, 1, tzinfo=UTC)
    later = settled + timedelta(days=100)
    assert not can_have_changed(day, settled, settles, later)
    assert can_have_changed(day, settled - timedelta(seconds=1), settles, later)
    early = datetime(2024, 7, 2, tzinfo=UTC)
    assert not can_have_changed(day, early, settles, early + timedelta(minutes=59))
    assert can_have_changed(day, early, settles, early + timedelta(minutes=61))


def spooled(
    folder: Path,
    day: date = date(2024, 7, 1),
    fetched_at: datetime = datetime(2024, 8, 1, tzinfo=UTC),
) -> spool.Spooled:
    draft = spool.Draft(folder, Slice(API, "c", day))
    draft.add([signed({"id": "x", "assets": {"a": {"href": "rel/b.tif"}}})])
    return draft.finish(pages=1, matched=1, faults={}, fetched_at=fetched_at)


def test_a_spooled_slice_is_found_again_and_unsigned(tmp_path: Path) -> None:
    one = spooled(tmp_path / "spool")
    assert spool.complete(tmp_path / "spool") == [one]
    assert found_in(tmp_path) == [], CANARY
    item = json.loads(one.file.read_text())
    assert item["assets"]["a"]["href"] == f"{API}/collections/c/items/rel/b.tif"
    assert item["assets"]["a"]["xarray:storage_options"] == {"account_name": "pc"}
    assert item["links"] == [{"rel": "preview", "href": "https://example.com/p"}]


def test_an_item_that_is_nested_too_deep_stays_an_item(tmp_path: Path) -> None:
    deep: list[object] = []
    for _ in range(900):
        deep = [deep]
    draft = spool.Draft(tmp_path / "spool", Slice(API, "c", date(2024, 7, 1)))
    draft.add([{"id": "x"}, {"id": "deep", "properties": {"a": deep}}, {"id": "y"}])
    one = draft.finish(pages=1, matched=3, faults={}, fetched_at=datetime(2024, 8, 1, tzinfo=UTC))
    records = [parse(line) for line in one.file.read_bytes().splitlines()]
    assert [record.problem for record in records] == [None, "item_too_deep", None]
    assert b'"id":"deep"' in records[1].raw


def test_what_is_not_complete_is_removed(tmp_path: Path) -> None:
    draft = spool.Draft(tmp_path / "spool", Slice(API, "c", date(2024, 7, 1)))
    draft.add([{"id": "x"}])
    one = spooled(tmp_path / "spool", date(2024, 7, 2))
    assert spool.complete(tmp_path / "spool") == [one]
    assert len(list((tmp_path / "spool").iterdir())) == 1
    spool.remove([one])
    assert not (tmp_path / "spool").exists()


def test_the_spool_of_a_bucket_lies_on_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    lake, other = Bucket.parse("s3://lakes/us"), Bucket.parse("s3://lakes/eu")
    here = spool.spool_of(lake)
    assert here == spool.spool_of(Bucket.parse("s3a://lakes/us")), "the same lake"
    assert here.is_relative_to(tmp_path)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:2")
    assert len({here, spool.spool_of(lake), spool.spool_of(other)}) == 3
    assert spool.spool_of(tmp_path / "lake") == tmp_path / "lake" / "spool"


@pytest.mark.parametrize(("later_s", "resumed"), [(-1, 1), (0, 0), (1, 0)])
def test_what_waits_is_taken_over_unless_the_lake_has_it_as_new(
    tmp_path: Path, later_s: int, resumed: int
) -> None:
    """Another machine may have had the slice in the meantime."""
    lake = Lake.create(tmp_path / "lake")
    one = spooled(tmp_path / "lake" / "spool")
    at = one.fetched_at + timedelta(seconds=later_s)
    row = live._done_row(replace(one, fetched_at=at), "run")
    ledger.append(lake.root, "slices", [row])
    days = (one.slice.day, one.slice.day)
    wanted = live.Wanted(api_of("http://127.0.0.1:1"), ("c",), days)
    run = live._Run(lake, wanted, Silent(), [one.slice])
    run.resume()
    assert run.summary.resumed == resumed
    assert len(spool.complete(tmp_path / "lake" / "spool")) == resumed


@pytest.mark.parametrize("again", [False, True])
def test_what_waits_is_not_asked_for_in_the_same_run(tmp_path: Path, again: bool) -> None:
    """A day that can still change, fetched hours ago by a run that was killed: it comes in once."""
    lake, now = Lake.create(tmp_path / "lake"), datetime.now(UTC)
    recent = (now - timedelta(days=3)).date()
    one = spooled(tmp_path / "lake" / "spool", recent, now - timedelta(hours=2))
    assert can_have_changed(recent, one.fetched_at, 30, now)
    other = Slice(API, "c", recent - timedelta(days=1))
    wanted = live.Wanted(api_of("http://127.0.0.1:1"), ("c",), (other.day, recent), again=again)
    run = live._Run(lake, wanted, Silent(), [other, one.slice])
    run.resume()
    assert run.todo() == [other]
    assert (run.summary.resumed, run.summary.held) == (1, 0)


def test_days_that_failed_are_asked_for_last(tmp_path: Path) -> None:
    """However many they are: newer days are had before they fail again."""
    lake, days = Lake.create(tmp_path / "lake"), (date(2024, 7, 1), date(2024, 7, 4))
    asked = plan("http://127.0.0.1:1", ["c"], days, None)
    at = datetime(2026, 1, 1, tzinfo=UTC)
    failed = [Failed(part, "refused", {}, at) for part in asked[:2]]
    ledger.append(lake.root, "slices", [live._undone_row(one, "run") for one in failed])
    wanted = live.Wanted(api_of("http://127.0.0.1:1"), ("c",), days)
    run = live._Run(lake, wanted, Silent(), asked)
    run.resume()
    assert run.todo() == [*asked[2:], *asked[:2]]
    had = replace(spooled(tmp_path / "spool"), slice=asked[0], fetched_at=at + timedelta(1))
    ledger.append(lake.root, "slices", [live._done_row(had, "run")])
    run = live._Run(lake, wanted, Silent(), asked)
    run.resume()
    assert run.todo() == [*asked[2:], asked[1]]
    assert run.summary.held == 1
