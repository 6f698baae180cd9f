"""Arrow rows into tables that Spark writes too: by deltalake, without a JVM, where that can be.

deltalake does not write clustered tables, which Spark's are from the start and others become when
`geosr lake maintain` finds them large. Those get their rows through Spark.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import reduce
from operator import and_, or_
from queue import Full, Queue
from threading import Event
from typing import TYPE_CHECKING
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import CommitProperties, Transaction, write_deltalake

from geosr_lake.errors import ContractError
from geosr_lake.lake import datafiles, deltalog, ledger, tables
from geosr_lake.lake.contracts import contract
from geosr_lake.lake.frames import from_arrow
from geosr_lake.lake.place import Root
from geosr_lake.lake.tables import Txn

if TYPE_CHECKING:
    from geosr_lake.lake.handle import Lake


def needs_spark(root: Root, table: str) -> bool:
    """Tell whether only Spark can write `table` as it stands."""
    found = ledger.open_table(root, table)
    features = None if found is None else found.protocol().writer_features
    return "clustering" in (features or ())


def checked(rows: pa.Table, table: str) -> pa.Table:
    """Return `rows` with the contract's columns, in their order and of their types.

    Raises:
        ContractError: If a column is missing or not in the contract, has another type, or a null
            that is not allowed.
    """
    schema = ledger.arrow_schema(table)
    problems = [
        f"column {name} is missing" for name in schema.names if name not in rows.schema.names
    ]
    problems += [
        f"column {n} is not in the contract" for n in rows.schema.names if n not in schema.names
    ]
    if not problems:
        problems = [
            f"column {field.name} has nulls"
            for field in schema
            if not field.nullable and rows[field.name].null_count
        ]
    if not problems:
        try:
            return rows.select(schema.names).cast(schema)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            problems = [str(error)]
    raise ContractError(
        f"Rows do not fit the table {table}: {'; '.join(sorted(problems))}",
        next_step=f"See schemas/{table}.json.",
    )


def _properties(txn: Txn | None) -> CommitProperties | None:
    if txn is None:
        return None
    return CommitProperties(app_transactions=[Transaction(txn.name, txn.number)])


def _seen(root: Root, table: str, txn: Txn | None) -> bool:
    """Tell whether Delta has seen a transaction; deltalake writes them, and skips nothing."""
    found = None if txn is None else ledger.open_table(root, table)
    if txn is None or found is None:
        return False
    seen = found.transaction_version(txn.name)
    return seen is not None and seen >= txn.number


def append(
    lake: "Lake", table: str, rows: pa.Table | Iterable[pa.Table], *, txn: Txn | None = None
) -> None:
    """Append rows; the same transaction a second time appends nothing, as at `tables.append`.

    No rows with a transaction are a version that says only that it took place.

    Args:
        lake: The lake.
        table: The table.
        rows: The contract's columns; or some tables of them, which are taken one after the other.
        txn: Written with the rows.
    """
    schema = ledger.arrow_schema(table)
    parts = iter([checked(rows, table)] if isinstance(rows, pa.Table) else rows)
    if needs_spark(lake.root, table):
        whole = pa.concat_tables([schema.empty_table(), *(checked(part, table) for part in parts)])
        frame = from_arrow(lake.spark, whole, tables.schema(table))
        tables.append(lake.spark, lake.root, table, frame, txn=txn)
        return
    if _seen(lake.root, table, txn):
        return
    target = ledger.create(lake.root, table)

    def write(batches: Iterator[pa.RecordBatch]) -> None:
        reader = pa.RecordBatchReader.from_batches(schema, batches)
        with ledger.refusing(table):
            write_deltalake(target, reader, mode="append", commit_properties=_properties(txn))

    _hand_over((b for part in parts for b in checked(part, table).to_batches()), write)


def _hand_over(
    batches: Iterable[pa.RecordBatch], write: Callable[[Iterator[pa.RecordBatch]], None]
) -> None:
    """Make batches in this thread while another one writes them.

    deltalake takes batches in threads of its own, where an error loses its class, Ctrl-C is not
    seen, and libraries that keep something for each Python thread (pyproj) crash.
    """
    waiting: Queue[pa.RecordBatch | None] = Queue(2)
    broken = Event()

    def taken() -> Iterator[pa.RecordBatch]:
        while (batch := waiting.get()) is not None:
            yield batch
        if broken.is_set():
            raise InterruptedError("the rows ended early")

    with ThreadPoolExecutor(1) as threads:
        writing = threads.submit(write, taken())

        def put(batch: pa.RecordBatch | None) -> None:
            while not writing.done():
                with suppress(Full):
                    waiting.put(batch, timeout=0.5)
                    return

        try:
            for batch in batches:
                put(batch)
                if writing.done():
                    break
        except BaseException:
            broken.set()
            put(None)
            raise
        put(None)
        writing.result()


def replace(
    lake: "Lake", table: str, rows: pa.Table, *, where: Mapping[str, str], txn: Txn | None = None
) -> None:
    """Put `rows` in the place of those whose columns equal `where`; all must match it."""
    fitting = checked(rows, table)
    if needs_spark(lake.root, table):
        frame = from_arrow(lake.spark, fitting, tables.schema(table))
        tables.replace(lake.spark, lake.root, table, frame, where=dict(where), txn=txn)
        return
    if _seen(lake.root, table, txn):
        return
    with ledger.refusing(table):
        write_deltalake(
            ledger.create(lake.root, table),
            fitting,
            mode="overwrite",
            predicate=" AND ".join(f"{name} = {_quoted(value)}" for name, value in where.items()),
            commit_properties=_properties(txn),
        )


def restore(lake: "Lake", table: str, version: int | None) -> None:
    """Make a new version with the rows of `version` (None: no row).

    Not Delta's RESTORE: after one, Delta would skip in silence a transaction it had seen.
    """
    if needs_spark(lake.root, table):
        tables.restore_rows(lake.spark, lake.root, table, version)
        return
    schema = ledger.arrow_schema(table)
    found = None if version is None else ledger.open_table(lake.root, table, version)
    present = [] if found is None else [field.name for field in found.schema().fields]
    held = [name for name in schema.names if name in present]

    def whole() -> Iterator[pa.RecordBatch]:
        if version is None:
            return
        for batch in ledger.batches(lake.root, table, version, columns=held):
            rows = pa.Table.from_batches([batch])
            for field in schema:
                if field.name not in held:  # a version from before the table had the column
                    rows = rows.append_column(field, pa.nulls(len(rows), field.type))
            yield from checked(rows, table).to_batches()

    def write(batches: Iterator[pa.RecordBatch]) -> None:
        reader = pa.RecordBatchReader.from_batches(schema, batches)
        with ledger.refusing(table):
            write_deltalake(ledger.create(lake.root, table), reader, mode="overwrite")

    _hand_over(whole(), write)


def apply(
    lake: "Lake",
    table: str,
    changes: pa.Table,
    *,
    where: Mapping[str, str],
    any_of: Mapping[str, Sequence[str]] | None = None,
    txn: Txn | None = None,
) -> None:
    """Apply changes to a table that is there, in one commit; other files stay as they are.

    Args:
        lake: The lake.
        table: The table.
        changes: The contract's columns, each key once, and `_deleted`: whether the row of this
            key goes; else it comes, or takes the place of the one that is there.
        where: What columns of every row that changes equal.
        any_of: One of these columns has one of its values in every row that changes: files that
            cannot hold such rows are not read. None: not known.
        txn: Written with the changes.
    """
    deleted = changes["_deleted"]
    fitting = checked(changes.drop_columns("_deleted"), table)
    if needs_spark(lake.root, table):
        frame = from_arrow(lake.spark, fitting.append_column("_deleted", deleted))
        condition = _in_spark(where, any_of or {})
        tables.apply(lake.spark, lake.root, table, frame, where=condition, txn=txn)
        return
    if _seen(lake.root, table, txn):
        return
    # Not deltalake's MERGE: it writes texts as string views, on which pyarrow's filters fail.
    keys = datafiles.key_texts(fitting, table).combine_chunks()
    token = f"apply-{uuid4().hex[:12]}"
    gone = [
        path
        for path, rows in datafiles.near(
            lake.root, table, list(contract(table).key), _in_arrow(where, any_of or {})
        )
        if pc.any(pc.is_in(datafiles.key_texts(rows, table), value_set=keys)).as_py()
    ]
    try:
        come = datafiles.write(lake.root, table, fitting.filter(pc.invert(deleted)), token)
        for path in gone:
            come += datafiles.without(lake.root, table, path, keys, token)
        deltalog.commit(lake.root, table, come, gone, txn=txn)
    except BaseException:
        with suppress(OSError):
            datafiles.sweep(lake.root, table, token)
        raise


def _in_spark(where: Mapping[str, str], any_of: Mapping[str, Sequence[str]]) -> str:
    parts = [f"t.{name} = {tables.quoted(value)}" for name, value in where.items()]
    choices = [
        f"t.{name} IN ({', '.join(tables.quoted(value) for value in values)})"
        for name, values in any_of.items()
        if values
    ]
    return " AND ".join([*parts, f"({' OR '.join(choices)})"] if choices else parts)


def _in_arrow(where: Mapping[str, str], any_of: Mapping[str, Sequence[str]]) -> pc.Expression:
    parts = [pc.field(name) == value for name, value in where.items()]
    choices = [pc.field(n).isin(pa.array(v, pa.string())) for n, v in any_of.items() if len(v)]
    if choices:
        parts.append(reduce(or_, choices))
    return reduce(and_, parts)


def _quoted(value: str) -> str:
    """Return a text from outside as a SQL literal of DataFusion's that is nothing but a literal."""
    return "'" + value.replace("'", "''") + "'"
