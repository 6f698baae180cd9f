"""Jobs over the demo's archive, made from what it wrote and not from its items."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from clipped import exact_shares

from geosr_lake.cubes.grids import Grid, sample_grid
from geosr_lake.cubes.jobs import SampleJob, Side, SourceItem
from geosr_lake.cubes.read import SidePixels, Sources, read_side
from geosr_lake.demo import spectra
from geosr_lake.demo.archive import DemoArchive
from geosr_lake.demo.scenes import MadeScene
from geosr_lake.demo.weather import Cover, cover_of_cells
from geosr_lake.net import SourcePolicy
from geosr_lake.sensors import modis
from geosr_lake.sensors.tasks import MODIS_LANDSAT8, S2_NAIP, Task

EPSG = 32613
WINDOW_US = 8 * 86_400_000_000


def micros(instant: datetime) -> int:
    return (instant - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


class Truth:
    """The archive, jobs over it, and what the landscape says their pixels are."""

    def __init__(self, archive: DemoArchive) -> None:
        self.archive = archive
        self.policy = SourcePolicy.of([archive.root])

    def scenes(self, sensor: str) -> list[MadeScene]:
        return [scene for scene in self.archive.scenes if scene.sensor == sensor]

    def side(self, scene: MadeScene, start: datetime, days: int = 0) -> Side:
        assets = {role: str(path) for role, path in scene.files.items()}
        begin = micros(start)
        item = SourceItem(f"demo/{scene.sensor}/{scene.item_id}", assets, 0)
        return Side(scene.item_id, begin, begin + days * 86_400_000_000, (item,))

    def job(self, x_m: float, y_m: float, lr: Side, hr: Side) -> SampleJob:
        return SampleJob(
            f"smp-{x_m:.0f}-{y_m:.0f}", "sr", "urban", "sit", EPSG, int(x_m), int(y_m), 0.0, lr, hr
        )

    def fine_jobs(
        self, *, on_grid: bool = True
    ) -> Iterator[tuple[SampleJob, MadeScene, MadeScene]]:
        """Sites of the photographs of 2021 under the clear pass of 15 September."""
        passes = {p.item_id: p for p in self.archive.plan.passes}
        lr_scene = next(
            s for s in self.scenes("sentinel2")
            if passes[s.item_id].sensed.day == 15 and passes[s.item_id].baseline == "05.00"
        )  # fmt: skip
        lr = self.side(lr_scene, passes[lr_scene.item_id].strip_start)
        for photo in self.archive.plan.photos:
            if photo.missing or photo.day.year != 2021 or (photo.shift_m == 0) != on_grid:
                continue
            hr_scene = next(s for s in self.scenes("naip") if photo.name in s.item_id)
            day = datetime(photo.day.year, photo.day.month, photo.day.day, tzinfo=UTC)
            hr = self.side(hr_scene, day, days=1)
            for i in range(photo.sites):
                for j in range(photo.sites):
                    x_m, y_m = photo.corner_m[0] + 600 * i, photo.corner_m[1] + 600 * j
                    yield self.job(x_m, y_m, lr, hr), lr_scene, hr_scene

    def coarse_jobs(self, composite: int = 2) -> Iterator[tuple[SampleJob, MadeScene, MadeScene]]:
        """Every 30 km site of each Landsat scene of autumn, with one of the composites."""
        made = self.archive.plan.composites[composite]
        lr_scene = next(s for s in self.scenes("modis") if s.item_id == made.item_id)
        start = datetime(made.start.year, made.start.month, made.start.day, tzinfo=UTC)
        lr = self.side(lr_scene, start, days=8)
        for scene in self.archive.plan.scenes:
            hr_scene = next(s for s in self.scenes("landsat") if s.item_id == scene.item_id)
            hr = self.side(hr_scene, scene.sensed)
            for column in range(scene.columns[0], scene.columns[1] + 1):
                for row in range(scene.rows[0], scene.rows[1] + 1):
                    yield (
                        self.job(column * 30_000 + 15, row * 30_000 + 15, lr, hr),
                        lr_scene,
                        hr_scene,
                    )

    def read(self, task: Task, side: str, job: SampleJob, window_us: int = WINDOW_US) -> SidePixels:
        with Sources(self.policy) as sources:
            return read_side(sources, task, side, job, window_us)

    def edges(self, task: Task, side: str, job: SampleJob, gsd_m: float = 0.0) -> tuple[Any, Any]:
        """x from the west, y from the north, of a grid over the sample's square."""
        gsd_m = gsd_m or sample_grid(task, side, job.x_m, job.y_m).x_m
        count = round(task.site_size_m / gsd_m)
        steps = gsd_m * np.arange(count + 1)
        return job.x_m + steps, job.y_m + task.site_size_m - steps

    def reflectance(
        self, task: Task, side: str, job: SampleJob, roles: tuple[str, ...], gsd_m: float = 0.0
    ) -> np.ndarray:
        """Exact means of the ground, (band, row, column)."""
        sensor = task.lr_sensor if side == "lr" else task.hr_sensor
        x, y = self.edges(task, side, job, gsd_m)
        return self.archive.landscape.mean(x, y, spectra.seen_as(sensor, roles))

    def cover(
        self, task: Task, side: str, job: SampleJob, scene: MadeScene, gsd_m: float = 0.0
    ) -> Cover:
        """Exact shares of what hides the ground, rows from the north."""
        x, y = self.edges(task, side, job, gsd_m)
        cover = cover_of_cells(scene.weather, x, y[::-1])
        return Cover(*(getattr(cover, n)[::-1] for n in ("cloud", "shadow", "cirrus", "snow")))


def hidden(cover: Cover) -> np.ndarray:
    return cover.cloud + cover.shadow + cover.cirrus + cover.snow


def modis_tile() -> Grid:
    west, _, _, north = modis.tile_bounds_m(9, 5)
    return Grid(west, north, modis.PIXEL_500M, modis.PIXEL_500M, 2400, 2400)


__all__ = ["EPSG", "MODIS_LANDSAT8", "S2_NAIP", "Truth", "exact_shares", "hidden", "modis_tile"]
