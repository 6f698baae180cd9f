"""Commits: the rows that say which versions of all tables belong together."""

from collections.abc import Iterable
from datetime import UTC, datetime

from geosr_lake.lake import ledger
from geosr_lake.lake.contracts import LAKE_VERSION, contracts, stage_tables
from geosr_lake.lake.locks import lock
from geosr_lake.lake.moments import Commit, check_layout
from geosr_lake.lake.place import Root

_COMMIT_WAIT_S = 60.0


def history(root: Root) -> list[Commit]:
    """Return every commit of the lake at `root`, the oldest first.

    Raises:
        ContractError: If the lake has a newer layout than this code knows.
    """
    rows = sorted(ledger.read(root, "commits").to_pylist(), key=lambda row: row["seq"])
    if rows:
        check_layout(rows[-1]["lake_version"], root)
    return [Commit(row["seq"], dict(row["versions"]), row["committed_at"]) for row in rows]


def latest(root: Root) -> Commit | None:
    """Return the newest commit of the lake at `root`, or None for a lake without one.

    Raises:
        ContractError: If the lake has a newer layout than this code knows.
    """
    commits = history(root)
    return commits[-1] if commits else None


def record(
    root: Root, stage: str, run_id: str, *, tables: Iterable[str] | None = None
) -> Commit | None:
    """Commit the present versions of the stage's tables, or of `tables`; None if none has changed.

    The row before is taken over with the stage's entries replaced, under a short lock, so that
    two stages that end at once both stand in the newest row.
    """
    with lock(root, "commits", wait_s=_COMMIT_WAIT_S):
        before = latest(root)
        versions = dict(before.versions) if before else {}
        for table in stage_tables(stage) if tables is None else tables:
            if (version := ledger.version_of(root, table)) is not None:
                versions[table] = version
        if versions == (before.versions if before else {}):
            return None
        after = Commit(before.seq + 1 if before else 0, versions, datetime.now(UTC))
        row = {
            "seq": after.seq,
            "stage": stage,
            "run_id": run_id,
            "committed_at": after.committed_at,
            "versions": list(after.versions.items()),
            "lake_version": LAKE_VERSION,
        }
        ledger.append(root, "commits", [row])
        return after


def uncommitted(root: Root, stage: str) -> dict[str, int | None]:
    """Return the stage's tables that are beyond their committed version, with that version."""
    committed = latest(root)
    versions: dict[str, int] = committed.versions if committed else {}
    ahead: dict[str, int | None] = {}
    for table in stage_tables(stage):
        now = ledger.version_of(root, table)
        if now is not None and now != versions.get(table):
            ahead[table] = versions.get(table)
    return ahead


def unfinished(root: Root, stage: str) -> dict[str, int | None]:
    """Return those of `uncommitted` whose rows differ from the committed ones."""
    return {
        table: version
        for table, version in uncommitted(root, stage).items()
        if not ledger.same_rows(root, table, version, ledger.version_of(root, table) or 0)
    }


def pinned_versions(root: Root, commit: Commit | None = None) -> dict[str, int]:
    """Return the version at which each table is to be read; ledgers of the lake itself: latest.

    Args:
        root: The lake.
        commit: The commit whose versions they are; None: the newest.
    """
    commit = commit or latest(root)
    versions = dict(commit.versions) if commit else {}
    for table, terms in contracts().items():
        if terms.stage == "lake" and (now := ledger.version_of(root, table)) is not None:
            versions[table] = now
    return versions
