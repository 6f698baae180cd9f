"""Scenes to tiles: one box, or two where scenes lie on both sides of the antimeridian."""

import numpy as np
import pyarrow as pa
import pytest
import shapely
from stac_items import TILES

from geosr_lake.scenes import tiles
from geosr_lake.scenes.tiles import SCENE_COLUMNS, derive, gathered, grown, joined

EAST, WEST = shapely.box(179, 10, 180, 11), shapely.box(-180, 10.5, -178, 12)


def scenes(*footprints: shapely.Geometry, tile: str = "01WCQ") -> pa.Table:
    rows = []
    for footprint in footprints:
        west, south, east, north = footprint.bounds
        wkb = shapely.to_wkb(footprint) if east - west > 180 else None
        rows.append(("sentinel2", tile, west, south, east, north, wkb))
    return pa.table(dict(zip(SCENE_COLUMNS, map(list, zip(*rows, strict=True)), strict=True)))


def extent(*footprints: shapely.Geometry) -> tuple[shapely.Geometry, dict[str, object]]:
    (row,) = derive(scenes(*footprints), TILES).to_pylist()
    return shapely.from_wkb(row["extent_wkb"]), row


def test_the_extent_is_the_union_of_the_bounds() -> None:
    found, row = extent(shapely.Point(1, 1).buffer(1), shapely.box(3, 5, 4, 6))
    assert found.equals(shapely.box(0, 0, 4, 6))
    assert (row["xmin"], row["ymin"], row["xmax"], row["ymax"]) == (0, 0, 4, 6)
    assert row["scene_count"] == 2


@pytest.mark.parametrize(
    "footprints",
    [
        [shapely.MultiPolygon([EAST, WEST])],
        [EAST, WEST],
        [shapely.MultiPolygon([EAST, WEST]), shapely.box(179.5, 10.2, 180, 10.4)],
    ],
)
def test_two_boxes_over_the_antimeridian(footprints: list[shapely.Geometry]) -> None:
    found, row = extent(*footprints)
    assert found.equals(shapely.union(EAST, WEST))
    assert (row["xmin"], row["xmax"]) == (-180, 180)
    assert np.diff(shapely.bounds(shapely.get_parts(found))[:, [0, 2]]).max() <= 2


def test_a_tile_that_ends_at_the_antimeridian_has_one() -> None:
    assert extent(EAST)[0].geom_type == "Polygon"


def test_tiles_are_sorted_and_do_not_depend_on_order() -> None:
    both = [scenes(EAST, WEST, tile="b"), scenes(shapely.box(0, 0, 1, 1), tile="a")]
    first, second = (derive(pa.concat_tables(order), TILES) for order in (both, both[::-1]))
    assert first.equals(second)
    assert first["tile"].to_pylist() == ["a", "b"]


@pytest.mark.parametrize("at_once", [1, 2, 3])
def test_tiles_are_made_some_at_a_time(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    given = pa.concat_tables([scenes(EAST, WEST, tile=tile) for tile in "bacb"])
    whole = derive(given, TILES)
    monkeypatch.setattr(tiles, "ROWS_AT_ONCE", at_once)
    assert derive(given, TILES).equals(whole)
    assert whole["tile"].to_pylist() == ["a", "b", "c"]


def test_equal_extents_have_one_id_and_others_another() -> None:
    ids = [extent(box)[1]["extent_id"] for box in (EAST, shapely.box(179, 10, 180, 11), WEST)]
    assert ids[0] == ids[1] != ids[2]


@pytest.mark.parametrize("seed", range(5))
def test_gathered_bounds_make_the_same_tiles(seed: int) -> None:
    """Two rows a tile stand for all of its scenes, wherever these lie and however they are cut."""
    rng = np.random.default_rng(seed)
    parts = []
    for tile in "abcdef":
        found = [shapely.MultiPolygon([EAST, WEST])] if rng.random() < 0.4 else []
        for _ in range(rng.integers(1, 9)):
            west, south = rng.choice([-180, -90, -1, 0, 60, 179]), rng.uniform(-80, 70)
            width = min(rng.uniform(0.1, 3), 180 - west)
            found.append(shapely.box(west, south, west + width, south + 1))
        parts.append(scenes(*found, tile=tile))
    whole = pa.concat_tables(parts, promote_options="default")
    cut = rng.integers(0, whole.num_rows)
    boxes, crossing = gathered([whole.slice(0, cut), whole.slice(cut)])
    wide = pa.compute.greater(pa.compute.subtract(whole["xmax"], whole["xmin"]), 180.0)
    assert crossing == pa.compute.any(wide).as_py()
    assert boxes.num_rows <= 2 * len(parts)
    given = joined(boxes, [whole.filter(wide)])
    assert derive(given, TILES).equals(derive(whole, TILES))


def together(given: pa.Table) -> pa.Table:
    """What `gathered` and `joined` make of scenes."""
    wide = pa.compute.greater(pa.compute.subtract(given["xmax"], given["xmin"]), 180.0)
    return joined(gathered([given])[0], [given.filter(wide)])


@pytest.mark.parametrize("seed", range(20))
def test_a_tile_that_grows_is_the_same_as_one_from_all_its_scenes(seed: int) -> None:
    """Or it says that its extent is not enough; in several steps, and around the earth."""
    rng = np.random.default_rng(seed)
    steps: list[pa.Table] = []
    for _ in range(4):
        parts = [scenes(shapely.box(0, 0, 1, 1), tile="always")]
        for tile in "abcdefgh":
            near = tile < "e"  # the others lie anywhere
            found = [shapely.MultiPolygon([EAST, WEST])] if rng.random() < 0.2 else []
            for _ in range(rng.integers(0, 4)):
                west = rng.choice([10, 11, 12] if near else [-180, -90, -1, 0, 60, 179])
                south = rng.uniform(-80, 70)
                width = min(rng.uniform(0.1, 3), 180 - west)
                found.append(shapely.box(west, south, west + width, south + 1))
            if found and not (near and found[0].geom_type == "MultiPolygon"):
                parts.append(scenes(*found, tile=tile))
        steps.append(pa.concat_tables(parts, promote_options="default"))
    held = derive(together(steps[0]), TILES)
    for n, new in enumerate(steps[1:], start=2):
        every = pa.concat_tables(steps[:n], promote_options="default")
        rows, unclear = grown(held, together(new))
        assert not {tile for _, tile in unclear} & set("abcd")
        asked = pa.array(
            [tile in {name for _, name in unclear} for tile in every["tile"].to_pylist()]
        )
        whole = together(every.filter(asked)).drop_columns(["west"])
        held = derive(pa.concat_tables([rows, whole]), TILES)
        assert held.equals(derive(every, TILES))


@pytest.mark.parametrize("room", [0, 3, 1000])
def test_rows_of_a_tile_become_two(room: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many scenes there are, on both sides of 180 degrees too, and however they come."""
    monkeypatch.setattr(tiles, "FOLDED_ROWS", room)
    both = shapely.MultiPolygon([EAST, WEST])
    whole = scenes(EAST, both, shapely.box(179.5, 10.2, 180, 10.4), WEST, both, EAST)
    cut = [whole.slice(i, 1) for i in range(whole.num_rows)]
    boxes, crossing = gathered(cut)
    assert crossing
    assert (boxes.num_rows, sum(boxes["scene_count"].to_pylist())) == (2, 4)
    wide = [part for part in cut if part["footprint_wkb"].null_count == 0]
    every = joined(boxes, [*wide, whole.slice(0, 0)])
    assert (every.num_rows, sum(every["scene_count"].to_pylist())) == (2, 6)
    assert derive(every, TILES).equals(derive(whole, TILES))


def test_no_scene_is_no_tile() -> None:
    assert derive(scenes(EAST).slice(0, 0), TILES).num_rows == 0
