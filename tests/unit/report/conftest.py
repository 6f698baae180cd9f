"""A small lake for the report's tests: rows and cubes as the stages write them, made in seconds."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from deltalake import write_deltalake
from pyproj import Transformer
from shapely import to_wkb
from shapely.geometry import Polygon, box

from geosr_lake import ids
from geosr_lake.lake import Lake, commits, ledger
from geosr_lake.lake.tables import table_path
from geosr_lake.sensors.tasks import TASKS, Task
from geosr_lake.verdicts import RULE_NAMES

START = datetime(2024, 6, 3, 17, 40, tzinfo=UTC)
SPLITS = ("train", "train", "train", "val", "test")
PLACES = {"s2_naip": (500_400, 4_395_000), "modis_landsat8": (390_015, 4_260_015)}
EPSG = 32613
STAGES = ("scenes", "pairs", "manifest", "cubes")
DROPPED = {"zone_mismatch": 12, "lr_cloud": 20, "lr_snow": 3, "not_best": 15, "over_quota": 10}


@dataclass
class World:
    """What is written, by table, and what a test compares with."""

    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    pixels: dict[str, tuple[np.ndarray, ...]] = field(default_factory=dict)

    def add(self, table: str, **row: Any) -> None:
        self.rows.setdefault(table, []).append(row)


def lonlat(polygon: Polygon) -> Polygon:
    to_degrees = Transformer.from_crs(EPSG, 4326, always_xy=True)
    x, y = polygon.segmentize(polygon.length / 16).exterior.coords.xy
    return Polygon(zip(*to_degrees.transform(list(x), list(y)), strict=True))


def extent(polygon: Any, names: str = "xmin ymin xmax ymax") -> dict[str, float]:
    return dict(zip(names.split(), polygon.bounds, strict=True))


def add_scene(world: World, sensor: str, tile: str, start: datetime, shape: Polygon, name: str,
              cloud: float | None) -> str:  # fmt: skip
    """One item and the scene that it becomes."""
    scene_id = ids.scene_id(sensor, tile, start.isoformat())
    product = {"modis": "MOD09A1.061", "landsat": "L2SP.02", "sentinel2": "S2MSI2A"}
    days = {"modis": timedelta(days=8), "naip": timedelta(days=1)}.get(sensor, timedelta(0))
    shared = {
        "sensor": sensor, "product": product.get(sensor, "NAIP"), "platform": None, "tile": tile,
        "group_key": tile, "t_start": start, "t_end": start + days, "cloud_frac": cloud,
        "snow_frac": None, "epsg": EPSG, "footprint_wkb": to_wkb(shape), "archive": "planet",
        "footprint_id": ids.footprint_id(to_wkb(shape)), "collection": f"{sensor}-c2",
        "item_id": name, "content_hash": ids.digest((name,)), "assets": [], **extent(shape),
    }  # fmt: skip
    world.add("scenes", scene_id=scene_id, standalone=False, superseded=[], **shared)
    world.add("items", outcome="kept", source_file="items.parquet", run_id="run-scenes",
              ingested_at=START, **shared)  # fmt: skip
    return scene_id


def add_tile(world: World, sensor: str, tile: str, shape: Polygon) -> None:
    world.add("tiles", sensor=sensor, tile=tile, scene_count=1, extent_id=ids.digest((tile,)),
              extent_wkb=to_wkb(box(*shape.bounds)), **extent(shape))  # fmt: skip


def picture(rng: np.random.Generator, size: int = 1000) -> np.ndarray:
    """Fields, roads and a river, reflectance of one band in [0, 1]: shape (size, size)."""
    out = np.full((size, size), 0.32)
    edges = np.sort(rng.integers(0, size, 9))
    for top, bottom in zip(edges, [*edges[1:], size], strict=True):
        cuts = np.sort(rng.integers(0, size, 5))
        for left, right in zip(cuts, [*cuts[1:], size], strict=True):
            out[top:bottom, left:right] = rng.uniform(0.15, 0.75)
    out[:, rng.integers(0, size) :][:, :12] = 0.85
    y, x = np.mgrid[:size, :size]
    out[np.abs(y - size / 2 - 180 * np.sin(x / 140)) < 34] = 0.06
    return out + rng.normal(0, 0.012, out.shape)


def pixels_of(task: Task, seed: int, cloudy: bool) -> tuple[np.ndarray, ...]:
    """`lr`, `hr`, `lr_mask`, `hr_mask` of one sample."""
    rng = np.random.default_rng(seed)
    base = picture(rng)
    tint = rng.uniform(0.85, 1.0, len(task.hr_bands))
    high = 255 if task.hr_sensor == "naip" else 24_000
    kind = "uint8" if task.hr_sensor == "naip" else "uint16"
    hr = np.clip(base * tint[:, None, None] * high, 1, high).astype(kind)
    grid = np.floor((np.arange(60) + 0.5) * 1000 / 60).astype(int)
    lr = (base[np.ix_(grid, grid)] * 6000 * np.ones((len(task.lr_bands), 1, 1))).astype("int16")
    lr_mask, hr_mask = np.zeros((60, 60), "uint8"), np.zeros((1000, 1000), "uint8")
    if cloudy:
        lr_mask[5:20, 30:50], lr_mask[12:26, 22:40] = 2, 4
        hr_mask[:40], hr_mask[600:700, 200:500] = 1, 16
        hr[:, :40] = 0
    return lr, hr, lr_mask, hr_mask


def write_cube(root: Path, task: Task, cube: str, samples: list[tuple[np.ndarray, ...]]) -> None:
    group = zarr.create_group(root / cube, overwrite=True)
    for i, name in enumerate(("lr", "hr", "lr_mask", "hr_mask")):
        stacked = np.stack([sample[i] for sample in samples])
        chunk = (1, *(min(n, 250) for n in stacked.shape[1:]))
        array = group.create_array(
            name, shape=stacked.shape, chunks=chunk, dtype=stacked.dtype,
            fill_value=255 if name.endswith("mask") else 0,
        )  # fmt: skip
        array[:] = stacked


def add_task(world: World, root: Path, task: Task, *, n: int, cubes: bool, word: str) -> str:
    """Scenes, a pair for each, sites, candidates, a manifest and its cubes; returns its id."""
    manifest_id = "man-" + ids.digest((task.name, word))
    rule = "rul-" + ids.digest((task.name,))
    x0, y0 = PLACES[task.name]
    size = int(task.site_size_m)
    lr_tile, hr_tile = f"{task.lr_sensor}-{word}", f"{task.hr_sensor}-{word}"
    wide = lonlat(box(x0 - 3 * size, y0 - 3 * size, x0 + 12 * size, y0 + 10 * size))
    near = lonlat(box(x0 - size / 2, y0 - size / 2, x0 + 8.4 * size, y0 + 7.3 * size))
    add_tile(world, task.lr_sensor, lr_tile, wide)
    add_tile(world, task.hr_sensor, hr_tile, near)
    hr_scene = add_scene(world, task.hr_sensor, hr_tile, START, near, f"{hr_tile}_item", None)
    members: dict[str, list[tuple[np.ndarray, ...]]] = {}
    for i in range(n):
        gap = (-1) ** i * timedelta(days=(7 * i) % 10, hours=i)
        start = START - gap
        lr_scene = add_scene(world, task.lr_sensor, lr_tile, start, wide, f"{word}_{i}", i / 100)
        pair = ids.pair_id(rule, lr_scene, hr_scene)
        world.add("pairs", rule_id=rule, lr_scene_id=lr_scene, hr_scene_id=hr_scene, pair_id=pair,
                  lr_tile=lr_tile, hr_tile=hr_tile, gap_s=gap.total_seconds(),
                  overlap_frac=1.0)  # fmt: skip
        x, y = x0 + (i * 3 % 8) * size, y0 + (i * 3 // 8) * size
        site = ids.site_id(size, EPSG, x, y)
        square = lonlat(box(x, y, x + size, y + size))
        world.add("sites", site_id=site, size_m=size, epsg=EPSG, x_m=x, y_m=y,
                  lon=square.centroid.x, lat=square.centroid.y, footprint_wkb=to_wkb(square),
                  **extent(square))  # fmt: skip
        role = "reserve" if i % 6 == 5 else "sample"
        stratum = "urban" if i % 3 == 0 else "non_urban"
        split = SPLITS[i % len(SPLITS)]
        world.add("candidates", manifest_id=manifest_id, subset=word, site_id=site, pair_id=pair,
                  lr_scene_id=lr_scene, hr_scene_id=hr_scene, lr_tile=lr_tile, hr_tile=hr_tile,
                  verdict="kept" if role == "sample" else "reserve", stratum=stratum,
                  gap_s=gap.total_seconds(), lr_cloud_frac=i / 100)  # fmt: skip
        sample = ids.sample_id(word, site, lr_scene, hr_scene)
        world.add("manifest", manifest_id=manifest_id, sample_id=sample, subset=word, role=role,
                  rank=i, stratum=stratum, block=f"b{i}", split=split, site_id=site, epsg=EPSG,
                  x_m=x, y_m=y, size_m=size, pair_id=pair, lr_scene_id=lr_scene,
                  hr_scene_id=hr_scene, gap_s=gap.total_seconds())  # fmt: skip
        if role == "sample" and cubes:
            arrays = world.pixels[sample] = pixels_of(task, i, cloudy=i % 4 == 1)
            index = len(members.setdefault(split, []))
            members[split].append(arrays)
            world.add("samples", manifest_id=manifest_id, sample_id=sample, task=task.name,
                      subset=word, split=split, shard=0, cube=f"cubes/{manifest_id}/{split}.zarr",
                      index=index, lr_valid_frac=1.0, hr_valid_frac=1.0,
                      lr_clear_frac=float((arrays[2] == 0).mean()),
                      hr_clear_frac=float((arrays[3] == 0).mean()),
                      shift_x_px=0.02 * (i % 5) - 0.04, shift_y_px=0.015 * (i % 7) - 0.05,
                      correlation=None if i == 2 else 0.9 + 0.001 * i, lr_dn_offset=None,
                      lr_item=f"planet/{task.lr_sensor}-c2/{word}_{i}",
                      hr_item=f"planet/{task.hr_sensor}-c2/{hr_tile}_item")  # fmt: skip
    for split, arrays_of in members.items():
        cube = f"cubes/{manifest_id}/{split}.zarr"
        write_cube(root, task, cube, arrays_of)
        files = [
            {"path": "hr/c/0/0/0/0", "bytes": 1_000_000 + len(split), "sha256": "ab" * 32},
            {"path": "lr/c/0/0/0/0", "bytes": 2_000, "sha256": "cd" * 32},
        ]
        world.add("shards", manifest_id=manifest_id, task=task.name, split=split, shard=0,
                  plan_hash="p" * 64, first_index=0, n_slots=16, n_samples=len(arrays_of),
                  files=files, rejected=[{"sample_id": "smp-x", "reason": "hr_not_clear"}],
                  bytes_read=5_000_000, seconds=2.25, run_id="run-cubes")  # fmt: skip
    reach = n + sum(DROPPED.values())
    for step, rule_name in enumerate(RULE_NAMES):
        dropped = DROPPED.get(rule_name, 0)
        world.add("funnel", manifest_id=manifest_id, subset=word, step=step, rule=rule_name,
                  n_in=reach, n_dropped=dropped, n_out=reach - dropped)  # fmt: skip
        reach -= dropped
    n_samples = sum(row["role"] == "sample" for row in world.rows["manifest"]
                    if row["manifest_id"] == manifest_id)  # fmt: skip
    world.add("draws", manifest_id=manifest_id, subset=word, lr_tile=lr_tile, hr_tile=hr_tile,
              n_sites=320, n_drawn=n + 60)  # fmt: skip
    world.add("manifests", manifest_id=manifest_id, task=task.name, name=word, pair_rule_id=rule,
              select_rule_id="rul-select", layer="cover", layer_version="1", content_hash="c" * 64,
              sample_count=n_samples, reserve_count=n - n_samples,
              recipe=json.dumps({"pairs": {"window": 10 * 86_400_000_000}}))  # fmt: skip
    return manifest_id


def write_world(root: Path, world: World) -> Lake:
    Lake.create(root)
    for name, sensor, outcome, reason in (
        ("a", "naip", "quarantined", "bad_footprint"),
        ("b", None, "unsupported", "product_not_paired"),
        ("c", None, "unsupported", "product_not_paired"),
        ("d", "naip", "withdrawn", "deprecated"),
    ):
        world.add("items", archive="planet", collection="x", item_id=name, content_hash=name,
                  outcome=outcome, sensor=sensor, reason=reason, group_key=None,
                  source_file="f", run_id="run-scenes", ingested_at=START)  # fmt: skip
    for i, stage in enumerate(STAGES):
        begin = START + timedelta(minutes=i)
        world.add("runs", run_id=f"run-{stage}", stage=f"{stage} build", status="done",
                  started_at=begin, ended_at=begin + timedelta(seconds=12.5 + i), detail="{}",
                  counts=[("rows", 7)], code_version="0.1.0")  # fmt: skip
    for table, rows in world.rows.items():
        # Not `append`: some tables are Spark's, with constraints that only it can check.
        write_deltalake(str(table_path(root, table)), ledger.rows_table(table, rows))
    for stage in STAGES:
        commits.record(root, stage, f"run-{stage}")
    return Lake.open(root)


@pytest.fixture(scope="session")
def write_rows(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Callable[[World], Any]], Any]:
    """Makes a lake of the rows that a function adds, and returns what the function does."""

    def write(fill: Callable[[World], Any]) -> tuple[Lake, Any]:
        root = tmp_path_factory.mktemp("rows") / "lake"
        (root / "tables").mkdir(parents=True)
        world = World()
        told = fill(world)
        return write_world(root, world), told

    return write


@pytest.fixture(scope="session")
def add_rows(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Adds the rows of a manifest of Sentinel-2 and NAIP, without cubes, and returns its id."""

    def add(world: World, *, n: int) -> str:
        root = tmp_path_factory.mktemp("none")
        return add_task(world, root, TASKS["s2_naip"], n=n, cubes=False, word="sr")

    return add


MakeWorld = Callable[..., tuple[Lake, World]]


@pytest.fixture(scope="session")
def make_lake(tmp_path_factory: pytest.TempPathFactory) -> MakeWorld:
    """Makes a lake with one manifest a task, of `n` candidates that come through."""

    def make(
        *tasks: str, n: int = 10, cubes: bool = True, word: str = "fields"
    ) -> tuple[Lake, World]:
        root = tmp_path_factory.mktemp("report") / "lake"
        world = World()
        root.mkdir()
        (root / "tables").mkdir()
        for task in tasks:
            add_task(world, root, TASKS[task], n=n, cubes=cubes, word=word)
        return write_world(root, world), world

    return make


@pytest.fixture(scope="session")
def full(make_lake: MakeWorld) -> tuple[Lake, World]:
    """A lake with both tasks and their cubes."""
    return make_lake("s2_naip", "modis_landsat8")
