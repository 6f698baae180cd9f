"""Where and when the sensors look: seeded acquisitions, as arrays.

Landsat: WRS-2 path/rows on descending tracks, every 16 days, 185 km squares along the track, each
footprint a little different. MODIS: daily products of sinusoidal tiles, alike. Sentinel-2: MGRS
tiles of 110 km over the conterminous US every 5 days, a third of them cut by the swath's edge, no
cut like another. NAIP: quarter quads of 3.75 minutes by state, every second year, in summer, each a
little different. States and continents are rectangles.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyproj
import shapely
from numpy.typing import NDArray

from geosr_lake.sensors import modis

DAY_US = 86_400_000_000
HOUR_US = DAY_US // 24
START_DAY = 3653
"""1980-01-01, so that 50 years end in 2029."""
CONTINENTS = ((-128, 15, -60, 62), (-80, -40, -40, 8), (-10, 36, 140, 62), (-15, -34, 50, 36),
              (60, 8, 122, 36), (114, -38, 153, -12), (-165, 58, -65, 78),
              (10, 58, 180, 76), (95, -12, 150, 10), (-60, 58, -20, 82))  # fmt: skip
CONUS = (-124.5, 25.0, -67.0, 49.0)
PATH_ROWS = 8650
MODIS_TILES = 236

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Looks:
    """Acquisitions of one sensor in one year.

    Attributes:
        names: Tiles of the sensor.
        tile: Place in `names` of each acquisition.
        start_us: Microseconds since 1970.
        end_us: The same as `start_us` for an instant.
        corners: Footprints of their own, shape (n, 4, 2); NaN where `shape` says it.
        shape: Place in `shapes`, or -1.
        shapes: Footprints that repeat.
    """

    sensor: str
    names: list[str]
    tile: Ints
    start_us: Ints
    end_us: Ints
    corners: Floats
    shape: Ints
    shapes: list[bytes]


def wrs2() -> tuple[list[str], Floats, Ints]:
    """Return names, corners (n, 4, 2) and day in the cycle of path/rows over land."""
    path, row = (a.ravel() for a in np.meshgrid(np.arange(1, 234), np.arange(12, 110)))

    def track(angle_deg: Floats) -> tuple[Floats, Floats]:
        u = np.radians(angle_deg)
        tilt = np.radians(98.2)
        lat = -np.degrees(np.arcsin(np.sin(tilt) * np.sin(u)))
        swing = np.degrees(np.arctan2(-np.cos(tilt) * np.sin(u), np.cos(u)))
        lon = -64.6 - (path - 1) * 360 / 233 - swing - angle_deg * 24.72 / 360
        return (lon + 180) % 360 - 180, lat

    angle = (row - 60) * 360 / 248
    lon, lat = track(angle)
    ahead_lon, ahead_lat = track(angle + 0.01)
    east = ((ahead_lon - lon + 180) % 360 - 180) * np.cos(np.radians(lat))
    length = np.hypot(east, ahead_lat - lat)
    along = np.stack([east / length, (ahead_lat - lat) / length], 1)
    across = np.stack([-along[:, 1], along[:, 0]], 1)
    half = 0.832  # 185 km
    corners = np.stack(
        [half * (a * along + b * across) for a, b in ((1, 1), (1, -1), (-1, -1), (-1, 1))], 1
    )
    corners[..., 0] /= np.cos(np.radians(lat))[:, None]
    corners += np.stack([lon, lat], 1)[:, None]
    land = np.zeros(len(lon), bool)
    for west, south, east_edge, north in CONTINENTS:
        land |= (lon > west) & (lon < east_edge) & (lat > south) & (lat < north)
    kept = np.flatnonzero(land)
    kept = np.sort(np.random.default_rng(1).permutation(kept)[:PATH_ROWS])
    names = [f"{p:03}{r:03}" for p, r in zip(path[kept], row[kept], strict=True)]
    return names, corners[kept], (7 * path[kept]) % 16


def modis_tiles(corners: Floats) -> tuple[list[str], list[bytes]]:
    """Return names and footprints of the tiles that hold most of some scenes' middles."""
    middle = shapely.points(corners.mean(axis=1))
    held = []
    for h in range(36):
        for v in range(2, 14):
            try:
                shape = modis.tile_polygon(h, v)
            except ValueError:
                continue
            held.append((int(shapely.contains(shape, middle).sum()), h, v, shape))
    held = sorted(held, key=lambda t: (-t[0], t[1], t[2]))[:MODIS_TILES]
    return (
        [modis.tile_name(h, v) for _, h, v, _ in held],
        [shapely.to_wkb(shapely.normalize(shape), byte_order=1) for *_, shape in held],
    )


def landsat(first_day: int, days: int, rng: np.random.Generator) -> Looks:
    names, corners, phase = wrs2()
    day = np.arange(first_day, first_day + days)
    at, tile = np.nonzero(day[:, None] % 16 == phase)
    lon = corners[:, :, 0].mean(axis=1)
    start = day[at] * DAY_US + ((10.2 - lon[tile] / 15) % 24 * HOUR_US).astype(np.int64)
    start += rng.integers(0, 60_000_000, len(at))
    own = corners[tile] + rng.normal(0, 0.004, (len(tile), 1, 2))
    own += rng.normal(0, 0.0005, (len(tile), 4, 2))
    return Looks("landsat", names, tile, start, start, own, np.full(len(tile), -1), [])


def modis_daily(first_day: int, days: int, rng: np.random.Generator) -> Looks:  # noqa: ARG001
    names, shapes = modis_tiles(wrs2()[1])
    tile = np.tile(np.arange(len(names)), days)
    start = np.repeat(np.arange(first_day, first_day + days), len(names)) * DAY_US
    none = np.full((len(tile), 4, 2), np.nan)
    return Looks("modis", names, tile, start, start + DAY_US, none, tile, shapes)


def mgrs() -> tuple[list[str], Floats]:
    """Return names and corners (n, 4, 2) of 109.8 km tiles every 100 km of each UTM zone."""
    west, south, east, north = CONUS
    names, corners = [], []
    for zone in range(10, 20):
        to_deg = pyproj.Transformer.from_crs(32600 + zone, 4326, always_xy=True)
        for i in range(1, 9):
            for j in range(27, 55):
                x, y = i * 1e5, j * 1e5
                edge = 109_800
                lon, lat = to_deg.transform([x, x + edge, x + edge, x], [y, y, y + edge, y + edge])
                middle = np.mean(lon), np.mean(lat)
                in_zone = abs(middle[0] - (zone * 6 - 183)) < 3.4
                if in_zone and west < middle[0] < east and south < middle[1] < north:
                    names.append(f"{zone}{chr(67 + j // 9)}{chr(64 + i)}{chr(65 + j % 26)}")
                    corners.append(np.stack([lon, lat], 1))
    return names, np.array(corners)


def sentinel2(first_day: int, days: int, rng: np.random.Generator) -> Looks:
    names, corners = mgrs()
    day = np.arange(first_day, first_day + days)
    phase = np.random.default_rng(2).integers(0, 5, len(names))
    at, tile = np.nonzero(day[:, None] % 5 == phase)
    lon = corners[:, 0, 0]
    start = day[at] * DAY_US + ((10.5 - lon[tile] / 15) % 24 * HOUR_US).astype(np.int64)
    start += rng.integers(0, 60_000_000, len(at))
    # A tile at the edge of a swath is cut each time; the cut wanders by some kilometres.
    cut_tile = np.random.default_rng(3).random(len(names)) < 1 / 3
    middle = np.random.default_rng(4).uniform(0.2, 0.8, len(names))
    cut = cut_tile[tile]
    share = (middle[tile] + rng.normal(0, 0.05, len(tile)))[:, None]
    own = corners[tile].copy()
    sw, se, ne, nw = (corners[tile][:, k] for k in range(4))
    own[:, 1] = sw + (se - sw) * np.clip(share - 0.1, 0.02, 0.98)
    own[:, 2] = nw + (ne - nw) * np.clip(share + 0.1, 0.02, 0.98)
    wkb = shapely.to_wkb(shapely.normalize(shapely.polygons(corners)), byte_order=1).tolist()
    return Looks("sentinel2", names, tile, start, start, own, np.where(cut, -1, tile), wkb)


def naip(first_day: int, days: int, rng: np.random.Generator) -> Looks:
    west, south, east, north = CONUS
    step = 0.0625
    x, y = (
        a.ravel() for a in np.meshgrid(np.arange(west, east, step), np.arange(south, north, step))
    )
    keep = np.random.default_rng(5).random(len(x)) < 0.62
    x, y = x[keep], y[keep]
    names = [f"q{i:06}" for i in range(len(x))]
    state = ((x - west) // 7.2).astype(np.int64) * 6 + ((y - south) // 4).astype(np.int64)
    year = int((first_day - START_DAY + 180) // 365.25)
    tile = np.flatnonzero(state % 2 == year % 2)
    season = np.random.default_rng(6 + year).integers(130, 240, 64)
    flown = first_day + season[state[tile]] + rng.integers(0, 40, len(tile))
    start = np.minimum(flown, first_day + days - 1) * DAY_US
    corners = np.stack([x, y], 1)[tile, None] + step * np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
    corners += np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * 0.003
    own = corners + rng.normal(0, 0.0003, (len(tile), 4, 2))
    return Looks("naip", names, tile, start, start + DAY_US, own, np.full(len(tile), -1), [])


LOOKERS = {"modis": modis_daily, "landsat": landsat, "sentinel2": sentinel2, "naip": naip}


def looks(sensor: str, years: int) -> Iterator[Looks]:
    """Yield the acquisitions of a sensor, year by year."""
    for year in range(years):
        first = START_DAY + int(year * 365.25)
        days = START_DAY + int((year + 1) * 365.25) - first
        rng = np.random.default_rng([year, sorted(LOOKERS).index(sensor)])
        yield LOOKERS[sensor](first, days, rng)
