"""The pairs that new, changed and withdrawn scenes bring and take: no other pair is looked at.

Tiles need no such care. The extent of a tile holds every scene of it, so two scenes that
intersect lie in tiles whose extents meet, whenever both are there. An extent that grows or shrinks
can therefore add or remove tile pairs, but no pair of two scenes that stayed as they were.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial, reduce
from typing import TYPE_CHECKING, Literal

import pyarrow as pa
import pyarrow.compute as pc

from geosr_lake.lake import Lake, Progress, changes, ledger
from geosr_lake.lake.changes import CAME, GONE
from geosr_lake.lake.contracts import contract
from geosr_lake.pairs import scenes as sides
from geosr_lake.pairs.find import Found, find
from geosr_lake.pairs.layout import SMALL
from geosr_lake.recipe import PairRule

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

DEPENDS_ON = (
    *sides.NARROW,
    "product",
    "platform",
    "t_start",
    "t_end",
)
"""The columns of `scenes` that decide which pairs a scene is in. Another cloud cover or another
href changes no pair."""
MAX_TILES_NAMED = 1000
"""Tiles that a condition names so that files without them are not read."""

Side = Literal["lr", "hr"]
SIDES: tuple[Side, Side] = ("lr", "hr")


@dataclass(frozen=True)
class Moved:
    """Scenes of one side of a rule that came or went.

    Attributes:
        rows: The scenes, as far as `find` needs them.
        count: How many.
        tiles: Their tiles.
        first: The earliest start.
        last: The latest end.
    """

    rows: "DataFrame"
    count: int
    tiles: tuple[str, ...]
    first: datetime | None
    last: datetime | None


@dataclass(frozen=True)
class Increment:
    """What becomes of the pairs of a rule.

    Attributes:
        rows: Columns of `pairs` and `_deleted`, as `tables.apply` takes them: only rows that
            differ.
        where: Condition that holds for the rows of the table that change.
        new: Pairs that the lake did not have.
        changed: Pairs that it had with another gap, overlap or tile.
        removed: Pairs that are none any more.
        scenes_new: Scenes that came or changed.
        scenes_gone: Scenes that went or changed.
        tested: Scene pairs within the window whose boxes meet.
        distinct: Distinct footprint pairs among them.
    """

    rows: "DataFrame"
    where: str
    new: int
    changed: int
    removed: int
    scenes_new: int
    scenes_gone: int
    tested: int
    distinct: int


@contextmanager
def increment(
    lake: Lake, rule: PairRule, tile_pairs: pa.Table, since: int, *, progress: Progress
) -> "Iterator[Increment | None]":
    """Find what the changes of `scenes` since a version of it do to the pairs of `rule`.

    Args:
        lake: Its pinned `scenes` are the ones that count.
        rule: The rule.
        tile_pairs: Columns lr_tile, hr_tile; every pair of tiles whose extents meet, once.
        since: The version of `scenes` that the rule's pairs were made from.
        progress: Told of the steps.

    Yields:
        The changes; None where the log does not reach back to `since`.
    """
    progress.start("Scenes that changed")
    rows = changes.rows_between(
        lake.spark,
        lake.root,
        "scenes",
        since,
        lake.versions["scenes"],
        columns=DEPENDS_ON,
        along=["footprint_wkb"],
    )
    if rows is None:
        yield None
        return
    with ExitStack() as cached:

        def keep(frame: "DataFrame") -> "DataFrame":
            cached.callback(frame.unpersist)
            return frame.persist()

        moved = keep(sides.of_side(rows, rule, "lr").unionAll(sides.of_side(rows, rule, "hr")))
        came, gone = _moved(moved, rule)
        empty = lake.df("pairs").limit(0)
        former = keep(_former(lake, rule, gone)) if _number(gone) else empty
        searched: list[Found] = []
        if _number(came):
            at_most = ledger.row_count(lake.root, "scenes", lake.versions["scenes"])
            # Delta knows which files of a large table hold the partners.
            scenes = sides.whole(lake) if at_most <= SMALL else lake.df("scenes")
            search = partial(find, allow_none=True, at_most=at_most, progress=progress)
            for lr, hr in _partners(scenes, rule, tile_pairs, came):
                opened = search(lr, hr, tile_pairs, rule)
                searched.append(cached.enter_context(opened))
        found = reduce(lambda a, b: a.unionAll(b), [empty, *(one.rows for one in searched)])
        changed = keep(difference(found, former))
        kinds = {row["kind"]: row["count"] for row in changed.groupBy("kind").count().collect()}
        yield Increment(
            rows=changed.withColumn("_deleted", changed["kind"] == "removed").drop("kind"),
            where=f"t.rule_id = '{rule.rule_id}'{_in_tiles('t.', gone)}",
            new=kinds.get("new", 0),
            changed=kinds.get("changed", 0),
            removed=kinds.get("removed", 0),
            scenes_new=_number(came),
            scenes_gone=_number(gone),
            tested=sum(one.tested for one in searched),
            distinct=sum(one.distinct for one in searched),
        )


def _number(moved: dict[Side, Moved]) -> int:
    return sum(side.count for side in moved.values())


def _moved(rows: "DataFrame", rule: PairRule) -> tuple[dict[Side, Moved], dict[Side, Moved]]:
    """Return the scenes of both sides that came, and those that went."""
    from pyspark.sql import functions as f

    totals = {
        (row["change"], row["sensor"]): row
        for row in rows.groupBy("change", "sensor")
        .agg(
            f.count("*").alias("scenes"),
            f.collect_set("tile").alias("tiles"),
            f.min("t_start").alias("first"),
            f.max("t_end").alias("last"),
        )
        .collect()
    }

    def of(change: int, side: Side) -> Moved:
        sensor = getattr(rule, side).sensor
        mine = rows.where((f.col("change") == change) & (f.col("sensor") == sensor)).drop("change")
        if (row := totals.get((change, sensor))) is None:
            return Moved(mine, 0, (), None, None)
        tiles = tuple(sorted(row["tiles"]))
        return Moved(mine, row["scenes"], tiles, row["first"], row["last"])

    came, gone = ({side: of(change, side) for side in SIDES} for change in (CAME, GONE))
    return came, gone


def _former(lake: Lake, rule: PairRule, gone: dict[Side, Moved]) -> "DataFrame":
    """Return the pairs of the lake that one of the scenes that went is in."""
    pairs = lake.live("pairs").where(f"rule_id = '{rule.rule_id}'{_in_tiles('', gone)}")
    of_lr, of_hr = (
        gone[side].rows.select(gone[side].rows["scene_id"].alias(f"{side}_scene_id"))
        for side in SIDES
    )
    with_lr = pairs.join(of_lr, "lr_scene_id", "left_semi")
    with_hr = pairs.join(of_hr, "hr_scene_id", "left_semi")
    others = with_hr.join(of_lr, "lr_scene_id", "left_anti")
    return with_lr.select(*pairs.columns).unionAll(others.select(*pairs.columns))


def _in_tiles(prefix: str, moved: dict[Side, Moved]) -> str:
    """Return a condition that pairs of these scenes fulfil, by their tiles; empty if too long."""
    if sum(len(side.tiles) for side in moved.values()) > MAX_TILES_NAMED:
        return ""
    parts = [
        f"{prefix}{side}_tile IN ({', '.join(_quoted(tile) for tile in moved[side].tiles)})"
        for side in SIDES
        if moved[side].tiles
    ]
    return f" AND ({' OR '.join(parts)})" if parts else ""


def _quoted(text: str) -> str:
    """Return a text from outside as a SQL literal that is nothing but a literal."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _partners(
    scenes: "DataFrame", rule: PairRule, tile_pairs: pa.Table, came: dict[Side, Moved]
) -> "Iterator[tuple[DataFrame, DataFrame]]":
    """Yield the pairs of frames to be searched: new LR with all HR, old LR with new HR."""
    lr, hr = came["lr"], came["hr"]
    if lr.count:
        yield lr.rows, scenes.where(_near(rule, tile_pairs, "lr", lr))
    if hr.count:
        near = scenes.where(_near(rule, tile_pairs, "hr", hr))
        old = near.join(lr.rows.select("scene_id"), "scene_id", "left_anti") if lr.count else near
        yield old, hr.rows


def _near(rule: PairRule, tile_pairs: pa.Table, side: Side, moved: Moved) -> "Column":
    """Return a condition that the partners of some scenes fulfil, which spares reading others."""
    from pyspark.sql import functions as f

    other: Side = "hr" if side == "lr" else "lr"
    condition: Column = f.col("sensor") == getattr(rule, other).sensor
    if moved.first is not None and moved.last is not None:
        condition &= f.col("t_end") >= f.lit(moved.first) - f.lit(rule.window)
        condition &= f.col("t_start") <= f.lit(moved.last) + f.lit(rule.window)
    mine = pc.is_in(tile_pairs[f"{side}_tile"], value_set=pa.array(moved.tiles, pa.string()))
    tiles = pc.unique(tile_pairs.filter(mine)[f"{other}_tile"]).to_pylist()
    if len(tiles) <= MAX_TILES_NAMED:
        condition &= f.col("tile").isin(tiles)
    return condition


def difference(found: "DataFrame", former: "DataFrame") -> "DataFrame":
    """Return what has to change so that `former` becomes `found`: rows of `pairs` and `kind`."""
    from pyspark.sql import functions as f

    terms = contract("pairs")
    key = list(terms.key)
    values = [name for name in terms.names if name not in key]
    both = found.alias("n").join(
        former.withColumn("_held", f.lit(True)).alias("o"), key, "full_outer"
    )
    equal = reduce(
        lambda a, b: a & b, (f.col(f"n.{v}").eqNullSafe(f.col(f"o.{v}")) for v in values)
    )
    kind = (
        f.when(f.col("n.pair_id").isNull(), "removed")
        .when(f.col("o._held").isNull(), "new")
        .when(~equal, "changed")
    )
    chosen = [f.coalesce(f.col(f"n.{v}"), f.col(f"o.{v}")).alias(v) for v in values]
    return (
        both.select(*key, *chosen, kind.alias("kind"))
        .where("kind IS NOT NULL")
        .select(*terms.names, "kind")
    )
