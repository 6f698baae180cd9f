"""Why a part of a quota was not filled: what became of the sites that could have served it."""

from collections import Counter
from functools import cache

import numpy as np

from geosr_lake import verdicts
from geosr_lake.arrays import Bools
from geosr_lake.manifest.choose import KEPT, RESERVE, Choice
from geosr_lake.manifest.inputs import Pairs
from geosr_lake.manifest.places import Places
from geosr_lake.manifest.quotas import NATURAL, QuotaCell
from geosr_lake.manifest.sites import Cells
from geosr_lake.recipe.subsets import month_name

_TAKEN, _OTHER_MONTH = "taken", "other month"


class Reasons:
    """Says why cells of quotas lack samples; they do only where no site was left to be drawn.

    A site whose candidates were all dropped was drawn for one subset, and could have served any
    that may have it: what dropped it counts for all of these.

    Args:
        choice: What was drawn, and what became of it.
        places: Where the sites of each subset may lie.
        pairs: What it was chosen from.
    """

    def __init__(self, choice: Choice, places: Places, pairs: Pairs) -> None:
        self._choice, self._places, self._pairs = choice, places, pairs
        self._number = {subset.name: number for number, subset in enumerate(places.subsets)}
        columns = (choice.sites[name].to_numpy() for name in ("epsg", "x_m", "y_m", "lon", "lat"))
        epsg, x_m, y_m, lon, lat = columns
        self._cells = Cells(epsg.astype(np.int64), x_m, y_m, lon, lat)
        self._strata = np.array([*choice.sites["stratum"].to_pylist(), None], dtype=object)[:-1]
        self._inside = cache(lambda number: places.inside(self._cells, number))
        self._bands = cache(
            lambda number: np.array([*places.bands(self._cells, number), None], dtype=object)[:-1]
        )

    def of(self, cell: QuotaCell) -> str:
        """Return the reason of one cell, a clause."""
        number = self._number[cell.subset]
        subset, choice = self._places.subsets[number], self._choice
        if subset.sites == "chips" and number not in self._places.chips:
            return "its chips were not given"
        serves = self._inside(number)
        if cell.stratum != NATURAL:
            serves = serves & np.array(
                [name in (cell.stratum, None) for name in self._strata], dtype=bool
            )
        by_month = subset.spread is not None and bool(subset.spread.months)
        if subset.spread is not None and not by_month:
            serves = serves & (self._bands(number) == cell.band)
        mine = serves[choice.site]
        if by_month:
            months = self._pairs.hr_scenes.month[self._pairs.hr]
            wanted = [m for m in range(1, 13) if month_name(m) == cell.band]
            if not np.isin(months, wanted).any():
                return "no HR scene of this month is in a pair"
            mine &= np.isin(months[choice.pair], wanted)
        dropped = self._dropped(number, mine, by_month=by_month)
        if not dropped:
            return "no other site is shown whole by a pair"
        name, n = min(dropped.items(), key=lambda item: (-item[1], item[0]))
        whole = f"{n:,} of {dropped.total():,}"
        if name == _OTHER_MONTH:
            return f"no site is left; the best pair of most is of another month, {whole}"
        if name == _TAKEN:
            return f"no site is left; other subsets took most candidates, {whole}"
        return f"no site is left; {name} dropped most candidates, {whole}"

    def _dropped(self, number: int, mine: Bools, *, by_month: bool) -> Counter[str]:
        """Count what became of candidates that a subset could have used, by rule.

        Args:
            number: The subset.
            mine: Which candidates these are.
            by_month: Whether its quotas are by month: then what stood and was not the best is lost
                to another month, for a site goes by the month of its best pair.
        """
        choice = self._choice
        codes, counts = np.unique(choice.verdict[mine], return_counts=True)
        dropped: Counter[str] = Counter()
        for code, n in zip(codes.tolist(), counts.tolist(), strict=True):
            if code in (KEPT, RESERVE):
                ours = choice.subset[choice.site[mine]] == number
                dropped[_TAKEN] += int((choice.verdict[mine] == code)[~ours].sum())
                continue
            name = verdicts.RULE_NAMES[code]
            if by_month and name in ("not_best", "over_quota"):
                dropped[_OTHER_MONTH] += n
            elif name != "not_best":
                dropped[name] += n
        return dropped + Counter()  # without those of none
