"""Tables that the driver writes with deltalake, where no JVM runs."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import DeltaError
from pyarrow.dataset import ParquetReadOptions
from pyarrow.parquet import filters_to_expression

from geosr_lake.errors import ContractError
from geosr_lake.ids import safe_segment
from geosr_lake.lake.contracts import LABEL, PROPERTIES, contract
from geosr_lake.lake.differences import apply, difference
from geosr_lake.lake.place import Root, place
from geosr_lake.lake.tables import exists, segments

_SIMPLE = {
    "string": pa.string(),
    "int": pa.int32(),
    "bigint": pa.int64(),
    "double": pa.float64(),
    "boolean": pa.bool_(),
    "binary": pa.binary(),
    "timestamp": pa.timestamp("us", tz="UTC"),
}


def _split_top(text: str) -> list[str]:
    """Split at the commas that stand outside angle brackets."""
    parts, depth, start = [], 0, 0
    for i, character in enumerate(text):
        depth += {"<": 1, ">": -1}.get(character, 0)
        if character == "," and depth == 0:
            parts.append(text[start:i])
            start = i + 1
    return [*parts, text[start:]]


def arrow_type(kind: str) -> pa.DataType:
    """Return the Arrow type of a contract's Spark SQL type."""
    if kind in _SIMPLE:
        return _SIMPLE[kind]
    outer, _, inner = kind[:-1].partition("<")
    if outer == "array":
        return pa.list_(arrow_type(inner))
    if outer == "map":
        key, value = _split_top(inner)
        return pa.map_(arrow_type(key), arrow_type(value))
    if outer == "struct":
        fields = [part.split(":", 1) for part in _split_top(inner)]
        return pa.struct([pa.field(name, arrow_type(of)) for name, of in fields])
    raise ContractError(f"The type {kind!r} has no Arrow type")


def arrow_schema(table: str) -> pa.Schema:
    """Return the contract's columns as an Arrow schema."""
    return pa.schema(
        [pa.field(c.name, arrow_type(c.type), nullable=c.nullable) for c in contract(table).columns]
    )


def rows_table(table: str, rows: list[dict[str, Any]]) -> pa.Table:
    """Return `rows` as an Arrow table that fits the contract.

    Raises:
        ContractError: If a row has a key that is no column, a wrong type, or a null that is
            not allowed.
    """
    schema = arrow_schema(table)
    names = set(schema.names)
    for row in rows:
        if unknown := row.keys() - names:
            raise ContractError(f"Rows of {table} have no column {', '.join(sorted(unknown))}")
        if missing := [f.name for f in schema if not f.nullable and row.get(f.name) is None]:
            raise ContractError(f"Rows of {table} must have {', '.join(missing)}")
    try:
        return pa.Table.from_pylist(rows, schema=schema)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise ContractError(f"Rows do not fit the table {table}: {error}") from error


def open_table(root: Root, table: str, version: int | None = None) -> DeltaTable | None:
    """Return the table at `version` (None: the latest), or None if it was never made."""
    if not exists(root, table):
        return None
    lies = place(root)
    return DeltaTable(
        lies.delta_url(*segments(table)), version=version, storage_options=lies.delta_options()
    )


def create(root: Root, table: str) -> DeltaTable:
    """Return the table, made from its contract if it is not there yet, and brought up to it."""
    terms, schema, lies = contract(table), arrow_schema(table), place(root)
    found = open_table(root, table)
    if found is None:
        # A log without a version is what a run leaves that was killed here.
        lies.remove_below(*segments(table), "_delta_log")
    found = found or DeltaTable.create(
        lies.delta_url(*segments(table)),
        schema=schema,
        description=terms.description,
        configuration=PROPERTIES | {LABEL: terms.label},
        raise_if_key_not_exists=False,
        storage_options=lies.delta_options(),
    )
    # A run killed in between leaves a table without its constraints: they are asked for each time.
    for step in difference(found, terms, schema):
        apply(found, terms, schema, step)
    return found


@contextmanager
def refusing(table: str) -> Iterator[None]:
    """Turn the engine's refusal of rows (it has no class of its own) into a `ContractError`."""
    try:
        yield
    except DeltaError as error:
        if type(error) is not DeltaError:
            raise
        limits = "; ".join(f"{n}: {e}" for n, e in contract(table).constraints.items())
        raise ContractError(
            f"A row does not fit the table {table} ({limits})",
            where=" ".join(str(error).split())[:300],
            next_step=f"See schemas/{table}.json.",
        ) from error


def append(root: Root, table: str, rows: list[dict[str, Any]], *, txn: str | None = None) -> None:
    """Append `rows`; with `txn`, the same text a second time appends nothing.

    deltalake stores a transaction but skips nothing, so it is asked first. One writer at a time:
    the caller holds the stage's lock.
    """
    if not rows:
        return
    target = create(root, table)
    properties = None
    if txn is not None:
        if target.transaction_version(txn) is not None:
            return
        properties = CommitProperties(app_transactions=[Transaction(txn, 1)])
    fitting = rows_table(table, rows)
    with refusing(table):
        write_deltalake(target, fitting, mode="append", commit_properties=properties)


def replace(
    root: Root, table: str, rows: list[dict[str, Any]], *, where: dict[str, str | int]
) -> bool:
    """Put `rows` in the place of those that match `where`, in one commit; no commit if equal.

    One writer at a time: the caller holds the stage's lock.

    Args:
        root: The lake.
        table: A table that deltalake writes.
        rows: All of them match `where`.
        where: Column -> value; texts must be plain names, since they become part of a predicate.

    Returns:
        Whether anything was written.
    """
    filters = [(column, "=", value) for column, value in where.items()]
    wanted = rows_table(table, rows)
    before = read(root, table, filters=filters)
    key = [(name, "ascending") for name in contract(table).key]
    if before.num_rows == wanted.num_rows and before.sort_by(key).equals(wanted.sort_by(key)):
        return False
    if before.num_rows == 0:
        append(root, table, rows)
        return True
    predicate = " AND ".join(
        f"{column} = {value}" if isinstance(value, int) else f"{column} = '{safe_segment(value)}'"
        for column, value in where.items()
    )
    with refusing(table):
        write_deltalake(create(root, table), wanted, mode="overwrite", predicate=predicate)
    return True


def read(
    root: Root,
    table: str,
    version: int | None = None,
    *,
    columns: list[str] | None = None,
    filters: Any = None,
    coded: Sequence[str] = (),
) -> pa.Table:
    """Return the rows of `table` at `version` (None: the latest); none if it was never made.

    Args:
        columns: The columns to read; None: all.
        filters: Conditions in pyarrow's form, ``[("column", "=", value), ...]``, or an expression.
        coded: Columns with long values that repeat, which come as dictionaries: read in one piece
            they would take far more memory than on disk.
    """
    found = open_table(root, table, version)
    schema = arrow_schema(table)
    if columns is not None:
        schema = pa.schema([schema.field(name) for name in columns])
    if found is None:
        return schema.empty_table()
    # Arrow's own files: a thread that still reads ahead through deltalake's, which are Python
    # objects, when the interpreter ends aborts the process.
    files = place(root).files(*segments(table))
    present = {field.name for field in found.schema().fields}
    held = [name for name in schema.names if name in present]
    options = ParquetReadOptions(dictionary_columns=set(coded)) if coded else None
    if isinstance(filters, list):
        filters = filters_to_expression(filters)
    rows = found.to_pyarrow_dataset(filesystem=files, parquet_read_options=options).to_table(
        columns=held, filter=filters
    )
    schema = coded_schema(schema, coded)
    for field in schema:
        if field.name not in present:  # a version from before the table had the column
            rows = rows.append_column(field, pa.nulls(rows.num_rows, field.type))
    return rows.select(schema.names).cast(schema)


def coded_schema(schema: pa.Schema, names: Sequence[str]) -> pa.Schema:
    """Return the columns with some of them as dictionaries."""
    for name in names:
        packed = pa.dictionary(pa.int32(), schema.field(name).type)
        schema = schema.set(schema.get_field_index(name), schema.field(name).with_type(packed))
    return schema


def files_of(root: Root, table: str, version: int) -> dict[str, int]:
    """Return the data files of a version, relative to the table, with their bytes."""
    found = open_table(root, table, version)
    if found is None:
        return {}
    actions = pa.table(found.get_add_actions())
    sizes = actions["size_bytes"].to_pylist()
    return dict(zip(actions["path"].to_pylist(), sizes, strict=True))


def same_rows(root: Root, table: str, since: int | None, until: int) -> bool:
    """Tell whether the versions after `since` (None: none) up to `until` changed no row.

    Compaction and changes of columns, rules and properties change none; asked of the log.
    """
    if since is None:
        return False
    for version in range(since + 1, until + 1):
        entry = actions(root, table, version)
        if entry is None or any(
            action.get(kind, {}).get("dataChange") for action in entry for kind in ("add", "remove")
        ):
            return False
    return True


def actions(root: Root, table: str, version: int) -> list[dict[str, Any]] | None:
    """Return what one version of `table` did, from Delta's log; None where its entry is gone."""
    log = place(root).files(*segments(table), "_delta_log")
    try:
        with log.open_input_stream(f"{version:020}.json") as stream:
            text = stream.read()
    except FileNotFoundError:
        return None
    return [json.loads(line) for line in text.decode().splitlines()]


def row_count(root: Root, table: str, version: int | None = None, *, where: Any = None) -> int:
    """Return the rows of `table` at `version` (None: the latest); 0 if never made.

    Without `where` (a condition as an Arrow expression) the log knows.
    """
    found = open_table(root, table, version)
    if found is None:
        return 0
    if where is not None:
        files = place(root).files(*segments(table))
        return int(found.to_pyarrow_dataset(filesystem=files).count_rows(filter=where))
    return sum(n or 0 for n in pa.table(found.get_add_actions())["num_records"].to_pylist())


def version_of(root: Root, table: str) -> int | None:
    """Return the latest version of `table`, or None if it was never made."""
    found = open_table(root, table)
    return None if found is None else int(found.version())


def batches(
    root: Root,
    table: str,
    version: int,
    *,
    columns: list[str],
    where: Any = None,
    most: int = 20_000,
    coded: Sequence[str] = (),
) -> Iterator[pa.RecordBatch]:
    """Yield rows of `table` at `version`, at most `most` at a time.

    Args:
        columns: Columns that the version has.
        where: A condition as an Arrow expression; None: all rows.
        coded: Columns that come as dictionaries, as at `read`.
    """
    found = open_table(root, table, version)
    if found is None:
        return
    files = place(root).files(*segments(table))
    packing = ParquetReadOptions(dictionary_columns=set(coded)) if coded else None
    dataset = found.to_pyarrow_dataset(filesystem=files, parquet_read_options=packing)
    schema = coded_schema(pa.schema([arrow_schema(table).field(name) for name in columns]), coded)
    options = {"columns": columns, "filter": where, "batch_size": most}
    for batch in dataset.to_batches(**options, batch_readahead=2, fragment_readahead=1):
        yield pa.RecordBatch.from_arrays(
            [column.cast(kind) for column, kind in zip(batch.columns, schema.types, strict=True)],
            schema=schema,
        )
