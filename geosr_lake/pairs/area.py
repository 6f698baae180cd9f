"""The area of polygons drawn in longitude and latitude, on the WGS84 ellipsoid.

Edges are straight lines of the plate carree, as GEOS and JTS see them, not geodesics. The
ellipsoid is mapped onto the authalic sphere (Snyder, Map Projections: A Working Manual, USGS
Professional Paper 1395, 1987, equations 3-11 to 3-13), where the area between the equator and
latitude phi is a^2 q(phi) / 2 for each radian of longitude; Green's theorem makes of it an
integral along the edges.
"""

import numpy as np

from geosr_lake.arrays import Floats
from geosr_lake.pairs.rings import Geometries, Rings

WGS84_A_M = 6378137.0
"""Equatorial radius of WGS84 in metres (NIMA TR8350.2)."""
WGS84_E2 = 0.0066943799901413165
"""First eccentricity of WGS84, squared (NIMA TR8350.2)."""

# Five Gauss-Legendre nodes are exact for polynomials of degree 9: over an edge of 10 degrees of
# latitude, the longest that MODIS tiles have, what is left is below 1e-14 of the area.
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(5)
# Snyder's q as a power series: s / (1 - x) + artanh(e s) / e with x = (e s)^2 is the sum of
# s x^k (2k + 2) / (2k + 1). x is below 0.0067, so that the ninth term is below 1e-17.
_SERIES = tuple((1 - WGS84_E2) * (2 * k + 2) / (2 * k + 1) * WGS84_E2**k for k in range(8))


def authalic_q(lat_deg: Floats) -> Floats:
    """Return Snyder's q (equation 3-12) of geodetic latitudes in degrees; any shape."""
    sine = np.sin(np.radians(lat_deg))
    square = sine * sine
    q: Floats = np.full_like(sine, _SERIES[-1])
    for term in _SERIES[-2::-1]:
        q = q * square + term
    return q * sine


def rings_m2(rings: Rings) -> Floats:
    """Return the area of each geometry that the rings are of, in square metres."""
    start, end = rings.points, rings.points[rings.following]
    middle, half = (start + end) / 2, (end - start) / 2
    q = np.zeros(len(start))
    for node, weight in zip(_NODES, _WEIGHTS, strict=True):
        q += weight * authalic_q(middle[:, 1] + half[:, 1] * node)
    strip = q * np.radians(half[:, 0])
    # bincount adds in the order of the vertices: a ring's area does not depend on its company.
    total = np.bincount(rings.ring, weights=strip, minlength=len(rings.of))
    inside = np.abs(total) * rings.sign * (WGS84_A_M**2 / 2)
    area = np.bincount(rings.of, weights=inside, minlength=rings.count)
    return area.astype(np.float64)


def area_m2(geometries: Geometries) -> Floats:
    """Return the area of each geometry in square metres.

    Args:
        geometries: Shape (n,), longitude and latitude in degrees, EPSG:4326. Points and lines
            have no area. Collections are taken apart; their polygons must not overlap.

    Returns:
        Shape (n,), zero where there is no polygon.
    """
    return rings_m2(Rings.of_polygons(geometries))
