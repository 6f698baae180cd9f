"""What changed in a table between two of its versions, read from Delta's log.

A table that is made from another one remembers up to which version of it: as a transaction of
Delta's, which stands in the same commit as the rows. So rows and memory cannot part, whatever
kills the run, and they are read at any version of the table.
"""

from collections import Counter
from typing import TYPE_CHECKING
from urllib.parse import unquote

from geosr_lake.lake import ledger, tables
from geosr_lake.lake.place import Root

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyspark.sql import DataFrame, SparkSession

CAME, GONE = 1, -1
"""Values of the column `change`."""

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
    if since > until:
        return None
    signs: Counter[str] = Counter()
    for version in range(since + 1, until + 1):
        if (actions := ledger.actions(root, table, version)) is None:
            return None
        for action in actions:
            for name, sign in (("add", CAME), ("remove", GONE)):
                of_file = action.get(name) or {}
                if of_file.get("dataChange"):
                    signs[of_file["path"]] += sign
    where = tables.table_path(root, table)
    return {_place(where, path): sign for path, sign in signs.items() if sign}


def rows_between(
    spark: "SparkSession",
    root: Root,
    table: str,
    since: int,
    until: int,
    *,
    columns: "Sequence[str]",
    along: "Sequence[str]" = (),
) -> "DataFrame | None":
    """Return the rows that came and went between two versions of a table.

    Only files that one of the two versions has and the other has not are read. A row that was
    rewritten without a change of `columns` neither came nor went; one that changed did both.

    Args:
        spark: The session.
        root: The lake.
        table: The table.
        since: The older version.
        until: The newer version.
        columns: What makes a row: columns that can be grouped by.
        along: Columns that follow from `columns` and come along.

    Returns:
        `columns`, `along` and `change` (`CAME` or `GONE`); None where the log, or a file that is
        gone, does not reach back so far.
    """
    from pyspark.sql import functions as f

    if (files := between(root, table, since, until)) is None:
        return None
    wanted = [*columns, *along]
    schema = tables.schema(table)
    ddl = ", ".join(f"`{name}` {schema[name].dataType.simpleString()}" for name in wanted)
    rows = spark.createDataFrame([], f"{ddl}, change int")
    for sign in (CAME, GONE):
        if paths := [path for path, of in files.items() if of == sign]:
            if (found := _found(spark, paths, ddl)) is None:
                return None
            rows = rows.unionAll(found.withColumn("change", f.lit(sign)))
    return (
        rows.groupBy(*columns)
        .agg(*(f.any_value(name).alias(name) for name in along), f.sum("change").alias("change"))
        .where("change <> 0")
        .withColumn("change", f.signum("change").cast("int"))
    )


def _found(spark: "SparkSession", paths: list[str], ddl: str) -> "DataFrame | None":
    """Return what is in some files; None if one of them is no longer there."""
    from pyspark.errors import AnalysisException

    try:
        return spark.read.schema(ddl).parquet(*paths)
    except AnalysisException as error:
        if error.getCondition() != "PATH_NOT_FOUND":
            raise
        return None


def _place(table: str, path: str) -> str:
    """Return where a file of the log lies: written relative to the table, and percent-encoded."""
    plain = unquote(path)
    return plain if "://" in plain or plain.startswith(("/", "file:")) else f"{table}/{plain}"
