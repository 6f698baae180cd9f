"""Units of files to data files of `items`, and the keys of what is in them.

The rows, which are long, go into files where they are read; what comes back is what decides which
of them are new. A file whose rows all are is a data file of the table as it stands; of others the
new rows are written once more.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

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
from geosr_lake.scenes.stretches import days_of

DIGEST_BYTES = 16
"""Bytes that stand for the key of an item: among 10^9 a collision has odds of 10^-21."""
Digests = NDArray[np.uint64]
"""Digests as two numbers each, which are in order as their bytes are."""
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


KEY = np.dtype(
    [
        *(("high", np.uint64), ("low", np.uint64)),  # the digest of the key
        *(("position", np.int64), ("kind", np.int32)),
    ]
)


@dataclass(frozen=True)
class Keys:
    """What a unit, or a part of it, held.

    Attributes:
        path: The file that it is a part of.
        staged: The data file that its rows went to.
        records: Records read.
        rows: A `KEY` a record that may become an item, in the order of the data file.
        kinds: Outcome and reason, for each number that stands as `kind`.
        days: The days since 1970 of those that have a time.
        left_out: Records that were not asked for: they are in no file.
        ended: Whether the unit ends here.
        timeless: Whether some have no time: those of items that are not kept.
    """

    path: str
    staged: str
    records: int
    rows: NDArray[Any] = field(default_factory=lambda: np.empty(0, KEY))
    kinds: tuple[tuple[str, str | None], ...] = ()
    days: frozenset[int] = frozenset()
    left_out: int = 0
    ended: bool = False
    timeless: bool = False


def in_tasks(units: Sequence[Unit], at_once: int) -> list[list[Unit]]:
    """Return the units in tasks, each of which makes a data file; so many run at once."""
    whole = sum(unit.stop == 0 for unit in units)
    small = max(1, min(SMALL_UNITS_A_TASK, -(-whole // (4 * at_once)) if at_once > 1 else whole))
    tasks: list[list[Unit]] = [[]]
    room = 1.0
    for unit in units:
        size = 1 / UNITS_A_TASK if unit.stop > 0 else 1 / small
        if tasks[-1] and size > room + 1e-9:
            tasks.append([])
            room = 1.0
        tasks[-1].append(unit)
        room -= size
    return [task for task in tasks if task]


def digests(keys: pa.Table) -> Digests:
    """Return what stands for the key of each row of `items`: no two keys have the same parts.

    Args:
        keys: Rows with the columns of the key.

    Returns:
        (row, 2) numbers.
    """
    parts = [keys[name].combine_chunks() for name in contract("items").key]
    lengths = [pc.binary_length(part).cast(pa.string()) for part in parts]
    joined = pc.binary_join_element_wise(*lengths, *parts, "\n")
    if isinstance(joined, pa.ChunkedArray):
        joined = joined.combine_chunks()
    texts = joined.cast(pa.binary()).to_pylist()
    made = b"".join(hashlib.blake2b(text, digest_size=DIGEST_BYTES).digest() for text in texts)
    return np.frombuffer(made, ">u8").reshape(-1, 2).astype(np.uint64)


def stage(asked: Asked, units: Sequence[Unit]) -> Iterator[Keys | DataFile]:
    """Write the items of units to data files; yield keys as they come, and at the end the files.

    Items without a time, which are not kept, go to files of their own: who looks for such an item
    in the lake reads no others. What was written before an error is left to `datafiles.sweep`.
    """
    files = {timeless: _Files(asked) for timeless in (False, True)}
    for unit in units:
        for batch in read_rows(unit):
            if not batch.num_rows:
                continue
            if batch.column("outcome").null_count:  # the row that counts, the unit's last
                records = int(pc.sum(batch.column("records")).as_py())
                yield Keys(unit.path, files[False].path, records, ended=True)
                continue
            rows, left_out = pa.Table.from_batches([batch]), 0
            outside = asked.selection.outside_of(rows)
            if outside is not None and outside.any():
                left_out = int(outside.sum())
                rows = rows.filter(pa.array(~outside))
            for timeless, some in _apart(rows):
                these = files[timeless]
                yield keys_of(some, unit.path, these.path, 0 if timeless else left_out)
                these.write(_items(asked, some, unit))
    for these in files.values():
        yield from these.close()


def _apart(rows: pa.Table) -> list[tuple[bool, pa.Table]]:
    """Return the rows with a time, also if there are none, and those without."""
    if not rows["t_start"].null_count:
        return [(False, rows)]
    lacking = rows["t_start"].is_null()
    return [(False, rows.filter(pc.invert(lacking))), (True, rows.filter(lacking))]


class _Files:
    """Data files of `items`, one after the other."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._done: list[DataFile] = []
        self._begin()

    def _begin(self) -> None:
        self._writer, self._rows = Writer(self._asked.root, "items", self._asked.run_id), 0

    @property
    def path(self) -> str:
        """Name of the file that the next rows go to."""
        return self._writer.path

    def write(self, rows: pa.Table) -> None:
        """Add rows of the table."""
        self._writer.write(rows)
        self._rows += rows.num_rows
        if self._rows > FILE_ROWS:
            self._done = self.close()
            self._begin()

    def close(self) -> list[DataFile]:
        """Finish the file; return all that came to be."""
        found = [*self._done, *filter(None, [self._writer.close()])]
        self._done = []
        return found


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


def keys_of(rows: pa.Table, path: str, staged: str, left_out: int = 0) -> Keys:
    """Return the keys of rows.

    Args:
        rows: Rows with the columns of the key, `position`, `outcome`, `reason` and `t_start`.
        path: The file that they were read from.
        staged: The data file that they went to.
        left_out: Records that came with them and were not asked for.
    """
    keys, found = np.empty(rows.num_rows, KEY), digests(rows)
    keys["high"], keys["low"] = found[:, 0], found[:, 1]
    keys["position"] = rows["position"].to_numpy()
    outcomes, reasons = (rows[n].combine_chunks().dictionary_encode() for n in _KIND)
    # A null has no number, and gets the first.
    of_reason = pc.fill_null(pc.add(reasons.indices, 1), 0).to_numpy()
    texts = [None, *reasons.dictionary.to_pylist()]
    both = outcomes.indices.to_numpy().astype(np.int64) * len(texts) + of_reason
    used, keys["kind"] = np.unique(both, return_inverse=True)
    names = outcomes.dictionary.to_pylist()
    kinds = tuple((names[kind // len(texts)], texts[kind % len(texts)]) for kind in used.tolist())
    days, timeless = days_of(rows["t_start"]), bool(rows["t_start"].null_count)
    return Keys(path, staged, 0, keys, kinds, days, left_out, timeless=timeless)


_KIND = ("outcome", "reason")


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
