import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyproj import Geod

from geosr_lake.report.projection import (
    Bounds,
    Frame,
    fit,
    graticule,
    graticule_step,
    scale_length_m,
    unwrapped,
)

COLORADO = Bounds(-106.0, 38.0, -104.0, 40.0)


def test_corners_fall_on_corners() -> None:
    frame = Frame(COLORADO, 640.0, 800.0)
    assert frame.xy(-106.0, 40.0) == (0.0, 0.0)
    assert frame.xy(-104.0, 38.0) == (640.0, 800.0)
    assert frame.xy(-105.0, 39.0) == (320.0, 400.0)


def test_a_frame_over_the_antimeridian_takes_both_sides() -> None:
    frame = Frame(Bounds(-182.0, -20.0, -178.0, -16.0), 400.0, 400.0)
    assert frame.xy(179.0, -18.0)[0] == pytest.approx(100.0)
    assert frame.xy(-179.0, -18.0)[0] == pytest.approx(300.0)


@pytest.mark.parametrize("lat", [0.0, 39.0, -60.0, 75.0])
def test_both_directions_have_one_scale_in_the_middle(lat: float) -> None:
    frame = fit(Bounds(-105.0, lat - 0.5, -104.0, lat + 0.5), 640.0)
    east = Geod(ellps="WGS84").inv(-104.55, lat, -104.45, lat)[2]
    north = Geod(ellps="WGS84").inv(-104.5, lat - 0.05, -104.5, lat + 0.05)[2]
    dx = frame.xy(-104.45, lat)[0] - frame.xy(-104.55, lat)[0]
    dy = frame.xy(-104.5, lat - 0.05)[1] - frame.xy(-104.5, lat + 0.05)[1]
    # A degree of latitude is up to 1 % off that of a sphere.
    assert east / dx == pytest.approx(north / dy, rel=0.012)
    assert frame.metres_per_unit == pytest.approx(east / dx, rel=0.002)


@given(
    west=st.floats(-179, 170),
    south=st.floats(-80, 70),
    wide=st.floats(0, 9),
    tall=st.floats(0, 9),
)
def test_a_fit_holds_the_box_in_the_shape(
    west: float, south: float, wide: float, tall: float
) -> None:
    asked = Bounds(west, south, west + wide, south + tall)
    frame = fit(asked, 600.0, least=0.6, most=1.2)
    got = frame.bounds
    assert got.west <= asked.west + 1e-9
    assert got.east >= asked.east - 1e-9
    assert got.south <= asked.south + 1e-9
    assert got.north >= asked.north - 1e-9
    assert 0.6 - 1e-9 <= frame.height / frame.width <= 1.2 + 1e-9


def test_a_fit_never_leaves_the_globe() -> None:
    frame = fit(Bounds(0.0, 85.0, 170.0, 90.0), 600.0)
    assert frame.bounds.north <= 90.0


def test_padding_goes_by_the_longer_edge() -> None:
    assert Bounds(0, 0, 10, 2).padded(0.1) == Bounds(-1, -1, 11, 3)
    assert Bounds(0, 89.9, 10, 90).padded(0.1).north == 90


def test_union_and_intersection() -> None:
    a, b = Bounds(0, 0, 2, 2), Bounds(1, -1, 3, 1)
    assert a.union(b) == Bounds(0, -1, 3, 2)
    assert a.within(b) == Bounds(1, 0, 2, 1)


def test_places_on_both_sides_of_the_antimeridian_come_together() -> None:
    assert unwrapped([179.5, -179.5, 178.0]) == [-180.5, -179.5, -182.0]
    assert unwrapped([-105.0, 30.0]) == [-105.0, 30.0]
    assert unwrapped([5.0]) == [5.0]
    assert unwrapped([]) == []


@given(st.lists(st.floats(-180, 180), min_size=1, max_size=30))
def test_unwrapping_turns_whole_turns_and_never_widens(lons: list[float]) -> None:
    turned = unwrapped(lons)
    assert all(min(abs(a - b), abs(a - b - 360)) < 1e-9 for a, b in zip(lons, turned, strict=True))
    assert max(turned) - min(turned) <= max(lons) - min(lons) + 1e-9


def test_graticules_stand_on_round_numbers_inside() -> None:
    assert graticule(-105.35, -104.72, 0.2) == [-105.2, -105.0, -104.8]
    assert graticule(0.0, 30.0, 10.0) == [10.0, 20.0]
    assert graticule_step(2.1) == 0.5
    assert graticule_step(40) in (5, 10)


@pytest.mark.parametrize(
    ("metres", "length"), [(1000, 1000), (1999, 1000), (2000, 2000), (7300, 5000), (0.7, 0.5)]
)
def test_scale_bars_have_round_lengths(metres: float, length: float) -> None:
    assert scale_length_m(metres) == pytest.approx(length)
