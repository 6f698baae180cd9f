"""The ledger of a manifest's shards, as the page shows it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

MAX_SHARDS = 24


@dataclass(frozen=True)
class Shard:
    """One row of the ledger of shards."""

    split: str
    shard: int
    n_slots: int
    n_samples: int
    n_files: int
    n_bytes: int
    bytes_read: int
    seconds: float
    n_rejected: int


@dataclass(frozen=True)
class Shards:
    """The ledger of a manifest's shards: its first rows, and the sum of all."""

    rows: tuple[Shard, ...]
    total: Shard
    n: int


def shards(rows: Sequence[dict[str, Any]]) -> Shards | None:
    """Sum the ledger of a manifest's shards; None if there is none."""
    if not rows:
        return None
    order = {"train": 0, "val": 1, "test": 2}
    all_rows = [
        Shard(
            split=row["split"],
            shard=row["shard"],
            n_slots=row["n_slots"],
            n_samples=row["n_samples"],
            n_files=len(row["files"]),
            n_bytes=sum(file["bytes"] for file in row["files"]),
            bytes_read=row["bytes_read"],
            seconds=row["seconds"],
            n_rejected=len(row["rejected"]),
        )
        for row in sorted(rows, key=lambda row: (order[row["split"]], row["shard"]))
    ]
    sums = {
        name: sum(getattr(row, name) for row in all_rows)
        for name in Shard.__dataclass_fields__
        if name not in ("split", "shard")
    }
    total = Shard(split="all", shard=len(all_rows), **sums)
    return Shards(tuple(all_rows[:MAX_SHARDS]), total, len(all_rows))
