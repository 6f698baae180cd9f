"""MODIS 500 m surface reflectance on the sinusoidal grid (MOD09A1, collection 6.1).

Sources: MODIS Surface Reflectance User's Guide, collection 6.1 (bands, scale, fill values); MODIS
Land grid: sphere of 6,371,007.181 m, 36 by 18 tiles over the whole sinusoidal plane.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import shapely
from numpy.typing import NDArray

from geosr_lake.sensors.model import Sensor, one_file_each, quality_band

SPHERE_RADIUS_M = 6_371_007.181
SINUSOIDAL = "+proj=sinu +lon_0=0 +x_0=0 +y_0=0 +R=6371007.181 +units=m +no_defs"
"""The grid's CRS as a PROJ string; x to the east and y to the north, metres."""

TILE_SIZE_M = 1_111_950.5196666666
"""Edge of a tile, metres: 20,015,109.354 / 18, as granules have it; pi * R / 18 is 0.1 mm more."""
TILES_ACROSS = 36
TILES_DOWN = 18
PIXELS_500M = 2400
PIXEL_500M = TILE_SIZE_M / PIXELS_500M
"""Edge of a "500 m" pixel: 463.31 m."""
COMPOSITE_DAYS = 8
FILL_REFLECTANCE = -28672
FILL_UINT16 = 65535
"""Fill of ``sur_refl_state_500m`` and ``sur_refl_day_of_year``."""
VALID_RANGE_DN = (-100, 16000)

SENSOR = Sensor(
    name="modis",
    bands=(
        *one_file_each(
            (
                ("sur_refl_b01", "red", 500.0, 0.645),
                ("sur_refl_b02", "near infrared", 500.0, 0.8585),
                ("sur_refl_b03", "blue", 500.0, 0.469),
                ("sur_refl_b04", "green", 500.0, 0.555),
                ("sur_refl_b05", "short-wave infrared, 1.24 um", 500.0, 1.240),
                ("sur_refl_b06", "short-wave infrared, 1.64 um", 500.0, 1.640),
                ("sur_refl_b07", "short-wave infrared, 2.13 um", 500.0, 2.130),
            ),
            scale=1e-4,
            offset=0.0,
            nodata=FILL_REFLECTANCE,
            dtype="int16",
        ),
        quality_band("state", "sur_refl_state_500m flags", 500.0, FILL_UINT16, "uint16"),
        quality_band("day_of_year", "sur_refl_day_of_year", 500.0, FILL_UINT16, "uint16"),
    ),
    quality_roles=("state", "day_of_year"),
)

GRANULE_ID = re.compile(
    r"(?P<product>M[OYC]D[0-9]{2}[A-Z0-9]{1,5})\.A(?P<year>\d{4})(?P<doy>\d{3})"
    r"\.h(?P<h>\d{2})v(?P<v>\d{2})\.(?P<collection>\d{3})(?:\.(?P<production>\d{13}))?"
)
_TILE = re.compile(r"h(\d{2})v(\d{2})")


@dataclass(frozen=True, slots=True)
class GranuleId:
    """The parts of a MODIS Land granule id.

    Attributes:
        product: For example ``MOD09A1``.
        day: First day of the composite, or the day of a daily product.
        h: Column of the tile, 0 to 35 from the west.
        v: Row of the tile, 0 to 17 from the north.
        collection: Collection version, for example ``061``.
        production: Production time YYYYDDDHHMMSS; empty where the id leaves it out.
    """

    product: str
    day: date
    h: int
    v: int
    collection: str
    production: str

    @property
    def tile(self) -> str:
        """The tile's name, for example ``h09v05``."""
        return tile_name(self.h, self.v)


def parse_granule_id(text: str) -> GranuleId | None:
    """Read an id such as ``MOD09A1.A2022033.h19v10.061.2022042043514``.

    Returns:
        The parts, or None where the text is no such id or names no real day or tile.
    """
    match = GRANULE_ID.fullmatch(text)
    if match is None:
        return None
    h, v = int(match["h"]), int(match["v"])
    year, doy = int(match["year"]), int(match["doy"])
    if h >= TILES_ACROSS or v >= TILES_DOWN or year < 1 or not 1 <= doy <= 366:
        return None
    day = date(year, 1, 1) + timedelta(days=doy - 1)
    if day.year != year:
        return None
    production = match["production"] or ""
    return GranuleId(match["product"], day, h, v, match["collection"], production)


def tile_name(h: int, v: int) -> str:
    """Name of a tile, for example ``h09v05``."""
    return f"h{h:02d}v{v:02d}"


def parse_tile(text: str) -> tuple[int, int] | None:
    """Read (h, v) out of ``h09v05``; None where the text is no tile of the grid."""
    match = _TILE.fullmatch(text)
    if match is None:
        return None
    h, v = int(match[1]), int(match[2])
    return (h, v) if h < TILES_ACROSS and v < TILES_DOWN else None


def tile_bounds_m(h: int, v: int) -> tuple[float, float, float, float]:
    """Bounds of a tile as (west, south, east, north) in sinusoidal metres.

    Raises:
        ValueError: The grid has no such tile.
    """
    if not (0 <= h < TILES_ACROSS and 0 <= v < TILES_DOWN):
        raise ValueError(f"no MODIS tile h={h}, v={v}: h is 0 to 35 and v is 0 to 17")
    west = (h - TILES_ACROSS // 2) * TILE_SIZE_M
    north = (TILES_DOWN // 2 - v) * TILE_SIZE_M
    return (west, north - TILE_SIZE_M, west + TILE_SIZE_M, north)


def tile_polygon(h: int, v: int, *, step_deg: float = 0.1) -> shapely.Polygon:
    """The ground that a tile covers, in longitude and latitude (degrees on the sphere).

    The eastern and western edges of a tile are curves in longitude and latitude; they are drawn
    with a vertex every ``step_deg`` of latitude. What lies outside the projection's domain
    (longitude beyond 180 degrees) is cut off, so no tile crosses the antimeridian: the plane ends
    there. From lon = x / (R cos(lat)) and lat = y / R.

    Args:
        h: Column of the tile, 0 to 35.
        v: Row of the tile, 0 to 17.
        step_deg: Greatest distance between vertices, degrees, along parallels as well.

    Raises:
        ValueError: The grid has no such tile, or the tile lies wholly outside the domain.
    """
    west_m, _, east_m, _ = tile_bounds_m(h, v)
    north, south = 90.0 - 10.0 * v, 80.0 - 10.0 * v
    lat = np.linspace(south, north, max(2, math.ceil(10.0 / step_deg) + 1))
    # Where an edge leaves the domain, |x| = pi R cos(lat): a vertex there keeps the corner sharp.
    leaves = [
        math.copysign(math.degrees(math.acos(ratio)), sign)
        for x in (west_m, east_m)
        if (ratio := abs(x) / (math.pi * SPHERE_RADIUS_M)) <= 1.0
        for sign in (-1.0, 1.0)
    ]
    lat = np.union1d(lat, [value for value in leaves if south < value < north])
    lon_west, lon_east = _edge_longitude(west_m, lat), _edge_longitude(east_m, lat)
    inside = lon_east - lon_west > 1e-6
    if not inside.any():
        raise ValueError(f"MODIS tile {tile_name(h, v)} lies outside the projection's domain")
    # The vertex at which the tile's width falls to zero belongs to the ring as well.
    grown = inside.copy()
    grown[:-1] |= inside[1:]
    grown[1:] |= inside[:-1]
    lat, lon_west, lon_east = lat[grown], lon_west[grown], lon_east[grown]
    ring = np.vstack(
        [
            np.column_stack([lon_east, lat]),
            _parallel(lon_east[-1], lon_west[-1], lat[-1], step_deg),
            np.column_stack([lon_west, lat])[::-1],
            _parallel(lon_west[0], lon_east[0], lat[0], step_deg),
        ]
    )
    changed = np.any(np.diff(ring, axis=0) != 0, axis=1)
    return shapely.Polygon(ring[np.concatenate([[True], changed])])


def composite_dates(
    day_of_year: NDArray[np.integer], composite_start: date
) -> NDArray[np.datetime64]:
    """Date each pixel of an 8-day composite was seen on.

    A composite that starts late in December runs into the next year, whose days count from 1 again:
    a day of year below that of the start belongs to the next year.

    Args:
        day_of_year: Any shape; 1 to 366, or the fill value 65535.
        composite_start: First day of the composite, from its id.

    Returns:
        datetime64[D] of the same shape; NaT for fill and for numbers that are no day of a year.
    """
    days = np.asarray(day_of_year, dtype=np.int64)
    first = composite_start.timetuple().tm_yday
    year = np.where(days < first, composite_start.year + 1, composite_start.year) - 1970
    new_year = year.astype("datetime64[Y]").astype("datetime64[D]")
    dates = new_year + (days - 1).astype("timedelta64[D]")
    return np.where((days >= 1) & (days <= 366), dates, np.datetime64("NaT", "D"))


def _edge_longitude(x_m: float, lat_deg: NDArray[np.float64]) -> NDArray[np.float64]:
    """Longitude at which a vertical line of the plane meets each latitude, held within 180."""
    if x_m == 0.0:
        return np.zeros_like(lat_deg)
    cos_lat = np.maximum(np.cos(np.radians(lat_deg)), 1e-12)
    return np.clip(np.degrees(x_m / (SPHERE_RADIUS_M * cos_lat)), -180.0, 180.0)


def _parallel(
    start_deg: float, end_deg: float, lat_deg: float, step_deg: float
) -> NDArray[np.float64]:
    """Vertices between two longitudes along a parallel, both ends left out."""
    count = max(1, math.ceil(abs(end_deg - start_deg) / step_deg))
    lon = np.linspace(start_deg, end_deg, count + 1)[1:-1]
    return np.column_stack([lon, np.full(lon.shape, lat_deg)])
