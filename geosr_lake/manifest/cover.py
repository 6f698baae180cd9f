"""Land-cover fractions of sites, read from a raster.

Rule: a site is asked at the centres of 20 by 20 equal parts (30 m apart for a 600 m site, 1.5 km
for a 30 km one), each answered by the pixel that holds it. A fraction is the number of points of
a class over all 400 points: points outside the raster or on nodata belong to no class, so what is
unknown is what the fractions lack to 1. With 400 points a fraction has a standard error of at
most 0.025.
"""

import hashlib
import math
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from geosr_lake.errors import UsageError
from geosr_lake.recipe import UrbanRule

if TYPE_CHECKING:
    from pyproj import Transformer

POINTS_PER_EDGE = 20
_POINTS = POINTS_PER_EDGE**2
_AT_ONCE_PX = 4_000_000
"""A site's window of more pixels is read in strips, one for each row of points."""
_ROUNDING = 1e-9
"""Fractions are sums of 1/400: a limit is met although binary fractions fall short of it."""

Stratum = Literal["urban", "non_urban"]
STRATA: tuple[Stratum, ...] = ("urban", "non_urban")


def stratum(fractions: dict[int, float], rule: UrbanRule) -> Stratum | None:
    """Return the stratum of a site, or None where the unknown share could change it.

    Args:
        fractions: Class to share of the site.
        rule: Says which classes are urban and from which share on a site is.
    """
    urban = math.fsum(frac for cls, frac in fractions.items() if cls in rule.classes)
    unknown = 1 - math.fsum(fractions.values())
    if urban + _ROUNDING >= rule.min_frac:
        return "urban"
    return "non_urban" if urban + unknown + _ROUNDING < rule.min_frac else None


def class_fractions(
    classes: NDArray[np.integer[Any]], known: NDArray[np.bool_]
) -> dict[int, float]:
    """Return the share of each class among all points; points that are not known count for none."""
    found, counts = np.unique(classes[known], return_counts=True)
    return {int(c): int(n) / classes.size for c, n in zip(found, counts, strict=True)}


def site_points(
    x_m: NDArray[np.int64], y_m: NDArray[np.int64], size_m: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return eastings and northings of the points of n sites, shape (n, 400), row by row."""
    along = (np.arange(POINTS_PER_EDGE) + 0.5) * (size_m / POINTS_PER_EDGE)
    east, north = (a.ravel() for a in np.meshgrid(along, along))
    return x_m[:, None] + east, y_m[:, None] + north


class LandCover:
    """An open land-cover raster: one band of whole numbers, any CRS.

    Args:
        path: A local file that GDAL reads.

    Raises:
        UsageError: If the file cannot be read, or is no such raster.
    """

    def __init__(self, path: Path) -> None:
        from pyproj import CRS

        from geosr_lake.net.gdal_env import load_rasterio

        rasterio = load_rasterio()
        if not path.is_file():
            raise UsageError(
                "There is no land-cover raster here",
                where=str(path),
                next_step="Name a local file with --land-cover.",
            )
        try:
            # Only the driver of GeoTIFF: a mosaic could name files and hosts of its own.
            self._source = rasterio.open(path, driver="GTiff")
        except rasterio.errors.RasterioIOError as error:
            raise _unusable("cannot be read as a GeoTIFF", path) from error
        try:
            self._check(path)
        except UsageError:
            self._source.close()
            raise
        self._crs = CRS.from_wkt(self._source.crs.to_wkt())
        self._to_pixel = ~self._source.transform

    def _check(self, path: Path) -> None:
        source = self._source
        if source.count != 1 or not np.issubdtype(np.dtype(source.dtypes[0]), np.integer):
            raise _unusable("is not one band of whole numbers", path)
        if source.crs is None or source.transform.is_identity:
            raise _unusable("has no coordinate system", path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._source.close()

    @property
    def version(self) -> str:
        """SHA-256 of the file's bytes."""
        with Path(self._source.name).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def sites(
        self,
        epsg: NDArray[np.int64],
        x_m: NDArray[np.int64],
        y_m: NDArray[np.int64],
        size_m: float,
    ) -> Iterator[dict[int, float]]:
        """Yield class to fraction for each site, in order.

        Args:
            epsg: UTM zone of each site, shape (n,).
            x_m: Easting of its lower-left corner, shape (n,).
            y_m: Northing of it, shape (n,).
            size_m: Edge of the sites.
        """
        east, north = site_points(x_m, y_m, size_m)
        rows = np.full(east.shape, -1, dtype=np.int64)
        cols = np.full(east.shape, -1, dtype=np.int64)
        for code in np.unique(epsg):
            which = epsg == code
            x, y = _between(int(code), self._crs.to_wkt()).transform(east[which], north[which])
            a, b, c, d, e, f = self._to_pixel[:6]
            col, row = a * x + b * y + c, d * x + e * y + f
            known = np.isfinite(col) & np.isfinite(row)
            cols[which] = np.floor(np.where(known, col, -1)).astype(np.int64)
            rows[which] = np.floor(np.where(known, row, -1)).astype(np.int64)
        for row, col in zip(rows, cols, strict=True):
            yield class_fractions(*self._classes_at(row, col))

    def _classes_at(
        self, rows: NDArray[np.int64], cols: NDArray[np.int64]
    ) -> tuple[NDArray[np.integer[Any]], NDArray[np.bool_]]:
        """Return the class at each pixel, and whether it is known: not nodata, not outside."""
        classes = np.zeros(rows.size, dtype=self._source.dtypes[0])
        known = np.zeros(rows.size, dtype=bool)
        inside = (rows >= 0) & (rows < self._source.height)
        inside &= (cols >= 0) & (cols < self._source.width)
        for part in self._parts(rows, cols, inside):
            top, left = rows[part].min(), cols[part].min()
            height, width = int(np.ptp(rows[part])) + 1, int(np.ptp(cols[part])) + 1
            window = ((top, top + height), (left, left + width))
            pixels = self._source.read(1, window=window, masked=True)
            at = (rows[part] - top, cols[part] - left)
            classes[part] = pixels.data[at]
            known[part] = ~np.ma.getmaskarray(pixels)[at]
        return classes, known

    def _parts(
        self, rows: NDArray[np.int64], cols: NDArray[np.int64], inside: NDArray[np.bool_]
    ) -> Iterator[NDArray[np.intp]]:
        """Yield the points inside the raster, so that each part lies in a small window."""
        points = np.flatnonzero(inside)
        if not points.size:
            return
        sides = [points]
        if np.ptp(cols[points]) > self._source.width / 2:
            # A site over 180 degrees in a raster of the whole globe: both ends of its rows.
            east = cols[points] >= self._source.width / 2
            sides = [points[east], points[~east]]
        for side in (s for s in sides if s.size):
            if (np.ptp(rows[side]) + 1) * (np.ptp(cols[side]) + 1) <= _AT_ONCE_PX:
                yield side
                continue
            for strip in range(POINTS_PER_EDGE):
                if (part := side[side // POINTS_PER_EDGE == strip]).size:
                    yield part


@cache
def _between(epsg: int, wkt: str) -> "Transformer":
    from pyproj import Transformer

    return Transformer.from_crs(epsg, wkt, always_xy=True)


def _unusable(what: str, path: Path) -> UsageError:
    return UsageError(
        f"The land-cover raster {what}",
        where=str(path),
        next_step="Give a georeferenced raster of one band of class numbers.",
    )
