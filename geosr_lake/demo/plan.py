"""The shapes of what the demo's archive holds: photographs, passes, scenes, composites."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

import numpy as np

from geosr_lake.demo.sketch import Box
from geosr_lake.demo.weather import Weather

S2_TILE = "13SED"
S2_TILE_CORNER_M = (499_980.0, 4_400_040.0)
"""Upper left corner of the tile in the tiling grid."""
S2_MARGIN_M = 480.0
MODIS_TILE = (9, 5)
SITE_M = 600.0
PHOTO_MARGIN_M = 60.0
CELL_M = 30_000.0
CELL_OFFSET_M = 15.0
CELL_COLUMNS = (15, 18)
CELL_ROWS = (142, 145)
"""First and last column and row of the 30 km sites, counted from easting 0 and the equator."""


@dataclass(frozen=True, slots=True)
class Photo:
    """One NAIP photograph, cut to whole 600 m sites and a margin.

    Attributes:
        quad: USGS quadrangle.
        quarter: Quarter of it.
        corner_m: Lower-left corner of the first site.
        day: Day of the flight.
        states: Under which states it is published.
        sites: Whole sites along an edge.
        shift_m: By how much the pixel grid is off the sites' grid, in x and y.
        missing: The item exists, its file does not.
    """

    quad: str
    quarter: str
    corner_m: tuple[float, float]
    day: date
    states: tuple[str, ...] = ("co",)
    sites: int = 4
    shift_m: float = 0.0
    missing: bool = False

    @property
    def box(self) -> Box:
        """The ground that the file covers."""
        x, y = self.corner_m
        low, high = self.shift_m - PHOTO_MARGIN_M, self.shift_m + PHOTO_MARGIN_M
        edge = self.sites * SITE_M
        return (x + low, y + low, x + edge + high, y + edge + high)

    @property
    def name(self) -> str:
        """File name without its ending, as USDA names them."""
        return f"m_{self.quad}_{self.quarter}_13_060_{self.day:%Y%m%d}"


@dataclass(frozen=True, slots=True)
class Pass:
    """One Sentinel-2 datastrip of tile 13SED as one product.

    Attributes:
        platform: ``S2A`` or ``S2B``.
        sensed: Start of the datatake.
        strip_start: Start of the datastrip.
        generated: When the product was made.
        baseline: Processing baseline.
        orbit: Absolute orbit.
        weather: What hides the ground.
        part: ``all``, or ``north`` or ``south`` of the line where two datastrips meet.
        only: Indices of the photographs around which there is data; all without it.
    """

    platform: str
    sensed: datetime
    strip_start: datetime
    generated: datetime
    baseline: str
    orbit: int
    weather: Weather
    part: str = "all"
    only: tuple[int, ...] | None = None

    @property
    def item_id(self) -> str:
        """Id as Planetary Computer makes it."""
        return (
            f"{self.platform}_MSIL2A_{self.sensed:%Y%m%dT%H%M%S}_R098_T{S2_TILE}"
            f"_{self.generated:%Y%m%dT%H%M%S}"
        )


@dataclass(frozen=True, slots=True)
class LandsatPass:
    """One Landsat 8 scene, cropped to some of the 30 km sites.

    Attributes:
        path: WRS-2 path.
        row: WRS-2 row.
        sensed: Middle of the acquisition.
        processed: Day of processing.
        columns: First and last column of sites.
        rows: First and last row of sites.
        weather: What hides the ground.
    """

    path: int
    row: int
    sensed: datetime
    processed: date
    columns: tuple[int, int]
    rows: tuple[int, int]
    weather: Weather

    @property
    def item_id(self) -> str:
        """Id as Planetary Computer makes it."""
        return f"LC08_L2SP_{self.path:03d}{self.row:03d}_{self.sensed:%Y%m%d}_02_T1"

    @property
    def product_id(self) -> str:
        """Id as USGS makes it."""
        return (
            f"LC08_L2SP_{self.path:03d}{self.row:03d}_{self.sensed:%Y%m%d}"
            f"_{self.processed:%Y%m%d}_02_T1"
        )

    @property
    def data_box(self) -> Box:
        """The ground that was seen: the sites and 600 m around them."""
        west, south, east, north = cells_box(self.columns, self.rows)
        return (west - 600.0, south - 600.0, east + 600.0, north + 600.0)

    @property
    def file_box(self) -> Box:
        """The ground of the file: ten pixels of fill around the data."""
        west, south, east, north = self.data_box
        return (west - 300.0, south - 300.0, east + 300.0, north + 300.0)


@dataclass(frozen=True, slots=True)
class Composite:
    """One MOD09A1 granule of tile h09v05.

    Attributes:
        start: First day.
        produced: Production time as in the id.
        weather: What hid the ground.
        early_frac: Share of the patches that were seen on the first two days.
    """

    start: date
    produced: str
    weather: Weather
    early_frac: float = 0.25

    @property
    def item_id(self) -> str:
        """Granule id."""
        h, v = MODIS_TILE
        return f"MOD09A1.A{self.start:%Y%j}.h{h:02d}v{v:02d}.061.{self.produced}"


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything in one archive.

    Attributes:
        photos: NAIP; those with data for Sentinel-2 around them come first.
        passes: Sentinel-2.
        crop: The part of tile 13SED that their files cover, on its grid of 60 m.
        scenes: Landsat.
        composites: MODIS.
        columns: First and last column of the 30 km sites.
        rows: First and last row of them.
    """

    photos: tuple[Photo, ...]
    passes: tuple[Pass, ...]
    crop: Box
    scenes: tuple[LandsatPass, ...]
    composites: tuple[Composite, ...]
    columns: tuple[int, int]
    rows: tuple[int, int]


def cells_box(columns: tuple[int, int], rows: tuple[int, int]) -> Box:
    """The ground of a rectangle of 30 km sites."""
    return (
        columns[0] * CELL_M + CELL_OFFSET_M,
        rows[0] * CELL_M + CELL_OFFSET_M,
        (columns[1] + 1) * CELL_M + CELL_OFFSET_M,
        (rows[1] + 1) * CELL_M + CELL_OFFSET_M,
    )


def photo_window(photo: Photo) -> Box:
    """The ground around a photograph for which Sentinel-2 has data, on its 60 m grid."""
    west, south, east, north = photo.box
    left, top = S2_TILE_CORNER_M
    return (
        float(np.floor((west - S2_MARGIN_M - left) / 60) * 60 + left),
        float(np.floor((south - S2_MARGIN_M - top) / 60) * 60 + top),
        float(np.ceil((east + S2_MARGIN_M - left) / 60) * 60 + left),
        float(np.ceil((north + S2_MARGIN_M - top) / 60) * 60 + top),
    )
