"""Draws sites, judges their candidates, and goes on until the quotas are met."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from geosr_lake.arrays import Ints
from geosr_lake.lake import Progress
from geosr_lake.manifest.assign import Assigned, Ground, Offer, assign, wanted
from geosr_lake.manifest.describe import SITES, described
from geosr_lake.manifest.draw import WIDER, Holders, draw, site_keys
from geosr_lake.manifest.inputs import Pairs
from geosr_lake.manifest.judge import (
    NOT_BEST,
    OVER_QUOTA,
    STANDS,
    Candidates,
    Sites,
    candidates,
)
from geosr_lake.manifest.layer import LandCover
from geosr_lake.manifest.places import Places
from geosr_lake.manifest.quotas import QuotaCell, Room, cells_of
from geosr_lake.manifest.sites import Cells
from geosr_lake.manifest.spreads import Spreads
from geosr_lake.recipe import SelectRule
from geosr_lake.sensors.tasks import Task

KEPT, RESERVE = -2, -3
"""Verdicts of the chosen candidates, beside the numbers of the rules."""
GRID = "grid"
"""What the draw from the task's grid is called, which all subsets without chips share."""
_LEAST, _MOST = 1_000, 50_000
"""Sites that are looked at between two looks at the quotas."""
_FIRST_RATE = 0.25
"""Of so many sites one is expected to become a sample, before anything is known."""


@dataclass(frozen=True)
class Draws:
    """One draw: how many sites each tile pair holds, and how many of them were drawn.

    Attributes:
        name: `GRID`, or the subset whose chips they are.
        n_sites: Shape (t,).
        n_drawn: Shape (t,).
    """

    name: str
    n_sites: Ints
    n_drawn: Ints


@dataclass(frozen=True)
class Choice:
    """What was drawn, and what became of it.

    Attributes:
        sites: The drawn sites, rows of `describe.SITES`, in the order in which they were drawn.
        subset: Number of the subset that each site was drawn for.
        site: Number of each candidate's site.
        pair: Number of its pair.
        verdict: Number of the rule that drops it (`RULE_NAMES`), or `KEPT` or `RESERVE`.
        draws: From the grid, and from each list of chips.
        per_tile_pair: Sites of the grid that a tile pair could draw in the end.
        cells: The cells of the quotas.
        found: Samples and reserves that each cell got.
    """

    sites: pa.Table
    subset: Ints
    site: Ints
    pair: Ints
    verdict: Ints
    draws: tuple[Draws, ...]
    per_tile_pair: int
    cells: tuple[QuotaCell, ...]
    found: tuple[int, ...]


@dataclass(frozen=True)
class _Wave:
    """Some drawn sites, the subset of each, the tile pairs that hold them, their candidates."""

    sites: pa.Table
    subset: Ints
    tile_pair: Ints
    site: Ints
    pair: Ints
    verdict: Ints


def choose(
    pairs: Pairs, task: Task, rule: SelectRule, layer: LandCover, places: Places, progress: Progress
) -> Choice:
    """Draw sites in the order of their keys and judge their pairs, until the quotas are met.

    A site is drawn only while some subset that may have it lacks its stratum; what land cover
    leaves unknown is drawn too, to be told as such. Chips come first. When no site of the grid is
    left and quotas are not met, tile pairs may draw more of theirs, four times as many each time.

    Args:
        pairs: The rule's pairs.
        task: Gives the site grid.
        rule: Limits, quotas, splits and the seed.
        layer: The land-cover raster.
        places: Where the sites of each subset may lie.
        progress: Told how far it is.
    """
    return Search(pairs, task, rule, layer, places, progress).run()


def heeds_ground(rule: SelectRule, places: Places) -> bool:
    """Tell whether a site may stand in the way of another one."""
    # Cells of one grid never overlap: only frames of chips do.
    return bool(places.chips) and rule.shared_ground == "drop"


class Search:
    """What is found so far, and what is lacking; arguments as of `choose`, and the quotas.

    Attributes:
        room: What is left of the quotas.
        looked_at: How many sites were looked at.
        holders: Finds the tile pairs of sites.
        full_at: How many were when a cell of the quotas was found to be full, by its number.
    """

    def __init__(
        self,
        pairs: Pairs,
        task: Task,
        rule: SelectRule,
        layer: LandCover,
        places: Places,
        progress: Progress,
        quotas: tuple[QuotaCell, ...] | None = None,
    ) -> None:
        self._pairs, self._task, self._rule = pairs, task, rule
        self._layer, self._places, self._progress = layer, places, progress
        self.room = Room(cells_of(rule) if quotas is None else quotas)
        self.looked_at = 0
        self.full_at: dict[int, int] = {}
        self._ground = Ground(task.site_size_m) if heeds_ground(rule, places) else None
        self.holders = Holders(pairs.tiles)
        self._spreads = Spreads(pairs, places, self.holders)
        self._waves: list[_Wave] = []
        self._draws: list[Draws] = []
        self._drawn = 0

    def run(self) -> Choice:
        """Look at chips, then at the grid, until the quotas are met or no site is left."""
        self._progress.start("Looking at sites", total=None)
        for number, chips in self._places.chips.items():
            self.from_chips(number, chips)
        most = self._from_grid()
        return self._settled(most)

    def open_of(self, subsets: list[int]) -> list[int]:
        """Return those of some subsets that lack anything."""
        return [n for n in subsets if self.room.is_open(self._places.subsets[n].name)]

    def from_chips(self, number: int, chips: Cells) -> None:
        """Draw from chips of a subset."""
        chips = chips.take(np.argsort(site_keys(self._rule.seed, chips), kind="stable"))
        chips = chips.take(self._places.inside(chips, number))
        before = len(self._waves)
        self.look_through(chips, [number])
        _, tile_pair = self.holders.of(chips)
        name = self._places.subsets[number].name
        self._count(name, np.bincount(tile_pair, minlength=len(self._pairs.tiles)), before)

    def _from_grid(self) -> int:
        """Draw from the grid; return how many sites a tile pair could draw in the end."""
        tiles, most = self._pairs.tiles, self._rule.sites_per_tile_pair
        if not self._places.on_grid:
            return most
        before, looked_at, seen = len(self._waves), 0, np.empty(0, np.uint64)
        n_sites: Ints | None = None
        near: NDArray[np.bool_] | None = None
        while True:
            lacking = self.open_of(self._places.on_grid)
            drawn = draw(self._task, tiles, self._rule.seed, most, near)
            n_sites = drawn.n_sites if n_sites is None else n_sites
            fresh = np.flatnonzero(~np.isin(drawn.keys, seen))
            seen = np.union1d(seen, drawn.keys)
            looked_at += self.look_through(drawn.cells.take(fresh), lacking, looked_at)
            near = self._spreads.boxes_worth(self.open_of(lacking), self.room)
            if most >= int(n_sites.max(initial=0)) or not near.any():
                self._count(GRID, n_sites, before)
                return most
            most *= WIDER

    def look_through(self, cells: Cells, subsets: list[int], before: int = 0) -> int:
        """Look at cells in their order until no subset lacks anything; return at how many.

        Args:
            cells: The cells.
            subsets: The subsets that they are for.
            before: How many were looked at for them before.
        """
        looked_at = 0
        for some in self._portions(cells, subsets, before):
            lacking = self.open_of(subsets)
            if not lacking:
                break
            looked_at += len(some)
            self._look(some, lacking)
        return looked_at

    def _count(self, name: str, n_sites: Ints, since: int) -> None:
        drawn = [wave.tile_pair for wave in self._waves[since:]]
        n_drawn = np.bincount(
            np.concatenate([np.empty(0, np.int64), *drawn]), minlength=len(n_sites)
        )
        self._draws.append(Draws(name, n_sites, n_drawn))

    def _portions(self, cells: Cells, subsets: list[int], before: int) -> Iterator[Cells]:
        """Yield cells in order, as many at a time as will bring what is lacking, if all goes on so.

        Args:
            cells: The cells.
            subsets: The subsets that they are for.
            before: How many were looked at for them before.
        """
        names = {self._places.subsets[number].name for number in subsets}
        room, start = self.room, 0
        while start < len(cells):
            looked_at = before + start
            most = 0.0
            for number, cell in enumerate(room.cells):
                if cell.subset in names and room.left(number):
                    found = room.found[number]
                    rate = found / looked_at if looked_at and found else _FIRST_RATE
                    most = max(most, room.left(number) / rate)
            size = int(np.clip(1.2 * most, *self.at_once()))
            yield cells.take(np.arange(start, min(start + size, len(cells))))
            start += size

    def _look(self, cells: Cells, subsets: list[int]) -> None:
        """Judge the candidates of those cells that some subset lacks, and give them to it."""
        self.looked_at += len(cells)
        inside = {number: self._places.inside(cells, number) for number in subsets}
        bands = {number: self._spreads.of_sites(cells, number) for number in subsets}
        for number, parts in bands.items():
            name = self._places.subsets[number].name
            may = {some: self.room.may_take(name, None, some) for some in set(parts)}
            inside[number] &= np.array([may[some] for some in parts], dtype=bool)
        which = np.flatnonzero(np.any([*inside.values()], axis=0))
        which = which[self.promising(cells.take(which))]
        rows = described(cells.take(which), self._task, self._layer, self._rule)
        strata = np.array([*rows["stratum"].to_pylist(), None], dtype=object)[:-1]
        none = np.zeros(len(cells), dtype=np.int64)
        inside = {number: mask[which] for number, mask in inside.items()}
        parts_of = {number: [parts[i] for i in which.tolist()] for number, parts in bands.items()}
        offer = Offer(cells.take(which), strata, inside, parts_of, none[which], none[which])
        asked = np.flatnonzero(wanted(self._places.subsets, self.room, offer))
        offer, rows = _taken(offer, asked), rows.take(pa.array(asked))
        sites = Sites(
            np.array(rows["site_id"].to_pylist(), dtype=object),
            offer.cells,
            rows["zone_edge"].to_numpy(),
            rows["split_edge"].to_numpy(),
            offer.strata,
        )
        site, tile_pair = self.holders.of(offer.cells)
        found = candidates(sites, site, tile_pair, self._pairs, self._task, self._rule)
        offer = self._with_candidates(offer, found)
        most = self._rule.pairs_per_site
        given = assign(self._places.subsets, self.room, self._ground, offer, most)
        self._waves.append(_wave(rows, site, tile_pair, found, given, most))
        self._drawn += self._waves[-1].sites.num_rows
        for number in range(len(self.room.cells)):
            if not self.room.left(number):
                self.full_at.setdefault(number, self.looked_at)
        self._tell()

    def at_once(self) -> tuple[int, int]:
        """Return how many sites are looked at between two looks at the quotas, least and most."""
        return _LEAST, _MOST

    def promising(self, cells: Cells) -> NDArray[np.bool_]:
        """Tell which cells are described at all: each, for a choice says of each what it lacks."""
        return np.ones(len(cells), dtype=bool)

    def _with_candidates(self, offer: Offer, found: Candidates) -> Offer:
        n = len(offer.cells)
        standing = np.bincount(found.site[found.place >= 0], minlength=n)
        best = np.flatnonzero(found.place == 0)
        month = np.zeros(n, dtype=np.int64)
        month[found.site[best]] = self._pairs.hr_scenes.month[self._pairs.hr[found.pair[best]]]
        return Offer(offer.cells, offer.strata, offer.inside, offer.bands, standing, month)

    def _tell(self) -> None:
        got: dict[str, list[int]] = {}
        for cell, found in zip(self.room.cells, self.room.found, strict=True):
            of_subset = got.setdefault(cell.subset, [0, 0])
            of_subset[0] += found
            of_subset[1] += cell.asked + cell.reserves
        told = ", ".join(f"{name} {n:,} of {all_:,}" for name, (n, all_) in got.items())
        self._progress.note(f"{self.looked_at:,} looked at, {self._drawn:,} drawn: {told}")

    def _settled(self, most: int) -> Choice:
        """Return the choice among all that was drawn."""
        waves, none = self._waves, np.empty(0, np.int64)
        starts = np.cumsum([0, *(wave.sites.num_rows for wave in waves)])
        site = [wave.site + start for wave, start in zip(waves, starts, strict=False)]
        return Choice(
            pa.concat_tables([SITES.empty_table(), *(wave.sites for wave in waves)]),
            np.concatenate([none, *(wave.subset for wave in waves)]),
            np.concatenate([none, *site]),
            np.concatenate([none, *(wave.pair for wave in waves)]),
            np.concatenate([none, *(wave.verdict for wave in waves)]),
            tuple(self._draws),
            most,
            self.room.cells,
            tuple(self.room.found),
        )


def _taken(offer: Offer, which: Ints) -> Offer:
    """Return some of the sites of an offer."""
    return Offer(
        offer.cells.take(which),
        offer.strata[which],
        {number: mask[which] for number, mask in offer.inside.items()},
        {number: [bands[i] for i in which.tolist()] for number, bands in offer.bands.items()},
        offer.n_standing[which],
        offer.month[which],
    )


def _wave(
    rows: pa.Table, site: Ints, tile_pair: Ints, found: Candidates, given: Assigned, most: int
) -> _Wave:
    """Return what was drawn of some sites, with the verdicts of its candidates."""
    verdict = found.verdict.astype(np.int64)
    standing = np.flatnonzero(found.place >= 0)
    of, place = found.site[standing], found.place[standing]
    settled = np.where(given.instead[of] != STANDS, given.instead[of], OVER_QUOTA)
    settled[(settled == OVER_QUOTA) & (place >= most)] = NOT_BEST
    settled[place < given.kept[of] + given.reserves[of]] = RESERVE
    settled[place < given.kept[of]] = KEPT
    verdict[standing] = settled
    drawn = given.subset >= 0
    number = np.cumsum(drawn) - 1
    ours, held = drawn[found.site], drawn[site]
    return _Wave(
        rows.filter(pa.array(drawn)),
        given.subset[drawn],
        tile_pair[held],
        number[found.site[ours]],
        found.pair[ours],
        verdict[ours],
    )
