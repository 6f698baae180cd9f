"""The join's edges, one by one; its plan; and what it costs as an archive grows."""

from dataclasses import replace

import numpy as np
import pytest
import shapely
from pairs_world import (
    DAY_US,
    HOUR_US,
    NOON_2024_US,
    Scene,
    frames,
    join,
    recipe,
    square,
    tile_pairs,
)
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as f

from geosr_lake.pairs import nearby
from geosr_lake.pairs.find import find
from geosr_lake.pairs.layout import task_keys
from geosr_lake.pairs.space import meet

pytestmark = pytest.mark.spark

T = NOON_2024_US


def lr(start_us: int, end_us: int | None = None, at: shapely.Geometry | None = None) -> Scene:
    return Scene("modis", "h01v01", at or square(0, 0), start_us, end_us, f"{start_us}-{end_us}")


def hr(
    start_us: int,
    end_us: int | None = None,
    at: shapely.Geometry | None = None,
    tile: str = "001001",
) -> Scene:
    return Scene("landsat", tile, at or square(0, 0), start_us, end_us, f"{start_us}-{end_us}")


# A LR interval, a HR interval, and their gap: HR minus LR.
GAPS = {
    "hr later": ((0, 10), (15, 20), 5),
    "hr earlier": ((15, 20), (0, 10), -5),
    "overlap": ((0, 10), (5, 20), 0),
    "one inside the other": ((0, 100), (40, 50), 0),
    "touch, hr later": ((0, 10), (10, 20), 0),
    "touch, hr earlier": ((10, 20), (0, 10), 0),
    "a microsecond between": ((0, 10), (11, 20), 1),
    "instant at the start": ((0, 10), (0, 0), 0),
    "instant at the exclusive end": ((0, 10), (10, 10), 0),
    "instant after the end": ((0, 10), (11, 11), 1),
    "instant before the start": ((0, 10), (-1, -1), -1),
    "the same instant": ((3, 3), (3, 3), 0),
    "two instants": ((3, 3), (1, 1), -2),
}


def test_gap_of_two_intervals() -> None:
    lr_start, lr_end, hr_start, hr_end = np.array([(*a, *b) for a, b, _ in GAPS.values()]).T
    gaps = nearby.gap_us(lr_start, lr_end, hr_start, hr_end).tolist()
    assert dict(zip(GAPS, gaps, strict=True)) == {name: gap for name, (*_, gap) in GAPS.items()}


def test_a_gap_of_exactly_the_window_is_in_and_one_microsecond_more_is_out(
    spark: SparkSession,
) -> None:
    base = lr(T, T + HOUR_US)
    later = [hr(base.until_us + DAY_US + extra) for extra in (0, 1)]
    earlier = [hr(T - 2 * DAY_US, T - DAY_US - extra) for extra in (0, 1)]
    found = join(spark, [base, *later, *earlier], recipe(window="1 d").pairs)
    assert {key[1]: gap for key, (gap, _) in found.items()} == {
        later[0].scene_id: DAY_US,
        earlier[0].scene_id: -DAY_US,
    }


def test_long_intervals_that_share_many_buckets_are_one_pair(spark: SparkSession) -> None:
    """400 days of overlap in buckets of at most 201 days; instants keep the mean short."""
    far = [lr(T + k * HOUR_US, at=square(40, 0)) for k in range(40)]
    long_lr, long_hr = lr(T, T + 400 * DAY_US), hr(T + DAY_US, T + 401 * DAY_US)
    found = join(spark, [*far, long_lr, long_hr], recipe(window="0 s").pairs)
    assert found == {(long_lr.scene_id, long_hr.scene_id): (0, 1.0)}


def test_scenes_before_1970_fall_into_buckets_as_well(spark: SparkSession) -> None:
    early = -10 * DAY_US
    worlds = [lr(early), hr(early - HOUR_US), hr(early + HOUR_US), hr(early + HOUR_US + 1)]
    found = join(spark, worlds, recipe(window="1 h").pairs)
    assert sorted(gap for gap, _ in found.values()) == [-HOUR_US, HOUR_US]


def test_closed_sets_touch_and_open_ground_does_not(spark: SparkSession) -> None:
    footprints = {
        "edge": square(1, 0),
        "corner": square(1, 1),
        "apart": square(1.0000001, 0),
        "hypotenuse": shapely.Polygon([(2, 0), (2, 2), (0, 2)]),
    }
    shapes = [hr(T + i, at=shape) for i, shape in enumerate(footprints.values())]
    names = {scene.scene_id: name for scene, name in zip(shapes, footprints, strict=True)}
    full = lr(T, at=square(0, 0))
    half = lr(T + 1, at=shapely.Polygon([(0, 0), (1, 0), (0, 1)]))
    found = join(spark, [full, half, *shapes], recipe(window="1 d").pairs)
    assert {(key[0], names[key[1]]): share for key, (_, share) in found.items()} == {
        (full.scene_id, "edge"): 0.0,
        (full.scene_id, "corner"): 0.0,
        (full.scene_id, "hypotenuse"): 0.0,
        (half.scene_id, "edge"): 0.0,
    }


def test_footprints_over_the_antimeridian_meet_only_their_neighbours(spark: SparkSession) -> None:
    split = shapely.MultiPolygon([shapely.box(179, 0, 180, 1), shapely.box(-180, 0, -179, 1)])
    near = [hr(T, at=square(-180, 0, 0.5)), hr(T + 1, at=square(179.5, 0.5, 0.5))]
    far = [hr(T + 2, at=square(0, 0)), hr(T + 3, at=square(-178.5, 0, 0.5))]
    worlds = [
        Scene("modis", "split", split, T),
        *(Scene("landsat", f"00{i}001", s.footprint, s.start_us) for i, s in enumerate(near + far)),
    ]
    found = join(spark, worlds, recipe(window="1 d").pairs)
    assert {key[1] for key in found} == {scene.scene_id for scene in worlds[1:3]}
    assert {share for _, share in found.values()} == {1.0}


def test_least_overlap_is_allowed_itself(spark: SparkSession) -> None:
    half = square(0, 0).union(shapely.box(-1, 0, 0, 1))
    worlds = [lr(T), hr(T, at=half), hr(T + 1, at=shapely.box(-1.1, 0, 1, 1))]
    found = join(spark, worlds, recipe(window="1 d", min_overlap_frac=0.5).pairs)
    assert {share for _, share in found.values()} == {0.5}


def test_filters_of_product_platform_and_time(spark: SparkSession) -> None:
    worlds = [
        lr(T),
        Scene("modis", "h01v01", square(0, 0), T, name="other", product="Q.1"),
        hr(T),
        Scene("landsat", "001001", square(0, 0), T, name="no name", platform=None),
        Scene("landsat", "001001", square(0, 0), T, name="seven", platform="landsat-7"),
        hr(T - DAY_US, T - HOUR_US),
        hr(T - DAY_US, T),
        hr(T + HOUR_US),
    ]
    rule = recipe(
        window="30 d",
        lr_filter={"products": ["P.1"]},
        hr_filter={"platforms": ["p", "q"]},
        start="2024-06-01T12:00:00Z",
        end="2024-06-01T13:00:00Z",
    ).pairs
    found = join(spark, worlds, rule)
    # What ends at the start is not before it; what starts at the end is not before that.
    assert {key[1] for key in found} == {worlds[2].scene_id, worlds[6].scene_id}
    assert {key[0] for key in found} == {worlds[0].scene_id}


def test_a_part_without_scenes_is_an_answer(spark: SparkSession) -> None:
    all_scenes, tiles = frames(spark, [lr(T), hr(T)])
    rule = recipe().pairs
    met = tile_pairs(tiles, rule)
    with find(all_scenes, all_scenes.limit(0), met, rule) as found:
        assert (found.lr_scenes, found.hr_scenes, found.rows.count()) == (1, 0, 0)


def test_a_footprint_that_repeats_is_sent_once_and_finds_the_same(spark: SparkSession) -> None:
    rule, scenes = recipe(window="1 d").pairs, archive(4)
    assert join(spark, scenes, rule) == join(spark, scenes, rule, tasks=None) != {}


def test_scenes_that_meet_nobody_are_no_error(spark: SparkSession) -> None:
    assert join(spark, [lr(T), hr(T, at=square(50, 0))], recipe().pairs) == {}


def archive(years: int) -> list[Scene]:
    """Tiles of 5 degrees every 8 days, scenes of 2 degrees every 16, footprints jittered."""
    coarse = [
        Scene("modis", f"h{x:02}v{y:02}", square(5 * x, 5 * y, 5.0), t, t + 8 * DAY_US)
        for x in range(2)
        for y in range(2)
        for t in range(T, T + years * 365 * DAY_US, 8 * DAY_US)
    ]
    fine = [
        Scene(
            "landsat", f"{x:03}{y:03}", square(1.9 * x + k % 7 / 50, 1.9 * y, 2.0), t + x * DAY_US
        )
        for x in range(5)
        for y in range(5)
        for k, t in enumerate(range(T, T + years * 365 * DAY_US, 16 * DAY_US))
    ]
    return coarse + fine


def test_cost_per_pair_does_not_grow_with_the_archive(spark: SparkSession) -> None:
    rule = recipe(window="1 d").pairs
    tested, shuffled = [], []
    for years in (1, 4):
        all_scenes, tiles = frames(spark, archive(years))
        with find(all_scenes, all_scenes, tile_pairs(tiles, rule), rule, tasks=2) as found:
            pairs = found.rows.count()
            assert pairs == found.pairs > 1000 * years
            tested.append(found.tested / pairs)
            shuffled.append(found.shuffled / (found.lr_scenes + found.hr_scenes))
    assert tested[1] == pytest.approx(tested[0], rel=0.02)
    # Nearly every scene comes to one task, some to two.
    assert shuffled[0] < 1.05
    assert shuffled[1] < 1.02


@pytest.mark.parametrize("crowded", [("modis", "h00v00"), ("landsat", "001001")])
def test_a_crowded_tile_is_shared_among_tasks_whatever_the_window(
    spark: SparkSession, crowded: tuple[str, str]
) -> None:
    """Time cannot be cut where the window is as long as the archive."""
    scenes = archive(1)
    more = [
        replace(scene, name=f"{scene.name} again {n}")
        for scene in scenes
        if (scene.sensor, scene.tile) == crowded
        for n in range(24)
    ]
    rule = recipe(window="3660 d").pairs
    all_scenes, tiles = frames(spark, scenes + more)
    with find(all_scenes, all_scenes, tile_pairs(tiles, rule), rule, tasks=8) as found:
        by_task = found.rows.groupBy(f.spark_partition_id().alias("task")).count().toArrow()
        pairs = by_task["count"].to_numpy()
        assert len(pairs) == 8
        assert pairs.max() < 3 * np.median(pairs)
        distinct = found.rows.select("pair_id").distinct().count()
        assert distinct == pairs.sum() == found.pairs


def test_every_task_gets_a_partition_of_its_own(spark: SparkSession) -> None:
    """The keys of `task_keys` agree with Spark's hash partitioning."""
    for tasks in (2, 7, 64):
        keys = task_keys(tasks).tolist()
        frame = spark.createDataFrame([(key,) for key in keys], "key int")
        parts = frame.selectExpr(f"pmod(hash(key), {tasks}) AS part").collect()
        assert [row["part"] for row in parts] == list(range(tasks))


FORBIDDEN = ("CartesianProduct", "BroadcastNestedLoopJoin")


def executed(frame: DataFrame) -> str:
    """Return the plan as it ran."""
    frame.collect()
    return str(frame._jdf.queryExecution().executedPlan().toString())


@pytest.mark.parametrize("broadcast_limit", ["10MB", "-1"])
def test_plan_has_no_cartesian_product_and_no_nested_loop(
    spark: SparkSession, broadcast_limit: str
) -> None:
    """With and without broadcasts, which a large archive leaves no room for."""
    rule = recipe(window="1 d").pairs
    key = "spark.sql.autoBroadcastJoinThreshold"
    before = spark.conf.get(key)
    spark.conf.set(key, broadcast_limit)
    try:
        all_scenes, tiles = frames(spark, archive(1))
        coarse, fine = (tiles.where(f"sensor = '{name}'") for name in ("modis", "landsat"))
        met = meet(coarse, fine)
        spatial = executed(met)
        with find(all_scenes, all_scenes, met.toArrow(), rule, tasks=2) as found:
            rows = executed(found.rows)
    finally:
        spark.conf.set(key, before)
    assert "RangeJoin" in spatial or "BroadcastIndexJoin" in spatial
    for plan in (spatial, rows):
        assert not any(name in plan for name in FORBIDDEN), plan
