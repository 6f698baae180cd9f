"""Spans of time: every LR scene once, with every HR scene that is near it, and never too many."""

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geosr_lake.pairs import spans as module
from geosr_lake.pairs.spans import WHOLE, Times, spans

DAY_US = 86_400_000_000


def times(scenes: list[tuple[int, int]]) -> Times:
    start, length = np.array(scenes, np.int64).reshape(-1, 2).T
    return Times(start, start + length)


def rows(side: Times, condition: object) -> list[int]:
    """Places of the scenes that a span takes, as a read of the table finds them."""
    instants = {
        name: pa.array(us).cast(pa.timestamp("us", tz="UTC"))
        for name, us in (("t_start", side.start_us), ("t_end", side.end_us))
    }
    table = pa.table({"place": np.arange(len(side.start_us)), **instants})
    found = ds.dataset(table).to_table(filter=condition, columns=["place"])
    return found["place"].to_pylist()


side = st.lists(st.tuples(st.integers(-30, 30), st.sampled_from([0, 0, 1, 9])), max_size=25)


@given(side, side, st.sampled_from([0, 1, 7, 200]), st.integers(1, 30))
@settings(max_examples=200, deadline=None)
def test_each_lr_scene_is_once_with_all_that_are_near(
    lr_scenes: list[tuple[int, int]], hr_scenes: list[tuple[int, int]], window: int, most: int
) -> None:
    lr, hr = times(lr_scenes), times(hr_scenes)
    found = spans(lr, hr, window, most)
    if len(lr_scenes) + len(hr_scenes) <= most:
        assert found == [WHOLE]
        return
    if found is None:
        return
    seen: list[int] = []
    for span in found:
        mine, theirs = rows(lr, span.lr), rows(hr, span.hr)
        assert len(mine) + len(theirs) <= most
        seen += mine
        for i in mine:
            gap = np.maximum(hr.start_us - lr.end_us[i], lr.start_us[i] - hr.end_us)
            assert set(np.flatnonzero(gap <= window)) <= set(theirs)
    assert sorted(seen) == list(range(len(lr_scenes)))


def test_years_are_cut_into_few_spans_of_alike_many() -> None:
    """Fifty years of a scene a day on either side, within a day."""
    days = np.arange(50 * 365) * DAY_US
    found = spans(Times(days, days), Times(days, days), DAY_US, 10_000)
    assert found is not None
    sizes = [len(rows(Times(days, days), span.lr)) for span in found]
    assert sum(sizes) == len(days)
    assert len(found) == 4
    assert max(sizes) < 1.01 * min(sizes)


@pytest.mark.parametrize(
    ("lr_us", "window_us", "most"),
    [
        ([5] * 40, 0, 30),  # at one instant
        (list(range(40)), 1000, 40),  # each is near all
    ],
)
def test_what_cannot_be_cut_is_told(lr_us: list[int], window_us: int, most: int) -> None:
    at = np.array(lr_us, np.int64)
    hr = np.arange(40)
    assert spans(Times(at, at), Times(hr, hr), window_us, most) is None


def test_there_are_no_more_spans_than_are_worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    at = np.arange(100)
    assert len(spans(Times(at, at), Times(at, at), 0, 10) or ()) > 8
    monkeypatch.setattr(module, "MOST_SPANS", 8)
    assert spans(Times(at, at), Times(at, at), 0, 10) is None


def test_times_are_microseconds() -> None:
    instant = datetime(1969, 12, 31, 23, tzinfo=UTC)
    column = pa.array([instant], pa.timestamp("us", tz="UTC"))
    found = Times.of(pa.table({"t_start": column, "t_end": column}))
    assert found.start_us.tolist() == found.end_us.tolist() == [-3_600_000_000]
