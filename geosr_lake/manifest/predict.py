"""How many samples a build would find, from a share of the sites: nothing is written.

One in so many sites of the grid, evenly spread, are a sample of all. Of a share of the sites the
same share of every quota is asked for, and they are judged as a build does it. A quota that this
fills is filled by all sites too; else what was found tells how many there are.

A frame that overlaps a chosen one is dropped, and of fewer chips fewer overlap: where that matters
all chips are looked at, and what is said of them is exact.
"""

import math
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from geosr_lake.arrays import Bools
from geosr_lake.lake import Lake, Progress
from geosr_lake.lake.progress import Silent
from geosr_lake.manifest.choose import Search, heeds_ground
from geosr_lake.manifest.draw import sampled, site_keys
from geosr_lake.manifest.inputs import Pairs, Scenes, read
from geosr_lake.manifest.judge import Sites, candidates
from geosr_lake.manifest.layer import LandCover, Where, open_layer
from geosr_lake.manifest.places import NO_FILES, Files, Places
from geosr_lake.manifest.predicates import scenes_kept
from geosr_lake.manifest.quotas import QuotaCell, cells_of
from geosr_lake.manifest.sites import Cells, crosses_zone_edge
from geosr_lake.recipe import GapRule, OverlapRule, Recipe, SelectRule
from geosr_lake.sensors.tasks import TASKS, Task

LARGE = 500
"""Samples from which on a prediction is made as sure as `SURE` says."""
SURE = 0.1
"""Two standard errors at most, as a share of what is predicted."""
_FIRST_FRAC = 1 / 16
_FIRST_FOUND = 1_000
"""So many samples and reserves of a large cell are enough at first: two standard errors of 6 %."""
_AT_ONCE = 100, 5_000
"""Fewer sites at once than a build, for fewer are needed: a tenth, to see when cells are full."""


@dataclass(frozen=True, slots=True)
class PredictedCell:
    """What one cell of the quotas asks for and would get.

    Attributes:
        subset: Name of the subset.
        stratum: ``urban``, ``non_urban`` or ``natural``.
        band: Part of the subset's spread; None where it has none.
        asked: Samples that are asked for.
        samples: Samples that a build would find.
        plus_minus: Two standard errors of that, those of sites drawn at random; 0 where it is
            exact, or met without doubt.
        met: Whether the quota will be filled, give or take two standard errors.
    """

    subset: str
    stratum: str
    band: str | None
    asked: int
    samples: int
    plus_minus: int
    met: bool


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a build would find.

    Attributes:
        cells: The cells of the quotas.
        frac: Share of the sites of the grid that were looked at for it; 1: the numbers are exact.
        sites_looked_at: Sites that were looked at.
        tile_pairs: Tile pairs that have pairs.
        seconds: What it took.
    """

    cells: tuple[PredictedCell, ...]
    frac: float
    sites_looked_at: int
    tile_pairs: int
    seconds: float


@dataclass(frozen=True)
class _Count:
    """What the sample says of one cell.

    Attributes:
        cell: The cell.
        found: Samples and reserves among the sites that were looked at for it.
        share: These, of all sites; 1: exact.
        at_a_site: Samples of one site at most.
    """

    cell: QuotaCell
    found: int
    share: float
    at_a_site: int = 1

    @property
    def supply(self) -> float:
        """Samples and reserves among all sites, if they were all asked for."""
        return self.found / self.share

    @property
    def two_errors(self) -> float:
        """Two standard errors of `supply`: the sites are drawn without putting back.

        Samples of a site come together: as if there were so many fewer of them.
        """
        n = max(self.found, 1) * self.at_a_site
        return 2 * math.sqrt(n * (1 - self.share)) / self.share

    @property
    def predicted(self) -> PredictedCell:
        asked, low = self.cell.asked, self.supply - self.two_errors
        short = self.supply < asked
        return PredictedCell(
            self.cell.subset,
            self.cell.stratum,
            self.cell.band,
            asked,
            samples=min(asked, round(self.supply)),
            plus_minus=round(self.two_errors if short else max(0.0, asked - max(0.0, low))),
            met=low >= asked,
        )

    @property
    def settled(self) -> bool:
        """Whether more sites need not be looked at."""
        told = self.predicted
        large = told.samples + told.plus_minus >= LARGE
        return not large or told.plus_minus <= SURE * told.samples

    @property
    def wanted_frac(self) -> float:
        """The share of sites of which two standard errors would be as small as they should be."""
        supply = max(self.supply - self.two_errors / 2, LARGE)
        return 1 / (1 + supply / self.at_a_site * (SURE / 2) ** 2)


def predict(
    lake: Lake,
    recipe: Recipe,
    land_cover: Where | Sequence[Where],
    *,
    files: Files = NO_FILES,
    progress: Progress | None = None,
    frac: float | None = None,
) -> Prediction:
    """Say how many samples `build` would find, from a share of the sites; nothing is written.

    Args:
        lake: Holds the pairs of `recipe.pairs`.
        recipe: With `task` and `select`.
        land_cover: As `build` takes it.
        files: Chips, extents and regions of the recipe's subsets.
        progress: Told about each step.
        frac: The share, above 0: one in n sites, at least so many; None: as many as it takes to be
            sure.

    Raises:
        RecipeError: If the recipe ends at pairs.
        UsageError: If the raster or one of the files cannot be used.
        IncompleteError: If the lake has no pairs of this rule, or one names a scene that is gone.
    """
    begun, told = time.perf_counter(), progress or Silent()
    task_name, rule = recipe.selection
    task, fixed = TASKS[task_name], frac is not None
    with open_layer(land_cover) as layer:
        places = Places(task, rule, files)
        told.start("Reading pairs and scenes")
        pairs = _read(lake, recipe, rule)
        n = one_in(first_frac(cells_of(rule)) if frac is None else frac)
        while True:
            counts, looked_at = _Sites(pairs, task, rule, layer, places, told).counts(n)
            doubtful = [count for count in counts if not count.settled]
            if fixed or n == 1 or not doubtful:
                break
            n = min(n - 1, one_in(max(count.wanted_frac for count in doubtful)))
    return Prediction(
        tuple(count.predicted for count in counts),
        1 / n,
        looked_at,
        len(pairs.tiles),
        time.perf_counter() - begun,
    )


def first_frac(cells: Sequence[QuotaCell]) -> float:
    """Return the share of the sites that is looked at first: a 16th, less for great quotas."""
    large = [cell.asked + cell.reserves for cell in cells if cell.asked >= LARGE]
    return min(_FIRST_FRAC, _FIRST_FOUND / min(large)) if large else _FIRST_FRAC


def one_in(frac: float) -> int:
    """Return the n of which one in n sites are at least a share of them."""
    return max(1, int(1 / frac + 1e-9))


def _read(lake: Lake, recipe: Recipe, rule: SelectRule) -> Pairs:
    """Return the pairs whose scenes the rules keep, with what the choice of sites asks of them."""

    def fitting(lr: Scenes, hr: Scenes) -> tuple[Bools, Bools]:
        return scenes_kept(rule.rules, lr, "lr"), scenes_kept(rule.rules, hr, "hr")

    # Which of a site's pairs is the best one matters where its month decides who gets the site.
    by_month = any(subset.spread is not None and subset.spread.months for subset in rule.parts)
    by_pair = any(isinstance(one, GapRule | OverlapRule) for one in rule.rules)
    return read(lake, recipe, fitting=fitting, ranked=by_month or by_pair)


class _Quick(Search):
    """Asks for land cover, which costs most, where a pair stands only: others change no count."""

    n_sites = 0
    """Of so many sites cells may be filled."""

    def at_once(self) -> tuple[int, int]:
        """Return how many sites are looked at between two looks at the quotas, least and most."""
        least, most = _AT_ONCE
        return least, max(least, min(most, self.n_sites // 10))

    def promising(self, cells: Cells) -> Bools:
        """Tell which cells have a pair that the rules do not drop."""
        task, n = self._task, len(cells)
        names = np.full(n, "", dtype=object)
        edge = crosses_zone_edge(cells, task.site_size_m)
        sites = Sites(names, cells, edge, np.zeros(n, dtype=bool), names)
        site, tile_pair = self.holders.of(cells)
        any_order = replace(self._pairs, ranked=False)
        found = candidates(sites, site, tile_pair, any_order, task, self._rule)
        return np.isin(np.arange(n), found.site[found.place >= 0])


@dataclass(frozen=True)
class _Sites:
    """What the sites are judged by."""

    pairs: Pairs
    task: Task
    rule: SelectRule
    layer: LandCover
    places: Places
    progress: Progress

    def counts(self, n: int) -> tuple[list[_Count], int]:
        """Return what one in n sites say of each cell, and how many were looked at."""
        cells, frac = cells_of(self.rule), 1 / n
        chips = {s.name for s in self.places.subsets if s.sites == "chips"}
        whole = chips if heeds_ground(self.rule, self.places) else chips - self._given
        shares = [1.0 if cell.subset in whole else frac for cell in cells]
        search = _Quick(
            *(self.pairs, self.task, self.rule, self.layer, self.places, self.progress),
            tuple(map(_part_of, cells, shares)),
        )
        if n > 1:
            self.progress.start(f"Looking at one in {n:,} sites")
            seen = {**self._from_chips(search, frac), **self._from_grid(search, n)}
            shares = [
                share * seen.get(number, 1.0) if share < 1 else 1.0
                for number, share in enumerate(shares)
            ]
        else:
            search.run()
        found, most = search.room.found, self.rule.pairs_per_site
        counts = [_Count(*told, most) for told in zip(cells, found, shares, strict=True)]
        return counts, search.looked_at

    @property
    def _given(self) -> set[str]:
        return {self.places.subsets[number].name for number in self.places.chips}

    def _from_chips(self, search: _Quick, frac: float) -> dict[int, float]:
        """Look at the chips; return which share of them cells needed that became full."""
        seen: dict[int, float] = {}
        for number, chips in self.places.chips.items():
            some = chips
            if not heeds_ground(self.rule, self.places):
                some = chips.take(site_keys(self.rule.seed, chips) < np.uint64(frac * 2.0**64))
            before, search.n_sites = search.looked_at, len(some)
            search.from_chips(number, some)
            seen |= _needed(search, before, len(some), seen)
        return seen

    def _from_grid(self, search: _Quick, n: int) -> dict[int, float]:
        """Look at one in n sites of the grid; return which part of them full cells needed."""
        tiles, on_grid = self.pairs.tiles, self.places.on_grid
        near = self.places.reached(tiles.boxes, on_grid)
        # Where the rules keep no pair, no sample is found.
        near &= (np.diff(self.pairs.first) > 0)[tiles.of_box]
        cells = sampled(
            *(self.task, tiles, self.rule.seed, n, self.rule.sites_per_tile_pair), near=near
        )
        search.n_sites = len(cells)
        before, known = search.looked_at, search.full_at.copy()
        search.look_through(cells, on_grid)
        return _needed(search, before, len(cells), known)


def _needed(search: Search, before: int, n_sites: int, known: Collection[int]) -> dict[int, float]:
    """Return the share of some sites that cells needed to be full, those that were not before."""
    return {
        number: (at - before) / n_sites
        for number, at in search.full_at.items()
        if number not in known
    }


def _part_of(cell: QuotaCell, share: float) -> QuotaCell:
    """Return a cell that asks for a share of the samples and reserves."""
    if share >= 1:
        return cell
    return replace(cell, asked=math.ceil((cell.asked + cell.reserves) * share), reserves=0)
