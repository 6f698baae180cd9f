"""Candidates and their verdicts, in columns: which pairs show a site whole, and what drops them."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import shapely
from numpy.typing import NDArray

from geosr_lake.arrays import Bools, Ints
from geosr_lake.ids import sample_id
from geosr_lake.manifest.inputs import Pairs, Scenes
from geosr_lake.manifest.predicates import dropped_by
from geosr_lake.manifest.sites import Cells, squares
from geosr_lake.pair_ids import pair_ids
from geosr_lake.recipe import SelectRule
from geosr_lake.sensors.tasks import Task
from geosr_lake.verdicts import RULE_NAMES

STANDS = -1
"""In place of a rule's number: no rule that looks at one candidate alone drops it."""
NOT_BEST = RULE_NAMES.index("not_best")
OVER_QUOTA = RULE_NAMES.index("over_quota")
SHARED_GROUND = RULE_NAMES.index("shared_ground")
_PAIRS_AT_ONCE = 5_000_000
"""Pairs of a site's tile pairs that are held against footprints at once, about."""


@dataclass(frozen=True)
class Sites:
    """Sites with what the verdicts ask of them, as columns of one length n.

    Attributes:
        ids: Their ids, texts.
        cells: Where they are.
        zone_edge: Whether they cross their zone's edge.
        split_edge: Whether another split's block is too near.
        stratum: ``urban``, ``non_urban``, or None where land cover is not known.
    """

    ids: NDArray[np.object_]
    cells: Cells
    zone_edge: Bools
    split_edge: Bools
    stratum: NDArray[np.object_]

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class Candidates:
    """Sites with the pairs that show them whole, as columns of one length c.

    Attributes:
        site: Number of each candidate's site.
        pair: Number of its pair.
        verdict: Number of the rule that drops it (`RULE_NAMES`), or `STANDS`.
        place: Its place among those of its site that stand, from 0, the best (any order where
            pairs are not ranked); else -1.
    """

    site: Ints
    pair: Ints
    verdict: NDArray[np.int8]
    place: Ints


def candidates(
    sites: Sites, site: Ints, tile_pair: Ints, pairs: Pairs, task: Task, rule: SelectRule
) -> Candidates:
    """Return the candidates of sites, judged by the rules that look at one of them alone.

    Args:
        sites: The sites.
        site: Number of a site, shape (m,), for every tile pair that holds it.
        tile_pair: That tile pair, shape (m,).
        pairs: The pairs.
        task: Says which sides have zones.
        rule: The recipe's rules, and the margin.
    """
    frames = squares(sites.cells, task.site_size_m, rule.margin_m)
    shown = [_shown(frames, site[some], tile_pair[some], pairs) for some in _some(tile_pair, pairs)]
    none = np.empty(0, np.int64)
    of_site, pair = (np.concatenate([none, *(found[i] for found in shown)]) for i in (0, 1))
    verdict = first_rules(sites, of_site, pair, pairs, task, rule)
    stands = verdict == STANDS
    if pairs.ranked:
        place = _places(of_site, pair, stands, pairs, rule.pairs_per_site)
    else:
        place = _any_places(of_site, stands)
    return Candidates(of_site, pair, verdict, place)


def _some(tile_pair: Ints, pairs: Pairs) -> list[Ints]:
    """Return positions of tile pairs in portions that have so many pairs together, about."""
    before = np.cumsum(pairs.first[tile_pair + 1] - pairs.first[tile_pair])
    return np.split(
        np.arange(len(tile_pair)), np.flatnonzero(np.diff(before // _PAIRS_AT_ONCE)) + 1
    )


def _shown(
    frames: NDArray[np.object_], site: Ints, tile_pair: Ints, pairs: Pairs
) -> tuple[Ints, Ints]:
    """Return site and pair for all pairs of tile pairs that show the site's frame whole."""
    counts = pairs.first[tile_pair + 1] - pairs.first[tile_pair]
    of_site = np.repeat(site, counts)
    ends = np.cumsum(counts)
    pair = np.arange(ends[-1] if len(ends) else 0) + np.repeat(
        pairs.first[tile_pair] - ends + counts, counts
    )
    for scenes, of_pair in ((pairs.hr_scenes, pairs.hr), (pairs.lr_scenes, pairs.lr)):
        whole = _whole(frames, of_site, scenes, of_pair[pair])
        of_site, pair = of_site[whole], pair[whole]
    return of_site, pair


def _whole(frames: NDArray[np.object_], site: Ints, scenes: Scenes, scene: Ints) -> Bools:
    """Tell where a scene's footprint covers a frame; each two are asked once."""
    keys, at = np.unique(site * len(scenes.ids) + scene, return_inverse=True)
    asked_site, asked_scene = keys // len(scenes.ids), keys % len(scenes.ids)
    covered: Bools = shapely.covers(scenes.footprints(asked_scene), frames[asked_site])[at]
    return covered


def conditions(
    sites: Sites, site: Ints, pair: Ints, pairs: Pairs, task: Task, rule: SelectRule
) -> list[tuple[str, Bools]]:
    """Return which candidates each rule would drop, in the order in which rules are asked."""
    mismatch = np.zeros(len(pair), dtype=bool)
    for scenes, of_pair, sensor in (
        (pairs.lr_scenes, pairs.lr, task.lr_sensor),
        (pairs.hr_scenes, pairs.hr, task.hr_sensor),
    ):
        if sensor != "modis":  # its grid knows no zones
            mismatch |= scenes.zone[of_pair[pair]] != sites.cells.epsg[site]
    unknown = np.array([name is None for name in sites.stratum], dtype=bool)[site]
    return [
        ("zone_edge", sites.zone_edge[site]),
        ("split_edge", sites.split_edge[site]),
        ("zone_mismatch", mismatch),
        *(one for asked in rule.rules for one in dropped_by(asked, pairs, pair)),
        ("cover_unknown", unknown),
    ]


def first_rules(
    sites: Sites, site: Ints, pair: Ints, pairs: Pairs, task: Task, rule: SelectRule
) -> NDArray[np.int8]:
    """Return the number of the first rule that drops each candidate, else `STANDS`."""
    verdict = np.full(len(pair), STANDS, dtype=np.int8)
    for name, drops in conditions(sites, site, pair, pairs, task, rule):
        verdict[drops & (verdict == STANDS)] = RULE_NAMES.index(name)
    return verdict


def sample_ids(
    subsets: Iterable[str], site_ids: NDArray[np.object_], pair: Ints, pairs: Pairs
) -> NDArray[np.object_]:
    """Return the ids of candidates as samples, from each one's subset, site and number of pair."""
    lr, hr = (
        scenes.ids.take(pa.array(of_pair[pair])).to_pylist()
        for scenes, of_pair in ((pairs.lr_scenes, pairs.lr), (pairs.hr_scenes, pairs.hr))
    )
    found = np.empty(len(pair), dtype=object)
    found[:] = list(map(sample_id, subsets, site_ids, lr, hr))
    return found


def pair_names(pairs: Pairs, pair: Ints) -> list[str]:
    """Return the ids of pairs, from their numbers."""
    lr, hr = (
        scenes.ids.take(pa.array(of_pair[pair]))
        for scenes, of_pair in ((pairs.lr_scenes, pairs.lr), (pairs.hr_scenes, pairs.hr))
    )
    names: list[str] = pair_ids(pairs.rule_id, lr, hr).to_pylist()
    return names


def _places(site: Ints, pair: Ints, stands: Bools, pairs: Pairs, most: int) -> Ints:
    """Return the place of each candidate that stands among those of its site; -1 for others.

    First is the least |gap|, then the least cloud on both sides together (unknown counts as 1),
    then the greatest overlap, then the least `pair_id`. Beyond `most` places of a site the order of
    equal ones is not settled.
    """
    place = np.full(len(site), -1, dtype=np.int64)
    at = np.flatnonzero(stands)
    cloud = np.zeros(len(at))
    for scenes, of_pair in ((pairs.lr_scenes, pairs.lr), (pairs.hr_scenes, pairs.hr)):
        cloud += np.nan_to_num(scenes.cloud_frac[of_pair[pair[at]]], nan=1.0)
    order = np.stack(
        [-pairs.overlap_frac[pair[at]], cloud, np.abs(pairs.gap_s[pair[at]]), site[at]]
    )
    by_rank = np.lexsort(order)
    ranks, at = order[:, by_rank].T, at[by_rank]
    new, new_site = np.ones(len(at), dtype=bool), np.ones(len(at), dtype=bool)
    new[1:] = (ranks[1:] != ranks[:-1]).any(axis=1)
    new_site[1:] = ranks[1:, 3] != ranks[:-1, 3]
    # Ids are made only for those that nothing else tells apart, where that decides.
    group = np.cumsum(new) - 1
    starts = np.flatnonzero(new)
    before = starts - np.flatnonzero(new_site)[np.cumsum(new_site)[starts] - 1]
    tied = (np.bincount(group, minlength=len(starts)) > 1) & (before < most)
    asked = np.flatnonzero(tied[group])
    names = np.full(len(at), "", dtype=object)
    names[asked] = pair_names(pairs, pair[at[asked]])
    at = at[np.lexsort((names.astype(str), group))]
    first = np.flatnonzero(new_site)
    place[at] = np.arange(len(at)) - np.repeat(first, np.diff([*first, len(at)]))
    return place


def _any_places(site: Ints, stands: Bools) -> Ints:
    """Return places as `_places` does, in no certain order."""
    place = np.full(len(site), -1, dtype=np.int64)
    at = np.flatnonzero(stands)
    at = at[np.argsort(site[at], kind="stable")]
    place[at] = np.arange(len(at)) - np.searchsorted(site[at], site[at])
    return place
