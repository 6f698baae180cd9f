"""The lake as a user holds it: tables at pinned versions, SQL over them, and stages' runs."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pyarrow as pa

from geosr_lake import __version__
from geosr_lake.errors import GeoSRError, UsageError
from geosr_lake.lake import commits, ledger, sql, tables
from geosr_lake.lake.contracts import contract, contracts
from geosr_lake.lake.locks import lock
from geosr_lake.lake.session import spark_session
from geosr_lake.lake.upgrade import upgrade

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


@dataclass
class StageRun:
    """What a stage fills in while it runs; it becomes the row in `runs`."""

    run_id: str
    rule_id: str | None = None
    counts: dict[str, int] = field(default_factory=dict)
    detail: dict[str, Any] = field(default_factory=dict)


class Lake:
    """A folder of Delta tables whose versions are pinned when it is opened.

    Reads see the newest commit at the time of opening, until `refresh`. Writes go through
    `stage`.

    Args:
        root: The lake's folder.
        tell: Receives sentences for the user (a broken lock, the download of the jars).
    """

    def __init__(self, root: Path, *, tell: Callable[[str], None] | None = None) -> None:
        self.root = root
        self._tell = tell
        self._versions = commits.pinned_versions(root)

    @classmethod
    def open(cls, root: str | Path, *, tell: Callable[[str], None] | None = None) -> "Lake":
        """Open the lake at `root`.

        Raises:
            UsageError: If there is no lake.
        """
        path = Path(root).absolute()
        if not (path / "tables").is_dir():
            raise UsageError(
                "There is no lake here",
                where=str(path),
                next_step="`geosr scenes ingest` makes one, or name another with --lake.",
            )
        return cls(path, tell=tell)

    @classmethod
    def create(cls, root: str | Path, *, tell: Callable[[str], None] | None = None) -> "Lake":
        """Open the lake at `root`, made if there is none.

        Raises:
            UsageError: If `root` is a file, or a folder that holds something else.
        """
        path = Path(root).absolute()
        if path.is_file() or (
            path.is_dir() and any(path.iterdir()) and not (path / "tables").is_dir()
        ):
            raise UsageError(
                "This is not a lake and not empty",
                where=str(path),
                next_step="Name a new folder with --lake.",
            )
        (path / "tables").mkdir(parents=True, exist_ok=True)
        return cls(path, tell=tell)

    @property
    def spark(self) -> "SparkSession":
        """The Spark session, made on first use."""
        return spark_session(tell=self._tell)

    @property
    def versions(self) -> dict[str, int]:
        """The Delta version that each table is read at."""
        return dict(self._versions)

    def refresh(self) -> None:
        """Move to the newest commit."""
        self._versions = commits.pinned_versions(self.root)

    def df(self, table: str) -> "DataFrame":
        """Return `table` at its pinned version; without rows if there is none yet."""
        version = self._versions.get(contract(table).table)
        if version is None:
            return self.spark.createDataFrame([], tables.schema(table))
        path = str(tables.table_path(self.root, table))
        frame = self.spark.read.format("delta").option("versionAsOf", version).load(path)
        return tables.completed(frame, table)

    def live(self, table: str) -> "DataFrame":
        """Return `table` as it is now, committed or not: for the stage that is writing it."""
        if not tables.exists(self.root, table):
            return self.spark.createDataFrame([], tables.schema(table))
        frame = self.spark.read.format("delta").load(str(tables.table_path(self.root, table)))
        return tables.completed(frame, table)

    def arrow(
        self, table: str, *, columns: list[str] | None = None, filters: list[Any] | None = None
    ) -> pa.Table:
        """Return `table` at its pinned version without a JVM; `columns` None: all."""
        version = self._versions.get(contract(table).table)
        if version is None:
            schema = ledger.arrow_schema(table)
            return schema.empty_table().select(columns or schema.names)
        return ledger.read(self.root, table, version, columns=columns, filters=filters)

    def sql(self, query: str, args: dict[str, Any] | None = None) -> "DataFrame":
        """Run one read-only query over the views; `args` fill named markers as ``:name``.

        Raises:
            UsageError: If the query does not parse, or is not a query.
        """
        return sql.run(self.spark, {name: self.df(name) for name in contracts()}, query, args)

    @contextmanager
    def stage(self, stage: str, verb: str) -> Iterator[StageRun]:
        """Hold the stage's lock, put right what a killed run left, run the block, commit.

        When the block ends well the versions of the stage's tables become a row of `commits`
        (none if nothing changed) and the lake moves to it. Either way the run is a row of `runs`.
        """
        run = StageRun(run_id=f"run-{datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid4().hex[:8]}")
        started = datetime.now(UTC)
        with lock(self.root, stage, tell=self._tell):
            try:
                self._recover(stage)
                upgrade(self.root, stage, lambda: self.spark, run.run_id, tell=self._tell)
                self.refresh()
                yield run
                commits.record(self.root, stage, run.run_id)
            except BaseException as error:
                self._write_run(run, f"{stage} {verb}", started, error)
                raise
            self._write_run(run, f"{stage} {verb}", started, None)
            self.refresh()

    def _recover(self, stage: str) -> None:
        for table, version in commits.uncommitted(self.root, stage).items():
            if contract(table).recovery == "committed":
                if self._tell:
                    self._tell(f"A run of {stage} was cut off: its rows in {table} are removed.")
                tables.restore_rows(self.spark, self.root, table, version)

    def _write_run(
        self, run: StageRun, stage: str, started: datetime, error: BaseException | None
    ) -> None:
        message = None
        if error is not None:
            message = str(error) if isinstance(error, GeoSRError) else type(error).__name__
        row = {
            "run_id": run.run_id,
            "stage": stage,
            "status": "done" if error is None else "failed",
            "started_at": started,
            "ended_at": datetime.now(UTC),
            "rule_id": run.rule_id,
            "counts": list(run.counts.items()),
            "detail": json.dumps(run.detail, sort_keys=True),
            "message": message,
            "code_version": __version__,
        }
        with lock(self.root, "runs", wait_s=60.0):
            ledger.append(self.root, "runs", [row])
