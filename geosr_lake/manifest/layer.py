"""A land-cover layer: one raster, or several that lie beside each other, as one."""

import glob
import math
from collections import OrderedDict
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np

from geosr_lake.arrays import Bools, Floats, Ints
from geosr_lake.errors import UsageError
from geosr_lake.ids import version_of
from geosr_lake.manifest.cover import CoverRaster
from geosr_lake.manifest.sites import lonlat
from geosr_lake.sensors.grid import LEAST_DEGREE_M

Where = str | Path
"""A file, a folder of them, a pattern, a text file that lists them, or an address."""
_OPEN = 64
"""Rasters that are open at a time: a global layer has thousands of tiles."""
_ENDINGS = (".tif", ".tiff", ".img", ".jp2")


def open_layer(land_cover: Where | Sequence[Where]) -> "LandCover":
    """Return the layer of one raster or of several.

    Raises:
        UsageError: As `LandCover`.
    """
    return LandCover(*([land_cover] if isinstance(land_cover, str | Path) else land_cover))


def listed(where: Where) -> list[Where]:
    """Return the rasters that a name stands for: itself, or those of a folder, pattern or list.

    Raises:
        UsageError: If it stands for none.
    """
    text, path = str(where), Path(where)
    if "://" in text or (path.is_file() and path.suffix != ".txt"):
        return [where]
    if path.is_file():
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        found: list[Where] = [line.strip() for line in lines if line.strip()]
    elif path.is_dir():
        found = [one for one in sorted(path.iterdir()) if one.suffix.lower() in _ENDINGS]
    elif glob.has_magic(text):
        found = [Path(one) for one in sorted(glob.glob(text))]  # noqa: PTH207 (absolute patterns too)
    else:
        return [where]
    if not found:
        raise UsageError(
            "No land-cover raster is here",
            where=text,
            next_step="Name rasters: files, a folder of GeoTIFF, Erdas Imagine or JPEG 2000 files, "
            "a pattern in quotes, or a text file with one path or address a line.",
        )
    return found


class _Tile(NamedTuple):
    where: Where
    bounds: tuple[float, float, float, float]
    pixel_m: float


class _Shelf:
    """Rasters that are open, the last ones that were asked for."""

    def __init__(self) -> None:
        self._open: OrderedDict[Where, CoverRaster] = OrderedDict()

    def take(self, where: Where) -> CoverRaster:
        if where not in self._open:
            self._open[where] = CoverRaster(where)
        self._open.move_to_end(where)
        if len(self._open) > _OPEN:
            self._open.popitem(last=False)[1].__exit__()
        return self._open[where]

    def close(self) -> None:
        while self._open:
            self._open.popitem()[1].__exit__()


class LandCover:
    """The rasters of a layer, opened where they are needed.

    Args:
        wheres: Rasters of one band of class numbers, as `listed` takes them. Several of them share
            no ground; where they do, a site's fractions are those of their pixels together.

    Raises:
        UsageError: If there is none, or one cannot be used.
    """

    def __init__(self, *wheres: Where) -> None:
        if not wheres:
            raise UsageError("No land-cover raster is named", next_step="Give --land-cover FILE.")
        self._shelf = _Shelf()
        try:
            self._tiles = [self._tile(one) for where in wheres for one in listed(where)]
        except BaseException:
            self._shelf.close()
            raise

    def _tile(self, where: Where) -> _Tile:
        raster = self._shelf.take(where)
        return _Tile(where, raster.bounds, raster.pixel_m)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._shelf.close()

    @cached_property
    def version(self) -> str:
        """What tells these rasters from others, in whatever order they are named."""
        return version_of(self._shelf.take(tile.where).version for tile in self._tiles)

    @property
    def pixel_m(self) -> float:
        """The widest pixels' edge, metres, as at the equator."""
        return max(tile.pixel_m for tile in self._tiles)

    def sites(self, epsg: Ints, x_m: Ints, y_m: Ints, size_m: float) -> list[dict[int, float]]:
        """Return class to fraction for each site, in order.

        Args:
            epsg: UTM zone of each site, shape (n,).
            x_m: Easting of its lower-left corner, shape (n,).
            y_m: Northing of it, shape (n,).
            size_m: Edge of the sites.
        """
        if len(self._tiles) == 1:
            return self._shelf.take(self._tiles[0].where).sites(epsg, x_m, y_m, size_m)
        found: list[dict[int, float]] = [{} for _ in range(len(epsg))]
        lon, lat = lonlat(epsg, x_m + size_m / 2, y_m + size_m / 2)
        for tile in self._tiles:
            near = np.flatnonzero(_near(tile.bounds, lon, lat, size_m))
            if not near.size:
                continue
            raster = self._shelf.take(tile.where)
            covers = raster.sites(epsg[near], x_m[near], y_m[near], size_m)
            for i, cover in zip(near.tolist(), covers, strict=True):
                for name, share in cover.items():
                    found[i][name] = found[i].get(name, 0.0) + share
        return [_at_most_whole(cover) for cover in found]


def _near(
    bounds: tuple[float, float, float, float], lon: Floats, lat: Floats, size_m: float
) -> Bools:
    """Tell which sites may reach into a box, by their centres."""
    west, south, east, north = bounds
    up = size_m / LEAST_DEGREE_M
    across = up / max(0.05, math.cos(math.radians(max(abs(south), abs(north)))))
    tall: Bools = (lat >= south - up) & (lat <= north + up)
    if west > east or east - west > 359.0:  # over 180 degrees, or the globe
        return tall
    wide = np.zeros(len(lon), dtype=bool)
    for turn in (-360.0, 0.0, 360.0):
        wide |= (lon + turn >= west - across) & (lon + turn <= east + across)
    return tall & wide


def _at_most_whole(cover: dict[int, float]) -> dict[int, float]:
    """Return fractions that add up to no more than 1."""
    whole = math.fsum(cover.values())
    return {name: share / whole for name, share in cover.items()} if whole > 1 else cover
