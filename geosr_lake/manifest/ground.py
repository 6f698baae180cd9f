"""How far apart pieces of ground are, and whether they overlap: metres, over all the globe.

Ground is a polygon in lon/lat (EPSG:4326), split or not where it crosses 180 degrees. Two pieces
are compared in the plane through both that is level between them. A length in it is that of the
straight line, which is shorter than the way over the WGS84 ellipsoid: by 3e-6 of it over 50 km and
by 1e-4 over 300 km (half the square of half the length over the radius, divided by three).
"""

from collections.abc import Iterator

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.spatial import cKDTree

A_M, F = 6_378_137.0, 1 / 298.257_223_563
"""Semi-major axis and flattening of WGS84 (NGA.STND.0036)."""
TOUCHING = 1e-6
"""Two pieces overlap where they share more than this part of the smaller one: less is the
rounding of an edge that they share."""
_SLACK = 1.001
"""A line that is not level is longer than it looks in the plane: by 3e-4 over 300 km."""
_AT_ONCE = 200_000

Geometries = NDArray[np.object_]
Points = NDArray[np.float64]
Index = NDArray[np.int64]


def earth_centred(lon: Points, lat: Points) -> Points:
    """Return points of the ellipsoid as x, y, z in metres from the earth's centre, shape (n, 3)."""
    lam, phi = np.radians(lon), np.radians(lat)
    e2 = F * (2 - F)
    normal = A_M / np.sqrt(1 - e2 * np.sin(phi) ** 2)
    across = normal * np.cos(phi)
    along = normal * (1 - e2) * np.sin(phi)
    return np.stack([across * np.cos(lam), across * np.sin(lam), along], axis=-1)


class Ground:
    """Pieces of ground with what a search needs of them.

    Args:
        footprints: Polygons or multipolygons in lon/lat, none empty, shape (n,).
    """

    def __init__(self, footprints: Geometries) -> None:
        self.footprints = footprints
        lonlat, owner = shapely.get_coordinates(footprints, return_index=True)
        corners = earth_centred(lonlat[:, 0], lonlat[:, 1])
        counts = np.bincount(owner, minlength=len(footprints))
        sums = [np.bincount(owner, corners[:, i], len(footprints)) for i in range(3)]
        self._corners = corners
        self._first = np.concatenate([[0], np.cumsum(counts)])
        self.centres = np.stack(sums, axis=1) / counts[:, None]
        """Mean of the vertices, x, y, z, shape (n, 3)."""
        self.radii_m = np.zeros(len(footprints))
        """Greatest distance of a vertex from the centre, shape (n,)."""
        away = np.linalg.norm(corners - self.centres[owner], axis=1)
        np.maximum.at(self.radii_m, owner, away)

    def __len__(self) -> int:
        return len(self.footprints)

    def in_plane(self, which: Index, touch: Points) -> Geometries:
        """Return pieces as polygons in metres, each in a plane of its own.

        Args:
            which: Numbers of the pieces, shape (m,).
            touch: Where each plane touches, x, y, z near the surface, shape (m, 3).
        """
        up = touch / np.linalg.norm(touch, axis=1)[:, None]
        east = np.stack([-touch[:, 1], touch[:, 0], np.zeros(len(touch))], axis=1)
        length = np.linalg.norm(east, axis=1)[:, None]
        # Over a pole every way is south: any of them is an east.
        east = np.where(length > 1.0, east / np.maximum(length, 1.0), [1.0, 0.0, 0.0])
        north = np.cross(up, east)
        counts = np.diff(self._first)[which]
        ends = np.cumsum(counts)
        row = np.repeat(np.arange(len(which)), counts)
        at = np.arange(ends[-1] if len(ends) else 0) + np.repeat(
            self._first[which] - ends + counts, counts
        )
        away = self._corners[at] - touch[row]
        x, y = ((away * axis[row]).sum(axis=1) for axis in (east, north))
        flat: Geometries = shapely.set_coordinates(
            self.footprints[which].copy(), np.stack([x, y], axis=1)
        )
        return flat


def compared(a: Ground, b: Ground, i: Index, j: Index) -> tuple[Points, NDArray[np.bool_]]:
    """Return the distance of pieces in metres, and whether they overlap.

    Args:
        a: Pieces of one kind.
        b: Pieces of another, or the same.
        i: Numbers in `a`, shape (m,).
        j: Numbers in `b`, shape (m,).

    Returns:
        Distances, 0 where they touch, and overlaps, both of shape (m,).
    """
    touch = (a.centres[i] + b.centres[j]) / 2
    left, right = a.in_plane(i, touch), b.in_plane(j, touch)
    metres = shapely.distance(left, right)
    near = np.flatnonzero(metres == 0)
    shared = shapely.area(shapely.intersection(left[near], right[near]))
    smaller = np.minimum(shapely.area(left[near]), shapely.area(right[near]))
    overlap = np.zeros(len(i), dtype=bool)
    overlap[near] = shared > TOUCHING * smaller
    return metres, overlap


def within(a: Ground, b: Ground, most_m: float) -> Iterator[tuple[Index, Index]]:
    """Yield all pairs of pieces that may be at most so far apart, and some that are not.

    Args:
        a: Pieces of one kind.
        b: Pieces of another, or the same: then each pair comes once, and none with itself.
        most_m: Metres.

    Yields:
        Numbers in `a` and in `b`, each of shape (m,).
    """
    if not len(a) or not len(b):
        return
    tree = cKDTree(b.centres)
    reach = _SLACK * most_m + a.radii_m + b.radii_m.max()
    start = 0
    counts = np.cumsum(tree.query_ball_point(a.centres, reach, return_length=True))
    while start < len(a):
        before = counts[start - 1] if start else 0
        end = max(start + 1, int(np.searchsorted(counts, before + _AT_ONCE, side="right")))
        found = tree.query_ball_point(a.centres[start:end], reach[start:end])
        i = np.repeat(np.arange(start, end), [len(one) for one in found])
        j = np.fromiter((n for one in found for n in one), np.int64, len(i))
        apart = np.linalg.norm(a.centres[i] - b.centres[j], axis=1)
        keep = apart <= _SLACK * most_m + a.radii_m[i] + b.radii_m[j]
        keep &= (i < j) | (a is not b)
        yield i[keep], j[keep]
        start = end


def least_distance(a: Ground, b: Ground) -> tuple[float, int, int] | None:
    """Return the least distance of two kinds of pieces in metres, and which two have it.

    Returns:
        The distance, a number in `a` and one in `b`; None where a kind is empty.
    """
    if not len(a) or not len(b):
        return None
    _, nearest = cKDTree(b.centres).query(a.centres)
    every = np.arange(len(a))
    metres, _ = compared(a, b, every, nearest)
    first = int(np.argmin(metres))
    best = (float(metres[first]), first, int(nearest[first]))
    if best[0] == 0:
        return best
    for i, j in within(a, b, best[0]):
        metres, _ = compared(a, b, i, j)
        if len(i) and metres.min() < best[0]:
            k = int(np.argmin(metres))
            best = (float(metres[k]), int(i[k]), int(j[k]))
    return best
