"""The two super-resolution tasks: which sensors, which bands, how large a site.

Source: GeoSR-Bench (arXiv 2605.00310): 60 by 60 low-resolution and 1000 by 1000 high-resolution
pixels over the same square, a ratio of 50 to 3.
"""

from __future__ import annotations

from dataclasses import dataclass

from geosr_lake.sensors import landsat, modis, naip, sentinel2
from geosr_lake.sensors.model import Sensor


@dataclass(frozen=True, slots=True)
class Task:
    """One super-resolution task.

    Attributes:
        name: ``modis_landsat8`` or ``s2_naip``.
        lr: Sensor of the low-resolution side.
        hr: Sensor of the high-resolution side.
        site_size_m: Edge of a site.
        lr_bands: Roles of the low-resolution bands, in the order of the cube.
        hr_bands: Roles of the high-resolution bands, in the order of the cube.
        lr_px: Low-resolution pixels along an edge.
        hr_px: High-resolution pixels along an edge.
        grid_offset_m: Shift of the site grid in x and y.
        snap_m: Sites around a label's chip fall on multiples of this, plus the offset.
        northern_zones_only: Sites south of the equator use 326xx with negative northings.
    """

    name: str
    lr: Sensor
    hr: Sensor
    site_size_m: float
    lr_bands: tuple[str, ...]
    hr_bands: tuple[str, ...]
    lr_px: int
    hr_px: int
    grid_offset_m: float
    snap_m: float
    northern_zones_only: bool

    @property
    def lr_sensor(self) -> str:
        """Name of the low-resolution sensor."""
        return self.lr.name

    @property
    def hr_sensor(self) -> str:
        """Name of the high-resolution sensor."""
        return self.hr.name

    @property
    def lr_gsd_m(self) -> float:
        """Edge of a low-resolution pixel of the cube, metres."""
        return self.site_size_m / self.lr_px

    @property
    def hr_gsd_m(self) -> float:
        """Edge of a high-resolution pixel of the cube, metres."""
        return self.site_size_m / self.hr_px


MODIS_LANDSAT8 = Task(
    name="modis_landsat8",
    lr=modis.SENSOR,
    hr=landsat.SENSOR,
    site_size_m=30_000.0,
    lr_bands=modis.SENSOR.data_roles,
    hr_bands=landsat.SENSOR.data_roles,
    lr_px=60,
    hr_px=1000,
    grid_offset_m=landsat.GRID_OFFSET_M,
    snap_m=30.0,
    northern_zones_only=True,
)

S2_NAIP = Task(
    name="s2_naip",
    lr=sentinel2.SENSOR,
    hr=naip.SENSOR,
    site_size_m=600.0,
    lr_bands=sentinel2.SENSOR.data_roles,
    hr_bands=naip.SENSOR.data_roles,
    lr_px=60,
    hr_px=1000,
    grid_offset_m=0.0,
    snap_m=60.0,
    northern_zones_only=False,
)

TASKS: dict[str, Task] = {task.name: task for task in (MODIS_LANDSAT8, S2_NAIP)}
"""The tasks by name."""
