"""Polygons of anybody's file, in lon/lat: GeoParquet or GeoJSON."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import shapely
from numpy.typing import NDArray

from geosr_lake.errors import UsageError

Geometries = NDArray[np.object_]
_LONLAT = ("OGC:CRS84", "EPSG:4326")
_GEOJSON_SUFFIXES = (".geojson", ".json")


@dataclass(frozen=True)
class Polygons:
    """Polygons with what the file says of them.

    Attributes:
        shapes: Valid polygons or multipolygons in lon/lat (EPSG:4326), shape (n,).
        rows: The other columns, n rows.
    """

    shapes: Geometries
    rows: pa.Table

    def __len__(self) -> int:
        return len(self.shapes)

    def column(self, names: tuple[str, ...]) -> list[Any] | None:
        """Return the first of these columns that is there."""
        for name in names:
            if name in self.rows.column_names:
                return list(self.rows[name].to_pylist())
        return None


def read_polygons(path: Path) -> Polygons:
    """Return the polygons of a file: GeoJSON by its suffix, else GeoParquet.

    Raises:
        UsageError: If it is neither, or a row has no polygon.
    """
    if not path.is_file():
        raise UsageError(
            "There is no such file", where=str(path), next_step="Name a GeoParquet or GeoJSON."
        )
    if path.suffix.lower() in _GEOJSON_SUFFIXES:
        return _of_geojson(path)
    return _of_geoparquet(path)


def _of_geoparquet(path: Path) -> Polygons:
    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise UsageError("This is not a Parquet file", where=str(path)) from error
    try:
        geo = json.loads((table.schema.metadata or {})[b"geo"])
        name = geo["primary_column"]
        column = geo["columns"][name]
        encoding, crs = column["encoding"], column.get("crs", "OGC:CRS84")
        wkb = table[name].to_pylist()
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(
            "This Parquet file says of no column that it is a geometry (GeoParquet's `geo`)",
            where=str(path),
            next_step="Write it with GeoPandas, GDAL or `geosr manifest export`.",
        ) from error
    if encoding != "WKB":
        raise UsageError(f"Geometry is encoded as {encoding}, not WKB", where=str(path))
    shapes = np.asarray(shapely.from_wkb(wkb, on_invalid="ignore"), dtype=object)
    return Polygons(_to_lonlat(_polygons(shapes, path), crs, path), table.drop_columns([name]))


def _of_geojson(path: Path) -> Polygons:
    """Return the features of a GeoJSON file; `crs`, of before RFC 7946, is heeded."""
    try:
        data = json.loads(path.read_bytes())
        features = data["features"] if data["type"] == "FeatureCollection" else [data]
        shapes = [
            shapely.from_geojson(json.dumps(one.get("geometry", one)), on_invalid="ignore")
            for one in features
        ]
        rows = [dict(one.get("properties") or {}) for one in features]
        crs = (data.get("crs") or {}).get("properties", {}).get("name", "OGC:CRS84")
    except (ValueError, KeyError, TypeError, AttributeError, shapely.GEOSException) as error:
        raise UsageError("This is not GeoJSON", where=str(path)) from error
    names = sorted({name for row in rows for name in row})
    table = pa.table({name: _as_column([row.get(name) for row in rows]) for name in names})
    found = _polygons(np.array([*shapes, None], dtype=object)[:-1], path)
    return Polygons(_to_lonlat(found, crs, path), table)


def _as_column(values: list[Any]) -> pa.Array:
    """Return values as a column; as texts where they are of several kinds."""
    try:
        return pa.array(values)
    except (pa.ArrowException, OverflowError):
        return pa.array([None if value is None else str(value) for value in values], pa.string())


def _polygons(shapes: Geometries, path: Path) -> Geometries:
    """Return shapes, the invalid ones mended.

    Raises:
        UsageError: If one is no polygon.
    """
    mended = shapely.make_valid(shapes, method="structure", keep_collapsed=False)
    shapes = np.where(shapely.is_valid(shapes), shapes, mended)
    kinds = shapely.get_type_id(shapes)
    bad = np.flatnonzero(~np.isin(kinds, (3, 6)) | shapely.is_empty(shapes))
    if bad.size:
        raise UsageError(
            f"Row {int(bad[0])} has no polygon for its footprint ({bad.size} such rows)",
            where=str(path),
        )
    return shapes


def _to_lonlat(shapes: Geometries, crs: Any, path: Path) -> Geometries:
    from pyproj import CRS, Transformer
    from pyproj.exceptions import CRSError

    if crs is None:
        raise UsageError("The file does not say in which CRS its footprints are", where=str(path))
    try:
        source = CRS.from_user_input(crs)
    except CRSError as error:
        raise UsageError("The CRS of the footprints is not known", where=str(path)) from error
    if any(source.equals(CRS.from_user_input(name), ignore_axis_order=True) for name in _LONLAT):
        return shapes
    there = Transformer.from_crs(source, 4326, always_xy=True)
    turned: Geometries = shapely.transform(
        shapes, lambda xy: np.stack(there.transform(xy[:, 0], xy[:, 1]), axis=1)
    )
    return turned
