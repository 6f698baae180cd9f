"""Real items against what others know: counts, traps, and the grids of their makers."""

import gzip
import json
from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import geopandas as gpd
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyproj
import pytest
import shapely
from stac_items import SCENES, file_table

from geosr_lake.scenes.derive import derive
from geosr_lake.sensors import naip

Load = Callable[..., pa.Table]


@pytest.fixture(scope="module")
def load(real_data: Path) -> Load:
    """Items of files by name; each file is read once."""
    cache: dict[str, pa.Table] = {}

    def loaded(*names: str) -> pa.Table:
        for name in names:
            if name not in cache:
                cache[name] = file_table(real_data / "items" / name)
        return pa.concat_tables([cache[name] for name in names])

    return loaded


NAIP_COLORADO = "naip_colorado_2019_2022.parquet"
NAIP_GULF = "naip_alabama_florida_2011_2023.ndjson.gz"
SENTINEL2 = "sentinel2_colorado_2024.parquet"
LANDSAT = ("landsat_colorado_100.parquet", "landsat_colorado_more.ndjson.gz")
MODIS = "modis_13q1_americas_2023.ndjson.gz"


def distinct(items: pa.Table) -> pa.Table:
    """Drop the items that are there already, as the ingest does."""
    keys = ("archive", "collection", "item_id", "content_hash")
    seen, rows = set(), []
    for i, key in enumerate(zip(*(items[k].to_pylist() for k in keys), strict=True)):
        if key not in seen:
            seen.add(key)
            rows.append(i)
    return items.take(rows)


def kept_of(items: pa.Table, sensor: str) -> pa.Table:
    """Return the kept items of a sensor."""
    return items.filter(
        pc.and_(pc.equal(items["sensor"], sensor), pc.equal(items["outcome"], "kept"))
    )


@pytest.mark.parametrize(
    ("names", "read", "kept", "scenes"),
    [
        ([NAIP_COLORADO], 10_000, 10_000, 9_883),
        ([NAIP_GULF], 1_000, 1_000, 1_000),
        ([SENTINEL2], 1_000, 1_000, 1_000),
        (LANDSAT, 292, 193, 193),
        ([MODIS], 425, 425, 425),
    ],
)
def test_counts(load: Load, names: list[str], read: int, kept: int, scenes: int) -> None:
    items = load(*names)
    assert items.num_rows == read
    assert set(items["outcome"].to_pylist()) == {"kept"}
    unique = distinct(items)
    assert unique.num_rows == kept
    assert derive(unique, SCENES).num_rows == scenes


def test_the_files_are_all_read_at_once_as_one_by_one(load: Load) -> None:
    items = distinct(load(NAIP_COLORADO, NAIP_GULF, SENTINEL2, *LANDSAT, MODIS))
    assert derive(items, SCENES).num_rows == 9_883 + 1_000 + 1_000 + 193 + 425


def test_the_same_photograph_under_two_states(load: Load) -> None:
    scenes = derive(load(NAIP_COLORADO), SCENES)
    losers = [s for s in scenes.to_pylist() if s["superseded"]]
    assert len(losers) == 117
    for scene in losers:
        states = {scene["item_id"][:2], *(item["item_id"][:2] for item in scene["superseded"])}
        assert len(states) == 2
        assert all(dict(item["assets"])["image"] for item in scene["superseded"])


def test_thirteen_groups_of_two_datastrips(load: Load) -> None:
    scenes = derive(load(SENTINEL2), SCENES).to_pylist()
    groups = defaultdict(list)
    for scene in scenes:
        groups[scene["group_key"]].append(shapely.from_wkb(scene["footprint_wkb"]))
    assert Counter(map(len, groups.values())) == {1: 974, 2: 13}
    overlaps = [
        one.intersection(other).area / one.union(other).area
        for one, other in (g for g in groups.values() if len(g) == 2)
    ]
    assert min(overlaps) > 0.02
    assert max(overlaps) < 0.24


def test_footprints_repeat_as_often_as_they_do(load: Load) -> None:
    def count(*names: str) -> int:
        return len(set(distinct(load(*names))["footprint_id"].to_pylist()))

    assert count(*LANDSAT) == 193
    assert count(NAIP_COLORADO) == 7_777
    assert count(SENTINEL2) == 595 + 68
    assert count(MODIS) == len(set(load(MODIS)["tile"].to_pylist()))


def test_nothing_is_clear_for_want_of_a_number(load: Load) -> None:
    for names, known in (([NAIP_COLORADO], 0), ([MODIS], 0), (LANDSAT, 292), ([SENTINEL2], 1000)):
        found = load(*names)["cloud_frac"]
        assert len(found) - found.null_count == known, names
    assert load(*LANDSAT)["snow_frac"].null_count == 292
    assert load(SENTINEL2)["snow_frac"].null_count == 0


def test_the_sun_and_the_tiers_are_known_where_archives_state_them(load: Load) -> None:
    for names, known, lowest, highest in ((LANDSAT, 292, 10, 75), ([SENTINEL2], 1_000, 10, 75)):
        found = load(*names)["sun_elevation_deg"].drop_null().to_pylist()
        assert len(found) == known, names
        assert lowest < min(found) < max(found) < highest, names
    for name in (NAIP_COLORADO, MODIS):
        assert load(name)["sun_elevation_deg"].null_count == load(name).num_rows
    items = load(*LANDSAT).select(["item_id", "tier"]).to_pylist()
    assert all(item["item_id"].removesuffix("_SR").endswith(f"_{item['tier']}") for item in items)
    assert load(SENTINEL2)["tier"].null_count == 1_000


def test_composites_last_sixteen_days(load: Load) -> None:
    for row in load(MODIS).select(["t_start", "t_end", "item_id"]).to_pylist():
        assert row["t_end"] - row["t_start"] == timedelta(days=16)
        assert f"{row['t_start']:%Y%j}" == row["item_id"].split(".")[1][1:]


def test_all_bands_of_the_paired_sensors_are_there(load: Load) -> None:
    wanted = {SENTINEL2: 13, LANDSAT[1]: 9, NAIP_COLORADO: 1}
    for name, number in wanted.items():
        sizes = Counter(len(assets) for assets in load(name)["assets"].to_pylist())
        # The one Landsat 7 scene lacks the coastal band, which its camera had not.
        assert sizes - Counter({8: 1}) == Counter({number: load(name).num_rows - (sizes[8] > 0)})


def test_pixel_grids(load: Load) -> None:
    for row in load(SENTINEL2).select(["tile", "epsg", "transform"]).to_pylist():
        assert row["epsg"] == 32600 + int(row["tile"][:2])
        assert row["transform"][0] == 10
    for row in load(*LANDSAT).select(["epsg", "transform"]).to_pylist():
        assert row["epsg"] in (32612, 32613, 32614)
        assert row["transform"][2] % 30 == 15


def test_sentinel2_footprints_lie_in_their_tiles(load: Load, real_data: Path) -> None:
    # The antimeridian's tiles stand in two rows; edges are curves, so a little may stand out.
    tiles = gpd.read_parquet(real_data / "grids" / "sentinel2_mgrs_tiles_56984.parquet")
    ground = {str(t): part.union_all() for t, part in tiles.groupby("id")["geometry"]}
    items = kept_of(load(SENTINEL2, "dialects.ndjson.gz"), "sentinel2")
    shares = []
    for tile, wkb in zip(
        items["tile"].to_pylist(), items["footprint_wkb"].to_pylist(), strict=True
    ):
        footprint = shapely.from_wkb(wkb)
        shares.append(footprint.intersection(ground[tile]).area / footprint.area)
    assert len(shares) == 1_205
    assert min(shares) > 0.97


def test_landsat_footprints_lie_at_their_path_and_row(load: Load, real_data: Path) -> None:
    rows = gpd.read_file(f"zip://{real_data / 'grids' / 'WRS2_descending_0.zip'}")
    ground = {
        f"{int(path):03d}{int(row):03d}": shape
        for path, row, shape in zip(rows["PATH"], rows["ROW"], rows.geometry, strict=True)
    }
    items = kept_of(load(*LANDSAT, "dialects.ndjson.gz"), "landsat")
    aside = set()
    for item_id, tile, wkb in zip(
        *(items[name].to_pylist() for name in ("item_id", "tile", "footprint_wkb")), strict=True
    ):
        footprint = shapely.from_wkb(wkb)
        common = footprint.intersection(ground[tile]).area
        if common / footprint.union(ground[tile]).area <= 0.8:
            aside.add(item_id)
    assert aside == {
        # Looked at from the side: the item says 11.7 degrees off nadir.
        "LC08_L2SP_017036_20130419_20200913_02_T2",
        # At 82 degrees south the grid has a trapezium for what is a turned square.
        "LC08_L2SR_232122_20191218_20201023_02_T2",
    }


def test_naip_footprints_lie_at_their_quarter_quads(load: Load) -> None:
    items = load(NAIP_COLORADO, NAIP_GULF)
    for tile, wkb in zip(
        items["tile"].to_pylist(), items["footprint_wkb"].to_pylist(), strict=True
    ):
        quad = shapely.box(*naip.quarter_quad_bounds(*tile.split("_")))
        assert shapely.from_wkb(wkb).intersection(quad).area / quad.area > 0.9, tile


def test_modis_footprints_are_the_squares_that_the_items_state(load: Load, real_data: Path) -> None:
    """The square of `proj:geometry`, taken to degrees by PROJ with the item's own WKT."""
    with gzip.open(real_data / "items" / MODIS, "rt") as lines:
        stated = {item["id"]: item for item in map(json.loads, lines)}
    items = load(MODIS)
    rings = []
    for name, wkb in zip(
        items["item_id"].to_pylist(), items["footprint_wkb"].to_pylist(), strict=True
    ):
        properties = stated[name]["properties"]
        crs = pyproj.CRS(properties["proj:wkt2"])
        to_degrees = pyproj.Transformer.from_crs(crs, crs.geodetic_crs, always_xy=True)
        square = shapely.segmentize(shapely.geometry.shape(properties["proj:geometry"]), 10_000)
        exact = shapely.transform(square, to_degrees.transform, interleaved=False)
        footprint = shapely.from_wkb(wkb)
        if np.abs(footprint.bounds).max() == 180:
            continue  # part of the square lies outside the projection's domain
        assert footprint.intersection(exact).area / footprint.union(exact).area > 0.9999, name
        rings.append(shapely.geometry.shape(stated[name]["geometry"]).area / footprint.area)
    # What the items call their geometry is not the tile.
    assert len(rings) > 300
    assert max(rings) > 1.1
