"""Scenes and tiles of the groups that items have touched since the last commit, with Spark.

`geosr_lake.scenes.settle` does the same in one process; the rows are the same.
What is read of items is bounded by the tiles and days of those groups: an ingest of a day does not
read the years before it. Of the scenes of a tile that changed all bounds are read. Items that a
withdrawal has taken out are left aside first.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import pyarrow as pa

from geosr_lake.archives.reasons import KEPT, WITHDRAWN
from geosr_lake.ids import SQL_DIGEST
from geosr_lake.lake import Lake, changes, ledger, summary, tables
from geosr_lake.lake.contracts import contract
from geosr_lake.lake.frames import from_parquet
from geosr_lake.lake.ledger import arrow_schema
from geosr_lake.scenes import derive, tiles
from geosr_lake.scenes.stretches import DAY, within_sql

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

Derivation = Callable[[pa.Table, pa.Schema], pa.Table]
"""A pure function from the rows of whole groups to rows of a table with the given columns."""

GROUPS_A_TASK = 8192
"""Groups, or tiles, that one call of a derivation gets."""
GROUP_SPREAD_DAYS = 4
"""Items of one group start less than this apart: a group is of one day, and an item whose time
lies more than a day away from its day is not kept."""
MAX_TILES_NAMED = 1000
"""Tiles that a condition names so that files without them are not read."""
MAX_KEYS_SENT = 500_000
"""Keys that are sent to where the rows are; more than these are shuffled with the rows."""
NAME = ("archive", "collection", "item_id")
"""What names an item, whatever version of it."""
AGE_FROM = 3
"""Characters of a version key before the age, which orders the versions of one item: the number of
files that it links to. An item that is withdrawn may have lost its links."""
AGE = f"substring(version_key, {AGE_FROM + 1})"
"""The age in SQL."""


@dataclass(frozen=True)
class _Reach:
    """Where touched groups lie: their tiles, None if too many to name, and days since 1970."""

    tiles: tuple[str, ...] | None
    days: frozenset[int]

    def condition(self, prefix: str = "") -> str:
        """Return SQL that holds for all items and scenes of the groups."""
        in_time = within_sql(self.days, spread_days=GROUP_SPREAD_DAYS, prefix=prefix)
        return f"{in_time}{self.in_tiles(prefix)}"

    def in_tiles(self, prefix: str = "") -> str:
        """Return the part that is about tiles, to follow another condition."""
        if self.tiles is None:
            return ""
        return f" AND {prefix}tile IN ({', '.join(tables.quoted(tile) for tile in self.tiles)})"


def derive_pending(lake: Lake) -> int:
    """Derive scenes and tiles of the groups with items beyond the commit; return their number."""
    from pyspark.sql import functions as f

    if (fresh := pending(lake)) is None:
        return 0
    counts = f.col("outcome").isin(KEPT, WITHDRAWN)
    rows = fresh.where(counts).select("group_key", "tile", "t_start")
    withdraws = has_withdrawals(lake)
    if withdraws:
        # A withdrawal takes out every older version of an item, also one of another day.
        named = fresh.where(f.col("outcome") == WITHDRAWN).select(*NAME).distinct()
        others = lake.live("items").where(counts).join(f.broadcast(named), list(NAME), "left_semi")
        rows = rows.unionAll(others.select("group_key", "tile", "t_start"))
    touched = rows.groupBy("group_key").agg(
        f.collect_set(f.expr(DAY)).alias("days"), f.collect_set("tile").alias("tiles")
    )
    with cached(touched) as known:
        number, reach = _reach(known)
        if number:
            _derive_groups(lake, known.select("group_key"), reach, number, withdraws=withdraws)
    return number


def _derive_groups(
    lake: Lake, groups: "DataFrame", reach: _Reach, number: int, *, withdraws: bool
) -> None:
    from pyspark.sql import functions as f

    groups = sendable(groups, number)
    is_kept = f.col("outcome") == KEPT
    items = lake.live("items")
    near = items.where(f"tile IS NOT NULL AND {reach.condition()}")
    narrow = near.select("group_key", "sensor", "tile", "identity", "outcome")
    inside = narrow.join(groups, "group_key", "left_semi")
    kept = (alive(lake) if withdraws else items.where(is_kept)).where(reach.condition())
    kept = kept.join(groups, "group_key", "left_semi")
    with cached(inside) as members:
        names = kept if withdraws else members.where(is_kept)
        with cached(_shared(names)) as shared:
            scenes = _scenes(kept, shared)
            where = reach.condition("t.")
            tables.upsert(lake.spark, lake.root, "scenes", scenes, within=groups, where=where)
        # Of every group: the tile of one that lost its last item has to shrink too.
        with cached(members.select("sensor", "tile").distinct()) as changed:
            _derive_tiles(lake, changed, reach, number)


def _derive_tiles(lake: Lake, changed: "DataFrame", reach: _Reach, number: int) -> None:
    from pyspark.sql import functions as f

    is_wide = f.col("xmax") - f.col("xmin") > f.lit(180.0)
    members = (
        lake.live("scenes")
        .where(f"true{reach.in_tiles()}")
        .join(f.broadcast(changed), ["sensor", "tile"], "left_semi")
        .withColumn("footprint_wkb", f.when(is_wide, f.col("footprint_wkb")))
        .select(*tiles.SCENE_COLUMNS)
    )
    with cached(_mapped(members, ["sensor", "tile"], "tiles", tiles.derive, number)) as extents:
        tables.upsert(lake.spark, lake.root, "tiles", extents, within=changed)


def _shared(items: "DataFrame") -> "DataFrame":
    """Return the groups in which items share a scene, or one does not name its own."""
    from pyspark.sql import functions as f

    named = f.collect_set("identity").alias("scenes")
    counted = items.groupBy("group_key").agg(f.count("*").alias("items"), named)
    return counted.where("items <> size(scenes)").select("group_key")


def _scenes(items: "DataFrame", shared: "DataFrame") -> "DataFrame":
    """Return the scenes of whole groups of kept items that are not withdrawn.

    In most groups every item is a scene of its own: its row is the item's, where it lies. Only
    the items of `shared` groups are brought together.
    """
    if not (number := shared.count()):
        return _as_scenes(items)
    named = sendable(shared, number)
    together = items.join(named, "group_key", "left_semi")
    alone = items.join(named, "group_key", "left_anti")
    return _as_scenes(alone).unionByName(_derived(together, number))


def _as_scenes(items: "DataFrame") -> "DataFrame":
    """Return what `derive.derive` makes of items that name their scene and share it with none."""
    from pyspark.sql import functions as f

    made = {
        "scene_id": f"concat('scn-', {SQL_DIGEST.format(parts='sensor, identity')})",
        "standalone": "false",
        "superseded": "array()",
    }
    return items.select(
        *(
            f.expr(made.get(column.name, f"`{column.name}`")).cast(column.type).alias(column.name)
            for column in contract("scenes").columns
        )
    )


def _derived(items: "DataFrame", groups: int) -> "DataFrame":
    """Return what `derive.derive` makes of items."""
    columns = items.select(*derive.ITEM_COLUMNS)
    return _mapped(columns, ["group_key"], "scenes", derive.derive, groups)


def pending(lake: Lake) -> "DataFrame | None":
    """Return the items that no commit holds yet: this run's, and those of killed ones.

    Read from the files that were added since the commit: items are only ever appended. None where
    there are none.
    """
    since, now = lake.versions.get("items"), ledger.version_of(lake.root, "items")
    if now is None:
        return None
    live = lake.live("items")
    if since is None:
        return live
    files = changes.between(lake.root, "items", since, now)
    if files is None or any(sign != changes.CAME for sign in files.values()):
        committed = lake.df("items").select("run_id").distinct()
        return live.join(committed, "run_id", "left_anti")
    if not files:
        return None
    return from_parquet(lake.spark, files, live.schema)


def has_withdrawals(lake: Lake) -> bool:
    """Tell whether the lake holds a withdrawal now, by the counts of its files."""
    held = summary.of_version(lake.root, "items", ledger.version_of(lake.root, "items"))
    return any(row["outcome"] == WITHDRAWN for row in held)


def withdrawals(lake: Lake) -> "DataFrame":
    """Return up to which age each withdrawn item is withdrawn: `NAME` and `withdrawn_age`."""
    from pyspark.sql import functions as f

    rows = lake.live("items").where(f.col("outcome") == WITHDRAWN)
    return rows.groupBy(*NAME).agg(f.max(f.expr(AGE)).alias("withdrawn_age"))


def alive(lake: Lake) -> "DataFrame":
    """Return the kept items that no withdrawal has taken out.

    A withdrawal takes out the versions of the item that are not newer than itself, whichever came
    first: so the order of arrival does not matter, and the same item again stays withdrawn.
    """
    from pyspark.sql import functions as f

    kept = lake.live("items").where(f.col("outcome") == KEPT)
    gone = f.broadcast(withdrawals(lake).alias("w"))
    same: Column = f.expr(" AND ".join(f"i.{name} = w.{name}" for name in NAME))
    older = f.expr(AGE) <= f.col("withdrawn_age")
    return kept.alias("i").join(gone, same & older, "left_anti")


def taken_out(lake: Lake, kept: int) -> int:
    """Return how many of the `kept` items of the lake a withdrawal has taken out."""
    return kept - alive(lake).count()


def _reach(touched: "DataFrame") -> tuple[int, _Reach]:
    """Return the number of groups, and where they lie."""
    from pyspark.sql import functions as f

    # Groups of one tile, or of one day, have the same set: few sets are sent.
    together = "array_distinct(flatten(collect_set({name}))) AS {name}"
    row = touched.agg(
        f.count("*").alias("groups"),
        *(f.expr(together.format(name=name)) for name in ("tiles", "days")),
    ).collect()[0]
    named = tuple(sorted(row["tiles"])) if len(row["tiles"]) <= MAX_TILES_NAMED else None
    return row["groups"], _Reach(named, frozenset(row["days"]))


def _mapped(
    rows: "DataFrame", keys: list[str], table: str, function: Derivation, groups: int
) -> "DataFrame":
    """Map a pure function over `rows` so that rows with equal `keys` come in one call."""
    from pyspark.sql import functions as f

    spark = rows.sparkSession
    tasks = max(spark.sparkContext.defaultParallelism, -(-groups // GROUPS_A_TASK))
    call = partial(_call, function=function, table=table)
    bucket = f.pmod(f.hash(*keys), f.lit(tasks)).alias("bucket")
    return rows.groupBy(bucket).applyInArrow(call, tables.schema(table))


def _call(rows: pa.Table, *, function: Derivation, table: str) -> pa.Table:
    return function(rows, arrow_schema(table))


def sendable(frame: "DataFrame", rows: int) -> "DataFrame":
    """Return a frame of keys so that a join sends it to the other side, where it is not too long.

    The other side, whose rows may be wide, then stays where it is.
    """
    from pyspark.sql import functions as f

    return f.broadcast(frame) if rows <= MAX_KEYS_SENT else frame


@contextmanager
def cached(frame: "DataFrame", *, wide: bool = False) -> "Iterator[DataFrame]":
    """Keep a frame for the length of the block: it is computed once.

    Args:
        frame: The frame.
        wide: Its rows are long: they are kept on disk, so that memory does not grow with them.
    """
    from pyspark import StorageLevel

    frame.persist(StorageLevel.DISK_ONLY if wide else StorageLevel.MEMORY_AND_DISK)
    try:
        yield frame
    finally:
        frame.unpersist()
