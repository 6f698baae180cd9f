"""The striped frame of a map, as atlases have it: its pieces say where the graticule stands."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from geosr_lake.report.projection import Frame

FRAME_STRIPES = 2
"""Stripes of the frame between two lines of the graticule."""


@dataclass(frozen=True)
class Stripe:
    """A dark piece of the frame."""

    x: float
    y: float
    width: float
    height: float


def stripes(frame: Frame, lons: Sequence[float], lats: Sequence[float], width: float
             ) -> tuple[Stripe, ...]:  # fmt: skip
    """Return the dark pieces of the frame: every other stretch between (parts of) lines."""

    def stretches(at: list[float], end: float) -> list[tuple[float, float]]:
        if len(at) > 1:
            step = (at[1] - at[0]) / FRAME_STRIPES
            before = math.ceil(at[0] / step)
            cuts = [at[0] + i * step for i in range(-before, math.ceil((end - at[0]) / step) + 1)]
            first = (-before) % 2
        else:
            cuts, first = [0.0, *at, end], 0
        pieces = [(max(a, 0.0), min(b, end)) for a, b in pairwise(cuts)]
        return [p for i, p in enumerate(pieces) if (i + first) % 2 == 0 and p[1] > p[0]]

    xs = [frame.xy(lon, frame.bounds.north)[0] for lon in lons]
    ys = sorted(frame.xy(frame.bounds.west, lat)[1] for lat in lats)
    out = []
    for a, b in stretches(xs, frame.width):
        out += [Stripe(a, -width, b - a, width), Stripe(a, frame.height, b - a, width)]
    for a, b in stretches(ys, frame.height):
        out += [Stripe(-width, a, width, b - a), Stripe(frame.width, a, width, b - a)]
    return tuple(out)
