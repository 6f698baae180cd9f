"""Land-cover fractions of sites, read from a raster.

Rule: of the layer's pixels whose centre lies inside a site, a fraction is the share of those of a
class. Pixels outside the raster or on nodata belong to no class, so what is unknown is what the
fractions lack to 1.

Where a site holds fewer than 100 pixels, it is asked at the centres of 20 by 20 equal parts, each
answered by the pixel that holds it: so that a coarse pixel counts by the ground that it covers.
Where it holds more than a million, every second, third ... row and column of pixels is counted,
the same ones for every site.
"""

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from geosr_lake.arrays import Floats, Ints
from geosr_lake.errors import SourceError, UsageError
from geosr_lake.manifest.sites import outline
from geosr_lake.net import (
    FORMATS,
    Raster,
    SourcePolicy,
    identity,
    known,
    open_raster,
)
from geosr_lake.net.convert import Converted, as_geotiff
from geosr_lake.net.gdal_env import load_rasterio
from geosr_lake.net.policy import without_query
from geosr_lake.recipe import UrbanRule
from geosr_lake.sensors.grid import EQUATOR_DEGREE_M

if TYPE_CHECKING:
    from pyproj import Transformer

POINTS_PER_EDGE = 20
FEWEST_PX = 100
"""A site of fewer pixels is asked at points: pixels wider than a tenth of it."""
MOST_PX = 1_000_000
"""Of a site of more pixels about so many are counted."""
_AT_ONCE_PX = 4_000_000
"""A window of more pixels is read in strips."""
_HELD_PX = 64_000_000
"""A raster of no more pixels is held in memory when it is asked at points."""
_ROUNDING = 1e-9
"""A limit is met although binary fractions fall short of it."""

Classes = tuple[NDArray[np.integer[Any]], NDArray[np.bool_]]
"""Class numbers, and whether each is known: not nodata, not outside."""

Stratum = Literal["urban", "non_urban"]


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


class CoverRaster:
    """An open land-cover raster: one band of whole numbers, any CRS.

    Args:
        where: A path, or the address (https, or http on this machine) of a file of one of
            `net.FORMATS`. Of a file here of another format a GeoTIFF is made (`net.convert`).

    Raises:
        UsageError: If it cannot be read, or is no such raster.
    """

    def __init__(self, where: str | Path) -> None:
        from pyproj import CRS

        self._href, self._policy = _located(where)
        self._converted: Converted | None = None
        with ExitStack() as opened:
            try:
                self._raster: Raster = opened.enter_context(self._open())
            except SourceError as error:
                raise _unusable(f"cannot be read: {error}", where) from error
            self._check(where)
            self._opened = opened.pop_all()
        crs = CRS.from_wkt(self._raster.crs.to_wkt())
        self._wkt = crs.to_wkt()
        a, b, c, d, e, f = self._raster.transform
        self._to_pixel = np.linalg.inv(np.array([[a, b, c], [d, e, f], [0.0, 0.0, 1.0]]))
        self._is_lonlat = crs.is_geographic
        self._middle = c + a * self._raster.width / 2
        # Over 180 degrees a site goes on at the other end of a row.
        self._wraps = crs.is_geographic and abs(a) * self._raster.width > 359.9

    def _open(self) -> AbstractContextManager[Raster]:
        if "://" in self._href or known(Path(self._href)):
            return open_raster(self._href, self._policy, FORMATS)
        self._converted = as_geotiff(Path(self._href))
        copy = self._converted.path
        return open_raster(str(copy), SourcePolicy.of([copy.parent]))

    def _check(self, path: str | Path) -> None:
        raster = self._raster
        if raster.count != 1 or not np.issubdtype(np.dtype(raster.dtype), np.integer):
            raise _unusable("is not one band of whole numbers", path)
        if raster.crs is None or raster.transform == (1.0, 0.0, 0.0, 0.0, 1.0, 0.0):
            raise _unusable("has no coordinate system", path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    @cached_property
    def version(self) -> str:
        """What tells this file from others, see `net.identity`."""
        return self._converted.version if self._converted else identity(self._href, self._policy)

    @property
    def pixel_m(self) -> float:
        """Edge of a pixel, metres; of one in degrees as at the equator."""
        edge = float(np.hypot(self._raster.transform[0], self._raster.transform[3]))
        return edge * EQUATOR_DEGREE_M if self._is_lonlat else edge

    @cached_property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east, north of the raster, degrees; west > east over 180 degrees."""
        from pyproj import Transformer

        a, b, c, d, e, f = self._raster.transform
        wide, tall = self._raster.width, self._raster.height
        xs = [c, c + a * wide, c + b * tall, c + a * wide + b * tall]
        ys = [f, f + d * wide, f + e * tall, f + d * wide + e * tall]
        there = Transformer.from_crs(self._wkt, 4326, always_xy=True)
        found: tuple[float, float, float, float] = there.transform_bounds(
            min(xs), min(ys), max(xs), max(ys), densify_pts=21
        )
        return found

    def sites(self, epsg: Ints, x_m: Ints, y_m: Ints, size_m: float) -> list[dict[int, float]]:
        """Return class to fraction for each site, in order.

        Args:
            epsg: UTM zone of each site, shape (n,).
            x_m: Easting of its lower-left corner, shape (n,).
            y_m: Northing of it, shape (n,).
            size_m: Edge of the sites.
        """
        east, north = outline(size_m)
        rows, cols = self._pixels(epsg, x_m[:, None] + east, y_m[:, None] + north)
        if self._wraps:
            cols = _unwrapped(cols, self._raster.width)
        area_px = np.abs(_shoelace(cols, rows))
        found: list[dict[int, float]] = [{}] * len(epsg)
        few = ~(area_px >= FEWEST_PX)  # a ring that is nowhere has no area
        # A site inside one pixel: all its points lie in it.
        whole = few & (np.ptp(np.floor(rows), axis=1) == 0) & (np.ptp(np.floor(cols), axis=1) == 0)
        at = np.flatnonzero(whole)
        for i, one in zip(at, self._of_pixels(rows[at, 0], cols[at, 0]), strict=True):
            found[i] = one
        at = np.flatnonzero(few & ~whole)
        for i, one in zip(at, self._at_points(epsg[at], x_m[at], y_m[at], size_m), strict=True):
            found[i] = one
        # Neighbours one after the other: they share blocks of the file.
        at = np.flatnonzero(~few)
        for i in at[np.lexsort((cols[at, 0], rows[at, 0]))]:
            found[i] = class_fractions(*self._inside(rows[i], cols[i], float(area_px[i])))
        return found

    def _of_pixels(self, rows: Floats, cols: Floats) -> list[dict[int, float]]:
        """Return class to fraction of sites that lie inside one pixel each."""
        classes, known = self._each(
            np.floor(rows).astype(np.int64), self._wrapped(np.floor(cols).astype(np.int64))
        )
        return [
            {int(value): 1.0} if sure else {} for value, sure in zip(classes, known, strict=True)
        ]

    def _wrapped(self, cols: Ints) -> Ints:
        """Return columns of pixels, those past the last one of a globe at its other end."""
        return cols % self._raster.width if self._wraps else cols

    def _pixels(self, epsg: Ints, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Return where points of UTM zones lie: rows and columns of pixel edges; inf: nowhere."""
        rows, cols = np.full(x.shape, np.inf), np.full(x.shape, np.inf)
        for code in np.unique(epsg):
            which = epsg == code
            there_x, there_y = _between(int(code), self._wkt).transform(x[which], y[which])
            if self._is_lonlat and not self._wraps:
                # A site over 180 degrees goes on beyond the raster's edge, not at the other end.
                with np.errstate(invalid="ignore"):  # what is nowhere stays so
                    there_x = self._middle + np.mod(there_x - self._middle + 180.0, 360.0) - 180.0
            (a, b, c), (d, e, f), _ = self._to_pixel
            cols[which] = a * there_x + b * there_y + c
            rows[which] = d * there_x + e * there_y + f
        return rows, cols

    def _inside(self, rows: Floats, cols: Floats, area_px: float) -> Classes:
        """Return the classes of the pixels whose centre lies inside a ring."""
        step = max(1, math.ceil(math.sqrt(area_px / MOST_PX)))
        at_rows, at_cols = (_every(step, edge.min(), edge.max()) for edge in (rows, cols))
        inside = _centres_inside(rows, cols, at_rows, at_cols, step)
        classes, known = self._grid(at_rows, self._wrapped(at_cols))
        return classes[inside], known[inside]

    def _grid(self, rows: Ints, cols: Ints) -> Classes:
        """Return the classes at rows times columns of pixels, which may lie outside the raster."""
        shape = (rows.size, cols.size)
        classes, known = np.zeros(shape, self._raster.dtype), np.zeros(shape, dtype=bool)
        down = np.flatnonzero((rows >= 0) & (rows < self._raster.height))
        right = np.flatnonzero((cols >= 0) & (cols < self._raster.width))
        # Where a window goes on at the other end of its rows, columns jump back.
        for part in np.split(right, np.flatnonzero(np.diff(cols[right]) < 0) + 1):
            for strip in _strips(down, rows, cols[part]):
                classes[np.ix_(strip, part)], known[np.ix_(strip, part)] = self._read(
                    rows[strip], cols[part]
                )
        return classes, known

    def _read(self, rows: Ints, cols: Ints) -> Classes:
        """Return the classes at rows times columns, all inside the raster, in rising order."""
        window = (int(rows[0]), int(rows[-1]) + 1, int(cols[0]), int(cols[-1]) + 1)
        at = np.ix_(rows - rows[0], cols - cols[0])
        classes = self._raster.read((1,), window)[0][at]
        known = ~self._raster.missing((1,), window)[at]
        if self._raster.nodata is not None:
            known &= classes != self._raster.nodata
        return classes, known

    def _at_points(
        self, epsg: Ints, x_m: Ints, y_m: Ints, size_m: float
    ) -> Iterator[dict[int, float]]:
        """Yield class to fraction of sites that are asked at points."""
        rows, cols = self._pixels(epsg, *site_points(x_m, y_m, size_m))
        somewhere = np.isfinite(rows) & np.isfinite(cols)
        at_rows, at_cols = (
            np.floor(np.where(somewhere, a, -1)).astype(np.int64) for a in (rows, cols)
        )
        for row, col, sure in zip(at_rows, at_cols, somewhere, strict=True):
            classes, known = self._each(row, self._wrapped(col))
            yield class_fractions(classes, known & sure)

    def _each(self, rows: Ints, cols: Ints) -> Classes:
        """Return the classes at some pixels, which may lie outside the raster."""
        if self._raster.height * self._raster.width <= _HELD_PX:
            inside = (rows >= 0) & (rows < self._raster.height)
            inside &= (cols >= 0) & (cols < self._raster.width)
            at = np.where(inside, rows * self._raster.width + cols, 0)
            classes, known = self._held
            return classes[at], known[at] & inside
        # A coarse pixel answers many points: each is read once.
        rows_once, row_of = np.unique(rows, return_inverse=True)
        cols_once, col_of = np.unique(cols, return_inverse=True)
        classes, known = self._grid(rows_once, cols_once)
        return classes[row_of, col_of], known[row_of, col_of]

    @cached_property
    def _held(self) -> Classes:
        """All pixels of a small raster, row by row."""
        whole = (np.arange(self._raster.height), np.arange(self._raster.width))
        classes, known = self._grid(*whole)
        return classes.ravel(), known.ravel()


def _shoelace(x: Floats, y: Floats) -> Floats:
    """Return the signed areas of closed rings, shape (n,)."""
    areas: Floats = (x[:, :-1] * y[:, 1:] - x[:, 1:] * y[:, :-1]).sum(axis=1) / 2
    return areas


def _unwrapped(cols: Floats, width: int) -> Floats:
    """Return columns of rings that go on past the last column instead of jumping to the first."""
    jumps = np.ptp(cols, axis=1) > width / 2
    return np.where(jumps[:, None] & (cols < width / 2), cols + width, cols)


def _every(step: int, low: float, high: float) -> Ints:
    """Return the multiples of `step` from the pixel that holds `low` to that which holds `high`."""
    first = math.ceil(math.floor(low) / step) * step
    return np.arange(first, math.floor(high) + 1, step, dtype=np.int64)


def _centres_inside(
    rows: Floats, cols: Floats, at_rows: Ints, at_cols: Ints, step: int
) -> NDArray[np.bool_]:
    """Tell which pixels of a grid have their centre inside a ring, shape (rows, columns)."""
    load_rasterio()
    from rasterio.features import rasterize
    from rasterio.transform import Affine

    if not at_rows.size or not at_cols.size:
        return np.zeros((at_rows.size, at_cols.size), dtype=bool)
    left, top = (at[0] + 0.5 - step / 2 for at in (at_cols, at_rows))
    ring = {"type": "Polygon", "coordinates": [np.stack([cols, rows], axis=1).tolist()]}
    burnt = rasterize(
        [(ring, 1)],
        out_shape=(at_rows.size, at_cols.size),
        transform=Affine(step, 0.0, left, 0.0, step, top),
        dtype="uint8",
    )
    return np.asarray(burnt == 1)


def _strips(which: Ints, rows: Ints, cols: Ints) -> Iterator[Ints]:
    """Yield `which` in parts whose window of full rows is small enough to be read at once."""
    if not which.size or not cols.size:
        return
    wide = int(np.ptp(cols)) + 1
    tall = max(1, _AT_ONCE_PX // wide)
    parts = np.flatnonzero(np.diff((rows[which] - rows[which[0]]) // tall)) + 1
    yield from np.split(which, parts)


@cache
def _between(epsg: int, wkt: str) -> "Transformer":
    from pyproj import Transformer

    return Transformer.from_crs(epsg, wkt, always_xy=True)


def _located(where: str | Path) -> tuple[str, SourcePolicy]:
    """Return an href, and the policy that lets it be opened: the user has named it."""
    text = str(where)
    if "://" in text:
        return text, SourcePolicy.of().trusting(text)
    path = Path(text).resolve()
    if not path.is_file():
        raise UsageError(
            "There is no land-cover raster here",
            where=text,
            next_step="Name a raster with --land-cover, a file or an address.",
        )
    return str(path), SourcePolicy.of([path.parent])


def _unusable(what: str, where: str | Path) -> UsageError:
    return UsageError(
        f"The land-cover raster {what}",
        where=without_query(str(where)),
        next_step="Give a georeferenced raster of one band of class numbers: a GeoTIFF, Erdas "
        "Imagine or JPEG 2000 file, or its address; `rio convert IN OUT.tif` makes a GeoTIFF.",
    )
