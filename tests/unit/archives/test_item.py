"""The frame of an item: versions, ids, assets, hrefs, archives."""

import pytest
from stac_items import FOLDER, frame, landsat, naip, row, sentinel2

from geosr_lake.archives.item import (
    MAX_ASSETS,
    MAX_HREF_CHARACTERS,
    absolute,
    archive_of,
    finite,
    read_frame,
)
from geosr_lake.archives.reasons import REASONS


@pytest.mark.parametrize(
    ("doc", "code"),
    [
        (None, "not_an_item"),
        ([], "not_an_item"),
        ("text", "not_an_item"),
        ({}, "not_an_item"),
        ({"type": "Feature"}, "not_an_item"),
        ({"type": "FeatureCollection", "features": []}, "not_an_item"),
        ({"type": "Collection", "id": "naip"}, "collection_or_catalog"),
        ({"type": "Catalog", "id": "root"}, "collection_or_catalog"),
        ({**naip(), "id": ""}, "id_invalid"),
        ({**naip(), "id": 17}, "id_invalid"),
        ({**naip(), "id": "a?sig=1"}, "id_invalid"),
        ({**naip(), "collection": "naip?key=1"}, "id_invalid"),
        ({**naip(), "id": "x" * 513}, "id_invalid"),
        ({**naip(), "properties": None}, "not_an_item"),
        ({**naip(), "id": "my-drone-flight", "collection": "drones"}, "sensor_unknown"),
        ({**naip(), "id": "my-photo"}, "id_not_understood"),
    ],
)
def test_what_is_no_item_has_a_reason(doc: object, code: str) -> None:
    found = row(doc)
    assert (found["outcome"], found["reason"]) == (REASONS[code].outcome, code)
    assert found["evidence"]


def test_secrets_in_names_and_licences_are_not_kept() -> None:
    canary = "0cb1d2e3f4"
    names = row({**naip(), "id": f"https://h/a.tif?sig={canary}", "collection": f"c?key={canary}"})
    assert names["reason"] == "id_invalid"
    item = naip()
    item["properties"]["license"] = f"https://h/licence.txt?sig={canary}"
    kept = row(item)
    assert kept["licence"].startswith("https://h/licence.txt?sig=")
    assert canary not in f"{names}{kept}"


def test_too_many_assets() -> None:
    item = naip()
    item["assets"] |= {f"a{n}": {"href": "x.tif"} for n in range(MAX_ASSETS)}
    assert row(item)["reason"] == "too_many_assets"


@pytest.mark.parametrize(
    "asset", [None, "x.tif", {}, {"href": None}, {"href": ""}, {"href": 3}, {"href": "a\nb.tif"}]
)
def test_an_asset_without_href_is_as_good_as_none(asset: object) -> None:
    found = row({**naip(), "assets": {"image": asset}})
    assert (found["outcome"], found["assets"]) == ("kept", {})


def test_an_endless_href_is_none() -> None:
    found = row({**naip(), "assets": {"image": {"href": "x" * (MAX_HREF_CHARACTERS + 1)}}})
    assert found["assets"] == {}


@pytest.mark.parametrize(
    ("href", "resolved"),
    [
        ("./B02.tif", "/archive/items/B02.tif"),
        ("B02.tif", "/archive/items/B02.tif"),
        ("../../pixels/a/B02.tif", "/pixels/a/B02.tif"),
        ("https://h/../a.tif", "https://h/../a.tif"),
        ("s3://bucket/a.tif", "s3://bucket/a.tif"),
        ("/data/a.tif", "/data/a.tif"),
        ("file:///data/a.tif", "file:///data/a.tif"),
    ],
)
def test_relative_hrefs_start_at_the_file(href: str, resolved: str) -> None:
    assert absolute(href, FOLDER) == resolved
    assert row({**naip(), "assets": {"image": {"href": href}}})["assets"] == {"image": resolved}


def test_hrefs_are_stored_unsigned() -> None:
    item = naip()
    plain = item["assets"]["image"]["href"]
    item["assets"]["image"]["href"] = f"{plain}?se=2024-01-01&sig=abc%3D"
    assert row(item)["assets"] == {"image": plain}
    assert row(item)["content_hash"] == row(naip())["content_hash"]


def _archive(item: object) -> str:
    return archive_of(read_frame(item, FOLDER))


def test_archives_by_their_links_and_hosts() -> None:
    assert _archive(naip()) == "planetary_computer"
    assert _archive(landsat(usgs=True)) == "usgs"
    assert _archive(frame("x", "y", None)) == "unknown"
    linked = landsat()
    linked["links"] = [
        {"rel": "via", "href": "https://landsatlook.usgs.gov/stac-server/items/x"},
        {"rel": "self", "href": "https://earth-search.aws.element84.com/v1/items/x"},
    ]
    assert _archive(linked) == "earth_search"


@pytest.mark.parametrize(
    "host",
    ["naipeuwest.blob.core.windows.net.evil.example", "evil.example", "[::1", "sentinel-cog"],
)
def test_a_host_that_looks_alike_is_another(host: str) -> None:
    item = naip()
    item["assets"]["image"]["href"] = f"https://{host}/a.tif"
    assert _archive(item) == "unknown"


@pytest.mark.parametrize(
    ("value", "number"),
    [(1, 1.0), ("2.5", 2.5), (True, None), ("x", None), (None, None), (float("nan"), None)],
)
def test_numbers(value: object, number: float | None) -> None:
    assert finite(value) == number
    assert finite(10**400) is None


@pytest.mark.parametrize(
    ("stated", "frac"), [(0, 0.0), (100, 1.0), (12.5, 0.125), ("12.5", 0.125), (None, None)]
)
def test_cloud_is_a_fraction_and_unknown_stays_unknown(stated: object, frac: float | None) -> None:
    item = sentinel2()
    item["properties"]["eo:cloud_cover"] = stated
    assert row(item)["cloud_frac"] == frac


def test_no_cloud_property_is_unknown_too() -> None:
    item = landsat()
    del item["properties"]["eo:cloud_cover"]
    assert row(item)["cloud_frac"] is None


@pytest.mark.parametrize("stated", [-3, 100.01, "clear", [], {"mean": 1}, True])
@pytest.mark.parametrize(
    ("name", "code"),
    [("eo:cloud_cover", "cloud_out_of_range"), ("s2:snow_ice_percentage", "snow_out_of_range")],
)
def test_a_share_that_is_none_is_quarantined(stated: object, name: str, code: str) -> None:
    item = sentinel2()
    item["properties"][name] = stated
    assert row(item)["reason"] == code


def test_licences() -> None:
    assert row(naip())["licence"].startswith("Public domain (USDA")
    assert row(sentinel2())["licence"].startswith("Copernicus Sentinel data")
    item = naip()
    item["properties"]["license"] = "PDDL-1.0"
    assert row(item)["licence"] == "PDDL-1.0"
