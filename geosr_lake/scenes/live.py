"""`geosr scenes ingest --api`: the days of an API's collections into the lake, slice by slice.

A slice goes through the spool and is ingested like a file; its row in `slices` is written after its
items and committed with them. So a slice is there wholly or not at all, and the same command again
goes on where it was.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from geosr_lake.errors import GeoSRError, TransientSourceError, UsageError
from geosr_lake.lake import Lake, Progress, commits, ledger
from geosr_lake.lake.locks import lock
from geosr_lake.lake.progress import Silent
from geosr_lake.lake.session import runs_here
from geosr_lake.net.apis import Api
from geosr_lake.net.gate import Gate
from geosr_lake.net.http_session import Timeouts
from geosr_lake.net.stac import TRIES, StacApi
from geosr_lake.scenes import slices, spool
from geosr_lake.scenes.engine import clustered
from geosr_lake.scenes.fetch import Failed, Fetcher
from geosr_lake.scenes.ingest import IngestSummary, ingest_files
from geosr_lake.scenes.slices import DONE, UNDONE, Bbox, Slice
from geosr_lake.scenes.spool import Spooled

WORKERS = 4
BATCH_BYTES = 512 * 2**20
"""Bytes of spooled items that are ingested at once: the lake is committed at least so often."""


@dataclass(frozen=True)
class Wanted:
    """What is asked of an API.

    Attributes:
        api: Which API.
        collections: Its collections.
        days: First and last day, both included.
        bbox: West, south, east, north in degrees; None: everywhere.
        rate: Requests a second for the whole run; None: what suits the API.
        workers: Slices that are fetched at once.
        again: Ask also for slices that cannot have changed.
        timeouts: Of each try of a request.
        tries: Of each request.
    """

    api: Api
    collections: tuple[str, ...]
    days: tuple[date, date]
    bbox: Bbox | None = None
    rate: float | None = None
    workers: int = WORKERS
    again: bool = False
    timeouts: Timeouts = field(default_factory=Timeouts)
    tries: int = TRIES


@dataclass
class LiveSummary:
    """What became of the slices, and of their items.

    Attributes:
        api: Root URL.
        slices: Slices of the interval.
        held: Slices that the lake had and that cannot have changed.
        resumed: Slices that a run before had fetched, and not ingested.
        fetched: Slices that were fetched now.
        undone: Slices that could not be had, with the reason.
        not_asked: Slices that were not asked for, since the API seems to be down.
        requests: Requests sent, tries again included.
        faults: What was wrong with pages, and how often; see `geosr_lake.net.paging.FAULTS`.
        counts: Items read, kept, repeated, unsupported and quarantined.
        reasons: Unsupported and quarantined items by reason.
        scenes_by_sensor: Scenes of the lake by sensor; empty if nothing was ingested.
        tiles: Tiles of the lake.
    """

    api: str
    slices: int
    held: int = 0
    resumed: int = 0
    fetched: int = 0
    undone: dict[str, str] = field(default_factory=dict)
    not_asked: int = 0
    requests: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    reasons: dict[str, int] = field(default_factory=dict)
    scenes_by_sensor: dict[str, int] = field(default_factory=dict)
    tiles: int = 0

    def check(self) -> None:
        """Check that all that was asked for was had.

        Raises:
            TransientSourceError: If a slice is left undone: it can be asked for again.
        """
        if missing := len(self.undone) + self.not_asked:
            raise TransientSourceError(
                f"{missing} of {self.slices} slices are undone",
                where=self.api,
                next_step="Run the same command again: it goes on with them.",
            )


def ingest_api(lake: Lake, wanted: Wanted, *, progress: Progress | None = None) -> LiveSummary:
    """Bring the slices that are wanted into the lake.

    A slice that cannot be had is left undone and the others go on: see `LiveSummary.check`.

    Args:
        lake: The lake to write to.
        wanted: What is asked for.
        progress: Told of the steps.

    Raises:
        UsageError: If there is no such API or collection, or the lake is in a bucket and Spark on
            a cluster.
        SourceError: If the API cannot be reached at all.
        LockedError: If another process fetches slices, or ingests, into this lake.
    """
    steps = progress or Silent()
    asked = slices.plan(wanted.api.root, wanted.collections, wanted.days, wanted.bbox)
    with lock(lake.root, "slices", wait_s=lake.wait_s, tell=lake.tell):
        run = _Run(lake, wanted, steps, asked)
        run.resume()
        todo = run.todo()
        if todo:
            _check_workers(lake)
            try:
                run.fetch(todo)
            except Exception:
                # What came whole is ingested all the same, so that each run brings the lake on.
                if not run.ingests:
                    run.ingest_batch(last=True)
                raise
        run.ingest_batch(last=True)
    return run.summary


class _Run:
    """One run: what is fetched and waits to be ingested, and what became of the rest."""

    def __init__(self, lake: Lake, wanted: Wanted, steps: Progress, asked: Sequence[Slice]) -> None:
        self._lake = lake
        self._wanted = wanted
        self._steps = steps
        self._asked = asked
        self._spool = spool.spool_of(lake.root)
        self._batch: list[Spooled] = []
        self._failed: list[Failed] = []
        self._held: dict[Slice, datetime] = {}
        self._undone: set[Slice] = set()
        self.summary = LiveSummary(api=wanted.api.root, slices=len(asked))
        self.ingests = False
        """Whether it ingests; also after an error of the ingest."""

    def resume(self) -> None:
        """Take over what a killed run left in the spool, but for what the lake has as new."""
        before = slices.asked(self._lake.root)
        self._held, self._undone = slices.held(before), slices.undone(before)
        had: list[Spooled] = []
        waiting: list[Spooled] = []
        for one in spool.complete(self._spool):
            (had if self._is_held(one) else waiting).append(one)
        spool.remove(had)
        self._batch = waiting
        self.summary.resumed = len(self._batch)

    def _is_held(self, one: Spooled) -> bool:
        """Tell whether the lake has a slice as it was fetched, or later: from another machine."""
        at = self._held.get(one.slice)
        return at is not None and at >= one.fetched_at

    def todo(self) -> list[Slice]:
        """Return the slices to ask for, the oldest first; at the end those that failed before.

        Else some that fail for good would stand before all newer ones, in every run.
        """
        now = datetime.now(UTC)
        waiting = {one.slice for one in self._batch}
        todo = []
        for part in self._asked:
            if part in waiting:  # it comes in with this run; what came since, with the next
                continue
            settled_after_d = self._wanted.api.settled_after_d(part.collection)
            at, again = self._held.get(part), self._wanted.again
            if at is None or again or slices.can_have_changed(part.day, at, settled_after_d, now):
                todo.append(part)
            else:
                self.summary.held += 1
        return sorted(todo, key=self._undone.__contains__)

    def fetch(self, todo: Sequence[Slice]) -> None:
        """Fetch slices, and ingest them whenever there are enough."""
        wanted, summary = self._wanted, self.summary
        gate = Gate(wanted.rate or wanted.api.rate)
        api = StacApi(wanted.api, gate, timeouts=wanted.timeouts, tries=wanted.tries)
        for collection in sorted({part.collection for part in todo}):
            api.check_collection(collection)
        label = f"Asking {wanted.api.name} for slices"
        self._steps.start(label, len(todo))
        workers = max(1, min(wanted.workers, len(todo)))
        fetcher = Fetcher(api, todo, self._spool, workers=workers, give_up_after=4 + workers)
        faults: Counter[str] = Counter()
        done, waiting = 0, sum(one.file.stat().st_size for one in self._batch)
        for result in fetcher:
            done += 1
            self._steps.advance()
            faults.update(result.faults)
            if isinstance(result, Failed):
                self._failed.append(result)
                summary.undone[result.slice.source] = result.reason
                continue
            self._batch.append(result)
            summary.fetched += 1
            waiting += result.file.stat().st_size
            if waiting >= BATCH_BYTES:
                self.ingest_batch()
                waiting = 0
                self._steps.start(label, len(todo) - done)
        summary.not_asked = len(todo) - done
        summary.requests = gate.passed
        summary.faults = dict(sorted(faults.items()))

    def ingest_batch(self, *, last: bool = False) -> None:
        """Ingest what waits; the rows of the slices are committed with their items."""
        left_over = last and commits.uncommitted(self._lake.root, "scenes")
        if not (self._batch or (last and self._failed) or left_over):
            return
        self.ingests = True
        batch, failed = self._batch, self._failed
        names = {str(one.file): one.slice.source for one in batch}
        summary = ingest_files(
            self._lake,
            sorted(one.file for one in batch),
            progress=self._steps,
            names=names,
            closing=lambda run_id: self._write_rows(batch, failed, run_id),
        )
        _check_read(batch, summary)
        spool.remove(batch)
        self._batch, self._failed = [], []
        self._add(summary)
        self.ingests = False

    def _write_rows(self, batch: Sequence[Spooled], failed: Sequence[Failed], run_id: str) -> None:
        rows = [_done_row(one, run_id) for one in batch]
        rows += [_undone_row(one, run_id) for one in failed]
        ledger.append(self._lake.root, "slices", rows, txn=f"slices-{run_id}")

    def _add(self, ingested: IngestSummary) -> None:
        of = self.summary
        for name in ("read", "kept", "repeated", "unsupported", "quarantined", "withdrawn"):
            of.counts[name] = of.counts.get(name, 0) + getattr(ingested, name)
        for reason, number in ingested.reasons.items():
            of.reasons[reason] = of.reasons.get(reason, 0) + number
        of.scenes_by_sensor, of.tiles = ingested.scenes_by_sensor, ingested.tiles


def _check_workers(lake: Lake) -> None:
    """Check that those who read the spool can see it.

    Raises:
        UsageError: If only Spark can write the tables, its workers are on other machines, and the
            lake is in no folder that all have.
    """
    if isinstance(lake.root, Path) or not clustered(lake) or runs_here():
        return
    raise UsageError(
        "The slices of an API wait on this machine until they are whole, where the workers of a "
        "cluster do not see them",
        where=str(lake.root),
        next_step="Run this command without a cluster; the lake is the same.",
    )


def _check_read(batch: Sequence[Spooled], summary: IngestSummary) -> None:
    read = {counts.path: counts.read for counts in summary.files}
    for one in batch:
        if read.get(one.slice.source) != one.items:
            raise GeoSRError(
                f"{read.get(one.slice.source)} of {one.items} items of a slice were read",
                where=one.slice.source,
                next_step="This is a bug of geosr_lake: report it with this line.",
            )


def _names(part: Slice) -> dict[str, Any]:
    return {
        "api": part.api,
        "collection": part.collection,
        "day": part.day.isoformat(),
        "area": part.area,
    }


def _done_row(one: Spooled, run_id: str) -> dict[str, Any]:
    return _names(one.slice) | {
        "status": DONE,
        "items": one.items,
        "pages": one.pages,
        "number_matched": one.matched,
        "faults": sorted(one.faults.items()),
        "reason": None,
        "digest": one.digest,
        "fetched_at": one.fetched_at,
        "run_id": run_id,
    }


def _undone_row(one: Failed, run_id: str) -> dict[str, Any]:
    return _names(one.slice) | {
        "status": UNDONE,
        "items": 0,
        "pages": 0,
        "number_matched": None,
        "faults": sorted(one.faults.items()),
        "reason": one.reason,
        "digest": None,
        "fetched_at": one.fetched_at,
        "run_id": run_id,
    }
