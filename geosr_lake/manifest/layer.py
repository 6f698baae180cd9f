"""A land-cover layer: one raster, or several that lie beside each other, as one."""

import hashlib
import math
from collections.abc import Sequence
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from geosr_lake.errors import UsageError
from geosr_lake.manifest.cover import CoverRaster, Floats, Ints
from geosr_lake.manifest.sites import lonlat

_METRES_A_DEGREE = 110_000.0
"""Of latitude, at least."""


Bools = NDArray[np.bool_]
Where = str | Path
"""A file, or an address."""


def open_layer(land_cover: Where | Sequence[Where]) -> "LandCover":
    """Return the layer of one raster or of several.

    Raises:
        UsageError: As `LandCover`.
    """
    return LandCover(*([land_cover] if isinstance(land_cover, str | Path) else land_cover))


class LandCover:
    """The rasters of a layer, open.

    Args:
        wheres: GeoTIFFs of one band of class numbers, paths or addresses. Several of them share no
            ground; where they do, a site's fractions are those of their pixels together.

    Raises:
        UsageError: If there is none, or one cannot be used.
    """

    def __init__(self, *wheres: Where) -> None:
        if not wheres:
            raise UsageError("No land-cover raster is named", next_step="Give --land-cover FILE.")
        with ExitStack() as opened:
            self._rasters = [opened.enter_context(CoverRaster(where)) for where in wheres]
            self._opened = opened.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    @cached_property
    def version(self) -> str:
        """What tells these rasters from others, in whatever order they are named."""
        versions = sorted(raster.version for raster in self._rasters)
        if len(versions) == 1:
            return versions[0]
        return hashlib.sha256("|".join(versions).encode()).hexdigest()

    @property
    def pixel_m(self) -> float:
        """The widest pixels' edge, metres, as at the equator."""
        return max(raster.pixel_m for raster in self._rasters)

    def sites(self, epsg: Ints, x_m: Ints, y_m: Ints, size_m: float) -> list[dict[int, float]]:
        """Return class to fraction for each site, in order.

        Args:
            epsg: UTM zone of each site, shape (n,).
            x_m: Easting of its lower-left corner, shape (n,).
            y_m: Northing of it, shape (n,).
            size_m: Edge of the sites.
        """
        if len(self._rasters) == 1:
            return self._rasters[0].sites(epsg, x_m, y_m, size_m)
        found: list[dict[int, float]] = [{} for _ in range(len(epsg))]
        lon, lat = lonlat(epsg, x_m + size_m / 2, y_m + size_m / 2)
        for raster in self._rasters:
            near = np.flatnonzero(_near(raster.bounds, lon, lat, size_m))
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
    up = size_m / _METRES_A_DEGREE
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
