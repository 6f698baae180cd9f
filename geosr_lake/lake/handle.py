"""The lake as a user holds it: tables at pinned versions, SQL over them, and stages' runs."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from geosr_lake.errors import UsageError
from geosr_lake.lake import arrow, commits, ledger, moments, runs, sql, summary, tables
from geosr_lake.lake.contracts import contract, stage_tables
from geosr_lake.lake.locks import lock
from geosr_lake.lake.place import Root, folder, place, root_of
from geosr_lake.lake.runs import StageRun
from geosr_lake.lake.session import spark_session
from geosr_lake.lake.upgrade import upgrade

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


class Lake:
    """Delta tables below one root, whose versions are pinned when it is opened.

    Reads see the newest commit at the time of opening, until `refresh`. Writes go through
    `stage`.

    Args:
        root: The lake's folder, or its prefix in a bucket.
        tell: Receives sentences for the user (a broken lock, the download of the jars).
        wait_s: How long a stage waits for another run of it to end, before it is refused.
    """

    def __init__(
        self, root: Root, *, tell: Callable[[str], None] | None = None, wait_s: float = 0.0
    ) -> None:
        self.root = root
        self.wait_s = wait_s
        self._tell = tell
        self._versions = commits.pinned_versions(root)

    @classmethod
    def open(
        cls,
        root: str | Root,
        *,
        tell: Callable[[str], None] | None = None,
        wait_s: float = 0.0,
    ) -> "Lake":
        """Open the lake at `root`, a folder or ``s3://bucket/prefix``.

        Raises:
            UsageError: If there is no lake.
        """
        at = root_of(root)
        if not place(at).is_lake():
            raise UsageError(
                "There is no lake here",
                where=str(at),
                next_step="`geosr scenes ingest` makes one, or name another with --lake.",
            )
        return cls(at, tell=tell, wait_s=wait_s)

    @classmethod
    def create(
        cls,
        root: str | Root,
        *,
        tell: Callable[[str], None] | None = None,
        wait_s: float = 0.0,
    ) -> "Lake":
        """Open the lake at `root`, made if there is none.

        Raises:
            UsageError: If `root` is a file, or a folder that holds something else.
        """
        at = root_of(root)
        if not place(at).is_lake():
            # Another process may have made it just now.
            if not place(at).is_free() and not place(at).is_lake():
                raise UsageError(
                    "This is not a lake and not empty",
                    where=str(at),
                    next_step="Name a new folder with --lake.",
                )
            place(at).make()
        return cls(at, tell=tell, wait_s=wait_s)

    @property
    def folder(self) -> Path:
        """The lake's folder, for what writes files beside the tables.

        Raises:
            UsageError: If the lake lies in a bucket.
        """
        return folder(self.root)

    @property
    def spark(self) -> "SparkSession":
        """The Spark session, made on first use."""
        at = place(self.root)
        session = spark_session(tell=self._tell, more_jars=at.spark_jars)
        at.connect(session)
        return session

    @property
    def tell(self) -> Callable[[str], None] | None:
        """What receives sentences for the user."""
        return self._tell

    @property
    def versions(self) -> dict[str, int]:
        """The Delta version that each table is read at."""
        return dict(self._versions)

    def refresh(self) -> None:
        """Move to the newest commit."""
        self._versions = commits.pinned_versions(self.root)

    def at(self, when: int | str | datetime) -> "Lake":
        """Return this lake as a commit left it; it stays there until its `refresh`.

        `commits` and `runs`, the lake's own ledgers, are as they are now.

        Args:
            when: The number of a commit (`seq` of `commits`), or a time (UTC where it names no
                zone), which means the newest commit that is not after it; either may be text.

        Raises:
            UsageError: If there is no such commit.
        """
        other = Lake(self.root, tell=self._tell)
        commit = moments.choose(commits.history(self.root), when)
        other._versions = commits.pinned_versions(self.root, commit)
        return other

    def with_versions(self, versions: Mapping[str, int]) -> "Lake":
        """Return this lake at these Delta versions; a table that is not named has no rows."""
        other = Lake(self.root, tell=self._tell)
        other._versions = dict(versions)
        return other

    def df(self, table: str) -> "DataFrame":
        """Return `table` at its pinned version; without rows if there is none yet."""
        version = self._versions.get(contract(table).table)
        if version is None:
            return self.spark.createDataFrame([], tables.schema(table))
        path = tables.table_path(self.root, table)
        frame = self.spark.read.format("delta").option("versionAsOf", version).load(path)
        return tables.completed(frame, table)

    def live(self, table: str) -> "DataFrame":
        """Return `table` as it is now, committed or not: for the stage that is writing it."""
        if not tables.exists(self.root, table):
            return self.spark.createDataFrame([], tables.schema(table))
        frame = self.spark.read.format("delta").load(tables.table_path(self.root, table))
        return tables.completed(frame, table)

    def arrow(
        self,
        table: str,
        *,
        columns: list[str] | None = None,
        filters: Any = None,
        coded: Sequence[str] = (),
    ) -> pa.Table:
        """Return `table` at its pinned version without a JVM; arguments as at `ledger.read`."""
        version = self._versions.get(contract(table).table)
        if version is None:
            schema = ledger.arrow_schema(table)
            return schema.empty_table().select(columns or schema.names)
        return ledger.read(self.root, table, version, columns=columns, filters=filters, coded=coded)

    def sql(
        self, query: str, args: dict[str, Any] | None = None, *, write: bool = False
    ) -> "DataFrame":
        """Run one read-only query over the views; `args` fill named markers as ``:name``.

        Args:
            query: One statement.
            args: Values of its markers.
            write: Allow CREATE TEMP VIEW, and INSERT OVERWRITE DIRECTORY into a new folder outside
                the lake. The lake's own tables are never written.

        Raises:
            UsageError: If the query does not parse, or does what it may not.
        """
        outside = self.root if write else None
        return sql.run(self.spark, self.df, query, args, write_outside=outside)

    @contextmanager
    def stage(self, stage: str, verb: str) -> Iterator[StageRun]:
        """Hold the stage's lock, put right what a killed run left, run the block, commit.

        When the block ends well the versions of the stage's tables become a row of `commits`
        (none if nothing changed) and the lake moves to it. The run is a row of `runs` from its
        start, whatever becomes of it.
        """
        run = StageRun()
        with lock(self.root, stage, wait_s=self.wait_s, tell=self._tell):
            self.refresh()
            started = runs.begin(self.root, run, stage, verb, self._versions)
            try:
                self._recover(stage)
                upgrade(self.root, stage, lambda: self.spark, run.run_id, tell=self._tell)
                self.refresh()
                started = runs.reading(started, self._versions)
                yield run
                if run.pins:
                    runs.note(started)
                commits.record(self.root, stage, run.run_id)
            except BaseException as error:
                runs.end(started, commits.pinned_versions(self.root), error)
                raise
            self.refresh()
            summary.keep_up(self.root, self._versions, stage_tables(stage))
            runs.end(started, self._versions, None)
            self.refresh()

    def _recover(self, stage: str) -> None:
        for table, version in commits.unfinished(self.root, stage).items():
            if contract(table).recovery == "committed":
                if self._tell:
                    self._tell(f"A run of {stage} was cut off: its rows in {table} are removed.")
                arrow.restore(self, table, version)
