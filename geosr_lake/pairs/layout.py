"""How the join is cut into tasks: by time, and by tiles only where time alone is not enough.

A task takes a slot: a stretch of time, and of the LR tiles a group. Every scene goes to the slots
that it touches, and scenes of one slot share (tile, time bucket) keys with nobody elsewhere. Cut by
time, a scene goes to one slot, seldom two, however many tiles its own meets; and a tile with many
more scenes than others is spread over the slots as the others are. Where the window is too long for
that, a tile that weighs more than a group is spread over several, each with some of its LR scenes.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from geosr_lake.arrays import Floats, Ints

DAY_US = 86_400_000_000
ROWS_A_TASK = 150_000
"""Scenes that a task takes: about 100 MB in its Python worker, and a few seconds."""
BUCKETS_A_SLOT = 4
"""A slot is at least so many buckets long, so that few scenes stand in two slots."""
MAX_BUCKETS = 20_000


@dataclass(frozen=True)
class Side:
    """What is known of the scenes of one side before the join.

    Attributes:
        scenes: Scenes that pass the rule's filter.
        length_us: Sum of the lengths of their intervals.
        start_us: Earliest start; 0 without scenes.
        end_us: Latest end.
        footprints: About how many distinct footprints they have.
        tiles: Columns tile, scenes; each tile once.
        days: Columns day, counted from 1970, and scenes that start in it.
    """

    scenes: int
    length_us: float
    start_us: int
    end_us: int
    footprints: int
    tiles: pa.Table
    days: pa.Table


@dataclass(frozen=True)
class Layout:
    """How the join is cut.

    Attributes:
        bucket_us: Width of a time bucket.
        first_bucket: Number of the first bucket, counted from 1970.
        slot_of_bucket: Slot of time of each bucket from `first_bucket` on; never falls.
        groups: Into how many groups the LR tiles are cut.
    """

    bucket_us: int
    first_bucket: int
    slot_of_bucket: Ints
    groups: int

    @property
    def times(self) -> int:
        """Slots of time."""
        return int(self.slot_of_bucket[-1]) + 1

    @property
    def tasks(self) -> int:
        """Slots of time and tiles."""
        return self.times * self.groups

    @property
    def said(self) -> dict[str, int]:
        """What the run's row says of the layout."""
        return {"bucket_us": self.bucket_us, "tasks": self.tasks, "groups": self.groups}


def bucket_width_us(window_us: int, lr: Side, hr: Side) -> int:
    """Return the width of a time bucket.

    Twice the window, but not less than a day, nor than the mean interval of either side: a scene
    then touches few buckets whatever the window. Nor so little that there are more than
    `MAX_BUCKETS` of them.
    """
    means = [int(side.length_us / side.scenes) for side in (lr, hr) if side.scenes]
    span = max(lr.end_us, hr.end_us) - min(lr.start_us, hr.start_us)
    return max(DAY_US, 2 * window_us, span // MAX_BUCKETS, *means)


def lay_out(window_us: int, lr: Side, hr: Side, *, tasks: int = 2) -> Layout:
    """Cut the join into tasks of about `ROWS_A_TASK` scenes.

    Args:
        window_us: The rule's window.
        lr: The LR side.
        hr: The HR side.
        tasks: How many tasks there are to be at least, where time and tiles can be cut so.
    """
    rows = lr.scenes + hr.scenes
    width = bucket_width_us(window_us, lr, hr)
    start, end = min(lr.start_us, hr.start_us), max(lr.end_us, hr.end_us)
    first = start // width
    buckets = int(end // width - first) + 1
    wanted = max(tasks, -(-rows // ROWS_A_TASK))
    times = min(wanted, max(1, buckets // BUCKETS_A_SLOT))
    groups = min(-(-wanted // times), max(1, lr.scenes))
    # Archives grow, but slowly: even stretches of time, unless `even_slots` knows better.
    slots = np.arange(buckets, dtype=np.int64) * times // buckets
    return Layout(width, int(first), slots, groups)


def even_slots(layout: Layout, sides: tuple[Side, Side]) -> Layout:
    """Return the layout with slots of time of about equal weight.

    Args:
        layout: As `lay_out` returns it.
        sides: Both sides; a day counts where it begins.
    """
    last = len(layout.slot_of_bucket) - 1
    weights = np.zeros(last + 1, np.int64)
    for side in sides:
        start_us = side.days["day"].to_numpy().astype(np.int64) * DAY_US
        bucket = np.clip(start_us // layout.bucket_us - layout.first_bucket, 0, last)
        np.add.at(weights, bucket, side.days["scenes"].to_numpy())
    before = np.concatenate([[0], np.cumsum(weights)[:-1]])
    total = max(1, int(weights.sum()))
    slots = np.minimum(before * layout.times // total, layout.times - 1)
    # Without gaps in the numbers: a bucket can outweigh a slot.
    dense = np.cumsum(np.concatenate([[0], np.diff(slots) > 0]))
    return Layout(layout.bucket_us, layout.first_bucket, dense.astype(np.int64), layout.groups)


def group_tiles(tiles: pa.Table, groups: int) -> Ints:
    """Return the group of each LR tile: neighbours by name together, of about equal weight.

    Args:
        tiles: Columns tile, scenes.
        groups: How many.
    """
    return spread_tiles(tiles["tile"], tiles["scenes"].to_numpy(), groups)[0]


def tile_weights(scenes: Ints, partners: Ints) -> Floats:
    """Return what each LR tile weighs where time is not cut: all its pairs are in one stretch.

    Its share of the pairs and of the rows: a group then has at most about twice its share of
    either, which cost time and memory.

    Args:
        scenes: LR scenes of each tile.
        partners: HR scenes in tiles that it meets.
    """
    pairs, rows = scenes.astype(np.float64) * partners, (scenes + partners).astype(np.float64)
    weights: Floats = pairs / max(1.0, pairs.sum()) + rows / max(1.0, rows.sum())
    return weights


def spread_tiles(names: pa.ChunkedArray, weights: Ints | Floats, groups: int) -> tuple[Ints, Ints]:
    """Return the first and the last group of each LR tile.

    They are one but for a tile that weighs more than a group: it takes as many as it weighs.

    Args:
        names: Names of the tiles: neighbours by name are together.
        weights: What each weighs.
        groups: How many groups of about equal weight there are to be.
    """
    order = pc.sort_indices(names).to_numpy()
    ends = np.cumsum(weights[order], dtype=np.float64)
    whole = ends[-1] if len(ends) and ends[-1] else 1.0
    places = np.concatenate([[0.0], ends]) * groups / whole
    first, last = np.empty((2, len(order)), np.int64)
    first[order] = np.minimum(places[:-1], groups - 1)
    heavy = places[1:] - places[:-1] > 1
    last[order] = np.where(heavy, np.minimum(np.ceil(places[1:]) - 1, groups - 1), first[order])
    return first, last


def task_keys(tasks: int) -> Ints:
    """Return for each task an integer that Spark's hash partitioning sends to its own partition.

    With any other integers the result would be the same, but some tasks would get several slots
    and some none. Spark: Murmur3_x86_32 of a 32-bit integer, seed 42, modulo the partitions.
    """
    keys = np.full(tasks, -1, np.int64)
    start, step = 0, 16 * tasks + 64
    while (keys < 0).any():
        tried = np.arange(start, start + step, dtype=np.int64)
        part = _murmur3(tried.astype(np.uint32)).astype(np.int32) % tasks
        found, at = np.unique(part, return_index=True)
        fresh = keys[found] < 0
        keys[found[fresh]] = tried[at[fresh]]
        start += step
    return keys


def _murmur3(value: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Return Murmur3_x86_32 (Appleby, public domain) of 4-byte integers, seed 42."""

    def turn(x: NDArray[np.uint32], by: int) -> NDArray[np.uint32]:
        return (x << np.uint32(by)) | (x >> np.uint32(32 - by))

    k = turn(value * np.uint32(0xCC9E2D51), 15) * np.uint32(0x1B873593)
    h = turn(np.uint32(42) ^ k, 13) * np.uint32(5) + np.uint32(0xE6546B64)
    h ^= np.uint32(4)
    h = (h ^ (h >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    h = (h ^ (h >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    mixed: NDArray[np.uint32] = h ^ (h >> np.uint32(16))
    return mixed
