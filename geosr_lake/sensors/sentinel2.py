"""Sentinel-2 Level-2A surface reflectance.

Sources: ESA, Sentinel-2 Products Specification Document (bands, quantification value, SCL,
``BOA_ADD_OFFSET``); MGRS tile names and grids as in the products' own metadata.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from geosr_lake.sensors.model import Sensor, one_file_each, quality_band

SCALE = 1e-4
TILE_SIZE_M = 109_800.0
"""Edge of a tile, metres; tiles overlap by about 10 km. Tile corners lie on multiples of 60 m of
easting and of distance from the equator, so that the 10, 20 and 60 m grids share them."""

SENSOR = Sensor(
    name="sentinel2",
    bands=(
        *one_file_each(
            (
                ("B01", "coastal aerosol", 60.0, 0.443),
                ("B02", "blue", 10.0, 0.490),
                ("B03", "green", 10.0, 0.560),
                ("B04", "red", 10.0, 0.665),
                ("B05", "red edge 1", 20.0, 0.704),
                ("B06", "red edge 2", 20.0, 0.740),
                ("B07", "red edge 3", 20.0, 0.783),
                ("B08", "near infrared", 10.0, 0.842),
                ("B8A", "narrow near infrared", 20.0, 0.865),
                ("B09", "water vapour", 60.0, 0.945),
                ("B11", "short-wave infrared 1", 20.0, 1.610),
                ("B12", "short-wave infrared 2", 20.0, 2.190),
            ),
            scale=SCALE,
            offset=0.0,
            nodata=0,
            dtype="uint16",
        ),
        quality_band("SCL", "scene classification", 20.0, 0, "uint8"),
    ),
    quality_roles=("SCL",),
)
"""Scale and offset before baseline 04.00; see :func:`dn_offset` for later ones."""

_BASELINE = re.compile(r"N?(\d{2})\.?(\d{2})")
PRODUCT_ID = re.compile(
    r"(?P<platform>S2[A-D])_MSIL2A_(?P<sensed>\d{8}T\d{6})(?:_N(?P<baseline>\d{4}))?"
    r"_R(?P<orbit>\d{3})_T(?P<tile>\d{2}[C-X][A-Z]{2})_(?P<generated>\d{8}T\d{6})(?:\.SAFE)?"
)
DATASTRIP_ID = re.compile(
    r"(?P<platform>S2[A-D])_OPER_MSI_L2A_DS_[A-Z0-9_]{4}_(?P<generated>\d{8}T\d{6})"
    r"_S(?P<start>\d{8}T\d{6})_N\d{2}\.\d{2}"
)
_TILE = re.compile(r"(?:MGRS-|T)?(?P<zone>\d{1,2})(?P<rest>[C-HJ-NP-X][A-HJ-NP-Z]{2})")


@dataclass(frozen=True, slots=True)
class ProductId:
    """The parts of an ESA product name, as archives use it for ids.

    Attributes:
        platform: ``S2A`` to ``S2D``.
        sensed: Start of the datatake, UTC: the same for every tile of it.
        baseline: Processing baseline such as ``05.11``; None where the id leaves it out.
        orbit: Relative orbit.
        tile: MGRS tile such as ``13TEF``.
        generated: The product discriminator, UTC: later for a reprocessed product.
    """

    platform: str
    sensed: datetime
    baseline: str | None
    orbit: int
    tile: str
    generated: datetime


def parse_product_id(text: str) -> ProductId | None:
    """Read an L2A product name, with or without the ``N`` part; None where it is none."""
    match = PRODUCT_ID.fullmatch(text)
    if match is None:
        return None
    try:
        sensed = _instant(match["sensed"])
        generated = _instant(match["generated"])
    except ValueError:
        return None
    baseline = match["baseline"]
    return ProductId(
        platform=match["platform"],
        sensed=sensed,
        baseline=f"{baseline[:2]}.{baseline[2:]}" if baseline else None,
        orbit=int(match["orbit"]),
        tile=match["tile"],
        generated=generated,
    )


def parse_datastrip_start(text: str) -> datetime | None:
    """Read the sensing start (UTC) out of a datastrip id; None where it is none.

    The start follows ``_S``; the instant before it is that of processing, which changes when the
    same strip is processed again.
    """
    match = DATASTRIP_ID.fullmatch(text)
    if match is None:
        return None
    try:
        return _instant(match["start"])
    except ValueError:
        return None


def parse_tile(text: str) -> str | None:
    """Normalise an MGRS tile (``T13TEF``, ``MGRS-13TEF``, ``1CCV``) to five characters, or None."""
    match = _TILE.fullmatch(text.strip().upper())
    if match is None or not 1 <= int(match["zone"]) <= 60:
        return None
    return f"{int(match['zone']):02d}{match['rest']}"


def tile_epsg(tile: str) -> int:
    """EPSG code of the WGS84/UTM zone of a five-character MGRS tile (``13TEF`` -> 32613).

    Bands N to X of MGRS lie north of the equator.

    Raises:
        ValueError: The text is no MGRS tile.
    """
    normal = parse_tile(tile)
    if normal is None:
        raise ValueError(f"{tile!r} is no MGRS tile such as 13TEF")
    return (32600 if normal[2] >= "N" else 32700) + int(normal[:2])


def dn_offset(processing_baseline: str) -> int:
    """Digital numbers to add before scaling: ``reflectance = (dn + dn_offset) * 1e-4``.

    From baseline 04.00 (25 January 2022) products carry ``BOA_ADD_OFFSET`` -1000 for each band, so
    that reflectance below zero can be stored. The text may be ``04.00``, ``0400`` or ``N0400``.

    Raises:
        ValueError: The text is no baseline.
    """
    match = _BASELINE.fullmatch(processing_baseline.strip())
    if match is None:
        raise ValueError(f"{processing_baseline!r} is no processing baseline such as 05.11")
    return -1000 if int(match[1]) >= 4 else 0


def _instant(text: str) -> datetime:
    return datetime.strptime(text, "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
