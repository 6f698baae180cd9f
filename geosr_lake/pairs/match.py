"""One task of the join: the scenes of its slot in, their pairs out. Arrow and numpy, no Spark.

What repeats is done once: a footprint is parsed once a task, and each pair of footprints is tested
once, however many scenes share it.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely
from numpy.typing import NDArray

from geosr_lake.pairs.area import Floats, Geometries
from geosr_lake.pairs.nearby import Intervals, near
from geosr_lake.pairs.space import intersect, shares

Ints = NDArray[np.int64]

FOUND = pa.schema(
    [
        ("lr_scene_id", pa.string()),
        ("hr_scene_id", pa.string()),
        ("lr_tile", pa.string()),
        ("hr_tile", pa.string()),
        ("gap_us", pa.int64()),
        ("overlap_frac", pa.float64()),
    ]
)
FOUND_DDL = (
    "lr_scene_id string, hr_scene_id string, lr_tile string, hr_tile string, gap_us bigint, "
    "overlap_frac double"
)
ROWS_A_BATCH = 20_000


@dataclass(frozen=True)
class TilePairs:
    """Which tiles meet, by number: the LR tiles of an HR tile stand side by side.

    Attributes:
        lr_names: Names of the LR tiles; their place is their number.
        hr_names: Names of the HR tiles.
        first: Where the LR tiles of each HR tile begin in `lr_tile`; one more than HR tiles.
        lr_tile: Numbers of LR tiles.
    """

    lr_names: pa.Array
    hr_names: pa.Array
    first: Ints
    lr_tile: Ints

    @classmethod
    def of(cls, met: pa.Table, lr_names: pa.Array, hr_names: pa.Array) -> "TilePairs":
        """Number the tile pairs `met` (columns lr_tile, hr_tile); those of other tiles go."""
        lr, hr = (
            pc.fill_null(pc.index_in(met[name], value_set=names), -1).to_numpy()
            for name, names in (("lr_tile", lr_names), ("hr_tile", hr_names))
        )
        known = (lr >= 0) & (hr >= 0)
        lr, hr = lr[known], hr[known]
        order = np.lexsort((lr, hr))
        first = np.searchsorted(hr[order], np.arange(len(hr_names) + 1))
        return cls(lr_names, hr_names, first, lr[order].astype(np.int64))


STEPS = ("parse", "near", "boxes", "exact", "overlap", "rows")
"""What a task does: parses footprints, finds scenes near in time, compares their boxes, tests
footprints exactly, measures overlaps, makes rows."""


@dataclass(frozen=True)
class Tested:
    """What a task did; two of them add up.

    Attributes:
        scene_pairs: Scene pairs within the window whose boxes meet.
        footprint_pairs: Exact tests.
        pairs: Pairs.
        rows: Scenes that came in.
        cost_us: Processor time of each of `STEPS`, in microseconds.
    """

    scene_pairs: int
    footprint_pairs: int
    pairs: int
    rows: int
    cost_us: tuple[int, ...]

    @classmethod
    def nothing(cls) -> "Tested":
        """Return what is done before a first task."""
        return cls(0, 0, 0, 0, (0,) * len(STEPS))

    def __add__(self, other: "Tested") -> "Tested":
        return Tested(
            self.scene_pairs + other.scene_pairs,
            self.footprint_pairs + other.footprint_pairs,
            self.pairs + other.pairs,
            self.rows + other.rows,
            tuple(a + b for a, b in zip(self.cost_us, other.cost_us, strict=True)),
        )


class Clock:
    """Adds up the processor time of this thread by steps."""

    def __init__(self) -> None:
        self.spent_us = dict.fromkeys(STEPS, 0)
        self._since = time.thread_time_ns()

    def end(self, step: str) -> None:
        """Say that `step` ends here; it began where the one before ended."""
        now = time.thread_time_ns()
        self.spent_us[step] += (now - self._since) // 1000
        self._since = now


@dataclass(frozen=True)
class _Side:
    """The scenes of one side in a task."""

    ids: pa.Array
    slot: Ints
    tile: Ints
    start: Ints
    end: Ints
    time: Ints
    first_time: Ints
    footprint: Ints
    shapes: Geometries
    boxes: NDArray[np.float64]

    @classmethod
    def of(cls, rows: pa.Table, shapes: list[bytes]) -> "_Side":
        """Take the columns apart; `shapes` are the WKB that rows name by number."""
        wkb = _one(rows["wkb"])
        coded = wkb.dictionary_encode()
        here = pc.fill_null(coded.indices, 0).to_numpy(zero_copy_only=False).astype(np.int64)
        named = rows["shape"].to_numpy()
        of_name = np.unique(named[named >= 0])
        place = len(coded.dictionary) + np.searchsorted(of_name, named)
        texts = coded.dictionary.to_pylist() + [shapes[i] for i in of_name]
        geometries = shapely.from_wkb(np.array(texts, dtype=object))
        slot, tile, start, end, time, first_time = (
            rows[name].to_numpy().astype(np.int64)
            for name in ("slot", "tile", "start_us", "end_us", "time", "first_time")
        )
        footprint = np.where(named >= 0, place, here)
        boxes = shapely.bounds(geometries).reshape(-1, 4)
        held = _one(rows["id"])
        return cls(held, slot, tile, start, end, time, first_time, footprint, geometries, boxes)


def _one(column: pa.ChunkedArray) -> pa.Array:
    """Return a column as one array; `combine_chunks` makes none of a column without rows."""
    return column.combine_chunks() if len(column) else pa.array([], column.type)


def _boxes_meet(lr: NDArray[np.float64], hr: NDArray[np.float64]) -> NDArray[np.bool_]:
    meet: NDArray[np.bool_] = (
        (lr[:, 0] <= hr[:, 2])
        & (hr[:, 0] <= lr[:, 2])
        & (lr[:, 1] <= hr[:, 3])
        & (hr[:, 1] <= lr[:, 3])
    )
    return meet


def match(
    rows: pa.Table,
    tiles: TilePairs,
    shapes: tuple[list[bytes], list[bytes]],
    window_us: int,
    min_overlap_frac: float,
    tell: Callable[[Tested], None],
) -> Iterator[pa.RecordBatch]:
    """Yield the pairs among the scenes of one task, as `FOUND`.

    Args:
        rows: Columns hr (whether it is one), slot, time, first_time (the slots of time of the row
            and of its scene's first), tile (number), id, start_us, end_us, shape (place in
            `shapes`, or -1) and wkb (null where `shape` says it).
        tiles: Which tiles meet.
        shapes: The WKB of footprints that repeat, of either side.
        window_us: The greatest |gap|, itself allowed.
        min_overlap_frac: The least overlap, itself allowed.
        tell: Called once, at the end.
    """
    clock, tested, exact, pairs = Clock(), 0, 0, 0
    sides = _sides(rows, shapes)
    lr, hr = sides
    clock.end("parse")
    for boxed in _boxed(sides, tiles, window_us, clock):
        share = shares(lr.shapes, hr.shapes, *boxed.footprints, clock.end)[boxed.of]
        enough = share >= min_overlap_frac  # False where it is NaN
        tested, exact = tested + len(boxed.lr), exact + len(boxed.footprints[0])
        pairs += int(enough.sum())
        some = boxed.lr[enough], boxed.hr[enough], boxed.gap_us[enough], share[enough]
        found = _found(lr, hr, tiles, *some)
        for start in range(0, found.num_rows, ROWS_A_BATCH):
            yield found.slice(start, ROWS_A_BATCH)
        clock.end("rows")
    clock.end("near")
    tell(Tested(tested, exact, pairs, rows.num_rows, tuple(clock.spent_us.values())))


def count(
    rows: pa.Table,
    tiles: TilePairs,
    shapes: tuple[list[bytes], list[bytes]],
    window_us: int,
    min_overlap_frac: float,
) -> Tested:
    """Return what `match` tells, without the pairs; overlaps are measured if a least is asked for.

    The arguments are those of `match`.
    """
    clock, tested, exact, pairs = Clock(), 0, 0, 0
    sides = _sides(rows, shapes)
    lr, hr = sides
    clock.end("parse")
    for boxed in _boxed(sides, tiles, window_us, clock):
        if min_overlap_frac > 0:
            enough = shares(lr.shapes, hr.shapes, *boxed.footprints) >= min_overlap_frac
        else:
            enough = intersect(lr.shapes, hr.shapes, *boxed.footprints)
        tested, exact = tested + len(boxed.lr), exact + len(boxed.footprints[0])
        pairs += int(enough[boxed.of].sum())
        clock.end("exact")
    clock.end("near")
    return Tested(tested, exact, pairs, rows.num_rows, tuple(clock.spent_us.values()))


@dataclass(frozen=True)
class _Boxed:
    """Scene pairs within the window whose boxes meet, some at a time.

    Attributes:
        lr: Places of LR scenes.
        hr: Places of HR scenes.
        gap_us: HR minus LR.
        footprints: The distinct pairs of their footprints, by place on both sides.
        of: Which of these each scene pair has.
    """

    lr: Ints
    hr: Ints
    gap_us: Ints
    footprints: tuple[Ints, Ints]
    of: Ints


def _sides(rows: pa.Table, shapes: tuple[list[bytes], list[bytes]]) -> tuple[_Side, _Side]:
    lr = _Side.of(rows.filter(pc.invert(rows["hr"])), shapes[0])
    return lr, _Side.of(rows.filter(rows["hr"]), shapes[1])


def _boxed(
    sides: tuple[_Side, _Side], tiles: TilePairs, window_us: int, clock: Clock
) -> Iterator[_Boxed]:
    """Yield the scene pairs that are left to be tested exactly."""
    lr, hr = sides
    # An HR scene once for each LR tile that its tile meets.
    times = (tiles.first[1:] - tiles.first[:-1])[hr.tile]
    scene = np.repeat(np.arange(len(hr.tile)), times)
    offset = np.arange(len(scene)) - np.repeat(np.cumsum(times) - times, times)
    partner = tiles.lr_tile[tiles.first[hr.tile][scene] + offset]
    many = len(tiles.lr_names)
    keys, lr_key = np.unique(lr.slot * many + lr.tile, return_inverse=True)
    wanted = hr.slot[scene] * many + partner
    hr_key = np.searchsorted(keys, wanted)
    there = np.isin(wanted, keys)
    scene, hr_key = scene[there], hr_key[there]
    left = Intervals(lr_key.astype(np.int64), lr.start, lr.end)
    right = Intervals(hr_key.astype(np.int64), hr.start[scene], hr.end[scene])
    for at_lr, at_hr, between in near(left, right, window_us):
        clock.end("near")
        i, j = at_lr, scene[at_hr]
        # Two scenes can share several slots: they are a pair in the first.
        keep = lr.time[i] == np.maximum(lr.first_time[i], hr.first_time[j])
        keep &= _boxes_meet(lr.boxes[lr.footprint[i]], hr.boxes[hr.footprint[j]])
        i, j, gap = i[keep], j[keep], between[keep]
        both = lr.footprint[i] * len(hr.shapes) + hr.footprint[j]
        distinct, of = np.unique(both, return_inverse=True)
        at = np.divmod(distinct, max(1, len(hr.shapes)))
        clock.end("boxes")
        yield _Boxed(i, j, gap, at, of)


def _found(
    lr: _Side, hr: _Side, tiles: TilePairs, i: Ints, j: Ints, gap: Ints, share: Floats
) -> pa.RecordBatch:
    """Return pairs of scenes, by their places on both sides, as `FOUND`."""
    columns = [
        lr.ids.take(pa.array(i)),
        hr.ids.take(pa.array(j)),
        tiles.lr_names.take(pa.array(lr.tile[i])),
        tiles.hr_names.take(pa.array(hr.tile[j])),
        pa.array(gap),
        pa.array(share),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=FOUND)


def whole(batches: Iterable[pa.RecordBatch]) -> pa.Table | None:
    """Return the rows of a task; None where it has none."""
    held = list(batches)
    return pa.Table.from_batches(held).combine_chunks() if held else None
