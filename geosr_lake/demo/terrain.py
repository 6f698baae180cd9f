"""Draws the demo's ground: waters, roads, and what fills the square miles between them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from geosr_lake.arrays import Floats
from geosr_lake.demo import places, rural, urban
from geosr_lake.demo.landscape import Landscape
from geosr_lake.demo.sketch import (
    Box,
    Sketch,
    as_boxes,
    blend,
    clipped,
    cut_all,
    disjoint,
    inset,
    scatter,
    sides,
    sprinkle,
    touches,
    uniform,
)
from geosr_lake.demo.spectra import material, spectrum

IGBP_GRASS, IGBP_CROPS, IGBP_URBAN, IGBP_WATER = 10, 12, 13, 17
ROAD_RESERVE_M = 13.0
"""Ground on either side of a section line that fields and blocks leave free."""
_QUARTERS = ((0, 0), (1, 0), (0, 1), (1, 1))
_SHORE = np.array([-35.0, -35.0, 35.0, 35.0])


def build_landscape(
    seed: int = 0, *, parts: Sequence[Box] | None = None, close_ups: Sequence[Box] = ()
) -> Landscape:
    """Draw the landscape, or those square miles of it that some rectangles touch.

    Places look the same whatever parts are drawn.

    Args:
        seed: Another seed, another landscape with the same towns and waters.
        parts: Rectangles of interest; all of the demo's extent without them.
        close_ups: Rectangles within which houses, trees, cars and furrows are drawn.
    """
    sketch = Sketch()
    wanted = np.array(parts if parts is not None else [places.EXTENT], dtype=np.float64)
    close = np.array(close_ups, dtype=np.float64).reshape(-1, 4)
    prairie = spectrum("prairie")
    sketch.paint(np.array([places.EXTENT]), prairie, np.zeros_like(prairie))
    obstacles = _waters_and_highways(sketch, wanted, close, seed)
    sections = _sections(wanted)
    is_town = _town_quarters(sections, seed)
    whole, quarters, town = _divide(sections, is_town, obstacles, seed)
    pieces, origin = cut_all(quarters, obstacles)
    built = town[origin]
    rural.draw(sketch, np.concatenate([whole, pieces[~built]]), close, seed)
    urban.draw(sketch, pieces[built], close, seed)
    sketch.zone(pieces[built], IGBP_URBAN)
    _section_roads(sketch, sections, is_town, obstacles)
    return sketch.landscape(places.EXTENT)


def _sections(wanted: Floats) -> Floats:
    """Square miles (n, 4) that touch the wanted rectangles, from the south-west."""
    at = np.arange(places.SECTIONS) * places.SECTION_M
    x, y = np.meshgrid(places.ORIGIN_M[0] + at, places.ORIGIN_M[1] + at)
    corner = np.stack([x.ravel(), y.ravel()], axis=1)
    sections = np.concatenate([corner, corner + places.SECTION_M], axis=1)
    return sections[touches(sections, wanted)]


def _town_quarters(sections: Floats, seed: int) -> NDArray[np.bool_]:
    """Whether each quarter of each square mile is built up, (n, 4): sw, se, nw, ne."""
    result = []
    for qx, qy in _QUARTERS:
        x = sections[:, 0] + (qx + 0.5) * places.SECTION_M / 2
        y = sections[:, 1] + (qy + 0.5) * places.SECTION_M / 2
        box = np.stack([x, y, x, y], axis=1)
        ragged = 0.3 * (uniform(box, seed, 1) - 0.5)
        result.append(places.built_up(x, y) + ragged > 0.05)
    return np.stack(result, axis=1)


def _divide(
    sections: Floats, is_town: NDArray[np.bool_], obstacles: Floats, seed: int
) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Leave some square miles whole and quarter the others, without the roads' reserves.

    Returns:
        Whole ones (n, 4), quarters (m, 4), and whether each quarter is built up (m,).
    """
    keep = ~is_town.any(axis=1) & ~touches(sections, obstacles) & (uniform(sections, seed, 2) < 0.4)
    open_ground = inset(sections, ROAD_RESERVE_M)
    half = places.SECTION_M / 2
    quarters = []
    for qx, qy in _QUARTERS:
        box = open_ground[~keep].copy()
        middle = sections[~keep, :2] + half
        box[:, 0] = middle[:, 0] if qx else box[:, 0]
        box[:, 2] = box[:, 2] if qx else middle[:, 0]
        box[:, 1] = middle[:, 1] if qy else box[:, 1]
        box[:, 3] = box[:, 3] if qy else middle[:, 1]
        quarters.append(box)
    return open_ground[keep], np.concatenate(quarters), is_town[~keep].T.ravel()


def _waters_and_highways(sketch: Sketch, wanted: Floats, close: Floats, seed: int) -> Floats:
    """Draw what crosses the square miles.

    Returns:
        (n, 4) the ground that is taken.
    """
    lakes = np.array(places.lakes())
    shores = np.array(disjoint(as_boxes(lakes + _SHORE)))
    wet, strips = (np.array(boxes) for boxes in places.rivers())
    roads = np.array(places.highways())
    strips, _ = cut_all(strips, shores)
    wet, _ = cut_all(wet, shores)
    roads, _ = cut_all(roads, np.concatenate([shores, strips]))
    shore = blend(material("sand"), material("pasture"), 0.55)[0]
    bank = blend(material("pasture"), material("shrub"), 0.45)[0]
    verge = blend(material("pasture"), material("prairie"), 0.4)[0]
    water, prairie = spectrum("water"), spectrum("prairie")
    for boxes, colour in ((shores, shore), (strips, bank), (roads, verge)):
        sketch.paint(boxes[touches(boxes, wanted)], colour, prairie)
    lakes, wet = lakes[touches(lakes, wanted)], wet[touches(wet, wanted)]
    sketch.paint(lakes, water, shore)
    sketch.paint(wet, 0.8 * water + 0.2 * spectrum("shallows"), bank)
    shallow, _ = scatter(lakes, np.full(len(lakes), 6), 60.0, 700.0, seed, 500)
    sketch.tint(shallow, water, 1.0 + 0.25 * uniform(shallow, seed, 505))
    banks, _ = cut_all(strips[touches(strips, wanted)], wet)
    _groves(sketch, banks, bank, close, seed)
    _carriageways(sketch, roads[touches(roads, wanted)], verge)
    sketch.zone(lakes, IGBP_WATER)
    sketch.zone(wet, IGBP_WATER)
    return np.concatenate([shores, strips, roads])


def _groves(sketch: Sketch, banks: Floats, bank: Floats, close: Floats, seed: int) -> None:
    """Trees along rivers: groves from afar, single crowns close up."""
    groves, _ = sprinkle(banks, 48.0, (12.0, 46.0), seed, 510, 0.6)
    sketch.paint(groves, 0.45 * spectrum("tree") + 0.55 * bank, bank)
    near, _ = clipped(banks, close)
    crowns, _ = sprinkle(near, 9.5, (2.5, 9.0), seed, 515, 0.55)
    sketch.paint(crowns, 0.35 * spectrum("tree") + 0.6 * bank, bank)


def _carriageways(sketch: Sketch, roads: Floats, verge: Floats) -> None:
    """Two carriageways in each corridor, along its longer side."""
    width, height = sides(roads)
    upright = height > width
    middle = (roads[:, :2] + roads[:, 2:]) / 2
    for side in (-17.0, 6.0):
        lane = roads.copy()
        lane[upright, 0] = middle[upright, 0] + side
        lane[upright, 2] = middle[upright, 0] + side + 11.0
        lane[~upright, 1] = middle[~upright, 1] + side
        lane[~upright, 3] = middle[~upright, 1] + side + 11.0
        wide_enough = np.minimum(width, height) > 2 * places.HIGHWAY_VERGE_M - 1.0
        sketch.paint(lane[wide_enough], spectrum("old_asphalt"), verge)


def _section_roads(
    sketch: Sketch,
    sections: Floats,
    is_town: NDArray[np.bool_],
    obstacles: Floats,
) -> None:
    """Roads along the square miles' borders: streets in towns, gravel between fields.

    Each section draws its own side of the border, so nothing is drawn twice.
    """
    reserve = ROAD_RESERVE_M
    west, south, east, north = sections.T
    half = places.SECTION_M / 2
    for which, (qx, qy) in enumerate(_QUARTERS):
        town = is_town[:, which]
        x0, x1 = (west + half, east) if qx else (west, west + half)
        y0, y1 = (south + half, north) if qy else (south, south + half)
        # The horizontal side takes the corner.
        rows = (y1 - reserve, y1) if qy else (y0, y0 + reserve)
        columns = (x1 - reserve, x1) if qx else (x0, x0 + reserve)
        flat = np.stack([x0, rows[0], x1, rows[1]], axis=1)
        inner = (y0, y1 - reserve) if qy else (y0 + reserve, y1)
        upright = np.stack([columns[0], inner[0], columns[1], inner[1]], axis=1)
        for box, side in ((flat, 3 if qy else 1), (upright, 2 if qx else 0)):
            pieces, origin = cut_all(box, obstacles)
            _one_side(sketch, pieces, town[origin], side)


def _one_side(sketch: Sketch, boxes: Floats, town: NDArray[np.bool_], side: int) -> None:
    """Half a road: ``side`` is the edge of the box (0 west, 1 south, 2 east, 3 north) it hugs."""
    prairie = spectrum("prairie")
    sketch.zone(boxes[town], IGBP_URBAN)
    walk, asphalt = spectrum("concrete"), spectrum("asphalt")
    sketch.paint(boxes[town], 0.6 * spectrum("lawn") + 0.3 * walk, prairie)
    sketch.paint(_hug(boxes[town], side, 10.0), asphalt, 0.6 * spectrum("lawn") + 0.3 * walk)
    if side >= 2:  # between fields the road lies on one side of the line
        gravel = blend(material("gravel"), material("soil"), 0.25)[0]
        sketch.paint(_hug(boxes[~town], side, 7.0), gravel, prairie)


def _hug(boxes: Floats, side: int, width_m: float) -> Floats:
    """The strip of a box along one of its edges."""
    strip = boxes.copy()
    axis = side % 2
    if side < 2:
        strip[:, axis + 2] = np.minimum(boxes[:, axis] + width_m, boxes[:, axis + 2])
    else:
        strip[:, axis] = np.maximum(boxes[:, axis + 2] - width_m, boxes[:, axis])
    return strip
