"""Spatial blocks: cells of a grid in degrees, each whole in one split, and how near others are."""

import math
from collections.abc import Iterator

METRES_A_DEGREE = 110_574.0
"""Of latitude at the equator on WGS84, where a degree is shortest."""


def block_of(lon: float, lat: float, block_deg: float) -> str:
    """Return the block of a point: column and row of a lon/lat grid from (0, 0).

    Args:
        lon: Degrees east; what lies beyond 180 goes on at -180, and 180 is -180.
        lat: Degrees north.
        block_deg: Edge of a block, degrees.
    """
    wrapped = (lon + 180.0) % 360.0 - 180.0 if not -180.0 <= lon < 180.0 else lon
    return f"{math.floor(wrapped / block_deg)}_{math.floor(lat / block_deg)}"


def blocks_within(
    extent: tuple[float, float, float, float], buffer_m: float, block_deg: float
) -> set[str]:
    """Return the blocks that are at most so far from a box, and maybe some that are a little more.

    Args:
        extent: West, south, east, north, degrees, west <= east.
        buffer_m: Metres.
        block_deg: Edge of a block, degrees.
    """
    west, south, east, north = extent
    up = buffer_m / METRES_A_DEGREE
    farthest = max(abs(south - up), abs(north + up))
    # Near a pole a few metres are all longitudes.
    across = 180.0 if farthest >= 89.9 else up / math.cos(math.radians(farthest))
    lons = list(_marks(west - across, min(east + across, west - across + 360.0), block_deg))
    lats = list(_marks(south - up, north + up, block_deg))
    return {block_of(lon, lat, block_deg) for lon in lons for lat in lats}


def _marks(low: float, high: float, block_deg: float) -> Iterator[float]:
    """Yield a point in every block that the line from `low` to `high` meets."""
    yield low
    for k in range(math.floor(low / block_deg) + 1, math.floor(high / block_deg) + 1):
        yield k * block_deg
    # The last column before 180 degrees may be narrower than the others.
    for seam in (-180.0, 180.0):
        if low < seam <= high:
            yield seam
    yield high
