"""Samples as an auditor sees them: which ground, when, in which split; from a lake or a file."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import shapely

from geosr_lake.errors import UsageError
from geosr_lake.ids import footprint_id
from geosr_lake.lake import Lake
from geosr_lake.lake.contracts import contract
from geosr_lake.manifest.polygons import Geometries, read_polygons
from geosr_lake.recipe import Recipe, parse_canonical

SPLIT_NAMES = ("split", "subset_split", "fold")
ID_NAMES = ("sample_id", "id", "name")
TIME_NAMES = ("datetime", "t_start", "start_datetime", "time", "date")
STRATUM_NAMES = ("stratum", "class", "label")
SCENE_NAMES = ("lr_scene_id", "hr_scene_id", "lr_id", "hr_id", "scene_id")
"""Columns of a file of others that are taken for what they are called, the first that is there."""


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
        subsets: Its subset; empty where that is not known.
    """

    name: str
    ids: Sequence[str]
    splits: Sequence[str]
    strata: Sequence[str | None]
    grounds: Sequence[str]
    footprints: Geometries
    times: Sequence[datetime | None]
    scenes: Sequence[tuple[str, ...]]
    subsets: Sequence[str] = ()

    def of_one_subset(self, a: int, b: int) -> bool:
        """Tell whether two samples are of one subset, as far as subsets are known."""
        return not self.subsets or self.subsets[a] == self.subsets[b]

    def __len__(self) -> int:
        return len(self.ids)


def of_lake(lake: Lake, manifest_id: str) -> Samples:
    """Return samples and reserves of a manifest of the lake; a reserve may become a sample.

    Raises:
        UsageError: If the lake holds no such manifest, or it is empty.
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
        subsets=rows["subset"].to_pylist(),
    )


def manifest_table(lake: Lake, manifest_id: str) -> pa.Table:
    """Return a manifest's rows with their ground and their scenes' times, by `sample_id`.

    Returns:
        The columns of `manifest`, then `lon`, `lat` (degrees, of the centre), `lr_t_start`,
        `lr_t_end`, `hr_t_start`, `hr_t_end` (UTC) and `geometry` (WKB, EPSG:4326).

    Raises:
        UsageError: If the lake holds no such manifest, or it is empty.
    """
    recipe_of(lake, manifest_id)  # or there is none of this name
    rows = lake.arrow("manifest", filters=[("manifest_id", "=", manifest_id)])
    if not len(rows):
        raise UsageError(
            "There is no sample in the manifest",
            where=manifest_id,
            next_step=f"`geosr explain {manifest_id}` shows which rules dropped the candidates.",
        )
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


@dataclass(frozen=True)
class Head:
    """What a manifest was built by.

    Attributes:
        recipe: The recipe.
        layer_version: SHA-256 of the land cover's file.
        files: SHA-256 of the files of chips, extents and regions, by name.
        content_hash: Hash over its rows.
    """

    recipe: Recipe
    layer_version: str
    files: dict[str, str]
    content_hash: str


def recipe_of(lake: Lake, manifest_id: str) -> Recipe:
    """Return the recipe that a manifest was built by.

    Raises:
        UsageError: If the lake holds no such manifest.
    """
    return manifest_head(lake, manifest_id).recipe


def manifest_head(lake: Lake, manifest_id: str) -> Head:
    """Return what a manifest was built by.

    Raises:
        UsageError: If the lake holds no such manifest.
    """
    rows = lake.arrow("manifests").to_pylist()
    for row in rows:
        if row["manifest_id"] == manifest_id:
            return Head(
                parse_canonical(row["recipe"]),
                row["layer_version"],
                json.loads(row["files"] or "{}"),
                row["content_hash"],
            )
    names = ", ".join(f"{row['manifest_id']} ({row['name']})" for row in rows)
    raise UsageError(
        f"The lake holds no manifest {manifest_id!r}",
        where=str(lake.root),
        next_step=f"It holds {names}." if rows else "Build one: `geosr manifest build`.",
    )


def buffer_m_of(lake: Lake, manifest_id: str) -> float:
    """Return the least distance between splits that a manifest's recipe asks for, metres."""
    select = recipe_of(lake, manifest_id).select
    if select is None or select.buffer_m is None or select.split.mode == "paper":
        return 0.0
    return select.buffer_m


def of_file(path: Path) -> Samples:
    """Return the samples of a GeoParquet or GeoJSON file of anybody's.

    A footprint and a split are needed; id, time, stratum and scenes are taken where a column has
    one of the usual names.

    Raises:
        UsageError: If it has no polygons, or not a split in every row.
    """
    found = read_polygons(path)
    split = found.column(SPLIT_NAMES)
    if split is None or any(value is None for value in split):
        raise UsageError(
            "The samples have no split" if split is None else "A sample has no split",
            where=str(path),
            next_step=f"One column must be called {' or '.join(SPLIT_NAMES)}, without nulls.",
        )
    n = len(found)
    nothing: list[Any] = [None] * n
    ids = found.column(ID_NAMES) or range(n)
    scenes = [
        found.column((name,)) or [] for name in SCENE_NAMES if name in found.rows.schema.names
    ]
    wkb = shapely.to_wkb(shapely.normalize(found.shapes))
    return Samples(
        name=str(path),
        ids=[str(value) for value in ids],
        splits=[str(value) for value in split],
        strata=[None if v is None else str(v) for v in found.column(STRATUM_NAMES) or nothing],
        grounds=[footprint_id(one) for one in wkb],
        footprints=found.shapes,
        times=[_moment(value) for value in found.column(TIME_NAMES) or nothing],
        scenes=[tuple(str(v) for v in row if v is not None) for row in zip(*scenes, strict=True)]
        or [()] * n,
        subsets=[str(value) for value in found.column(("subset",)) or ()],
    )


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
