"""How far one footprint covers another one, for many pairs of them at once."""

import numpy as np
import shapely
from numpy.typing import NDArray

from geosr_lake.arrays import Floats, Ints
from geosr_lake.pairs.area import area_m2, rings_m2
from geosr_lake.pairs.rings import Geometries, Rings, half_planes

POINTS_AT_ONCE = 70_000
"""Points of LR footprints that are looked at at a time: they then stay in a core's cache."""
MANY_VERTICES = 50
"""An LR footprint of more is cut before it is intersected: a MODIS tile has hundreds."""

_AREAL = (shapely.GeometryType.POLYGON, shapely.GeometryType.MULTIPOLYGON)


def overlap_frac(lr: Geometries, hr: Geometries, lr_at: Ints, hr_at: Ints) -> Floats:
    """Return the share of HR footprints that LR footprints cover.

    The intersection is planar in longitude and latitude, both areas are authalic (`area`). Nearly
    every HR footprint is a quadrilateral: what a convex one leaves of the other is computed for
    many pairs at once, the rest is left to GEOS.

    Args:
        lr: LR footprints, valid polygons or multipolygons, EPSG:4326, longitude first.
        hr: HR footprints, as `lr`.
        lr_at: Position in `lr`, shape (pairs,).
        hr_at: Position in `hr`.

    Returns:
        Shape (pairs,), 0 to 1, rounded to nine decimals so that full cover is 1 whatever the last
        bits of the two areas are; 0 where the footprints touch without common ground. A pair's
        share is the same to the last bit in whatever company.
    """
    used, hr_at = np.unique(hr_at, return_inverse=True)
    hr = hr[used]
    outlines = Rings.of_polygons(hr)
    whole = rings_m2(outlines)[hr_at]
    convex, planes = half_planes(outlines)
    lr, lr_at = _cut(lr, hr, lr_at, hr_at)
    rings = Rings.of_polygons(lr)
    points = np.diff(rings.first_point)[lr_at]
    shared = np.zeros(len(lr_at))
    for some in _pieces(np.flatnonzero(convex[hr_at]), points):
        shared[some] = rings_m2(rings.take(lr_at[some]).within(planes[hr_at[some]]))
    for some in _pieces(np.flatnonzero(~convex[hr_at]), points):
        shared[some] = area_m2(shapely.intersection(lr[lr_at[some]], hr[hr_at[some]]))
    share = np.divide(shared, whole, out=np.zeros_like(shared), where=whole > 0)
    rounded: Floats = np.round(np.clip(share, 0.0, 1.0), 9)
    return rounded


def _pieces(pairs: Ints, points: Ints) -> list[Ints]:
    """Deal out pairs to pieces of about `POINTS_AT_ONCE`, by the points of each pair."""
    piece = np.cumsum(points[pairs]) // POINTS_AT_ONCE
    return np.split(pairs, np.flatnonzero(np.diff(piece)) + 1) if len(pairs) else []


def _cut(lr: Geometries, hr: Geometries, lr_at: Ints, hr_at: Ints) -> tuple[Geometries, Ints]:
    """Cut LR footprints of many vertices to what is near the HR footprint beside them.

    They are cut at the whole degrees around the HR footprint's box. So what is left depends on the
    two footprints alone.

    Returns:
        LR footprints, whole and cut, and the place of each pair's.
    """
    used, lr_at = np.unique(lr_at, return_inverse=True)
    lr = lr[used]
    some = np.flatnonzero(shapely.get_num_coordinates(lr)[lr_at] > MANY_VERTICES)
    if not some.size:
        return lr, lr_at
    bounds = shapely.bounds(hr)[hr_at[some]]
    # The box as four numbers of ten bits, below the footprint's: one number to tell them by.
    box = np.column_stack([np.floor(bounds[:, :2]), np.ceil(bounds[:, 2:])]).astype(np.int64)
    keys = lr_at[some].astype(np.int64)
    for side in (box + 512).T:
        keys = (keys << 10) | side
    _, first, at = np.unique(keys, return_index=True, return_inverse=True)
    whole = lr[lr_at[some[first]]]
    cut = shapely.intersection(whole, shapely.box(*box[first].T.astype(np.float64)))
    # Where it only touches its box there are lines and points too.
    areal: NDArray[np.bool_] = np.isin(shapely.get_type_id(cut), _AREAL)
    place = lr_at.copy()
    place[some] = len(lr) + at
    return np.concatenate([lr, np.where(areal, cut, whole)]), place
