"""What a release is made from: the lake's rows and the stores' coordinates, as plain values."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from geosr_lake.errors import ContractError, CorruptDataError, IncompleteError, UsageError
from geosr_lake.ids import child_path, safe_segment
from geosr_lake.lake import Lake
from geosr_lake.recipe import select_of
from geosr_lake.sensors.tasks import TASKS, Task

SPLITS = ("train", "val", "test")
Interval = tuple[datetime, datetime]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class SampleFacts:
    """One materialized sample. Times are UTC; the footprint is WKB in EPSG:4326, lon lat."""

    sample_id: str
    subset: str
    split: str
    index: int
    shard: int
    stratum: str
    block: str
    site_id: str
    pair_id: str
    epsg: int
    x_m: int
    y_m: int
    gap_s: float
    lr_time: Interval
    hr_time: Interval
    footprint_wkb: bytes
    replaces: str | None
    measured: Mapping[str, float | None]
    lr_dn_offset: int | None
    lr_item: str
    hr_item: str
    lr_licence: str | None
    hr_licence: str | None


@dataclass(frozen=True, slots=True)
class SplitCube:
    """The store of one split.

    Attributes:
        split: train, val or test.
        path: The store's folder.
        href: The same, relative to the lake, with forward slashes.
        n_slots: Length of the first dimension.
        n_samples: Slots that hold a sample.
        size_bytes: Bytes of all its files.
        checksums: (path relative to the store, SHA-256) of its pixel files, in order of shards.
    """

    split: str
    path: Path
    href: str
    n_slots: int
    n_samples: int
    size_bytes: int
    checksums: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Release:
    """One manifest, complete: what becomes a collection.

    `apart` says how far samples of two splits are apart; empty where its recipe is not understood.
    """

    manifest_id: str
    task: Task
    recipe: str
    cubes: tuple[SplitCube, ...]
    samples: tuple[SampleFacts, ...]
    apart: str = ""


MEASURED = (
    "lr_valid_frac",
    "hr_valid_frac",
    "lr_clear_frac",
    "hr_clear_frac",
    "shift_x_px",
    "shift_y_px",
    "correlation",
)


def manifest_ids(lake: Lake) -> list[str]:
    """Return the manifests of which anything has been materialized, sorted."""
    found = lake.arrow("shards", columns=["manifest_id"])["manifest_id"].to_pylist()
    return sorted(set(found))


def load_release(lake: Lake, manifest_id: str) -> Release:
    """Gather one manifest.

    Raises:
        UsageError: If the lake has no such manifest.
        IncompleteError: If a cube of it is not complete, or no cube holds a sample.
        CorruptDataError: If tables and stores contradict one another.
    """
    where = [("manifest_id", "=", manifest_id)]
    heads = lake.arrow("manifests", filters=where).to_pylist()
    if not heads:
        raise UsageError(
            f"The lake has no manifest {manifest_id}",
            where=str(lake.root),
            next_step="Run `geosr inspect manifest` to see those it has.",
        )
    head = heads[0]
    chosen = {r["sample_id"]: r for r in lake.arrow("manifest", filters=where).to_pylist()}
    shards = lake.arrow("shards", filters=where).to_pylist()
    rows = lake.arrow("samples", filters=where).to_pylist()
    wanted = {r["split"] for r in chosen.values() if r["role"] == "sample"}
    cubes = tuple(
        _cube(lake.folder, manifest_id, split, [s for s in shards if s["split"] == split])
        for split in SPLITS
        if split in wanted
    )
    coordinates = {cube.split: _coordinates(cube) for cube in cubes}
    sites = _by(lake, "sites", "site_id", {r["site_id"] for r in chosen.values()})
    scenes = _by(
        lake,
        "scenes",
        "scene_id",
        {r[f"{side}_scene_id"] for r in chosen.values() for side in ("lr", "hr")},
        columns=["scene_id", "licence"],
    )
    rows.sort(key=lambda row: (SPLITS.index(row["split"]), row["index"]))
    samples = tuple(
        _facts(row, _known(chosen, row["sample_id"], "manifest"), sites, scenes, coordinates)
        for row in rows
    )
    _check_counts(cubes, samples)
    if not samples:
        raise IncompleteError(f"The cubes of {manifest_id} hold no sample")
    select = select_of(head["recipe"])
    apart = "" if select is None else select.apart
    return Release(manifest_id, TASKS[head["task"]], head["name"], cubes, samples, apart)


def _cube(
    root: Path, manifest_id: str, split: str, shards: Iterable[Mapping[str, Any]]
) -> SplitCube:
    path = child_path(root, "cubes", manifest_id) / f"{safe_segment(split)}.zarr"
    in_order = sorted(shards, key=lambda shard: shard["shard"])
    state = _state(path)
    if state != "complete":
        raise IncompleteError(
            f"The cube of the split {split} of {manifest_id} is "
            + ("not there" if state is None else "not complete"),
            where=str(path),
            next_step=f"Run `geosr cubes materialize --manifest {manifest_id}`.",
        )
    return SplitCube(
        split=split,
        path=path,
        href=path.relative_to(root).as_posix(),
        n_slots=sum(shard["n_slots"] for shard in in_order),
        n_samples=sum(shard["n_samples"] for shard in in_order),
        size_bytes=sum(file.stat().st_size for file in path.rglob("*") if file.is_file()),
        checksums=tuple(
            (file["path"], file["sha256"]) for shard in in_order for file in shard["files"]
        ),
    )


def _state(path: Path) -> str | None:
    try:
        root = json.loads((path / "zarr.json").read_bytes())
    except FileNotFoundError:
        return None
    state = root.get("attributes", {}).get("geosr:state")
    return None if state is None else str(state)


@dataclass(frozen=True, slots=True)
class _Coordinates:
    sample_id: list[str]
    valid: list[bool]
    lr_time: list[Interval]
    hr_time: list[Interval]


def _coordinates(cube: SplitCube) -> _Coordinates:
    group = zarr.open_group(str(cube.path), mode="r", use_consolidated=False)

    def values(name: str) -> Any:
        return np.asarray(group[name][...])  # type: ignore[index]

    found = _Coordinates(
        sample_id=[str(value) for value in values("sample_id")],
        valid=[bool(value) for value in values("valid")],
        lr_time=[_interval(pair) for pair in values("lr_time")],
        hr_time=[_interval(pair) for pair in values("hr_time")],
    )
    if len(found.valid) != cube.n_slots or sum(found.valid) != cube.n_samples:
        raise CorruptDataError(
            "The store does not hold what the ledger says",
            where=str(cube.path),
            next_step="Run `geosr cubes verify`.",
        )
    return found


def _interval(bounds_us: Any) -> Interval:
    start, end = (max(int(value), 0) for value in bounds_us)
    return _EPOCH + timedelta(microseconds=start), _EPOCH + timedelta(microseconds=end)


def _by(
    lake: Lake, table: str, key: str, wanted: set[str], *, columns: list[str] | None = None
) -> dict[str, dict[str, Any]]:
    """Return the rows of `table` whose key is wanted."""
    names = sorted(wanted)
    rows = lake.arrow(table, columns=columns, filters=[(key, "in", names)]) if names else None
    return {row[key]: row for row in rows.to_pylist()} if rows is not None else {}


def _known(rows: Mapping[str, dict[str, Any]], key: str, table: str) -> dict[str, Any]:
    if key not in rows:
        raise ContractError(f"The table {table} has no row for {key}")
    return rows[key]


def _facts(
    row: Mapping[str, Any],
    chosen: Mapping[str, Any],
    sites: Mapping[str, dict[str, Any]],
    scenes: Mapping[str, dict[str, Any]],
    coordinates: Mapping[str, _Coordinates],
) -> SampleFacts:
    site = _known(sites, chosen["site_id"], "sites")
    place, at = coordinates[row["split"]], row["index"]
    if at >= len(place.valid) or place.sample_id[at] != row["sample_id"] or not place.valid[at]:
        raise CorruptDataError(
            f"Slot {at} of the cube does not hold the sample {row['sample_id']}",
            where=row["cube"],
            next_step="Run `geosr cubes verify`.",
        )
    return SampleFacts(
        **{name: row[name] for name in ("sample_id", "subset", "split", "index", "shard")},
        **{name: chosen[name] for name in ("stratum", "block", "site_id", "pair_id", "epsg")},
        **{name: chosen[name] for name in ("x_m", "y_m", "gap_s")},
        lr_time=place.lr_time[at],
        hr_time=place.hr_time[at],
        footprint_wkb=site["footprint_wkb"],
        replaces=row["replaces"],
        measured={name: row[name] for name in MEASURED},
        lr_dn_offset=row["lr_dn_offset"],
        lr_item=row["lr_item"],
        hr_item=row["hr_item"],
        # A scene can be derived anew, under another id, after the manifest was built.
        lr_licence=scenes.get(chosen["lr_scene_id"], {}).get("licence"),
        hr_licence=scenes.get(chosen["hr_scene_id"], {}).get("licence"),
    )


def _check_counts(cubes: Iterable[SplitCube], samples: Iterable[SampleFacts]) -> None:
    counts: dict[str, int] = {}
    for sample in samples:
        counts[sample.split] = counts.get(sample.split, 0) + 1
    for cube in cubes:
        if counts.pop(cube.split, 0) != cube.n_samples:
            raise CorruptDataError(
                f"The tables samples and shards differ for the split {cube.split}",
                where=str(cube.path),
                next_step="Run `geosr cubes verify`.",
            )
    if counts:
        raise CorruptDataError(f"There are samples of splits without a cube: {sorted(counts)}")
