"""What of each dialect is plain: read in columns, to the rows that the reference gives."""

import copy
from typing import Any

import orjson
import pyarrow as pa
import pytest
from stac_items import FOLDER, Item, columns, earth_search, landsat, linked, modis, naip, sentinel2

from geosr_lake.archives import Rows, normalise
from geosr_lake.archives.bulk.normalise import plain_rows, plain_texts
from geosr_lake.archives.record import parse
from geosr_lake.scenes.reading import item_schema

SCHEMA = item_schema()
LANDSAT = linked(landsat())
USGS = linked(landsat(usgs=True))
NAIP = linked(naip())
MODIS = linked(modis())
SENTINEL2 = linked(sentinel2())
YEARS_BEFORE = "2015-01-01T00:00:00Z"
MIDNIGHT = "2024-09-08T00:00:00Z"
TWO_STATES = {"state": {"href": "https://h/1"}, "sur_refl_state_500m": {"href": "https://h/2"}}


def with_(item: Item, **changes: Any) -> Item:
    """Return an item with properties changed, those with a colon written with two underscores."""
    new = copy.deepcopy(item)
    for name, value in changes.items():
        new["properties"][name.replace("__", ":")] = value
    return new


def named(item: Item, item_id: str) -> Item:
    return {**item, "id": item_id}


def with_assets(item: Item, assets: Item) -> Item:
    return {**item, "assets": assets}


def hrefs(item: Item, old: str, new: str) -> Item:
    """Return an item with a text in the links of its files replaced."""
    text = orjson.dumps(item["assets"]).decode().replace(old, new)
    return {**item, "assets": orjson.loads(text)}


@pytest.mark.parametrize(
    ("item", "plain"),
    [
        (LANDSAT, True),
        (USGS, True),
        (named(LANDSAT, LANDSAT["id"].replace("L2SP", "L1TP")), False),
        (named(USGS, USGS["id"].replace("_SR", "_ST")), False),
        (named(LANDSAT, LANDSAT["id"].replace("20240908", "20240931")), False),
        (named(USGS, USGS["id"].replace("20240914", "20241399")), False),
        (named(LANDSAT, LANDSAT["id"].replace("_T1", "_RT")), True),
        (named(LANDSAT, LANDSAT["id"].replace("LC08", "LE07")), True),
        (with_(LANDSAT, eo__cloud_cover=-1), True),
        (with_(LANDSAT, eo__cloud_cover=-2), False),
        (with_(LANDSAT, eo__cloud_cover=None), True),
        (with_(LANDSAT, datetime=MIDNIGHT), True),
        (with_(LANDSAT, datetime=None), True),
        (with_(LANDSAT, datetime="2024-09-08"), False),
        (with_(LANDSAT, datetime="2024-09-18T00:00:00Z"), False),
        (with_(LANDSAT, datetime=None, start_datetime=MIDNIGHT, end_datetime=MIDNIGHT), True),
        (with_(LANDSAT, datetime=None, start_datetime=MIDNIGHT), False),
        (with_(LANDSAT, datetime=None, start_datetime=YEARS_BEFORE, end_datetime=MIDNIGHT), False),
        (with_(LANDSAT, landsat__wrs_row="033"), False),
        (with_(LANDSAT, gsd=30), True),
        (with_(LANDSAT, gsd=0), True),
        (with_(LANDSAT, view__sun_elevation=49.4), True),
        (with_(LANDSAT, view__sun_elevation="49.4"), False),
        (with_(LANDSAT, view__sun_elevation=90.5), True),
        (with_(LANDSAT, view__sun_elevation="high"), False),
        (with_(LANDSAT, landsat__collection_category="T2"), True),
        (with_(LANDSAT, landsat__collection_category="T9"), True),
        (with_(LANDSAT, proj__epsg=None), False),
        (with_(LANDSAT, proj__epsg=None, proj__code="EPSG:32613"), True),
        (with_(LANDSAT, platform=""), True),
        (hrefs(LANDSAT, "20240914", "20240915"), True),
        (hrefs(LANDSAT, "https://", "./"), False),
        (hrefs(LANDSAT, "QA_PIXEL.TIF", "QA_PIXEL.TIF?a=1"), False),
        (
            with_assets(LANDSAT, {"red": LANDSAT["assets"]["red"], "x": {"href": "https://h/?a"}}),
            True,
        ),
        (NAIP, True),
        (named(NAIP, NAIP["id"].upper()), True),
        (named(NAIP, NAIP["id"] + "_20230113"), True),
        (named(NAIP, NAIP["id"].replace("_060_", "_h_")), True),
        (named(NAIP, NAIP["id"].replace("20220827", "20220231")), False),
        (with_(NAIP, gsd=None), True),
        (with_(named(NAIP, NAIP["id"].replace("_060_", "_xyz_")), gsd=None), True),
        (
            with_(
                named(NAIP, NAIP["id"].replace("_060_", "_xyz_")), gsd=None, proj__transform=None
            ),
            True,
        ),
        (with_(NAIP, gsd=0.30000000004), True),
        (with_(NAIP, view__sun_elevation=60), True),
        (with_(NAIP, platform="Sentinel 2A"), False),
        (with_(NAIP, constellation="landsat"), True),
        (with_(NAIP, datetime=None), True),
        (with_(NAIP, eo__cloud_cover=101), False),
        ({**NAIP, "collection": "modis"}, False),
        (
            with_assets(
                NAIP, {"rgbir": {"href": "https://h/x", "proj:transform": [1, 0, 0, 0, -1, 0]}}
            ),
            True,
        ),
        (with_assets(NAIP, {}), True),
        (MODIS, True),
        (with_(MODIS, platform=""), True),
        (with_(MODIS, platform="Landsat"), False),
        (with_(MODIS, modis__vertical_tile=5), True),
        ({**MODIS, "geometry": None}, True),
        (named(MODIS, "MOD09A1.A2022033.h09v05.061"), True),
        (named(MODIS, "MCD43A4.A2022001.h35v10.061.2022042043514"), True),
        (named(MODIS, "MOD09A1.A2020366.h09v05.061.2022042043514"), True),
        (named(MODIS, "MOD09A1.A2022366.h09v05.061.2022042043514"), False),
        (named(MODIS, "MOD09A1.A2022000.h09v05.061.2022042043514"), False),
        (named(MODIS, "MOD09A1.A1971361.h09v05.061.2022042043514"), False),
        (named(MODIS, "MOD09A1.A2022033.h36v05.061.2022042043514"), False),
        (named(MODIS, "MOD09A1.A2022033.h00v00.061.2022042043514"), False),
        (named(MODIS, "MOD11A1.A2022033.h09v05.061.2022042043514"), False),
        (with_assets(MODIS, TWO_STATES), False),
        (with_assets(MODIS, {"hdf": {"href": "./x.hdf", "roles": ["data"]}}), False),
        (with_assets(MODIS, {"hdf": {"href": "./x.hdf", "roles": ["metadata"]}}), True),
        (with_assets(MODIS, {'"hdf"': {"href": "https://h/x", "roles": ["data"]}}), True),
        (SENTINEL2, True),
        (linked(earth_search(sentinel2())), True),
        (with_(SENTINEL2, s2__product_type="S2MSI1C"), False),
        (with_(SENTINEL2, s2__processing_baseline=None), False),
        (with_(SENTINEL2, platform="landsat-8"), False),
        (with_(SENTINEL2, s2__mean_solar_zenith=34.0259015899438), True),
        (with_(SENTINEL2, sentinel2__mean_solar_zenith=34, view__sun_elevation=-91), True),
        (with_(SENTINEL2, s2__mean_solar_zenith=34, view__sun_elevation=55.5), True),
        (with_(SENTINEL2, s2__datastrip_id=None), True),
        (with_(SENTINEL2, s2__mgrs_tile="T13TDE"), True),
        (with_(SENTINEL2, datetime="2024-08-02T00:00:00Z"), True),
        (with_(SENTINEL2, datetime="2024-08-01T23:59:59Z"), False),
        (with_(SENTINEL2, datetime="2024-08-05T00:00:00Z"), False),
        ({**SENTINEL2, "collection": "s2?key=1"}, False),
    ],
)
def test_what_is_plain(item: Item, plain: bool) -> None:
    text = orjson.dumps(item)
    expected = normalise([parse(text)], SCHEMA, folder=FOLDER)
    rows, numbers = plain_texts([text], SCHEMA)
    assert numbers.tolist() == [0] * plain
    assert rows.equals(expected.slice(0, int(plain)))


@pytest.mark.parametrize("item", [LANDSAT, USGS, NAIP, MODIS, SENTINEL2], ids=lambda i: i["id"])
def test_an_item_is_the_same_in_both_forms(item: Item) -> None:
    as_text, _ = plain_texts([orjson.dumps(item)], SCHEMA)
    as_row, _ = plain_rows(Rows(columns([item]), "", 0), SCHEMA)
    assert as_text.num_rows == 1
    assert as_text.equals(as_row)


def test_items_of_all_sensors_among_each_other() -> None:
    items = [LANDSAT, NAIP, {"type": "Catalog"}, MODIS, SENTINEL2, USGS, naip()] * 3
    texts = [orjson.dumps(item) for item in items]
    expected = normalise([parse(text) for text in texts], SCHEMA, folder=FOLDER)
    rows, numbers = plain_texts(texts, SCHEMA)
    assert sorted(numbers.tolist()) == [i for i in range(21) if i % 7 not in (2, 6)]
    assert rows.equals(expected.take(pa.array(numbers)))
