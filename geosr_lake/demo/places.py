"""Where the demo lies: a piece of Colorado in UTM zone 13 north, its towns and waters.

All coordinates are metres of EPSG:32613. The piece lies within MODIS tile h09v05, within the
ground of WRS-2 path 33 row 33, and its middle within Sentinel-2 tile 13SED.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from geosr_lake.arrays import Floats
from geosr_lake.demo.sketch import Box, disjoint

EPSG = 32613
SECTION_M = 1609.344
"""A mile: fields and roads of the western United States follow a grid of square miles."""
SECTIONS = 82
ORIGIN_M = (444_000.0, 4_254_000.0)
EXTENT: Box = (
    ORIGIN_M[0],
    ORIGIN_M[1],
    ORIGIN_M[0] + SECTIONS * SECTION_M,
    ORIGIN_M[1] + SECTIONS * SECTION_M,
)


@dataclass(frozen=True, slots=True)
class Town:
    """Built-up ground, densest in its middle.

    Attributes:
        x_m: Easting of the middle.
        y_m: Northing of the middle.
        reach_x_m: Half its width.
        reach_y_m: Half its height.
    """

    x_m: float
    y_m: float
    reach_x_m: float
    reach_y_m: float


TOWNS = (
    Town(526_500, 4_323_800, 12_500, 10_000),
    Town(505_800, 4_301_500, 7_500, 8_500),
    Town(549_300, 4_310_300, 7_000, 6_000),
    Town(512_000, 4_333_600, 5_500, 5_000),
    Town(523_500, 4_343_200, 4_500, 3_500),
    Town(466_000, 4_274_500, 10_000, 8_500),
    Town(467_500, 4_363_000, 8_500, 9_500),
    Town(553_500, 4_366_000, 11_000, 8_000),
    Town(530_500, 4_273_500, 6_000, 7_000),
    Town(486_500, 4_327_000, 3_800, 3_200),
)

_LAKES = (
    (513_150.0, 4_312_350.0, 1_900.0, 1_250.0),
    (547_350.0, 4_334_150.0, 1_400.0, 1_900.0),
    (483_200.0, 4_300_600.0, 3_600.0, 2_100.0),
    (455_600.0, 4_325_300.0, 2_400.0, 4_100.0),
    (560_400.0, 4_284_300.0, 4_200.0, 2_600.0),
    (499_700.0, 4_368_800.0, 2_700.0, 3_000.0),
    (536_300.0, 4_356_700.0, 1_500.0, 1_100.0),
    (519_800.0, 4_283_900.0, 1_700.0, 900.0),
    (530_400.0, 4_312_100.0, 420.0, 560.0),
    (505_150.0, 4_300_350.0, 310.0, 240.0),
    (523_350.0, 4_322_050.0, 380.0, 260.0),
)
"""Lakes: x_min, y_min, width, height of the middle; arms reach out of it."""

_HIGHWAYS_X = (517_300.0, 470_350.0)
_HIGHWAYS_Y = (4_302_900.0, 4_338_650.0, 4_361_700.0)
HIGHWAY_VERGE_M = 34.0


def built_up(x_m: Floats, y_m: Floats) -> Floats:
    """How strongly places belong to a town: above 0 inside, 1 in its middle.

    Rounded rectangles: the fourth-power mean of the relative distances along both axes.
    """
    best = np.full(np.shape(x_m), -np.inf)
    for town in TOWNS:
        away = ((x_m - town.x_m) / town.reach_x_m) ** 4 + ((y_m - town.y_m) / town.reach_y_m) ** 4
        best = np.maximum(best, 1.0 - away**0.25)
    return best


def lakes() -> list[Box]:
    """The lakes as rectangles that do not overlap."""
    boxes: list[Box] = []
    for x, y, width, height in _LAKES:
        boxes.append((x, y, x + width, y + height))
        boxes.append((x + 0.2 * width, y - 0.22 * height, x + 0.65 * width, y))
        boxes.append((x + width, y + 0.1 * height, x + 1.18 * width, y + 0.55 * height))
        boxes.append((x - 0.15 * width, y + 0.42 * height, x, y + 0.86 * height))
        boxes.append((x + 0.38 * width, y + height, x + 0.9 * width, y + 1.14 * height))
    return disjoint(boxes)


def rivers() -> tuple[list[Box], list[Box]]:
    """Two rivers as steps of bands from west to east.

    Returns:
        The wet bands, and the wider strips of trees and shrubs along them; each list without
        overlaps, and every band within the strips.
    """
    wet: list[Box] = []
    strip: list[Box] = []
    for y, width, phase in ((4_295_800.0, 70.0, 0.3), (4_349_500.0, 55.0, 2.1)):
        x_edges = np.arange(ORIGIN_M[0], EXTENT[2] + 1, 450.0)
        bends = 1_500 * np.sin(x_edges / 9_000 + phase) + 420 * np.sin(x_edges / 1_700 + 3 * phase)
        levels = np.round(y + bends + 0.04 * (x_edges - 510_000), 1)
        for k in range(len(x_edges) - 1):
            west, east, south = x_edges[k], min(x_edges[k + 1], EXTENT[2]), levels[k]
            wet.append((west, south, east + width, south + width))
            low, high = sorted((south, levels[k + 1]))
            wet.append((east, low, east + width, high + width))
        for x0, y0, x1, y1 in wet[-2 * (len(x_edges) - 1) :]:
            strip.append((x0 - 45.0, y0 - 45.0, x1 + 45.0, y1 + 45.0))
    return disjoint(wet), disjoint(strip)


def highways() -> list[Box]:
    """Corridors of highways with their verges; crossings belong to the one from west to east."""
    half = HIGHWAY_VERGE_M
    across = [(EXTENT[0], y - half, EXTENT[2], y + half) for y in _HIGHWAYS_Y]
    along = [(x - half, EXTENT[1], x + half, EXTENT[3]) for x in _HIGHWAYS_X]
    return disjoint(across + along)
