"""How the join is cut into tasks, and which partition Spark sends a task's rows to."""

import numpy as np
import pyarrow as pa
import pytest

from geosr_lake.pairs.layout import (
    DAY_US,
    MAX_BUCKETS,
    Side,
    bucket_width_us,
    even_slots,
    group_tiles,
    lay_out,
    task_keys,
)

YEAR_US = 365 * DAY_US


def side(scenes: int, years: float, length_us: int = 0, tiles: int = 50) -> Side:
    each = pa.table(
        {"tile": [f"t{i:03}" for i in range(tiles)], "scenes": [scenes // tiles] * tiles}
    )
    return Side(scenes, float(scenes * length_us), 0, int(years * YEAR_US), scenes, each)


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


def test_a_small_join_is_one_task() -> None:
    assert lay_out(DAY_US, side(5000, 10), side(5000, 10), tasks=8).tasks == 1


def test_one_microsecond_scene_far_away_makes_no_more_buckets_than_allowed() -> None:
    layout = lay_out(0, side(10, 100_000), side(10, 1))
    assert len(layout.slot_of_bucket) <= MAX_BUCKETS + 1


def test_uneven_time_is_cut_evenly() -> None:
    layout = lay_out(0, side(1_000_000, 4), side(1_000_000, 4))
    weights = np.full(len(layout.slot_of_bucket), 100)
    weights[1200:] = 2000  # a second satellite
    cut = even_slots(layout, weights)
    load = np.bincount(cut.slot_of_bucket, weights)
    assert load.max() < 1.2 * np.median(load)
    assert cut.tasks == layout.tasks


def test_a_bucket_heavier_than_a_slot_leaves_no_gap() -> None:
    layout = lay_out(0, side(1_000_000, 4), side(1_000_000, 4))
    weights = np.ones(len(layout.slot_of_bucket), np.int64)
    weights[700] = 10_000
    slots = even_slots(layout, weights).slot_of_bucket
    assert set(np.diff(slots).tolist()) <= {0, 1}
    assert slots[0] == 0


def test_tiles_are_grouped_by_weight() -> None:
    tiles = pa.table({"tile": [f"t{i}" for i in range(8)], "scenes": [1, 1, 1, 1, 1, 1, 1, 1]})
    assert group_tiles(tiles, 4).tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    heavy = pa.table({"tile": ["a", "b", "c"], "scenes": [50, 1, 1]})
    assert group_tiles(heavy, 2).tolist() == [0, 1, 1]


def test_every_task_has_a_key() -> None:
    for tasks in (2, 3, 7, 64, 200):
        assert len(set(task_keys(tasks).tolist())) == tasks
