"""The grid of sites by plain arithmetic, cell by cell: the oracle of the manifest's."""

import math
from dataclasses import dataclass

from geosr_lake.sensors.tasks import Task


@dataclass(frozen=True)
class Cell:
    """One square of a site grid; metres in its zone."""

    epsg: int
    x_min_m: float
    y_min_m: float
    size_m: float

    @property
    def bounds_m(self) -> tuple[float, float, float, float]:
        """(west, south, east, north)."""
        x, y = self.x_min_m, self.y_min_m
        return (x, y, x + self.size_m, y + self.size_m)

    @property
    def center_m(self) -> tuple[float, float]:
        return (self.x_min_m + self.size_m / 2, self.y_min_m + self.size_m / 2)


def site_epsg(task: Task, lon: float, lat: float) -> int:
    """The zone whose sites hold a point; 180 degrees is -180, a west edge belongs to its zone."""
    zone = math.floor(((lon + 180) % 360) / 6) + 1
    return (32700 if lat < 0 and not task.northern_zones_only else 32600) + zone


def _origin(task: Task, epsg: int) -> tuple[float, float]:
    """A corner of the grid: eastings count from 0, northings from the equator."""
    return task.grid_offset_m, task.grid_offset_m + (10_000_000.0 if epsg > 32700 else 0.0)


def cell_at(task: Task, x_m: float, y_m: float, epsg: int) -> Cell:
    """The cell that holds a point; west and south edges belong to it."""
    size = task.site_size_m
    x, y = (
        math.floor((value - start) / size) * size + start
        for value, start in zip((x_m, y_m), _origin(task, epsg), strict=True)
    )
    return Cell(epsg, x, y, size)


def cells_within(task: Task, bounds_m: tuple[float, float, float, float], epsg: int) -> list[Cell]:
    """All whole cells inside a rectangle."""
    west, south, east, north = bounds_m
    size, (left, low) = task.site_size_m, _origin(task, epsg)
    columns = range(math.ceil((west - left) / size), math.floor((east - left) / size))
    rows = range(math.ceil((south - low) / size), math.floor((north - low) / size))
    return [Cell(epsg, left + i * size, low + j * size, size) for j in rows for i in columns]
