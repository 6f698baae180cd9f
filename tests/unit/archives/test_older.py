"""Items of STAC before 1.0 say the same by other names; real ones against their later twins."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from stac_items import (
    FOLDER,
    Item,
    earth_search,
    file_table,
    landsat,
    linked,
    modis,
    naip,
    records,
    row,
    sentinel2,
)

from geosr_lake.archives import normalise, normalise_texts
from geosr_lake.archives.older import in_todays_shape, is_older
from geosr_lake.archives.reasons import Rejected
from geosr_lake.scenes.reading import item_schema


@pytest.mark.parametrize(
    ("version", "older"),
    [
        ("1.0.0", False),
        ("1.0.1", False),
        ("1.1.0", False),
        ("1.2.0-rc.1", False),
        ("1.0.0-rc.4", True),
        ("1.0.0-beta.2", True),
        ("0.9.0", True),
        (None, True),
    ],
)
def test_versions_that_are_read(version: str | None, older: bool) -> None:
    assert is_older(version) == older


@pytest.mark.parametrize(
    ("version", "code"),
    [
        ("new", "stac_version_unknown"),
        ("", "stac_version_unknown"),
        (1.0, "stac_version_unknown"),
        ("2.0.0", "stac_after_1"),
        ("2.0.0-beta.1", "stac_after_1"),
    ],
)
def test_versions_that_are_not(version: object, code: str) -> None:
    with pytest.raises(Rejected, match=code):
        is_older(version)
    assert row({**naip(), "stac_version": version})["reason"] == code


def usgs_0_7(item: Item) -> Item:
    """Write a Landsat item as USGS did with STAC 0.7."""
    bands = [
        {"name": asset["href"].rpartition("_T1_")[2].removesuffix(".TIF"), "common_name": role}
        for role, asset in item["assets"].items()
        if not role.startswith("qa_")
    ]
    item["assets"] = {
        asset["href"].rpartition("_T1_")[2]: asset for asset in item["assets"].values()
    }
    return renamed(item, platform="eo:platform", gsd="eo:gsd") | {
        "properties": {**renamed(item, platform="eo:platform")["properties"], "eo:bands": bands},
        "stac_version": "0.7.0",
    }


def earth_search_v0(item: Item) -> Item:
    """Write a Sentinel-2 item as Earth Search did with STAC 1.0.0-beta.2: no datastrip."""
    item["properties"] |= {
        "sentinel:utm_zone": 13,
        "sentinel:latitude_band": "T",
        "sentinel:grid_square": "DE",
        "sentinel:product_id": "S2A_MSIL2A_20240803T180011_N0511_R141_T13TDE_20240804T004953",
    }
    return {**item, "stac_version": "1.0.0-beta.2"}


def earth_search_v1(item: Item) -> Item:
    """Write the same in today's names."""
    item["properties"] |= {
        "mgrs:utm_zone": 13,
        "mgrs:latitude_band": "T",
        "mgrs:grid_square": "DE",
        "s2:product_uri": "S2A_MSIL2A_20240803T180011_N0511_R141_T13TDE_20240804T004953",
    }
    return item


def renamed(item: Item, **names: str) -> Item:
    """Return the item with properties by other names."""
    properties = {names.get(name, name): value for name, value in item["properties"].items()}
    return {**item, "properties": properties}


def lone(write: Callable[[Item], Item]) -> Item:
    item = earth_search(sentinel2(strip=None))
    del item["properties"]["s2:processing_baseline"]
    return write(item)


def ranged(item: Item, version: str, **names: str) -> Item:
    return {**renamed(item, **names), "stac_version": version}


@pytest.mark.parametrize(
    ("older", "today"),
    [
        (usgs_0_7(landsat(usgs=True)), landsat(usgs=True)),
        (lone(earth_search_v0), lone(earth_search_v1)),
        (
            ranged(sentinel2(), "0.8.1", platform="eo:platform", **{"proj:epsg": "eo:epsg"}),
            sentinel2(),
        ),
        (ranged(naip(), "0.9.0", gsd="eo:gsd", **{"proj:epsg": "eo:epsg"}), naip()),
        (
            ranged(
                modis(),
                "0.8.0",
                start_datetime="dtr:start_datetime",
                end_datetime="dtr:end_datetime",
            ),
            modis(),
        ),
    ],
)
def test_an_item_is_the_same_in_its_older_shape(older: Item, today: Item) -> None:
    before = copy.deepcopy(older)
    assert row(older) == row(today)
    assert row(today)["outcome"] == "kept"
    assert older == before, "what came in is left as it was"


def test_band_4_is_what_the_item_calls_it() -> None:
    """On Landsat 7 it is near infrared."""
    item = usgs_0_7(landsat(mission="LE07", usgs=True))
    bands = {"SR_B3": "red", "SR_B4": "nir08"}
    item["properties"]["eo:bands"] = [
        {"name": name, "common_name": common} for name, common in bands.items()
    ]
    found = row(item)["assets"]
    assert found["red"].endswith("_SR_B3.TIF")
    assert found["nir08"].endswith("_SR_B4.TIF")
    assert found["qa_pixel"].endswith("_QA_PIXEL.TIF")


@pytest.mark.parametrize("bands", [None, "all", [None, 1, "red", {"name": 4}, {"name": "SR_B4"}]])
def test_bands_that_say_nothing_name_nothing(bands: Any) -> None:
    item = usgs_0_7(landsat(usgs=True))
    item["properties"]["eo:bands"] = bands
    assert row(item)["assets"].keys() == {"qa_pixel", "qa_radsat"}


def test_the_name_of_today_counts_where_both_are_there() -> None:
    item = {**naip(), "stac_version": "0.9.0"}
    item["properties"] |= {"eo:gsd": 7.0, "license": None, "item:license": "PDDL-1.0"}
    assert (row(item)["gsd_m"], row(item)["licence"]) == (0.6, "PDDL-1.0")


def test_links_by_relation_and_a_collection_among_the_properties() -> None:
    shaped = in_todays_shape(
        {"links": {"self": {"rel": "self"}}, "assets": {}, "properties": {"collection": "naip"}}
    )
    assert (shaped["links"], shaped["collection"]) == ([{"rel": "self"}], "naip")


def test_geojson_that_is_no_stac_is_no_item() -> None:
    feature = {"type": "Feature", "id": "m_4110264_sw_13_060_20220827", "properties": {}}
    assert row(feature)["reason"] == "not_an_item"
    assert row(feature | {"assets": {}, "geometry": naip()["geometry"]})["outcome"] == "kept"


def test_what_an_older_item_lacks_has_its_reason() -> None:
    old = {"stac_version": "0.8.0"}
    assert row({**naip(), **old, "geometry": None})["reason"] == "geometry_missing"
    assert row({**naip(), **old, "id": "my-photo"})["reason"] == "id_not_understood"
    assert row({**modis("MOD14A1"), **old})["reason"] == "product_not_paired"
    assert row({**naip(), **old, "properties": None})["reason"] == "not_an_item"


def test_a_crs_of_another_zone_than_the_tile() -> None:
    item = sentinel2()
    item["properties"]["proj:epsg"] = 32635
    assert row(item)["reason"] == "tile_contradicts_id"
    item["properties"]["proj:epsg"] = 3857
    assert row(item)["outcome"] == "kept", "it was warped"


@pytest.mark.parametrize(
    ("version", "epsg", "reason"),
    [("1.0.0", 32613, None), ("0.9.0", 32613, None), ("1.0.0", 32635, "tile_contradicts_id")],
)
def test_lines_read_in_columns_say_the_same(version: str, epsg: int, reason: str | None) -> None:
    item = linked(sentinel2())
    item["stac_version"] = version
    item["properties"]["proj:epsg"] = epsg
    text = json.dumps(item).encode()
    ((found, _),) = normalise_texts([text], item_schema(), folder=FOLDER)
    assert found.equals(normalise(records([item]), item_schema(), folder=FOLDER))
    assert found["reason"].to_pylist() == [reason]


def test_real_older_items_say_what_their_later_twins_say(real_data: Path) -> None:
    items = real_data / "items"
    dialects = file_table(items / "dialects.ndjson.gz").to_pylist()
    older, today = dialects[13], dialects[14]
    same = ("group_key", "platform", "t_start", "t_end", "cloud_frac", "gsd_m", "assets")
    assert older["sun_elevation_deg"] == pytest.approx(today["sun_elevation_deg"], abs=0.01)
    assert [older[name] for name in same] == [today[name] for name in same]
    assert len(older["assets"]) == 9
    gulf = file_table(items / "naip_alabama_florida_2011_2023.ndjson.gz").to_pylist()
    photo = dialects[190]
    (twin,) = (one for one in gulf if one["group_key"] == photo["group_key"])
    assert twin["item_id"] == "al_m_3008718_sw_16_1_20130805_20131202"
    assert (photo["t_start"], photo["t_end"]) == (twin["t_start"], twin["t_end"])
    assert dict(photo["assets"])["image"].endswith("/rgbir/30087/m_3008718_sw_16_1_20130805.tif")
