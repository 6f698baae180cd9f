"""Scenes and tiles of the groups that items have touched since the last commit.

What is read is bounded by the tiles and days of those groups: an ingest of a day does not read the
years before it. Items that a withdrawal has taken out are left aside first.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import pyarrow as pa

from geosr_lake.archives.reasons import KEPT, WITHDRAWN
from geosr_lake.lake import Lake, changes, ledger, tables
from geosr_lake.lake.ledger import arrow_schema
from geosr_lake.scenes import derive, tiles

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
NAME = ("archive", "collection", "item_id")
"""What names an item, whatever version of it."""
AGE = "substring(version_key, 4)"
"""What orders the versions of one item: the version key but for the number of files that it links
to, which begins it. An item that is withdrawn may have lost its links."""


@dataclass(frozen=True)
class _Reach:
    """Where touched groups lie: their tiles, None if too many to name, and their times in UTC."""

    tiles: tuple[str, ...] | None
    first: str
    last: str

    def condition(self, prefix: str = "") -> str:
        """Return SQL that holds for all items and scenes of the groups."""
        in_time = (
            f"{prefix}t_start BETWEEN TIMESTAMP '{self.first}' - INTERVAL {GROUP_SPREAD_DAYS} DAYS"
            f" AND TIMESTAMP '{self.last}' + INTERVAL {GROUP_SPREAD_DAYS} DAYS"
        )
        return f"{in_time}{self.in_tiles(prefix)}"

    def in_tiles(self, prefix: str = "") -> str:
        """Return the part that is about tiles, to follow another condition."""
        if self.tiles is None:
            return ""
        return f" AND {prefix}tile IN ({', '.join(_quoted(tile) for tile in self.tiles)})"


def _quoted(text: str) -> str:
    """Return a text from outside as a SQL literal that is nothing but a literal."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def derive_pending(lake: Lake) -> int:
    """Derive scenes and tiles of the groups with items beyond the commit; return their number."""
    from pyspark.sql import functions as f

    counts = f.col("outcome").isin(KEPT, WITHDRAWN)
    fresh = pending(lake).where(counts).select("group_key", "tile", "t_start", "outcome", *NAME)
    live = lake.live("items")
    with cached(fresh) as new:
        named = new.where(f.col("outcome") == WITHDRAWN).select(*NAME).distinct()
        rows = new.select("group_key", "tile", "t_start")
        if not named.isEmpty():
            # A withdrawal takes out every older version of an item, also one of another day.
            others = live.where(counts).join(f.broadcast(named), list(NAME), "left_semi")
            rows = rows.unionAll(others.select("group_key", "tile", "t_start"))
        with cached(rows.select("group_key").distinct()) as groups:
            if not (number := groups.count()):
                return 0
            reach = _reach(rows)
            _derive_groups(lake, groups, reach, number)
    return number


def _derive_groups(lake: Lake, groups: "DataFrame", reach: _Reach, number: int) -> None:
    from pyspark.sql import functions as f

    spark, root = lake.spark, lake.root
    near = alive(lake).where(reach.condition())
    items = near.join(groups, "group_key", "left_semi").select(*derive.ITEM_COLUMNS)
    with cached(_mapped(items, ["group_key"], "scenes", derive.derive, number)) as scenes:
        where = reach.condition("t.")
        tables.upsert(spark, root, "scenes", scenes, within=groups, where=where)
    # Of every group: the tile of one that lost its last item has to shrink too.
    in_groups = lake.live("items").where(reach.condition())
    touched = (
        in_groups.where("tile IS NOT NULL")
        .join(groups, "group_key", "left_semi")
        .select("sensor", "tile")
        .distinct()
    )
    with cached(touched) as changed:
        is_wide = f.col("xmax") - f.col("xmin") > f.lit(180.0)
        members = (
            lake.live("scenes")
            .where(f"true{reach.in_tiles()}")
            .join(f.broadcast(changed), ["sensor", "tile"], "left_semi")
            .withColumn("footprint_wkb", f.when(is_wide, f.col("footprint_wkb")))
            .select(*tiles.SCENE_COLUMNS)
        )
        extents = _mapped(members, ["sensor", "tile"], "tiles", tiles.derive, number)
        tables.upsert(spark, root, "tiles", extents, within=changed)


def pending(lake: Lake) -> "DataFrame":
    """Return the items that no commit holds yet: this run's, and those of killed ones.

    Read from the files that were added since the commit: items are only ever appended.
    """
    since, now = lake.versions.get("items"), ledger.version_of(lake.root, "items")
    live = lake.live("items")
    if since is None or now is None:
        return live
    files = changes.between(lake.spark, lake.root, "items", since, now)
    if files is None or any(sign != changes.CAME for sign in files.values()):
        committed = lake.df("items").select("run_id").distinct()
        return live.join(committed, "run_id", "left_anti")
    if not files:
        return live.where("false")
    return lake.spark.read.schema(live.schema).parquet(*files)


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


def _reach(rows: "DataFrame") -> _Reach:
    from pyspark.sql import functions as f

    row = rows.agg(
        f.expr("string(min(t_start))").alias("first"),
        f.expr("string(max(t_start))").alias("last"),
        f.count_distinct("tile").alias("tiles"),
    ).collect()[0]
    named = None
    if row["tiles"] <= MAX_TILES_NAMED:
        named = tuple(sorted(r["tile"] for r in rows.select("tile").distinct().collect()))
    return _Reach(named, row["first"], row["last"])


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


@contextmanager
def cached(frame: "DataFrame") -> "Iterator[DataFrame]":
    """Keep a frame for the length of the block: it is computed once."""
    frame.persist()
    try:
        yield frame
    finally:
        frame.unpersist()
