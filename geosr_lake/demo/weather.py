"""Clouds, their shadows, cirrus and snow: rectangles of known place laid over the landscape."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from geosr_lake.arrays import Floats
from geosr_lake.demo.landscape import box_means, polygon_means
from geosr_lake.demo.sketch import Box, as_boxes, disjoint, uniform
from geosr_lake.demo.spectra import BANDS, spectrum

_SHADE = 0.62
"""Share of the light that a cloud's shadow takes."""
_VEIL = 0.22
"""Share of the ground's light that cirrus takes."""


@dataclass(frozen=True, slots=True)
class Weather:
    """What hides the ground in one acquisition; each list without overlaps, metres of the zone.

    Attributes:
        clouds: Thick clouds.
        shadows: Their shadows.
        cirrus: Thin high clouds.
        snow: Ground under snow.
    """

    clouds: tuple[Box, ...] = ()
    shadows: tuple[Box, ...] = ()
    cirrus: tuple[Box, ...] = ()
    snow: tuple[Box, ...] = ()

    @staticmethod
    def of(
        clouds: Sequence[Box] = (),
        *,
        shadow_shift_m: tuple[float, float] | None = None,
        cirrus: Sequence[Box] = (),
        snow: Sequence[Box] = (),
    ) -> Weather:
        """Make weather from rectangles that may overlap.

        Args:
            clouds: Thick clouds.
            shadow_shift_m: Where their shadows fall, east and north; none without it.
            cirrus: Thin clouds.
            snow: Snow.
        """
        shadows: list[Box] = []
        if shadow_shift_m is not None:
            dx, dy = shadow_shift_m
            shadows = [(x0 + dx, y0 + dy, x1 + dx, y1 + dy) for x0, y0, x1, y1 in clouds]
        return Weather(
            tuple(disjoint(clouds)),
            tuple(disjoint(shadows)),
            tuple(disjoint(cirrus)),
            tuple(disjoint(snow)),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Cover:
    """Share of each pixel under clouds, shadows, cirrus and snow, 0..1, all of one shape."""

    cloud: Floats
    shadow: Floats
    cirrus: Floats
    snow: Floats


def cover_of_cells(weather: Weather, x_edges: Floats, y_edges: Floats) -> Cover:
    """Exact shares over a grid; ``y_edges`` ascending, arrays of shape (ny, nx)."""
    shape = (len(y_edges) - 1, len(x_edges) - 1)

    def share(boxes: Floats) -> Floats:
        covered: Floats = box_means(boxes, np.ones((len(boxes), 1)), x_edges, y_edges)[0]
        return covered

    return _cover(weather, share, shape)


def cover_of_polygons(weather: Weather, polygons: Floats) -> Cover:
    """Exact shares over convex polygons (n, corner, 2), arrays of shape (n,)."""

    def share(boxes: Floats) -> Floats:
        covered: Floats = polygon_means(boxes, np.ones((len(boxes), 1)), polygons)[0]
        return covered

    return _cover(weather, share, (len(polygons),))


def _cover(weather: Weather, share: Callable[[Floats], Floats], shape: tuple[int, ...]) -> Cover:
    parts = []
    for boxes in (weather.clouds, weather.shadows, weather.cirrus, weather.snow):
        covered = share(np.array(boxes)) if boxes else np.zeros(shape)
        # Sums of areas carry rounding errors of about 1e-12; a share below 1e-9 is none.
        parts.append(np.where(covered < 1e-9, 0.0, np.minimum(covered, 1.0)))
    return Cover(*parts)


def overlay(ground: Floats, cover: Cover, names: Sequence[str]) -> Floats:
    """Reflectance seen from above: snow on the ground, then shadow, cirrus and cloud over it.

    Args:
        ground: (band, ...) mean reflectance of the ground.
        cover: Shares of the same trailing shape.
        names: Bands of the landscape, in the order of ``ground``.
    """
    at = [BANDS.index(name) for name in names]
    wide = (len(at),) + (1,) * (ground.ndim - 1)
    seen = ground
    if cover.snow.any():
        seen = seen + (spectrum("snow")[at].reshape(wide) - seen) * cover.snow
    if cover.shadow.any():
        seen = seen * (1.0 - _SHADE * cover.shadow)
    if cover.cirrus.any():
        seen = seen * (1.0 - _VEIL * cover.cirrus)
        seen = seen + spectrum("cirrus")[at].reshape(wide) * cover.cirrus
    if cover.cloud.any():
        seen = seen + (spectrum("cloud")[at].reshape(wide) - seen) * cover.cloud
    return seen


def bank(box: Box, seed: int, *, puffs: int = 14) -> list[Box]:
    """A cloud of many overlapping rectangles that fills most of a box and frays at its edge."""
    x0, y0, x1, y1 = box
    width, height = x1 - x0, y1 - y0
    keys = np.arange(puffs)[:, None] * np.ones(4) + np.array(box)
    u, v, w, h = (uniform(keys, seed, 900 + k) for k in range(4))
    wide, high = width * (0.12 + 0.3 * w), height * (0.12 + 0.3 * h)
    west, south = x0 + u * (width - wide), y0 + v * (height - high)
    core = (x0 + 0.14 * width, y0 + 0.14 * height, x1 - 0.14 * width, y1 - 0.14 * height)
    parts = np.stack([west, south, west + wide, south + high], axis=1).round(1)
    return [core, *as_boxes(parts)]


def scattered(box: Box, step_m: float, side_m: float) -> list[Box]:
    """Squares at the multiples of ``step_m`` that lie inside a box, for small clouds far apart."""
    x0, y0, x1, y1 = box
    return [
        (x, y, x + side_m, y + side_m)
        for x in np.arange(np.ceil(x0 / step_m), np.floor((x1 - side_m) / step_m) + 1) * step_m
        for y in np.arange(np.ceil(y0 / step_m), np.floor((y1 - side_m) / step_m) + 1) * step_m
    ]
