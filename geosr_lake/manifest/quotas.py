"""The cells of a manifest's quotas, and what is left of each while sites are chosen."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from geosr_lake.recipe import SelectRule, scaled

NATURAL = "natural"
"""In place of a stratum: sites of either, as they come."""
STRATA = ("urban", "non_urban", NATURAL)


@dataclass(frozen=True, slots=True)
class QuotaCell:
    """One part of a subset's quota.

    Attributes:
        subset: Name of the subset.
        stratum: ``urban``, ``non_urban`` or ``natural``.
        band: Part of the subset's spread; None where it has none.
        asked: Samples that are asked for.
        reserves: Reserves that are asked for.
    """

    subset: str
    stratum: str
    band: str | None
    asked: int
    reserves: int


def reserves_of(asked: int, frac: float) -> int:
    """Return how many reserves stand behind so many samples."""
    # Ten times 0.1 is a little more than one in binary: no reserve for a rounding.
    return math.ceil(asked * frac - 1e-9)


def even_shares(total: int, parts: int) -> list[int]:
    """Return a number in parts that differ by one at most; the first ones are greater."""
    least, more = divmod(total, parts)
    return [least + (i < more) for i in range(parts)]


def cells_of(rule: SelectRule) -> tuple[QuotaCell, ...]:
    """Return the cells of every subset, those that ask for samples."""
    found = []
    for subset in rule.parts:
        bands: Sequence[str | None] = subset.spread.bands if subset.spread else (None,)
        for stratum in STRATA:
            total = scaled(getattr(subset.quotas, stratum), rule.scale)
            for band, asked in zip(bands, even_shares(total, len(bands)), strict=True):
                if asked:
                    reserves = reserves_of(asked, rule.reserve_frac)
                    found.append(QuotaCell(subset.name, stratum, band, asked, reserves))
    return tuple(found)


class Room:
    """What is left of the cells; samples are taken first, then reserves.

    Args:
        cells: The cells.
    """

    def __init__(self, cells: tuple[QuotaCell, ...]) -> None:
        self.cells = cells
        self.found = [0] * len(self.cells)
        self._number = {(c.subset, c.stratum, c.band): i for i, c in enumerate(self.cells)}
        self._left: dict[tuple[str, str], int] = {}
        for cell in self.cells:
            key = cell.subset, cell.stratum
            self._left[key] = self._left.get(key, 0) + cell.asked + cell.reserves

    def left(self, number: int) -> int:
        """Return how many samples and reserves a cell lacks."""
        cell = self.cells[number]
        return cell.asked + cell.reserves - self.found[number]

    def is_open(self, subset: str) -> bool:
        """Tell whether a subset lacks anything."""
        return any(n for (name, _), n in self._left.items() if name == subset)

    def may_take(self, subset: str, stratum: str | None, bands: Iterable[str | None]) -> bool:
        """Tell whether a subset lacks samples of a stratum in some of the parts of its spread.

        Args:
            subset: Name of the subset.
            stratum: None where it is not known, and may be any.
            bands: The parts that are asked about.
        """
        names = STRATA if stratum is None else (stratum, NATURAL)
        if not any(self._left.get((subset, name)) for name in names):
            return False
        return any(
            (number := self._number.get((subset, name, band))) is not None and self.left(number) > 0
            for band in bands
            for name in names
        )

    def cell_for(self, subset: str, stratum: str, band: str | None) -> int | None:
        """Return the cell that takes a site, that of its stratum first; None if all are full."""
        for name in (stratum, NATURAL):
            number = self._number.get((subset, name, band))
            if number is not None and self.left(number):
                return number
        return None

    def take(self, number: int, most: int) -> tuple[int, int]:
        """Take up to so many for a cell; return how many are samples, and how many reserves."""
        cell, before = self.cells[number], self.found[number]
        taken = min(most, self.left(number))
        self.found[number] += taken
        self._left[cell.subset, cell.stratum] -= taken
        kept = min(taken, max(0, cell.asked - before))
        return kept, taken - kept
