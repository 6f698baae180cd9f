"""What changed in a table between two of its versions, read from Delta's log.

A table that is made from another one remembers up to which version of it: as a transaction of
Delta's, which stands in the same commit as the rows. So rows and memory cannot part, whatever
kills the run, and they are read at any version of the table.
"""

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import dataset

from geosr_lake.lake import ledger, tables
from geosr_lake.lake.frames import from_parquet
from geosr_lake.lake.place import Root, place

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pyspark.sql import SparkSession

CAME, GONE = 1, -1
"""Values of the column `change`."""

MOST_BYTES = 512 << 20
"""Bytes of files that are compared in this process: up to some millions of rows."""
MOST_ALONG_BYTES = 512 << 20
"""Bytes of long values that may come here from Spark: half of what it allows a result."""

PAIRS_RESULT = 1
"""Goes up when the same scenes give other pairs than before: then all are found again."""


def pairs_of(rule_id: str) -> str:
    """Return how `mark` names the rows of a pair rule."""
    return f"pairs-{PAIRS_RESULT}-{rule_id}"


def mark(root: Root, source: str, what: str) -> str:
    """Return the transaction under which rows made from `source` are written.

    It names the table, not only its place: one that was made anew counts its versions anew.

    Args:
        root: The lake.
        source: The table that rows are made from; it must be there.
        what: Which rows: letters, digits, `-` and `_`.
    """
    found = ledger.open_table(root, source)
    if found is None:
        raise ValueError(f"there is no table {source}")
    return f"{what}-of-{found.metadata().id}"


def made_from(
    root: Root, table: str, source: str, what: str, version: int | None = None
) -> int | None:
    """Return the version of `source` that rows of `table` were made from; None: of none.

    Args:
        root: The lake.
        table: The table that holds the rows.
        source: The table that they were made from.
        what: Which rows, as at `mark`.
        version: Version of `table`; None: the newest.
    """
    found = ledger.open_table(root, table, version)
    if found is None or ledger.version_of(root, source) is None:
        return None
    seen = found.transaction_version(mark(root, source, what))
    return None if seen is None else int(seen)


def between(root: Root, table: str, since: int, until: int) -> dict[str, int] | None:
    """Return the files whose rows make up what changed between two versions: `CAME` or `GONE`.

    Compaction and clustering move rows and change none; their files do not count. A file that
    came and went in between does not either.

    Returns:
        Path -> sign; None where the log does not reach back so far.
    """
    if (files := _files(root, table, since, until)) is None:
        return None
    where = tables.table_path(root, table)
    return {_place(where, file.path): sign for file, sign in files.items()}


@dataclass(frozen=True)
class _File:
    """A file of the log; `size` None where the log does not tell it."""

    path: str
    size: int | None

    @property
    def plain(self) -> str:
        """The path as written, without its percent-encoding."""
        return unquote(self.path)


def _files(root: Root, table: str, since: int, until: int) -> dict[_File, int] | None:
    if since > until:
        return None
    signs: Counter[str] = Counter()
    sizes: dict[str, int | None] = {}
    for version in range(since + 1, until + 1):
        if (actions := ledger.actions(root, table, version)) is None:
            return None
        for action in actions:
            for name, sign in (("add", CAME), ("remove", GONE)):
                of_file = action.get(name) or {}
                if of_file.get("dataChange"):
                    signs[of_file["path"]] += sign
                    sizes[of_file["path"]] = of_file.get("size") or sizes.get(of_file["path"])
    return {_File(path, sizes[path]): sign for path, sign in signs.items() if sign}


def rows_between(
    spark: "Callable[[], SparkSession]",
    root: Root,
    table: str,
    since: int,
    until: int,
    *,
    columns: "Sequence[str]",
    along: str,
    most: int,
) -> pa.Table | None:
    """Return the rows that came and went between two versions of a table.

    Only files that one of the two versions has and the other has not are read. A row that was
    rewritten without a change of `columns` neither came nor went; one that changed did both. Files
    of more than `MOST_BYTES` are compared by Spark.

    Args:
        spark: Gives the session, if it is needed.
        root: The lake.
        table: The table; the first of `columns` is its key.
        since: The older version.
        until: The newer version.
        columns: What makes a row: columns that can be grouped by.
        along: A column of long values that follows from `columns`; known of rows that came, else
            null.
        most: More rows than these are not returned.

    Returns:
        `columns`, `change` (`CAME` or `GONE`) and `along`, as a dictionary; None where the log, or
        a file that is gone, does not reach back so far, or where more changed.
    """
    if (files := _files(root, table, since, until)) is None:
        return None
    here = all(file.size is not None and "://" not in file.plain for file in files)
    try:
        if here and sum(file.size or 0 for file in files) <= MOST_BYTES:
            return _changed(root, table, files, columns, along, most)
        return _changed_in_spark(spark(), root, table, files, columns, along, most)
    except FileNotFoundError:
        return None


def _changed(
    root: Root,
    table: str,
    files: dict[_File, int],
    columns: "Sequence[str]",
    along: str,
    most: int,
) -> pa.Table | None:
    """Compare the rows in this process; `along` is read of what came only, each value once."""
    schema = ledger.arrow_schema(table)
    coded = pa.field(along, pa.dictionary(pa.int32(), schema.field(along).type))
    lies = place(root).files(*tables.segments(table))
    packed = dataset.ParquetFileFormat(read_options={"dictionary_columns": {along}})

    def rows(sign: int, names: "Sequence[str]", which: Any = None) -> pa.Table:
        paths = [file.plain.removeprefix("/") for file, of in files.items() if of == sign]
        kinds = pa.schema([coded if name == along else schema.field(name) for name in names])
        if not paths:
            return kinds.empty_table()
        found = dataset.dataset(paths, schema=kinds, format=packed, filesystem=lies)
        return found.to_table(filter=which)

    signed = [
        some.append_column("change", pa.repeat(pa.scalar(sign, pa.int32()), len(some)))
        for sign in (CAME, GONE)
        for some in (rows(sign, columns),)
    ]
    grouped = pa.concat_tables(signed).group_by(list(columns)).aggregate([("change", "sum")])
    moved = grouped.filter(pc.not_equal(grouped["change_sum"], 0))
    if len(moved) > most:
        return None
    change = pc.sign(moved["change_sum"]).cast(pa.int32())
    moved = moved.select(list(columns)).append_column("change", change)
    came, gone = (moved.filter(pc.equal(change, sign)) for sign in (CAME, GONE))
    key = columns[0]
    more = rows(CAME, [*columns, along], pc.field(key).isin(came[key].combine_chunks()))
    now = came.take(pc.index_in(more[key], value_set=came[key].combine_chunks()))
    kept = pa.repeat(pa.scalar(True), len(more))
    for name in columns:
        equal = pc.fill_null(pc.equal(more[name], now[name]), False)
        kept = pc.and_(kept, pc.or_(equal, pc.and_(pc.is_null(more[name]), pc.is_null(now[name]))))
    more = more.filter(kept)
    # A key can come twice: in a file that was compacted away since, and whose rows went again.
    first = np.zeros(len(more), bool)
    first[pc.index_in(pc.unique(more[key]), value_set=more[key].combine_chunks()).to_numpy()] = True
    more = more.filter(pa.array(first))
    signs = pa.repeat(pa.scalar(CAME, pa.int32()), len(more))
    more = more.add_column(len(columns), "change", signs)
    return pa.concat_tables([more, gone.append_column(coded, pa.nulls(len(gone), coded.type))])


def _changed_in_spark(
    spark: "SparkSession",
    root: Root,
    table: str,
    files: dict[_File, int],
    columns: "Sequence[str]",
    along: str,
    most: int,
) -> pa.Table | None:
    """Compare the rows of large files; what moved comes here, unless it is too much.

    Raises:
        FileNotFoundError: If one of the files is no longer there.
    """
    from pyspark.errors import AnalysisException
    from pyspark.sql import functions as f

    schema, where = tables.schema(table), tables.table_path(root, table)
    ddl = ", ".join(f"`{n}` {schema[n].dataType.simpleString()}" for n in [*columns, along])
    rows = spark.createDataFrame([], f"{ddl}, change int")
    for sign in (CAME, GONE):
        if paths := [_place(where, file.path) for file, of in files.items() if of == sign]:
            try:
                found = from_parquet(spark, paths, ddl)
            except AnalysisException as error:
                if error.getCondition() != "PATH_NOT_FOUND":
                    raise
                raise FileNotFoundError(where) from error
            rows = rows.unionAll(found.withColumn("change", f.lit(sign)))
    value = f.when(f.col("change") == CAME, f.col(along))
    moved = (
        rows.groupBy(*columns)
        .agg(f.sum("change").alias("change"), f.any_value(value, True).alias(along))
        .where("change <> 0")
        .withColumn("change", f.signum("change").cast("int"))
        .persist()
    )
    try:
        number, size = moved.agg(f.count("*"), f.sum(f.octet_length(along))).collect()[0]
        if number > most or (size or 0) > MOST_ALONG_BYTES:
            return None
        found = moved.select(*columns, "change", along).toArrow()
    finally:
        moved.unpersist()
    kinds = ledger.arrow_schema(table)
    fields = [*(kinds.field(n) for n in columns), pa.field("change", pa.int32())]
    fields += [kinds.field(along)]
    whole = found.cast(pa.schema([field.with_nullable(True) for field in fields]))
    coded = pa.dictionary(pa.int32(), kinds.field(along).type)
    chunks = [chunk.dictionary_encode() for chunk in whole[along].chunks]  # each with its own
    return whole.set_column(len(fields) - 1, along, pa.chunked_array(chunks, coded))


def _place(table: str, path: str) -> str:
    """Return where a file of the log lies: written relative to the table, and percent-encoded."""
    plain = unquote(path)
    return plain if "://" in plain or plain.startswith(("/", "file:")) else f"{table}/{plain}"
