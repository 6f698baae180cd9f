"""The grid of sites: squares of ground in UTM zones.

Sites are counted from easting 0 and from the equator, shifted by the grid's offset. Source of the
zones: six degrees of longitude each, counted from 180 west; the exceptions of MGRS around Norway
and Svalbard concern tile names, not the projection, and are left out.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

EQUATOR_DEGREE_M = 111_320.0
"""A degree of longitude at the equator of WGS84."""
LEAST_DEGREE_M = 110_574.0
"""A degree of latitude where it is shortest, at the equator of WGS84."""
FALSE_NORTHING_M = 10_000_000.0
"""Northing of the equator in the southern zones (327xx)."""


def utm_zone(lon: ArrayLike) -> NDArray[np.int64]:
    """UTM zone 1 to 60 of longitudes in degrees; -180 and 180 are zone 1.

    The western edge of a zone belongs to it.
    """
    wrapped = np.mod(np.asarray(lon, dtype=np.float64) + 180.0, 360.0)
    return np.minimum((wrapped // 6.0).astype(np.int64), 59) + 1


def utm_epsg(
    lon: ArrayLike, lat: ArrayLike, *, northern_zones_only: bool = False
) -> NDArray[np.int64]:
    """EPSG code of the WGS84/UTM zone that holds points.

    Args:
        lon: Degrees east.
        lat: Degrees north; the equator counts as north.
        northern_zones_only: Use 326xx south of the equator as well, as Landsat does.
    """
    south = (np.asarray(lat, dtype=np.float64) < 0) & (not northern_zones_only)
    return np.where(south, 32700, 32600) + utm_zone(lon)


def wgs84_utm(epsg: int) -> int | None:
    """The WGS84/UTM code that a CRS counts as: 326xx and 327xx themselves, 269xx as 326xx.

    NAD83/UTM (26901 to 26923) differs from WGS84/UTM by up to 2 m; no datum shift is applied.

    Returns:
        326xx or 327xx, or None where the code is no such zone.
    """
    base, zone = divmod(epsg, 100)
    if base in (326, 327) and 1 <= zone <= 60:
        return epsg
    if base == 269 and 1 <= zone <= 23:
        return 32600 + zone
    return None


def same_zone(epsg_a: int, epsg_b: int) -> bool:
    """Whether two codes name one UTM zone and hemisphere, NAD83 or WGS84; False for other CRSs."""
    zone = wgs84_utm(epsg_a)
    return zone is not None and zone == wgs84_utm(epsg_b)


def northing_origin_m(epsg: int) -> float:
    """Northing of the equator in a WGS84/UTM zone.

    Raises:
        ValueError: The code is neither 326xx nor 327xx.
    """
    if wgs84_utm(epsg) != epsg:
        raise ValueError(f"EPSG:{epsg} is no WGS84/UTM zone (32601 to 32660, 32701 to 32760)")
    return FALSE_NORTHING_M if epsg >= 32700 else 0.0


def snapped_corner(
    center_x_m: ArrayLike,
    center_y_m: ArrayLike,
    *,
    epsg: int,
    size_m: float,
    step_m: float,
    offset_m: float = 0.0,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lower-left corners of squares around points, moved to the nearest multiple of a step.

    Serves squares that are centred on something else than the grid, such as a label's chip.

    Args:
        center_x_m: Eastings of the points.
        center_y_m: Northings of the points.
        epsg: 326xx or 327xx.
        size_m: Edge of a square.
        step_m: Corners fall on ``offset_m`` plus multiples of this from easting 0 and the equator.
        offset_m: Shift of the grid of corners.
    """
    south = northing_origin_m(epsg) + offset_m
    half = size_m / 2
    x, y = np.asarray(center_x_m, dtype=np.float64), np.asarray(center_y_m, dtype=np.float64)
    return (
        np.floor((x - half - offset_m) / step_m + 0.5) * step_m + offset_m,
        np.floor((y - half - south) / step_m + 0.5) * step_m + south,
    )
