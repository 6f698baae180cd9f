"""A landscape in closed form: rectangles of known reflectance, whose mean over any pixel is exact.

The reflectance at a point is the sum of the contributions of all rectangles that hold it. A sum
of rectangles has a mean over a rectangular pixel, and over any convex polygon, that needs no
sampling. Coordinates are metres of one UTM zone (EPSG:32613 in the demo), x to the east and y to
the north; a rectangle holds its lower and left edges.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray

from geosr_lake.arrays import Floats

_CHUNK_PAIRS = 200_000
_STRIP_CELLS = 400_000


@dataclass(frozen=True, slots=True, eq=False)
class Landscape:
    """A sum of rectangles, each with a contribution to every band.

    Attributes:
        bounds: (n, 4) rectangles: x_min, y_min, x_max, y_max, metres.
        delta: (n, band) contribution of each rectangle, reflectance.
        band_names: Names of the bands, in the order of ``delta``.
        zones: (m, 4) rectangles that do not overlap, for the land cover.
        zone_class: (m,) uint8 IGBP class of each zone.
        extent: The rectangle within which the landscape is complete.
    """

    bounds: Floats
    delta: Floats
    band_names: tuple[str, ...]
    zones: Floats
    zone_class: NDArray[np.uint8]
    extent: tuple[float, float, float, float]

    def band_indices(self, names: Sequence[str]) -> NDArray[np.intp]:
        """Positions of bands by name.

        Raises:
            ValueError: A name that the landscape does not have.
        """
        unknown = [name for name in names if name not in self.band_names]
        if unknown:
            raise ValueError(f"the landscape has no band {unknown[0]!r}")
        return np.array([self.band_names.index(name) for name in names], dtype=np.intp)

    def mean(self, x_edges: ArrayLike, y_edges: ArrayLike, names: Sequence[str]) -> Floats:
        """Exact mean reflectance of every cell of a rectilinear grid.

        Args:
            x_edges: nx + 1 ascending eastings.
            y_edges: ny + 1 northings, all ascending or all descending (as image rows run).
            names: Bands.

        Returns:
            float64 of shape (len(names), ny, nx), rows in the order of ``y_edges``.
        """
        x = np.asarray(x_edges, dtype=np.float64)
        y = np.asarray(y_edges, dtype=np.float64)
        weights = self.delta[:, self.band_indices(names)]
        if y[0] > y[-1]:
            return box_means(self.bounds, weights, x, y[::-1])[:, ::-1]
        return box_means(self.bounds, weights, x, y)

    def mean_over_polygons(self, polygons: Floats, names: Sequence[str]) -> Floats:
        """Exact mean reflectance over convex polygons.

        Args:
            polygons: (n, corner, 2) corners in order, either way round.
            names: Bands.

        Returns:
            float64 of shape (len(names), n).
        """
        return polygon_means(self.bounds, self.delta[:, self.band_indices(names)], polygons)

    def class_fraction(self, x_edges: ArrayLike, y_edges: ArrayLike, igbp: int) -> Floats:
        """Exact share of each cell that a land-cover class covers, 0..1, shape (ny, nx).

        Args:
            x_edges: nx + 1 ascending eastings.
            y_edges: ny + 1 ascending northings.
            igbp: Class.
        """
        chosen = self.zones[self.zone_class == igbp]
        x = np.asarray(x_edges, dtype=np.float64)
        y = np.asarray(y_edges, dtype=np.float64)
        fraction: Floats = box_means(chosen, np.ones((len(chosen), 1)), x, y)[0]
        return fraction

    def within(self, box: tuple[float, float, float, float]) -> Landscape:
        """The same landscape without what lies wholly outside a rectangle: quicker to look at."""
        west, south, east, north = box
        touching = _touching(self.bounds, west, south, east, north)
        zones = _touching(self.zones, west, south, east, north)
        return Landscape(
            bounds=self.bounds[touching],
            delta=self.delta[touching],
            band_names=self.band_names,
            zones=self.zones[zones],
            zone_class=self.zone_class[zones],
            extent=box,
        )

    def shifted(self, dx_m: float, dy_m: float) -> Landscape:
        """The same landscape moved east by ``dx_m`` and north by ``dy_m``."""
        if dx_m == dy_m == 0.0:
            return self
        move = np.array([dx_m, dy_m, dx_m, dy_m])
        west, south, east, north = self.extent
        return Landscape(
            bounds=self.bounds + move,
            delta=self.delta,
            band_names=self.band_names,
            zones=self.zones + move,
            zone_class=self.zone_class,
            extent=(west + dx_m, south + dy_m, east + dx_m, north + dy_m),
        )


def box_means(bounds: Floats, weights: Floats, x_edges: Floats, y_edges: Floats) -> Floats:
    """Mean of a weighted sum of rectangles over each cell of a rectilinear grid.

    Over the cells of one axis, the mean of a step that begins at c rises from 0 to 1 within the
    cell that holds c. Its differences from cell to cell are two numbers, so a rectangle is sixteen
    numbers on the plane of differences, and two running sums give the means of all cells at once.

    Args:
        bounds: (n, 4) rectangles.
        weights: (n, band) value of each inside its rectangle.
        x_edges: nx + 1 ascending eastings.
        y_edges: ny + 1 ascending northings.

    Returns:
        float64 of shape (band, ny, nx).
    """
    nx, ny = len(x_edges) - 1, len(y_edges) - 1
    means = np.empty((weights.shape[1], ny, nx))
    inside = _touching(bounds, x_edges[0], y_edges[0], x_edges[-1], y_edges[-1])
    bounds, weights = bounds[inside], weights[inside].astype(np.float64)
    # Rows in strips whose plane stays in the processor's cache.
    step = max(16, _STRIP_CELLS // (nx + 1))
    for first in range(0, ny, step):
        rows = y_edges[first : first + step + 1]
        inside = _touching(bounds, x_edges[0], rows[0], x_edges[-1], rows[-1])
        target = means[:, first : first + step]
        _strip_means(bounds[inside], weights[inside], x_edges, rows, target)
    return means


def _touching(
    bounds: Floats, west: float, south: float, east: float, north: float
) -> NDArray[np.bool_]:
    mask: NDArray[np.bool_] = (
        (bounds[:, 1] < north)
        & (bounds[:, 3] > south)
        & (bounds[:, 0] < east)
        & (bounds[:, 2] > west)
    )
    return mask


def _strip_means(
    bounds: Floats, weights: Floats, x_edges: Floats, y_edges: Floats, means: Floats
) -> None:
    """Write the means of some rows of cells into ``means`` (band, row, column)."""
    nx, ny = len(x_edges) - 1, len(y_edges) - 1
    column, column_weight = _axis_differences(bounds[:, 0], bounds[:, 2], x_edges)
    row, row_weight = _axis_differences(bounds[:, 1], bounds[:, 3], y_edges)
    # One column and row more than the grid takes what falls beyond it.
    index = (row[:, :, None] * (nx + 1) + column[:, None, :]).ravel()
    spread = row_weight[:, :, None] * column_weight[:, None, :]
    for band in range(weights.shape[1]):
        value = (spread * weights[:, band, None, None]).ravel()
        plane = np.bincount(index, weights=value, minlength=(ny + 1) * (nx + 1))
        plane = plane.reshape(ny + 1, nx + 1)[:ny, :nx]
        # Row upon row is a running sum along columns, ten times as fast as cumsum(axis=0).
        for upper in range(1, ny):
            plane[upper] += plane[upper - 1]
        np.cumsum(plane, axis=1, out=means[band])


def _axis_differences(
    start: Floats, stop: Floats, edges: Floats
) -> tuple[NDArray[np.int64], Floats]:
    """Cell-to-cell differences of the indicator of [start, stop) along one axis.

    Returns:
        Cell indices (n, 4), up to len(edges) - 1 for "beyond", and their weights (n, 4).
    """
    cells, weights = [], []
    for coordinate, sign in ((start, 1.0), (stop, -1.0)):
        held = np.clip(coordinate, edges[0], edges[-1])
        cell = np.clip(np.searchsorted(edges, held, side="right") - 1, 0, len(edges) - 2)
        rise = (edges[cell + 1] - held) / (edges[cell + 1] - edges[cell])
        cells += [cell, cell + 1]
        weights += [sign * rise, sign * (1.0 - rise)]
    return np.stack(cells, axis=1), np.stack(weights, axis=1)


def polygon_means(bounds: Floats, weights: Floats, polygons: Floats) -> Floats:
    """Mean of a weighted sum of rectangles over convex polygons.

    Args:
        bounds: (n, 4) rectangles.
        weights: (n, band).
        polygons: (m, corner, 2).

    Returns:
        float64 of shape (band, m).
    """
    count, bands = len(polygons), weights.shape[1]
    areas = polygon_areas(polygons)
    low, high = polygons.min(axis=1), polygons.max(axis=1)
    tree = shapely.STRtree(shapely.box(low[:, 0], low[:, 1], high[:, 0], high[:, 1]))
    sums = np.zeros((bands, count))
    step = 20_000
    for first in range(0, len(bounds), step):
        part = bounds[first : first + step]
        boxes = shapely.box(part[:, 0], part[:, 1], part[:, 2], part[:, 3])
        which_box, which_polygon = tree.query(boxes)
        for at in range(0, len(which_box), _CHUNK_PAIRS):
            box = which_box[at : at + _CHUNK_PAIRS]
            polygon = which_polygon[at : at + _CHUNK_PAIRS]
            shared = overlap_areas(polygons[polygon], part[box])
            for band in range(bands):
                value = shared * weights[first + box, band]
                sums[band] += np.bincount(polygon, weights=value, minlength=count)
    return sums / areas


def polygon_areas(polygons: Floats) -> Floats:
    """Areas of polygons (n, corner, 2) by the shoelace formula, always positive."""
    x, y = polygons[..., 0], polygons[..., 1]
    # Relative to a corner, so that large coordinates do not eat the digits.
    x, y = x - x[:, :1], y - y[:, :1]
    cross = x * np.roll(y, -1, axis=1) - np.roll(x, -1, axis=1) * y
    area: Floats = np.abs(cross.sum(axis=1)) / 2
    return area


def overlap_areas(polygons: Floats, boxes: Floats) -> Floats:
    """Areas that convex polygons share with rectangles, pair by pair.

    By Green's theorem the area is the integral of x dy around the shared part. Clamping x to the
    rectangle and y to its rows leaves that integral unchanged, and along an edge of the polygon
    the clamped x is linear in at most three pieces, each a trapezium.

    Args:
        polygons: (n, corner, 2).
        boxes: (n, 4) x_min, y_min, x_max, y_max.

    Returns:
        (n,) square metres.
    """
    x_min, y_min, x_max, y_max = boxes.T
    width = x_max - x_min
    # Coordinates relative to the rectangle keep the digits.
    x = polygons[..., 0] - x_min[:, None]
    y = polygons[..., 1] - y_min[:, None]
    height = y_max - y_min
    total = np.zeros(len(boxes))
    corners = polygons.shape[1]
    for corner in range(corners):
        following = (corner + 1) % corners
        x_a, x_b = x[:, corner], x[:, following]
        y_a, y_b = y[:, corner], y[:, following]
        begin = _along(y_a, y_b, np.zeros_like(height), height, last=False)
        end = _along(y_a, y_b, np.zeros_like(height), height, last=True)
        enter = np.clip(_along(x_a, x_b, np.zeros_like(width), width, last=False), begin, end)
        leave = np.clip(_along(x_a, x_b, np.zeros_like(width), width, last=True), begin, end)
        stops = (begin, enter, leave, end)
        held = [np.clip(x_a + t * (x_b - x_a), 0.0, width) for t in stops]
        for piece in range(3):
            rise = (stops[piece + 1] - stops[piece]) * (y_b - y_a)
            total += (held[piece] + held[piece + 1]) / 2 * rise
    area: Floats = np.abs(total)
    return area


def _along(a: Floats, b: Floats, low: Floats, high: Floats, *, last: bool) -> Floats:
    """Where, from 0 at a to 1 at b, a straight line is first or last within [low, high].

    A line that stays within gives 0 and 1; one that stays outside gives two equal numbers.
    """
    step = b - a
    flat = step == 0
    safe = np.where(flat, 1.0, step)
    t_low, t_high = (low - a) / safe, (high - a) / safe
    first_in, last_in = np.minimum(t_low, t_high), np.maximum(t_low, t_high)
    t = last_in if last else first_in
    within = (a >= low) & (a <= high)
    t = np.where(flat, np.where(within & last, 1.0, 0.0), t)
    return np.clip(t, 0.0, 1.0)
