"""A block of houses close up: lots in two rows, each with a house, a drive, trees, perhaps a pool.

Drawn in coordinates of the lot (u along the street, v from the street to the back), then turned
and mirrored into place. Shadows fall to the north.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from geosr_lake.arrays import Floats
from geosr_lake.demo.sketch import Sketch, blend, choose, grid_in, inset, uniform
from geosr_lake.demo.spectra import SPECTRA, material, spectrum

_PAVEMENT_M = 1.6


class _Lots:
    """Lots of many blocks, with the way from their own coordinates to the ground."""

    def __init__(self, boxes: Floats, turned: NDArray[np.bool_], upper: NDArray[np.bool_]) -> None:
        self.boxes = boxes
        self.turned = turned
        self.upper = upper
        width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
        self.along = np.where(turned, height, width)
        self.deep = np.where(turned, width, height)

    def place(self, u0: Floats, v0: Floats, wide: Floats, high: Floats) -> Floats:
        """Rectangles from (u0, v0), held within the lots, in metres of the ground."""
        u1 = np.clip(u0 + wide, 0.0, self.along)
        v1 = np.clip(v0 + high, 0.0, self.deep)
        u0, v0 = np.clip(u0, 0.0, self.along), np.clip(v0, 0.0, self.deep)
        low = np.where(self.upper, self.deep - v1, v0)
        top = np.where(self.upper, self.deep - v0, v1)
        x0 = self.boxes[:, 0] + np.where(self.turned, low, u0)
        x1 = self.boxes[:, 0] + np.where(self.turned, top, u1)
        y0 = self.boxes[:, 1] + np.where(self.turned, u0, low)
        y1 = self.boxes[:, 1] + np.where(self.turned, u1, top)
        return np.stack([x0, y0, x1, y1], axis=1)

    def only(self, rows: NDArray[np.bool_]) -> _Lots:
        """Some of the lots."""
        return _Lots(self.boxes[rows], self.turned[rows], self.upper[rows])


def draw_lots(
    sketch: Sketch, blocks: Floats, yard: Floats, turned: NDArray[np.bool_], seed: int
) -> None:
    """Draw the houses of blocks.

    Args:
        sketch: What is drawn on; blocks are covered by ``yard``.
        blocks: (n, 4).
        yard: (n, band) colour of the ground.
        turned: (n,) whether the longer side runs from south to north.
        seed: Of the landscape.
    """
    if len(blocks) == 0:
        return
    pavement = spectrum("concrete")
    sketch.paint(blocks, pavement, yard)
    inner = inset(blocks, _PAVEMENT_M)
    width, height = inner[:, 2] - inner[:, 0], inner[:, 3] - inner[:, 1]
    front = 15.0 + 6.0 * uniform(blocks, seed, 400)
    cells, owner = grid_in(
        inner,
        np.where(turned, width / 2, front),
        np.where(turned, front, height / 2),
    )
    middle = (inner[:, :2] + inner[:, 2:])[owner] / 2
    turned = turned[owner]
    centre = (cells[:, :2] + cells[:, 2:]) / 2
    upper = np.where(turned, centre[:, 0] > middle[:, 0], centre[:, 1] > middle[:, 1])
    lots = _Lots(cells, turned, upper)
    share = np.clip(uniform(cells, seed, 401) * 1.3 - 0.25, 0.0, 1.0)
    tone = 0.82 + 0.3 * uniform(cells, seed, 402)
    lawn = blend(
        np.full(len(cells), material("lawn")), np.full(len(cells), material("prairie")), share, tone
    )
    # A fence, drawn as what is left between the lots, a little darker than the pavement.
    sketch.paint(cells, 0.7 * lawn, pavement)
    sketch.paint(inset(cells, 0.35), lawn, 0.7 * lawn)
    _houses(sketch, lots, lawn, seed)


def _houses(sketch: Sketch, lots: _Lots, lawn: Floats, seed: int) -> None:
    numbers = [uniform(lots.boxes, seed, 410 + k) for k in range(12)]
    wide = lots.along * (0.6 + 0.16 * numbers[0])
    high = np.minimum(9.5 + 5.5 * numbers[1], lots.deep * 0.5)
    back = 5.5 + 2.5 * numbers[2]
    left = (lots.along - wide) * (0.25 + 0.5 * numbers[3])
    rows = choose(
        numbers[4],
        ("roof_grey", "roof_brown", "roof_tan", "roof_dark", "roof_red"),
        (0.34, 0.3, 0.16, 0.12, 0.08),
    )
    roof = SPECTRA[rows] * (0.85 + 0.3 * numbers[5])[:, None]
    body = lots.place(left, back, wide, high)
    shade = body.copy()
    shade[:, 1], shade[:, 3] = body[:, 3], np.minimum(body[:, 3] + 2.4, lots.boxes[:, 3])
    sketch.tint(shade, lawn, np.full(len(lawn), 0.6))
    sketch.paint(body, 0.78 * roof, lawn)
    # The ridge runs along the house: the southern or eastern face is the bright one.
    lit = body.copy()
    width, height = body[:, 2] - body[:, 0], body[:, 3] - body[:, 1]
    flat = width >= height
    lit[:, 3] = np.where(flat, body[:, 1] + 0.52 * height, body[:, 3])
    lit[:, 0] = np.where(flat, body[:, 0], body[:, 0] + 0.48 * width)
    sketch.paint(lit, 1.12 * roof, 0.78 * roof)
    drive_wide = np.where(numbers[6] > 0.5, 5.8, 3.2)
    right = numbers[7] < 0.5
    drive_left = np.where(right, left + wide - drive_wide - 0.6, left + 0.6)
    drive = lots.place(drive_left, np.zeros_like(left), drive_wide, back)
    surface = blend(material("concrete"), material("old_asphalt"), numbers[8] * 0.6)
    sketch.paint(drive, surface, lawn)
    _gardens(sketch, lots, lawn, (left, wide, back + high, right), seed)
    # No car where the house shades the drive.
    parked = (numbers[9] < 0.35) & ~(lots.upper & ~lots.turned)
    cars = lots.only(parked).place(
        drive_left[parked] + 0.6,
        np.full(int(parked.sum()), 0.4),
        np.full(int(parked.sum()), 1.9),
        np.full(int(parked.sum()), 4.5),
    )
    colours = choose(
        numbers[10][parked], ("roof_white", "roof_dark", "roof_red"), (0.45, 0.4, 0.15)
    )
    sketch.paint(cars, SPECTRA[colours], surface[parked])


def _gardens(
    sketch: Sketch,
    lots: _Lots,
    lawn: Floats,
    house: tuple[Floats, Floats, Floats, NDArray[np.bool_]],
    seed: int,
) -> None:
    """Trees in front and behind, a terrace, a shed or a pool."""
    left, wide, rear, right = house
    numbers = [uniform(lots.boxes, seed, 430 + k) for k in range(14)]
    terrace = numbers[0] < 0.6
    some = lots.only(terrace)
    at = left[terrace] + wide[terrace] * 0.2
    boxes = some.place(at, rear[terrace] + 2.6, 3 + 3 * numbers[1][terrace], np.full(len(at), 3.0))
    sketch.paint(boxes, 0.9 * spectrum("concrete"), lawn[terrace])
    pool = (numbers[2] < 0.07) & (lots.deep - rear > 13)
    some = lots.only(pool)
    at = np.full(int(pool.sum()), 2.5)
    boxes = some.place(at, rear[pool] + 6.5, 5.0 + 0 * at, 4.5 + 0 * at)
    sketch.paint(boxes, spectrum("pool"), lawn[pool])
    garden = np.maximum(lots.deep - rear - 7.5, 2.0)
    for k in range(3):
        # Three columns, so that crowns do not meet.
        slot = lots.along / 3
        size = np.minimum(2.8 + 4.4 * numbers[3 + k], slot - 0.3)
        u = slot * k + np.maximum(slot - size, 0.0) * numbers[6 + k]
        v = rear + 6.2 + (garden - 5.0).clip(0.0) * numbers[9 + k]
        grown = ~pool & (numbers[3 + k] > 0.3) & (v + 2.0 < lots.deep)
        _tree(sketch, lots.only(grown), lawn[grown], u[grown], v[grown], size[grown])
    size = np.minimum(2.6 + 2.2 * numbers[12], 3.4)
    u = np.where(right, 0.8, lots.along - size - 0.8)
    front = numbers[13] < 0.65
    _tree(sketch, lots.only(front), lawn[front], u[front], np.full_like(u, 1.2)[front], size[front])


def _tree(sketch: Sketch, lots: _Lots, lawn: Floats, u: Floats, v: Floats, size: Floats) -> None:
    """A crown with a sunlit middle and a shadow to the north-west."""
    crown = lots.place(u, v, size, size)
    tree = spectrum("tree")
    edge = 0.75 * tree + 0.3 * lawn
    sketch.paint(crown, edge, lawn)
    sketch.paint(inset(crown, 0.22 * size), edge + 0.45 * tree, edge)
    shade = crown + np.array([-0.5, 0.0, -0.5, 0.0])
    shade[:, 1], shade[:, 3] = crown[:, 3], np.minimum(crown[:, 3] + 1.3, lots.boxes[:, 3])
    shade[:, 0] = np.maximum(shade[:, 0], lots.boxes[:, 0])
    sketch.tint(shade, lawn, np.full(len(lawn), 0.72))
