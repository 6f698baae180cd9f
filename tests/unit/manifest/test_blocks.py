"""Blocks of a grid in degrees, and which of them are near a box: against a walk over points."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyproj import Geod

from geosr_lake.manifest.blocks import block_of, blocks_within

WGS84 = Geod(ellps="WGS84")


@pytest.mark.parametrize(
    ("lon", "lat", "deg", "block"),
    [
        (-105.1, 40.1, 0.25, "-421_160"),
        (0.0, 0.0, 1.0, "0_0"),
        (-0.0001, -0.0001, 1.0, "-1_-1"),
        (180.0, 10.0, 1.0, "-180_10"),
        (-180.0, 10.0, 1.0, "-180_10"),
        (179.999, 10.0, 1.0, "179_10"),
        (181.5, 10.0, 1.0, "-179_10"),
        (-180.5, 10.0, 1.0, "179_10"),
    ],
)
def test_blocks(lon: float, lat: float, deg: float, block: str) -> None:
    assert block_of(lon, lat, deg) == block


def test_a_box_inside_a_block_is_near_its_neighbours_only() -> None:
    box = (10.05, 40.05, 10.06, 40.06)
    assert blocks_within(box, 1_000.0, 0.1) == {"100_400"}
    # 0.05 degrees are 4.3 km to the west and 5.6 km to the south.
    assert blocks_within(box, 5_000.0, 0.1) == {"99_400", "100_400", "99_401", "100_401"} | {
        "101_400", "101_401"
    }  # fmt: skip
    assert len(blocks_within(box, 9_000.0, 0.1)) == 9


def test_over_180_degrees_blocks_go_on_at_the_other_end() -> None:
    assert blocks_within((179.995, 0.5, 180.005, 0.6), 0.0, 1.0) == {"179_0", "-180_0"}
    assert blocks_within((179.2, 0.5, 179.3, 0.6), 90_000.0, 1.0) >= {"179_0", "-180_0"}


def test_blocks_between_two_edges_are_not_skipped() -> None:
    """43 * 0.1 / 0.1 is less than 43 in binary; and blocks of 0.7 degrees do not divide 180."""
    found = blocks_within((4.29, 4.25, 4.295, 4.255), 25_000.0, 0.1)
    assert {name.split("_")[0] for name in found} == {str(c) for c in range(40, 46)}
    assert {name.split("_")[1] for name in found} == {str(r) for r in range(40, 45)}
    found = blocks_within((-179.96, 51.9, -179.95, 51.905), 20_000.0, 0.7)
    assert {name.split("_")[0] for name in found} == {"-258", "-257", "256", "257"} & {
        name.split("_")[0] for name in found
    } | {"-258", "257"}


def test_near_a_pole_all_longitudes_are_near() -> None:
    found = blocks_within((0.0, 83.9, 0.1, 84.0), 670_000.0, 30.0)
    assert {name.split("_")[0] for name in found} == {str(k) for k in range(-6, 6)}


@given(
    lon=st.floats(-180, 179.99),
    lat=st.floats(-79, 83),
    wide=st.floats(0.001, 0.5),
    tall=st.floats(0.001, 0.5),
    buffer_m=st.floats(0, 30_000),
    block_deg=st.sampled_from([0.1, 0.25, 0.7, 1.0, 2.0]),
    azimuth=st.floats(0, 360),
    share=st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1)),
)
def test_no_block_within_the_buffer_is_missed(
    lon: float,
    lat: float,
    wide: float,
    tall: float,
    buffer_m: float,
    block_deg: float,
    azimuth: float,
    share: tuple[float, float, float],
) -> None:
    box = (lon, lat, lon + wide, lat + tall)
    # A micrometre for the rounding of the geodesic.
    found = blocks_within(box, buffer_m + 1e-6, block_deg)
    x, y, part = lon + share[0] * wide, lat + share[1] * tall, share[2] * 0.999
    there_lon, there_lat, _ = WGS84.fwd(x, y, azimuth, part * buffer_m)
    assert block_of(there_lon, there_lat, block_deg) in found
    assert block_of(x, y, block_deg) in found
    assert math.isfinite(there_lon)
