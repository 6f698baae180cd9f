"""A small map's frame: which piece of the globe it shows, and where a place falls on it.

The projection is equirectangular, true to scale at the middle parallel: x = (lon - west) cos(lat0),
y = north - lat (J. P. Snyder, Map Projections: A Working Manual, USGS 1987, chapter 12).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from pyproj import Geod

_GEOD = Geod(ellps="WGS84")
_STEPS_DEG = (45, 30, 15, 10, 5, 2, 1, 0.5, 0.25, 0.2, 0.1, 0.05, 0.025, 0.02, 0.01, 0.005, 0.002)
_MIN_SPAN_DEG = 0.005


@dataclass(frozen=True)
class Bounds:
    """A box in degrees; west may lie below -180 where the box crosses the antimeridian."""

    west: float
    south: float
    east: float
    north: float

    def padded(self, share: float) -> "Bounds":
        """Return the box grown by a share of its longer edge on every side."""
        pad = share * max(self.east - self.west, self.north - self.south, _MIN_SPAN_DEG)
        return Bounds(
            self.west - pad, max(self.south - pad, -90.0), self.east + pad,
            min(self.north + pad, 90.0),
        )  # fmt: skip

    def within(self, other: "Bounds") -> "Bounds":
        """Return the part of this box that lies in another one, which it must meet."""
        return Bounds(
            max(self.west, other.west),
            max(self.south, other.south),
            min(self.east, other.east),
            min(self.north, other.north),
        )

    def union(self, other: "Bounds") -> "Bounds":
        """Return the smallest box that holds both."""
        return Bounds(
            min(self.west, other.west),
            min(self.south, other.south),
            max(self.east, other.east),
            max(self.north, other.north),
        )


@dataclass(frozen=True)
class Frame:
    """A box of the globe drawn `width` by `height` units large."""

    bounds: Bounds
    width: float
    height: float

    def xy(self, lon: float, lat: float) -> tuple[float, float]:
        """Return where a place falls: x to the right, y down, from the north-west corner."""
        b = self.bounds
        if lon - 360.0 >= b.west:
            lon -= 360.0
        return (
            (lon - b.west) / (b.east - b.west) * self.width,
            (b.north - lat) / (b.north - b.south) * self.height,
        )

    @property
    def metres_per_unit(self) -> float:
        """Ground length of one unit along the middle parallel."""
        b = self.bounds
        lat = (b.south + b.north) / 2
        middle = (b.west + b.east) / 2
        step = min((b.east - b.west) / 2, 1.0)
        metres = float(_GEOD.inv(middle, lat, middle + step, lat)[2])
        return metres / (step / (b.east - b.west) * self.width)


def unwrapped(lons: Sequence[float]) -> list[float]:
    """Shift longitudes by whole turns so that the widest empty stretch lies outside them.

    Places on both sides of the antimeridian come together; all others stay as they are.
    """
    ordered = sorted(lons)
    gaps = [(b - a, b) for a, b in pairwise(ordered)]
    widest, east_of_gap = max(gaps, default=(0.0, 0.0))
    if not ordered or ordered[0] + 360.0 - ordered[-1] >= widest:
        return list(lons)
    return [lon - 360.0 if lon >= east_of_gap else lon for lon in lons]


def fit(bounds: Bounds, width: float, *, least: float = 0.62, most: float = 1.15) -> Frame:
    """Return a frame that holds `bounds`, with height over width between `least` and `most`.

    The box is widened to the shape, never cut.
    """
    lat0 = (bounds.south + bounds.north) / 2
    squeeze = max(math.cos(math.radians(lat0)), 0.05)
    wide = max((bounds.east - bounds.west) * squeeze, _MIN_SPAN_DEG)
    tall = max(bounds.north - bounds.south, _MIN_SPAN_DEG)
    wide = max(wide, tall / most)
    tall = min(max(tall, wide * least), 180.0)
    middle = (bounds.west + bounds.east) / 2
    south = min(max(lat0 - tall / 2, -90.0), 90.0 - tall)
    half = wide / squeeze / 2
    grown = Bounds(middle - half, south, middle + half, south + tall)
    return Frame(grown, width, width * tall / wide)


def graticule_step(span_deg: float, lines: int = 5) -> float:
    """Return the step that puts nearest to `lines` lines across a span of degrees."""
    return min(_STEPS_DEG, key=lambda step: abs(span_deg / step - lines))


def graticule(low: float, high: float, step: float) -> list[float]:
    """Return the multiples of `step` inside (low, high)."""
    first = math.floor(low / step) + 1
    return [round(i * step, 6) for i in range(first, math.ceil(high / step))]


def scale_length_m(metres: float) -> float:
    """Return the greatest 1, 2 or 5 times a power of ten that is at most `metres`."""
    power: float = 10.0 ** math.floor(math.log10(metres))
    return next(k * power for k in (5.0, 2.0, 1.0) if k * power <= metres * (1 + 1e-9))
