"""Whole sites inside the overlaps of footprints: geometry over arrays, without Spark.

Footprints and squares are polygons in lon/lat (EPSG:4326), split where they cross 180 degrees.
"Inside" is planar in lon/lat, as for pairs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import Transformer

from geosr_lake.sensors import grid
from geosr_lake.sensors.tasks import Task

EDGE_STEP_M = 1_500.0
"""Edges of squares get a vertex at least this often: a straight line in UTM is a curve in lon/lat,
which between two vertices strays by less than 0.1 m below 60 degrees of latitude."""
UTM_SOUTH_DEG, UTM_NORTH_DEG = -80.0, 84.0
"""UTM's own limits; there are no sites beyond."""
_BOUNDARY_STEPS = 32

Geometries = NDArray[np.object_]
Box = tuple[float, float, float, float]


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

    def take(self, which: NDArray[np.bool_] | NDArray[np.int64]) -> "Cells":
        """Return the cells that a mask or indices choose."""
        return Cells(
            self.epsg[which], self.x_m[which], self.y_m[which], self.lon[which], self.lat[which]
        )


_NO_CELLS = Cells(
    np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0), np.empty(0)
)


@cache
def _from_utm(epsg: int) -> Transformer:
    return Transformer.from_crs(epsg, 4326, always_xy=True)


@cache
def _to_utm(epsg: int) -> Transformer:
    return Transformer.from_crs(4326, epsg, always_xy=True)


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


def _boxes(footprints: Geometries) -> list[Box]:
    """Return one lon/lat box around the polygons, or two where they lie on both sides of 180."""
    bounds = shapely.bounds(shapely.get_parts(footprints))
    west, east = bounds[:, 0], bounds[:, 2]
    sides = [np.ones(len(bounds), dtype=bool)]
    if len(bounds) and east.max() - west.min() > 180:
        sides = [west + east < 0, west + east >= 0]
    parts = (bounds[side] for side in sides if side.any())
    return [
        (float(b[:, 0].min()), float(b[:, 1].min()), float(b[:, 2].max()), float(b[:, 3].max()))
        for b in parts
    ]


def _meet(a: Box, b: Box) -> Box | None:
    west, south, east, north = (
        max(a[0], b[0]),
        max(a[1], b[1]),
        min(a[2], b[2]),
        min(a[3], b[3]),
    )
    return (west, south, east, north) if west <= east and south <= north else None


def _cells_of_zone(task: Task, epsg: int, box: Box) -> Cells:
    """Return the cells of one zone whose centre may lie in the box, and some around it."""
    west, south, east, north = box
    lon = np.linspace(west, east, _BOUNDARY_STEPS)
    lat = np.linspace(south, north, _BOUNDARY_STEPS)
    x, y = _to_utm(epsg).transform(
        np.concatenate([lon, lon, np.full_like(lat, west), np.full_like(lat, east)]),
        np.concatenate([np.full_like(lon, south), np.full_like(lon, north), lat, lat]),
    )
    size = task.site_size_m
    corners = grid.cells_within(
        (x.min() - size, y.min() - size, x.max() + size, y.max() + size),
        epsg=epsg,
        size_m=size,
        offset_m=task.grid_offset_m,
    )
    x_m, y_m = (np.rint(c).astype(np.int64) for c in corners)
    codes = np.full(x_m.size, epsg, dtype=np.int64)
    lon, lat = lonlat(codes, x_m + size / 2, y_m + size / 2)
    return Cells(codes, x_m, y_m, lon, lat)


def cells_in_box(task: Task, box: Box) -> Cells:
    """Return the cells whose centre lies in a lon/lat box, each in the zone of its centre.

    Args:
        task: Gives size and offset of the grid and which zones it uses.
        box: (west, south, east, north), degrees, west <= east.
    """
    west, south, east, north = box
    south, north = max(south, UTM_SOUTH_DEG), min(north, UTM_NORTH_DEG)
    if south > north:
        return _NO_CELLS
    hemispheres = [(south, north)]
    if south < 0 <= north and not task.northern_zones_only:
        hemispheres = [(south, 0.0), (0.0, north)]
    parts = []
    for zone in range(int(grid.utm_zone(west)), int(grid.utm_zone(min(east, 179.999_999_9))) + 1):
        zone_west = zone * 6.0 - 186.0
        inner_west, inner_east = max(west, zone_west), min(east, zone_west + 6.0)
        for low, high in hemispheres:
            southern = low < 0 and not task.northern_zones_only
            epsg = (32700 if southern else 32600) + zone
            cells = _cells_of_zone(task, epsg, (inner_west, low, inner_east, high))
            own = grid.utm_epsg(cells.lon, cells.lat, northern_zones_only=task.northern_zones_only)
            inside = (cells.lon >= west) & (cells.lon <= east)
            inside &= (cells.lat >= south) & (cells.lat <= north)
            parts.append(cells.take((own == epsg) & inside))
    return _joined(parts)


def _joined(parts: Sequence[Cells]) -> Cells:
    if not parts:
        return _NO_CELLS
    return Cells(
        np.concatenate([p.epsg for p in parts]),
        np.concatenate([p.x_m for p in parts]),
        np.concatenate([p.y_m for p in parts]),
        np.concatenate([p.lon for p in parts]),
        np.concatenate([p.lat for p in parts]),
    )


def _distinct(cells: Cells) -> Cells:
    """Return each cell once; boxes can share an edge."""
    keys = np.stack([cells.epsg, cells.x_m, cells.y_m], axis=1)
    return cells.take(np.unique(keys, axis=0, return_index=True)[1])


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


def squares(cells: Cells, size_m: float) -> Geometries:
    """Return the squares in lon/lat, edges densified, split where they cross 180 degrees.

    Args:
        cells: The cells, n of them.
        size_m: Their edge.

    Returns:
        Polygons, or multipolygons over 180 degrees, shape (n,).
    """
    if not len(cells):
        return np.empty(0, dtype=object)
    x, y = outline(size_m)
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


def whole_cells(
    task: Task, lr: Geometries, hr: Geometries, pairs: NDArray[np.int64]
) -> tuple[Cells, NDArray[np.bool_]]:
    """Return the cells that lie whole inside both footprints of at least one pair.

    Args:
        task: Gives the site grid.
        lr: Distinct footprints of low resolution.
        hr: Distinct footprints of high resolution.
        pairs: Which of them are pairs: indices into `lr` and `hr`, shape (p, 2).

    Returns:
        The n cells, and a matrix of shape (p, n): which pair holds which cell.
    """
    boxes = [m for a in _boxes(lr) for b in _boxes(hr) if (m := _meet(a, b)) is not None]
    cells = _distinct(_joined([cells_in_box(task, box) for box in boxes]))
    if not len(cells) or not len(pairs):
        return _NO_CELLS, np.zeros((len(pairs), 0), dtype=bool)
    ground = squares(cells, task.site_size_m)
    held = []
    for footprints in (lr, hr):
        shapely.prepare(footprints)
        held.append(np.asarray(shapely.covers(footprints[:, None], ground[None, :])))
    hits = np.logical_and(held[0][pairs[:, 0]], held[1][pairs[:, 1]])
    found = np.asarray(hits.any(axis=0))
    return cells.take(found), hits[:, found]
