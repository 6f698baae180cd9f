"""The demo's land cover: a raster of IGBP classes that is the landscape's own truth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyproj
from numpy.typing import NDArray

from geosr_lake.demo import places
from geosr_lake.demo.landscape import Landscape
from geosr_lake.demo.raster import write_cog
from geosr_lake.demo.render import Grid
from geosr_lake.demo.sketch import Box

PIXEL_DEG = 0.001
NODATA = 255
_OPEN_GROUND = 10
"""Class of what no zone covers, such as verges: grassland."""
_FINE_M = 20.0


def write_landcover(path: Path, landscape: Landscape, area: Box) -> None:
    """Write the class of each pixel of 0.001 degree over an area.

    Boundaries are true to 10 m.

    Args:
        path: The GeoTIFF, EPSG:4326, uint8, 255 outside the landscape.
        landscape: Whose zones count.
        area: Rectangle of EPSG:32613.
    """
    fine = _classes(landscape, area)
    west, south, east, north = area
    to_degrees = pyproj.Transformer.from_crs(places.EPSG, 4326, always_xy=True)
    lon, lat = to_degrees.transform([west, east, west, east], [south, south, north, north])
    left, right = np.floor(min(lon) / PIXEL_DEG), np.ceil(max(lon) / PIXEL_DEG)
    bottom, top = np.floor(min(lat) / PIXEL_DEG), np.ceil(max(lat) / PIXEL_DEG)
    grid = Grid(
        "EPSG:4326",
        round(float(left * PIXEL_DEG), 3),
        round(float(top * PIXEL_DEG), 3),
        PIXEL_DEG,
        int(right - left),
        int(top - bottom),
    )
    to_zone = pyproj.Transformer.from_crs(4326, places.EPSG, always_xy=True)
    longitudes = grid.x_edges()[:-1] + PIXEL_DEG / 2
    latitudes = grid.y_edges()[:-1] - PIXEL_DEG / 2
    x, y = to_zone.transform(*np.meshgrid(longitudes, latitudes))
    column, row = np.floor((x - west) / _FINE_M), np.floor((y - south) / _FINE_M)
    inside = (column >= 0) & (row >= 0) & (column < fine.shape[1]) & (row < fine.shape[0])
    classes = np.full(x.shape, NODATA, dtype=np.uint8)
    classes[inside] = fine[row[inside].astype(np.intp), column[inside].astype(np.intp)]
    write_cog(path, classes, grid, nodata=NODATA)


def _classes(landscape: Landscape, area: Box) -> NDArray[np.uint8]:
    """Classes at the centres of cells of 20 m, rows from the south."""
    west, south, east, north = area
    shape = (round((north - south) / _FINE_M), round((east - west) / _FINE_M))
    classes = np.full(shape, _OPEN_GROUND, dtype=np.uint8)
    origin = np.array([west, south, west, south])
    # The first centre at or beyond an edge: a zone holds its lower and left edges.
    cells = np.ceil((landscape.zones - origin) / _FINE_M - 0.5).astype(np.int64)
    cells = np.maximum(cells, 0)
    for (x0, y0, x1, y1), igbp in zip(cells.tolist(), landscape.zone_class.tolist(), strict=True):
        classes[y0:y1, x0:x1] = igbp
    return classes
