"""Polygons of many items at once, from what GeoJSON and WKB state."""

from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
import shapely
from numpy.typing import NDArray

MAX_DEG = 360.0
"""Coordinates beyond are left to the reference."""
_NOT_RINGS = (TypeError, ValueError, KeyError)


class Rings:
    """GeoJSON polygons, collected flat: coordinates, points a ring, rings a polygon."""

    def __init__(self) -> None:
        self._numbers: list[float] = []
        self._points: list[int] = []
        self._rings: list[int] = []

    def add(self, geometry: Any) -> None:
        """Add a geometry; where it is no plain polygon, nothing stands in its place.

        Plain are rings of at least four points, closed, of two coordinates each.
        """
        try:
            rings = geometry["coordinates"] if geometry["type"] == "Polygon" else ()
            flat = [_flat(ring) for ring in rings]
        except _NOT_RINGS:
            flat = []
        self._rings.append(len(flat))
        for numbers in flat:
            self._points.append(len(numbers) // 2)
            self._numbers += numbers

    def polygons(self) -> NDArray[np.object_]:
        """Return the geometries, None in the place of what is no plain polygon."""
        rings = np.asarray(self._rings, np.int64)
        there = rings > 0
        shapes = np.full(len(rings), None, dtype=object)
        if there.any():
            shapes[there] = shapely.from_ragged_array(
                shapely.GeometryType.POLYGON,
                np.asarray(self._numbers, np.float64).reshape(-1, 2),
                (_offsets(self._points), _offsets(rings[there])),
            )
        return shapes


def _flat(ring: list[list[float]]) -> list[float]:
    """Return the coordinates of a plain ring one after the other.

    Raises:
        ValueError: If it is not plain.
        TypeError: If it is no list of lists.
    """
    numbers = list(chain.from_iterable(ring))
    if (
        type(ring) is not list
        or len(ring) < 4
        or set(map(len, ring)) != {2}
        or ring[0] != ring[-1]
        or not set(map(type, numbers)) <= {float, int}
        or not -MAX_DEG <= min(numbers) <= max(numbers) <= MAX_DEG
    ):
        raise ValueError("no plain ring")
    return numbers


def _offsets(sizes: Any) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(sizes)])


def of_wkb(column: pa.Array) -> NDArray[np.object_]:
    """Return geometries in two dimensions, None in the place of the others."""
    texts = column.to_numpy(zero_copy_only=False)
    with np.errstate(invalid="ignore"):  # NaN is looked for afterwards
        try:
            shapes = np.asarray(shapely.from_wkb(texts, on_invalid="ignore"), dtype=object)
        except NotImplementedError:  # curves somewhere
            return np.full(len(texts), None, dtype=object)
        shapes[shapely.has_z(shapes) | shapely.has_m(shapes)] = None
    return shapes
