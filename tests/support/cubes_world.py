"""Small archives of GeoTIFFs with arithmetic truth, and lakes whose manifest names them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import table_rows

from geosr_lake.lake import Lake
from geosr_lake.net.gdal_env import load_rasterio
from geosr_lake.recipe import Recipe
from geosr_lake.sensors import SENSORS
from geosr_lake.sensors.tasks import TASKS

EPSG = 32613
X_M, Y_M = 498_000, 4_398_000  # multiples of 600
DAY = datetime(2021, 7, 1, 17, 40, tzinfo=UTC)

Ground = Callable[[np.ndarray, np.ndarray, int], np.ndarray]
"""x, y of pixel centres in metres and a band's number -> digital numbers."""


def texture(x: np.ndarray, y: np.ndarray, band: int) -> np.ndarray:
    """Fields of 90 by 70 m in a few tones and a finer wave: something to register by, 0..1."""
    column, at_x = np.unique(np.floor(x / 90), return_inverse=True)
    row, at_y = np.unique(np.floor(y / 70), return_inverse=True)
    tones = np.sin(column[None, :] * 12.9898 + row[:, None] * 78.233) * 43758.5453
    fields = (tones - np.floor(tones))[at_y.reshape(y.shape), at_x.reshape(x.shape)]
    wave = 0.5 + 0.5 * np.sin(x / 23.0 + band) * np.cos(y / 31.0)
    return 0.2 + 0.5 * fields + 0.2 * wave


def s2_numbers(x: np.ndarray, y: np.ndarray, band: int) -> np.ndarray:
    return np.rint(1000 + 4000 * texture(x, y, band) + 10 * band)


def naip_numbers(x: np.ndarray, y: np.ndarray, band: int) -> np.ndarray:
    return np.rint(10 + 200 * texture(x, y, band))


def write_tif(
    path: Path,
    pixels: np.ndarray,
    *,
    crs: Any,
    west: float,
    north: float,
    gsd_m: float | tuple[float, float],
    **options: Any,
) -> Path:
    """Write (band, row, column) as a tiled GeoTIFF."""
    rasterio = load_rasterio()
    x_m, y_m = gsd_m if isinstance(gsd_m, tuple) else (gsd_m, gsd_m)
    path.parent.mkdir(parents=True, exist_ok=True)
    profile = {
        "driver": "GTiff",
        "count": pixels.shape[0],
        "height": pixels.shape[1],
        "width": pixels.shape[2],
        "dtype": str(pixels.dtype),
        "crs": crs if not isinstance(crs, int) else f"EPSG:{crs}",
        "transform": rasterio.Affine(x_m, 0, west, 0, -y_m, north),
        "tiled": True,
        "blockxsize": 256,
        "blockysize": 256,
        "compress": "deflate",
        "zlevel": 1,
        **options,
    }
    with rasterio.open(path, "w", **profile) as dataset:
        dataset.write(pixels)
    return path


def ground_pixels(
    ground: Ground,
    bands: Iterable[int],
    bounds: tuple[float, float, float, float],
    gsd_m: float,
    dtype: str,
) -> np.ndarray:
    """Return (band, row, column) of `ground` at the centres of the pixels of a rectangle."""
    west, south, east, north = bounds
    columns, rows = round((east - west) / gsd_m), round((north - south) / gsd_m)
    x = west + gsd_m * (np.arange(columns) + 0.5)
    y = north - gsd_m * (np.arange(rows) + 0.5)
    return np.stack([ground(x[None, :], y[:, None], band) for band in bands]).astype(dtype)


def write_s2(
    folder: Path,
    bounds: tuple[float, float, float, float],
    *,
    ground: Ground = s2_numbers,
    scl: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None,
) -> dict[str, str]:
    """Write the 12 bands and SCL of one Sentinel-2 scene; return role -> href."""
    west, north = bounds[0], bounds[3]
    assets = {}
    for number, band in enumerate(SENSORS["sentinel2"].bands):
        at = ground if band.role != "SCL" else (lambda x, y, _: 4 + 0 * x * y)
        if band.role == "SCL" and scl is not None:
            at = lambda x, y, _: scl(x, y)  # noqa: E731
        pixels = ground_pixels(at, [number], bounds, band.gsd_m, band.dtype)
        assets[band.role] = str(
            write_tif(
                folder / f"{band.role}.tif",
                pixels,
                crs=EPSG,
                west=west,
                north=north,
                gsd_m=band.gsd_m,
                nodata=0,
            )
        )
    return assets


def write_naip(
    folder: Path,
    bounds: tuple[float, float, float, float],
    *,
    ground: Ground = naip_numbers,
    gsd_m: float = 0.6,
    epsg: int = 26913,
) -> dict[str, str]:
    """Write one four-band photograph; return role -> href."""
    pixels = ground_pixels(ground, range(4), bounds, gsd_m, "uint8")
    path = write_tif(
        folder / "naip.tif", pixels, crs=epsg, west=bounds[0], north=bounds[3], gsd_m=gsd_m
    )
    return {"image": str(path)}


@dataclass
class Scene:
    """A scene as the manifest stage would find it."""

    scene_id: str
    sensor: str
    assets: dict[str, str]
    start: datetime = DAY
    end: datetime | None = None
    dn_offset: int | None = None
    superseded: list[dict[str, Any]] = field(default_factory=list)

    def row(self) -> dict[str, Any]:
        return {
            "scene_id": self.scene_id,
            "sensor": self.sensor,
            "product": self.sensor,
            "tile": "t",
            "group_key": "g",
            "standalone": False,
            "t_start": self.start,
            "t_end": self.end or self.start,
            "xmin": -106.0,
            "ymin": 39.0,
            "xmax": -104.0,
            "ymax": 41.0,
            "dn_offset": self.dn_offset,
            "footprint_id": "ftp-0",
            "footprint_wkb": b"\x01",
            "archive": "test",
            "collection": self.sensor,
            "item_id": self.scene_id,
            "content_hash": f"hash-{self.scene_id}",
            "assets": list(self.assets.items()),
            "superseded": [
                {**other, "assets": list(other["assets"].items())} for other in self.superseded
            ],
        }


def manifest_row(
    manifest_id: str,
    number: int,
    *,
    x_m: int,
    y_m: int,
    lr: str,
    hr: str,
    task: str = "s2_naip",
    role: str = "sample",
    split: str = "train",
    stratum: str = "urban",
    subset: str = "sr",
    rank: int | None = None,
    epsg: int = EPSG,
) -> dict[str, Any]:
    return {
        "manifest_id": manifest_id,
        "sample_id": f"smp-{role}-{split}-{number:03d}",
        "subset": subset,
        "role": role,
        "rank": number if rank is None else rank,
        "stratum": stratum,
        "block": "b",
        "split": split,
        "site_id": f"sit-{x_m}-{y_m}",
        "epsg": epsg,
        "x_m": x_m,
        "y_m": y_m,
        "size_m": int(TASKS[task].site_size_m),
        "pair_id": "par-0",
        "lr_scene_id": lr,
        "hr_scene_id": hr,
        "gap_s": 3600.0,
    }


def recipe(task: str = "s2_naip", window: timedelta = timedelta(days=10), **cubes: Any) -> Recipe:
    facts = TASKS[task]
    return Recipe.model_validate(
        {
            "name": "tiny",
            "task": task,
            "pairs": {
                "lr": {"sensor": facts.lr_sensor},
                "hr": {"sensor": facts.hr_sensor},
                "window": window,
            },
            "select": {
                "sites_per_tile_pair": 1,
                "urban": {"layer": "x", "classes": [13], "min_frac": 0.2},
                "quotas": {"urban": 1, "non_urban": 1},
                "block_deg": 1.0,
            },
            "cubes": cubes,
        }
    )


def make_lake(
    root: Path,
    scenes: list[Scene],
    rows: list[dict[str, Any]],
    *,
    rule: Recipe | None = None,
    items: list[dict[str, Any]] | None = None,
) -> Lake:
    """Return a lake that holds scenes and one manifest; its id is that of the rows."""
    rule = rule or recipe()
    lake = Lake.create(root)
    with lake.stage("scenes", "ingest"):
        table_rows.add(lake, "scenes", [scene.row() for scene in scenes])
        table_rows.add(lake, "items", items or [])
    head = {
        "manifest_id": rows[0]["manifest_id"],
        "task": rule.task,
        "name": rule.name,
        "pair_rule_id": rule.pairs.rule_id,
        "select_rule_id": "rul-0",
        "layer": "x",
        "layer_version": "v",
        "content_hash": "h",
        "sample_count": sum(row["role"] == "sample" for row in rows),
        "reserve_count": sum(row["role"] == "reserve" for row in rows),
        "recipe": rule.canonical(),
    }
    with lake.stage("manifest", "build"):
        table_rows.add(lake, "manifests", [head])
        table_rows.add(lake, "manifest", rows)
    return lake


def s2_naip_lake(
    folder: Path, *, across: int = 3, down: int = 2, reserves: int = 0, **cubes: Any
) -> tuple[Lake, list[dict[str, Any]]]:
    """Return a lake of `across` by `down` neighbouring sites, all samples of train, and its rows.

    The files lie below `folder`/archive; the last `reserves` sites are reserves.
    """
    archive = folder / "archive"
    bounds = (X_M, Y_M, X_M + 600 * across, Y_M + 600 * down)
    scenes = [
        Scene("scn-s2", "sentinel2", write_s2(archive / "s2", bounds), dn_offset=-1000),
        Scene("scn-naip", "naip", write_naip(archive / "naip", bounds)),
    ]
    places = [(X_M + 600 * i, Y_M + 600 * j) for j in range(down) for i in range(across)]
    n_samples = len(places) - reserves
    rows = [
        manifest_row(
            "man-0",
            number if number < n_samples else number - n_samples,
            x_m=x_m,
            y_m=y_m,
            lr="scn-s2",
            hr="scn-naip",
            role="sample" if number < n_samples else "reserve",
        )
        for number, (x_m, y_m) in enumerate(places)
    ]
    cubes = {"shard_samples": 2, **cubes}
    return make_lake(folder / "lake", scenes, rows, rule=recipe(**cubes)), rows
