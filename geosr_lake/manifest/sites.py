"""Sites as squares of ground: cells of a task's grid, and their geometry in lon/lat.

Squares are polygons in lon/lat (EPSG:4326), split where they cross 180 degrees.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import Transformer

EDGE_STEP_M = 1_500.0
"""Edges of squares get a vertex at least this often: a straight line in UTM is a curve in lon/lat,
which between two vertices strays by less than 0.1 m below 60 degrees of latitude."""

Geometries = NDArray[np.object_]


@dataclass(frozen=True)
class Cells:
    """Cells of a task's site grid, as columns of one length.

    Attributes:
        epsg: WGS84/UTM zone that holds the centre.
        x_m: Easting of the lower-left corner.
        y_m: Northing of the lower-left corner.
        lon: Longitude of the centre, degrees east, -180 to 180.
        lat: Latitude of the centre, degrees north.
    """

    epsg: NDArray[np.int64]
    x_m: NDArray[np.int64]
    y_m: NDArray[np.int64]
    lon: NDArray[np.float64]
    lat: NDArray[np.float64]

    def __len__(self) -> int:
        return int(self.epsg.size)

    def corners(self) -> Iterator[tuple[int, int, int]]:
        """Yield zone, easting and northing of each."""
        return zip(self.epsg.tolist(), self.x_m.tolist(), self.y_m.tolist(), strict=True)

    def take(self, which: NDArray[np.bool_] | NDArray[np.int64]) -> "Cells":
        """Return the cells that a mask or indices choose."""
        return Cells(
            self.epsg[which], self.x_m[which], self.y_m[which], self.lon[which], self.lat[which]
        )

    @classmethod
    def joined(cls, parts: Sequence["Cells"]) -> "Cells":
        """Return the cells of all parts, one after the other."""
        none = np.empty(0, np.int64)
        whole = [cls(none, none, none, np.empty(0), np.empty(0)), *parts]
        columns = ("epsg", "x_m", "y_m", "lon", "lat")
        return cls(*(np.concatenate([getattr(part, name) for part in whole]) for name in columns))


@cache
def _from_utm(epsg: int) -> Transformer:
    return Transformer.from_crs(epsg, 4326, always_xy=True)


def lonlat(
    epsg: NDArray[np.int64], x_m: NDArray[np.floating[Any]], y_m: NDArray[np.floating[Any]]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return lon and lat of points in UTM zones.

    Args:
        epsg: Zone of each row, shape (n,).
        x_m: Eastings, shape (n, ...).
        y_m: Northings, of the same shape.
    """
    lon = np.empty(x_m.shape)
    lat = np.empty(x_m.shape)
    for code in np.unique(epsg):
        rows = epsg == code
        lon[rows], lat[rows] = _from_utm(int(code)).transform(x_m[rows], y_m[rows])
    return lon, lat


def outline(size_m: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the closed ring of a square from its lower-left corner, edges densified.

    Returns:
        Metres to the east and to the north, of one shape (n,).
    """
    steps = max(1, int(np.ceil(size_m / EDGE_STEP_M)))
    along = np.arange(steps) * (size_m / steps)
    zero, full = np.zeros(steps), np.full(steps, size_m)
    x = np.concatenate([along, full, size_m - along, zero, [0.0]])
    y = np.concatenate([zero, along, full, size_m - along, [0.0]])
    return x, y


def squares(cells: Cells, size_m: float, margin_m: float = 0.0) -> Geometries:
    """Return the squares in lon/lat, edges densified, split where they cross 180 degrees.

    Args:
        cells: The cells, n of them.
        size_m: Their edge.
        margin_m: What is added on each side.

    Returns:
        Polygons, or multipolygons over 180 degrees, shape (n,).
    """
    if not len(cells):
        return np.empty(0, dtype=object)
    x, y = (along - margin_m for along in outline(size_m + 2 * margin_m))
    lon, lat = lonlat(cells.epsg, cells.x_m[:, None] + x, cells.y_m[:, None] + y)
    polygons: Geometries = np.asarray(shapely.polygons(np.stack([lon, lat], axis=-1)))
    for i in np.flatnonzero(np.ptp(lon, axis=1) > 180):
        from antimeridian import fix_polygon

        polygons[i] = fix_polygon(polygons[i])
    return polygons


def crosses_zone_edge(cells: Cells, size_m: float) -> NDArray[np.bool_]:
    """Tell which squares reach over a meridian that bounds their zone.

    There the squares of two zones overlap, which would let samples of two splits share ground.

    Returns:
        Shape (n,).
    """
    x = cells.x_m[:, None] + np.array([0.0, size_m, size_m, 0.0])
    y = cells.y_m[:, None] + np.array([0.0, 0.0, size_m, size_m])
    lon, _ = lonlat(cells.epsg, x, y)
    middle = (cells.epsg % 100) * 6.0 - 183.0
    away = np.abs(np.mod(lon - middle[:, None] + 180.0, 360.0) - 180.0)
    return np.asarray((away > 3.0).any(axis=1))


def extents(cells: Cells, size_m: float) -> NDArray[np.float64]:
    """Return west, south, east and north of the squares, degrees, shape (n, 4).

    Longitudes go on past 180 degrees: west is never greater than east.
    """
    x, y = outline(size_m)
    lon, lat = lonlat(cells.epsg, cells.x_m[:, None] + x, cells.y_m[:, None] + y)
    away = np.mod(lon - cells.lon[:, None] + 180.0, 360.0) - 180.0
    west, east = (cells.lon + edge for edge in (away.min(axis=1), away.max(axis=1)))
    return np.stack([west, lat.min(axis=1), east, lat.max(axis=1)], axis=1)
