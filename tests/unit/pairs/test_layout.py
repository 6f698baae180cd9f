"""How the join is cut into tasks, and which partition Spark sends a task's rows to."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geosr_lake.pairs.layout import (
    DAY_US,
    MAX_BUCKETS,
    Side,
    bucket_width_us,
    even_slots,
    group_tiles,
    lay_out,
    spread_tiles,
    task_keys,
)

YEAR_US = 365 * DAY_US


def side(scenes: int, years: float, length_us: int = 0, tiles: int = 50) -> Side:
    each = pa.table(
        {"tile": [f"t{i:03}" for i in range(tiles)], "scenes": [scenes // tiles] * tiles}
    )
    days = max(1, int(years * 365))
    of_day = pa.table({"day": np.arange(days), "scenes": np.full(days, scenes // days)})
    return Side(scenes, float(scenes * length_us), 0, int(years * YEAR_US), scenes, each, of_day)


def busy(days: slice, scenes: int) -> Side:
    """Four years with a hundred scenes a day, and more on some days."""
    each = np.full(4 * 365, 100)
    each[days] = scenes
    of_day = pa.table({"day": np.arange(len(each)), "scenes": each})
    return replace(side(int(each.sum()), 4), days=of_day)


@pytest.mark.parametrize("window_us", [0, 1, 3_600_000_000, DAY_US // 2])
def test_a_bucket_is_never_shorter_than_a_day(window_us: int) -> None:
    assert bucket_width_us(window_us, side(100, 1), side(100, 1)) == DAY_US


def test_a_bucket_is_twice_the_window_or_the_longer_mean_interval() -> None:
    short, composite = side(100, 1), side(100, 1, 8 * DAY_US)
    assert bucket_width_us(2 * DAY_US, short, short) == 4 * DAY_US
    assert bucket_width_us(2 * DAY_US, short, composite) == 8 * DAY_US
    assert bucket_width_us(2 * DAY_US, composite, short) == 8 * DAY_US


@pytest.mark.parametrize("window_us", [0, 3_600_000_000, 15 * DAY_US, 3660 * DAY_US])
def test_slots_are_long_against_the_window_and_tasks_enough(window_us: int) -> None:
    lr, hr = side(4_000_000, 50, DAY_US, 400), side(10_000_000, 50)
    layout = lay_out(window_us, lr, hr)
    assert 94 <= layout.tasks <= 200
    assert len(layout.slot_of_bucket) <= MAX_BUCKETS + 1
    in_a_slot = np.bincount(layout.slot_of_bucket)
    assert layout.times == 1 or in_a_slot.min() >= 3
    assert (np.diff(layout.slot_of_bucket) >= 0).all()


def test_there_are_as_many_tasks_as_are_asked_for() -> None:
    few = side(500, 10)
    assert lay_out(DAY_US, few, few).tasks == 2
    assert lay_out(DAY_US, few, few, tasks=8).tasks == 8
    # Time cannot be cut where the window is as long as the archive; tiles can.
    whole = lay_out(3660 * DAY_US, few, few, tasks=8)
    assert (whole.times, whole.groups) == (1, 8)


def test_one_microsecond_scene_far_away_makes_no_more_buckets_than_allowed() -> None:
    layout = lay_out(0, side(10, 100_000), side(10, 1))
    assert len(layout.slot_of_bucket) <= MAX_BUCKETS + 1


def test_uneven_time_is_cut_evenly() -> None:
    lr, hr = busy(slice(1200, None), 2000), side(1_000_000, 4)  # a second satellite
    cut = even_slots(lay_out(0, lr, hr), (lr, hr))
    days = lr.days["scenes"].to_numpy() + hr.days["scenes"].to_numpy()
    load = np.bincount(cut.slot_of_bucket[: len(days)], days)
    assert load.max() < 1.2 * np.median(load)
    assert cut.tasks == lay_out(0, lr, hr).tasks


def test_a_bucket_heavier_than_a_slot_leaves_no_gap() -> None:
    lr, hr = busy(slice(700, 701), 10_000_000), side(1000, 4)
    slots = even_slots(lay_out(0, lr, hr), (lr, hr)).slot_of_bucket
    assert set(np.diff(slots).tolist()) <= {0, 1}
    assert slots[0] == 0


def test_tiles_are_grouped_by_weight() -> None:
    tiles = pa.table({"tile": [f"t{i}" for i in range(8)], "scenes": [1, 1, 1, 1, 1, 1, 1, 1]})
    assert group_tiles(tiles, 4).tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    heavy = pa.table({"tile": ["a", "b", "c"], "scenes": [50, 1, 1]})
    assert group_tiles(heavy, 2).tolist() == [0, 1, 1]


@given(
    st.lists(st.integers(0, 1000), min_size=1, max_size=30),
    st.integers(1, 40),
)
def test_a_tile_takes_as_many_groups_as_it_weighs(weights: list[int], groups: int) -> None:
    names = pa.chunked_array([[f"t{i:02}" for i in range(len(weights))]])
    first, last = spread_tiles(names, np.array(weights), groups)
    assert ((first >= 0) & (first <= last) & (last < groups)).all()
    assert (np.diff(first) >= 0).all()
    share = np.array(weights) * groups / max(1, sum(weights))
    assert (last[share <= 1] == first[share <= 1]).all()
    taken = last - first + 1
    assert (taken >= share - 1e-9).all(), "no group of it has more than a group should"
    assert (taken <= share + 2).all()


def test_of_a_crowded_tile_each_group_has_a_part() -> None:
    names = pa.chunked_array([["c", "a", "b"]])
    first, last = spread_tiles(names, np.array([10, 10, 80]), 10)  # of c, a, b
    assert (first.tolist(), last.tolist()) == ([9, 0, 1], [9, 0, 8])


def test_every_task_has_a_key() -> None:
    for tasks in (2, 3, 7, 64, 200):
        assert len(set(task_keys(tasks).tolist())) == tasks
