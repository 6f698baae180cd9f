"""`geosr scenes withdraw`: items that no longer count, whatever the archive says.

A withdrawal is a row of `items` like any other, so that scenes stay derived from items alone: of
one item it takes out the versions that are not newer than itself, in whatever order they came.
Like an ingest it runs in this process where it can, and in Spark where only that can write.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from geosr_lake.archives.reasons import BY_USER, KEPT, WITHDRAWN
from geosr_lake.errors import UsageError
from geosr_lake.lake import Lake, Progress, datafiles, deltalog, ledger, tables
from geosr_lake.lake.contracts import contract
from geosr_lake.lake.progress import Silent
from geosr_lake.lake.tables import Txn
from geosr_lake.scenes.engine import Choice, Engine, choose
from geosr_lake.scenes.ingest import check_sums, derive_pending, tidied
from geosr_lake.scenes.pool import pool_of
from geosr_lake.scenes.settle import MAX_TOGETHER
from geosr_lake.scenes.settle_spread import AGE, AGE_FROM, NAME, alive, cached
from geosr_lake.scenes.touched import withdrawals

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

SOURCE = "geosr scenes withdraw"
SHOWN = 5


@dataclass(frozen=True)
class _Asked:
    """Items that are to be withdrawn: ids, each once, of an archive and a collection or of any."""

    ids: list[str]
    archive: str | None
    collection: str | None

    @property
    def only(self) -> dict[str, str]:
        """What else has to hold, by column."""
        named = {"archive": self.archive, "collection": self.collection}
        return {name: value for name, value in named.items() if value is not None}


@dataclass(frozen=True)
class WithdrawSummary:
    """What a withdrawal did.

    Attributes:
        run_id: The run.
        asked: Ids that were given.
        withdrawn: Items that count no longer; archives may serve one id each.
        already: Ids whose items had been withdrawn before.
        groups_derived: Groups whose scenes were derived anew.
        scenes_before: Scenes of the lake before.
        scenes: Scenes of the lake now: a scene that another item shows stays.
        taken_out: Items of the lake that a withdrawal has taken out, older versions included.
    """

    run_id: str
    asked: int
    withdrawn: int
    already: int
    groups_derived: int
    scenes_before: int
    scenes: int
    taken_out: int


def withdraw(
    lake: Lake,
    item_ids: Sequence[str],
    *,
    archive: str | None = None,
    collection: str | None = None,
    engine: Engine = "auto",
    progress: Progress | None = None,
) -> WithdrawSummary:
    """Take items out of the lake; only a newer version of one brings it back.

    The scene of such an item falls back to its next best item, or goes; its pairs follow with the
    next `geosr pairs build`. What was withdrawn already stays so.

    Args:
        lake: The lake.
        item_ids: Ids as the archives serve them.
        archive: Only items of this archive.
        collection: Only items of this collection.
        engine: What does it; the rows are the same. See `geosr_lake.scenes.engine`.
        progress: Told of the steps.

    Raises:
        UsageError: If the lake never kept an item of one of the ids; then nothing is done. Also if
            `here` is asked for and only Spark can write the tables.
        LockedError: If another process ingests into this lake.
        GeoSRError: If the accounts do not add up, which is a bug.
    """
    steps, asked = progress or Silent(), _Asked(sorted(set(item_ids)), archive, collection)
    with lake.stage("scenes", "withdraw") as run:
        choice = _choice(lake, asked, engine)
        if choice.why and lake.tell:
            lake.tell(f"Spark does this: {choice.why}.")
        steps.start(f"Looking for {len(asked.ids)} items")
        version = lake.versions.get("scenes")
        before = 0 if version is None else ledger.row_count(lake.root, "scenes", version)
        with tidied(lake, run.run_id), pool_of(0) as pool:
            add = _add_in_spark if choice.spark else _add_here
            withdrawn, names = add(lake, asked, run.run_id)
            steps.start("Deriving scenes and tiles")
            groups = derive_pending(lake, choice, pool, run.run_id)
        holds = check_sums(lake, spark=choice.spark)
        summary = WithdrawSummary(
            run_id=run.run_id,
            asked=len(asked.ids),
            withdrawn=withdrawn,
            already=len(asked.ids) - names,
            groups_derived=groups,
            scenes_before=before,
            scenes=sum(holds.scenes.values()),
            taken_out=holds.taken_out,
        )
        run.counts = {k: v for k, v in asdict(summary).items() if isinstance(v, int)}
    return summary


def _choice(lake: Lake, asked: _Asked, engine: Engine) -> Choice:
    """Return the engine: that of an ingest, and Spark for as many items as it is for together."""
    choice = choose(lake, [], engine)
    if engine == "auto" and not choice.spark and len(asked.ids) > MAX_TOGETHER:
        return Choice(spark=True, why=f"{len(asked.ids):,} ids are more than {MAX_TOGETHER:,}")
    return choice


def _txn(run_id: str) -> Txn:
    return Txn(f"scenes-withdraw-{run_id}")


def _add_here(lake: Lake, asked: _Asked, run_id: str) -> tuple[int, int]:
    """Append the withdrawals, in this process; return their number and that of their ids."""
    where = (pc.field("outcome") == KEPT) & pc.field("item_id").isin(pa.array(asked.ids))
    for name, value in asked.only.items():
        where &= pc.field(name) == value
    names, withdrawn = contract("items").names, withdrawals(lake.root)
    known: set[str] = set()
    living = [ledger.arrow_schema("items").empty_table()]
    for _, rows in datafiles.near(lake.root, "items", names, where):
        known.update(rows["item_id"].to_pylist())
        living.append(rows.filter(pa.array(withdrawn.alive(rows))))
    _refuse_unknown(set(asked.ids) - known, lake)
    items = _newest(pa.concat_tables(living))
    if items.num_rows:
        rows = _withdrawn(items, run_id)
        files = datafiles.write(lake.root, "items", rows, run_id)
        deltalog.commit(lake.root, "items", files, txn=_txn(run_id))
    return items.num_rows, pc.count_distinct(items["item_id"]).as_py()


def _newest(items: pa.Table) -> pa.Table:
    """Return the newest version of each item, as `_rows_in_spark` chooses it."""
    best: dict[tuple[str, ...], tuple[str, str, int]] = {}
    columns = [items[name].to_pylist() for name in (*NAME, "version_key", "content_hash")]
    for at, (*name, version, content) in enumerate(zip(*columns, strict=True)):
        mine = ((version or "")[AGE_FROM:], content, at)
        best[tuple(name)] = max(mine, best.get(tuple(name), mine))
    return items.take(pa.array(sorted(at for *_, at in best.values()), pa.int64()))


def _withdrawn(items: pa.Table, run_id: str) -> pa.Table:
    """Return rows of `items` that withdraw these."""
    hashes = [
        hashlib.sha256(f"withdrawn|{content}".encode()).hexdigest()
        for content in items["content_hash"].to_pylist()
    ]
    values: dict[str, Any] = {"outcome": WITHDRAWN, "reason": BY_USER, "source_file": SOURCE}
    values |= {"run_id": run_id, "ingested_at": datetime.now(UTC)}
    columns = []
    for field in items.schema:
        if field.name == "content_hash":
            columns.append(pa.array(hashes, field.type))
        elif field.name in values:
            same = pa.scalar(values[field.name], field.type)
            columns.append(pa.repeat(same, items.num_rows))
        else:
            columns.append(items[field.name])
    return pa.table(columns, schema=items.schema)


def _add_in_spark(lake: Lake, asked: _Asked, run_id: str) -> tuple[int, int]:
    """Do what `_add_here` does with Spark; row for row the same."""
    from pyspark.sql import functions as f

    named = [(item_id,) for item_id in asked.ids]
    ids = f.broadcast(lake.spark.createDataFrame(named, "item_id string"))
    condition = f.lit(True)
    for name, value in asked.only.items():
        condition &= f.col(name) == value
    known = lake.live("items").where(f.col("outcome") == KEPT).where(condition)
    found = known.join(ids, "item_id", "left_semi").select("item_id").distinct().collect()
    _refuse_unknown(set(asked.ids) - {row["item_id"] for row in found}, lake)
    living = alive(lake).where(condition).join(ids, "item_id", "left_semi")
    with cached(_rows_in_spark(living, run_id)) as rows:
        withdrawn, names = rows.count(), rows.select("item_id").distinct().count()
        if withdrawn:
            tables.append(lake.spark, lake.root, "items", rows, txn=_txn(run_id))
    return withdrawn, names


def _rows_in_spark(items: "DataFrame", run_id: str) -> "DataFrame":
    """Return one row of `items` for each item that is withdrawn: of its newest version."""
    from pyspark.sql import Window
    from pyspark.sql import functions as f

    newest = Window.partitionBy(*NAME).orderBy(f.expr(AGE).desc(), f.desc("content_hash"))
    return (
        items.withColumn("rank", f.row_number().over(newest))
        .where("rank = 1")
        .withColumns(
            {
                "outcome": f.lit(WITHDRAWN),
                "reason": f.lit(BY_USER),
                "content_hash": f.sha2(f.concat(f.lit("withdrawn|"), "content_hash"), 256),
                "source_file": f.lit(SOURCE),
                "run_id": f.lit(run_id),
                "ingested_at": f.lit(datetime.now(UTC)),
            }
        )
        .select(*contract("items").names)
    )


def _refuse_unknown(unknown: set[str], lake: Lake) -> None:
    if unknown:
        shown = ", ".join(repr(i[:80]) for i in sorted(unknown)[:SHOWN])
        more = f" and {len(unknown) - SHOWN} more" if len(unknown) > SHOWN else ""
        raise UsageError(
            f"The lake keeps no such item: {shown}{more}",
            where=str(lake.root),
            next_step='`geosr sql "SELECT item_id FROM items"` lists those that it has.',
        )
