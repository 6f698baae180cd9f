"""Samples as an auditor sees them: which ground, when, in which split; from a lake or a file."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import shapely
from numpy.typing import NDArray

from geosr_lake.errors import UsageError
from geosr_lake.ids import footprint_id
from geosr_lake.lake import Lake
from geosr_lake.lake.contracts import contract
from geosr_lake.recipe import Recipe, parse_canonical

Geometries = NDArray[np.object_]
SPLIT_NAMES = ("split", "subset_split", "fold")
ID_NAMES = ("sample_id", "id", "name")
TIME_NAMES = ("datetime", "t_start", "start_datetime", "time", "date")
STRATUM_NAMES = ("stratum", "class", "label")
SCENE_NAMES = ("lr_scene_id", "hr_scene_id", "lr_id", "hr_id", "scene_id")
"""Columns of a file of others that are taken for what they are called, the first that is there."""
_LONLAT = ("OGC:CRS84", "EPSG:4326")


@dataclass(frozen=True)
class Samples:
    """Samples of one manifest, as columns of one length n.

    Attributes:
        name: The manifest, or the file.
        ids: What each is called.
        splits: Its split.
        strata: Its stratum; all None where that is not known.
        grounds: What names its ground: the same for the same footprint.
        footprints: Polygons in lon/lat, shape (n,).
        times: When it was acquired, UTC; all None where that is not known.
        scenes: The scenes it is cut from, maybe none.
    """

    name: str
    ids: Sequence[str]
    splits: Sequence[str]
    strata: Sequence[str | None]
    grounds: Sequence[str]
    footprints: Geometries
    times: Sequence[datetime | None]
    scenes: Sequence[tuple[str, ...]]

    def __len__(self) -> int:
        return len(self.ids)


def of_lake(lake: Lake, manifest_id: str) -> Samples:
    """Return samples and reserves of a manifest of the lake; a reserve may become a sample.

    Raises:
        UsageError: If the lake holds no such manifest.
    """
    rows = manifest_table(lake, manifest_id)
    return Samples(
        name=manifest_id,
        ids=rows["sample_id"].to_pylist(),
        splits=rows["split"].to_pylist(),
        strata=rows["stratum"].to_pylist(),
        grounds=rows["site_id"].to_pylist(),
        footprints=np.asarray(shapely.from_wkb(rows["geometry"].to_pylist()), dtype=object),
        times=rows["hr_t_start"].to_pylist(),
        scenes=list(
            zip(rows["lr_scene_id"].to_pylist(), rows["hr_scene_id"].to_pylist(), strict=True)
        ),
    )


def manifest_table(lake: Lake, manifest_id: str) -> pa.Table:
    """Return a manifest's rows with their ground and their scenes' times, by `sample_id`.

    Returns:
        The columns of `manifest`, then `lon`, `lat` (degrees, of the centre), `lr_t_start`,
        `lr_t_end`, `hr_t_start`, `hr_t_end` (UTC) and `geometry` (WKB, EPSG:4326).

    Raises:
        UsageError: If the lake holds no such manifest.
    """
    recipe_of(lake, manifest_id)  # or there is none of this name
    rows = lake.arrow("manifest", filters=[("manifest_id", "=", manifest_id)])
    ground = _of_keys(lake, "sites", rows["site_id"], ["lon", "lat", "footprint_wkb"])
    ground = ground.rename_columns(["site_id", "lon", "lat", "geometry"])
    whole = rows.join(ground, "site_id", join_type="inner")
    for side in ("lr", "hr"):
        key = f"{side}_scene_id"
        times = _of_keys(lake, "scenes", rows[key], ["t_start", "t_end"])
        times = times.rename_columns([key, f"{side}_t_start", f"{side}_t_end"])
        whole = whole.join(times, key, join_type="left outer")
    sides = [f"{side}_t_{end}" for side in ("lr", "hr") for end in ("start", "end")]
    order = [*rows.column_names, "lon", "lat", *sides, "geometry"]
    return whole.select(order).sort_by("sample_id")


def _of_keys(lake: Lake, table: str, keys: pa.ChunkedArray, columns: list[str]) -> pa.Table:
    key = contract(table).key[0]
    wanted = [(key, "in", sorted(keys.unique().to_pylist()))]
    return lake.arrow(table, columns=[key, *columns], filters=wanted)


def recipe_of(lake: Lake, manifest_id: str) -> Recipe:
    """Return the recipe that a manifest was built by.

    Raises:
        UsageError: If the lake holds no such manifest.
    """
    rows = lake.arrow("manifests", columns=["manifest_id", "name", "recipe"]).to_pylist()
    for row in rows:
        if row["manifest_id"] == manifest_id:
            return parse_canonical(row["recipe"])
    names = ", ".join(f"{row['manifest_id']} ({row['name']})" for row in rows)
    raise UsageError(
        f"The lake holds no manifest {manifest_id!r}",
        where=str(lake.root),
        next_step=f"It holds {names}." if rows else "Build one: `geosr manifest build`.",
    )


def buffer_m_of(lake: Lake, manifest_id: str) -> float:
    """Return the least distance between splits that a manifest's recipe asks for, metres."""
    select = recipe_of(lake, manifest_id).select
    return 0.0 if select is None or select.buffer_m is None else select.buffer_m


def of_file(path: Path) -> Samples:
    """Return the samples of a GeoParquet file of anybody's.

    A footprint and a split are needed; id, time, stratum and scenes are taken where a column has
    one of the usual names.

    Raises:
        UsageError: If it is no GeoParquet file with WKB polygons and a split in every row.
    """
    if not path.is_file():
        raise UsageError("There is no such file", where=str(path), next_step="Name a GeoParquet.")
    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise UsageError("This is not a Parquet file", where=str(path)) from error
    footprints = _footprints(table, path)
    split = _column(table, SPLIT_NAMES)
    if split is None or any(value is None for value in split):
        raise UsageError(
            "The samples have no split" if split is None else "A sample has no split",
            where=str(path),
            next_step=f"One column must be called {' or '.join(SPLIT_NAMES)}, without nulls.",
        )
    n = table.num_rows
    nothing: list[Any] = [None] * n
    ids = _column(table, ID_NAMES) or range(n)
    scenes = [table[name].to_pylist() for name in SCENE_NAMES if name in table.column_names]
    return Samples(
        name=str(path),
        ids=[str(value) for value in ids],
        splits=[str(value) for value in split],
        strata=[None if v is None else str(v) for v in _column(table, STRATUM_NAMES) or nothing],
        grounds=[footprint_id(wkb) for wkb in shapely.to_wkb(shapely.normalize(footprints))],
        footprints=footprints,
        times=[_moment(value) for value in _column(table, TIME_NAMES) or nothing],
        scenes=[tuple(str(v) for v in row if v is not None) for row in zip(*scenes, strict=True)]
        or [()] * n,
    )


def _column(table: pa.Table, names: Sequence[str]) -> list[Any] | None:
    for name in names:
        if name in table.column_names:
            return list(table[name].to_pylist())
    return None


def _moment(value: Any) -> datetime | None:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time())
    if not isinstance(value, datetime):
        return None
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _footprints(table: pa.Table, path: Path) -> Geometries:
    """Return the primary geometry column in lon/lat."""
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
    found = shapely.from_wkb(wkb, on_invalid="ignore")
    shapes: Geometries = np.asarray(found, dtype=object)
    shapes = np.where(shapely.is_valid(shapes), shapes, shapely.make_valid(shapes))
    kinds = shapely.get_type_id(shapes)
    bad = np.flatnonzero(~np.isin(kinds, (3, 6)) | shapely.is_empty(shapes))
    if bad.size:
        raise UsageError(
            f"Row {int(bad[0])} has no polygon for its footprint ({bad.size} such rows)",
            where=str(path),
        )
    return _to_lonlat(shapes, crs, path)


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
