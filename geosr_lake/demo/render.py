"""What sensors see of the landscape: digital numbers and quality bits on pixel grids."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyproj
from affine import Affine
from numpy.typing import NDArray

from geosr_lake.arrays import Floats
from geosr_lake.demo import places, spectra
from geosr_lake.demo.landscape import Landscape
from geosr_lake.demo.sketch import Box, grown
from geosr_lake.demo.weather import Cover, Weather, cover_of_cells, cover_of_polygons, overlay
from geosr_lake.sensors import landsat, modis, naip, sentinel2

_STRIP_CELLS = 200_000
_QA_CLEAR, _QA_WATER, _QA_DILATED = 21824, 21952, 21826
_QA_CLOUD, _QA_SHADOW, _QA_SNOW, _QA_CIRRUS, _QA_FILL = 22280, 23888, 30048, 54596, 1
"""QA_PIXEL as Landsat 8 files have it for one condition each."""
_DILATION_M = 60.0


@dataclass(frozen=True, slots=True)
class Grid:
    """A north-up pixel grid of one projected system.

    Attributes:
        crs: Anything that rasterio takes.
        west: Left edge, metres.
        north: Upper edge, metres.
        pixel_m: Edge of a pixel.
        width: Columns.
        height: Rows.
    """

    crs: str
    west: float
    north: float
    pixel_m: float
    width: int
    height: int

    @staticmethod
    def over(box: Box, pixel_m: float, crs: str) -> Grid:
        """The grid whose pixels fill a rectangle."""
        west, south, east, north = box
        width, height = round((east - west) / pixel_m), round((north - south) / pixel_m)
        return Grid(crs, west, north, pixel_m, width, height)

    @property
    def transform(self) -> Affine:
        """Column and row to x and y."""
        return Affine(self.pixel_m, 0.0, self.west, 0.0, -self.pixel_m, self.north)

    @property
    def bounds(self) -> Box:
        """(west, south, east, north)."""
        south = self.north - self.height * self.pixel_m
        return (self.west, south, self.west + self.width * self.pixel_m, self.north)

    def x_edges(self, first: int = 0, last: int | None = None) -> Floats:
        """Left edges of columns ``first`` to ``last``, the right edge of the last one included."""
        columns = np.arange(first, (self.width if last is None else last) + 1)
        return np.asarray(self.west + columns * self.pixel_m, dtype=np.float64)

    def y_edges(self, first: int = 0, last: int | None = None) -> Floats:
        """Upper edges of rows, descending, the lower edge of the last one included."""
        rows = np.arange(first, (self.height if last is None else last) + 1)
        return np.asarray(self.north - rows * self.pixel_m, dtype=np.float64)

    def window(self, box: Box) -> tuple[slice, slice]:
        """Rows and columns of the pixels that a rectangle on pixel edges holds, cut to the grid."""
        west, south, east, north = box
        top = max(0, round((self.north - north) / self.pixel_m))
        bottom = min(self.height, round((self.north - south) / self.pixel_m))
        left = max(0, round((west - self.west) / self.pixel_m))
        right = min(self.width, round((east - self.west) / self.pixel_m))
        return slice(top, max(top, bottom)), slice(left, max(left, right))

    def strips(self, rows: slice | None = None) -> Iterator[slice]:
        """Slices of rows of a size that is quick to work on."""
        first, last = (0, self.height) if rows is None else (rows.start, rows.stop)
        step = max(16, _STRIP_CELLS // self.width)
        for start in range(first, last, step):
            yield slice(start, min(start + step, last))


def photograph(landscape: Landscape, grid: Grid) -> NDArray[np.uint8]:
    """A NAIP image: bytes of shape (4, height, width) in the order R, G, B, N."""
    roles = naip.SENSOR.data_roles
    names = spectra.seen_as("naip", roles)
    gain = np.array([spectra.NAIP_GAIN[r] for r in roles])[:, None, None]
    offset = np.array([spectra.NAIP_OFFSET[r] for r in roles])[:, None, None]
    image = np.empty((len(roles), grid.height, grid.width), dtype=np.uint8)
    for rows in grid.strips():
        dn = landscape.mean(grid.x_edges(), grid.y_edges(rows.start, rows.stop), names)
        dn *= gain
        dn += offset
        np.rint(dn, out=dn)
        np.clip(dn, 0, 255, out=dn)
        image[:, rows] = dn
    return image


@dataclass(frozen=True, slots=True, eq=False)
class Patch:
    """What a sensor sees within one window of a grid.

    Attributes:
        rows: Rows of the grid.
        columns: Columns of the grid.
        seen: (band, rows, columns) reflectance.
        cover: What hides the ground, (rows, columns).
    """

    rows: slice
    columns: slice
    seen: Floats
    cover: Cover


def sentinel2_patch(ground: Landscape, weather: Weather, grid: Grid, roles: Sequence[str]) -> Patch:
    """Sentinel-2 bands of one resolution over the ground's extent, which lies on pixel edges."""
    names = spectra.seen_as("sentinel2", roles)
    rows, columns = grid.window(ground.extent)
    x = grid.x_edges(columns.start, columns.stop)
    y = grid.y_edges(rows.start, rows.stop)
    cover = _flipped(cover_of_cells(weather, x, y[::-1]))
    return Patch(rows, columns, overlay(ground.mean(x, y, names), cover, names), cover)


def sentinel2_dn(reflectance: Floats, dn_offset: int) -> NDArray[np.uint16]:
    """Digital numbers of reflectance, at least 1, since 0 means no data.

    Args:
        reflectance: Any shape.
        dn_offset: -1000 from baseline 04.00, else 0: what a reader adds before scaling.
    """
    dn = np.rint(reflectance / sentinel2.SCALE) - dn_offset
    return np.asarray(np.clip(dn, 1, 65535), dtype=np.uint16)


def sentinel2_classes(red: Floats, nir: Floats, cover: Cover) -> NDArray[np.uint8]:
    """The scene classification of pixels of 20 m.

    Args:
        red: B04 reflectance.
        nir: B8A reflectance.
        cover: What hides the ground.

    Returns:
        uint8: 3 shadow, 4 vegetation, 5 bare, 6 water, 8 and 9 cloud, 10 cirrus, 11 snow.
        A pixel that a cloud touches at all is a cloud.
    """
    ndvi = (nir - red) / np.maximum(nir + red, 1e-6)
    classes = np.where(ndvi > 0.4, 4, np.where((ndvi < 0.0) & (nir < 0.06), 6, 5))
    classes = np.where(cover.shadow > 0, 3, classes)
    classes = np.where(cover.snow > 0, 11, classes)
    classes = np.where(cover.cirrus > 0, 10, classes)
    classes = np.where(cover.cloud > 0, np.where(cover.cloud < 1, 8, 9), classes)
    return classes.astype(np.uint8)


def landsat_bands(
    ground: Landscape, weather: Weather, grid: Grid, roles: Sequence[str]
) -> NDArray[np.uint16]:
    """Surface reflectances of a Landsat scene as digital numbers.

    Args:
        ground: The ground; its extent, on pixel edges, was seen, the rest is fill.
        weather: What hides it.
        grid: The file's pixels.
        roles: Bands.

    Returns:
        (band, height, width), 0 where there is fill.
    """
    names = spectra.seen_as("landsat", roles)
    bands = np.zeros((len(names), grid.height, grid.width), dtype=np.uint16)
    rows, columns = grid.window(ground.extent)
    x = grid.x_edges(columns.start, columns.stop)
    for strip in grid.strips(rows):
        y = grid.y_edges(strip.start, strip.stop)
        cover = _flipped(cover_of_cells(weather, x, y[::-1]))
        seen = overlay(ground.mean(x, y, names), cover, names)
        seen -= landsat.OFFSET
        seen /= landsat.SCALE
        np.rint(seen, out=seen)
        np.clip(seen, 1, 65535, out=seen)
        bands[:, strip, columns] = seen
    return bands


def landsat_quality(ground: Landscape, weather: Weather, grid: Grid) -> NDArray[np.uint16]:
    """QA_PIXEL of a Landsat scene, (height, width); arguments as for :func:`landsat_bands`.

    A pixel that a cloud touches is a cloud; those within 60 m of one are "dilated".
    """
    quality = np.full((grid.height, grid.width), _QA_FILL, dtype=np.uint16)
    rows, columns = grid.window(ground.extent)
    x = grid.x_edges(columns.start, columns.stop)
    halo = Weather.of([grown(box, _DILATION_M) for box in weather.clouds])
    for strip in grid.strips(rows):
        y = grid.y_edges(strip.start, strip.stop)
        cover = _flipped(cover_of_cells(weather, x, y[::-1]))
        beside_cloud = cover_of_cells(halo, x, y[::-1]).cloud[::-1]
        flags = np.where(ground.mean(x, y, ("nir_narrow",))[0] < 0.06, _QA_WATER, _QA_CLEAR)
        flags = np.where(beside_cloud > 0, _QA_DILATED, flags)
        flags = np.where(cover.shadow > 0, _QA_SHADOW, flags)
        flags = np.where(cover.snow > 0, _QA_SNOW, flags)
        flags = np.where(cover.cirrus > 0, _QA_CIRRUS, flags)
        quality[strip, columns] = np.where(cover.cloud > 0, _QA_CLOUD, flags)
    return quality


@dataclass(frozen=True, slots=True, eq=False)
class ModisPixels:
    """Those 500 m pixels of a tile that lie on the demo's ground, and their reflectance.

    Attributes:
        row: (n,) row within the tile.
        column: (n,) column within the tile.
        corners_m: (n, 4, 2) their corners in the UTM zone.
        ground: (7, n) mean reflectance of the ground, over the quadrilateral of the corners.
    """

    row: NDArray[np.intp]
    column: NDArray[np.intp]
    corners_m: Floats
    ground: Floats


def modis_pixels(landscape: Landscape, tile: tuple[int, int], area: Box) -> ModisPixels:
    """Find the pixels of a tile that lie wholly within an area of the zone, and average over them.

    The sphere's latitude is taken as the ellipsoid's, as everywhere with this product.

    Args:
        landscape: The ground.
        tile: h and v.
        area: Rectangle of EPSG:32613, within the landscape's extent.
    """
    west, _, _, north = modis.tile_bounds_m(*tile)
    size = modis.PIXEL_500M
    to_tile = pyproj.Transformer.from_crs(places.EPSG, modis.SINUSOIDAL, always_xy=True)
    x, y = to_tile.transform(*_outline(area))
    columns = np.arange(int((x.min() - west) // size), int((x.max() - west) // size) + 2)
    rows = np.arange(int((north - y.max()) // size), int((north - y.min()) // size) + 2)
    columns = columns[(columns >= 0) & (columns <= modis.PIXELS_500M)]
    rows = rows[(rows >= 0) & (rows <= modis.PIXELS_500M)]
    grid_x, grid_y = np.meshgrid(west + columns * size, north - rows * size)
    to_zone = pyproj.Transformer.from_crs(modis.SINUSOIDAL, places.EPSG, always_xy=True)
    nodes = np.stack(to_zone.transform(grid_x, grid_y), axis=-1)
    corners = np.stack([nodes[:-1, :-1], nodes[:-1, 1:], nodes[1:, 1:], nodes[1:, :-1]], axis=2)
    low, high = corners.min(axis=2), corners.max(axis=2)
    inside = (
        (low[..., 0] >= area[0])
        & (low[..., 1] >= area[1])
        & (high[..., 0] <= area[2])
        & (high[..., 1] <= area[3])
    )
    at_row, at_column = np.nonzero(inside)
    chosen = corners[inside]
    names = spectra.seen_as("modis", modis.SENSOR.data_roles)
    ground = landscape.mean_over_polygons(chosen, names)
    return ModisPixels(rows[at_row], columns[at_column], chosen, ground)


def modis_composite(
    pixels: ModisPixels, weather: Weather, day: NDArray[np.uint16]
) -> dict[str, NDArray[np.generic]]:
    """An 8-day composite on the whole tile.

    Args:
        pixels: Where the ground is.
        weather: What hid it.
        day: (n,) day of year of each pixel.

    Returns:
        Role -> (2400, 2400): int16 reflectances, uint16 ``state`` and ``day_of_year``; fill where
        the demo has no ground. A pixel that a cloud touches is "mixed", one below it "cloudy".
    """
    names = spectra.seen_as("modis", modis.SENSOR.data_roles)
    cover = cover_of_polygons(weather, pixels.corners_m)
    seen = overlay(pixels.ground, cover, names)
    low, high = modis.VALID_RANGE_DN
    state = np.full(len(pixels.row), 1 << 3 | 1 << 6, dtype=np.uint16)  # land, little aerosol
    state |= np.where(cover.cloud >= 0.5, 1, np.where(cover.cloud > 0, 2, 0)).astype(np.uint16)
    state |= np.where(cover.shadow > 0, 1 << 2, 0).astype(np.uint16)
    state |= np.where(cover.cirrus > 0, 0b10 << 8, 0).astype(np.uint16)
    state |= np.where(cover.snow > 0, 1 << 12 | 1 << 15, 0).astype(np.uint16)
    shape = (modis.PIXELS_500M, modis.PIXELS_500M)
    files: dict[str, NDArray[np.generic]] = {}
    for band, values in zip(modis.SENSOR.data_bands, seen, strict=True):
        image = np.full(shape, modis.FILL_REFLECTANCE, dtype=np.int16)
        image[pixels.row, pixels.column] = np.clip(np.rint(values / band.scale), low, high)
        files[band.role] = image
    for role, flags in (("state", state), ("day_of_year", day)):
        image16 = np.full(shape, modis.FILL_UINT16, dtype=np.uint16)
        image16[pixels.row, pixels.column] = flags
        files[role] = image16
    return files


def _outline(area: Box) -> tuple[Floats, Floats]:
    """Points along the border of a rectangle."""
    west, south, east, north = area
    t = np.linspace(0.0, 1.0, 33)
    x = np.concatenate([west + t * (east - west), np.full(33, east), west + t * (east - west)])
    y = np.concatenate([np.full(33, south), south + t * (north - south), np.full(33, north)])
    return np.append(x, np.full(33, west)), np.append(y, south + t * (north - south))


def _flipped(cover: Cover) -> Cover:
    """Rows in the order of an image."""
    return Cover(cover.cloud[::-1], cover.shadow[::-1], cover.cirrus[::-1], cover.snow[::-1])
