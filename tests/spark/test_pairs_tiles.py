"""The table of tile pairs: it grows with new tiles and changed extents, and only with those."""

import pytest
from pairs_world import NOON_2024_US, Scene, join, put, recipe, square
from pyspark.sql import DataFrame

from geosr_lake.lake import Lake
from geosr_lake.pairs import tiles
from geosr_lake.pairs.build import build

pytestmark = pytest.mark.spark

T = NOON_2024_US


def coarse(x: int, y: int, *, size: float = 5.0, name: str = "") -> Scene:
    return Scene("modis", f"h{x:02}v{y:02}", square(5 * x, 5 * y, size), T, name=name)


def fine(x: float, y: float, *, tile: str | None = None, size: float = 1.0) -> Scene:
    name = tile or f"{int(x):03}{int(y):03}"
    return Scene("landsat", name, square(x, y, size), T, name=f"{x}-{y}")


def stored(lake: Lake) -> set[tuple[str, str]]:
    rows = lake.df("tile_pairs").collect()
    assert len({(r["lr_tile"], r["hr_tile"]) for r in rows}) == len(rows), (
        "a tile pair stands twice"
    )
    present = {(r["sensor"], r["tile"]): r["extent_id"] for r in lake.df("tiles").collect()}
    for row in rows:
        assert present["modis", row["lr_tile"]] == row["lr_extent_id"]
        assert present["landsat", row["hr_tile"]] == row["hr_extent_id"]
    return {(row["lr_tile"], row["hr_tile"]) for row in rows}


class Spy:
    """Notes which tiles are given to the spatial join, and calls it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[tuple[str, str]] = []
        self._meet = tiles.meet
        monkeypatch.setattr(tiles, "meet", self)

    def __call__(self, lr: DataFrame, hr: DataFrame) -> DataFrame:
        left, right = ([row["tile"] for row in side.collect()] for side in (lr, hr))
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
    assert lake.df("tile_pairs").count() == 2
