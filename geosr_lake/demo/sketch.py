"""Drawing aids for the demo's ground: a list of rectangles, noise that hangs on places, cutting."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geosr_lake.arrays import Floats
from geosr_lake.demo import spectra
from geosr_lake.demo.landscape import Landscape

Box = tuple[float, float, float, float]
"""x_min, y_min, x_max, y_max, metres."""

_MIX = (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB, 0xD6E8FEB86659FD93)


class Sketch:
    """Collects rectangles and what each adds to the reflectance below it."""

    def __init__(self) -> None:
        self._bounds: list[Floats] = []
        self._delta: list[NDArray[np.float32]] = []
        self._zones: list[Floats] = []
        self._zone_class: list[NDArray[np.uint8]] = []

    def paint(self, boxes: Floats, colour: Floats, on: Floats) -> None:
        """Cover what lies below.

        Args:
            boxes: (n, 4), each within a rectangle of colour ``on``.
            colour: (n, band) or (band,).
            on: (n, band) or (band,) reflectance of the ground below.
        """
        if len(boxes):
            shape = (len(boxes), len(spectra.BANDS))
            self._bounds.append(np.asarray(boxes, dtype=np.float64))
            self._delta.append(np.broadcast_to(colour - on, shape).astype(np.float32))

    def tint(self, boxes: Floats, on: Floats, factor: ArrayLike) -> None:
        """Make the ground below, of colour ``on``, darker or brighter by a factor (n,)."""
        change = np.asarray(factor, dtype=np.float64)[..., None] * on
        self.paint(boxes, change, on)

    def zone(self, boxes: Floats, igbp: ArrayLike) -> None:
        """Declare the land cover of rectangles, which overlap no others."""
        if len(boxes):
            self._zones.append(np.asarray(boxes, dtype=np.float64))
            classes = np.broadcast_to(np.asarray(igbp, dtype=np.uint8), (len(boxes),))
            self._zone_class.append(classes)

    def landscape(self, extent: Box) -> Landscape:
        """The landscape drawn so far."""
        return Landscape(
            bounds=np.concatenate(self._bounds),
            delta=np.concatenate(self._delta),
            band_names=spectra.BANDS,
            zones=np.concatenate(self._zones),
            zone_class=np.concatenate(self._zone_class),
            extent=extent,
        )


def uniform(boxes: Floats, seed: int, channel: int) -> Floats:
    """Random numbers in [0, 1) that hang on the rectangles' places and sizes alone.

    So a rectangle looks the same whatever else is drawn. The mixing is that of splitmix64.

    Args:
        boxes: (n, 4), looked at to 0.1 m.
        seed: Of the landscape.
        channel: Which of many independent numbers.
    """
    start = (seed * _MIX[3] + channel * _MIX[1] + _MIX[2]) % 2**64
    state = np.full(len(boxes), start, dtype=np.uint64)
    for part, factor in zip(np.round(np.asarray(boxes) * 10).astype(np.int64).T, _MIX, strict=True):
        state = _scramble(state ^ (part.astype(np.uint64) * np.uint64(factor)))
    numbers: Floats = (state >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return numbers


def _scramble(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    state = (state ^ (state >> np.uint64(30))) * np.uint64(_MIX[1])
    state = (state ^ (state >> np.uint64(27))) * np.uint64(_MIX[2])
    return state ^ (state >> np.uint64(31))


def blend(first: ArrayLike, second: ArrayLike, share: ArrayLike, bright: ArrayLike = 1.0) -> Floats:
    """Colours between two materials, made brighter or darker.

    Args:
        first: Rows of the table of spectra, (n,) or one.
        second: The same.
        share: Of the second, 0..1.
        bright: Factor on the result.

    Returns:
        (n, band) reflectance.
    """
    t = np.atleast_1d(np.asarray(share, dtype=np.float64))[:, None]
    a, b = spectra.SPECTRA[np.asarray(first)], spectra.SPECTRA[np.asarray(second)]
    factor = np.atleast_1d(np.asarray(bright, dtype=np.float64))[:, None]
    colour: Floats = ((1.0 - t) * a + t * b) * factor
    return colour


def choose(numbers: Floats, names: Iterable[str], shares: Iterable[float]) -> NDArray[np.intp]:
    """Pick a material for each random number; shares sum to 1 and follow the names' order."""
    rows = np.array([spectra.material(name) for name in names])
    at = np.searchsorted(np.cumsum(list(shares))[:-1], numbers, side="right")
    return rows[at]


def inset(boxes: Floats, by: ArrayLike) -> Floats:
    """Rectangles made smaller on every side; those that vanish are left empty (zero size)."""
    margin = np.broadcast_to(np.asarray(by, dtype=np.float64), (len(boxes),))
    half = np.minimum(margin, np.minimum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]) / 2)
    smaller: Floats = boxes + np.stack([half, half, -half, -half], axis=1)
    return smaller


def grown(box: Box, by_m: float) -> Box:
    """A rectangle made larger on every side."""
    return (box[0] - by_m, box[1] - by_m, box[2] + by_m, box[3] + by_m)


def touches(boxes: Floats, others: Floats) -> NDArray[np.bool_]:
    """Whether each rectangle shares ground with any of the others."""
    result = np.zeros(len(boxes), dtype=bool)
    for west, south, east, north in others:
        result |= (
            (boxes[:, 0] < east)
            & (boxes[:, 2] > west)
            & (boxes[:, 1] < north)
            & (boxes[:, 3] > south)
        )
    return result


def cut(box: Box, obstacles: Iterable[Box]) -> list[Box]:
    """What is left of a rectangle without the obstacles, as rectangles that do not overlap."""
    left = [box]
    for obstacle in obstacles:
        left = [piece for each in left for piece in _without(each, obstacle)]
    return left


def _without(box: Box, hole: Box) -> list[Box]:
    x0, y0, x1, y1 = box
    a0, b0, a1, b1 = max(x0, hole[0]), max(y0, hole[1]), min(x1, hole[2]), min(y1, hole[3])
    if a0 >= a1 or b0 >= b1:
        return [box]
    pieces = [(x0, y0, a0, y1), (a1, y0, x1, y1), (a0, y0, a1, b0), (a0, b1, a1, y1)]
    return [p for p in pieces if p[0] < p[2] and p[1] < p[3]]


def cut_all(boxes: Floats, obstacles: Floats) -> tuple[Floats, NDArray[np.intp]]:
    """Cut obstacles out of many rectangles.

    Returns:
        The pieces (m, 4) and the row of ``boxes`` that each came from (m,).
    """
    hit = touches(boxes, obstacles)
    pieces = [boxes[~hit]]
    origin = [np.flatnonzero(~hit)]
    for row in np.flatnonzero(hit):
        box = boxes[row]
        near = obstacles[touches(obstacles, box[None])]
        left = cut(as_boxes(box[None])[0], as_boxes(near))
        if left:
            pieces.append(np.array(left))
            origin.append(np.full(len(left), row))
    return np.concatenate(pieces), np.concatenate(origin)


def disjoint(boxes: Iterable[Box]) -> list[Box]:
    """Rectangles that cover the same ground as the given ones, each place once."""
    kept: Floats = np.empty((0, 4))
    for box in boxes:
        near = kept[touches(kept, np.array([box]))]
        pieces = cut(box, as_boxes(near))
        kept = np.concatenate([kept, np.array(pieces).reshape(-1, 4)])
    return as_boxes(kept)


def as_boxes(boxes: Floats) -> list[Box]:
    """Rows of an array as rectangles."""
    return [(x0, y0, x1, y1) for x0, y0, x1, y1 in boxes.tolist()]


def sides(boxes: Floats) -> tuple[Floats, Floats]:
    """Widths and heights of rectangles."""
    return boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]


def grid_in(boxes: Floats, pitch_x: Floats, pitch_y: Floats) -> tuple[Floats, NDArray[np.intp]]:
    """Divide each rectangle into a regular grid of about the given pitch.

    Returns:
        The cells (m, 4) and the row of ``boxes`` that each belongs to (m,).
    """
    width, height = sides(boxes)
    columns = np.maximum(1, np.round(width / pitch_x)).astype(np.int64)
    rows = np.maximum(1, np.round(height / pitch_y)).astype(np.int64)
    owner = np.repeat(np.arange(len(boxes)), columns * rows)
    first = np.repeat(np.cumsum(columns * rows) - columns * rows, columns * rows)
    at = np.arange(len(owner)) - first
    row, column = np.divmod(at, columns[owner])
    step_x, step_y = (width / columns)[owner], (height / rows)[owner]
    x, y = boxes[owner, 0] + column * step_x, boxes[owner, 1] + row * step_y
    return np.stack([x, y, x + step_x, y + step_y], axis=1), owner


def scatter(
    boxes: Floats, count: NDArray[np.integer], low_m: float, high_m: float, seed: int, channel: int
) -> tuple[Floats, NDArray[np.intp]]:
    """Drop squares-ish rectangles inside each rectangle at random; they may overlap.

    Args:
        boxes: (n, 4).
        count: (n,) how many in each.
        low_m: Least edge.
        high_m: Greatest edge; small ones are the more frequent.
        seed: Of the landscape.
        channel: Three channels from here on are used.

    Returns:
        The rectangles (m, 4), held within their owners, and their owners' rows (m,).
    """
    owner = np.repeat(np.arange(len(boxes)), count)
    at = np.arange(len(owner), dtype=np.float64)
    first = np.repeat(np.cumsum(count) - count, count)
    key = boxes[owner] + (at - first)[:, None] * np.array([0.1, 0.2, 0.3, 0.4])
    width, height = (side[owner] for side in sides(boxes))
    numbers = [uniform(key, seed, channel + k) for k in range(4)]
    size_x = np.minimum(low_m + (high_m - low_m) * numbers[0] ** 2, width)
    size_y = np.minimum(size_x * (0.6 + 0.9 * numbers[1]), height)
    x = boxes[owner, 0] + numbers[2] * (width - size_x)
    y = boxes[owner, 1] + numbers[3] * (height - size_y)
    return np.stack([x, y, x + size_x, y + size_y], axis=1), owner


def sprinkle(
    boxes: Floats,
    pitch_m: ArrayLike,
    size_m: tuple[float, float],
    seed: int,
    channel: int,
    share: ArrayLike = 1.0,
) -> tuple[Floats, NDArray[np.intp]]:
    """Put at most one small square into each cell of a grid, so that none meet.

    Args:
        boxes: (n, 4) ground to fill.
        pitch_m: Edge of a cell, (n,) or one; larger than the greatest square.
        size_m: Least and greatest edge; small ones are the more frequent.
        seed: Of the landscape.
        channel: Four channels from here on are used.
        share: Of the cells that get one, (n,) or one.

    Returns:
        The squares (m, 4), each within its rectangle, and the rectangles' rows (m,).
    """
    pitch = np.broadcast_to(np.asarray(pitch_m, dtype=np.float64), (len(boxes),))
    cells, owner = grid_in(boxes, pitch, pitch)
    width, height = sides(cells)
    low, high = size_m
    size = low + (high - low) * uniform(cells, seed, channel) ** 2
    wanted = np.broadcast_to(np.asarray(share, dtype=np.float64), (len(boxes),))[owner]
    fits = (size < width) & (size < height) & (uniform(cells, seed, channel + 1) < wanted)
    cells, owner, size = cells[fits], owner[fits], size[fits]
    x = cells[:, 0] + uniform(cells, seed, channel + 2) * (width[fits] - size)
    y = cells[:, 1] + uniform(cells, seed, channel + 3) * (height[fits] - size)
    return np.stack([x, y, x + size, y + size], axis=1), owner


def clipped(boxes: Floats, windows: Floats) -> tuple[Floats, NDArray[np.intp]]:
    """The parts of rectangles that lie within windows, which do not overlap.

    Returns:
        The parts (m, 4) and the row of ``boxes`` of each (m,).
    """
    parts, owners = [np.empty((0, 4))], [np.empty(0, dtype=np.intp)]
    for window in windows:
        rows = np.flatnonzero(touches(boxes, window[None]))
        low = np.maximum(boxes[rows, :2], window[:2])
        high = np.minimum(boxes[rows, 2:], window[2:])
        parts.append(np.concatenate([low, high], axis=1))
        owners.append(rows)
    return np.concatenate(parts), np.concatenate(owners)
