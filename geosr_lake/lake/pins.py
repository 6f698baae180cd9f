"""Which versions of the tables must stay readable, and which of the commits still are."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pyarrow.fs import FileSelector, FileType

from geosr_lake.errors import IncompleteError
from geosr_lake.lake import ledger
from geosr_lake.lake.contracts import stage_tables
from geosr_lake.lake.place import Root, place
from geosr_lake.lake.runs import DONE, FAILED
from geosr_lake.lake.tables import segments

INPUT_STAGES = ("scenes", "pairs")


@dataclass(frozen=True)
class Pin:
    """Versions that something needs.

    Attributes:
        why: The manifest, or the commit.
        versions: Delta version by table.
    """

    why: str
    versions: dict[str, int]


def manifest_pins(root: Root, versions: dict[str, int]) -> list[Pin]:
    """Return what each manifest of the lake was made from.

    Args:
        root: The lake.
        versions: The committed version of every table.

    Raises:
        IncompleteError: If nothing tells from which versions a manifest was made.
    """
    if "manifests" not in versions:
        return []
    listed = ledger.read(root, "manifests", versions["manifests"], columns=["manifest_id"])
    known = manifest_inputs(root)
    pins = []
    for name in sorted(listed.column("manifest_id").to_pylist()):
        if name not in known:
            raise IncompleteError(
                f"Nothing tells from which versions the manifest {name} was made",
                where=str(root),
                next_step="Use --keep-all: then no version is removed.",
            )
        pins.append(Pin(name, known[name]))
    return pins


def manifest_inputs(root: Root) -> dict[str, dict[str, int]]:
    """Return the Delta version of each table that the first build of a manifest read.

    The run that wrote a manifest has the versions that it read, also if it was killed after its
    commit; of a run from before the ledger had them, its commit has.

    Returns:
        Table to version, by manifest; a manifest that nothing tells of is missing.
    """
    builds = [
        row | {"detail": json.loads(row["detail"])}
        for row in ledger.read(root, "runs").to_pylist()
        if row["stage"] == "manifest build" and row["status"] != FAILED
    ]
    builds.sort(
        key=lambda row: (
            row["status"] != DONE,
            row["detail"].get("unchanged", True),
            row["started_at"],
        )
    )
    commits = {row["run_id"]: dict(row["versions"]) for row in _commits(root)}
    found: dict[str, dict[str, int]] = {}
    for row in builds:
        name = row["detail"].get("manifest_id")
        if name and name not in found and (inputs := _inputs(row, commits)):
            found[name] = inputs
    return found


def _inputs(run: dict[str, Any], commits: dict[str, dict[str, int]]) -> dict[str, int]:
    known = dict(run["versions_in"] or []) or commits.get(run["run_id"], {})
    tables = {table for stage in INPUT_STAGES for table in stage_tables(stage)}
    return {table: version for table, version in known.items() if table in tables}


def commit_pins(root: Root, since: datetime) -> list[Pin]:
    """Return the newest commit, those after `since`, and the one that stood at `since`."""
    rows = sorted(_commits(root), key=lambda row: row["seq"], reverse=True)
    kept = []
    for row in rows:
        kept.append(Pin(f"commit {row['seq']}", dict(row["versions"])))
        if row["committed_at"] <= since:
            break
    return kept


def _commits(root: Root) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = ledger.read(root, "commits").to_pylist()
    return rows


def by_table(pins: list[Pin]) -> dict[str, set[int]]:
    """Return the pinned versions of each table."""
    found: dict[str, set[int]] = {}
    for pin in pins:
        for table, version in pin.versions.items():
            found.setdefault(table, set()).add(version)
    return found


def on_disk(root: Root, table: str) -> dict[str, int]:
    """Return the data files that lie in the table's folder, with their bytes.

    Names that begin with ``_`` or ``.`` are the engines' own.
    """
    listed = place(root).files(*segments(table)).get_file_info(FileSelector("", recursive=True))
    found = {}
    for info in listed:
        path = info.path.lstrip("/")
        own = any(part.startswith(("_", ".")) for part in path.split("/"))
        if info.type == FileType.File and path.endswith(".parquet") and not own:
            found[path] = info.size
    return found


def unreadable(root: Root, versions: dict[str, int]) -> list[str]:
    """Return the tables whose version among `versions` lacks files, by name."""
    return sorted(
        table
        for table, version in versions.items()
        if ledger.files_of(root, table, version).keys() - on_disk(root, table).keys()
    )
