"""`geosr scenes ingest`: files of items into `items`, and from there into `scenes` and `tiles`.

The stage rolls forward. Items are appended once and stay; scenes and tiles are derived from them,
for the groups that new items touch and for those that a killed run left beyond the last commit.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from geosr_lake.archives import find_files, plan_units
from geosr_lake.archives.reasons import KEPT
from geosr_lake.lake import Lake, Progress, tables
from geosr_lake.lake.contracts import contract
from geosr_lake.lake.progress import Silent
from geosr_lake.scenes import accounts
from geosr_lake.scenes.accounts import REPEATED, FileCounts, Tally
from geosr_lake.scenes.derivation import alive, cached, derive_pending, withdrawals
from geosr_lake.scenes.reading import records_frame

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


@dataclass(frozen=True)
class IngestSummary:
    """What an ingest did, and what the lake holds after it.

    Attributes:
        run_id: The run.
        files: Counts of each file, by path.
        read: Records read, in all files.
        kept: New items that are part of a scene.
        repeated: Items that the lake had, or that came twice; not stored again.
        unsupported: New items that are sound but of no use here.
        quarantined: New items with something wrong.
        withdrawn: New items that are deprecated: they take out their older versions.
        reasons: Unsupported, quarantined and withdrawn items by reason.
        groups_derived: Groups whose scenes were derived anew.
        scenes: Scenes of the lake.
        scenes_by_sensor: Scenes of the lake by sensor.
        superseded: Items of the lake that show a scene which another item shows better.
        taken_out: Items of the lake that a withdrawal has taken out.
        tiles: Tiles of the lake.
    """

    run_id: str
    files: tuple[FileCounts, ...]
    read: int
    kept: int
    repeated: int
    unsupported: int
    quarantined: int
    reasons: dict[str, int]
    groups_derived: int
    scenes: int
    scenes_by_sensor: dict[str, int]
    superseded: int
    tiles: int
    withdrawn: int = 0
    taken_out: int = 0


def ingest(
    lake: Lake, sources: Sequence[str | Path], *, progress: Progress | None = None
) -> IngestSummary:
    """Read the items of `sources` into the lake and derive its scenes and tiles.

    The same items again change nothing; the order of files and items does not matter. No item
    stops the run: what is not kept stands in `items` with a reason and evidence.

    Args:
        lake: The lake to write to.
        sources: Files and folders; see `geosr_lake.archives.sources`.
        progress: Told of the steps.

    Raises:
        UsageError: If a source is not there or not of a known kind.
        LockedError: If another process ingests into this lake.
        GeoSRError: If the accounts do not add up, which is a bug.
    """
    but = lake.root if isinstance(lake.root, Path) else None
    return ingest_files(lake, find_files(sources, but=but), progress=progress)


def ingest_files(
    lake: Lake,
    files: Sequence[Path],
    *,
    progress: Progress | None = None,
    names: Mapping[str, str] | None = None,
    closing: Callable[[str], None] | None = None,
) -> IngestSummary:
    """Do what `ingest` does with files that were found already; none at all is fine too.

    Args:
        lake: The lake to write to.
        files: The files.
        progress: Told of the steps.
        names: What is written as `source_file`, by path, where that is not the path.
        closing: Called with the run's id when all rows stand, before they are committed.

    Raises:
        LockedError: If another process ingests into this lake.
        GeoSRError: If the accounts do not add up, which is a bug.
    """
    steps = progress or Silent()
    with lake.stage("scenes", "ingest") as run:
        steps.start(f"Reading {len(files)} files of items")
        counts = _add_items(lake, [str(path) for path in files], run.run_id, names or {})
        steps.start("Deriving scenes and tiles")
        groups = _derive(lake)
        steps.start("Checking the sums")
        holds = check_sums(lake)
        summary = _summary(run.run_id, counts, groups, holds)
        run.counts = {
            name: value for name, value in asdict(summary).items() if isinstance(value, int)
        }
        run.reasons = summary.reasons
        run.detail = {"files": [asdict(of_file) for of_file in counts]}
        if closing is not None:
            closing(run.run_id)
    return summary


def _add_items(
    lake: Lake, files: Sequence[str], run_id: str, names: Mapping[str, str]
) -> tuple[FileCounts, ...]:
    """Append the items of `files` that the lake does not hold; return the counts of each file."""
    from pyspark.sql import functions as f

    units = plan_units([Path(file) for file in files])
    records = _named(records_frame(lake.spark, units), names)
    with cached(_with_status(lake, records)) as rows:
        tallies, digest = _count(rows)
        empty = [Tally(names.get(file, file), KEPT, None, 0) for file in files]
        counts = accounts.by_file([*empty, *tallies])
        if digest:
            new = (
                rows.where(f.col("status") == f.col("outcome"))
                .withColumn("run_id", f.lit(run_id))
                .withColumn("ingested_at", f.lit(datetime.now(UTC)))
            )
            columns = contract("items").names
            tables.append(lake.spark, lake.root, "items", new.select(*columns), txn=digest)
    return counts


def _named(records: "DataFrame", names: Mapping[str, str]) -> "DataFrame":
    """Put the names of the sources in the place of their paths."""
    from pyspark.sql import functions as f

    if not names:
        return records
    spark = records.sparkSession
    known = spark.createDataFrame(list(names.items()), "source_file string, source_name string")
    source = f.coalesce("source_name", "source_file")
    joined = records.join(f.broadcast(known), "source_file", "left")
    return joined.withColumn("source_file", source).drop("source_name")


def _with_status(lake: Lake, records: "DataFrame") -> "DataFrame":
    """Add `status`: the outcome of new items, `repeated` of others, null of the readers' counts.

    Of equal items of one run the first counts, by path and position in the file: which of them
    is read first does not matter.
    """
    from pyspark.sql import Window
    from pyspark.sql import functions as f

    key = list(contract("items").key)
    held = lake.live("items").select(*key).withColumn("held", f.lit(True))
    first = Window.partitionBy(*key).orderBy("source_file", "position")
    is_new = f.col("held").isNull() & (f.row_number().over(first) == 1)
    status = f.when(
        f.col("outcome").isNotNull(), f.when(is_new, f.col("outcome")).otherwise(REPEATED)
    )
    return records.join(held, key, "left").withColumn("status", status).drop("held")


def _count(rows: "DataFrame") -> tuple[list[Tally], str]:
    """Return the counts, and a text that names the new items; empty if there are none.

    The text goes by the items' keys, whatever their order: two checksums and the number.
    """
    from pyspark.sql import functions as f

    key = ", ".join(f"`{name}`" for name in contract("items").key)
    counted = (
        rows.groupBy("source_file", "status", "reason")
        .agg(
            f.count("*").alias("rows"),
            f.sum("records").alias("records"),
            f.expr(f"bit_xor(xxhash64({key}))").alias("xor"),
            f.expr(f"string(sum(CAST(xxhash64('s', {key}) AS DECIMAL(38, 0))))").alias("total"),
        )
        .collect()
    )
    tallies, number, xor, total = [], 0, 0, 0
    for row in counted:
        if row["status"] is None:
            tallies.append(Tally(row["source_file"], accounts.READ, None, row["records"]))
            continue
        tallies.append(Tally(row["source_file"], row["status"], row["reason"], row["rows"]))
        if row["status"] != REPEATED:
            number += row["rows"]
            xor ^= row["xor"]
            total += int(row["total"])
    return tallies, f"scenes-ingest-{number}-{xor}-{total}" if number else ""


def _derive(lake: Lake) -> int:
    return derive_pending(lake)


@dataclass(frozen=True)
class Holdings:
    """What the lake holds: kept items, scenes by sensor, superseded and withdrawn items, tiles."""

    kept: int
    scenes: dict[str, int]
    superseded: int
    taken_out: int
    tiles: int


def check_sums(lake: Lake) -> Holdings:
    """Return what the lake holds.

    Raises:
        GeoSRError: If a kept item is neither in a scene nor withdrawn, which is a bug.
    """
    holds = _holdings(lake)
    accounts.check_lake(
        holds.kept,
        sum(holds.scenes.values()),
        holds.superseded,
        str(lake.root),
        taken_out=holds.taken_out,
    )
    return holds


def _holdings(lake: Lake) -> Holdings:
    from pyspark.sql import functions as f

    kept = lake.live("items").where(f.col("outcome") == KEPT).count()
    taken_out = kept - alive(lake).count() if not withdrawals(lake).isEmpty() else 0
    by_sensor = (
        lake.live("scenes")
        .groupBy("sensor")
        .agg(f.count("*").alias("scenes"), f.sum(f.size("superseded")).alias("superseded"))
        .collect()
    )
    return Holdings(
        kept=kept,
        scenes={row["sensor"]: row["scenes"] for row in sorted(by_sensor)},
        superseded=sum(row["superseded"] for row in by_sensor),
        taken_out=taken_out,
        tiles=lake.live("tiles").count(),
    )


def _summary(
    run_id: str, counts: tuple[FileCounts, ...], groups: int, holds: Holdings
) -> IngestSummary:
    reasons: dict[str, int] = {}
    for of_file in counts:
        for reason, number in of_file.reasons.items():
            reasons[reason] = reasons.get(reason, 0) + number
    return IngestSummary(
        run_id=run_id,
        files=counts,
        read=sum(c.read for c in counts),
        kept=sum(c.kept for c in counts),
        repeated=sum(c.repeated for c in counts),
        unsupported=sum(c.unsupported for c in counts),
        quarantined=sum(c.quarantined for c in counts),
        withdrawn=sum(c.withdrawn for c in counts),
        reasons=dict(sorted(reasons.items())),
        groups_derived=groups,
        scenes=sum(holds.scenes.values()),
        scenes_by_sensor=holds.scenes,
        superseded=holds.superseded,
        taken_out=holds.taken_out,
        tiles=holds.tiles,
    )
