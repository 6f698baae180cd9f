"""The items once more, as one stac-geoparquet file that tools can filter without this package."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any


def write_mirror(path: Path, items: Iterable[dict[str, Any]]) -> None:
    """Write `items` to `path`, in their order."""
    from stac_geoparquet.arrow import parse_stac_items_to_arrow, to_parquet

    to_parquet(parse_stac_items_to_arrow(items), path, compression="zstd")


def mirrored_ids(path: Path) -> list[str]:
    """Return the ids in a mirror, in its order."""
    import pyarrow.parquet as pq

    ids: list[str] = pq.read_table(path, columns=["id"])["id"].to_pylist()
    return ids
