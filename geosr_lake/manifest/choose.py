"""Draws sites, judges their candidates, and goes on until the quotas are met."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import shapely
from numpy.typing import NDArray

from geosr_lake.lake import Progress
from geosr_lake.manifest.cover import STRATA, LandCover, Stratum
from geosr_lake.manifest.describe import SITES, described
from geosr_lake.manifest.draw import Drawn, draw
from geosr_lake.manifest.inputs import Pairs, TilePairs
from geosr_lake.manifest.judge import (
    NOT_BEST,
    OVER_QUOTA,
    STANDS,
    Candidates,
    Sites,
    candidates,
)
from geosr_lake.manifest.select import room
from geosr_lake.manifest.sites import Cells
from geosr_lake.recipe import SelectRule
from geosr_lake.sensors.tasks import Task

Ints = NDArray[np.int64]

KEPT, RESERVE = -2, -3
"""Verdicts of the chosen candidates, beside the numbers of the rules."""
_WIDER = 4
"""By how much a draw that fell short is widened."""
_LEAST, _MOST = 1_000, 50_000
"""Sites that are looked at between two looks at the quotas."""
_FIRST_RATE = 0.25
"""Of so many sites one is expected to become a sample, before anything is known."""


@dataclass(frozen=True)
class Choice:
    """What was drawn, and what became of it.

    Attributes:
        sites: The drawn sites, rows of `describe.SITES`, in the order in which they were drawn.
        site: Number of each candidate's site.
        pair: Number of its pair.
        verdict: Number of the rule that drops it (`RULE_NAMES`), or `KEPT` or `RESERVE`.
        n_sites: Sites of each tile pair.
        n_drawn: How many of them were drawn.
        per_tile_pair: Sites that a tile pair could draw in the end.
    """

    sites: pa.Table
    site: Ints
    pair: Ints
    verdict: Ints
    n_sites: Ints
    n_drawn: Ints
    per_tile_pair: int


@dataclass(frozen=True)
class _Wave:
    """Some drawn sites, the tile pairs that hold them, and their candidates."""

    sites: pa.Table
    tile_pair: Ints
    found: Candidates


def choose(
    pairs: Pairs, task: Task, rule: SelectRule, layer: LandCover, progress: Progress
) -> Choice:
    """Draw sites in the order of their keys and judge their pairs, until the quotas are met.

    A site is drawn only while its stratum lacks samples or reserves; what land cover leaves
    unknown is drawn too, to be told as such. When no site is left and quotas are not met, tile
    pairs may draw more of theirs, four times as many each time.

    Args:
        pairs: The rule's pairs.
        task: Gives the site grid.
        rule: Limits, quotas, splits and the seed.
        layer: The land-cover raster.
        progress: Told how far it is.
    """
    asked = {
        name: n + reserves for name, (n, reserves) in room(rule.quotas, rule.reserve_frac).items()
    }
    waves: list[_Wave] = []
    passing: Counter[str] = Counter()
    most, looked_at, seen = rule.sites_per_tile_pair, 0, np.empty(0, np.uint64)
    holds = _Holders(pairs.tiles)
    while True:
        drawn = draw(task, pairs.tiles, rule.seed, most)
        fresh = np.flatnonzero(~np.isin(drawn.keys, seen))
        seen = drawn.keys
        progress.start("Looking at sites", total=None)
        for cells in _portions(drawn.cells.take(fresh), asked, passing, looked_at):
            lacking = {name for name in STRATA if passing[name] < asked[name]}
            if not lacking:
                break
            looked_at += len(cells)
            wave = _look(cells, lacking, holds, pairs, task, rule, layer)
            waves.append(wave)
            best = wave.found.site[wave.found.best]
            passing.update(wave.sites["stratum"].take(pa.array(best)).to_pylist())
            progress.note(
                f"{looked_at:,} looked at, {sum(w.sites.num_rows for w in waves):,} drawn, "
                + ", ".join(f"{min(passing[n], asked[n]):,} of {asked[n]:,} {n}" for n in STRATA)
            )
        met = all(passing[name] >= asked[name] for name in STRATA)
        if met or most >= int(drawn.n_sites.max(initial=0)):
            return _settled(waves, drawn, rule, most)
        most *= _WIDER


def _portions(
    cells: Cells, asked: dict[str, int], passing: Counter[str], before: int
) -> Iterator[Cells]:
    """Yield cells in order, as many at a time as will bring what is lacking, if all goes on so."""
    start = 0
    while start < len(cells):
        looked_at = before + start
        wanted = 0.0
        for name, n in asked.items():
            rate = passing[name] / looked_at if looked_at and passing[name] else _FIRST_RATE
            wanted = max(wanted, (n - passing[name]) / rate)
        size = int(np.clip(1.2 * wanted, _LEAST, _MOST))
        yield cells.take(np.arange(start, min(start + size, len(cells))))
        start += size


class _Holders:
    """Finds the tile pairs that hold sites."""

    def __init__(self, tiles: TilePairs) -> None:
        boxes: Any = shapely.box(*tiles.boxes.T)
        self._tree = shapely.STRtree(boxes)
        self._of_box = tiles.of_box

    def of(self, cells: Cells) -> tuple[Ints, Ints]:
        """Return number of a cell and of a tile pair, for all that hold its centre, each once."""
        points = shapely.points(cells.lon, cells.lat)
        cell, box = self._tree.query(points, predicate="intersects")
        both = np.unique(np.stack([cell, self._of_box[box]], axis=1), axis=0)
        return both[:, 0], both[:, 1]


def _look(
    cells: Cells,
    lacking: set[Stratum],
    holders: _Holders,
    pairs: Pairs,
    task: Task,
    rule: SelectRule,
    layer: LandCover,
) -> _Wave:
    rows = described(cells, task, layer, rule)
    strata = np.array(rows["stratum"].to_pylist(), dtype=object)
    wanted = np.flatnonzero([name is None or name in lacking for name in strata])
    rows, cells = rows.take(pa.array(wanted)), cells.take(wanted)
    sites = Sites(
        np.array(rows["site_id"].to_pylist(), dtype=object),
        cells,
        rows["zone_edge"].to_numpy(),
        rows["split_edge"].to_numpy(),
        strata[wanted],
    )
    site, tile_pair = holders.of(cells)
    return _Wave(rows, tile_pair, candidates(sites, site, tile_pair, pairs, task, rule))


def _settled(waves: list[_Wave], drawn: Drawn, rule: SelectRule, most: int) -> Choice:
    """Return the choice among all that was drawn: the first sites of each stratum."""
    sites = pa.concat_tables([SITES.empty_table(), *(wave.sites for wave in waves)])
    starts = np.cumsum([0, *(wave.sites.num_rows for wave in waves)])
    none = np.empty(0, np.int64)
    site = np.concatenate([none, *(w.found.site + s for w, s in zip(waves, starts, strict=False))])
    pair = np.concatenate([none, *(wave.found.pair for wave in waves)])
    verdict = np.concatenate([none, *(wave.found.verdict.astype(np.int64) for wave in waves)])
    best = np.concatenate([none.astype(bool), *(wave.found.best for wave in waves)])
    verdict[(verdict == STANDS) & ~best] = NOT_BEST
    strata = np.array(sites["stratum"].to_pylist(), dtype=object)
    for name, (n, reserves) in room(rule.quotas, rule.reserve_frac).items():
        mine = np.flatnonzero(best & np.equal(strata[site], name))
        mine = mine[np.argsort(site[mine], kind="stable")]
        verdict[mine] = OVER_QUOTA
        verdict[mine[: n + reserves]] = RESERVE
        verdict[mine[:n]] = KEPT
    tile_pair = np.concatenate([none, *(wave.tile_pair for wave in waves)])
    n_drawn = np.bincount(tile_pair, minlength=len(drawn.n_sites))
    return Choice(sites, site, pair, verdict, drawn.n_sites, n_drawn, most)
