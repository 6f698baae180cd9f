"""One plain function writes one shard group: whatever maps it, it needs nothing but its task."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from geosr_lake.cubes import store
from geosr_lake.cubes.jobs import (
    Measured,
    Placed,
    Rejection,
    SampleJob,
    ShardPlan,
    ShardResult,
    WrittenFile,
)
from geosr_lake.cubes.layout import ArraySpec, pixel_arrays
from geosr_lake.cubes.measure import measure, valid_frac
from geosr_lake.cubes.read import SidePixels, Sources, read_side
from geosr_lake.errors import PermanentSourceError, TransientSourceError
from geosr_lake.net import SourcePolicy
from geosr_lake.net.errors import failure_code
from geosr_lake.recipe import CubeRule
from geosr_lake.sensors.tasks import TASKS, Task


@dataclass(frozen=True)
class ShardTask:
    """Everything a worker needs to write one shard group.

    Attributes:
        plan: What to write.
        store: The store, already made.
        n_slots: Length of its first dimension.
        policy: What may be opened.
    """

    plan: ShardPlan
    store: Path
    n_slots: int
    policy: SourcePolicy


@dataclass(frozen=True)
class Filled:
    """A sample whose pixels are good enough."""

    job: SampleJob
    lr: SidePixels
    hr: SidePixels
    measured: Measured


class _RejectedError(Exception):
    """A sample failed for good; the text is the reason's code."""


def write_shard(task: ShardTask) -> ShardResult:
    """Read the samples of one shard group, write its files, and return its ledger rows' content.

    A sample that fails for good gives its slot to the first reserve of its subset and stratum, or
    else of its subset; without one the slot stays empty. The same sources give the same bytes,
    however often and wherever this runs.

    Returns:
        `done` with files and samples; `undone`, with nothing written, after a failure that may
        heal.

    Raises:
        EnvironmentProblemError: If disk is short or a package is missing.
    """
    started = time.monotonic()
    plan = task.plan
    facts = TASKS[plan.task]
    arrays = pixel_arrays(facts, task.n_slots, plan.rule.shard_samples, plan.rule.codec)
    blocks = {spec.name: store.empty_block(spec, len(plan.jobs)) for spec in arrays}
    placed: list[Placed] = []
    with Sources(task.policy) as sources:
        chooser = _Chooser(sources, facts, plan)
        try:
            for slot, job in enumerate(plan.jobs):
                filled = chooser.fill(job)
                if filled is not None:
                    _put(blocks, slot, filled)
                    placed.append(_placed(plan.first_index + slot, job, filled))
        except TransientSourceError as error:
            seconds = time.monotonic() - started
            return ShardResult(
                plan, "undone", bytes_read=sources.bytes_read, seconds=seconds, message=str(error)
            )
    files = _write(task.store, arrays, plan.shard, blocks)
    return ShardResult(
        plan=plan,
        status="done",
        placed=tuple(placed),
        files=files,
        rejected=tuple(chooser.rejected),
        bytes_read=sources.bytes_read,
        seconds=time.monotonic() - started,
    )


class _Chooser:
    """Fills slots with samples, and with reserves where those fail."""

    def __init__(self, sources: Sources, facts: Task, plan: ShardPlan) -> None:
        self._sources = sources
        self._facts = facts
        self._plan = plan
        self._reserves = list(plan.reserves)
        self.rejected: list[Rejection] = []

    def fill(self, job: SampleJob) -> Filled | None:
        """Return the sample, or the reserve in its place, or None."""
        candidate: SampleJob | None = job
        while candidate is not None:
            try:
                return self._read(candidate)
            except _RejectedError as verdict:
                self.rejected.append(Rejection(candidate.sample_id, str(verdict)))
            candidate = self._next_reserve(job)
        return None

    def _next_reserve(self, job: SampleJob) -> SampleJob | None:
        mates = [r for r in self._reserves if r.subset == job.subset]
        same = [r for r in mates if r.stratum == job.stratum]
        chosen = next(iter(same or mates), None)
        if chosen is not None:
            self._reserves.remove(chosen)
        return chosen

    def _read(self, job: SampleJob) -> Filled:
        rule = self._plan.rule
        lr = self._side("lr", job, rule)
        hr = self._side("hr", job, rule)
        return Filled(job, lr, hr, measure(self._facts, lr, hr))

    def _side(self, side: str, job: SampleJob, rule: CubeRule) -> SidePixels:
        """Read one side and hold it against the recipe's limits."""
        try:
            pixels = read_side(self._sources, self._facts, side, job, self._plan.window_us)
        except PermanentSourceError as error:
            raise _RejectedError(f"{side}_{failure_code(error)}") from error
        if valid_frac(pixels.mask) < getattr(rule, f"min_{side}_valid_frac"):
            raise _RejectedError(f"{side}_nodata")
        if float((pixels.mask == 0).mean()) < getattr(rule, f"min_{side}_clear_frac"):
            raise _RejectedError(f"{side}_not_clear")
        return pixels


def _put(blocks: dict[str, NDArray[Any]], slot: int, filled: Filled) -> None:
    for side, pixels in (("lr", filled.lr), ("hr", filled.hr)):
        blocks[side][slot] = pixels.numbers
        blocks[f"{side}_mask"][slot] = pixels.mask
    if filled.lr.age_days is not None:
        blocks["lr_age_days"][slot] = filled.lr.age_days


def _placed(index: int, asked: SampleJob, filled: Filled) -> Placed:
    job = filled.job
    return Placed(
        index=index,
        sample_id=job.sample_id,
        subset=job.subset,
        replaces=None if job is asked else asked.sample_id,
        measured=filled.measured,
        lr_item=filled.lr.item.label,
        hr_item=filled.hr.item.label,
        lr_dn_offset=filled.lr.item.dn_offset,
    )


def _write(
    path: Path, arrays: tuple[ArraySpec, ...], shard: int, blocks: dict[str, NDArray[Any]]
) -> tuple[WrittenFile, ...]:
    for spec in arrays:
        # Popped, so that each block's memory is free before the next is encoded.
        store.write_shard_block(path, spec, shard, blocks.pop(spec.name))
    return store.shard_files(path, arrays, shard)
