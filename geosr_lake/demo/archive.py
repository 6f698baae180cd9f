"""Generates the demo's archive: rasters of four sensors and the item files that describe them."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import stac_geoparquet.arrow

from geosr_lake.arrays import Floats
from geosr_lake.demo import items
from geosr_lake.demo.landcover import write_landcover
from geosr_lake.demo.landscape import Landscape
from geosr_lake.demo.plan import MODIS_TILE, Photo, Plan, cells_box, photo_window
from geosr_lake.demo.render import modis_pixels
from geosr_lake.demo.scenes import (
    MadeScene,
    make_landsat,
    make_modis,
    make_photo,
    make_sentinel2,
)
from geosr_lake.demo.schedule import PHOTOS, make_plan
from geosr_lake.demo.sketch import Box, grown
from geosr_lake.demo.spectra import seen_as
from geosr_lake.demo.terrain import build_landscape
from geosr_lake.demo.weather import Cover, cover_of_cells

if TYPE_CHECKING:
    from geosr_lake.lake.progress import Progress

TASKS = ("s2_naip", "modis_landsat8")
_WORKERS = 2
_MODIS_MARGIN_M = 3_000.0


@dataclass(frozen=True, slots=True)
class Planted:
    """What was hidden in the archive, by item id; a group is empty where its task was left out.

    Attributes:
        repeated: Items that stand twice in a file, with the same content.
        superseded: (older, newer) products of one scene.
        second_strip: The two Sentinel-2 products of one pass over one tile.
        two_states: One photograph under two states.
        missing: Items whose files do not exist.
        malformed: Items that cannot be read.
        unpaired: Items of products that no task uses.
        cloudy: Scenes under more cloud than recipes allow (20 %).
        snowy: Scenes under more snow than recipes allow (10 %).
        off_window: Scenes outside every pair's time window.
        off_grid: Photographs whose pixels are off the sites' grid.
    """

    repeated: tuple[str, ...]
    superseded: tuple[tuple[str, str], ...]
    second_strip: tuple[str, ...]
    two_states: tuple[str, ...]
    missing: tuple[str, ...]
    malformed: tuple[str, ...]
    unpaired: tuple[str, ...]
    cloudy: tuple[str, ...]
    snowy: tuple[str, ...]
    off_window: tuple[str, ...]
    off_grid: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class DemoArchive:
    """A generated archive and the truth about it.

    Attributes:
        root: Its folder.
        items: The folder of the item files.
        item_files: The item files.
        landcover: The land-cover raster.
        landscape: The ground, for exact means.
        plan: What it holds.
        scenes: Every acquisition that has an item, without the malformed and unpaired ones.
        planted: What was hidden in it.
    """

    root: Path
    items: Path
    item_files: tuple[Path, ...]
    landcover: Path
    landscape: Landscape
    plan: Plan
    scenes: tuple[MadeScene, ...]
    planted: Planted

    def scene(self, item_id: str) -> MadeScene:
        """The acquisition of an item.

        Raises:
            KeyError: No such item.
        """
        for scene in self.scenes:
            if scene.item_id == item_id:
                return scene
        raise KeyError(item_id)

    def truth(self, sensor: str, roles: Sequence[str], x_edges: Floats, y_edges: Floats) -> Floats:
        """Exact mean reflectance of the ground under cells, without clouds.

        Args:
            sensor: Whose bands are meant.
            roles: Its bands; for NAIP the reflectance that the bytes stand for.
            x_edges: nx + 1 ascending eastings, EPSG:32613.
            y_edges: ny + 1 northings, ascending or descending.

        Returns:
            (len(roles), ny, nx), rows in the order of ``y_edges``.
        """
        return self.landscape.mean(x_edges, y_edges, seen_as(sensor, roles))

    def hidden(self, item_id: str, x_edges: Floats, y_edges: Floats) -> Cover:
        """Exact shares of cells that clouds, shadows, cirrus and snow cover in one acquisition.

        Args:
            item_id: The acquisition.
            x_edges: nx + 1 ascending eastings, EPSG:32613.
            y_edges: ny + 1 ascending northings.

        Raises:
            KeyError: No such item.
        """
        return cover_of_cells(self.scene(item_id).weather, x_edges, y_edges)


def make_archive(
    root: Path,
    *,
    seed: int = 0,
    small: bool = False,
    tasks: Sequence[str] = TASKS,
    lr_shift_m: tuple[float, float] = (0.0, 0.0),
    progress: Progress | None = None,
) -> DemoArchive:
    """Generate the archive; the same arguments give the same bytes.

    Args:
        root: Folder to write into; it is made. Files of the same names are written over.
        seed: Of the landscape and the clouds.
        small: A few sites of each task, within seconds, for tests.
        tasks: ``s2_naip``, ``modis_landsat8`` or both.
        lr_shift_m: Moves what Sentinel-2 and MODIS see east and north of the truth.
        progress: Told how far it is.

    Raises:
        ValueError: An unknown task, or none.
    """
    plan = make_plan(small=small, tasks=tuple(tasks), seed=seed)
    folder = (root / "items").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    if progress is not None:
        progress.start("Drawing the landscape")
    reach = max(abs(shift) for shift in lr_shift_m)
    parts = _parts(plan, reach)
    landscape = build_landscape(
        seed,
        parts=parts,
        close_ups=[photo.box for photo in PHOTOS],
    )
    jobs = _jobs(folder, landscape, landscape.shifted(*lr_shift_m), plan, seed)
    if progress is not None:
        progress.start("Rendering acquisitions", len(jobs))
    made: list[MadeScene] = []
    with ThreadPoolExecutor(_WORKERS) as pool:
        for result in pool.map(lambda job: job(), jobs):
            made += result
            if progress is not None:
                progress.advance()
    write_landcover(root / "landcover.tif", landscape, _area(parts))
    files = _write_items(folder, made)
    return DemoArchive(
        root=root,
        items=folder,
        item_files=files,
        landcover=root / "landcover.tif",
        landscape=landscape,
        plan=plan,
        scenes=tuple(made),
        planted=_planted(plan, made),
    )


def _parts(plan: Plan, reach_m: float) -> list[Box]:
    """The ground that any sensor sees, also one that is ``reach_m`` off."""
    parts = [photo_window(photo) for photo in plan.photos]
    if plan.scenes:
        parts.append(_coarse_area(plan))
    return [grown(part, reach_m) for part in parts]


def _coarse_area(plan: Plan) -> Box:
    """The ground of the 30 km sites and some around them, for MODIS."""
    west, south, east, north = cells_box(plan.columns, plan.rows)
    margin = _MODIS_MARGIN_M
    return (west - margin, south - margin, east + margin, north + margin)


def _area(parts: list[Box]) -> Box:
    """The ground that the land cover shows: a rectangle around all parts, in whole 20 m."""
    low, high = np.array(parts)[:, :2].min(axis=0), np.array(parts)[:, 2:].max(axis=0)
    west, south = (np.floor(low / 20.0) * 20.0).tolist()
    east, north = (np.ceil(high / 20.0) * 20.0).tolist()
    return (west, south, east, north)


def _jobs(
    folder: Path, truth: Landscape, low: Landscape, plan: Plan, seed: int
) -> list[Callable[[], list[MadeScene]]]:
    """What is to be rendered, the longest first; each job keeps to itself."""
    around = [photo for photo in plan.photos if photo.day.year == 2021]
    grounds = [low.within(photo_window(photo)) for photo in around]
    photos = [_job(make_photo, folder, truth, photo) for photo in plan.photos]
    passes = [_job(_one, make_sentinel2, folder, grounds, each, plan.crop) for each in plan.passes]
    scenes = [_job(_one, make_landsat, folder, truth, each) for each in plan.scenes]
    composites = [_job(_composites, folder, low, plan, seed)] if plan.composites else []
    # Two Landsat scenes at a time would take the most memory: other work lies between them.
    waiting = [*composites, *photos, *passes]
    jobs: list[Callable[[], list[MadeScene]]] = []
    for k, scene in enumerate(scenes):
        jobs += [scene, *waiting[4 * k : 4 * k + 4]]
    return jobs + waiting[4 * len(scenes) :]


def _job(make: Callable[..., list[MadeScene]], *arguments: object) -> Callable[[], list[MadeScene]]:
    return lambda: make(*arguments)


def _one(make: Callable[..., MadeScene], *arguments: object) -> list[MadeScene]:
    return [make(*arguments)]


def _composites(folder: Path, low: Landscape, plan: Plan, seed: int) -> list[MadeScene]:
    pixels = modis_pixels(low, MODIS_TILE, _coarse_area(plan))
    return [make_modis(folder, pixels, each, seed) for each in plan.composites]


def _write_items(folder: Path, made: list[MadeScene]) -> tuple[Path, ...]:
    """Write the item files, one dialect each: NDJSON, gzipped NDJSON and stac-geoparquet."""
    by_sensor: dict[str, list[items.Item]] = {}
    for scene in made:
        by_sensor.setdefault(scene.sensor, []).append(scene.item)
    _write_collections(folder.parent / "collections", made)
    files = []
    for sensor, rows in by_sensor.items():
        if sensor == "naip":
            path = folder / "naip.parquet"
            table = stac_geoparquet.arrow.parse_stac_items_to_arrow(rows).read_all()
            stac_geoparquet.arrow.to_parquet(table, path)
        else:
            path = folder / {"landsat": "landsat.ndjson.gz"}.get(sensor, f"{sensor}.ndjson")
            lines = [json.dumps(row, separators=(",", ":")) for row in _with_oddities(rows)]
            text = ("\n".join(lines) + "\n").encode()
            # No time of writing in the header: the same items, the same bytes.
            packed = gzip.compress(text, mtime=0) if path.suffix == ".gz" else text
            path.write_bytes(packed)
        files.append(path)
    return tuple(sorted(files))


def _write_collections(folder: Path, made: list[MadeScene]) -> None:
    """Write the collections that the items name."""
    folder.mkdir(exist_ok=True)
    members: dict[str, list[items.Item]] = {}
    for item in [*(scene.item for scene in made), items.unpaired_item()]:
        members.setdefault(item["collection"], []).append(item)
    for name, some in members.items():
        (folder / f"{name}.json").write_text(json.dumps(items.collection(name, some), indent=2))


def _with_oddities(rows: list[items.Item]) -> list[items.Item]:
    """Add what real item files have as well: a damaged, an unpaired and a repeated item."""
    if rows[0]["collection"] == "sentinel-2-l2a":
        return [*rows[:2], items.damaged_item(rows[0]), *rows[2:], rows[1]]
    if rows[0]["collection"].startswith("modis"):
        return [*rows, items.unpaired_item()]
    return rows


def _planted(plan: Plan, made: list[MadeScene]) -> Planted:
    ids = {sensor: [s.item_id for s in made if s.sensor == sensor] for sensor in _SENSORS}
    s2 = {each.item_id: each for each in plan.passes}
    facts = {scene.item_id: scene.item["properties"] for scene in made}
    older = [i for i, each in s2.items() if each.baseline < "04.00"]
    photos = [
        (scene, photo) for photo in plan.photos for scene in made if photo.name in scene.item_id
    ]
    return Planted(
        repeated=tuple(ids["sentinel2"][1:2]),
        superseded=tuple(
            (old, new)
            for old in older
            for new, each in s2.items()
            if new != old and each.strip_start == s2[old].strip_start
        ),
        second_strip=tuple(i for i, each in s2.items() if each.part != "all"),
        two_states=tuple(s.item_id for s, photo in photos if len(photo.states) > 1),
        missing=tuple(s.item_id for s, photo in photos if photo.missing),
        malformed=(items.DAMAGED_ID,) if plan.passes else (),
        unpaired=(items.unpaired_item()["id"],) if plan.composites else (),
        cloudy=tuple(i for i, p in facts.items() if p.get("eo:cloud_cover", 0.0) > 20.0),
        snowy=tuple(i for i, p in facts.items() if p.get("s2:snow_ice_percentage", 0.0) > 10.0),
        off_window=_off_window(plan, photos),
        off_grid=tuple(s.item_id for s, photo in photos if photo.shift_m),
    )


_SENSORS = ("modis", "landsat", "sentinel2", "naip")


def _off_window(plan: Plan, photos: list[tuple[MadeScene, Photo]]) -> tuple[str, ...]:
    autumn = [each.item_id for each in plan.passes if each.sensed.month > 9]
    old = [scene.item_id for scene, photo in photos if photo.day.year < 2021]
    summer = [scene.item_id for scene in plan.scenes if scene.sensed.month < 9]
    early = [each.item_id for each in plan.composites if each.start.month < 9]
    return (*autumn, *old, *summer, *early)
