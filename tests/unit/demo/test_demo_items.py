import json
from pathlib import PurePosixPath

import pystac
import pytest
import shapely

from geosr_lake.demo import items
from geosr_lake.demo.plan import photo_window
from geosr_lake.demo.render import Grid
from geosr_lake.demo.schedule import make_plan
from geosr_lake.sensors import modis, naip, sentinel2

PLAN = make_plan(tasks=("s2_naip", "modis_landsat8"))


def made_items():
    s2_grids = {b.role: Grid.over(PLAN.crop, b.gsd_m, "EPSG:32613") for b in sentinel2.SENSOR.bands}
    for photo in PLAN.photos:
        grid = Grid.over(photo.box, 0.6, "EPSG:26913")
        files = {"image": PurePosixPath("../pixels/x.tif")}
        for state in photo.states:
            yield items.naip_item(photo, state, grid, files)
    for each in PLAN.passes:
        files = {role: PurePosixPath(f"../pixels/{role}.tif") for role in s2_grids}
        yield items.sentinel2_item(each, s2_grids, files, {"eo:cloud_cover": 3.0})
    for scene in PLAN.scenes:
        grid = Grid.over(scene.file_box, 30.0, "EPSG:32613")
        yield items.landsat_item(scene, grid, {"red": PurePosixPath("../pixels/red.tif")}, 12.5)
    for each in PLAN.composites:
        yield items.modis_item(each, {"state": PurePosixPath("../pixels/s.tif")})
    yield items.unpaired_item()


ITEMS = list(made_items())


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: item["id"])
def test_items_are_valid_stac(item):
    # Extensions are checked by their own schemas elsewhere; core validation needs no network.
    core = json.loads(json.dumps(item)) | {"stac_extensions": []}
    pystac.Item.from_dict(core, preserve_dict=True).validate()
    ring = shapely.geometry.shape(item["geometry"])
    assert ring.is_valid
    assert ring.bounds == pytest.approx(item["bbox"], abs=1e-5)
    assert ring.exterior.is_ccw or item["collection"].startswith("modis")
    for asset in item["assets"].values():
        assert asset["href"].startswith("../pixels/")


def test_collections_are_valid_stac():
    members = [item for item in ITEMS if item["collection"] == "modis-09A1-061"]
    pystac.Collection.from_dict(items.collection("modis-09A1-061", members)).validate()


def test_ids_are_unique():
    ids = [item["id"] for item in ITEMS]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize(
    "collection", ["naip", "sentinel-2-l2a", "landsat-c2-l2", "modis-09A1-061"]
)
def test_properties_are_those_of_real_items(collection, real_data):
    stac_geoparquet = pytest.importorskip("stac_geoparquet")
    pq = pytest.importorskip("pyarrow.parquet")
    ours = next(item for item in ITEMS if item["collection"] == collection)
    file = {
        "naip": "naip_colorado_2019_2022.parquet",
        "sentinel-2-l2a": "sentinel2_colorado_2024.parquet",
        "landsat-c2-l2": "landsat_colorado_100.parquet",
    }.get(collection)
    if file is not None:
        table = pq.read_table(real_data / "items" / file).slice(0, 1)
        theirs = next(iter(stac_geoparquet.arrow.stac_table_to_items(table)))
    else:
        import gzip

        with gzip.open(real_data / "items" / "dialects.ndjson.gz", "rt") as lines:
            rows = [json.loads(line)["item"] for line in lines]
        theirs = next(row for row in rows if row.get("collection") == collection)
    assert set(ours["properties"]) <= set(theirs["properties"])
    assert set(ours["assets"]) <= set(theirs["assets"])
    assert type(ours["geometry"]["coordinates"]) is list


def test_two_datastrips_cover_complementary_ground():
    north, south = (
        items.sentinel2_ground(each, PLAN.crop) for each in PLAN.passes if each.part != "all"
    )
    assert north.intersection(south).area == pytest.approx(0, abs=1e-3)
    assert north.union(south).area == pytest.approx(shapely.box(*PLAN.crop).area)
    for photo in PLAN.photos:
        window = shapely.box(*photo_window(photo))
        assert north.contains(window) or south.contains(window)


def test_modis_rings_are_off_as_archives_have_them():
    item = next(item for item in ITEMS if item["id"].startswith("MOD09A1"))
    ring, tile = shapely.geometry.shape(item["geometry"]), modis.tile_polygon(9, 5)
    assert 0.9 < ring.intersection(tile).area / ring.union(tile).area < 0.999
    assert item["properties"]["datetime"] is None


def test_the_damaged_item_has_no_ring():
    whole = next(item for item in ITEMS if item["collection"] == "sentinel-2-l2a")
    damaged = items.damaged_item(whole)
    assert len(damaged["geometry"]["coordinates"][0]) == 2
    assert damaged["id"] != whole["id"]
    assert len(whole["geometry"]["coordinates"][0]) > 4
    assert sentinel2.parse_product_id(damaged["id"]) is not None


def test_photographs_name_their_state_and_year():
    photo = next(photo for photo in PLAN.photos if len(photo.states) > 1)
    pair = [item for item in ITEMS if photo.name in item["id"]]
    assert [item["properties"]["naip:state"] for item in pair] == ["co", "ne"]
    assert {naip.parse_photo_id(item["id"]).tile for item in pair} == {"3910460_se"}
    assert pair[0]["properties"]["naip:year"] == "2021"
