"""NAIP: aerial photographs of the United States in four bands, cut to quarter quadrangles.

Sources: USDA Farm Service Agency, NAIP information sheet (bands, bytes, UTM on NAD83); USGS
quadrangle numbering: one-degree blocks named by the latitude and longitude of their south-east
corner, 64 quadrangles of 7.5 minutes counted by rows from the north-west, four quarters each.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

from geosr_lake.sensors.model import Band, Sensor

GSD_M = 0.6
IMAGE = "image"
QUAD_DEG = 7.5 / 60
QUARTERS = ("nw", "ne", "sw", "se")

SENSOR = Sensor(
    name="naip",
    bands=tuple(
        Band(role, name, GSD_M, wavelength_um, 1.0, 0.0, None, "uint8", asset=IMAGE, index=index)
        for index, (role, name, wavelength_um) in enumerate(
            (
                ("R", "red", 0.65),
                ("G", "green", 0.56),
                ("B", "blue", 0.48),
                ("N", "near infrared", 0.83),
            ),
            start=1,
        )
    ),
    quality_roles=(),
)
"""Bytes as delivered: not reflectance, and no nodata number is declared. All four lie in one file,
asset role ``image``."""

ITEM_ID = re.compile(
    r"(?:(?P<state>[a-z]{2})_)?m_(?P<quad>\d{7})_(?P<quarter>nw|ne|sw|se)_(?P<zone>\d{1,2})"
    r"_(?P<gsd>[0-9a-z]{1,3})_(?P<day>\d{8})(?:_\d{8})?"
)
GSD_BY_TOKEN = {"030": 0.3, "060": 0.6, "h": 0.6, "100": 1.0, "1": 1.0}


@dataclass(frozen=True, slots=True)
class PhotoId:
    """The parts of a NAIP item id or file name.

    Attributes:
        state: Two letters where the archive puts them first; else None.
        quad: USGS quadrangle, DDLLLQQ.
        quarter: ``nw``, ``ne``, ``sw`` or ``se``.
        zone: UTM zone (NAD83).
        gsd_m: Ground sample distance, metres; None for an unknown token.
        day: Day of the flight.
    """

    state: str | None
    quad: str
    quarter: str
    zone: int
    gsd_m: float | None
    day: date

    @property
    def tile(self) -> str:
        """Quarter quadrangle, for example ``4110264_sw``."""
        return f"{self.quad}_{self.quarter}"


def parse_photo_id(text: str) -> PhotoId | None:
    """Read an id such as ``co_m_3910552_ne_13_060_20210718``; None where it is none.

    A second date, that of delivery, may follow the first.
    """
    match = ITEM_ID.fullmatch(text.lower())
    if match is None:
        return None
    digits = match["day"]
    try:
        day = date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        return None
    return PhotoId(
        state=match["state"],
        quad=match["quad"],
        quarter=match["quarter"],
        zone=int(match["zone"]),
        gsd_m=GSD_BY_TOKEN.get(match["gsd"]),
        day=day,
    )


def quarter_quad_bounds(quad: str, quarter: str) -> tuple[float, float, float, float]:
    """Bounds of a quarter quadrangle without its overlap.

    Args:
        quad: DDLLLQQ: degrees of north latitude and west longitude of the one-degree block's
            south-east corner, then 01 to 64.
        quarter: ``nw``, ``ne``, ``sw`` or ``se``.

    Returns:
        (west, south, east, north) in degrees, NAD83.

    Raises:
        ValueError: The quadrangle or quarter does not exist.
    """
    if not re.fullmatch(r"\d{7}", quad) or not 1 <= int(quad[5:]) <= 64:
        raise ValueError(f"{quad!r} is no USGS quadrangle DDLLLQQ with QQ from 01 to 64")
    if quarter not in QUARTERS:
        raise ValueError(f"{quarter!r} is no quarter; it is one of {', '.join(QUARTERS)}")
    row, column = divmod(int(quad[5:]) - 1, 8)
    north = int(quad[:2]) + 1 - row * QUAD_DEG
    west = -(int(quad[2:5]) + 1) + column * QUAD_DEG
    half = QUAD_DEG / 2
    if quarter[0] == "s":
        north -= half
    if quarter[1] == "e":
        west += half
    return (west, north - half, west + half, north)


def quarter_quad_at(lon: float, lat: float) -> tuple[str, str]:
    """Name the (quadrangle, quarter) that holds a point of the western, northern hemisphere.

    Args:
        lon: Degrees east, below 0.
        lat: Degrees north, from 0.

    Raises:
        ValueError: The point lies east of Greenwich or south of the equator.
    """
    if not -180 < lon < 0 or not 0 <= lat < 90:
        raise ValueError(f"no USGS quadrangle at longitude {lon}, latitude {lat}")
    half_rows_north = (int(lat) + 1 - lat) / (QUAD_DEG / 2)
    block_west = int(-lon) + 1
    half_columns = (lon + block_west) / (QUAD_DEG / 2)
    row, south = divmod(min(int(half_rows_north), 15), 2)
    column, east = divmod(min(int(half_columns), 15), 2)
    quad = f"{int(lat):02d}{block_west - 1:03d}{row * 8 + column + 1:02d}"
    return quad, ("s" if south else "n") + ("e" if east else "w")
