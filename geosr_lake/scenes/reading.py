"""Units of files to rows of `items`, as a function that Spark maps over slices of the work."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from geosr_lake.archives import (
    Record,
    Rows,
    Unit,
    normalise_rows,
    normalise_texts,
    read_offered,
)
from geosr_lake.archives.sources import Offered
from geosr_lake.lake.contracts import contract
from geosr_lake.lake.ledger import arrow_schema

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

BATCH_RECORDS = 2048
BATCH_BYTES = 32 * 2**20
SLICE_UNITS = 64
SLICE_LARGE_UNITS = 4
"""Units that are parts of large files, in a slice: a task ends often enough to show progress."""
RUN_COLUMNS = ("source_file", "run_id", "ingested_at")
"""Columns of `items` that tell of the run, not of the item."""
EXTRA_COLUMNS = "source_file string, position bigint, records bigint"
"""Beside the items' own columns: where a row stood, and how many records the unit had, in a row
of its own without an outcome."""


def item_schema() -> pa.Schema:
    """Return the columns of `items` that an item fills."""
    return pa.schema([f for f in arrow_schema("items") if f.name not in RUN_COLUMNS])


def output_schema() -> pa.Schema:
    """Return the columns of what `read_slices` gives: all but the extra ones may be null."""
    fields = [pa.field(f.name, f.type) for f in item_schema()]
    extra = [("source_file", pa.string()), ("position", pa.int64()), ("records", pa.int64())]
    return pa.schema([*fields, *(pa.field(name, kind) for name, kind in extra)])


def sliced(units: Sequence[Unit], parallelism: int) -> list[str]:
    """Return the units in slices of similar length, each as JSON: one slice is one task."""
    large = sum(unit.stop > 0 for unit in units)
    tasks = max(2 * parallelism, len(units) // SLICE_UNITS, large // SLICE_LARGE_UNITS)
    count = min(len(units), tasks)
    return [json.dumps([asdict(unit) for unit in units[i::count]]) for i in range(count)]


def read_slices(batches: Iterable[pa.RecordBatch], done: Any = None) -> Iterator[pa.RecordBatch]:
    """Yield the rows of the units in the column `slice`; mapped over batches by Spark.

    Args:
        batches: The slices.
        done: An accumulator that is told of each unit; see `scenes.watched`.
    """
    for batch in batches:
        for text in batch.column("slice").to_pylist():
            for fields in json.loads(text):
                unit, rows = Unit(**fields), -1  # one row is the count
                for read in read_rows(unit):
                    rows += len(read)
                    yield read
                if done is not None:
                    done.add({unit.path: (1, rows)})


def read_rows(unit: Unit) -> Iterator[pa.RecordBatch]:
    """Yield the rows of one unit, and at its end one that says how many records there were.

    The position orders the records of a file over all of its units.
    """
    schema, out = item_schema(), output_schema()
    count = 0
    for offered in _in_batches(read_offered(unit)):
        base = (unit.part << 40) + unit.start + count
        count += len(offered)
        found = (
            normalise_rows(offered, schema, folder=unit.folder)
            if isinstance(offered, Rows)
            else normalise_texts(offered, schema, folder=unit.folder)
        )
        for rows, numbers in found:
            extra = [
                pa.array([unit.path] * len(rows), pa.string()),
                pa.array(base + numbers, pa.int64()),
                pa.nulls(len(rows), pa.int64()),
            ]
            yield pa.RecordBatch.from_arrays([*rows.columns, *extra], schema=out)
    counted = {"source_file": unit.path, "records": count}
    yield pa.RecordBatch.from_pylist([counted], schema=out)


def _in_batches(offered: Iterator[Offered]) -> Iterator[list[bytes | Record] | Rows]:
    """Yield what a unit offers in parts that memory holds, whatever the length of the lines."""
    batch: list[bytes | Record] = []
    size = 0
    for one in offered:
        if isinstance(one, Rows):  # a unit offers rows or texts; of rows, at most one record more
            yield one
            continue
        batch.append(one)
        size += len(one) if isinstance(one, bytes) else 0
        if len(batch) == BATCH_RECORDS or size > BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def records_frame(spark: "SparkSession", units: Sequence[Unit], done: Any = None) -> "DataFrame":
    """Return every record of `units` as a row; read where the tasks run, which tell `done`."""
    slices = sliced(units, spark.sparkContext.defaultParallelism)
    work = spark.createDataFrame([(text,) for text in slices], "slice string")
    own = [f"`{c.name}` {c.type}" for c in contract("items").columns if c.name not in RUN_COLUMNS]
    # Files without a row have no unit: then one task with nothing to do.
    return work.repartition(max(1, len(slices))).mapInArrow(
        partial(read_slices, done=done), ", ".join([*own, EXTRA_COLUMNS])
    )
