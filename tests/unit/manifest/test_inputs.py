"""Pairs as columns: by tile pair, with their scenes, and where the extents of tiles meet."""

from pathlib import Path

import numpy as np
import pytest
import shapely
from manifest_world import Scene, all_pairs, four_quads, put, recipe, town_and_fields

from geosr_lake.lake import Lake
from geosr_lake.manifest import build
from geosr_lake.manifest.inputs import read


def lake_of(folder: Path, scenes: list[Scene], *, files: int = 1) -> Lake:
    folder.mkdir(exist_ok=True)
    lake = Lake.create(folder / "lake")
    put(lake, scenes, all_pairs(scenes, recipe()), files=files)
    return lake


@pytest.mark.parametrize("files", [1, 5])
def test_every_pair_is_there_with_its_scenes(tmp_path: Path, files: int) -> None:
    scenes = four_quads()
    pairs = read(lake_of(tmp_path, scenes, files=files), recipe())
    by_id = {scene.scene_id: scene for scene in scenes}
    expected = all_pairs(scenes, recipe())
    assert len(pairs) == len(expected) == 30
    found = set()
    for tile_pair in range(len(pairs.tiles)):
        for i in range(pairs.first[tile_pair], pairs.first[tile_pair + 1]):
            lr, hr = pairs.lr[i], pairs.hr[i]
            lr_id, hr_id = pairs.lr_scenes.ids[lr].as_py(), pairs.hr_scenes.ids[hr].as_py()
            a, b = by_id[lr_id], by_id[hr_id]
            assert pairs.tiles.lr_tile[tile_pair].as_py() == a.tile
            assert pairs.tiles.hr_tile[tile_pair].as_py() == b.tile
            assert pairs.gap_s[i] == (b.start - a.start).total_seconds()
            cloud = pairs.lr_scenes.cloud_frac[lr]
            assert cloud == a.cloud or (a.cloud is None and np.isnan(cloud))
            assert pairs.hr_scenes.zone[hr] == 32613  # that 26913 counts as
            assert pairs.hr_scenes.footprints(np.array([hr]))[0].equals(b.footprint)
            found.add((lr_id, hr_id))
    assert found == {(row["lr_scene_id"], row["hr_scene_id"]) for row in expected}


@pytest.mark.parametrize("files", [1, 3])
def test_months_and_platforms_are_those_of_each_scene(tmp_path: Path, files: int) -> None:
    ground = shapely.box(-105.5, 39.5, -105, 40.5)
    scenes = [
        Scene("sentinel2", "13SED", ground, -1, platform="sentinel-2b"),
        Scene("sentinel2", "13SED", ground, 0, platform=None),
        Scene("sentinel2", "13SED", ground, 1, platform="sentinel-2a"),
        Scene("naip", "quad", ground, 2),
    ]
    pairs = read(lake_of(tmp_path, scenes, files=files), recipe())
    told = dict(
        zip(
            pairs.lr_scenes.ids.to_pylist(),
            zip(pairs.lr_scenes.month.tolist(), pairs.lr_scenes.platform.to_pylist(), strict=True),
            strict=True,
        )
    )
    assert told == {s.scene_id: (s.start.month, s.platform) for s in scenes[:3]}
    assert {month for month, _ in told.values()} == {12, 1}
    assert pairs.hr_scenes.platform.to_pylist() == [None]


def test_extents_meet_where_the_scenes_of_both_tiles_are(tmp_path: Path) -> None:
    """The union of the bounds of each tile's scenes, cut with that of the other."""
    full, half = shapely.box(-105.5, 39.5, -104.5, 40.5), shapely.box(-105.5, 39.5, -105, 40.5)
    scenes = [
        Scene("sentinel2", "13SED", half, 0, cloud=0.0),
        Scene("sentinel2", "13SED", full, 1, cloud=0.0),
        Scene("naip", "quad", shapely.box(-104.6, 40, -104.4, 40.2), 2),
        Scene("naip", "quad", shapely.box(-104.62, 40, -104.4, 40.1), 3),
    ]
    tiles = read(lake_of(tmp_path, scenes), recipe()).tiles
    np.testing.assert_array_equal(tiles.boxes, [[-104.62, 40, -104.5, 40.2]])
    assert tiles.of_box.tolist() == [0]


def test_rows_of_other_rules_in_the_same_file_are_not_seen(tmp_path: Path) -> None:
    """Neither their scenes, which may be gone, nor their tiles."""
    scenes, wide = four_quads(), recipe()
    far = [
        Scene("sentinel2", "01AAA", shapely.box(10, 10, 11, 11), 0, cloud=0.0),
        Scene("naip", "aaa", shapely.box(10.1, 10.1, 10.2, 10.2), 3, gsd_m=0.6),
    ]
    pairs = all_pairs(scenes, wide)
    others = [row | {"rule_id": "rul-other"} for row in all_pairs([*far, *scenes], wide)]
    gone = [row | {"rule_id": "rul-gone", "lr_scene_id": "scn-gone"} for row in others]
    lake = Lake.create(tmp_path / "lake")
    put(lake, [*far, *scenes], [*others, *pairs, *gone])
    alone = read(lake_of(tmp_path / "alone", scenes), wide)
    found = read(lake, wide)
    for side in ("lr_scenes", "hr_scenes"):
        assert getattr(found, side).ids.to_pylist() == getattr(alone, side).ids.to_pylist()
    np.testing.assert_array_equal(found.tiles.boxes, alone.tiles.boxes)
    assert found.tiles.hr_tile.to_pylist() == alone.tiles.hr_tile.to_pylist()


def test_tiles_and_scenes_are_in_the_order_of_their_names(tmp_path: Path) -> None:
    scenes = four_quads()
    pairs = read(lake_of(tmp_path, scenes[::-1], files=3), recipe())
    for names in (pairs.lr_scenes.ids, pairs.hr_scenes.ids, pairs.tiles.hr_tile):
        assert names.to_pylist() == sorted(names.to_pylist())


def over_180() -> list[Scene]:
    both = shapely.MultiPolygon(
        [shapely.box(179.9, 10.0, 180.0, 10.1), shapely.box(-180.0, 10.0, -179.9, 10.1)]
    )
    east = shapely.box(179.85, 10.0, 179.99, 10.1)
    return [
        Scene("sentinel2", "60PZS", both, 0, epsg=32660, cloud=0.0),
        Scene("sentinel2", "60PZS", east, 1, epsg=32660, cloud=0.0),
        Scene("naip", "quad", both, 2, epsg=32660, gsd_m=0.6),
    ]


def test_over_180_degrees_extents_have_two_boxes(tmp_path: Path) -> None:
    tiles = read(lake_of(tmp_path, over_180()), recipe()).tiles
    assert len(tiles) == 1
    found = sorted(map(tuple, tiles.boxes.tolist()))
    assert found == [(-180.0, 10.0, -179.9, 10.1), (179.9, 10.0, 180.0, 10.1)]
    assert tiles.of_box.tolist() == [0, 0]


def test_sites_are_found_on_both_sides_of_180_degrees(tmp_path: Path) -> None:
    rule = recipe(quotas={"urban": 0, "non_urban": 9}, sites_per_tile_pair=5_000)
    lake = Lake.create(tmp_path / "lake")
    put(lake, over_180(), all_pairs(over_180(), rule))
    build(lake, rule, town_and_fields(tmp_path / "lc.tif"))
    sites = {row["site_id"]: row for row in lake.arrow("sites").to_pylist()}
    zones = {row["epsg"] for row in sites.values()}
    assert zones == {32660, 32601}
    verdicts = {
        (sites[row["site_id"]]["epsg"], row["verdict"])
        for row in lake.arrow("candidates").to_pylist()
    }
    # The scenes' pixels lie in zone 60; no land cover is known here.
    assert (32660, "cover_unknown") in verdicts
    assert (32601, "zone_mismatch") in verdicts
    assert verdicts <= {
        (32660, "cover_unknown"), (32660, "zone_edge"),
        (32601, "zone_mismatch"), (32601, "zone_edge"),
    }  # fmt: skip
