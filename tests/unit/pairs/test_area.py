"""Areas in lon/lat against geodesic areas of densified polygons."""

import numpy as np
import pytest
import shapely
from pairs_oracle import geodesic_m2

from geosr_lake.pairs.area import WGS84_E2, area_m2, authalic_q
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


def test_q_is_snyders_equation() -> None:
    """Equation 3-12 as it is printed, with its logarithm; the code sums a series."""
    lat, e = np.linspace(-90, 90, 1001), np.sqrt(WGS84_E2)
    s = np.sin(np.radians(lat))
    log = np.log((1 - e * s) / (1 + e * s)) / (2 * e)
    assert authalic_q(lat) == pytest.approx((1 - e**2) * (s / (1 - (e * s) ** 2) - log), rel=1e-13)


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
