"""The lake in anybody's Spark session: views of pinned versions, and nothing else touched.

Everything is read through the session that is given (a path that only its cluster sees will do),
and in ways that Spark Connect has too.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from geosr_lake.errors import EnvironmentProblemError, UsageError
from geosr_lake.lake.contracts import contract, contracts
from geosr_lake.lake.moments import Commit, check_layout, choose
from geosr_lake.lake.sql import is_query, without_value
from geosr_lake.lake.tables import completed

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")
"""How a location with a scheme begins; platforms write `dbfs:/` and Spark itself `file:/`."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_made: "WeakKeyDictionary[SparkSession, dict[str, str]]" = WeakKeyDictionary()
"""Of each session, the views that `open_lake` made in it, with the lake they are of."""


class OpenedLake:
    """A lake in a Spark session, pinned to a commit. `open_lake` makes one.

    `df` and `sql` read the pinned versions; the views of the session do so too, unless the lake
    came from `at`, which makes no views.
    """

    def __init__(self, spark: "SparkSession", root: str, views: str | None) -> None:
        self.root = root
        self._spark = spark
        self._prefix = views
        self._commit = _history(spark, root)[-1]
        self._ledgers = _ledgers(spark, root)

    @property
    def versions(self) -> dict[str, int]:
        """The Delta version that each table is read at."""
        return self._commit.versions | self._ledgers

    @property
    def commit(self) -> int:
        """The number (`seq` of `commits`) of the commit that is read."""
        return self._commit.seq

    def df(self, table: str) -> "DataFrame":
        """Return `table` at its pinned version; without rows if there is none yet.

        Raises:
            UsageError: If there is no such table, or its version is no longer kept.
        """
        if table not in contracts():
            raise UsageError(
                f"There is no table {table!r}", next_step=f"One of: {', '.join(contracts())}."
            )
        version = self.versions.get(table)
        if version is None:
            return self._spark.createDataFrame([], contract(table).ddl)
        reader = self._spark.read.format("delta").option("versionAsOf", version)
        with _told(self.root, f"{table} at version {version}"):
            # Asks for the columns: Connect looks at the table only then.
            return completed(reader.load(_path(self.root, table)), table)

    def sql(self, query: str, args: dict[str, Any] | None = None) -> "DataFrame":
        """Run one read-only query over the pinned tables, under their own names.

        The query needs no views and makes none: the tables it names become its common table
        expressions. `args` fill named markers as ``:name``.

        Raises:
            UsageError: If the query does not parse or resolve, or is not a query.
        """
        from pyspark.errors import AnalysisException, ParseException

        text = query.strip().rstrip(";")
        try:
            if not is_query(self._spark, text, args):
                raise UsageError(
                    "Only queries can be run here", next_step="Begin with SELECT or WITH."
                )
            frame = self._spark.sql(self._with_tables(text), args=args)
            frame.schema  # noqa: B018 - Connect resolves the query only when asked
        except (ParseException, AnalysisException) as error:
            raise without_value(error) or UsageError(
                f"The query does not work: {_first_line(error)}", next_step=_advice(error)
            ) from error
        return frame

    def at(self, when: int | str | datetime) -> "OpenedLake":
        """Return this lake as a commit left it; no view moves.

        Args:
            when: The number of a commit, or a time (UTC where it names no zone), which means the
                newest commit that is not after it; either may be text.

        Raises:
            UsageError: If there is no such commit, or the log of a table no longer tells its
                version. Files of a commit that `geosr lake maintain` no longer keeps may be gone
                all the same: then Spark says so at the read (FILE_NOT_EXIST).
        """
        other = OpenedLake(self._spark, self.root, None)
        other._commit = choose(_history(self._spark, self.root), when)
        for table in other._commit.versions:
            other.df(table)
        return other

    def refresh(self) -> None:
        """Move to the newest commit, and the session's views with it."""
        before = self._commit, self._ledgers
        newest = _history(self._spark, self.root)[-1], _ledgers(self._spark, self.root)
        self._commit, self._ledgers = newest
        try:
            self._register()
        except BaseException:
            self._commit, self._ledgers = before
            raise

    def _register(self) -> None:
        """Let the views be of the commit: all of them, or none where a table cannot be read."""
        if self._prefix is None:
            return
        frames = {self._prefix + table: self.df(table) for table in contracts()}
        ours = _made.setdefault(self._spark, {})
        for name, frame in frames.items():
            frame.createOrReplaceTempView(name)
            ours[name] = self.root

    def _with_tables(self, query: str) -> str:
        named = {word.lower() for word in re.findall(r"\w+", query)}
        relations = [
            f"`{table}` AS ({select(self._spark, self.root, table, self.versions.get(table))})"
            for table in contracts()
            if table in named
        ]
        if not relations:
            return query
        return f"WITH {', '.join(relations)} SELECT * FROM (\n{query}\n)"  # noqa: S608 - parsed


def open_lake(
    spark: "SparkSession", root: str, *, prefix: str = "", replace: bool = False
) -> OpenedLake:
    """Make every table of the lake at `root` a temporary view of `spark`, at the newest commit.

    Nothing else of the session changes: no setting, no other view. Views stay at the commit until
    `refresh` of the handle that is returned.

    Args:
        spark: Any session that has Delta, classic or Connect. Sedona is needed by queries that
            use its ``ST_`` functions only.
        root: The lake's folder or URL, as the session's cluster names it; a relative folder starts
            where this process is, since Delta takes no relative one in SQL.
        prefix: Put before the name of every view.
        replace: Replace temporary views and hide tables of these names that something else made.

    Raises:
        EnvironmentProblemError: If the session has no Delta.
        UsageError: If there is no lake, or the session has a table or view of such a name.
    """
    if prefix and not prefix.isidentifier():
        raise UsageError(f"{prefix!r} cannot begin a view's name", next_step="Use letters, _.")
    opened = OpenedLake(spark, place_of(str(root)), prefix)
    ours = _made.get(spark, {})
    taken = [
        prefix + table
        for table in contracts()
        if not replace
        and ours.get(prefix + table) != opened.root
        and spark.catalog.tableExists(prefix + table)
    ]
    if taken:
        raise UsageError(
            f"The session has tables or views of these names already: {', '.join(taken)}",
            next_step='Give the lake\'s a prefix, as open_lake(spark, root, prefix="lake_").',
        )
    opened._register()  # noqa: SLF001 - the one place that may begin it
    return opened


def place_of(root: str) -> str:
    """Return a location as Spark takes it, wherever it is named: a relative folder made whole."""
    return (root if _URL.match(root) else str(Path(root).absolute())).rstrip("/")


def select(spark: "SparkSession", root: str, table: str, version: int | None) -> str:
    """Return a query of a table at a version; one without rows if there is no version.

    Columns that an older version lacks are null.
    """
    terms, held = contract(table), set[str]()
    if version is not None:
        reader = spark.read.format("delta").option("versionAsOf", version)
        with _told(root, f"{table} at version {version}"):
            held = set(reader.load(_path(root, table)).columns)
    columns = ", ".join(
        f"`{c.name}`" if c.name in held else f"CAST(NULL AS {c.type}) AS `{c.name}`"
        for c in terms.columns
    )
    if version is None:
        return f"SELECT {columns} WHERE false"
    return f"SELECT {columns} FROM {_identifier(root, table)} VERSION AS OF {int(version)}"  # noqa: S608 - quoted


def _path(root: str, table: str) -> str:
    return f"{root}/tables/{table}"


def _identifier(root: str, table: str) -> str:
    return "delta.`" + _path(root, table).replace("`", "``") + "`"


def _history(spark: "SparkSession", root: str) -> list[Commit]:
    """Return every commit, the oldest first; there is at least one."""
    with _told(root, "commits"):
        frame = spark.read.format("delta").load(_path(root, "commits"))
        rows = frame.selectExpr(
            "seq", "versions", "lake_version", "unix_micros(committed_at) AS micros"
        ).collect()
    if not rows:
        raise UsageError("Nothing has been committed to this lake", where=root)
    rows.sort(key=lambda row: int(row["seq"]))
    check_layout(rows[-1]["lake_version"], root)
    return [
        Commit(row["seq"], dict(row["versions"]), _EPOCH + timedelta(microseconds=row["micros"]))
        for row in rows
    ]


def _ledgers(spark: "SparkSession", root: str) -> dict[str, int]:
    """Return the latest versions of the lake's own ledgers."""
    from pyspark.errors import AnalysisException

    found = {}
    for table, terms in contracts().items():
        if terms.stage == "lake":
            try:
                history = spark.sql(f"DESCRIBE HISTORY {_identifier(root, table)} LIMIT 1")
                found[table] = int(history.collect()[0]["version"])
            except AnalysisException:  # none was written yet
                continue
    return found


@contextmanager
def _told(root: str, what: str) -> Iterator[None]:
    """Turn what Spark says about a missing Delta, lake or version into our words."""
    from pyspark.errors import PySparkException

    try:
        yield
    except Exception as error:  # a data source that lacks is an error of py4j in classic Spark
        text = str(error)
        if "DATA_SOURCE_NOT_FOUND" in text or "DELTA_CONFIGURE_SPARK_SESSION" in text:
            raise EnvironmentProblemError(
                "This Spark session has no Delta",
                next_step="Give it the package io.delta:delta-spark of its Spark version, "
                "spark.sql.extensions=io.delta.sql.DeltaSparkSessionExtension and "
                "spark.sql.catalog.spark_catalog="
                "org.apache.spark.sql.delta.catalog.DeltaCatalog.",
            ) from error
        condition = error.getCondition() if isinstance(error, PySparkException) else None
        if condition in ("PATH_NOT_FOUND", "DELTA_TABLE_NOT_FOUND", "DELTA_PATH_DOES_NOT_EXIST"):
            raise UsageError(
                f"There is no lake here, or it lacks {what}",
                where=root,
                next_step="Name the folder as the session's cluster sees it.",
            ) from error
        if "DELTA_VERSION_NOT_FOUND" in text or "DELTA_NO_RECREATABLE_HISTORY" in text:
            raise UsageError(
                f"The lake no longer keeps {what}", where=root, next_step="Name a later commit."
            ) from error
        raise


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0].rstrip(".")


def _advice(error: Exception) -> str:
    if re.search(r"UNRESOLVED_ROUTINE.*\bST_", _first_line(error), re.IGNORECASE):
        return (
            "This session has no Sedona: give it the package "
            "org.apache.sedona:sedona-spark-shaded of its Spark version and put "
            "org.apache.sedona.sql.SedonaSqlExtensions among spark.sql.extensions."
        )
    return f"Tables: {', '.join(sorted(contracts()))}."
