"""Samples as items: geometry, times, fields, and ids that stay data."""

import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import shapely

from geosr_lake.publish.items import cube_asset, geometry, item
from geosr_lake.publish.source import MEASURED, Release, SampleFacts, SplitCube
from geosr_lake.sensors.tasks import TASKS

START = datetime(2021, 7, 1, 17, 40, tzinfo=UTC)
CUBE = SplitCube("val", Path("x"), "cubes/man-0/val.zarr", 1, 1, 10, ())


def facts(**changes: Any) -> SampleFacts:
    square = shapely.box(-105.01, 39.70, -105.0, 39.71)
    values: dict[str, Any] = {
        "sample_id": "smp-0",
        "subset": "sr",
        "split": "val",
        "index": 3,
        "shard": 1,
        "stratum": "urban",
        "block": "1_2",
        "site_id": "sit-0",
        "pair_id": "par-0",
        "epsg": 32613,
        "x_m": 498000,
        "y_m": 4398000,
        "gap_s": -3600.5,
        "lr_time": (START, START),
        "hr_time": (START - timedelta(hours=2), START - timedelta(hours=1)),
        "footprint_wkb": shapely.to_wkb(square),
        "replaces": None,
        "measured": dict.fromkeys(MEASURED, 0.5),
        "lr_dn_offset": None,
        "lr_item": "planetary_computer/sentinel-2-l2a/S2A",
        "hr_item": "unknown/naip/m_0",
        "lr_licence": None,
        "hr_licence": "public",
    }
    return SampleFacts(**(values | changes))


def release(task: str = "s2_naip", *samples: SampleFacts) -> Release:
    return Release("man-0", TASKS[task], "tiny", (CUBE,), samples)


def made(sample: SampleFacts, task: str = "s2_naip") -> dict[str, Any]:
    asset = cube_asset(CUBE, "../../../", "application/vnd.zarr; version=3")
    return item(release(task, sample), sample, "tiny-0", asset)


def test_times_span_both_acquisitions() -> None:
    properties = made(facts())["properties"]
    assert properties["datetime"] is None
    assert properties["start_datetime"] == "2021-07-01T15:40:00Z"
    assert properties["end_datetime"] == "2021-07-01T17:40:00Z"
    assert properties["geosr:hr_time"] == ["2021-07-01T15:40:00Z", "2021-07-01T16:40:00Z"]
    assert properties["geosr:gap_s"] == -3600.5


@pytest.mark.parametrize(
    ("task", "gsd", "corner"), [("s2_naip", 0.6, 600.0), ("modis_landsat8", 30.0, 30000.0)]
)
def test_the_projection_is_that_of_the_hr_grid(task: str, gsd: float, corner: float) -> None:
    properties = made(facts(), task)["properties"]
    assert properties["proj:code"] == "EPSG:32613"
    assert properties["proj:shape"] == [1000, 1000]
    a, b, west, d, e, north = properties["proj:transform"]
    assert (a, b, d, e) == (gsd, 0, 0, -gsd)
    assert (west, north) == (498000, 4398000 + corner)
    # One affine gives the other corner of the projected bounds.
    assert [west, north + 1000 * e, west + 1000 * a, north] == properties["proj:bbox"]


def test_what_is_not_known_is_absent_not_null() -> None:
    measured = dict.fromkeys(MEASURED, 0.5) | {"shift_x_px": None, "shift_y_px": None}
    properties = made(facts(measured=measured))["properties"]
    absent = {"shift_x_px", "shift_y_px", "lr_dn_offset", "replaces", "lr_licence"}
    assert not {f"geosr:{name}" for name in absent} & properties.keys()
    assert properties["geosr:hr_licence"] == "public"
    assert made(facts(lr_dn_offset=0))["properties"]["geosr:lr_dn_offset"] == 0


def test_validation_is_named_as_ml_aoi_names_it() -> None:
    properties = made(facts())["properties"]
    assert (properties["ml-aoi:split"], properties["geosr:split"]) == ("validate", "val")


def test_rings_run_anticlockwise_and_numbers_are_short() -> None:
    clockwise = shapely.Polygon([(0.1, 0), (0.1, 1 / 3), (1, 1 / 3), (1, 0)])
    assert not clockwise.exterior.is_ccw
    shape, bbox = geometry(facts(footprint_wkb=shapely.to_wkb(clockwise)))
    assert shapely.geometry.shape(shape).exterior.is_ccw
    assert bbox == [0.1, 0.0, 1.0, 0.333333333]


def test_over_the_antimeridian_the_bbox_runs_from_east_to_west() -> None:
    halves = shapely.MultiPolygon(
        [shapely.box(179.99, 10, 180, 10.01), shapely.box(-180, 10, -179.98, 10.01)]
    )
    shape, bbox = geometry(facts(footprint_wkb=shapely.to_wkb(halves)))
    assert shape["type"] == "MultiPolygon"
    assert bbox == [179.99, 10.0, -179.98, 10.01]


def test_source_items_are_linked_and_their_ids_stay_data() -> None:
    links = made(facts(lr_item="planetary_computer/s2/../../x?sig=1#y z"))["links"]
    sources = [link for link in links if link["rel"] == "derived_from"]
    served, unknown = (link["href"] for link in sources)
    at = "https://planetarycomputer.microsoft.com/api/stac/v1/collections/s2/items/"
    assert served == at + "..%2F..%2Fx%3Fsig%3D1%23y%20z"
    assert unknown == "urn:x-stac-item:unknown:naip:m_0"


def test_every_other_href_is_relative() -> None:
    document = made(facts())
    hrefs = [link["href"] for link in document["links"] if link["rel"] != "derived_from"]
    assert [*hrefs, document["assets"]["cube"]["href"]] == [
        "../../catalog.json",
        "./catalog.json",
        "../collection.json",
        "../../../cubes/man-0/val.zarr",
        "../../../cubes/man-0/val.zarr",
    ]


def test_facts_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        facts().index = 4  # type: ignore[misc]
