"""The area of polygons drawn in longitude and latitude, on the WGS84 ellipsoid.

Edges are straight lines of the plate carree, as GEOS and JTS see them, not geodesics. The
ellipsoid is mapped onto the authalic sphere (Snyder, Map Projections: A Working Manual, USGS
Professional Paper 1395, 1987, equations 3-11 to 3-13), where the area between the equator and
latitude phi is a^2 q(phi) / 2 for each radian of longitude; Green's theorem makes of it an
integral along the edges.
"""

import numpy as np
import shapely
from numpy.typing import NDArray

WGS84_A_M = 6378137.0
"""Equatorial radius of WGS84 in metres (NIMA TR8350.2)."""
WGS84_E2 = 0.0066943799901413165
"""First eccentricity of WGS84, squared (NIMA TR8350.2)."""

# Five Gauss-Legendre nodes are exact for polynomials of degree 9: over an edge of 10 degrees of
# latitude, the longest that MODIS tiles have, what is left is below 1e-14 of the area.
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(5)

Geometries = NDArray[np.object_]
Floats = NDArray[np.float64]


def authalic_q(lat_deg: Floats) -> Floats:
    """Return Snyder's q (equation 3-12) of geodetic latitudes in degrees; any shape."""
    e = np.sqrt(WGS84_E2)
    sine = np.sin(np.radians(lat_deg))
    q: Floats = (1 - WGS84_E2) * (sine / (1 - WGS84_E2 * sine**2) + np.arctanh(e * sine) / e)
    return q


def _ring_areas_m2(rings: Geometries) -> Floats:
    """Return the area inside each ring; shape (rings,)."""
    points, ring = shapely.get_coordinates(rings, return_index=True)
    same = ring[1:] == ring[:-1]
    start, end, ring = points[:-1][same], points[1:][same], ring[1:][same]
    middle, half = (start + end) / 2, (end - start) / 2
    lat_deg = middle[:, 1, None] + half[:, 1, None] * _NODES
    q = (authalic_q(lat_deg) * _WEIGHTS).sum(axis=1)
    strip = q * np.radians(half[:, 0])
    # bincount adds in the order of the vertices: a ring's area does not depend on its company.
    total = np.bincount(ring, weights=strip, minlength=len(rings))
    area: Floats = np.abs(total) * WGS84_A_M**2 / 2
    return area


def area_m2(geometries: Geometries) -> Floats:
    """Return the area of each geometry in square metres.

    Args:
        geometries: Shape (n,), longitude and latitude in degrees, EPSG:4326. Points and lines
            have no area. Collections are taken apart; their polygons must not overlap.

    Returns:
        Shape (n,), zero where there is no polygon.
    """
    # Twice: a collection can hold multipolygons.
    parts, of_part = shapely.get_parts(geometries, return_index=True)
    parts, inner = shapely.get_parts(parts, return_index=True)
    of_part = of_part[inner]
    polygonal = shapely.get_type_id(parts) == shapely.GeometryType.POLYGON
    parts, of_part = parts[polygonal], of_part[polygonal]
    rings, of_ring = shapely.get_rings(parts, return_index=True)
    if len(rings) == 0:
        return np.zeros(len(geometries))
    ring_area = _ring_areas_m2(rings)
    # A polygon's first ring is its shell, the others are holes.
    hole = np.concatenate([[False], of_ring[1:] == of_ring[:-1]])
    ring_area[hole] *= -1
    total = np.bincount(of_part[of_ring], weights=ring_area, minlength=len(geometries))
    return total.astype(np.float64)


def overlap_frac(lr: Geometries, hr: Geometries, hr_m2: Floats | None = None) -> Floats:
    """Return the share of each HR footprint that the LR footprint beside it covers.

    The intersection is planar in longitude and latitude, both areas are authalic.

    Args:
        lr: Shape (n,), valid polygons or multipolygons, EPSG:4326, longitude first.
        hr: Shape (n,), as `lr`.
        hr_m2: The areas of `hr`, where they are known.

    Returns:
        Shape (n,), 0 to 1, rounded to nine decimals so that full cover is 1 whatever the last
        bits of the two areas are; 0 where the footprints touch without common ground.
    """
    shared = area_m2(shapely.intersection(lr, hr))
    whole = area_m2(hr) if hr_m2 is None else hr_m2
    share = np.divide(shared, whole, out=np.zeros_like(shared), where=whole > 0)
    rounded: Floats = np.round(np.clip(share, 0.0, 1.0), 9)
    return rounded
