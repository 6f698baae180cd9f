"""A manifest as a GeoParquet file, which needs nothing of ours."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import shapely

from geosr_lake.errors import UsageError
from geosr_lake.lake import Lake
from geosr_lake.manifest.samples import manifest_table

GEOPARQUET = "1.1.0"


def export(lake: Lake, manifest_id: str, path: Path) -> int:
    """Write a manifest to a new GeoParquet file; return the number of rows.

    The columns are those of `samples.manifest_table` and `datetime`, the start of the HR scene.
    The file appears when it is whole.

    Raises:
        UsageError: If the lake holds no such manifest, it is empty, or the file is there.
    """
    if path.exists():
        raise UsageError("This is there already", where=str(path), next_step="Name a new file.")
    rows = geoparquet(manifest_table(lake, manifest_id))
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    try:
        pq.write_table(rows, partial, compression="zstd")
        partial.rename(path)
    finally:
        partial.unlink(missing_ok=True)
    return int(rows.num_rows)


def geoparquet(rows: pa.Table) -> pa.Table:
    """Return a manifest's rows with `datetime` and the metadata that GeoParquet asks for."""
    rows = rows.append_column("datetime", rows["hr_t_start"])
    west, south, east, north = shapely.total_bounds(shapely.from_wkb(rows["geometry"].to_pylist()))
    geo = {
        "version": GEOPARQUET,
        "primary_column": "geometry",
        "columns": {
            "geometry": {
                "encoding": "WKB",
                "geometry_types": _types(rows["geometry"]),
                "bbox": [west, south, east, north],
            }
        },
    }
    return rows.replace_schema_metadata({"geo": json.dumps(geo)})


def _types(wkb: pa.ChunkedArray) -> list[str]:
    kinds = pc.binary_slice(wkb, 1, 2).unique().to_pylist()
    return sorted({b"\x03": "Polygon", b"\x06": "MultiPolygon"}[kind] for kind in kinds)
