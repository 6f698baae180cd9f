"""Small random worlds full of edges: the join finds what brute force finds.

Times lie on a lattice of the window and a microsecond beside it, footprints on a lattice on which
many touch, repeat or cross the antimeridian.
"""

from collections import Counter

import numpy as np
import pytest
import shapely
from pairs_oracle import Truth, brute_force
from pairs_world import (
    DAY_US,
    HOUR_US,
    NOON_2024_US,
    Scene,
    join,
    pairs_of,
    put,
    recipe,
    scene_table,
    square,
    tile_table,
)
from pyspark.sql import SparkSession

from geosr_lake.lake import Lake
from geosr_lake.pairs import here
from geosr_lake.pairs.build import build

pytestmark = pytest.mark.spark

LENGTHS_US = (0, 0, 1, HOUR_US, DAY_US, 8 * DAY_US, 16 * DAY_US)
MIDNIGHT_US = NOON_2024_US - 12 * HOUR_US


def random_footprint(rng: np.random.Generator) -> shapely.Geometry:
    """A shape on a lattice of half degrees: round 10 E or over the antimeridian."""
    lon, lat = rng.integers(0, 8, 2) / 2
    kind = rng.integers(0, 5)
    if kind == 0:
        west = 178 + lon
        parts = [shapely.box(west, lat, 180, lat + 1), shapely.box(-180, lat, west - 358, lat + 1)]
        if west >= 180:
            return shapely.box(west - 360, lat, west - 358, lat + 1)
        return shapely.MultiPolygon(parts) if west > 178 else parts[0]
    lon += 10
    if kind == 1:
        return shapely.Polygon([(lon, lat), (lon + 1, lat), (lon, lat + 1)])
    if kind == 2:
        return shapely.Polygon([(lon, lat), (lon + 1, lat + 0.5), (lon + 0.5, lat + 1)])
    return square(lon, lat, float(rng.choice([0.5, 1.0, 2.0])))


def random_world(seed: int, window_us: int, count: int = 120) -> list[Scene]:
    """Scenes of two sensors; some share a footprint, some a time, tiles hold several."""
    rng = np.random.default_rng(seed)
    scenes = []
    shapes = [random_footprint(rng) for _ in range(count // 3)]
    for i in range(count):
        sensor = ("modis", "landsat")[i % 2]
        step = int(rng.integers(-2, 3)) * window_us + int(rng.integers(-1, 2))
        start = MIDNIGHT_US + step + int(rng.choice([0, 0, HOUR_US, -DAY_US, 16 * DAY_US]))
        length = int(rng.choice(LENGTHS_US))
        if rng.random() < 0.2:  # ends where others start
            start = MIDNIGHT_US - length
        shape = shapes[int(rng.integers(len(shapes)))]
        side = "east" if shape.bounds[2] > 100 or shape.bounds[0] < -100 else "mid"
        tile = f"{side}{int(rng.integers(0, 4))}"
        scenes.append(Scene(sensor, tile, shape, start, start + length, f"s{i}"))
    return scenes


def truth_of(scenes: list[Scene]) -> Truth:
    return brute_force(
        *(scene_table(s for s in scenes if s.sensor == name) for name in ("modis", "landsat"))
    )


WINDOWS = {
    "0 s": 0,
    "1 s": 1_000_000,
    "1 h": HOUR_US,
    "1 d": DAY_US,
    "8 d": 8 * DAY_US,
    "400 d": 400 * DAY_US,
    "3660 d": 3660 * DAY_US,
}


OFTEN = ("0 s", "1 h", "8 d", "3660 d")
"""Windows of every run; the others are looked at with the long tests."""


@pytest.mark.parametrize(
    ("window", "partitions"),
    [
        pytest.param(name, number, marks=() if name in OFTEN else pytest.mark.slow)
        for name, number in zip(WINDOWS, (1, 2, 7, 2, 1, 7, 7), strict=True)
    ],
)
def test_join_is_brute_force(spark: SparkSession, window: str, partitions: int) -> None:
    window_us = WINDOWS[window]
    scenes = random_world(len(window) * 1000 + partitions, window_us)
    truth = truth_of(scenes)
    wanted = truth.inside(window_us)
    rule = recipe(window=window).pairs
    found = join(spark, scenes, rule, partitions=partitions, tasks=partitions)
    assert join(spark, scenes, rule, tasks=None) == found
    assert {key: gap for key, (gap, _) in found.items()} == wanted
    overlap = truth.overlaps(wanted.keys())
    assert max(abs(share - overlap[key]) for key, (_, share) in found.items()) <= 1e-6
    edges = Counter(
        "on" if abs(gap) == window_us else "beyond" if abs(gap) == window_us + 1 else "other"
        for gap in truth.gap_us.tolist()
    )
    assert edges["on"], "the world has no gap that is exactly the window"
    assert edges["beyond"], "the world has no gap one microsecond beyond the window"
    assert any(share == 0 for share in overlap.values()), "no two footprints only touch"
    far_east = {s.scene_id for s in scenes if s.footprint.geom_type == "MultiPolygon"}
    assert any(far_east & set(key) for key in wanted), "no pair lies over the antimeridian"


@pytest.mark.parametrize("seed", [3, 4])
def test_a_world_that_grows_is_brute_force_at_every_step(lake: Lake, seed: int) -> None:
    """Tiles come and their extents grow from build to build; nothing of before stays behind."""
    scenes, rule = random_world(seed, DAY_US), recipe(window="1 d")
    extents: dict[tuple[str, str], str] = {}
    grown = 0
    for count in (30, 70, 120):
        known = scenes[:count]
        put(lake, known)
        build(lake, rule)
        truth = truth_of(known)
        wanted = truth.inside(DAY_US)
        found = pairs_of(lake.arrow("pairs").to_pylist())
        assert {key: gap for key, (gap, _) in found.items()} == wanted
        overlap = truth.overlaps(wanted.keys())
        assert max(abs(share - overlap[key]) for key, (_, share) in found.items()) <= 1e-6
        now = {(t["sensor"], t["tile"]): t["extent_id"] for t in tile_table(known).to_pylist()}
        grown += sum(extents.get(tile, extent) != extent for tile, extent in now.items())
        extents = now
    assert grown, "no tile's extent grew"


@pytest.mark.slow
def test_partitions_and_tasks_do_not_change_a_row(spark: SparkSession) -> None:
    scenes = random_world(7, DAY_US)
    rule = recipe(window="1 d").pairs
    first, *others = (join(spark, scenes, rule, partitions=n, tasks=n) for n in (1, 2, 7))
    assert first
    assert all(other == first for other in others)


@pytest.mark.parametrize("rows", [1, 7, 50])
def test_parts_do_not_change_a_pair(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    """In one part, in parts of some tiles, and in parts of one tile each, in threads."""
    scenes, rule = random_world(9, DAY_US), recipe(window="1 d").pairs
    whole = join(spark, scenes, rule, tasks=None)
    monkeypatch.setattr(here, "ROWS_A_PART", rows)
    assert join(spark, scenes, rule, tasks=None) == whole != {}


@pytest.mark.slow
def test_the_order_of_the_scenes_does_not_change_a_row(spark: SparkSession) -> None:
    scenes = random_world(8, HOUR_US)
    rule = recipe(window="1 h").pairs
    assert join(spark, scenes, rule) == join(spark, scenes[::-1], rule) != {}
