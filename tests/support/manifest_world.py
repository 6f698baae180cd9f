"""Small worlds of scenes and pairs made by hand, for the tests of the manifest."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import shapely
import table_rows
from numpy.typing import NDArray
from pyproj import Transformer
from rasterio.transform import from_origin

from geosr_lake import ids
from geosr_lake.lake import Lake
from geosr_lake.manifest import ManifestSummary, build
from geosr_lake.manifest.cells import cells_in_boxes
from geosr_lake.manifest.layer import LandCover
from geosr_lake.manifest.sites import Cells
from geosr_lake.recipe import Recipe
from geosr_lake.sensors.tasks import Task

EPSG = 32613
WEST_M, SOUTH_M = 480_000, 4_400_400  # both on the 600 m grid, west of the zone's middle
URBAN, FIELD, NODATA = 13, 12, 255


def lonlat_box(
    west_m: float, south_m: float, east_m: float, north_m: float, epsg: int = EPSG, steps: int = 32
) -> shapely.Polygon:
    """A rectangle of a UTM zone in lon/lat with densified edges."""
    ring = shapely.segmentize(
        shapely.box(west_m, south_m, east_m, north_m),
        max(east_m - west_m, north_m - south_m) / steps,
    )
    to_lonlat = Transformer.from_crs(epsg, 4326, always_xy=True)
    return shapely.transform(ring, to_lonlat.transform, interleaved=False)


def boxed(task: Task, *boxes: tuple[float, float, float, float]) -> Cells:
    """The cells whose centre lies in boxes in degrees: of the first one, then of the next."""
    every = np.array(boxes, dtype=float)
    parts = list(cells_in_boxes(task, every, np.arange(len(every))))
    owner = np.concatenate([np.empty(0, np.int64), *(found for found, _ in parts)])
    return Cells.joined([cells for _, cells in parts]).take(np.argsort(owner, kind="stable"))


@dataclass(frozen=True)
class Scene:
    """One acquisition on one day, seen at noon for an hour."""

    sensor: str
    tile: str
    footprint: Any
    day: int
    epsg: int | None = EPSG
    cloud: float | None = None
    snow: float | None = None
    gsd_m: float | None = None
    platform: str | None = None
    sun_elevation_deg: float | None = None
    tier: str | None = None

    @property
    def scene_id(self) -> str:
        return ids.scene_id(self.sensor, self.tile, str(self.day))

    @property
    def start(self) -> datetime:
        return datetime(2024, 1, 1, 12, tzinfo=UTC) + timedelta(days=self.day)

    def row(self) -> dict[str, Any]:
        west, south, east, north = self.footprint.bounds
        wkb = shapely.to_wkb(shapely.normalize(self.footprint), byte_order=1)
        return {
            "scene_id": self.scene_id,
            "sensor": self.sensor,
            "product": {"modis": "MOD09A1.061", "naip": "NAIP"}.get(self.sensor, "P"),
            "platform": self.platform,
            "tile": self.tile,
            "group_key": self.tile,
            "standalone": False,
            "t_start": self.start,
            "t_end": self.start + timedelta(hours=1),
            "xmin": west,
            "ymin": south,
            "xmax": east,
            "ymax": north,
            "cloud_frac": self.cloud,
            "snow_frac": self.snow,
            "gsd_m": self.gsd_m,
            "sun_elevation_deg": self.sun_elevation_deg,
            "tier": self.tier,
            "epsg": self.epsg,
            "footprint_id": ids.footprint_id(wkb),
            "footprint_wkb": wkb,
            "archive": "made",
            "collection": self.sensor,
            "item_id": f"{self.tile}-{self.day}",
            "content_hash": self.scene_id,
            "assets": [("image", f"https://example.com/{self.tile}/{self.day}.tif")],
            "superseded": [],
        }


def pair_row(rule_id: str, lr: Scene, hr: Scene) -> dict[str, Any]:
    common = shapely.intersection(lr.footprint, hr.footprint)
    return {
        "rule_id": rule_id,
        "lr_scene_id": lr.scene_id,
        "hr_scene_id": hr.scene_id,
        "pair_id": ids.pair_id(rule_id, lr.scene_id, hr.scene_id),
        "lr_tile": lr.tile,
        "hr_tile": hr.tile,
        "gap_s": (hr.start - lr.start).total_seconds(),
        "overlap_frac": min(1.0, float(common.area / hr.footprint.area)),
    }


def all_pairs(scenes: Iterable[Scene], recipe: Recipe) -> list[dict[str, Any]]:
    """Every LR scene with every HR scene that it meets within the window, by brute force."""
    scenes = list(scenes)
    rule = recipe.pairs
    return [
        pair_row(rule.rule_id, lr, hr)
        for lr in scenes
        for hr in scenes
        if lr.sensor == rule.lr.sensor
        and hr.sensor == rule.hr.sensor
        and abs(hr.start - lr.start) <= rule.window
        and lr.footprint.intersects(hr.footprint)
    ]


def put(
    lake: Lake, scenes: list[Scene], pairs: list[dict[str, Any]] | None, *, files: int = 1
) -> None:
    """Make `scenes` and `pairs` (None: leave them) the whole content of the lake, and commit."""
    with lake.stage("scenes", "test"):
        table_rows.put(lake, "scenes", [scene.row() for scene in scenes], files=files)
    if pairs is not None:
        with lake.stage("pairs", "test"):
            table_rows.put(lake, "pairs", pairs, files=files)


def write_raster(
    path: Path,
    classes: NDArray[Any],
    *,
    west: float,
    north: float,
    pixel: float,
    crs: str = f"EPSG:{EPSG}",
    nodata: int | None = NODATA,
) -> Path:
    """Write a one-band GeoTIFF of class numbers."""
    rows, cols = classes.shape
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        width=cols,
        height=rows,
        count=1,
        dtype=classes.dtype,
        crs=crs,
        transform=from_origin(west, north, pixel, pixel),
        nodata=nodata,
    ) as target:
        target.write(classes, 1)
    return path


def town_and_fields(path: Path, *, km: float = 24, urban_share: float = 0.4) -> Path:
    """A raster of 60 m pixels from 6 km west and south of the world: a town in the west of it."""
    size = int(km * 1000 / 60)
    classes = np.full((size, size), FIELD, dtype=np.uint8)
    classes[:, : int(size * urban_share)] = URBAN
    north = SOUTH_M - 6_000 + size * 60
    return write_raster(path, classes, west=WEST_M - 6_000, north=north, pixel=60)


def recipe(**select: Any) -> Recipe:
    """An s2_naip recipe with a window of 10 days; `select` overrides keys of its section."""
    rules = {
        "seed": 1,
        "sites_per_tile_pair": 20,
        "rules": [
            {"rule": "cloud", "side": "lr", "max_frac": 0.2, "unknown": "drop"},
            {"rule": "snow", "side": "lr", "max_frac": 0.1, "unknown": "keep"},
        ],
        "urban": {"layer": "made", "classes": [URBAN], "min_frac": 0.25},
        "quotas": {"urban": 10, "non_urban": 10},
        "reserve_frac": 0.2,
        "block_deg": 0.02,
        "split": {"train": 0.5, "val": 0.25, "test": 0.25},
    }
    return Recipe.model_validate(
        {
            "name": "made",
            "task": "s2_naip",
            "pairs": {
                "lr": {"sensor": "sentinel2"},
                "hr": {"sensor": "naip"},
                "window": "10 d",
            },
            "select": rules | select,
        }
    )


def four_quads() -> list[Scene]:
    """One Sentinel-2 tile on five days over four NAIP quads of 3 km, two of them on two days.

    Day 0 is clear, day 1 cloudy, day 2 snowy, day 3 of unknown cloud, day 4 cut to the west half.
    """
    full = lonlat_box(WEST_M - 1_000, SOUTH_M - 1_000, WEST_M + 9_000, SOUTH_M + 9_000)
    west = lonlat_box(WEST_M - 1_000, SOUTH_M - 1_000, WEST_M + 4_000, SOUTH_M + 9_000)
    lr = [
        Scene("sentinel2", "13SED", full, 0, cloud=0.05, snow=0.0),
        Scene("sentinel2", "13SED", full, 1, cloud=0.6, snow=0.0),
        Scene("sentinel2", "13SED", full, 2, cloud=0.0, snow=0.5),
        Scene("sentinel2", "13SED", full, 3, cloud=None, snow=0.0),
        Scene("sentinel2", "13SED", west, 4, cloud=0.1, snow=None),
    ]
    hr = []
    for i in range(2):
        for j in range(2):
            x, y = WEST_M + i * 3_000 - 100, SOUTH_M + j * 3_000 - 100
            ground = lonlat_box(x, y, x + 3_200, y + 3_200, epsg=26913)
            name = f"quad_{i}{j}"
            hr.append(Scene("naip", name, ground, 5, epsg=26913, gsd_m=0.6))
            if i == j:
                hr.append(Scene("naip", name, ground, 7, epsg=26913, gsd_m=0.6))
    return lr + hr


@dataclass(frozen=True)
class Built:
    """A lake with scenes, pairs and one manifest, and what they were made from."""

    lake: Lake
    scenes: list[Scene]
    pairs: list[dict[str, Any]]
    recipe: Recipe
    land_cover: Path
    summary: ManifestSummary


def make_built(folder: Path) -> Built:
    """The four quads with a manifest of twenty samples."""
    lake, rule, scenes = Lake.create(folder / "lake"), recipe(), four_quads()
    pairs = all_pairs(scenes, rule)
    put(lake, scenes, pairs)
    land_cover = town_and_fields(folder / "land_cover.tif")
    return Built(lake, scenes, pairs, rule, land_cover, build(lake, rule, land_cover))


def fractions(
    path: Path, x_m: int = WEST_M, y_m: int = SOUTH_M, size_m: float = 600.0, epsg: int = EPSG
) -> dict[int, float]:
    """Return the shares of the classes in one square of ground."""
    with LandCover(path) as layer:
        return layer.sites(np.array([epsg]), np.array([x_m]), np.array([y_m]), size_m)[0]
