"""The ledger of runs: a row from the start of each run of a stage, and what became of it."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from geosr_lake import __version__
from geosr_lake.errors import GeoSRError
from geosr_lake.lake import ledger
from geosr_lake.lake.contracts import contract, stage_tables
from geosr_lake.lake.locks import lock
from geosr_lake.lake.place import Root

RUNNING, DONE, FAILED, KILLED = "running", "done", "failed", "killed"
_WAIT_S = 60.0


def _new_id() -> str:
    return f"run-{datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid4().hex[:8]}"


@dataclass
class StageRun:
    """What a stage fills in while it runs; it becomes the row in `runs`.

    Attributes:
        run_id: Its id.
        rule_id: Rule that it runs under.
        recipe: The recipe as canonical JSON.
        counts: Numbers by name.
        reasons: How many inputs were not kept, by reason.
        detail: Anything else that JSON can hold.
        pins: Retention will ask this run which versions it made something from: what it filled in
            is written before it commits, so that a kill in between leaves no gap.
    """

    run_id: str = field(default_factory=_new_id)
    rule_id: str | None = None
    recipe: str | None = None
    counts: dict[str, int] = field(default_factory=dict)
    reasons: dict[str, int] = field(default_factory=dict)
    detail: dict[str, Any] = field(default_factory=dict)
    pins: bool = False


@dataclass(frozen=True)
class Started:
    """A run that has begun."""

    root: Root
    run: StageRun
    stage: str
    verb: str
    at: datetime
    versions: dict[str, int]


def begin(root: Root, run: StageRun, stage: str, verb: str, versions: dict[str, int]) -> Started:
    """Write the row of a run that begins; the stage's lock must be held.

    Rows of the stage that still say `running` are those of killed runs, and say so from now on.

    Args:
        root: The lake.
        run: The run.
        stage: Its stage.
        verb: What it does.
        versions: The version of every table that it reads.
    """
    started = reading(Started(root, run, stage, verb, datetime.now(UTC), {}), versions)
    with lock(root, "runs", wait_s=_WAIT_S):
        for row in ledger.read(root, "runs", filters=[("status", "=", RUNNING)]).to_pylist():
            if row["stage"].split(" ")[0] == stage:
                told = {"status": KILLED, "message": f"It was cut off; found by {run.run_id}"}
                ledger.replace(root, "runs", [row | told], where={"run_id": row["run_id"]})
        ledger.append(root, "runs", [_row(started, RUNNING, started.at)])
    return started


def reading(started: Started, versions: dict[str, int]) -> Started:
    """Return the run with the versions that it reads."""
    data = {name: v for name, v in versions.items() if contract(name).stage != "lake"}
    return replace(started, versions=data)


def note(started: Started) -> None:
    """Write what a run that goes on has filled in, and what it reads, into its row."""
    _replace(started, _row(started, RUNNING, started.at))


def end(
    started: Started,
    versions: dict[str, int],
    error: BaseException | None,
    *,
    tables: Iterable[str] | None = None,
) -> None:
    """Write how a run ended in the place of the row of its beginning.

    Args:
        started: What `begin` returned.
        versions: The version of every table after it.
        error: What stopped it, or None.
        tables: The tables that it wrote; None: those of its stage.
    """
    now = datetime.now(UTC)
    row = _row(started, DONE if error is None else FAILED, now)
    own = stage_tables(started.stage) if tables is None else tables
    written = {name: versions[name] for name in own if name in versions}
    row |= {
        "seconds": (now - started.at).total_seconds(),
        "versions_out": list(written.items()),
        "bytes_written": started.run.counts.get("bytes_written", 0)
        + sum(
            bytes_added(started.root, name, started.versions.get(name), version)
            for name, version in written.items()
        ),
    }
    if error is not None:
        row["message"] = str(error) if isinstance(error, GeoSRError) else type(error).__name__
    _replace(started, row)


def _replace(started: Started, row: dict[str, Any]) -> None:
    with lock(started.root, "runs", wait_s=_WAIT_S):
        ledger.replace(started.root, "runs", [row], where={"run_id": started.run.run_id})


def _row(started: Started, status: str, ended_at: datetime) -> dict[str, Any]:
    run = started.run
    return {
        "run_id": run.run_id,
        "stage": f"{started.stage} {started.verb}",
        "status": status,
        "started_at": started.at,
        "ended_at": ended_at,
        "rule_id": run.rule_id,
        "counts": list(run.counts.items()),
        "detail": json.dumps(run.detail, sort_keys=True),
        "message": None,
        "code_version": __version__,
        "recipe": run.recipe,
        "reasons": list(run.reasons.items()),
        "versions_in": list(started.versions.items()),
    }


def bytes_added(root: Root, table: str, before: int | None, after: int) -> int:
    """Return the bytes of the files that version `after` holds and `before` (None: none) lacked."""
    if before == after:
        return 0
    old = {} if before is None else ledger.files_of(root, table, before)
    new = ledger.files_of(root, table, after)
    return sum(size for path, size in new.items() if path not in old)
