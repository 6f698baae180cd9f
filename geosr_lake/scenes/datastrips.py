"""Sentinel-2 items without a datastrip id: which scene they belong to, or that they stand alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import shapely

MIN_IOU = 0.9
"""Least intersection over union of two footprints of one scene."""
MAX_APART = timedelta(minutes=50)
"""Half an orbit of Sentinel-2 (100.6 minutes): further apart are two passes, which follow each
other over the same ground near the poles."""


@dataclass(frozen=True, slots=True)
class Strip:
    """A scene that is known by its datastrip: its footprint is that of its best item."""

    identity: str
    footprint: shapely.Geometry

    @property
    def start(self) -> datetime:
        """Start of the datastrip, which ends the identity."""
        return datetime.strptime(f"{self.identity.rpartition('|')[2]}+0000", "%Y%m%dT%H%M%S%z")


@dataclass(frozen=True, slots=True)
class Loner:
    """An item without a datastrip id."""

    footprint: shapely.Geometry
    t_start: datetime
    t_end: datetime


def iou(one: shapely.Geometry, other: shapely.Geometry) -> float:
    """Return the intersection over union of two footprints, planar in longitude and latitude."""
    common = float(shapely.area(shapely.intersection(one, other)))
    whole = float(shapely.area(one)) + float(shapely.area(other)) - common
    return common / whole if whole > 0 else 0.0


def joined(loner: Loner, strips: Sequence[Strip]) -> str | None:
    """Return the identity of the scene that an item belongs to; None where it stands alone.

    Of the scenes of the same pass (platform, tile and day are the group's) the one with the
    greatest IoU of at least `MIN_IOU`; the earlier start where two are equally good.

    Args:
        loner: The item.
        strips: The scenes of its group, in any order.
    """
    best: tuple[float, datetime, str] | None = None
    for strip in strips:
        start = strip.start
        apart = max(loner.t_start - start, start - loner.t_end)
        if apart > MAX_APART:
            continue
        score = round(iou(loner.footprint, strip.footprint), 9)
        candidate = (-score, start, strip.identity)
        if score >= MIN_IOU and (best is None or candidate < best):
            best = candidate
    return best[2] if best else None
