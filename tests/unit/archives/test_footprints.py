"""Footprints: what is kept as it is, what is repaired, what is refused."""

import math
from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from stac_items import box, naip, row

from geosr_lake.archives.footprints import (
    MAX_VERTICES,
    Footprint,
    from_geojson,
    from_wkb,
    of_polygon,
)


def one(geometry: Any) -> Footprint | str:
    (found,) = from_geojson([geometry])
    return found


def sound(geometry: Any) -> shapely.Geometry:
    found = one(geometry)
    assert isinstance(found, Footprint), found
    return shapely.from_wkb(found.wkb)


def ring(*points: tuple[float, float]) -> dict[str, Any]:
    return {"type": "Polygon", "coordinates": [[list(p) for p in (*points, points[0])]]}


def widths(geometry: shapely.Geometry) -> list[float]:
    bounds = shapely.bounds(shapely.get_parts(geometry))
    return [float(width) for width in bounds[:, 2] - bounds[:, 0]]


def test_a_sound_polygon_stays_as_it_is() -> None:
    assert sound(box(-106, 39, -105, 40)).equals(shapely.box(-106, 39, -105, 40))


def test_equal_ground_has_one_id() -> None:
    ways = [
        ring((0, 0), (1, 0), (1, 1), (0, 1)),
        ring((1, 1), (0, 1), (0, 0), (1, 0)),
        ring((0, 0), (0, 1), (1, 1), (1, 0)),
    ]
    ids = {found.footprint_id for found in from_geojson(ways) if isinstance(found, Footprint)}
    assert len(ids) == 1
    wkb = shapely.to_wkb(shapely.box(0, 0, 1, 1), byte_order=0)
    assert ids == {
        of_polygon(shapely.box(0, 0, 1, 1)).footprint_id,
        from_wkb([wkb])[0].footprint_id,
    }  # type: ignore[union-attr]


def test_heights_are_dropped() -> None:
    flat = one(box(0, 0, 1, 1))
    corners = [[0, 0, 9], [1, 0, 9], [1, 1, 9], [0, 1, 9], [0, 0, 9]]
    high = one({"type": "Polygon", "coordinates": [corners]})
    assert high == flat


@pytest.mark.parametrize(
    ("geometry", "code"),
    [
        (None, "geometry_missing"),
        ({}, "geometry_malformed"),
        ("POLYGON ((0 0, 1 0, 1 1, 0 0))", "geometry_malformed"),
        ({"type": "Polygon"}, "geometry_malformed"),
        ({"type": "Polygon", "coordinates": None}, "geometry_malformed"),
        (box("0", "0", "1", "1"), "geometry_malformed"),  # type: ignore[arg-type]
        ({"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1]]]}, "geometry_malformed"),
        ({"type": "Polygon", "coordinates": []}, "geometry_not_polygon"),
        ({"type": "Point", "coordinates": [0, 0]}, "geometry_not_polygon"),
        ({"type": "LineString", "coordinates": [[0, 0], [1, 1]]}, "geometry_not_polygon"),
        ({"type": "GeometryCollection", "geometries": []}, "geometry_not_polygon"),
        (ring((0, 0), (1, 1), (2, 2)), "geometry_not_polygon"),
        (ring((0, 0), (1, 0), (1, 91)), "geometry_out_of_range"),
        (ring((0, 0), (361, 0), (361, 1)), "geometry_out_of_range"),
        (ring((0, 0), (2, 2), (2, 0), (0, 2)), "geometry_invalid"),
        (ring((-100, 0), (0, 0), (100, 0), (100, 9), (0, 9), (-100, 9)), "geometry_too_wide"),
    ],
)  # fmt: skip
def test_what_is_no_footprint_has_a_reason(geometry: Any, code: str) -> None:
    assert one(geometry) == code


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_coordinates_that_are_not_finite(value: float) -> None:
    with np.errstate(invalid="ignore"):
        corners = shapely.linearrings([(0, 0), (1, value), (1, 1), (0, 0)])
    (found,) = from_wkb([shapely.to_wkb(shapely.Polygon(corners))])
    assert found == "geometry_not_finite"


@pytest.mark.parametrize("text", [b"", b"x", b"\x01\x03\x00\x00\x00\xff\xff\xff\xff"])
def test_bytes_that_are_no_geometry(text: bytes) -> None:
    assert from_wkb([text, None]) == ["geometry_malformed", "geometry_missing"]


def test_curves_as_wkb_do_not_spoil_the_others() -> None:
    curve = b"\x01\x0a\x00\x00\x00" + b"\x00" * 4  # an empty CurvePolygon
    found = from_wkb([shapely.box(0, 0, 1, 1).wkb, curve, None])
    assert isinstance(found[0], Footprint)
    assert found[1:] == ["geometry_not_polygon", "geometry_missing"]


def test_a_point_as_wkb() -> None:
    assert from_wkb([shapely.to_wkb(shapely.Point(0, 0))]) == ["geometry_not_polygon"]


@pytest.mark.parametrize(("extra", "kept"), [(-1, True), (1, False)])
def test_the_limit_of_vertices(extra: int, kept: bool) -> None:
    turns = np.linspace(0, 2 * math.pi, MAX_VERTICES + extra)
    points = np.column_stack([np.cos(turns), np.sin(turns)])
    points[-1] = points[0]
    found = one({"type": "Polygon", "coordinates": [points.tolist()]})
    assert isinstance(found, Footprint) if kept else found == "too_many_vertices"


def test_a_small_flaw_is_repaired_and_only_polygons_stay() -> None:
    spike = ring((0, 0), (1, 0), (1, 1), (0.5, 1), (0.5, 3), (0.5, 1), (0, 1))
    assert sound(spike).equals(shapely.box(0, 0, 1, 1))
    knot = ring((0, 0), (1, 0), (1, 1), (0.001, 1), (-0.001, 1.001), (0.001, 1.001), (-0.001, 1))
    repaired = sound(knot)
    assert repaired.is_valid
    assert repaired.area == pytest.approx(1, rel=0.01)


@pytest.mark.parametrize(
    "geometry",
    [
        ring((179, 10), (-179, 10), (-179, 11), (179, 11)),
        ring((179, 10), (179, 11), (-179, 11), (-179, 10)),
        ring((179, 10), (181, 10), (181, 11), (179, 11)),
        ring((-181, 10), (-179, 10), (-179, 11), (-181, 11)),
        {
            "type": "MultiPolygon",
            "coordinates": [
                box(179, 10, 180, 11)["coordinates"],
                box(-180, 10, -179, 11)["coordinates"],
            ],
        },
    ],
)
def test_a_ring_over_the_antimeridian_is_split(geometry: Any) -> None:
    wanted = shapely.union(shapely.box(179, 10, 180, 11), shapely.box(-180, 10, -179, 11))
    found = one(geometry)
    assert isinstance(found, Footprint)
    assert shapely.from_wkb(found.wkb).symmetric_difference(wanted).area < 1e-9
    assert found.bounds == (-180.0, 10.0, 180.0, 11.0)


def test_a_ring_that_ends_at_the_antimeridian_is_whole() -> None:
    found = sound(box(178, -20, 180, -10))
    assert found.geom_type == "Polygon"
    assert found.bounds == (178.0, -20.0, 180.0, -10.0)


def test_edges_over_the_antimeridian_stay_straight() -> None:
    # From (179, 60) to (-179, 62): at 180 degrees the straight edge is at 61.
    split = sound(ring((179, 60), (-179, 62), (-179, 63), (179, 63)))
    assert min(y for x, y in shapely.get_coordinates(split) if x == 180) == pytest.approx(61)


def test_a_ring_around_the_pole_is_refused() -> None:
    assert one(ring((0, 80), (90, 80), (180, 80), (-90, 80))) == "geometry_too_wide"


def test_the_item_carries_the_reason() -> None:
    assert row({**naip(), "geometry": None})["reason"] == "geometry_missing"
    found = row(naip())
    assert (found["xmin"], found["ymin"]) == (-102.131, 40.995)
    assert found["footprint_id"].startswith("ftp-")


CORNER = st.tuples(
    st.one_of(st.floats(-200, 200), st.sampled_from([-180.0, 180.0, 179.999, 0.0, 361.0])),
    st.one_of(st.floats(-95, 95), st.sampled_from([-90.0, 90.0, 0.0])),
)


@settings(max_examples=500, deadline=None)
@given(st.lists(st.lists(CORNER, min_size=0, max_size=7), max_size=3))
def test_whatever_comes_a_footprint_is_sound_or_has_a_reason(
    rings: list[list[tuple[float, float]]],
) -> None:
    polygons = [[[list(p) for p in (*points, *points[:1])]] for points in rings]
    for geometry in (
        {"type": "MultiPolygon", "coordinates": polygons},
        {"type": "Polygon", "coordinates": [one for polygon in polygons for one in polygon]},
    ):
        (found,) = from_geojson([geometry])
        if isinstance(found, str):
            assert found.startswith("geometry_")
            continue
        shape = shapely.from_wkb(found.wkb)
        assert shape.is_valid
        assert shape.geom_type in ("Polygon", "MultiPolygon")
        assert shape.area > 0
        assert np.isfinite(shapely.get_coordinates(shape)).all()
        assert max(widths(shape)) <= 180
        west, south, east, north = found.bounds
        assert -180 <= west <= east <= 180
        assert -90 <= south <= north <= 90
