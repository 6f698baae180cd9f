"""The plan minus what stands, mapped over workers; each shard is committed as it ends."""

import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import psutil

from geosr_lake.cubes import store
from geosr_lake.cubes.coordinates import coordinate_values
from geosr_lake.cubes.inputs import CubeInputs, read_inputs
from geosr_lake.cubes.jobs import ShardPlan, ShardResult
from geosr_lake.cubes.layout import coordinate_arrays, pixel_arrays, store_attributes
from geosr_lake.cubes.plan import estimate, make_plan
from geosr_lake.cubes.rows import (
    placed_of,
    sample_rows,
    shard_row,
    stands,
    store_name,
    store_path,
)
from geosr_lake.cubes.shard import ShardTask
from geosr_lake.cubes.workers import run_tasks
from geosr_lake.errors import ResourceError, UnsafeInputError, UsageError
from geosr_lake.lake import Lake, Progress, ledger
from geosr_lake.lake.progress import Silent
from geosr_lake.net import LocalFile, SourcePolicy

DISK_RESERVE = 1.2
"""Free disk asked for before the first byte, for each byte of the estimate."""
SHARD_MEMORY = 3
"""Bytes that a worker may hold for each raw byte of its shard: pixels, masks and encoded chunks."""
PROBED_SOURCES = 200
"""Source files looked for before the first is read."""


@dataclass(frozen=True)
class CubesSummary:
    """What a run of `materialize` did.

    Attributes:
        manifest_id: The manifest.
        task: Its SR task.
        stores: The stores, relative to the lake.
        complete: All of them are complete.
        shards: Shard groups of the manifest.
        shards_kept: Stood already: not touched.
        shards_written: Written by this run.
        shards_undone: Left undone: their sources may heal.
        shards_elsewhere: Left to other parts.
        samples: Samples in the cubes now.
        replaced: Of these, reserves that took a place.
        empty_slots: Slots that no sample could fill, of the shards that stand.
        rejected: Reason -> samples that failed for good, of the shards that stand.
        bytes_read: Bytes of source pixels decoded by this run.
        bytes_written: Bytes of the files written by this run.
        problems: Why shards are undone, a sentence each.
    """

    manifest_id: str
    task: str
    stores: tuple[str, ...]
    complete: bool
    shards: int
    shards_kept: int
    shards_written: int
    shards_undone: int
    shards_elsewhere: int
    samples: int
    replaced: int
    empty_slots: int
    rejected: dict[str, int]
    bytes_read: int
    bytes_written: int
    problems: tuple[str, ...]


def materialize(
    lake: Lake,
    manifest_id: str,
    *,
    source_roots: Iterable[str | Path] = (),
    workers: int | None = None,
    processes: bool = False,
    client: Any | None = None,
    part: tuple[int, int] | None = None,
    progress: Progress | None = None,
) -> CubesSummary:
    """Write the cubes of a manifest, or what is missing of them.

    A shard group is kept where the ledger has it for the same plan and its files are there, so the
    same call again goes on after a kill, and else only adds a row to `runs`. A store is marked
    complete when all of its shards stand.

    Args:
        lake: Holds the manifest and its scenes.
        manifest_id: The manifest.
        source_roots: Folders below which source files may be read.
        workers: Threads, or processes; None: one a core, as far as memory goes.
        processes: Use processes on this machine.
        client: A Dask client of a cluster that sees the lake's folder and the sources.
        part: (number from 1, of how many): only this share of the shards.
        progress: Told about every shard.

    Returns:
        What was done; `shards_undone` above 0 where sources failed in a way that may heal.

    Raises:
        UsageError: If there is no such manifest or source root, or none of the sources is there.
        ResourceError: If there is not enough disk.
    """
    progress = progress or Silent()
    policy = SourcePolicy.of(source_roots)
    if part is not None and not 1 <= part[0] <= part[1]:
        raise UsageError(f"There is no part {part[0]} of {part[1]}", where="--part")
    with lake.stage("cubes", "materialize") as run:
        inputs = read_inputs(lake, manifest_id)
        run.rule_id = inputs.rule.rule_id
        build = _Build(lake.folder, inputs, run.run_id)
        tasks, elsewhere = build.missing(policy, part)
        if tasks:
            _check_sources(policy, [task.plan for task in tasks])
            _check_disk(lake.folder, inputs, [task.plan for task in tasks])
            build.reopen(tasks)
            progress.start("Writing shards", len(tasks))
        threads = workers or default_workers(inputs)
        for result in run_tasks(tasks, workers=threads, processes=processes, client=client):
            build.commit(result)
            progress.advance()
        build.finish()
        summary = build.summary(elsewhere)
        run.counts |= {name: value for name, value in asdict(summary).items() if type(value) is int}
        run.reasons = summary.rejected
        run.detail |= {"manifest_id": manifest_id, "rejected": summary.rejected}
        run.detail |= {"problems": list(summary.problems), "written": build.written}
    return summary


def default_workers(inputs: CubeInputs) -> int:
    """Return one worker a core, or fewer where their shards would fill half of the free memory."""
    shards = [plan for plans in make_plan(inputs).values() for plan in plans]
    largest = max((estimate(inputs.task, [plan]).output_raw_bytes for plan in shards), default=0)
    fitting = int(psutil.virtual_memory().available / 2 / max(largest * SHARD_MEMORY, 1))
    return max(1, min(os.cpu_count() or 1, fitting))


class _Build:
    """The driver's side of one run: the only writer of the ledger and of the stores' metadata."""

    def __init__(self, root: Path, inputs: CubeInputs, run_id: str) -> None:
        self._root = root
        self._inputs = inputs
        self._run_id = run_id
        self._plans = make_plan(inputs)
        self._results: list[ShardResult] = []
        for split in self._plans:
            self._create(split)
        self._ledger = self._read("shards", lambda row: (row["split"], row["shard"]))
        self._standing = {
            (plan.split, plan.shard)
            for plans in self._plans.values()
            for plan in plans
            if stands(self._store(plan.split), self._ledger.get((plan.split, plan.shard)), plan)
        }

    @property
    def written(self) -> list[str]:
        """The shards that this run wrote."""
        return sorted(r.plan.name for r in self._results if r.status == "done")

    def missing(
        self, policy: SourcePolicy, part: tuple[int, int] | None
    ) -> tuple[list[ShardTask], int]:
        """Return the tasks of this run, and how many shards are left to other parts."""
        plans = [plan for plans in self._plans.values() for plan in plans]
        tasks = [
            ShardTask(plan, self._store(plan.split), len(self._inputs.samples[plan.split]), policy)
            for number, plan in enumerate(plans)
            if not self._stands(plan) and (part is None or number % part[1] == part[0] - 1)
        ]
        standing = sum(map(self._stands, plans))
        return tasks, len(plans) - standing - len(tasks)

    def reopen(self, tasks: list[ShardTask]) -> None:
        """Take back that the stores of `tasks` are complete."""
        for split in {task.plan.split for task in tasks}:
            store.mark_building(self._store(split))

    def commit(self, result: ShardResult) -> None:
        """Put a finished shard into the ledger: its samples, then the shard itself."""
        self._results.append(result)
        if result.status != "done":
            return
        plan = result.plan
        where: dict[str, str | int] = {
            "manifest_id": self._inputs.manifest_id,
            "split": plan.split,
            "shard": plan.shard,
        }
        row = shard_row(self._inputs.manifest_id, result, self._run_id)
        samples = sample_rows(self._inputs.manifest_id, result)
        ledger.replace(self._root, "samples", samples, where=where)
        ledger.replace(self._root, "shards", [row], where=where)
        self._ledger[plan.split, plan.shard] = row
        self._standing.add((plan.split, plan.shard))

    def finish(self) -> None:
        """Complete the stores whose shards all stand."""
        jobs = self._inputs.jobs
        for split, plans in self._plans.items():
            path = self._store(split)
            if not all(map(self._stands, plans)) or store.state(path) == store.COMPLETE:
                continue
            rows = [row for row in self._samples() if row["split"] == split]
            n_slots = len(self._inputs.samples[split])
            values = coordinate_values(self._inputs.task, n_slots, placed_of(rows), jobs)
            store.finish(path, values)

    def summary(self, elsewhere: int) -> CubesSummary:
        """Return what was done and what stands."""
        plans = [plan for plans in self._plans.values() for plan in plans]
        rows = [self._ledger[p.split, p.shard] for p in plans if self._stands(p)]
        samples = self._samples()
        done = [result for result in self._results if result.status == "done"]
        undone = [result for result in self._results if result.status == "undone"]
        rejected = Counter(entry["reason"] for row in rows for entry in row["rejected"])
        return CubesSummary(
            manifest_id=self._inputs.manifest_id,
            task=self._inputs.task.name,
            stores=tuple(store_name(self._inputs.manifest_id, split) for split in self._plans),
            complete=all(store.state(self._store(s)) == store.COMPLETE for s in self._plans),
            shards=len(plans),
            shards_kept=len(rows) - len(done),
            shards_written=len(done),
            shards_undone=len(undone),
            shards_elsewhere=elsewhere,
            samples=len(samples),
            replaced=sum(row["replaces"] is not None for row in samples),
            empty_slots=sum(row["n_slots"] - row["n_samples"] for row in rows),
            rejected=dict(sorted(rejected.items())),
            bytes_read=sum(result.bytes_read for result in self._results),
            bytes_written=sum(file.bytes for result in done for file in result.files),
            problems=tuple(f"{result.plan.name}: {result.message}" for result in undone),
        )

    def _create(self, split: str) -> None:
        task, rule = self._inputs.task, self._inputs.rule
        n_slots = len(self._inputs.samples[split])
        pixels = pixel_arrays(task, n_slots, rule.shard_samples, rule.codec)
        path = self._store(split)
        path.parent.mkdir(parents=True, exist_ok=True)
        manifest_id = self._inputs.manifest_id
        store.create(
            path,
            [*pixels, *coordinate_arrays(task, n_slots)],
            store_attributes(task, manifest_id, split, rule.shard_samples, rule.codec),
        )
        store.sweep(path)

    def _store(self, split: str) -> Path:
        return store_path(self._root, self._inputs.manifest_id, split)

    def _stands(self, plan: ShardPlan) -> bool:
        return (plan.split, plan.shard) in self._standing

    def _samples(self) -> list[dict[str, Any]]:
        """Return the rows of `samples` of the shards that stand."""
        rows = self._read("samples", lambda row: row["sample_id"]).values()
        return [row for row in rows if (row["split"], row["shard"]) in self._standing]

    def _read(self, table: str, key: Callable[[dict[str, Any]], Any]) -> dict[Any, dict[str, Any]]:
        """Return this manifest's rows of a ledger as they are now, committed or not."""
        filters = [("manifest_id", "=", self._inputs.manifest_id)]
        return {
            key(row): row for row in ledger.read(self._root, table, filters=filters).to_pylist()
        }


def _check_sources(policy: SourcePolicy, plans: list[ShardPlan]) -> None:
    """Refuse to begin where no source is there: rather a wrong folder than so many lost files.

    Raises:
        UsageError: If the first files of the plan are all missing.
        UnsafeInputError: If none of them may be opened.
    """
    refused: UnsafeInputError | None = None
    missing: list[Path] = []
    for href in islice(_hrefs(plans), PROBED_SOURCES):
        try:
            located = policy.locate(href)
        except UnsafeInputError as error:
            refused = refused or error
            continue
        if not isinstance(located, LocalFile) or located.path.exists():
            return
        missing.append(located.path)
    if missing:
        raise UsageError(
            f"None of the first {len(missing)} source files is there",
            where=str(missing[0]),
            next_step="Check --source-root.",
        )
    if refused is not None:
        raise refused


def _hrefs(plans: Iterable[ShardPlan]) -> Iterator[str]:
    for side in (side for plan in plans for job in plan.jobs for side in (job.lr, job.hr)):
        for item in side.items:
            yield from item.assets.values()


def _check_disk(root: Path, inputs: CubeInputs, plans: list[ShardPlan]) -> None:
    need = int(estimate(inputs.task, plans).output_bytes * DISK_RESERVE)
    free = shutil.disk_usage(root).free
    if need > free:
        raise ResourceError(
            f"About {need / 1e9:.1f} GB of disk are needed and {free / 1e9:.1f} GB are free",
            where=str(root),
            next_step="Free some, or put the lake on a larger disk.",
        )
