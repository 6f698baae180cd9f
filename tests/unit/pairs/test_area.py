"""Areas in lon/lat against geodesic areas of densified polygons, and the overlap made of them."""

import numpy as np
import pytest
import shapely
from pairs_oracle import geodesic_m2

from geosr_lake.pairs.area import area_m2, authalic_q, overlap_frac
from geosr_lake.sensors import modis

EARTH_M2 = 510_065_621_724_089.0
"""Surface of the WGS84 ellipsoid (GeographicLib's documentation)."""

SHAPES = {
    "quad": shapely.Polygon(
        [(-105.06, 40), (-105.0, 40.001), (-105.001, 40.07), (-105.062, 40.06)]
    ),
    "scene": shapely.Polygon([(-105.6, 41.3), (-102.9, 40.9), (-103.5, 39.2), (-106.1, 39.7)]),
    "polar": shapely.Polygon([(10, 80), (60, 81), (50, 89.5), (12, 88)]),
    "tall": shapely.Polygon([(0, -40), (5, -35), (3, 42)]),
    "across the equator": shapely.box(-3, -2, 4, 5),
    "hole": shapely.box(0, 0, 3, 3).difference(shapely.box(1, 1, 2, 2)),
    "two parts": shapely.MultiPolygon([shapely.box(179, 0, 180, 1), shapely.box(-180, 0, -179, 1)]),
    "clockwise": shapely.Polygon([(0, 0), (0, 1), (1, 1), (1, 0)]),
    "modis tile": modis.tile_polygon(10, 3),
}


def array(*geometries: shapely.Geometry) -> np.ndarray:
    return np.array(geometries, dtype=object)


@pytest.mark.parametrize("name", SHAPES)
def test_area_is_that_of_the_densified_polygon(name: str) -> None:
    assert area_m2(array(SHAPES[name]))[0] == pytest.approx(geodesic_m2(SHAPES[name]), rel=1e-6)


def test_whole_earth() -> None:
    assert area_m2(array(shapely.box(-180, -90, 180, 90)))[0] == pytest.approx(EARTH_M2, rel=1e-12)


def test_q_is_odd_and_zero_at_the_equator() -> None:
    lat = np.array([0.0, 30.0, -30.0])
    q = authalic_q(lat)
    assert q[0] == 0
    assert q[1] == -q[2] > 0


def test_what_has_no_polygon_has_no_area() -> None:
    shapes = array(
        shapely.Point(0, 0), shapely.LineString([(0, 0), (1, 1)]), shapely.Polygon(), None
    )
    assert area_m2(shapes).tolist() == [0, 0, 0, 0]
    assert area_m2(array()).shape == (0,)


def test_polygons_inside_collections_count() -> None:
    box = SHAPES["scene"]
    nested = shapely.GeometryCollection([shapely.MultiPolygon([box]), shapely.Point(0, 0)])
    assert area_m2(array(nested))[0] == area_m2(array(box))[0]


def test_an_area_does_not_depend_on_its_company() -> None:
    shapes = array(*SHAPES.values())
    alone = [area_m2(array(shape))[0] for shape in shapes]
    assert area_m2(shapes).tolist() == alone
    assert area_m2(shapes[::-1]).tolist() == alone[::-1]


def test_overlap_of_edges_and_corners_is_zero() -> None:
    square = shapely.box(0, 0, 1, 1)
    edge, corner = shapely.box(1, 0, 2, 1), shapely.box(1, 1, 2, 2)
    assert overlap_frac(array(square, square), array(edge, corner)).tolist() == [0, 0]


def test_overlap_of_a_covered_footprint_is_exactly_one() -> None:
    rng = np.random.default_rng(3)
    corner = rng.uniform(-40, 40, (500, 2))
    hr = shapely.buffer(shapely.points(corner), rng.uniform(0.01, 3, 500), quad_segs=3)
    lr = shapely.buffer(hr, 0.5)
    assert set(overlap_frac(lr, hr)) == {1.0}
    assert set(overlap_frac(hr, hr)) == {1.0}


def test_overlap_is_the_share_of_the_hr_footprint() -> None:
    lr, hr = shapely.box(0, 0, 1, 1), shapely.box(0.5, 0, 4.5, 1)
    assert overlap_frac(array(lr), array(hr))[0] == pytest.approx(1 / 8, abs=1e-9)
    assert overlap_frac(array(hr), array(lr))[0] == pytest.approx(1 / 2, abs=1e-9)


def test_planar_degrees_would_be_wrong() -> None:
    """A scene that spans many latitudes: the northern half is less than half of it."""
    hr, north = shapely.box(0, 50, 10, 70), shapely.box(0, 60, 10, 70)
    share = overlap_frac(array(north), array(hr))[0]
    assert share == pytest.approx(geodesic_m2(north) / geodesic_m2(hr), abs=1e-6)
    assert share < 0.43
