"""The pairs among scenes that fit into memory, found in this process: no shuffle, no JVM.

The tiles of the LR side are dealt to parts, a crowded one to several by time, and each part is
matched as a task of the join is (`match`), in as many threads as there are cores: GEOS, Arrow
and most of numpy compute outside of Python's lock.
"""

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from geosr_lake.arrays import Ints
from geosr_lake.pair_ids import pair_ids
from geosr_lake.pairs.layout import group_tiles
from geosr_lake.pairs.match import FOUND, Clock, Scenes, Tested, TilePairs, match
from geosr_lake.pairs.match import count as count_rows
from geosr_lake.pairs.spans import Times
from geosr_lake.recipe import PairRule

NEEDED = ("tile", "scene_id", "t_start", "t_end", "footprint_wkb")
"""The columns of `scenes` that are looked at."""
MOST_SCENES = 4_000_000
"""Scenes of both sides that are held at a time. 2.8 million needed 4.1 GB."""
ROWS_A_PART = 50_000
"""Scenes of a part, about: what is held while it is matched grows with it."""
PAIRS_A_PART = 2_000_000
"""Scene pairs near in time and tile of a part, about: its pairs are held, some 300 bytes each."""


def find(
    lr: pa.Table,
    hr: pa.Table,
    tile_pairs: pa.Table,
    rule: PairRule,
    tell: Callable[[Tested], None],
) -> Iterator[pa.Table]:
    """Yield the pairs of `rule`, as columns of `pairs`, part by part.

    Args:
        lr: Scenes of the LR side that pass the rule's filter, `NEEDED`.
        hr: Those of the HR side.
        tile_pairs: Columns lr_tile, hr_tile; every pair of tiles whose extents meet, once.
        rule: The rule; its id keys the rows.
        tell: Called after each part with what was tested.
    """
    parts = _parts(lr, hr, tile_pairs, rule.window_us)
    first = next(parts)
    following = next(parts, None)
    if following is None:  # threads would only cost
        rows, did = _match(first, rule)
        tell(did)
        yield rows
        return
    cores = len(os.sched_getaffinity(0))
    with ThreadPoolExecutor(cores) as threads:
        running = deque(threads.submit(_match, part, rule) for part in (first, following))
        while running:
            # One part waits for a thread to be free: no more of them are held than are needed.
            for part in islice(parts, max(0, cores + 1 - len(running))):
                running.append(threads.submit(_match, part, rule))
            rows, did = running.popleft().result()
            tell(did)
            yield rows


def count(lr: pa.Table, hr: pa.Table, tile_pairs: pa.Table, rule: PairRule) -> Tested:
    """Return how many pairs `find` would find, and what was tested for it; its arguments."""
    cores = len(os.sched_getaffinity(0))
    did, running = Tested.nothing(), deque[Future[Tested]]()
    with ThreadPoolExecutor(cores) as threads:
        for part in _parts(lr, hr, tile_pairs, rule.window_us):
            running.append(threads.submit(_count, part, rule))
            # One part waits for a thread to be free: no more of them are held than are needed.
            while len(running) > cores:
                did += running.popleft().result()
        for last in running:
            did += last.result()
    return did


class _Some(NamedTuple):
    """Some scenes of a side, and the numbers of their tiles."""

    rows: pa.Table
    tile: Ints


@dataclass(frozen=True)
class _Part:
    """Some LR tiles with all that their scenes can meet."""

    lr: _Some
    hr: _Some
    tiles: TilePairs


def _parts(lr: pa.Table, hr: pa.Table, tile_pairs: pa.Table, window_us: int) -> Iterator[_Part]:
    """Deal out the LR tiles; an HR scene comes to each part that one of its partners is in."""
    lr, hr = (_whole(side) for side in (lr, hr))
    of_lr, of_hr = (_coded(side) for side in (lr, hr))
    known = TilePairs.of(tile_pairs, of_lr.names, of_hr.names)
    count = max(1, -(-(len(lr) + len(hr)) // ROWS_A_PART))
    weights = np.bincount(of_lr.code, minlength=len(of_lr.names))
    table = pa.table({"tile": of_lr.names, "scenes": weights})
    part_of_tile = group_tiles(table, min(count, max(1, len(of_lr.names))))
    hr_tile = np.repeat(np.arange(len(of_hr.names)), np.diff(known.first))
    part_of_pair = part_of_tile[known.lr_tile]
    lr_times, hr_times = (Times.of(side) for side in (lr, hr))
    for part in np.unique(part_of_tile) if len(part_of_tile) else [0]:
        mine = part_of_pair == part
        meets = np.zeros(len(of_hr.names), bool)
        meets[hr_tile[mine]] = True
        first = np.searchsorted(hr_tile[mine], np.arange(len(of_hr.names) + 1))
        tiles = TilePairs(of_lr.names, of_hr.names, first, known.lr_tile[mine])
        lr_own = np.flatnonzero(part_of_tile[of_lr.code] == part)
        hr_own = np.flatnonzero(meets[of_hr.code])
        share = len(tiles.lr_tile) / max(1, len(np.unique(of_lr.code[lr_own])) * meets.sum())
        pieces = -(-len(lr_own) // (2 * ROWS_A_PART))
        expected = share * _near(lr_own, hr_own, lr_times, hr_times, window_us)
        pieces = max(pieces, min(int(expected // PAIRS_A_PART) + 1, len(lr_own)))
        for lr_at, hr_at in _by_time(lr_own, hr_own, lr_times, hr_times, window_us, pieces):
            some = (
                _Some(lr.take(lr_at), of_lr.code[lr_at]),
                _Some(hr.take(hr_at), of_hr.code[hr_at]),
            )
            yield _Part(*some, tiles)


def _whole(scenes: pa.Table) -> pa.Table:
    """Return scenes in one chunk: to take rows of many chunks copies all of them, each time.

    Footprints become places in one list, which has each once, however many parts of files they
    were read from, and may be more than 2 GB: what is made of one is made once.
    """
    wkb = scenes["footprint_wkb"]
    rest = scenes.select([name for name in NEEDED if name != "footprint_wkb"]).combine_chunks()
    coded = [used_only(c) for c in wkb.chunks if len(c)]
    none = pa.array([], pa.large_binary())
    values = pa.concat_arrays([none, *(c.dictionary.cast(pa.large_binary()) for c in coded)])
    each = values.dictionary_encode()
    starts = np.cumsum([0, *(len(c.dictionary) for c in coded)])
    places = [c.indices.to_numpy() + start for c, start in zip(coded, starts, strict=False)]
    at = each.indices.to_numpy()[np.concatenate([np.empty(0, np.int64), *places])]
    footprints = pa.DictionaryArray.from_arrays(pa.array(at, pa.int64()), each.dictionary)
    return rest.append_column("footprint_wkb", footprints)


def _near(lr_at: Ints, hr_at: Ints, lr: Times, hr: Times, window_us: int) -> int:
    """Return how many scene pairs of a part are within the window, wherever they lie."""
    begins, ends = np.sort(hr.start_us[hr_at]), np.sort(hr.end_us[hr_at])
    begun = np.searchsorted(begins, lr.end_us[lr_at] + window_us, "right")
    over = np.searchsorted(ends, lr.start_us[lr_at] - window_us, "left")
    return int((begun - over).sum())


def used_only(texts: pa.Array) -> pa.DictionaryArray:
    """Return a column as a dictionary of just the values that it has: a filter leaves all."""
    if not pa.types.is_dictionary(texts.type):
        return texts.dictionary_encode()
    used, at = np.unique(texts.indices.to_numpy(), return_inverse=True)
    return pa.DictionaryArray.from_arrays(
        pa.array(at, pa.int32()), texts.dictionary.take(pa.array(used))
    )


def _by_time(
    lr_at: Ints, hr_at: Ints, lr: Times, hr: Times, window_us: int, pieces: int
) -> Iterator[tuple[Ints, Ints]]:
    """Yield a part's scenes in pieces by the time of the LR scenes.

    Each LR scene is in one piece, and an HR scene in each whose time it may be near.
    """
    if pieces < 2:
        yield lr_at, hr_at
        return
    for piece in np.array_split(lr_at[np.argsort(lr.start_us[lr_at], kind="stable")], pieces):
        near = hr.start_us[hr_at] <= lr.end_us[piece].max() + window_us
        near &= hr.end_us[hr_at] >= lr.start_us[piece].min() - window_us
        yield np.sort(piece), hr_at[near]


@dataclass(frozen=True)
class _Coded:
    """The tiles of a side: their names, sorted, and for each scene the number of its own."""

    names: pa.Array
    code: Ints


def _coded(scenes: pa.Table) -> _Coded:
    names = pc.unique(scenes["tile"])
    names = names.take(pc.sort_indices(names)).cast(pa.string())
    code = pc.index_in(scenes["tile"], value_set=names)
    return _Coded(names, code.to_numpy().astype(np.int64))


def _match(part: _Part, rule: PairRule) -> tuple[pa.Table, Tested]:
    told: list[Tested] = []
    sides, clock = _parsed(part)
    asked = rule.window_us, rule.min_overlap_frac
    pairs = match(sides, part.tiles, *asked, clock, told.append)
    rows = named(pa.Table.from_batches(pairs, FOUND), rule)
    clock.end("rows")
    return rows, replace(told[0], cost_us=tuple(clock.spent_us.values()))


def _count(part: _Part, rule: PairRule) -> Tested:
    sides, clock = _parsed(part)
    return count_rows(sides, part.tiles, rule.window_us, rule.min_overlap_frac, clock)


def _parsed(part: _Part) -> tuple[tuple[Scenes, Scenes], Clock]:
    clock = Clock()
    lr, hr = (Scenes.of_scenes(*side) for side in (part.lr, part.hr))
    clock.end("parse")
    return (lr, hr), clock


def named(found: pa.Table, rule: PairRule) -> pa.Table:
    """Return what was found as rows of `pairs`."""
    none = pa.array([], pa.string())
    lr, hr = (pa.concat_arrays([none, *found[f"{s}_scene_id"].chunks]) for s in ("lr", "hr"))
    return pa.table(
        {
            "rule_id": pa.repeat(rule.rule_id, len(found)),
            "lr_scene_id": lr,
            "hr_scene_id": hr,
            "pair_id": pair_ids(rule.rule_id, lr, hr),
            "lr_tile": found["lr_tile"],
            "hr_tile": found["hr_tile"],
            "gap_s": pc.divide(found["gap_us"].cast(pa.float64()), 1e6),
            "overlap_frac": found["overlap_frac"],
        }
    )
