"""`geosr lake maintain`: few large files, laid out as queries ask, and no file that nobody needs.

Works under the locks of all stages. Compacted versions hold the same rows; one row of `commits`
moves the views to them. Files go that neither a kept commit nor a manifest needs. Which files
those are is decided here and not by VACUUM, which knows an age only and would keep all that lies
between a pinned version and now, or remove the pinned one.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from geosr_lake.errors import ContractError, UsageError
from geosr_lake.lake import arrow, commits, ledger, pins, runs, summary
from geosr_lake.lake.contracts import LABEL, contract, contracts, stage_tables
from geosr_lake.lake.locks import lock
from geosr_lake.lake.place import place
from geosr_lake.lake.progress import Progress, Silent
from geosr_lake.lake.tables import segments, table_path
from geosr_lake.lake.upgrade import changes, upgrade

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from geosr_lake.lake.handle import Lake

KEEP_DAYS = 7.0
FILE_BYTES = 128 << 20
"""Size of file that compaction aims at: large enough to read, small enough to skip."""
CLUSTER_BYTES = 8 * FILE_BYTES
"""Bytes of a table from which on it is clustered. A smaller one is read whole in seconds, and a
clustered one can only be written by Spark."""


@dataclass(frozen=True)
class TableWork:
    """What was done to a table; in a dry run what would be, but for the compaction.

    Attributes:
        table: Its name.
        rows: Its rows.
        files_before: Data files of its committed version.
        files_after: Data files of the version that is committed now.
        bytes_before: Bytes of the first.
        bytes_after: Bytes of the second.
        files_removed: Data files that nobody needed.
        bytes_removed: Their bytes.
        versions_removed: Committed versions that cannot be opened any more since.
        skipped: Why nothing was done, or None.
    """

    table: str
    rows: int
    files_before: int
    files_after: int
    bytes_before: int
    bytes_after: int
    files_removed: int = 0
    bytes_removed: int = 0
    versions_removed: int = 0
    skipped: str | None = None


@dataclass(frozen=True)
class MaintainSummary:
    """What was done to a lake.

    Attributes:
        run_id: The run; empty for a dry run.
        dry_run: Whether nothing was changed.
        kept_since: Commits from here on can still be opened; None: all can.
        pinned: Manifest -> versions of the tables that it was made from, which stay.
        upgraded: Tables that were brought to their present contracts.
        commit: Number of the commit that moved the views, or None if no version is new.
        tables: Table by table.
    """

    run_id: str
    dry_run: bool
    kept_since: str | None
    pinned: dict[str, dict[str, int]]
    upgraded: tuple[str, ...]
    commit: int | None
    tables: tuple[TableWork, ...]


def _ago(days: float) -> datetime:
    try:
        return datetime.now(UTC) - timedelta(days=days)
    except OverflowError:
        return datetime.min.replace(tzinfo=UTC)


def stages() -> list[str]:
    """Return the stages that write tables, in the order in which their locks are taken."""
    return sorted({terms.stage for terms in contracts().values()} - {"lake"})


@contextmanager
def all_locks(lake: "Lake", *, wait_s: float = 0.0) -> Iterator[None]:
    """Hold the locks of all stages."""
    with ExitStack() as held:
        for stage in stages():
            held.enter_context(lock(lake.root, stage, wait_s=wait_s, tell=lake.tell))
        yield


def upgrade_lake(lake: "Lake", *, wait_s: float = 0.0) -> dict[str, list[str]]:
    """Bring every table to its contract; return what was done, by table.

    Raises:
        LockedError: If a stage is running.
        ContractError: If a table cannot be upgraded.
    """
    done: dict[str, list[str]] = {}
    with all_locks(lake, wait_s=wait_s):
        for stage in [*stages(), "lake"]:
            found = upgrade(
                lake.root, stage, lambda: lake.spark, runs.StageRun().run_id, tell=lake.tell
            )
            for table, steps in found.items():
                done[table] = [f"{step.kind} {step.name}".strip() for step in steps]
    lake.refresh()
    return done


def maintain(
    lake: "Lake",
    *,
    keep_days: float = KEEP_DAYS,
    keep_all: bool = False,
    dry_run: bool = False,
    wait_s: float = 0.0,
    progress: Progress | None = None,
) -> MaintainSummary:
    """Compact and cluster the tables, then remove the files that nobody needs.

    The same call again does nothing. Tables in which rows of a killed run wait for their stage are
    left alone, in words.

    Args:
        lake: The lake.
        keep_days: Commits of so many days stay openable; the newest, and what manifests were made
            from, always do.
        keep_all: Remove nothing.
        dry_run: Change nothing; say what would be removed now.
        wait_s: How long to wait for a stage that runs.
        progress: Told of the steps.

    Raises:
        UsageError: If `keep_days` is negative or no number.
        LockedError: If a stage is running.
        IncompleteError: If a manifest does not tell from which versions it was made.
    """
    if not keep_days >= 0:
        raise UsageError("Days are a number from 0 on", where="--keep-days")
    steps = progress or Silent()
    since = None if keep_all else _ago(keep_days)
    with all_locks(lake, wait_s=wait_s):
        lake.refresh()
        pinned = [] if keep_all else pins.manifest_pins(lake.root, lake.versions)
        waiting = {t for s in stages() for t in _waiting(lake, s)}
        work = {t: _measured(lake, t, waiting) for t in lake.versions}
        told = MaintainSummary(
            run_id="",
            dry_run=dry_run,
            kept_since=None if since is None else since.isoformat(timespec="seconds"),
            pinned={pin.why: pin.versions for pin in pinned},
            upgraded=tuple(t for t in contracts() if t not in waiting and changes(lake.root, t)),
            commit=None,
            tables=tuple(work.values()),
        )
        if dry_run:
            swept = _sweep(lake, work, pinned, since, delete=False)
            return replace(told, tables=tuple(swept.values()))
        run = runs.StageRun(detail={"pinned": told.pinned, "kept_since": told.kept_since})
        started = runs.begin(lake.root, run, "lake", "maintain", lake.versions)
        try:
            for stage in [*stages(), "lake"]:
                if not waiting & set(stage_tables(stage)):
                    upgrade(lake.root, stage, lambda: lake.spark, run.run_id, tell=lake.tell)
            steps.start("Compacting tables", len(work))
            for table, before in work.items():
                if before.skipped is None:
                    _compact(lake, table)
                steps.advance()
            ready = [t for t in work if t not in waiting and contract(t).stage != "lake"]
            row = commits.record(lake.root, "lake", run.run_id, tables=ready)
            lake.refresh()
            summary.keep_up(lake.root, lake.versions, ready)
            work = {table: _after(lake, found) for table, found in work.items()}
            steps.start("Removing files that nobody needs")
            work = _sweep(lake, work, pinned, since, delete=True)
        except BaseException as error:
            runs.end(started, commits.pinned_versions(lake.root), error)
            raise
        run.counts = {
            "files_before": sum(w.files_before for w in work.values()),
            "files_after": sum(w.files_after for w in work.values()),
            "files_removed": sum(w.files_removed for w in work.values()),
            "bytes_removed": sum(w.bytes_removed for w in work.values()),
        }
        runs.end(started, lake.versions, None, tables=ready)
        lake.refresh()
    commit = None if row is None else row.seq
    return replace(told, run_id=run.run_id, commit=commit, tables=tuple(work.values()))


def _waiting(lake: "Lake", stage: str) -> tuple[str, ...]:
    """Return the tables of a stage of which a killed run left rows: all, since it wrote some."""
    return stage_tables(stage) if commits.unfinished(lake.root, stage) else ()


def _measured(lake: "Lake", table: str, waiting: set[str]) -> TableWork:
    files = ledger.files_of(lake.root, table, lake.versions[table])
    size = sum(files.values())
    skipped = "rows of a killed run wait for its stage" if table in waiting else None
    n = ledger.row_count(lake.root, table, lake.versions[table])
    return TableWork(table, n, len(files), len(files), size, size, skipped=skipped)


def _after(lake: "Lake", before: TableWork) -> TableWork:
    """Return the work with what the compaction left.

    Raises:
        ContractError: If the compacted version has another number of rows.
    """
    now = _measured(lake, before.table, set())
    if now.rows != before.rows and contract(before.table).stage != "lake":
        raise ContractError(
            f"{before.table} had {before.rows} rows and has {now.rows} after its compaction",
            next_step="No file was removed. Report this as a bug of geosr_lake.",
        )
    return replace(before, files_after=now.files_after, bytes_after=now.bytes_after)


def _compact(lake: "Lake", table: str) -> None:
    """Make few large files of a table; a large one of Spark's is clustered as its contract says."""
    terms = contract(table)
    found = ledger.open_table(lake.root, table)
    files = {} if found is None else ledger.files_of(lake.root, table, found.version())
    clusters = terms.cluster_by and sum(files.values()) > CLUSTER_BYTES
    if terms.engine == "spark" and (clusters or arrow.needs_spark(lake.root, table)):
        _optimize(lake.spark, lake, table)
        return
    # The lake's own ledgers are appended to by every stage, under locks of their own name.
    with ExitStack() as held:
        if terms.stage == "lake":
            held.enter_context(lock(lake.root, table, wait_s=60.0, tell=lake.tell))
        if found is not None and len(files) > 1:
            found.update_incremental()
            found.optimize.compact(target_size=FILE_BYTES)
            found.create_checkpoint()


def _optimize(spark: "SparkSession", lake: "Lake", table: str) -> None:
    name, terms = f"delta.`{table_path(lake.root, table)}`", contract(table)
    found = ledger.open_table(lake.root, table)
    full = ""
    if found is not None and LABEL in found.metadata().configuration:
        held = spark.sql(f"DESCRIBE DETAIL {name}").collect()[0]["clusteringColumns"]
        if list(held) != list(terms.cluster_by) and terms.cluster_by:
            columns = ", ".join(f"`{column}`" for column in terms.cluster_by)
            spark.sql(f"ALTER TABLE {name} CLUSTER BY ({columns})")
            full = " FULL"
    with _settings(spark, {"spark.databricks.delta.optimize.maxFileSize": str(FILE_BYTES)}):
        spark.sql(f"OPTIMIZE {name}{full}").collect()


@contextmanager
def _settings(spark: "SparkSession", values: dict[str, str]) -> Iterator[None]:
    """Set options of the session for the length of the block."""
    before = {key: spark.conf.get(key, None) for key in values}
    for key, value in values.items():
        spark.conf.set(key, value)
    try:
        yield
    finally:
        for key, old in before.items():
            if old is None:
                spark.conf.unset(key)
            else:
                spark.conf.set(key, old)


def _sweep(
    lake: "Lake",
    work: dict[str, TableWork],
    pinned: list[pins.Pin],
    since: datetime | None,
    *,
    delete: bool,
) -> dict[str, TableWork]:
    """Remove the files that no pinned version holds; return the work with what was removed."""
    if since is None:
        return work
    kept = pins.by_table([*pinned, *pins.commit_pins(lake.root, since)])
    named = pins.by_table(pins.commit_pins(lake.root, datetime.min.replace(tzinfo=UTC)))
    return {
        table: found
        if found.skipped or contract(table).stage == "lake"
        else _sweep_table(lake, found, kept.get(table, set()), named.get(table, set()), delete)
        for table, found in work.items()
    }


def _sweep_table(
    lake: "Lake", work: TableWork, kept: set[int], named: set[int], delete: bool
) -> TableWork:
    table, root = work.table, lake.root
    needed: set[str] = set()
    for version in kept | {lake.versions[table]}:
        needed |= ledger.files_of(root, table, version).keys()
    present = pins.on_disk(root, table)
    if lost := needed - present.keys():
        raise ContractError(
            f"{len(lost)} files that versions of {table} need are not there: {min(lost)}",
            where=table_path(root, table),
            next_step="No file was removed. Find them, or use --keep-all.",
        )
    gone = {path: size for path, size in present.items() if path not in needed}
    closed = sum(
        bool(gone.keys() & files) and files <= present.keys()
        for files in (ledger.files_of(root, table, v).keys() for v in named - kept)
    )
    if delete:
        lies = place(root).files(*segments(table))
        for path in gone:
            lies.delete_file(path)
            folder, _, name = path.rpartition("/")
            # Spark's local checksum beside it.
            with suppress(FileNotFoundError):
                lies.delete_file(f"{folder}/.{name}.crc".lstrip("/"))
    return replace(
        work,
        files_removed=len(gone),
        bytes_removed=sum(gone.values()),
        versions_removed=closed,
    )
