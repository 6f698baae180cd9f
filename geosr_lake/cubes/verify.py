"""Do the stores hold what the ledger says? Read-only: nothing is mended here.

A lost shard reads as fill values without a word, in Zarr as in everything else, so completeness is
counted outside Zarr: against the ledger. A flipped bit is found by the checksums: SHA-256 of every
file, crc32c of every chunk.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from geosr_lake.cubes import store
from geosr_lake.cubes.coordinates import coordinate_values
from geosr_lake.cubes.inputs import CubeInputs, read_inputs
from geosr_lake.cubes.jobs import ShardPlan, WrittenFile
from geosr_lake.cubes.layout import ArraySpec, coordinate_arrays, pixel_arrays
from geosr_lake.cubes.plan import make_plan
from geosr_lake.cubes.rows import placed_of, store_name, store_path
from geosr_lake.lake import Lake, Progress
from geosr_lake.lake.progress import Silent


@dataclass(frozen=True)
class Problem:
    """One thing that is not as it must be.

    Attributes:
        kind: ``unfinished``, ``missing``, ``size``, ``checksum``, ``undecodable``, ``metadata`` or
            ``coordinate``.
        store: The store, relative to the lake.
        path: What it is about, relative to the store.
        detail: In words.
    """

    kind: str
    store: str
    path: str
    detail: str


@dataclass(frozen=True)
class CubesVerify:
    """What was looked at, and what is wrong.

    Attributes:
        manifest_id: The manifest.
        deep: Contents were read, not only sizes.
        stores: Stores looked at.
        shards: Shard groups looked at.
        files: Files looked at.
        bytes: Of these files.
        problems: Empty where all is well.
    """

    manifest_id: str
    deep: bool
    stores: int
    shards: int
    files: int
    bytes: int
    problems: tuple[Problem, ...]

    @property
    def damaged(self) -> bool:
        """Whether something is broken, not only unfinished."""
        return any(problem.kind != "unfinished" for problem in self.problems)


def verify(
    lake: Lake, manifest_id: str, *, deep: bool = False, progress: Progress | None = None
) -> CubesVerify:
    """Hold the stores of a manifest against the ledger.

    Args:
        lake: Read at its pinned versions.
        manifest_id: The manifest.
        deep: Read every file: SHA-256, and decode every chunk.
        progress: Told about every shard.

    Raises:
        UsageError: If there is no such manifest.
    """
    progress = progress or Silent()
    inputs = read_inputs(lake, manifest_id)
    plans = make_plan(inputs)
    filters = [("manifest_id", "=", manifest_id)]
    shards = {
        (row["split"], row["shard"]): row
        for row in lake.arrow("shards", filters=filters).to_pylist()
    }
    samples = lake.arrow("samples", filters=filters).to_pylist()
    problems: list[Problem] = []
    looked: list[WrittenFile] = []
    progress.start("Reading shards" if deep else "Looking at shards", sum(map(len, plans.values())))
    for split, listed in plans.items():
        checker = _Checker(lake.folder, inputs, split, deep)
        for plan in listed:
            checker.shard(plan, shards.get((split, plan.shard)))
            progress.advance()
        checker.store([row for row in samples if row["split"] == split])
        problems += checker.problems
        looked += checker.looked
    return CubesVerify(
        manifest_id=manifest_id,
        deep=deep,
        stores=len(plans),
        shards=sum(map(len, plans.values())),
        files=len(looked),
        bytes=sum(file.bytes for file in looked),
        problems=tuple(problems),
    )


class _Checker:
    """Looks at one store."""

    def __init__(self, root: Path, inputs: CubeInputs, split: str, deep: bool) -> None:
        self._inputs = inputs
        self._split = split
        self._deep = deep
        self._path = store_path(root, inputs.manifest_id, split)
        self._name = store_name(inputs.manifest_id, split)
        self._n_slots = len(inputs.samples[split])
        rule = inputs.rule
        self._arrays = pixel_arrays(inputs.task, self._n_slots, rule.shard_samples, rule.codec)
        self.problems: list[Problem] = []
        self.looked: list[WrittenFile] = []

    def shard(self, plan: ShardPlan, row: dict[str, Any] | None) -> None:
        """Look at the files of one shard group."""
        if row is None or row["plan_hash"] != plan.plan_hash:
            why = "not written yet" if row is None else "written for another plan"
            self._problem("unfinished", f"shard {plan.shard}", why)
            return
        listed = {file["path"]: WrittenFile(**file) for file in row["files"]}
        for spec in self._arrays:
            name = store.shard_file(spec, plan.shard)
            if name not in listed:
                self._problem("missing", name, "the ledger does not list it")
            elif self._file(listed.pop(name)) and self._deep:
                self._decode(spec, plan)
        for name in listed:
            self._problem("metadata", name, "the layout has no such file")

    def store(self, samples: Iterable[dict[str, Any]]) -> None:
        """Look at the store's metadata and, where it is complete, its coordinates."""
        now = store.state(self._path)
        if now is None:
            self._problem("missing", store.ROOT, "there is no store")
            return
        coordinates = coordinate_arrays(self._inputs.task, self._n_slots)
        for name, text in store.skeleton([*self._arrays, *coordinates], {}).items():
            if name != store.ROOT and not store.has(self._path, name, text):
                self._problem("metadata", name, "is missing, or not as the layout has it")
        if now != store.COMPLETE:
            self._problem("unfinished", store.ROOT, f"the store is {now}")
        elif not any(problem.kind == "metadata" for problem in self.problems):
            self._coordinates(samples)

    def _file(self, wanted: WrittenFile) -> bool:
        """Hold one file against the ledger; return whether it is worth decoding."""
        try:
            size = (self._path / wanted.path).stat().st_size
        except FileNotFoundError:
            self._problem("missing", wanted.path, "the file is gone")
            return False
        self.looked.append(WrittenFile(wanted.path, size, wanted.sha256))
        if size != wanted.bytes:
            self._problem("size", wanted.path, f"{size} bytes, not {wanted.bytes}")
            return False
        if self._deep and store.hashed(self._path, wanted.path).sha256 != wanted.sha256:
            self._problem("checksum", wanted.path, "its content changed")
            return False
        return True

    def _decode(self, spec: ArraySpec, plan: ShardPlan) -> None:
        try:
            array = zarr.open_array(str(self._path / spec.name), mode="r")
            _ = array[plan.first_index : plan.first_index + len(plan.jobs)]
        except (ValueError, RuntimeError, OSError, KeyError, TypeError) as error:
            name = store.shard_file(spec, plan.shard)
            self._problem("undecodable", name, f"{type(error).__name__}: {error}")

    def _coordinates(self, samples: Iterable[dict[str, Any]]) -> None:
        """Hold the coordinates against the ledger's samples."""
        wanted = coordinate_values(
            self._inputs.task, self._n_slots, placed_of(samples), self._inputs.jobs
        )
        group = store.open_group(self._path)
        for name, values in wanted.items():
            try:
                found = np.asarray(group[name][...])  # type: ignore[index]
            except (ValueError, RuntimeError, OSError, KeyError, TypeError) as error:
                self._problem("undecodable", name, f"{type(error).__name__}: {error}")
                continue
            if not np.array_equal(found, values, equal_nan=values.dtype.kind == "f"):
                self._problem("coordinate", name, "differs from the ledger")

    def _problem(self, kind: str, path: str, detail: str) -> None:
        self.problems.append(Problem(kind, self._name, path, detail))


def as_dict(result: CubesVerify) -> dict[str, Any]:
    """Return the result as plain values, with whether anything is damaged."""
    return {**asdict(result), "damaged": result.damaged}
