"""Which subset gets which site: one site after the other, in the order in which they were drawn.

A site goes to the first subset, in the recipe's order, that may have it and lacks it. It does not
depend on how many sites are looked at at once.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geosr_lake.arrays import Bools, Ints
from geosr_lake.manifest.judge import OVER_QUOTA, SHARED_GROUND, STANDS
from geosr_lake.manifest.quotas import Room
from geosr_lake.manifest.sites import Cells
from geosr_lake.recipe import Subset
from geosr_lake.recipe.subsets import month_name
from geosr_lake.sensors.grid import northing_origin_m

Bands = tuple[str | None, ...]


class Ground:
    """Squares that are taken, of one size, at any corner of their zones.

    A zone is the same north and south of the equator: northings are counted from there.

    Args:
        size_m: Their edge.
    """

    def __init__(self, size_m: float) -> None:
        self._size = size_m
        self._taken: dict[tuple[int, int, int], list[tuple[int, int]]] = defaultdict(list)

    def _near(self, epsg: int, x_m: int, y_m: int) -> tuple[int, int, int]:
        return epsg % 100, int(x_m // self._size), int(y_m // self._size)

    def meets(self, epsg: int, x_m: int, y_m: int) -> bool:
        """Tell whether a square shares ground with one that is taken; to touch is not to share."""
        y_m -= int(northing_origin_m(epsg))
        zone, column, row = self._near(epsg, x_m, y_m)
        return any(
            abs(x - x_m) < self._size and abs(y - y_m) < self._size
            for i in (column - 1, column, column + 1)
            for j in (row - 1, row, row + 1)
            for x, y in self._taken.get((zone, i, j), ())
        )

    def take(self, epsg: int, x_m: int, y_m: int) -> None:
        """Take a square."""
        y_m -= int(northing_origin_m(epsg))
        self._taken[self._near(epsg, x_m, y_m)].append((x_m, y_m))


@dataclass(frozen=True)
class Offer:
    """Sites in their order, as columns of one length n, with what decides who gets them.

    Attributes:
        cells: Where they are.
        strata: ``urban``, ``non_urban``, or None.
        inside: Whether they may serve a subset, by its number.
        bands: The parts of its spread that they may serve, by its number: one or none where the
            site decides that, those of its pairs' months else; None alone where it has no spread.
        n_standing: How many of a site's candidates stand.
        month: Month of the HR scene of its best candidate; 0 if none stands.
    """

    cells: Cells
    strata: NDArray[np.object_]
    inside: dict[int, Bools]
    bands: Mapping[int, Sequence[Bands]]
    n_standing: Ints
    month: Ints


@dataclass(frozen=True)
class Assigned:
    """What became of the sites, as columns of one length n.

    Attributes:
        subset: Number of the subset that each was drawn for; -1: none lacked it.
        kept: How many of its candidates become samples, the best first.
        reserves: How many of the next ones become reserves.
        instead: Number of the rule that drops the candidates that stand, or `STANDS`.
    """

    subset: Ints
    kept: Ints
    reserves: Ints
    instead: Ints


def wanted(subsets: Sequence[Subset], room: Room, offer: Offer) -> Bools:
    """Tell which sites some subset lacks, as far as sites tell that without their pairs."""
    found = np.zeros(len(offer.cells), dtype=bool)
    for i, stratum in enumerate(offer.strata):
        found[i] = any(
            offer.inside[number][i] and room.may_take(subset.name, stratum, offer.bands[number][i])
            for number, subset in enumerate(subsets)
            if number in offer.inside
        )
    return found


def assign(
    subsets: Sequence[Subset], room: Room, ground: Ground | None, offer: Offer, most: int
) -> Assigned:
    """Give sites to subsets and take them from the room that is left.

    Args:
        subsets: The subsets, in their order.
        room: What is left of their quotas.
        ground: Frames that are taken already; None: overlaps do not matter.
        offer: The sites.
        most: Samples of a site at most.
    """
    n = len(offer.cells)
    found = Assigned(
        np.full(n, -1), np.zeros(n, np.int64), np.zeros(n, np.int64), np.full(n, STANDS)
    )
    standing = np.minimum(offer.n_standing, most).tolist()
    for i, corner in enumerate(offer.cells.corners()):
        number, cell = _taker(subsets, room, offer, i)
        if number is None:
            continue
        found.subset[i] = number
        if not standing[i]:
            continue
        if ground is not None and ground.meets(*corner):
            found.instead[i] = SHARED_GROUND
        elif cell is None:
            found.instead[i] = OVER_QUOTA
        else:
            found.kept[i], found.reserves[i] = room.take(cell, standing[i])
            if ground is not None:
                ground.take(*corner)
    return found


def _taker(
    subsets: Sequence[Subset], room: Room, offer: Offer, i: int
) -> tuple[int | None, int | None]:
    """Return the subset that a site is drawn for, and the cell that takes its best candidates."""
    stratum, full = offer.strata[i], None
    for number, inside in offer.inside.items():
        subset, bands = subsets[number], offer.bands[number][i]
        if not inside[i] or not room.may_take(subset.name, stratum, bands):
            continue
        if stratum is None or not offer.n_standing[i]:
            return number, None
        by_month = subset.spread is not None and subset.spread.months
        band = month_name(offer.month[i]) if by_month else bands[0]
        cell = room.cell_for(subset.name, stratum, band)
        if cell is not None:
            return number, cell
        # Its month is full here; another subset may take it.
        full = number if full is None else full
    return full, None
