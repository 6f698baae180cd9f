"""The cells of a task's grid whose centre lies in boxes, in columns, many boxes at once."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from pyproj import Transformer

from geosr_lake.arrays import Floats, Ints
from geosr_lake.manifest.sites import Cells, lonlat
from geosr_lake.sensors import grid
from geosr_lake.sensors.tasks import Task

UTM_SOUTH_DEG, UTM_NORTH_DEG = -80.0, 84.0
"""UTM's own limits; there are no sites beyond."""
_EDGE_STEPS = 9
"""Points along an edge of a box when it is taken to UTM. A parallel bends there: between two of
them by 10 m for a box of a degree, and the cells around the box are looked at too."""
_CELLS_AT_ONCE = 2_000_000


@dataclass(frozen=True, slots=True)
class OneIn:
    """One in `n` cells of a grid, evenly spread, which can be listed without the others.

    A cell is one of them where row + step * column leaves the remainder `start` when divided by
    `n`. The step is about n over the golden ratio, which keeps points of such a lattice apart
    (Niederreiter: Random Number Generation and Quasi-Monte Carlo Methods, 1992, chapter 5).

    Attributes:
        n: From 1 on, which is all cells.
        start: Which of the `n` sets of cells, modulo `n`.
    """

    n: int = 1
    start: int = 0

    def first_row(self, column: Ints, row: Ints) -> Ints:
        """Return the first row from `row` on that has a cell in a column."""
        step = round(self.n / _GOLDEN)
        ahead: Ints = (self.start - step * column - row) % self.n
        return row + ahead


ALL = OneIn()
_GOLDEN = (1 + 5**0.5) / 2


@cache
def _to_utm(epsg: int) -> Transformer:
    return Transformer.from_crs(4326, epsg, always_xy=True)


def cells_in_boxes(
    task: Task, boxes: Floats, owners: Ints, some: OneIn = ALL
) -> Iterator[tuple[Ints, Cells]]:
    """Yield the cells whose centre lies in boxes, each in the zone of its centre.

    Args:
        task: Gives size and offset of the grid and which zones it uses.
        boxes: West, south, east, north in degrees, west <= east, shape (b, 4).
        owners: What each box belongs to, shape (b,).
        some: Other cells are left out, and cost nothing.

    Yields:
        The owner of each cell, and the cells; all of a box's owner at once only if its boxes lie
        one after the other. A cell comes once for each box.
    """
    for box, epsg in _by_zone(task, boxes):
        for part in _portions(task, boxes[box]):
            held, cells = _in_zone(task, epsg, boxes[box[part]], some)
            yield owners[box[part]][held], cells


def _by_zone(task: Task, boxes: Floats) -> Iterator[tuple[Ints, int]]:
    """Yield the boxes that reach into each zone, and its EPSG code."""
    west, east = boxes[:, 0], np.minimum(boxes[:, 2], 179.999_999_9)
    first, last = grid.utm_zone(west), grid.utm_zone(east)
    for zone in range(int(first.min(initial=61)), int(last.max(initial=0)) + 1):
        here = (first <= zone) & (zone <= last)
        if task.northern_zones_only:
            yield np.flatnonzero(here), 32600 + zone
            continue
        yield np.flatnonzero(here & (boxes[:, 3] >= 0)), 32600 + zone
        yield np.flatnonzero(here & (boxes[:, 1] < 0)), 32700 + zone


def about_how_many(task: Task, boxes: Floats) -> Floats:
    """Return about how many cells have their centre in each box, shape (b,)."""
    wide, tall = _across(boxes)
    return np.asarray((wide / task.site_size_m) * (tall / task.site_size_m))


def _across(boxes: Floats) -> tuple[Floats, Floats]:
    """Return how wide and how tall boxes are, metres, about."""
    wide, tall = ((boxes[:, i + 2] - boxes[:, i]) * grid.EQUATOR_DEGREE_M for i in (0, 1))
    return wide * np.cos(np.radians(boxes[:, [1, 3]].mean(axis=1))), tall


def _portions(task: Task, boxes: Floats) -> Iterator[Ints]:
    """Yield boxes in portions of so many cells, about."""
    if not len(boxes):
        return
    wide, tall = _across(boxes)
    size = task.site_size_m
    cells = np.cumsum((wide / size + 3) * (tall / size + 3))
    parts = np.flatnonzero(np.diff(cells // _CELLS_AT_ONCE)) + 1
    yield from np.split(np.arange(len(boxes)), parts)


def _in_zone(task: Task, epsg: int, boxes: Floats, some: OneIn) -> tuple[Ints, Cells]:
    """Return the cells of one zone in boxes, and the box of each."""
    middle = (epsg % 100) * 6.0 - 183.0
    west, east = np.maximum(boxes[:, 0], middle - 3.0), np.minimum(boxes[:, 2], middle + 3.0)
    south, north = (np.clip(boxes[:, i], UTM_SOUTH_DEG, UTM_NORTH_DEG) for i in (1, 3))
    along = np.linspace(0.0, 1.0, _EDGE_STEPS)
    lon, lat = (
        west[:, None] + along * (east - west)[:, None],
        (south[:, None] + along * (north - south)[:, None]),
    )
    edge = np.ones(_EDGE_STEPS)
    x, y = _to_utm(epsg).transform(
        np.concatenate([lon, lon, west[:, None] * edge, east[:, None] * edge], axis=1),
        np.concatenate([south[:, None] * edge, north[:, None] * edge, lat, lat], axis=1),
    )
    size = task.site_size_m
    origin = np.array([task.grid_offset_m, grid.northing_origin_m(epsg) + task.grid_offset_m])
    low = np.stack([x.min(axis=1), y.min(axis=1)], axis=1)
    high = np.stack([x.max(axis=1), y.max(axis=1)], axis=1)
    first = np.floor((low - origin) / size).astype(np.int64) - 1
    count = np.floor((high - origin) / size).astype(np.int64) + 2 - first
    # The columns of each box one after the other, and of each column the rows.
    box, nth = _counted(count[:, 0])
    column, row = first[box, 0] + nth, first[box, 1]
    above = some.first_row(column, row)
    of, nth = _counted((row + count[box, 1] - above + some.n - 1) // some.n)
    box, column, row = box[of], column[of], above[of] + nth * some.n
    x_m, y_m = (
        np.rint(step * size + origin[i]).astype(np.int64) for i, step in ((0, column), (1, row))
    )
    codes = np.full(len(box), epsg, dtype=np.int64)
    lon, lat = lonlat(codes, x_m + size / 2, y_m + size / 2)
    cells = Cells(codes, x_m, y_m, lon, lat)
    own = grid.utm_epsg(lon, lat, northern_zones_only=task.northern_zones_only) == epsg
    inside = (lon >= boxes[box, 0]) & (lon <= boxes[box, 2])
    inside &= (lat >= boxes[box, 1]) & (lat <= boxes[box, 3])
    inside &= (lat >= UTM_SOUTH_DEG) & (lat <= UTM_NORTH_DEG)
    kept = np.flatnonzero(own & inside)
    return box[kept], cells.take(kept)


def _counted(counts: Ints) -> tuple[Ints, Ints]:
    """Return, for so many of each, which one each is of and its number among them, from 0."""
    of = np.repeat(np.arange(len(counts)), counts)
    return of, np.arange(len(of)) - np.repeat(np.cumsum(counts) - counts, counts)
