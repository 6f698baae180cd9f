"""Grids of square pixels, north up: a sample's two, and a raster's own."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

from geosr_lake.net.errors import GridMismatchError
from geosr_lake.sensors.tasks import Task


@dataclass(frozen=True, slots=True)
class Grid:
    """Pixels of one size in a plane, rows from the north.

    Attributes:
        west_m: West edge of the first column.
        north_m: North edge of the first row.
        x_m: Width of a pixel.
        y_m: Height of a pixel, positive.
        height: Rows.
        width: Columns.
    """

    west_m: float
    north_m: float
    x_m: float
    y_m: float
    height: int
    width: int

    @property
    def transform(self) -> tuple[float, float, float, float, float, float]:
        """(a, b, c, d, e, f): x = a column + b row + c, y = d column + e row + f, pixel edges."""
        return (self.x_m, 0.0, self.west_m, 0.0, -self.y_m, self.north_m)


def sample_grid(task: Task, side: str, x_m: float, y_m: float) -> Grid:
    """Return the grid of a side of the sample whose lower-left corner is (x_m, y_m)."""
    px = task.lr_px if side == "lr" else task.hr_px
    gsd_m = task.site_size_m / px
    return Grid(float(x_m), float(y_m) + task.site_size_m, gsd_m, gsd_m, px, px)


def raster_grid(transform: Sequence[float], height: int, width: int) -> Grid:
    """Return the grid of a raster.

    Args:
        transform: (a, b, c, d, e, f) of pixel edges.
        height: Rows.
        width: Columns.

    Raises:
        GridMismatchError: If the grid is turned, sheared, or not north up.
    """
    a, b, c, d, e, f = transform
    if b != 0 or d != 0 or not a > 0 or not e < 0 or not all(map(isfinite, transform)):
        raise GridMismatchError(f"The raster is not north up: transform {tuple(transform)}")
    return Grid(c, f, a, -e, height, width)
