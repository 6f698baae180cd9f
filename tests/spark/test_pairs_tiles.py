"""The table of tile pairs: it grows with new tiles and changed extents, and only with those."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pairs_world import NOON_2024_US, Scene, join, put, recipe, square, tile_table
from pyspark.sql import SparkSession

from geosr_lake.lake import Lake
from geosr_lake.lake.frames import from_arrow
from geosr_lake.pairs import tiles
from geosr_lake.pairs.build import build
from geosr_lake.pairs.space import meet, meet_here

pytestmark = pytest.mark.spark

T = NOON_2024_US


def coarse(x: int, y: int, *, size: float = 5.0, name: str = "") -> Scene:
    return Scene("modis", f"h{x:02}v{y:02}", square(5 * x, 5 * y, size), T, name=name)


def fine(x: float, y: float, *, tile: str | None = None, size: float = 1.0) -> Scene:
    name = tile or f"{int(x):03}{int(y):03}"
    return Scene("landsat", name, square(x, y, size), T, name=f"{x}-{y}")


def stored(lake: Lake) -> set[tuple[str, str]]:
    rows = lake.arrow("tile_pairs").to_pylist()
    assert len({(r["lr_tile"], r["hr_tile"]) for r in rows}) == len(rows), (
        "a tile pair stands twice"
    )
    present = {(r["sensor"], r["tile"]): r["extent_id"] for r in lake.arrow("tiles").to_pylist()}
    for row in rows:
        assert present["modis", row["lr_tile"]] == row["lr_extent_id"]
        assert present["landsat", row["hr_tile"]] == row["hr_extent_id"]
    return {(row["lr_tile"], row["hr_tile"]) for row in rows}


class Spy:
    """Notes which tiles are given to the spatial join, and calls it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[tuple[str, str]] = []
        self._meet = tiles.meet_here
        monkeypatch.setattr(tiles, "meet_here", self)

    def __call__(self, lr: pa.Table, hr: pa.Table) -> pa.Table:
        left, right = (side["tile"].to_pylist() for side in (lr, hr))
        self.asked += [(a, b) for a in left for b in right]
        return self._meet(lr, hr)

    def take(self) -> set[tuple[str, str]]:
        asked, self.asked = self.asked, []
        assert len(set(asked)) == len(asked), "two tiles met twice"
        return set(asked)


def test_only_new_tiles_and_changed_extents_meet(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    spy, rule = Spy(monkeypatch), recipe()
    base = [coarse(0, 0), coarse(1, 0), fine(1, 1), fine(6, 1)]
    put(lake, base)
    summary = build(lake, rule)
    assert (summary.tile_pairs, summary.tile_pairs_new) == (2, 2)
    assert len(spy.take()) == 4
    assert stored(lake) == {("h00v00", "001001"), ("h01v00", "006001")}

    # A new tile meets all of the other side; the old ones do not meet again.
    put(lake, [*base, fine(2, 2)])
    summary = build(lake, rule)
    assert (summary.tile_pairs, summary.tile_pairs_new) == (3, 1)
    assert spy.take() == {("h00v00", "002002"), ("h01v00", "002002")}

    # A tile whose extent grows meets again, and its new scene finds its pair.
    grown = [*base, fine(2, 2), fine(4.5, 1, tile="001001")]
    put(lake, grown)
    summary = build(lake, rule)
    assert spy.take() == {("h00v00", "001001"), ("h01v00", "001001")}
    assert summary.tile_pairs_new == 2
    assert stored(lake) == {
        ("h00v00", "001001"),
        ("h01v00", "001001"),
        ("h01v00", "006001"),
        ("h00v00", "002002"),
    }
    assert summary.pairs == 5
    found = join(lake.spark, grown, rule.pairs)
    assert len(found) == 5

    # It shrinks again: what it met no longer stands.
    put(lake, [*base, fine(2, 2)])
    build(lake, rule)
    assert ("h01v00", "001001") not in stored(lake)
    spy.take()

    # Nothing changed: nothing meets, nothing is written.
    before = lake.versions
    summary = build(lake, rule)
    assert spy.take() == set()
    assert (summary.tile_pairs, summary.tile_pairs_new, summary.changed) == (3, 0, False)
    assert {k: v for k, v in lake.versions.items() if k != "runs"} == {
        k: v for k, v in before.items() if k != "runs"
    }


def test_tiles_that_go_take_their_pairs_with_them(lake: Lake) -> None:
    rule = recipe()
    put(lake, [coarse(0, 0), fine(1, 1), fine(2, 2)])
    assert build(lake, rule).pairs == 2
    put(lake, [coarse(0, 0), fine(2, 2)])
    summary = build(lake, rule)
    assert (summary.tile_pairs, summary.tile_pairs_new, summary.pairs) == (1, 0, 1)
    assert stored(lake) == {("h00v00", "002002")}


def test_two_sensor_pairs_keep_their_own_tile_pairs(lake: Lake) -> None:
    quad = Scene("naip", "q1", square(1, 1, 0.1), T)
    put(lake, [coarse(0, 0), fine(1, 1), quad])
    assert build(lake, recipe()).tile_pairs == 1
    assert build(lake, recipe("landsat", "naip")).tile_pairs_new == 1
    assert build(lake, recipe()).tile_pairs_new == 0
    assert len(lake.arrow("tile_pairs")) == 2


def test_sedona_and_the_tree_in_this_process_find_the_same_tile_pairs(spark: SparkSession) -> None:
    """On a grid, so that many extents touch in an edge or a corner."""
    rng = np.random.default_rng(5)
    places = rng.integers(-20, 20, (240, 2)).tolist()
    worlds = [
        coarse(x, y, size=5.0) if k % 2 else fine(5.0 * x, 5.0 * y, tile=f"{k:06}", size=5.0)
        for k, (x, y) in enumerate(places)
    ]
    known = tile_table(worlds)
    lr, hr = (known.filter(pc.equal(known["sensor"], name)) for name in ("modis", "landsat"))
    here = meet_here(lr, hr).to_pylist()
    there = meet(from_arrow(spark, lr), from_arrow(spark, hr)).toArrow().to_pylist()
    assert len(here) > 20
    assert sorted(here, key=str) == sorted(there, key=str)
