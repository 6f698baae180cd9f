"""Units of files to data files of `items`, and the keys of what is in them.

The rows, which are long, go into files where they are read; what comes back is what decides which
of them are new. A file whose rows all are is a data file of the table as it stands; of others the
new rows are written once more.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from geosr_lake.archives import Unit
from geosr_lake.lake import datafiles
from geosr_lake.lake.contracts import contract
from geosr_lake.lake.datafiles import DataFile, Writer
from geosr_lake.lake.ledger import arrow_schema
from geosr_lake.lake.place import Root, place
from geosr_lake.lake.tables import segments
from geosr_lake.scenes.reading import read_rows
from geosr_lake.scenes.selection import Selection

DIGEST_BYTES = 16
"""Bytes that stand for the key of an item: among 10^9 a collision has odds of 10^-21."""
_DIGEST = pa.binary(DIGEST_BYTES)
UNITS_A_TASK = 4
SMALL_UNITS_A_TASK = 256
FILE_ROWS = 250_000
"""Rows of a data file, at most about."""


@dataclass(frozen=True)
class Asked:
    """What is asked of those who read.

    Attributes:
        root: The lake.
        selection: Which items are taken in.
        names: What is written as `source_file`, by path, where that is not the path.
        run_id: The run.
        at: When it began.
    """

    root: Root
    selection: Selection
    names: Mapping[str, str]
    run_id: str
    at: datetime


@dataclass(frozen=True)
class Keys:
    """What a unit held.

    Attributes:
        path: The file that it is a part of.
        staged: The data file that its rows went to.
        records: Records read.
        rows: A row a record that may become an item, in the order of the data file: `digest` of
            its key, `position`, `outcome`, `reason`, `t_start`.
        left_out: Records that were not asked for: they are in no file.
    """

    path: str
    staged: str
    records: int
    rows: pa.Table
    left_out: int


def in_tasks(units: Sequence[Unit]) -> list[list[Unit]]:
    """Return the units in tasks: each makes a data file."""
    tasks: list[list[Unit]] = [[]]
    room = 1.0
    for unit in units:
        size = 1 / UNITS_A_TASK if unit.stop > 0 else 1 / SMALL_UNITS_A_TASK
        if tasks[-1] and size > room + 1e-9:
            tasks.append([])
            room = 1.0
        tasks[-1].append(unit)
        room -= size
    return [task for task in tasks if task]


def digests(keys: pa.Table) -> pa.Array:
    """Return what stands for the key of each row of `items`: no two keys have the same parts."""
    parts = [keys[name].combine_chunks() for name in contract("items").key]
    lengths = [pc.binary_length(part).cast(pa.string()) for part in parts]
    joined = pc.binary_join_element_wise(*lengths, *parts, "\n")
    if isinstance(joined, pa.ChunkedArray):
        joined = joined.combine_chunks()
    texts = joined.cast(pa.binary()).to_pylist()
    made = [hashlib.blake2b(text, digest_size=DIGEST_BYTES).digest() for text in texts]
    return pa.array(made, _DIGEST)


def stage(asked: Asked, units: Sequence[Unit]) -> Iterator[Keys | DataFile]:
    """Write the items of units to data files; yield each unit's keys, and at the end the files.

    What was written before an error is left to `datafiles.sweep`.
    """
    writer = Writer(asked.root, "items", asked.run_id)
    done: list[DataFile] = []
    written = 0
    for unit in units:
        records, left_out, found = 0, 0, [NO_KEYS]
        for batch in read_rows(unit):
            if not batch.num_rows:
                continue
            if batch.column("outcome").null_count:  # the row that counts
                records += int(pc.sum(batch.column("records")).as_py())
                continue
            rows = pa.Table.from_batches([batch])
            outside = asked.selection.outside_of(rows)
            if outside is not None and outside.any():
                left_out += int(outside.sum())
                rows = rows.filter(pa.array(~outside))
            writer.write(_items(asked, rows, unit))
            found.append(_keys(rows))
        keys = pa.concat_tables(found)
        written += keys.num_rows
        yield Keys(unit.path, writer.path, records, keys, left_out)
        if written > FILE_ROWS:
            done += filter(None, [writer.close()])
            writer, written = Writer(asked.root, "items", asked.run_id), 0
    yield from filter(None, [*done, writer.close()])


def _items(asked: Asked, rows: pa.Table, unit: Unit) -> pa.Table:
    """Return rows as the table `items` has them."""
    count = rows.num_rows
    of_run = {
        "source_file": pa.repeat(asked.names.get(unit.path, unit.path), count),
        "run_id": pa.repeat(asked.run_id, count),
        "ingested_at": pa.repeat(pa.scalar(asked.at, pa.timestamp("us", tz="UTC")), count),
    }
    schema = arrow_schema("items")
    columns = [of_run[name] if name in of_run else rows[name] for name in schema.names]
    return pa.table(columns, schema=schema)


_KEY_FIELDS: list[tuple[str, pa.DataType]] = [
    ("digest", _DIGEST),
    ("position", pa.int64()),
    ("outcome", pa.string()),
    ("reason", pa.string()),
    ("t_start", pa.timestamp("us", tz="UTC")),
]
NO_KEYS = pa.schema(_KEY_FIELDS).empty_table()


def _keys(rows: pa.Table) -> pa.Table:
    columns = [rows[name] for name, _ in _KEY_FIELDS[1:]]
    return pa.table([digests(rows), *columns], schema=NO_KEYS.schema)


def rewrite(root: Root, run_id: str, path: str, keep: NDArray[np.bool_]) -> Iterator[DataFile]:
    """Write those rows of a staged file to another that are kept, and remove it."""
    writer, at = Writer(root, "items", run_id), 0
    for rows in datafiles.read_groups(root, "items", path, arrow_schema("items").names):
        writer.write(rows.filter(pa.array(keep[at : at + rows.num_rows])))
        at += rows.num_rows
    file = writer.close()
    discard(root, "items", [path])
    if file is not None:
        yield file


def discard(root: Root, table: str, paths: Sequence[str]) -> None:
    """Remove data files that no version names."""
    files = place(root).files(*segments(table))
    for path in paths:
        datafiles.remove(files, path)
