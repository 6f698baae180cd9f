import numpy as np
import pytest

from geosr_lake.sensors import grid


@pytest.mark.parametrize(
    ("lon", "lat", "epsg"),
    [
        (-105.0, 40.0, 32613),
        (-108.0, 40.0, 32613),  # a western edge belongs to its zone
        (-102.0, 40.0, 32614),
        (-180.0, 1.0, 32601),
        (180.0, 1.0, 32601),
        (179.999, -1.0, 32760),
        (-105.0, 0.0, 32613),
        (-105.0, -0.001, 32713),
    ],
)
def test_the_zone_of_a_point(lon, lat, epsg):
    assert grid.utm_epsg(lon, lat) == epsg


def test_zones_of_many_points_and_landsats_northern_ones():
    lon, lat = np.array([-105.0, -105.0]), np.array([40.0, -40.0])
    assert grid.utm_epsg(lon, lat).tolist() == [32613, 32713]
    assert grid.utm_epsg(lon, lat, northern_zones_only=True).tolist() == [32613, 32613]


def test_nad83_counts_as_wgs84():
    assert grid.wgs84_utm(26913) == 32613
    assert grid.same_zone(26913, 32613)
    assert not grid.same_zone(26913, 32614)
    assert not grid.same_zone(32613, 32713)


@pytest.mark.parametrize("epsg", [4326, 3031, 26924, 26900, 32600, 32661, 0])
def test_other_systems_are_no_zone(epsg):
    assert grid.wgs84_utm(epsg) is None
    assert not grid.same_zone(epsg, epsg)
    with pytest.raises(ValueError, match="no WGS84/UTM zone"):
        grid.northing_origin_m(epsg)


def test_a_square_around_a_point_is_snapped_to_the_nearest_step():
    corner = grid.snapped_corner(1_000.0, 10_001_000.0, epsg=32713, size_m=600.0, step_m=60.0)
    assert corner == (720.0, 10_000_720.0)
    x, y = grid.snapped_corner(
        500_000.0, 4_400_000.0, epsg=32613, size_m=30_000.0, step_m=30.0, offset_m=15.0
    )
    assert ((x - 15.0) % 30.0, (y - 15.0) % 30.0) == (0.0, 0.0)
    assert abs(x + 15_000.0 - 500_000.0) <= 15.0
