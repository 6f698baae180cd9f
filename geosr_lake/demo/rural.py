"""Farmland and range: fields of 100 to 1,000 m, strips, farms, and furrows and shrubs close up."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from geosr_lake.arrays import Floats
from geosr_lake.demo.sketch import (
    Sketch,
    blend,
    choose,
    clipped,
    grid_in,
    inset,
    scatter,
    sides,
    sprinkle,
    uniform,
)
from geosr_lake.demo.spectra import SPECTRA, material, spectrum

IGBP_GRASS, IGBP_CROPS = 10, 12
_LEVELS = 7


def draw(sketch: Sketch, pieces: Floats, close: Floats, seed: int) -> None:
    """Fill open ground with fields.

    Args:
        sketch: What is drawn on; the ground below is prairie.
        pieces: (n, 4) ground without overlaps.
        close: (m, 4) rectangles within which small things are drawn.
        seed: Of the landscape.
    """
    fields = _divide(pieces, seed)
    watered = _watered(fields)
    kind = uniform(fields, seed, 20)
    crops = np.where(
        watered > 0.15, kind < 0.85, np.where(watered > -0.45, kind < 0.72, kind < 0.16)
    )
    sketch.zone(fields, np.where(crops, IGBP_CROPS, IGBP_GRASS))
    colour = np.where(crops[:, None], _crop_colours(fields, watered, seed), _range(fields, seed))
    margin = np.where(crops, 3.0 + 4.0 * uniform(fields, seed, 21), 0.8)
    ground = inset(fields, margin)
    sketch.paint(ground, colour, spectrum("prairie"))
    _patches(sketch, ground, colour, seed)
    striped = crops & (watered < 0.1) & (uniform(fields, seed, 22) < 0.34)
    _strips(sketch, ground[striped], colour[striped], seed)
    _farms(sketch, ground, colour, crops & ~striped, seed)
    near, owner = clipped(ground, close)
    _furrows(sketch, near[crops[owner]], colour[owner][crops[owner]], seed)
    _speckle(sketch, near, colour[owner], seed)
    _shrubs(sketch, near[~crops[owner]], colour[owner][~crops[owner]], seed)


def _divide(pieces: Floats, seed: int) -> Floats:
    """Halve pieces along their longer sides until they are fields."""
    done = []
    boxes = pieces
    for level in range(_LEVELS):
        width, height = sides(boxes)
        longer, shorter = np.maximum(width, height), np.minimum(width, height)
        limit = 190.0 + 810.0 * uniform(boxes, seed, 10 + level) ** 1.25
        split = ((longer > limit) | (longer > 3.2 * shorter)) & (longer > 200.0)
        done.append(boxes[~split])
        boxes = boxes[split]
        at = uniform(boxes, seed, 30 + level)
        at = np.where(uniform(boxes, seed, 40 + level) < 0.55, 0.5, 0.3 + 0.4 * at)
        upright = (boxes[:, 2] - boxes[:, 0]) >= (boxes[:, 3] - boxes[:, 1])
        middle_x = boxes[:, 0] + at * (boxes[:, 2] - boxes[:, 0])
        middle_y = boxes[:, 1] + at * (boxes[:, 3] - boxes[:, 1])
        first, second = boxes.copy(), boxes.copy()
        first[:, 2] = np.where(upright, middle_x, boxes[:, 2])
        second[:, 0] = np.where(upright, middle_x, boxes[:, 0])
        first[:, 3] = np.where(upright, boxes[:, 3], middle_y)
        second[:, 1] = np.where(upright, boxes[:, 1], middle_y)
        boxes = np.concatenate([first, second])
    return np.concatenate([*done, boxes])


def _watered(boxes: Floats) -> Floats:
    """Where irrigation reaches: waves over tens of kilometres, about -1 to 1."""
    x = (boxes[:, 0] + boxes[:, 2]) / 2 / 1000
    y = (boxes[:, 1] + boxes[:, 3]) / 2 / 1000
    waves: Floats = (
        0.55 * np.sin(x / 7.9 + 0.8 * np.sin(y / 11.0))
        + 0.45 * np.sin(y / 6.3 + 1.3 + 0.7 * np.sin(x / 9.0))
        + 0.25 * np.sin((x + y) / 3.1)
    )
    return waves


def _crop_colours(boxes: Floats, watered: Floats, seed: int) -> Floats:
    pick, second, share, bright = (uniform(boxes, seed, 50 + k) for k in range(4))
    green = choose(
        pick,
        ("alfalfa", "corn", "beet", "stubble", "soil", "pasture"),
        (0.3, 0.26, 0.1, 0.12, 0.1, 0.12),
    )
    dry = choose(
        pick,
        ("wheat", "stubble", "soil", "red_soil", "prairie", "corn"),
        (0.25, 0.22, 0.2, 0.1, 0.14, 0.09),
    )
    first = np.where(watered > 0.15, green, dry)
    other = choose(second, ("pasture", "prairie", "soil", "wet_soil"), (0.3, 0.3, 0.25, 0.15))
    return blend(first, other, 0.4 * share**1.5, 0.86 + 0.28 * bright)


def _range(boxes: Floats, seed: int) -> Floats:
    share, bright, shrub = (uniform(boxes, seed, 55 + k) for k in range(3))
    other = np.where(shrub < 0.3, material("shrub"), material("pasture"))
    return blend(np.full(len(boxes), material("prairie")), other, 0.65 * share, 0.9 + 0.2 * bright)


def _patches(sketch: Sketch, boxes: Floats, colour: Floats, seed: int) -> None:
    """Wetter and drier ground within fields."""
    count = (uniform(boxes, seed, 58) < 0.6).astype(np.int64)
    patches, owner = scatter(boxes, count, 60.0, 480.0, seed, 60)
    sketch.tint(patches, colour[owner], 0.9 + 0.2 * uniform(patches, seed, 64))


def _strips(sketch: Sketch, boxes: Floats, colour: Floats, seed: int) -> None:
    """Every other strip of 50 to 140 m lies fallow, against the wind."""
    pitch = 100.0 + 180.0 * uniform(boxes, seed, 70)
    upright = uniform(boxes, seed, 71) < 0.7
    pairs, owner = grid_in(
        boxes, np.where(upright, pitch, np.inf), np.where(upright, np.inf, pitch)
    )
    half = pairs.copy()
    half[:, 2] = np.where(upright[owner], (pairs[:, 0] + pairs[:, 2]) / 2, pairs[:, 2])
    half[:, 3] = np.where(upright[owner], pairs[:, 3], (pairs[:, 1] + pairs[:, 3]) / 2)
    bare = blend(
        np.full(len(boxes), material("soil")),
        np.full(len(boxes), material("red_soil")),
        uniform(boxes, seed, 72),
        0.9 + 0.2 * uniform(boxes, seed, 73),
    )
    sketch.paint(half, 0.85 * bare[owner] + 0.15 * colour[owner], colour[owner])


def _farms(
    sketch: Sketch, boxes: Floats, colour: Floats, crops: NDArray[np.bool_], seed: int
) -> None:
    """Yards with barns, a house and a wind-break in the corners of some fields."""
    width, height = sides(boxes)
    chosen = crops & (uniform(boxes, seed, 80) < 0.035) & (np.minimum(width, height) > 190)
    corner, colour = boxes[chosen, :2] + 4.0, colour[chosen]
    count = len(corner)
    if count == 0:
        return
    first = np.concatenate([corner, corner], axis=1)
    pick, tone = uniform(first, seed, 81), uniform(first, seed, 82)

    def at(x: float, y: float, wide: float, high: float) -> Floats:
        return np.asarray(first + np.array([x, y, x + wide, y + high]))

    yard = blend(material("gravel"), material("pasture"), 0.2 + 0.5 * tone, 0.85)
    sketch.paint(at(0, 0, 120, 105), yard, colour)
    sketch.paint(at(0, 105, 120, 9), 0.6 * spectrum("tree") + 0.3 * colour, colour)
    names = ("roof_white", "metal_blue", "roof_red", "roof_grey")
    roofs, others = (
        SPECTRA[choose(numbers, names, (0.4, 0.15, 0.2, 0.25))]
        for numbers in (pick, uniform(first, seed, 83))
    )
    sketch.paint(at(14, 62, 58, 20), roofs, yard)
    sketch.tint(at(14, 82, 58, 5), yard, np.full(count, 0.45))
    sketch.paint(at(84, 48, 18, 40), others, yard)
    house = at(24, 16, 17, 12)
    sketch.paint(house, SPECTRA[choose(tone, ("roof_brown", "roof_dark"), (0.6, 0.4))], yard)
    sketch.paint(at(50, 10, 34, 30), spectrum("lawn"), yard)
    for k in range(3):
        silo = at(20 + 13 * k, 44, 8, 8)
        sketch.paint(silo, spectrum("concrete"), yard)
        sketch.tint(at(20 + 13 * k, 52, 8, 5), yard, np.full(count, 0.5))


def _furrows(sketch: Sketch, boxes: Floats, colour: Floats, seed: int) -> None:
    """Passes of machines: stripes a few metres wide along the longer side."""
    width, height = sides(boxes)
    pitch = 7.0 + 14.0 * uniform(boxes, seed, 90)
    upright = height >= width
    rows, owner = grid_in(boxes, np.where(upright, pitch, np.inf), np.where(upright, np.inf, pitch))
    strength = 0.03 + 0.05 * uniform(boxes, seed, 91)
    factor = 1.0 + strength[owner] * (2.0 * uniform(rows, seed, 92) - 1.0)
    sketch.tint(rows, colour[owner], factor)
    # Wheel tracks: a dark line in some of the passes.
    tracked = uniform(rows, seed, 93) < 0.3
    lines = rows[tracked].copy()
    up = upright[owner[tracked]]
    lines[:, 2] = np.where(up, np.minimum(lines[:, 0] + 1.1, lines[:, 2]), lines[:, 2])
    lines[:, 3] = np.where(up, lines[:, 3], np.minimum(lines[:, 1] + 1.1, lines[:, 3]))
    sketch.tint(lines, colour[owner[tracked]], np.full(len(lines), 0.86))


def _speckle(sketch: Sketch, boxes: Floats, colour: Floats, seed: int) -> None:
    """Uneven ground at the scale of metres to tens of metres."""
    width, height = sides(boxes)
    for channel, per_ha, low, high in ((100, 0.9, 8.0, 60.0), (110, 9.0, 2.0, 14.0)):
        count = np.floor(width * height / 1e4 * per_ha).astype(np.int64)
        spots, owner = scatter(boxes, count, low, high, seed, channel)
        sketch.tint(spots, colour[owner], 0.93 + 0.13 * uniform(spots, seed, channel + 5))


def _shrubs(sketch: Sketch, boxes: Floats, colour: Floats, seed: int) -> None:
    """Shrubs and single trees on the range, each with its shadow to the north."""
    pitch = 9.0 + 16.0 * uniform(boxes, seed, 120)
    shrubs, owner = sprinkle(inset(boxes, 4.0), pitch, (1.2, 5.0), seed, 121, 0.45)
    sketch.paint(shrubs, 0.75 * spectrum("shrub") + 0.1 * colour[owner], colour[owner])
    shade = shrubs.copy()
    shade[:, 1] = shrubs[:, 3]
    shade[:, 3] = shrubs[:, 3] + 0.45 * (shrubs[:, 2] - shrubs[:, 0])
    sketch.tint(shade, colour[owner], np.full(len(shade), 0.72))
