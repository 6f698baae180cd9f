"""The pairs of a rule with Spark: scenes are cut into tasks, shuffled once, and matched there.

Fewer scenes are matched in this process, by the same function (`here`).
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from geosr_lake import ids
from geosr_lake.arrays import Ints
from geosr_lake.lake.frames import from_arrow
from geosr_lake.lake.progress import Progress, Silent
from geosr_lake.pairs import scenes
from geosr_lake.pairs.layout import (
    Layout,
    Side,
    even_slots,
    lay_out,
    spread_tiles,
    task_keys,
    tile_weights,
)
from geosr_lake.pairs.match import (
    FOUND_DDL,
    STEPS,
    Clock,
    Tested,
    TilePairs,
    match,
    sides_of,
    whole,
)
from geosr_lake.pairs.measure import measure
from geosr_lake.recipe import PairRule

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

REPEATED = 20
"""Scenes a footprint, on average, from which on a side's footprints are sent once to each task."""
MAX_SHAPES = 20_000
"""Distinct footprints that are sent so."""

_NARROW = (
    "tile",
    "scene_id AS id",
    "unix_micros(t_start) AS start_us",
    "unix_micros(t_end) AS end_us",
    "footprint_id",
    "footprint_wkb AS wkb",
)
_TASK_ROW = ("hr", "slot", "time", "first_time", "code", "id", "start_us", "end_us", "shape", "wkb")


@dataclass(frozen=True)
class Found:
    """What was found.

    Attributes:
        rows: The columns of `pairs`; read more than once at no cost while `find` is open, if it
            was asked to keep them.
        lr_scenes: Scenes of the LR side that pass the filter.
        hr_scenes: Scenes of the HR side that pass it.
        layout: How the join was cut.
        did: Returns what the tasks did so far: all of it once `rows` were computed.
    """

    rows: "DataFrame"
    lr_scenes: int
    hr_scenes: int
    layout: Layout
    did: Callable[[], Tested]

    @property
    def tested(self) -> int:
        """Scene pairs within the window whose boxes meet; known once `rows` were computed."""
        return self.did().scene_pairs

    @property
    def distinct(self) -> int:
        """Exact tests: distinct footprint pairs among them, task by task."""
        return self.did().footprint_pairs

    @property
    def pairs(self) -> int:
        """Pairs."""
        return self.did().pairs

    @property
    def shuffled(self) -> int:
        """Scenes that came to a task; one can come to several."""
        return self.did().rows


@contextmanager
def find(
    lr_scenes: "DataFrame",
    hr_scenes: "DataFrame",
    tile_pairs: pa.Table,
    rule: PairRule,
    *,
    keep: bool = True,
    tasks: int | None = None,
    progress: Progress | None = None,
) -> Iterator[Found]:
    """Find the pairs of `rule`.

    Args:
        lr_scenes: Rows of the table `scenes`, all or some; those of the LR side that pass the
            rule's filter are taken.
        hr_scenes: The same for the HR side; may be the same frame.
        tile_pairs: Columns lr_tile, hr_tile; every pair of tiles whose extents meet, once.
        rule: The rule; its id keys the rows.
        keep: Keep the rows while `find` is open: for those who read them more than once.
        tasks: Least number of Spark's tasks; None: two for each core.
        progress: Told of the steps.
    """
    steps = progress or Silent()
    steps.start("Scenes near in time")
    lr = scenes.in_spark(lr_scenes, rule, "lr").selectExpr(*_NARROW)
    hr = scenes.in_spark(hr_scenes, rule, "hr").selectExpr(*_NARROW)
    known = measure(lr, hr)
    with ExitStack() as held:
        yield _in_tasks(lr, hr, known, tile_pairs, rule, held, keep=keep, tasks=tasks, steps=steps)


def _in_tasks(
    lr: "DataFrame",
    hr: "DataFrame",
    known: tuple[Side, Side],
    tile_pairs: pa.Table,
    rule: PairRule,
    held: ExitStack,
    *,
    keep: bool,
    tasks: int | None,
    steps: Progress,
) -> Found:
    """Find the pairs of many scenes, in Spark's tasks."""
    context = lr.sparkSession.sparkContext
    lr_side, hr_side = known
    layout = lay_out(rule.window_us, *known, tasks=tasks or 2 * context.defaultParallelism)
    if layout.times > 1:
        layout = even_slots(layout, known)
    met = TilePairs.of(
        tile_pairs, *(pa.array(side.tiles["tile"].to_pylist(), pa.string()) for side in known)
    )
    shapes: list[list[bytes]] = []
    rows = []
    weights = tile_weights(lr_side.tiles["scenes"].to_numpy(), _partners(met, hr_side))
    spread = spread_tiles(lr_side.tiles["tile"], weights, layout.groups)
    for name, frame, side in (("lr", lr, lr_side), ("hr", hr, hr_side)):
        coded, wkb = _shapes(frame, side)
        shapes.append(wkb)
        reach_us = rule.window_us if name == "hr" else 0
        groups = _groups(met, spread, name == "hr")
        rows.append(_to_slots(coded, side, groups, layout, reach_us, name == "hr"))
    sent = context.broadcast((met, tuple(shapes)))
    held.callback(sent.destroy)
    counts = tuple(context.accumulator(0) for _ in range(4 + len(STEPS)))
    slots = _by_task(rows[0].unionAll(rows[1]), layout)
    found = slots.mapInArrow(_task(sent, rule.window_us, rule.min_overlap_frac, counts), FOUND_DDL)
    steps.start("Footprints that intersect")
    named = _named(found, rule)
    if keep:
        named = named.cache()
        held.callback(named.unpersist)

    def did() -> Tested:
        scene_pairs, footprint_pairs, pairs, rows, *cost_us = (int(c.value) for c in counts)
        return Tested(scene_pairs, footprint_pairs, pairs, rows, tuple(cost_us))

    return Found(named, lr_side.scenes, hr_side.scenes, layout, did)


def _bucket(instant: str, layout: Layout) -> str:
    """Return SQL for the bucket of an instant, from 0 on; floor, exact before 1970 as well."""
    width, last = layout.bucket_us, len(layout.slot_of_bucket) - 1
    whole_buckets = f"({instant} - pmod({instant}, {width}L)) div {width}L"
    return f"int(least(greatest({whole_buckets} - {layout.first_bucket}L, 0L), {last}L))"


def _shapes(scenes_of_side: "DataFrame", side: Side) -> "tuple[DataFrame, list[bytes]]":
    """Bring in `shape`: the number of a footprint that is sent once, else -1, with its WKB.

    Of the scenes that share a footprint one is chosen, by ids alone; only its WKB is read. To
    group by the footprint and take some WKB would sort all of them, kilobytes each.
    """
    from pyspark.sql import functions as f

    if side.footprints > MAX_SHAPES or side.footprints * REPEATED > side.scenes:
        return scenes_of_side.withColumn("shape", f.lit(-1)), []
    spark = scenes_of_side.sparkSession
    hashed = scenes_of_side.withColumn("chosen", f.xxhash64("id"))
    chosen = hashed.groupBy("footprint_id").agg(f.min("chosen").alias("chosen")).toArrow()
    one = f.broadcast(from_arrow(spark, chosen))
    distinct = hashed.join(one, ["footprint_id", "chosen"]).select("footprint_id", "wkb").toArrow()
    # Two ids with one hash would bring a footprint twice.
    distinct = distinct.group_by("footprint_id").aggregate([("wkb", "min")])
    numbered = pa.table({"footprint_id": distinct["footprint_id"]}).append_column(
        "shape", pa.array(range(len(distinct)), pa.int32())
    )
    codes = from_arrow(spark, numbered)
    coded = scenes_of_side.drop("wkb").join(f.broadcast(codes), "footprint_id")
    return coded.withColumn("wkb", f.lit(None).cast("binary")), distinct["wkb_min"].to_pylist()


def _partners(met: TilePairs, hr: Side) -> Ints:
    """Return how many HR scenes lie in tiles that each LR tile meets."""
    scenes = np.repeat(hr.tiles["scenes"].to_numpy(), np.diff(met.first))
    return np.bincount(met.lr_tile, scenes, len(met.lr_names)).astype(np.int64)


def _groups(met: TilePairs, spread: tuple[Ints, Ints], of_hr: bool) -> list[list[int]]:
    """Return the groups that the scenes of each tile of a side go to; none where it meets nobody.

    An HR scene goes to all of them, an LR scene to one.
    """
    of_lr = [list(range(first, last + 1)) for first, last in zip(*spread, strict=True)]
    if of_hr:
        return [
            sorted({group for tile in met.lr_tile[a:b].tolist() for group in of_lr[tile]})
            for a, b in pairwise(met.first.tolist())
        ]
    meets = np.isin(np.arange(len(of_lr)), met.lr_tile)
    return [groups if some else [] for groups, some in zip(of_lr, meets, strict=True)]


def _to_slots(
    frame: "DataFrame",
    side: Side,
    groups: list[list[int]],
    layout: Layout,
    reach_us: int,
    hr: bool,
) -> "DataFrame":
    """Bring the scenes of a side to the slots that they touch, widened by `reach_us`.

    One side is widened by the window, the other is not: intervals that are near enough then touch
    a common bucket.
    """
    from pyspark.sql import functions as f

    table = pa.table(
        {
            "tile": side.tiles["tile"],
            "code": pa.array(range(len(groups)), pa.int32()),
            "groups": pa.array(groups, pa.list_(pa.int32())),
        }
    )
    meeting = table.filter(pc.greater(pc.list_value_length(table["groups"]), 0))
    # Spark does not take a list column without rows.
    tiles = (
        from_arrow(frame.sparkSession, meeting)
        if len(meeting)
        else frame.sparkSession.createDataFrame([], "tile string, code int, groups array<int>")
    )
    coded = frame.join(f.broadcast(tiles), "tile")
    slots = f"array({', '.join(map(str, layout.slot_of_bucket.tolist()))})"
    first, last = (
        f"element_at({slots}, 1 + {_bucket(instant, layout)})"
        for instant in (f"(start_us - {reach_us}L)", f"(end_us + {reach_us}L)")
    )
    if layout.times == 1:
        timed = coded.selectExpr("*", "0 AS first_time", "0 AS time")
    else:
        timed = coded.selectExpr("*", f"{first} AS first_time", f"{last} AS last_time")
        timed = timed.selectExpr("*", "explode(sequence(first_time, last_time)) AS time")
    if layout.groups == 1:
        grouped = timed.selectExpr("*", "time AS slot")
    else:
        chosen = "element_at(groups, int(1 + pmod(xxhash64(id), size(groups))))"
        grouped = timed.selectExpr("*", f"{'explode(groups)' if hr else chosen} AS g")
        grouped = grouped.selectExpr("*", f"time * {layout.groups} + g AS slot")
    return grouped.withColumn("hr", f.lit(hr)).select(*_TASK_ROW)


def _by_task(rows: "DataFrame", layout: Layout) -> "DataFrame":
    """Shuffle the rows of each slot to a partition of its own."""
    from pyspark.sql import functions as f

    if layout.tasks == 1:
        return rows.coalesce(1)
    keys = f"array({', '.join(map(str, task_keys(layout.tasks).tolist()))})"
    task = f.expr(f"int(element_at({keys}, slot + 1))")
    return rows.repartition(layout.tasks, task)


def _task(
    sent: Any, window_us: int, min_overlap_frac: float, counts: tuple[Any, ...]
) -> Callable[[Iterable[pa.RecordBatch]], Iterable[pa.RecordBatch]]:
    """Return what runs in a task."""

    def tell(did: Tested) -> None:
        values = (did.scene_pairs, did.footprint_pairs, did.pairs, did.rows, *did.cost_us)
        for count, value in zip(counts, values, strict=True):
            count.add(value)

    def task(batches: Iterable[pa.RecordBatch]) -> Iterable[pa.RecordBatch]:
        rows = whole(batches)
        if rows is not None:
            clock = Clock()
            met, shapes = sent.value
            sides = sides_of(rows.rename_columns({"code": "tile"}), shapes)
            clock.end("parse")
            yield from match(sides, met, window_us, min_overlap_frac, clock, tell)

    return task


def _named(found: "DataFrame", rule: PairRule) -> "DataFrame":
    """Return the rows of `pairs`."""
    from pyspark.sql import functions as f

    pair_digest = ids.SQL_DIGEST.format(parts="rule_id, lr_scene_id, hr_scene_id")
    return found.withColumn("rule_id", f.lit(rule.rule_id)).selectExpr(
        "rule_id",
        "lr_scene_id",
        "hr_scene_id",
        f"concat('par-', {pair_digest}) AS pair_id",
        "lr_tile",
        "hr_tile",
        "gap_us / 1e6D AS gap_s",
        "overlap_frac",
    )
