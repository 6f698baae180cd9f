"""Area-weighting of sinusoidal pixels done the exact way: polygons clipped one by one."""

from typing import Any

import numpy as np
import pyproj
import shapely

from geosr_lake.cubes.grids import Grid
from geosr_lake.sensors import modis


def sinusoidal_of(x_m: np.ndarray, y_m: np.ndarray, epsg: int) -> tuple[Any, Any]:
    """Project UTM metres to MODIS' sinusoidal metres with PROJ alone: an independent way."""
    lonlat = pyproj.Transformer.from_crs(epsg, 4326, always_xy=True).transform(x_m, y_m)
    return pyproj.Proj(modis.SINUSOIDAL)(*lonlat)


def exact_shares(source: Grid, target: Grid, epsg: int, window: tuple[int, ...]) -> np.ndarray:
    """(cell, pixel) shares by clipping each cell's outline, densified, with each pixel."""
    top, bottom, left, right = window
    along = np.linspace(0, 1, 8, endpoint=False)
    ring_x = np.concatenate([along, np.ones(8), 1 - along, np.zeros(8)])
    ring_y = np.concatenate([np.zeros(8), along, np.ones(8), 1 - along])
    rows, columns = np.divmod(np.arange(target.height * target.width), target.width)
    x = target.west_m + target.x_m * (columns[:, None] + ring_x)
    y = target.north_m - target.y_m * (rows[:, None] + ring_y)
    east, north = sinusoidal_of(x, y, epsg)
    outline = np.stack(
        [(east - source.west_m) / source.x_m - left, (source.north_m - north) / source.y_m - top],
        axis=-1,
    )
    cells = shapely.polygons(outline)
    i, j = np.divmod(np.arange((bottom - top) * (right - left)), right - left)
    pixels = shapely.box(j, i, j + 1, i + 1)
    cell, pixel = shapely.STRtree(pixels).query(cells, predicate="intersects")
    shares = np.zeros((len(cells), len(pixels)))
    shares[cell, pixel] = shapely.area(shapely.intersection(cells[cell], pixels[pixel]))
    return shares / shapely.area(cells)[:, None]
