import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

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


def test_cells_are_counted_from_the_equator():
    x, y = grid.cell_corner(500_000.0, 9_999_999.0, epsg=32713, size_m=600.0)
    assert (float(x), float(y)) == (499_800.0, 9_999_400.0)
    x, y = grid.cell_corner(500_000.0, 1.0, epsg=32613, size_m=600.0)
    assert (float(x), float(y)) == (499_800.0, 0.0)


def test_the_landsat_grid_reaches_south_of_the_equator():
    x, y = grid.cell_corner(500_000.0, -1.0, epsg=32613, size_m=30_000.0, offset_m=15.0)
    assert (float(x), float(y)) == (480_015.0, -29_985.0)


@given(
    x=st.floats(100_000, 900_000),
    y=st.floats(-9_000_000, 9_300_000),
    size=st.sampled_from([600.0, 30_000.0]),
    offset=st.sampled_from([0.0, 15.0]),
)
def test_a_point_lies_in_its_cell_and_the_cell_on_its_grid(x, y, size, offset):
    cx, cy = grid.cell_corner(x, y, epsg=32613, size_m=size, offset_m=offset)
    assert cx <= x < cx + size
    assert cy <= y < cy + size
    assert ((cx - offset) / size) % 1 == 0
    again = grid.cell_corner(cx, cy, epsg=32613, size_m=size, offset_m=offset)
    assert (float(again[0]), float(again[1])) == (float(cx), float(cy))


def test_only_whole_cells_of_a_rectangle():
    x, y = grid.cells_within((1.0, 0.0, 1800.0, 1199.0), epsg=32613, size_m=600.0)
    assert x.tolist() == [600.0, 1200.0]
    assert y.tolist() == [0.0, 0.0]
    x, y = grid.cells_within((1.0, 1.0, 600.0, 600.0), epsg=32613, size_m=600.0)
    assert x.size == y.size == 0


def test_a_square_around_a_point_is_snapped_to_the_nearest_step():
    corner = grid.snapped_corner(1_000.0, 10_001_000.0, epsg=32713, size_m=600.0, step_m=60.0)
    assert corner == (720.0, 10_000_720.0)
    x, y = grid.snapped_corner(
        500_000.0, 4_400_000.0, epsg=32613, size_m=30_000.0, step_m=30.0, offset_m=15.0
    )
    assert ((x - 15.0) % 30.0, (y - 15.0) % 30.0) == (0.0, 0.0)
    assert abs(x + 15_000.0 - 500_000.0) <= 15.0


def test_a_cells_bounds_and_middle():
    cell = grid.Cell(32613, 600.0, 1200.0, 600.0)
    assert cell.bounds_m == (600.0, 1200.0, 1200.0, 1800.0)
    assert cell.center_m == (900.0, 1500.0)
