"""A small lake whose cubes stand: rows and stores as the stages write them, with textured ground.

The high-resolution ground is rectangles in a few tones; the low-resolution image is its exact area
average under another gain and bias, so that there is something to learn and a truth to compare
with. Pixels pass through no source files.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import shapely
import table_rows
from pyproj import Transformer

from geosr_lake.cubes import store
from geosr_lake.cubes.coordinates import coordinate_values
from geosr_lake.cubes.jobs import Measured, Placed, SampleJob, Side
from geosr_lake.cubes.layout import coordinate_arrays, cube_contract, pixel_arrays
from geosr_lake.lake import Lake, ledger
from geosr_lake.sensors.tasks import TASKS, Task

EPSG = 32613
CORNER = {"s2_naip": (498_000, 4_398_000), "modis_landsat8": (390_015, 4_260_015)}
SAMPLES = {"train": 3, "val": 1, "test": 2}
SHARD_SAMPLES = 2
LR_START = datetime(2021, 7, 1, 17, 40, 0, 250_000, tzinfo=UTC)
HR_START = datetime(2021, 7, 9, tzinfo=UTC)
CLOUD, NODATA = 2, 1
LABELLED = "road"
"""The subset of the third sample of a split; the others are of sr."""
CLOUDED = "smp-train-000"
"""This sample has a cloud over LR rows and columns 0 to 4, and no data in HR rows 900 to 999."""


def average(px: int, out: int) -> np.ndarray:
    """Weights (out, px) of the exact area average along one edge."""
    edges = np.linspace(0, px, out + 1)
    at = np.arange(px)
    share = np.minimum(at + 1, edges[1:, None]) - np.maximum(at, edges[:-1, None])
    return np.clip(share, 0, None) * out / px


def ground(rng: np.random.Generator, bands: int, px: int = 1000) -> np.ndarray:
    """Reflectance (bands, px, px): tones of rectangles of 30 to 250 pixels, bands correlated."""
    fields = np.zeros((px, px), np.intp)
    for number in range(1, 121):
        height, width = rng.integers(30, 250, 2)
        row, column = rng.integers(0, px - 20, 2)
        fields[row : row + height, column : column + width] = number
    tones = rng.uniform(0.05, 0.8, 121) * rng.uniform(0.7, 1.0, (bands, 121))
    return tones[:, fields]


def numbers(task: Task, side: str, values: np.ndarray) -> np.ndarray:
    """Reflectance-like values (bands, y, x) as the side's digital numbers."""
    sensor, roles = (task.lr, task.lr_bands) if side == "lr" else (task.hr, task.hr_bands)
    bands = [sensor.band(role) for role in roles]
    if sensor.name == "naip":
        stored = values * 255
    else:
        stored = np.stack([(v - b.offset) / b.scale for v, b in zip(values, bands, strict=True)])
    if sensor.name == "sentinel2":
        stored = stored + 1000
    return np.rint(stored).astype(bands[0].dtype)


def nearest_lr_band(task: Task) -> list[int]:
    """For each HR band the LR band of the nearest wavelength, worked out from the sensors."""
    lr = [task.lr.band(role).wavelength_um for role in task.lr_bands]
    hr = [task.hr.band(role).wavelength_um for role in task.hr_bands]
    return [int(np.argmin([abs(a - b) for a in lr])) for b in hr]


def pair(task: Task, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Digital numbers (lr, hr) of one sample: lr = 0.6 * average of hr + 0.02."""
    hr = ground(rng, len(task.hr_bands))
    weights = average(task.hr_px, task.lr_px)
    coarse = weights @ hr @ weights.T
    lr = np.empty((len(task.lr_bands), task.lr_px, task.lr_px))
    lr[:] = coarse.mean(axis=0)
    for band, matched in enumerate(nearest_lr_band(task)):
        lr[matched] = coarse[band]
    return numbers(task, "lr", 0.6 * lr + 0.02), numbers(task, "hr", hr)


@dataclass
class CatalogWorld:
    """The lake, and what was written into it: sample_id -> (lr, hr, lr_mask, hr_mask)."""

    lake: Lake
    manifest_ids: dict[str, str] = field(default_factory=dict)
    pixels: dict[str, dict[str, tuple[np.ndarray, ...]]] = field(default_factory=dict)

    @property
    def catalog(self) -> Path:
        return self.lake.root / "catalog" / "catalog.json"


def make_world(
    root: Path,
    tasks: tuple[str, ...] = ("s2_naip", "modis_landsat8"),
    *,
    samples: Mapping[str, int] = SAMPLES,
) -> CatalogWorld:
    """Return a lake with the cubes of one manifest a task; the last test slot holds no sample."""
    world = CatalogWorld(Lake.create(root))
    for number, name in enumerate(tasks):
        add_manifest(world, name, f"man-{number:024d}", samples=samples, seed=number)
    return world


def add_manifest(
    world: CatalogWorld,
    task_name: str,
    manifest_id: str,
    *,
    samples: Mapping[str, int] = SAMPLES,
    seed: int = 0,
    complete: bool = True,
) -> None:
    """Add a manifest with its rows and stores."""
    task, rng = TASKS[task_name], np.random.default_rng(seed)
    world.manifest_ids[task_name] = manifest_id
    world.pixels[task_name] = {}
    jobs: dict[str, SampleJob] = {}
    rows: dict[str, list[dict[str, Any]]] = {
        "sites": [],
        "manifest": [],
        "samples": [],
        "shards": [],
    }
    for split, count in samples.items():
        of_split = [_job(task, split, number, len(jobs) + number) for number in range(count)]
        jobs |= {job.sample_id: job for job in of_split}
        rows["sites"] += [_site_row(task, job) for job in of_split]
        rows["manifest"] += [
            _manifest_row(manifest_id, split, n, j) for n, j in enumerate(of_split)
        ]
        n_slots = count + (split == "test")
        placed = _write_store(
            world, task, manifest_id, split, of_split, n_slots, rng, rows, complete
        )
        rows["samples"] += [_sample_row(manifest_id, task, split, p) for p in placed]
    lake = world.lake
    with lake.stage("scenes", "ingest"):
        table_rows.add(lake, "scenes", [_scene_row(task, side) for side in ("lr", "hr")])
    with lake.stage("manifest", "build"):
        table_rows.add(lake, "manifests", [_head(task, manifest_id, len(jobs))])
        table_rows.add(lake, "sites", rows["sites"])
        table_rows.add(lake, "manifest", rows["manifest"])
    with lake.stage("cubes", "materialize"):
        ledger.append(lake.root, "samples", rows["samples"])
        ledger.append(lake.root, "shards", rows["shards"])


def _write_store(
    world: CatalogWorld,
    task: Task,
    manifest_id: str,
    split: str,
    jobs: list[SampleJob],
    n_slots: int,
    rng: np.random.Generator,
    rows: dict[str, list[dict[str, Any]]],
    complete: bool,
) -> list[Placed]:
    path = world.lake.root / "cubes" / manifest_id / f"{split}.zarr"
    path.parent.mkdir(parents=True, exist_ok=True)
    specs = pixel_arrays(task, n_slots, SHARD_SAMPLES, "train")
    coordinates = coordinate_arrays(task, n_slots)
    attributes = {
        "Conventions": "CF-1.11",
        "coordinates": " ".join(s.name for s in coordinates if s.dimensions[0] == "sample"),
        "geosr:layout": cube_contract().version,
        "geosr:task": task.name,
        "geosr:split": split,
        "geosr:manifest_id": manifest_id,
    }
    store.create(path, [*specs, *coordinates], attributes)
    blocks = {spec.name: store.empty_block(spec, n_slots) for spec in specs}
    placed = []
    for index, job in enumerate(jobs):
        pixels = _pixels(task, job, rng)
        world.pixels[task.name][job.sample_id] = pixels
        for name, values in zip(("lr", "hr", "lr_mask", "hr_mask"), pixels, strict=True):
            blocks[name][index] = values
        if "lr_age_days" in blocks:
            blocks["lr_age_days"][index] = -3
        placed.append(_placed(task, job, index, pixels))
    for shard in range(-(-n_slots // SHARD_SAMPLES)):
        part = slice(shard * SHARD_SAMPLES, min((shard + 1) * SHARD_SAMPLES, n_slots))
        for spec in specs:
            store.write_shard_block(path, spec, shard, blocks[spec.name][part])
        rows["shards"].append(
            {
                "manifest_id": manifest_id,
                "task": task.name,
                "split": split,
                "shard": shard,
                "plan_hash": "pln-0",
                "first_index": part.start,
                "n_slots": part.stop - part.start,
                "n_samples": min(part.stop, len(jobs)) - min(part.start, len(jobs)),
                "files": [asdict(file) for file in store.shard_files(path, specs, shard)],
                "rejected": [],
                "bytes_read": 0,
                "seconds": 0.0,
                "run_id": "run-0",
            }
        )
    if complete:
        store.finish(path, coordinate_values(task, n_slots, placed, {j.sample_id: j for j in jobs}))
    return placed


def _job(task: Task, split: str, number: int, place: int) -> SampleJob:
    x, y = CORNER[task.name]
    days = timedelta(days=8 if task.lr_sensor == "modis" else 0)
    return SampleJob(
        sample_id=f"smp-{split}-{number:03d}",
        subset=LABELLED if number == 2 else "sr",
        stratum="urban" if number % 2 else "non_urban",
        site_id=f"sit-{task.name}-{place}",
        epsg=EPSG,
        x_m=x + place * int(task.site_size_m),
        y_m=y,
        gap_s=(HR_START - LR_START).total_seconds(),
        lr=Side(f"scn-{task.lr_sensor}", *_us(LR_START, LR_START + days), ()),
        hr=Side(f"scn-{task.hr_sensor}", *_us(HR_START, HR_START + timedelta(days=1)), ()),
    )


def _us(start: datetime, end: datetime) -> tuple[int, int]:
    epoch, one = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
    return (start - epoch) // one, (end - epoch) // one


def _pixels(task: Task, job: SampleJob, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    lr, hr = pair(task, rng)
    lr_mask = np.zeros(lr.shape[1:], np.uint8)
    hr_mask = np.zeros(hr.shape[1:], np.uint8)
    if job.sample_id == CLOUDED:
        lr_mask[:5, :5] = CLOUD
        hr_mask[900:] = NODATA
        hr[:, 900:] = 0
    return lr, hr, lr_mask, hr_mask


def _placed(task: Task, job: SampleJob, index: int, pixels: tuple[np.ndarray, ...]) -> Placed:
    _, _, lr_mask, hr_mask = pixels
    measured = Measured(
        lr_valid_frac=float((lr_mask & NODATA == 0).mean()),
        hr_valid_frac=float((hr_mask & NODATA == 0).mean()),
        lr_clear_frac=float((lr_mask == 0).mean()),
        hr_clear_frac=float((hr_mask == 0).mean()),
        shift_x_px=0.01 if index == 0 else None,
        shift_y_px=-0.02 if index == 0 else None,
        correlation=0.98,
    )
    modis = task.lr_sensor == "modis"
    return Placed(
        index=index,
        sample_id=job.sample_id,
        subset=job.subset,
        replaces="smp-gone" if job.sample_id == "smp-val-000" else None,
        measured=measured,
        lr_item=f"planetary_computer/{task.lr_sensor}-c/odd id/{index}?x=../..",
        hr_item=f"unknown/{task.hr_sensor}/photo_{index}",
        lr_dn_offset=None if modis else -1000,
    )


def _sample_row(manifest_id: str, task: Task, split: str, placed: Placed) -> dict[str, Any]:
    return {
        "manifest_id": manifest_id,
        "task": task.name,
        "split": split,
        "shard": placed.index // SHARD_SAMPLES,
        "cube": f"cubes/{manifest_id}/{split}.zarr",
        **{k: v for k, v in asdict(placed).items() if k != "measured"},
        **asdict(placed.measured),
    }


def _site_row(task: Task, job: SampleJob) -> dict[str, Any]:
    size = int(task.site_size_m)
    box = shapely.box(job.x_m, job.y_m, job.x_m + size, job.y_m + size)
    to_lonlat = Transformer.from_crs(job.epsg, 4326, always_xy=True)
    square = shapely.transform(
        shapely.segmentize(box, size / 4), to_lonlat.transform, interleaved=False
    )
    west, south, east, north = square.bounds
    return {
        "site_id": job.site_id,
        "size_m": size,
        "epsg": job.epsg,
        "x_m": job.x_m,
        "y_m": job.y_m,
        "lon": square.centroid.x,
        "lat": square.centroid.y,
        "xmin": west,
        "ymin": south,
        "xmax": east,
        "ymax": north,
        "footprint_wkb": shapely.to_wkb(square, byte_order=1),
    }


def _manifest_row(manifest_id: str, split: str, rank: int, job: SampleJob) -> dict[str, Any]:
    return {
        "manifest_id": manifest_id,
        "sample_id": job.sample_id,
        "subset": job.subset,
        "role": "sample",
        "rank": rank,
        "stratum": job.stratum,
        "block": f"{split}_0",
        "split": split,
        "site_id": job.site_id,
        "epsg": job.epsg,
        "x_m": job.x_m,
        "y_m": job.y_m,
        "size_m": _site_row_size(job),
        "pair_id": "par-0",
        "lr_scene_id": job.lr.scene_id,
        "hr_scene_id": job.hr.scene_id,
        "gap_s": job.gap_s,
    }


def _site_row_size(job: SampleJob) -> int:
    return 600 if job.lr.scene_id == "scn-sentinel2" else 30_000


def _head(task: Task, manifest_id: str, count: int) -> dict[str, Any]:
    return {
        "manifest_id": manifest_id,
        "task": task.name,
        "name": f"tiny_{task.name}",
        "pair_rule_id": "rul-0",
        "select_rule_id": "rul-1",
        "layer": "x",
        "layer_version": "v",
        "content_hash": "h",
        "sample_count": count,
        "reserve_count": 0,
        "recipe": "{}",
    }


def _scene_row(task: Task, side: str) -> dict[str, Any]:
    sensor = task.lr_sensor if side == "lr" else task.hr_sensor
    return {
        "scene_id": f"scn-{sensor}",
        "sensor": sensor,
        "product": sensor,
        "tile": "t",
        "group_key": "g",
        "standalone": False,
        "t_start": LR_START,
        "t_end": LR_START,
        "xmin": -106.0,
        "ymin": 38.0,
        "xmax": -104.0,
        "ymax": 41.0,
        "footprint_id": "ftp-0",
        "footprint_wkb": b"\x01",
        "archive": "unknown",
        "collection": sensor,
        "item_id": "item",
        "content_hash": "hash",
        "assets": [],
        "superseded": [],
        "licence": f"licence of {sensor}",
    }
