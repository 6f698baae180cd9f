"""Between results and the rows of `shards` and `samples`."""

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from geosr_lake.cubes.jobs import Measured, Placed, ShardPlan, ShardResult
from geosr_lake.ids import child_path

_MEASURED = tuple(Measured.__dataclass_fields__)


def store_name(manifest_id: str, split: str) -> str:
    """Return the path of a store, relative to the lake."""
    return f"cubes/{manifest_id}/{split}.zarr"


def store_path(root: Path, manifest_id: str, split: str) -> Path:
    """Return the path of a store of the lake at `root`.

    Raises:
        UnsafeInputError: If a name cannot be one segment of a path.
    """
    folder = child_path(root, "cubes", manifest_id, split)
    return folder.with_name(f"{folder.name}.zarr")


def shard_row(manifest_id: str, result: ShardResult, run_id: str) -> dict[str, Any]:
    """Return the row of `shards`."""
    plan = result.plan
    return {
        "manifest_id": manifest_id,
        "task": plan.task,
        "split": plan.split,
        "shard": plan.shard,
        "plan_hash": plan.plan_hash,
        "first_index": plan.first_index,
        "n_slots": len(plan.jobs),
        "n_samples": len(result.placed),
        "files": [asdict(file) for file in result.files],
        "rejected": [asdict(rejection) for rejection in result.rejected],
        "bytes_read": result.bytes_read,
        "seconds": result.seconds,
        "run_id": run_id,
    }


def sample_rows(manifest_id: str, result: ShardResult) -> list[dict[str, Any]]:
    """Return the rows of `samples`."""
    plan = result.plan
    return [
        {
            "manifest_id": manifest_id,
            "sample_id": placed.sample_id,
            "task": plan.task,
            "subset": placed.subset,
            "split": plan.split,
            "shard": plan.shard,
            "cube": store_name(manifest_id, plan.split),
            "index": placed.index,
            "replaces": placed.replaces,
            "lr_item": placed.lr_item,
            "hr_item": placed.hr_item,
            "lr_dn_offset": placed.lr_dn_offset,
            **asdict(placed.measured),
        }
        for placed in result.placed
    ]


def placed_of(rows: Iterable[dict[str, Any]]) -> list[Placed]:
    """Return what rows of `samples` say, by index."""
    placed = [
        Placed(
            index=row["index"],
            sample_id=row["sample_id"],
            subset=row["subset"],
            replaces=row["replaces"],
            measured=Measured(**{name: row[name] for name in _MEASURED}),
            lr_item=row["lr_item"],
            hr_item=row["hr_item"],
            lr_dn_offset=row["lr_dn_offset"],
        )
        for row in rows
    ]
    return sorted(placed, key=lambda p: p.index)


def stands(path: Path, row: dict[str, Any] | None, plan: ShardPlan) -> bool:
    """Tell whether the ledger has the shard, as it is planned, and its files are there.

    Sizes are looked at, not contents: `cubes verify --deep` does that.
    """
    if row is None or row["plan_hash"] != plan.plan_hash:
        return False
    return all(_size(path / file["path"]) == file["bytes"] for file in row["files"])


def _size(file: Path) -> int | None:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return None
