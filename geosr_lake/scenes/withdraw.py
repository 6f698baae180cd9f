"""`geosr scenes withdraw`: items that no longer count, whatever the archive says.

A withdrawal is a row of `items` like any other, so that scenes stay derived from items alone: of
one item it takes out the versions that are not newer than itself, in whatever order they came.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from geosr_lake.archives.reasons import BY_USER, KEPT, WITHDRAWN
from geosr_lake.errors import UsageError
from geosr_lake.lake import Lake, Progress, tables
from geosr_lake.lake.contracts import contract
from geosr_lake.lake.progress import Silent
from geosr_lake.scenes.derivation import AGE, NAME, alive, cached, derive_pending
from geosr_lake.scenes.ingest import check_sums

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

SOURCE = "geosr scenes withdraw"
SHOWN = 5


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
        progress: Told of the steps.

    Raises:
        UsageError: If the lake never kept an item of one of the ids; then nothing is done.
        LockedError: If another process ingests into this lake.
        GeoSRError: If the accounts do not add up, which is a bug.
    """
    from pyspark.sql import functions as f

    steps, ids = progress or Silent(), sorted(set(item_ids))
    with lake.stage("scenes", "withdraw") as run:
        steps.start(f"Looking for {len(ids)} items")
        scenes_before = lake.df("scenes").count()
        asked = f.broadcast(lake.spark.createDataFrame([(i,) for i in ids], "item_id string"))
        condition = f.lit(True)
        for name, value in (("archive", archive), ("collection", collection)):
            if value is not None:
                condition &= f.col(name) == value
        known = lake.live("items").where(f.col("outcome") == KEPT).where(condition)
        found = known.join(asked, "item_id", "left_semi").select("item_id").distinct().collect()
        _refuse_unknown(set(ids) - {row["item_id"] for row in found}, lake)
        here = alive(lake).where(condition).join(asked, "item_id", "left_semi")
        with cached(_rows(here, run.run_id)) as rows:
            withdrawn, names = rows.count(), rows.select("item_id").distinct().count()
            if withdrawn:
                txn = f"scenes-withdraw-{run.run_id}"
                tables.append(lake.spark, lake.root, "items", rows, txn=txn)
        steps.start("Deriving scenes and tiles")
        groups = derive_pending(lake)
        holds = check_sums(lake)
        summary = WithdrawSummary(
            run_id=run.run_id,
            asked=len(ids),
            withdrawn=withdrawn,
            already=len(ids) - names,
            groups_derived=groups,
            scenes_before=scenes_before,
            scenes=sum(holds.scenes.values()),
            taken_out=holds.taken_out,
        )
        run.counts = {k: v for k, v in asdict(summary).items() if isinstance(v, int)}
    return summary


def _rows(items: "DataFrame", run_id: str) -> "DataFrame":
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
