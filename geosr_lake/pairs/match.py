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

from geosr_lake.arrays import Floats, Ints
from geosr_lake.pairs.nearby import Intervals, near
from geosr_lake.pairs.rings import Geometries
from geosr_lake.pairs.space import intersect, shares

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
class Scenes:
    """The scenes of one side in a task; every array but the last two has a value for each.

    Attributes:
        ids: Their ids.
        tile: Numbers of their tiles.
        start: When they begin, microseconds.
        end: When they end.
        slot: Which slot of the task each is in.
        time: The slot of time of the row.
        first_time: The first slot of time of its scene.
        footprint: Place of its footprint.
        shapes: The distinct footprints.
        boxes: Their bounds, shape (shapes, 4).
    """

    ids: pa.Array
    tile: Ints
    start: Ints
    end: Ints
    slot: Ints
    time: Ints
    first_time: Ints
    footprint: Ints
    shapes: Geometries
    boxes: NDArray[np.float64]

    @classmethod
    def of_rows(cls, rows: pa.Table, shapes: list[bytes]) -> "Scenes":
        """Take the rows of a task apart.

        Args:
            rows: Columns slot, time, first_time (the slots of time of the row and of its scene's
                first), tile (number), id, start_us, end_us, shape (place in `shapes`, or -1) and
                wkb (null where `shape` says it).
            shapes: The WKB of footprints that repeat.
        """
        coded = _one(rows["wkb"]).dictionary_encode()
        here = pc.fill_null(coded.indices, 0).to_numpy(zero_copy_only=False).astype(np.int64)
        named = rows["shape"].to_numpy()
        of_name = np.unique(named[named >= 0])
        place = len(coded.dictionary) + np.searchsorted(of_name, named)
        tile, start, end, slot, time, first_time = (
            rows[name].to_numpy().astype(np.int64)
            for name in ("tile", "start_us", "end_us", "slot", "time", "first_time")
        )
        footprint = np.where(named >= 0, place, here)
        texts = coded.dictionary.to_pylist() + [shapes[i] for i in of_name]
        parsed, boxes = _parsed(texts)
        return cls(
            *(_one(rows["id"]), tile, start, end, slot, time, first_time),
            *(footprint, parsed, boxes),
        )

    @classmethod
    def of_scenes(cls, scenes: pa.Table, tile: Ints) -> "Scenes":
        """Take scenes that all are in one slot.

        Args:
            scenes: Columns scene_id, t_start, t_end and footprint_wkb, as a dictionary in one
                chunk, of which not all may be used.
            tile: Numbers of their tiles.
        """
        start, end = (scenes[name].cast(pa.int64()).to_numpy() for name in ("t_start", "t_end"))
        coded = _one(scenes["footprint_wkb"])
        used, footprint = np.unique(coded.indices.to_numpy(), return_inverse=True)
        shapes, boxes = _parsed(coded.dictionary.take(pa.array(used)).to_pylist())
        slot = np.zeros(len(tile), np.int64)
        return cls(
            *(_one(scenes["scene_id"]), tile, start, end, slot, slot, slot),
            *(footprint, shapes, boxes),
        )


def _parsed(wkb: list[bytes]) -> tuple[Geometries, NDArray[np.float64]]:
    shapes = shapely.from_wkb(np.array(wkb, dtype=object))
    return shapes, shapely.bounds(shapes).reshape(-1, 4)


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
    sides: tuple[Scenes, Scenes],
    tiles: TilePairs,
    window_us: int,
    min_overlap_frac: float,
    clock: Clock,
    tell: Callable[[Tested], None],
) -> Iterator[pa.RecordBatch]:
    """Yield the pairs among the scenes of one task, as `FOUND`.

    Args:
        sides: The scenes of the LR and of the HR side.
        tiles: Which tiles meet.
        window_us: The greatest |gap|, itself allowed.
        min_overlap_frac: The least overlap, itself allowed.
        clock: What the scenes have cost so far.
        tell: Called once, at the end.
    """
    tested, exact, pairs = 0, 0, 0
    lr, hr = sides
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
    tell(Tested(tested, exact, pairs, _rows(sides), tuple(clock.spent_us.values())))


def count(
    sides: tuple[Scenes, Scenes],
    tiles: TilePairs,
    window_us: int,
    min_overlap_frac: float,
    clock: Clock,
) -> Tested:
    """Return what `match` tells, without the pairs; overlaps are measured if a least is asked for.

    The arguments are those of `match`.
    """
    tested, exact, pairs = 0, 0, 0
    lr, hr = sides
    for boxed in _boxed(sides, tiles, window_us, clock):
        if min_overlap_frac > 0:
            enough = shares(lr.shapes, hr.shapes, *boxed.footprints) >= min_overlap_frac
        else:
            enough = intersect(lr.shapes, hr.shapes, *boxed.footprints)
        tested, exact = tested + len(boxed.lr), exact + len(boxed.footprints[0])
        pairs += int(enough[boxed.of].sum())
        clock.end("exact")
    clock.end("near")
    return Tested(tested, exact, pairs, _rows(sides), tuple(clock.spent_us.values()))


def _rows(sides: tuple[Scenes, Scenes]) -> int:
    return sum(len(side.ids) for side in sides)


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


def sides_of(rows: pa.Table, shapes: tuple[list[bytes], list[bytes]]) -> tuple[Scenes, Scenes]:
    """Return both sides of a task's rows, which a column hr tells apart; see `Scenes.of_rows`."""
    lr = Scenes.of_rows(rows.filter(pc.invert(rows["hr"])), shapes[0])
    return lr, Scenes.of_rows(rows.filter(rows["hr"]), shapes[1])


def _boxed(
    sides: tuple[Scenes, Scenes], tiles: TilePairs, window_us: int, clock: Clock
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
    lr: Scenes, hr: Scenes, tiles: TilePairs, i: Ints, j: Ints, gap: Ints, share: Floats
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
