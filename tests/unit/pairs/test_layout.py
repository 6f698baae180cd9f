"""How the time join is laid out: width of the buckets, side that is exploded."""

import pyarrow as pa
import pytest

from geosr_lake.pairs.intime import (
    DAY_US,
    Layout,
    SideStats,
    bucket_width_us,
    lay_out,
    side_stats,
)

INSTANTS = SideStats(scenes=1000, length_us=0.0, partners=3000, partner_length_us=0.0)


def composites(days: int, scenes: int = 100, partners: int = 9) -> SideStats:
    length = float(scenes * days * DAY_US)
    return SideStats(scenes, length, scenes * partners, length * partners)


@pytest.mark.parametrize("window_us", [0, 1, 3_600_000_000, DAY_US // 2])
def test_a_bucket_is_never_shorter_than_a_day(window_us: int) -> None:
    assert bucket_width_us(window_us, INSTANTS, INSTANTS) == DAY_US


@pytest.mark.parametrize("days", [1, 16, 365, 3660])
def test_a_bucket_grows_with_the_window(days: int) -> None:
    assert bucket_width_us(days * DAY_US, INSTANTS, INSTANTS) == 2 * days * DAY_US


@pytest.mark.parametrize("days", [8, 16])
def test_a_bucket_is_as_long_as_a_composite(days: int) -> None:
    assert bucket_width_us(0, composites(days), INSTANTS) == days * DAY_US
    assert bucket_width_us(0, INSTANTS, composites(days)) == days * DAY_US


def test_one_endless_interval_does_not_stretch_the_buckets_of_all() -> None:
    century = 36_525.0 * DAY_US
    side = SideStats(1_000_000, century, 1_000_000, century)
    assert bucket_width_us(0, side, INSTANTS) == DAY_US


@pytest.mark.parametrize("window_days", [0, 1, 8, 400, 3660])
@pytest.mark.parametrize("length_days", [0, 1, 16, 366])
def test_a_scene_becomes_few_rows_whatever_the_window(window_days: int, length_days: int) -> None:
    side, window_us = composites(length_days, partners=1), window_days * DAY_US
    width = bucket_width_us(window_us, side, INSTANTS)
    assert side.exploded_rows(window_us, width) <= 3 * side.scenes


def test_the_side_that_becomes_fewer_rows_is_exploded() -> None:
    few, many = composites(8, scenes=10), composites(8, scenes=1000)
    assert lay_out(0, few, many) == Layout(8 * DAY_US, "lr")
    assert lay_out(0, many, few) == Layout(8 * DAY_US, "hr")


def test_rows_count_tile_pairs_not_scenes() -> None:
    """Few scenes of a tile with many partners can be more rows than many scenes with one."""
    wide, narrow = composites(0, scenes=10, partners=900), composites(0, scenes=1000, partners=2)
    assert lay_out(0, wide, narrow).exploded == "hr"


def test_a_side_without_scenes_is_no_problem() -> None:
    assert lay_out(5, SideStats(), SideStats()).bucket_us == DAY_US


def test_stats_weigh_each_tile_with_the_tiles_it_meets() -> None:
    counts = pa.table(
        {
            "sensor": ["modis", "modis", "landsat"],
            "tile": ["a", "lone", "a"],
            "scenes": [3, 5, 7],
            "length_us": [30.0, 50.0, 0.0],
        }
    )
    met = pa.chunked_array([["a", "b", "a"], ["a"]])
    assert side_stats(counts, "modis", met) == SideStats(8, 80.0, 9, 90.0)
    assert side_stats(counts, "landsat", met) == SideStats(7, 0.0, 21, 0.0)
    assert side_stats(counts, "naip", met) == SideStats()
