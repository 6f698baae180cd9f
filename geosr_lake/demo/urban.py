"""Towns: streets, blocks of houses, halls with car parks, parks; lots, trees and cars close up."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from geosr_lake.arrays import Floats
from geosr_lake.demo import places
from geosr_lake.demo.lots import draw_lots
from geosr_lake.demo.sketch import (
    Sketch,
    blend,
    choose,
    clipped,
    grid_in,
    inset,
    sides,
    sprinkle,
    touches,
    uniform,
)
from geosr_lake.demo.spectra import SPECTRA, material, spectrum

_ROOF_SHADE_M = 4.5
_HOMES, _HALLS, _CENTRE, _PARK = range(4)
_PITCH = ((196.0, 79.0), (205.0, 205.0), (112.0, 112.0), (400.0, 400.0))
"""Distance of streets in metres, along and across, for each kind of quarter."""


def draw(sketch: Sketch, pieces: Floats, close: Floats, seed: int) -> None:
    """Fill ground with streets and blocks.

    Args:
        sketch: What is drawn on; the ground below is prairie.
        pieces: (n, 4) ground without overlaps.
        close: (m, 4) rectangles within which small things are drawn.
        seed: Of the landscape.
    """
    tone = uniform(pieces, seed, 200)
    street = blend(material("asphalt"), material("old_asphalt"), tone * 0.7)
    sketch.paint(pieces, street, spectrum("prairie"))
    kind = _kinds(pieces, seed)
    for which, painter in enumerate((_homes, _halls, _centre, _park)):
        mine = kind == which
        along, across = _PITCH[which]
        turned = uniform(pieces[mine], seed, 201) < 0.45
        cells, owner = grid_in(
            pieces[mine],
            np.where(turned, across, along),
            np.where(turned, along, across),
        )
        blocks = inset(cells, 5.5)
        painter(sketch, blocks, street[mine][owner], turned[owner], close, seed)
    _street_cars(sketch, pieces, street, close, seed)


def _kinds(pieces: Floats, seed: int) -> NDArray[np.intp]:
    middle = places.built_up((pieces[:, 0] + pieces[:, 2]) / 2, (pieces[:, 1] + pieces[:, 3]) / 2)
    pick = uniform(pieces, seed, 202)
    halls = np.where(middle > 0.72, 0.3, 0.17)
    kind = np.where(pick < halls, _HALLS, _HOMES)
    kind = np.where(pick > 0.945, _PARK, kind)
    core = (middle > 0.86) & (pick > 0.3) & (pick < 0.75)
    width, height = sides(pieces)
    small = np.minimum(width, height) < 120.0
    return np.where(small, _PARK, np.where(core, _CENTRE, kind))


def _homes(
    sketch: Sketch,
    blocks: Floats,
    street: Floats,
    turned: NDArray[np.bool_],
    close: Floats,
    seed: int,
) -> None:
    """Blocks of houses; from afar two rows of roofs on a green and tan ground."""
    yard = blend(
        np.full(len(blocks), material("lawn")),
        np.full(len(blocks), material("prairie")),
        0.15 + 0.6 * uniform(blocks, seed, 210),
        0.8 + 0.25 * uniform(blocks, seed, 211),
    )
    green = uniform(blocks, seed, 212) < 0.03
    yard[green] = blend(
        material("lawn"), material("tree"), 0.35 * uniform(blocks[green], seed, 213)
    )
    sketch.paint(blocks, yard, street)
    near = touches(blocks, close) & ~green
    far = ~near & ~green
    row = _houses_of(blocks[far], turned[far], seed)
    roof = choose(
        uniform(row, seed, 214),
        ("roof_grey", "roof_brown", "roof_tan", "roof_dark"),
        (0.35, 0.35, 0.15, 0.15),
    )
    share = 0.35 + 0.4 * uniform(row, seed, 215)[:, None]
    mixed = share * SPECTRA[roof] + (1.0 - share) * spectrum("tree")
    sketch.paint(row, mixed, yard[far])
    draw_lots(sketch, blocks[near], yard[near], turned[near], seed)


def _houses_of(blocks: Floats, turned: NDArray[np.bool_], seed: int) -> Floats:
    """One strip that stands for the houses of a block seen from afar."""
    strip = blocks.copy()
    for axis, mine in ((1, ~turned), (0, turned)):
        depth = blocks[mine, axis + 2] - blocks[mine, axis]
        low = 0.12 + 0.4 * uniform(blocks[mine], seed, 216)
        strip[mine, axis] = blocks[mine, axis] + low * depth
        strip[mine, axis + 2] = strip[mine, axis] + 0.38 * depth
    return strip


def _halls(
    sketch: Sketch,
    blocks: Floats,
    street: Floats,
    turned: NDArray[np.bool_],
    close: Floats,
    seed: int,
) -> None:
    """Large flat roofs beside car parks."""
    park = blend(
        np.full(len(blocks), material("old_asphalt")),
        np.full(len(blocks), material("concrete")),
        0.5 * uniform(blocks, seed, 230) ** 2,
        0.9 + 0.15 * uniform(blocks, seed, 231),
    )
    sketch.paint(blocks, park, street)
    roomy = np.minimum(*sides(blocks)) > 60.0
    blocks, park, turned = blocks[roomy], park[roomy], turned[roomy]
    width, height = sides(blocks)
    share = 0.4 + 0.3 * uniform(blocks, seed, 232)
    roofs = inset(blocks, 9.0)
    roofs[:, 3] = np.where(turned, roofs[:, 3], roofs[:, 1] + share * height)
    roofs[:, 2] = np.where(turned, roofs[:, 0] + share * width, roofs[:, 2])
    split = uniform(blocks, seed, 234) < 0.55
    roofs[:, 2] = np.where(
        split & ~turned, roofs[:, 0] + (roofs[:, 2] - roofs[:, 0]) * 0.62, roofs[:, 2]
    )
    _roof(sketch, roofs, park, close, seed)
    annex = roofs[split & ~turned].copy()
    annex[:, 0] = annex[:, 2] + 14.0
    annex[:, 2] = blocks[split & ~turned, 2] - 12.0
    annex[:, 3] -= 18.0
    fits = (annex[:, 2] - annex[:, 0] > 6.0) & (annex[:, 3] - annex[:, 1] > 6.0)
    _roof(sketch, annex[fits], park[split & ~turned][fits], close, seed)
    lot = inset(blocks, 7.0)
    lot[:, 1] = np.where(turned, lot[:, 1], roofs[:, 3] + 12.0)
    lot[:, 0] = np.where(turned, roofs[:, 2] + 9.0, lot[:, 0])
    width, height = sides(lot)
    near = touches(lot, close) & (width > 25) & (height > 25)
    _car_park(sketch, lot[near], park[near], seed)


def _roof(sketch: Sketch, roofs: Floats, ground: Floats, close: Floats, seed: int) -> None:
    """A flat roof: rim, surface, shadow to the north; machines on it close up."""
    pick, bright = uniform(roofs, seed, 240), 0.85 + 0.25 * uniform(roofs, seed, 241)
    rows = choose(
        pick,
        ("roof_white", "roof_grey", "roof_tan", "roof_dark", "metal_blue", "concrete"),
        (0.3, 0.26, 0.14, 0.1, 0.06, 0.14),
    )
    colour = SPECTRA[rows] * bright[:, None]
    shade = roofs.copy()
    shade[:, 1], shade[:, 3] = roofs[:, 3], roofs[:, 3] + _ROOF_SHADE_M
    sketch.paint(roofs, 0.8 * colour, ground)
    sketch.paint(inset(roofs, 1.2), colour, 0.8 * colour)
    sketch.tint(shade, ground, np.full(len(shade), 0.4))
    near = touches(roofs, close)
    units, owner = sprinkle(inset(roofs[near], 4.0), 14.0, (1.5, 5.5), seed, 242, 0.5)
    sketch.tint(units, colour[near][owner], 0.6 + 0.6 * uniform(units, seed, 246))
    panels, owner = sprinkle(inset(roofs[near], 2.0), 40.0, (9.0, 36.0), seed, 247, 0.5)
    sketch.tint(panels, colour[near][owner], 0.86 + 0.2 * uniform(panels, seed, 251))


def _car_park(sketch: Sketch, lots: Floats, ground: Floats, seed: int) -> None:
    """Rows of cars, nearly full in some car parks, and strips of green between them."""
    slots, owner = grid_in(lots, np.full(len(lots), 2.9), np.full(len(lots), 8.6))
    full = 0.15 + 0.6 * uniform(lots, seed, 260)
    parked = uniform(slots, seed, 261) < full[owner]
    cars = slots[parked].copy()
    cars[:, 0] += 0.45
    cars[:, 2] = cars[:, 0] + 1.9
    cars[:, 1] += 1.0
    cars[:, 3] = cars[:, 1] + 4.6
    _paint_cars(sketch, cars, ground[owner[parked]], seed)
    islands = lots.copy()
    islands[:, 3] = islands[:, 1] + 0.9
    sketch.paint(islands, spectrum("lawn"), ground)


def _paint_cars(sketch: Sketch, cars: Floats, ground: Floats, seed: int) -> None:
    rows = choose(
        uniform(cars, seed, 270),
        ("roof_white", "roof_dark", "roof_grey", "asphalt", "roof_red", "metal_blue"),
        (0.3, 0.24, 0.22, 0.1, 0.06, 0.08),
    )
    sketch.paint(cars, SPECTRA[rows] * (0.8 + 0.4 * uniform(cars, seed, 271))[:, None], ground)


def _centre(
    sketch: Sketch,
    blocks: Floats,
    street: Floats,
    turned: NDArray[np.bool_],
    close: Floats,
    seed: int,
) -> None:
    """The middle of a town: pavements, tall buildings side by side, long shadows."""
    pavement = blend(
        np.full(len(blocks), material("concrete")),
        np.full(len(blocks), material("old_asphalt")),
        0.3 + 0.5 * uniform(blocks, seed, 280),
        0.85,
    )
    sketch.paint(blocks, pavement, street)
    pitch = 24.0 + 34.0 * uniform(blocks, seed, 281)
    cells, owner = grid_in(inset(blocks, 4.0), pitch, pitch * 1.15)
    built = uniform(cells, seed, 282) < 0.8
    roofs = inset(cells[built], 3.2 + 3.5 * uniform(cells[built], seed, 283))
    _roof(sketch, roofs, pavement[owner[built]], close, seed)
    free = inset(cells[~built], 4.0)
    green = uniform(free, seed, 284) < 0.45
    sketch.paint(
        free[green], 0.5 * (spectrum("lawn") + spectrum("tree")), pavement[owner[~built]][green]
    )
    near = ~green & touches(free, close)
    _car_park(sketch, free[near], pavement[owner[~built]][near], seed)
    del turned


def _park(
    sketch: Sketch,
    blocks: Floats,
    street: Floats,
    turned: NDArray[np.bool_],
    close: Floats,
    seed: int,
) -> None:
    """Lawns, groves, a pond and playing fields."""
    lawn = blend(
        np.full(len(blocks), material("lawn")),
        np.full(len(blocks), material("pasture")),
        0.5 * uniform(blocks, seed, 290),
    )
    sketch.paint(blocks, lawn, street)
    groves, owner = sprinkle(inset(blocks, 6.0), 62.0, (9.0, 50.0), seed, 291, 0.5)
    sketch.paint(groves, 0.5 * spectrum("tree") + 0.5 * lawn[owner], lawn[owner])
    near, owner = clipped(inset(blocks, 4.0), close)
    trees, which = sprinkle(near, 11.0, (3.0, 9.0), seed, 297, 0.35)
    sketch.paint(trees, 0.45 * spectrum("tree") + 0.45 * lawn[owner[which]], lawn[owner[which]])
    del turned


def _street_cars(sketch: Sketch, pieces: Floats, street: Floats, close: Floats, seed: int) -> None:
    """Nothing moves in the demo, but some cars stand along the outer streets."""
    for west, offset in ((True, 1.2), (False, -3.1)):
        strips = pieces.copy()
        strips[:, 0] = pieces[:, 0] + offset if west else pieces[:, 2] + offset
        strips[:, 2] = strips[:, 0] + 1.9
        strips, owner = clipped(strips, close)
        slots, which = grid_in(strips, np.full(len(strips), np.inf), np.full(len(strips), 7.0))
        parked = uniform(slots, seed, 300 + west) < 0.12
        cars = slots[parked].copy()
        cars[:, 3] = cars[:, 1] + 4.6
        _paint_cars(sketch, cars, street[owner[which[parked]]], seed)
