"""The new items of files into `items` with Spark: for clusters, and for very many items.

What `geosr_lake.scenes.here` does in one process; the rows are the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from geosr_lake.archives import first_records, plan_units
from geosr_lake.archives.reasons import KEPT
from geosr_lake.lake import Lake, Progress, tables
from geosr_lake.lake.contracts import contract
from geosr_lake.scenes import accounts
from geosr_lake.scenes.accounts import LEFT_OUT, NOT_STORED, REPEATED, FileCounts, Tally
from geosr_lake.scenes.reading import records_frame
from geosr_lake.scenes.selection import Selection
from geosr_lake.scenes.settle_spread import cached, sendable
from geosr_lake.scenes.stretches import DAY, within_sql
from geosr_lake.scenes.watched import watched

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

PLACE = ("source_file", "position")
"""Where a record stood."""


def add_items(
    lake: Lake,
    files: Sequence[str],
    run_id: str,
    names: Mapping[str, str],
    selection: Selection,
    steps: Progress,
) -> tuple[FileCounts, ...]:
    """Append the items of `files` that the lake does not hold; return the counts of each file.

    Args:
        lake: The lake, whose stage is held.
        files: The files.
        run_id: The run.
        names: What is written as `source_file`, by path, where that is not the path.
        selection: Which of their items are taken in.
        steps: Told of the steps.
    """
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
        # Equal items have equal times, or none: what lies on other days is not read.
        lacks = f.expr("bool_or(outcome IS NOT NULL AND t_start IS NULL)")
        days, timeless = records.agg(f.collect_set(f.expr(DAY)), lacks).collect()[0]
        near = within_sql(days) + (" OR t_start IS NULL" if timeless else "")
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
