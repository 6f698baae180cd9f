"""Data files of tables, written and read with pyarrow, and what the log has to say of them.

A file lies in its table's folder from the start, where no reader looks for it until an entry of
the log names it (`geosr_lake.lake.deltalog`); what a killed run leaves is removed by
`geosr lake maintain`.
"""

import json
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow.fs import FileSelector

from geosr_lake.lake import ledger, rules
from geosr_lake.lake.contracts import contract
from geosr_lake.lake.place import Root, place
from geosr_lake.lake.tables import segments

ROW_GROUP_BYTES = 64 * 2**20
"""Bytes of rows, in memory, in a row group: what a writer holds at a time."""
DICTIONARY_BYTES = 16 * 2**20
"""Bytes of the distinct values of a column, at most, that a row group holds once: the footprints of
a few hundred tiles of hundreds of corners."""
STATS_CHARACTERS = 32
"""Characters of a text that the log keeps, as Delta does."""
_LAST_CHARACTER = chr(0x10FFFF)
_LEAVES = 32
"""Columns from the beginning whose least and greatest values the log keeps, as Delta does."""


@dataclass(frozen=True)
class DataFile:
    """A data file that stands in its table's folder.

    Attributes:
        path: Its name in the folder.
        size: Its bytes.
        rows: Its rows.
        stats: What the log says of them, as JSON.
    """

    path: str
    size: int
    rows: int
    stats: str


class Writer:
    """Writes rows to one new data file of a table; `close` or `discard` ends it.

    Args:
        root: The lake.
        table: The table.
        token: A part of the file's name, by which `sweep` finds it: letters, digits and `-`.
    """

    def __init__(self, root: Root, table: str, token: str) -> None:
        self._root = root
        self._terms, self._schema = contract(table), ledger.arrow_schema(table)
        self._files = place(root).files(*segments(table))
        self.path = f"part-{token}-{uuid4().hex}.parquet"
        self._writer: pq.ParquetWriter | None = None
        self._waiting: list[pa.Table] = []
        self._bytes = 0
        self._nulls = dict.fromkeys(self._schema.names, 0)
        self._rows = 0

    def write(self, rows: pa.Table) -> None:
        """Add rows that have the table's columns.

        Raises:
            ContractError: If they do not fit the table.
        """
        if not rows.num_rows:
            return
        fitting = rows.select(self._schema.names).cast(self._schema)
        rules.check(fitting, self._terms)
        for name in self._schema.names:
            self._nulls[name] += fitting[name].null_count
        self._rows += rows.num_rows
        self._waiting.append(fitting)
        self._bytes += fitting.nbytes
        if self._bytes > ROW_GROUP_BYTES:
            self._flush()

    def _flush(self) -> None:
        if not self._waiting:
            return
        if self._writer is None:
            if isinstance(self._root, Path):  # a bucket has no folders
                self._root.joinpath(*segments(self._terms.table)).mkdir(parents=True, exist_ok=True)
            self._writer = pq.ParquetWriter(
                self.path,
                self._schema,
                filesystem=self._files,
                compression="zstd",
                compression_level=1,
                use_dictionary=_repeating(self._schema),
                dictionary_pagesize_limit=DICTIONARY_BYTES,
                store_schema=False,
            )
        whole = pa.concat_tables(self._waiting)
        self._writer.write_table(whole, row_group_size=whole.num_rows)
        self._waiting, self._bytes = [], 0

    def close(self) -> DataFile | None:
        """Finish the file; None, and no file, if no row came."""
        self._flush()
        if self._writer is None:
            return None
        self._writer.close()
        info = self._files.get_file_info(self.path)
        with self._files.open_input_file(self.path) as opened:
            footer = pq.read_metadata(opened)
        return DataFile(
            self.path, info.size, self._rows, stats_of(footer, self._schema, self._nulls)
        )

    def discard(self) -> None:
        """Remove what was written."""
        if self._writer is not None:
            with suppress(OSError, pa.ArrowException):
                self._writer.close()
            remove(self._files, self.path)


def write(root: Root, table: str, rows: pa.Table, token: str) -> list[DataFile]:
    """Write rows as one data file; none if there is no row."""
    writer = Writer(root, table, token)
    try:
        writer.write(rows)
        file = writer.close()
    except BaseException:
        writer.discard()
        raise
    return [] if file is None else [file]


def remove(files: Any, path: str) -> None:
    """Remove a data file that no entry of the log names."""
    with suppress(FileNotFoundError):
        files.delete_file(path)


def sweep(root: Root, table: str, token: str) -> None:
    """Remove the data files with this token that the newest version does not hold."""
    version = ledger.version_of(root, table)
    held = {} if version is None else ledger.files_of(root, table, version)
    files = place(root).files(*segments(table))
    for info in files.get_file_info(FileSelector("", allow_not_found=True)):
        name = info.path.lstrip("/")
        if name.startswith(f"part-{token}-") and name not in held:
            remove(files, name)


def _repeating(schema: pa.Schema) -> list[str]:
    """Return the columns whose values repeat: of the others a dictionary is lost work."""
    own = {"item_id", "content_hash", "scene_id", "identity", "footprint_id"}
    own |= {"xmin", "ymin", "xmax", "ymax", "extent_id", "extent_wkb", "evidence"}
    plain = [f.name for f in schema if f.name not in own and not pa.types.is_nested(f.type)]
    return [*plain, "assets.key_value.key"] if "assets" in schema.names else plain


def stats_of(footer: pq.FileMetaData, schema: pa.Schema, nulls: dict[str, int]) -> str:
    """Return what Delta's log says of a file: rows, least and greatest values, nulls.

    A value that is not known, or not exactly, is left out or given as a bound.
    """
    places = {footer.schema.column(i).path: i for i in range(footer.num_columns)}
    low: dict[str, Any] = {}
    high: dict[str, Any] = {}
    for field in list(schema)[:_LEAVES]:
        if field.name not in places or not _ordered(field.type):
            continue
        bounds = [
            _bounds(footer.row_group(g), places[field.name]) for g in range(footer.num_row_groups)
        ]
        if any(bound is None for bound in bounds):
            continue
        known = [value for bound in bounds for value in bound or ()]
        if known:
            least, most = min(known), max(known)
            if (lower := _lower(least)) is not None:
                low[field.name] = lower
            if (upper := _upper(most)) is not None:
                high[field.name] = upper
    counts = {field.name: nulls[field.name] for field in list(schema)[:_LEAVES]}
    said = {"numRecords": footer.num_rows, "minValues": low, "maxValues": high, "nullCount": counts}
    return json.dumps(said, ensure_ascii=False, separators=(",", ":"))


def _ordered(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_timestamp(kind)
    )


def _bounds(group: pq.RowGroupMetaData, at: int) -> tuple[Any, ...] | None:
    """Return least and greatest value of a column; () if all are null, None if not known."""
    column = group.column(at)
    if not column.is_stats_set:
        return None
    found = column.statistics
    if found.has_min_max:
        return found.min, found.max
    return () if found.null_count == group.num_rows else None


def _lower(value: Any) -> Any:
    if isinstance(value, str):
        return value[:STATS_CHARACTERS]
    if isinstance(value, datetime):
        return _moment(value - timedelta(microseconds=value.microsecond % 1000))
    return value


def _upper(value: Any) -> Any:
    if isinstance(value, str):
        if len(value) <= STATS_CHARACTERS:
            return value
        # Greater than all that begin so; None where that cannot be said.
        return None if _LAST_CHARACTER in value else value[:STATS_CHARACTERS] + _LAST_CHARACTER
    if isinstance(value, datetime):
        return _moment(value + timedelta(microseconds=-value.microsecond % 1000))
    return value


def _moment(value: datetime) -> str:
    return value.strftime("%Y-%m-%dT%H:%M:%S.") + f"{value.microsecond // 1000:03}Z"


def read(root: Root, table: str, path: str, columns: list[str]) -> pa.Table:
    """Return columns of one data file, whoever wrote it, as the contract has them, in its order."""
    return pa.concat_tables(list(read_groups(root, table, path, columns)))


def read_groups(root: Root, table: str, path: str, columns: list[str]) -> Iterator[pa.Table]:
    """Yield columns of one data file, a row group at a time; at least one table."""
    files = place(root).files(*segments(table))
    full = ledger.arrow_schema(table)
    schema = pa.schema([full.field(name) for name in columns])
    with files.open_input_file(path) as opened:
        # Spark writes times in a form of its own.
        file = pq.ParquetFile(opened, coerce_int96_timestamp_unit="us", pre_buffer=True)
        present = set(file.schema_arrow.names)
        held = [name for name in columns if name in present]
        for group in range(file.num_row_groups):
            rows = file.read_row_group(group, columns=held, use_threads=False)
            for name in columns:
                if name not in present:
                    rows = rows.append_column(name, pa.nulls(rows.num_rows, full.field(name).type))
            yield rows.select(columns).cast(schema)
        if not file.num_row_groups:
            yield schema.empty_table()


def key_texts(rows: pa.Table, table: str) -> pa.ChunkedArray:
    """Return the key of each row as one text; the parts of a key hold no ``|``."""
    parts = [rows[name] for name in contract(table).key]
    return pc.binary_join_element_wise(*parts, "|") if len(parts) > 1 else parts[0]


def without(root: Root, table: str, path: str, keys: pa.Array, token: str) -> Iterator[DataFile]:
    """Write the rows of a data file to another, but for those with some keys; none, no file."""
    writer = Writer(root, table, token)
    for rows in read_groups(root, table, path, ledger.arrow_schema(table).names):
        writer.write(rows.filter(pc.invert(pc.is_in(key_texts(rows, table), value_set=keys))))
    file = writer.close()
    if file is not None:
        yield file


def near(
    root: Root,
    table: str,
    columns: list[str],
    where: Any,
    *,
    but: Collection[str] = (),
) -> Iterator[tuple[str, pa.Table]]:
    """Yield the rows for which an Arrow expression holds, with the file that they lie in.

    Read are those files of the newest version that can hold such rows, by what the log says.

    Args:
        root: The lake.
        table: The table.
        columns: Columns of its contract; of a table that lacks one it is null.
        where: The condition; it names columns that the table has.
        but: Files that are passed over.
    """
    for found in _fragments(root, table, columns, where, but):
        rows = found.fragment.to_table(**found.options)
        if rows.num_rows:
            yield found.path, found.fitting(rows)


def streamed(
    root: Root,
    table: str,
    columns: list[str],
    where: Any,
    *,
    but: Collection[str] = (),
    most: int = 20_000,
) -> Iterator[pa.Table]:
    """Yield the rows that `near` does, at most `most` at a time: memory holds no whole file."""
    for found in _fragments(root, table, columns, where, but):
        ahead = {"batch_size": most, "batch_readahead": 2}
        for batch in found.fragment.to_batches(**found.options, **ahead):
            if batch.num_rows:
                yield found.fitting(pa.Table.from_batches([batch]))


@dataclass(frozen=True)
class _Found:
    """A file that may hold rows that are asked for, and how they are read from it."""

    path: str
    fragment: Any
    options: dict[str, Any]
    schema: pa.Schema

    def fitting(self, rows: pa.Table) -> pa.Table:
        """Return rows as the contract has them; a column that the table lacks is null."""
        for name in self.schema.names:
            if name not in rows.column_names:
                kind = self.schema.field(name).type
                rows = rows.append_column(name, pa.nulls(rows.num_rows, kind))
        return rows.select(self.schema.names).cast(self.schema)


def _fragments(
    root: Root, table: str, columns: list[str], where: Any, but: Collection[str]
) -> Iterator[_Found]:
    found = ledger.open_table(root, table)
    if found is None:
        return
    dataset = found.to_pyarrow_dataset(filesystem=place(root).files(*segments(table)))
    full, present = ledger.arrow_schema(table), set(dataset.schema.names)
    schema = pa.schema([full.field(name) for name in columns])
    held = [name for name in columns if name in present]
    options = {"schema": dataset.schema, "columns": held, "filter": where}
    for fragment in dataset.get_fragments(filter=where):
        path = fragment.path.lstrip("/")
        if path not in but:
            yield _Found(path, fragment, options, schema)
