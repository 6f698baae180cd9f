"""`geosr scenes ingest`: files of items into `items`, and from there into `scenes` and `tiles`.

The stage rolls forward. Items are appended once and stay; scenes and tiles are derived from them,
for the groups that new items touch and for those that a killed run left beyond the last commit.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from geosr_lake.archives import find_files, first_records, plan_units
from geosr_lake.archives.reasons import KEPT, WITHDRAWN
from geosr_lake.lake import Lake, Progress, ledger, summary, tables
from geosr_lake.lake.contracts import contract
from geosr_lake.lake.progress import Silent
from geosr_lake.scenes import accounts
from geosr_lake.scenes.accounts import LEFT_OUT, NOT_STORED, REPEATED, FileCounts, Tally
from geosr_lake.scenes.derivation import alive, cached, derive_pending, sendable
from geosr_lake.scenes.reading import records_frame
from geosr_lake.scenes.selection import EVERYTHING, Selection
from geosr_lake.scenes.watched import watched

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

PLACE = ("source_file", "position")
"""Where a record stood."""


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
        left_out: Items outside of the box or the days that were asked for; not stored.
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
    left_out: int = 0


def ingest(
    lake: Lake,
    sources: Sequence[str | Path],
    *,
    progress: Progress | None = None,
    selection: Selection = EVERYTHING,
) -> IngestSummary:
    """Read the items of `sources` into the lake and derive its scenes and tiles.

    The same items again change nothing; the order of files and items does not matter. No item
    stops the run: what is not kept stands in `items` with a reason and evidence.

    Args:
        lake: The lake to write to.
        sources: Files, folders and patterns; see `geosr_lake.archives.sources`.
        progress: Told of the steps.
        selection: Which of their items are taken in.

    Raises:
        UsageError: If a source is not there or not of a known kind.
        LockedError: If another process ingests into this lake.
        GeoSRError: If the accounts do not add up, which is a bug.
    """
    files = find_files(sources, but=str(lake.root))
    return ingest_files(lake, files, progress=progress, selection=selection)


def ingest_files(
    lake: Lake,
    files: Sequence[str | Path],
    *,
    progress: Progress | None = None,
    selection: Selection = EVERYTHING,
    names: Mapping[str, str] | None = None,
    closing: Callable[[str], None] | None = None,
) -> IngestSummary:
    """Do what `ingest` does with files that were found already; none at all is fine too.

    Args:
        lake: The lake to write to.
        files: The files.
        progress: Told of the steps.
        selection: Which of their items are taken in.
        names: What is written as `source_file`, by path, where that is not the path.
        closing: Called with the run's id when all rows stand, before they are committed.

    Raises:
        LockedError: If another process ingests into this lake.
        GeoSRError: If the accounts do not add up, which is a bug.
    """
    steps = progress or Silent()
    with lake.stage("scenes", "ingest") as run:
        named = [str(path) for path in files]
        counts = _add_items(lake, named, run.run_id, names or {}, selection, steps)
        steps.start("Deriving scenes and tiles")
        groups = derive_pending(lake)
        steps.start("Checking the sums")
        holds = check_sums(lake)
        did = _summary(run.run_id, counts, groups, holds)
        run.counts = {name: value for name, value in asdict(did).items() if isinstance(value, int)}
        run.reasons = did.reasons
        run.detail = {"files": [asdict(of_file) for of_file in counts]}
        if closing is not None:
            closing(run.run_id)
    return did


def _add_items(
    lake: Lake,
    files: Sequence[str],
    run_id: str,
    names: Mapping[str, str],
    selection: Selection,
    steps: Progress,
) -> tuple[FileCounts, ...]:
    """Append the items of `files` that the lake does not hold; return the counts of each file."""
    from pyspark.sql import functions as f

    units = plan_units(files)
    if selection.max_items is not None:
        units = list(first_records(units, selection.max_items))
    with (
        watched(lake.spark, steps, units) as done,
        cached(records_frame(lake.spark, units, done), wide=True) as records,
    ):
        # What is compared are the keys: the rows themselves, which are long, stay where they are.
        keys = records.select(
            *contract("items").key,
            "outcome",
            "reason",
            "t_start",
            *PLACE,
            "records",
            selection.outside().alias("outside"),
        )
        with cached(keys) as narrow, cached(_with_status(lake, narrow)) as marked:
            tallies, digest = _count(marked)
            empty = [Tally(file, KEPT, None, 0) for file in files]
            counts = accounts.by_file(_named([*empty, *tallies], names))
            if digest:
                new = (
                    _new(records, marked, tallies)
                    .withColumn("source_file", _named_source(names))
                    .withColumn("run_id", f.lit(run_id))
                    .withColumn("ingested_at", f.lit(datetime.now(UTC)))
                )
                columns = contract("items").names
                tables.append(lake.spark, lake.root, "items", new.select(*columns), txn=digest)
    return counts


def _new(records: "DataFrame", marked: "DataFrame", tallies: Sequence[Tally]) -> "DataFrame":
    """Return the new items among the records; sent are the places of the fewer, new or others."""
    from pyspark.sql import functions as f

    items = records.where(f.col("outcome").isNotNull())
    others = (REPEATED, LEFT_OUT)
    other = sum(tally.rows for tally in tallies if tally.status in others)
    new = sum(tally.rows for tally in tallies if tally.status not in NOT_STORED)
    if not other:
        return items
    is_other, fewer, how = f.col("status").isin(*others), other, "left_anti"
    if new < other:
        is_other, fewer, how = ~is_other, new, "left_semi"
    places = marked.where(is_other).select(*PLACE)
    return items.join(sendable(places, fewer), list(PLACE), how)


def _named(tallies: Sequence[Tally], names: Mapping[str, str]) -> list[Tally]:
    """Put the names of the sources in the place of their paths."""
    return [replace(tally, path=names.get(tally.path, tally.path)) for tally in tallies]


def _named_source(names: Mapping[str, str]) -> "Column":
    """Return the column of the sources' names, by their paths."""
    from pyspark.sql import functions as f

    path = f.col("source_file")
    if not names:
        return path
    known = f.create_map(*(f.lit(text) for pair in names.items() for text in pair))
    return f.coalesce(f.try_element_at(known, path), path)


def _with_status(lake: Lake, records: "DataFrame") -> "DataFrame":
    """Return keys and places of the records with `status`.

    It is the outcome of new items, `repeated` or `left_out` of others, null of the readers'
    counts. Of equal items of one run the first counts, by path and position in the file: which of
    them is read first does not matter.
    """
    from pyspark.sql import Window
    from pyspark.sql import functions as f

    key = list(contract("items").key)
    first = Window.partitionBy(*key).orderBy(*PLACE)
    is_new = f.row_number().over(first) == 1
    rows = records
    if tables.exists(lake.root, "items"):
        # Equal items have equal times: what lies outside of the records' is not read.
        span = records.agg(f.expr("string(min(t_start))"), f.expr("string(max(t_start))"))
        since, until = span.collect()[0]
        near = "t_start IS NULL"
        if since is not None:
            near += f" OR t_start BETWEEN TIMESTAMP '{since}' AND TIMESTAMP '{until}'"
        held = lake.live("items").where(near).select(*key).withColumn("held", f.lit(True))
        rows = records.join(held, key, "left")
        is_new &= f.col("held").isNull()
    status = f.when(f.col("outside"), LEFT_OUT).when(is_new, f.col("outcome")).otherwise(REPEATED)
    status = f.when(f.col("outcome").isNotNull(), status)
    return rows.select(*key, "reason", *PLACE, "records", status.alias("status"))


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
        if row["status"] not in NOT_STORED:
            number += row["rows"]
            xor ^= row["xor"]
            total += int(row["total"])
    return tallies, f"scenes-ingest-{number}-{xor}-{total}" if number else ""


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
    """Count by the data files, each of which is read once and never again."""
    versions = {
        name: version
        for name in ("items", "scenes", "tiles")
        if (version := ledger.version_of(lake.root, name)) is not None
    }
    summary.keep_up(lake.root, versions, versions)
    items, scenes, tiles = (
        summary.of_version(lake.root, name, versions.get(name))
        for name in ("items", "scenes", "tiles")
    )
    by_outcome: Counter[str] = Counter()
    for row in items:
        by_outcome[row["outcome"]] += row[summary.ROWS]
    kept = by_outcome[KEPT]
    return Holdings(
        kept=kept,
        scenes={row["sensor"]: row[summary.ROWS] for row in scenes},
        superseded=sum(row["superseded"] or 0 for row in scenes),
        taken_out=kept - alive(lake).count() if by_outcome[WITHDRAWN] else 0,
        tiles=sum(row[summary.ROWS] for row in tiles),
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
        left_out=sum(c.left_out for c in counts),
        reasons=dict(sorted(reasons.items())),
        groups_derived=groups,
        scenes=sum(holds.scenes.values()),
        scenes_by_sensor=holds.scenes,
        superseded=holds.superseded,
        taken_out=holds.taken_out,
        tiles=holds.tiles,
    )
