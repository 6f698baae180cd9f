"""The rings of many polygons in flat arrays, and what convex polygons leave of them."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import shapely
from numpy.typing import NDArray

from geosr_lake.arrays import Floats, Ints

Geometries = NDArray[np.object_]


@dataclass(frozen=True)
class Rings:
    """Rings of some geometries, point after point.

    Attributes:
        points: Shape (points, 2), longitude and latitude; no point of a ring is its next one too,
            nor its last the first.
        ring: Shape (points,), the number of each point's ring, rising.
        of: Shape (rings,), the place of each ring's geometry, rising.
        sign: Shape (rings,), 1 for a shell and -1 for a hole.
        count: Number of geometries.
    """

    points: Floats
    ring: Ints
    of: Ints
    sign: Ints
    count: int

    @classmethod
    def of_polygons(cls, geometries: Geometries) -> "Rings":
        """Take geometries apart: shape (n,); points, lines and None have no rings."""
        parts, of_part = geometries, np.arange(len(geometries))
        # At most twice: a collection can hold multipolygons.
        while (shapely.get_type_id(parts) > shapely.GeometryType.POLYGON).any():
            parts, inner = shapely.get_parts(parts, return_index=True)
            of_part = of_part[inner]
        polygonal = shapely.get_type_id(parts) == shapely.GeometryType.POLYGON
        parts, of_part = parts[polygonal], of_part[polygonal]
        rings, of_ring = shapely.get_rings(parts, return_index=True)
        points, ring = shapely.get_coordinates(rings, return_index=True)
        # The last point of a ring is its first again; others may be repeated as well.
        again = np.diff(ring, append=len(rings)) != 0
        again[:-1] |= ~again[:-1] & (points[1:] == points[:-1]).all(axis=1)
        # A polygon's first ring is its shell, the others are holes.
        hole = np.diff(of_ring, prepend=-1) == 0
        sign = np.where(hole, -1, 1)
        return cls(points[~again], ring[~again], of_part[of_ring], sign, len(geometries))

    @property
    def following(self) -> Ints:
        """The place of the next point of each point's ring; shape (points,)."""
        place = np.arange(1, len(self.ring) + 1)
        last = np.flatnonzero(np.diff(self.ring, append=len(self.of)))
        place[last] = np.concatenate([[0], last[:-1] + 1])[: len(last)]
        return place

    @cached_property
    def first_ring(self) -> Ints:
        """Where the rings of each geometry begin, and the last ones end; shape (count + 1,)."""
        return np.searchsorted(self.of, np.arange(self.count + 1))

    @cached_property
    def first_point(self) -> Ints:
        """Where the points of each geometry begin, and the last ones end; shape (count + 1,)."""
        return np.searchsorted(self.ring, self.first_ring)

    def take(self, at: Ints) -> "Rings":
        """Return the rings of the geometries at some places, which may repeat; shape (pairs,)."""
        rings, points = (np.diff(first)[at] for first in (self.first_ring, self.first_point))
        ring, point = _runs(self.first_ring[at], rings), _runs(self.first_point[at], points)
        shift = np.cumsum(rings) - rings - self.first_ring[at]
        return Rings(
            self.points[point],
            self.ring[point] + np.repeat(shift, points),
            np.repeat(np.arange(len(at)), rings),
            self.sign[ring],
            len(at),
        )

    def within(self, planes: Floats) -> "Rings":
        """Return what lies within the convex polygon beside each geometry.

        Sutherland and Hodgman (Reentrant polygon clipping, Communications of the ACM 17, 1974), one
        half plane after the other. Where a ring falls apart its pieces stay joined by edges that
        run to and fro: areas are right, and only they.

        Args:
            planes: Shape (geometries, planes, 4), as `half_planes` has them.
        """
        left = self
        for x, y, dx, dy in np.ascontiguousarray(planes.transpose(1, 2, 0)):
            points, following, of = left.points, left.following, left.of[left.ring]
            side = dx[of] * (points[:, 1] - y[of]) - dy[of] * (points[:, 0] - x[of])
            inside = side >= 0
            cut = np.flatnonzero(inside != inside[following])
            beyond = following[cut]
            share = side[cut] / (side[cut] - side[beyond])
            times = inside.astype(np.int8)
            times[cut] += 1
            ring = np.repeat(left.ring, times)
            place = np.cumsum(times, dtype=np.int64) - times
            found = np.empty((len(ring), 2))
            found[place[inside]] = points[inside]
            found[place[cut] + inside[cut]] = points[cut] + share[:, None] * (
                points[beyond] - points[cut]
            )
            left = Rings(found, ring, self.of, self.sign, self.count)
        return left


def _runs(first: Ints, times: Ints) -> Ints:
    """Return runs of whole numbers, each from its first on, one after the other."""
    found: Ints = np.arange(times.sum()) + np.repeat(first - (np.cumsum(times) - times), times)
    return found


MOST_SIDES = 16
"""Sides of a convex polygon that is seen as half planes: each is a look at all points."""


def half_planes(rings: Rings) -> tuple[NDArray[np.bool_], Floats]:
    """Tell which of some valid geometries are convex polygons of few sides, and their half planes.

    Args:
        rings: The rings of the geometries.

    Returns:
        Shape (geometries,), and shape (geometries, sides, 4): a point of each side and the way to
        the next one, with the polygon on the left. Sides that a polygon does not have are 0, as
        those of other geometries are: everything lies within them.
    """
    sides = np.bincount(rings.ring, minlength=len(rings.of))
    alone = np.diff(rings.first_ring)[rings.of] == 1
    following = rings.following
    way = rings.points[following] - rings.points
    turn = way[:, 0] * way[following, 1] - way[:, 1] * way[following, 0]
    left, right = (
        np.bincount(rings.ring[turns], minlength=len(rings.of)) > 0
        for turns in (turn > 0, turn < 0)
    )
    # A ring that only turns one way could still turn twice around, but then it is not valid.
    convex = alone & (left != right) & (sides <= MOST_SIDES)
    planes = np.zeros((rings.count, int(sides[convex].max(initial=0)), 4))
    point = np.flatnonzero(convex[rings.ring])
    ring = rings.ring[point]
    place = point - np.searchsorted(rings.ring, ring)
    forth = np.where(right[ring], -1, 1)[:, None]
    planes[rings.of[ring], place] = np.hstack([rings.points[point], forth * way[point]])
    found = np.zeros(rings.count, bool)
    found[rings.of[convex]] = True
    return found, planes
