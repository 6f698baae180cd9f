"""Spatial blocks: cells of a grid in degrees, each whole in one split, and how near others are."""

import math

from geosr_lake.sensors.grid import LEAST_DEGREE_M


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
    up = buffer_m / LEAST_DEGREE_M
    farthest = max(abs(south - up), abs(north + up))
    # Near a pole a few metres are all longitudes.
    across = 180.0 if farthest >= 89.9 else up / math.cos(math.radians(farthest))
    rows = range(math.floor((south - up) / block_deg), math.floor((north + up) / block_deg) + 1)
    columns = _columns(west - across, east + across, block_deg)
    return {f"{column}_{row}" for column in columns for row in rows}


def _columns(low: float, high: float, block_deg: float) -> set[int]:
    """Return the columns of blocks between two longitudes, which may lie beyond 180 degrees."""
    if high - low >= 360.0:
        low, high = -180.0, 180.0
    found: set[int] = set()
    for turn in (-360.0, 0.0, 360.0):
        first, last = max(low - turn, -180.0), min(high - turn, 180.0)
        if first <= last:
            columns = range(math.floor(first / block_deg), math.floor(last / block_deg) + 1)
            # 180 degrees itself is -180, the first column.
            found |= {column for column in columns if column * block_deg < 180.0}
    return found
