"""Landsat 8 and 9 Collection 2 Level-2 surface reflectance (L2SP, L2SR).

Sources: USGS, Landsat 8-9 Collection 2 Level 2 Science Product Guide (bands, scale, offset, fill)
and the MTL files of the products; wavelengths are the centres of OLI's bands.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

from geosr_lake.sensors.model import Sensor, one_file_each, quality_band

SCALE = 2.75e-5
OFFSET = -0.2
GSD_M = 30.0
GRID_OFFSET_M = 15.0
"""Pixel edges lie at odd multiples of 15 m: the product's grid puts pixel centres at whole 30 m."""

SENSOR = Sensor(
    name="landsat",
    bands=(
        *one_file_each(
            (
                ("coastal", "SR_B1 coastal aerosol", GSD_M, 0.443),
                ("blue", "SR_B2 blue", GSD_M, 0.482),
                ("green", "SR_B3 green", GSD_M, 0.561),
                ("red", "SR_B4 red", GSD_M, 0.655),
                ("nir08", "SR_B5 near infrared", GSD_M, 0.865),
                ("swir16", "SR_B6 short-wave infrared", GSD_M, 1.609),
                ("swir22", "SR_B7 short-wave infrared", GSD_M, 2.201),
            ),
            scale=SCALE,
            offset=OFFSET,
            nodata=0,
            dtype="uint16",
        ),
        quality_band("qa_pixel", "QA_PIXEL quality bits", GSD_M, 1, "uint16"),
        quality_band("qa_radsat", "QA_RADSAT saturation and occlusion", GSD_M, None, "uint16"),
    ),
    quality_roles=("qa_pixel", "qa_radsat"),
)

FILE_SUFFIX: dict[str, str] = {
    **{role: f"SR_B{n}" for n, role in enumerate(SENSOR.data_roles, start=1)},
    "qa_pixel": "QA_PIXEL",
    "qa_radsat": "QA_RADSAT",
}
"""Role -> the last part of the product's file name."""

SCENE_ID = re.compile(
    r"(?P<mission>L[COETM]0[1-9])_(?P<level>L[12][A-Z]{2})_(?P<path>\d{3})(?P<row>\d{3})"
    r"_(?P<day>\d{8})(?:_(?P<processed>\d{8}))?_(?P<collection>\d{2})_(?P<tier>T1|T2|RT)"
    r"(?:_(?:SR|ST))?"
)


@dataclass(frozen=True, slots=True)
class SceneId:
    """The parts of a Collection 2 product id.

    Attributes:
        mission: For example ``LC08``: Landsat 8 with both instruments.
        level: For example ``L2SP``.
        path: WRS-2 path.
        row: WRS-2 row.
        day: UTC day of acquisition.
        processed: Day of processing; None where the archive leaves it out.
        collection: Collection number, for example ``02``.
        tier: ``T1``, ``T2`` or ``RT``.
    """

    mission: str
    level: str
    path: int
    row: int
    day: date
    processed: date | None
    collection: str
    tier: str

    @property
    def tile(self) -> str:
        """Path and row as six digits, for example ``033032``."""
        return f"{self.path:03d}{self.row:03d}"


def parse_scene_id(text: str) -> SceneId | None:
    """Read a product id, with or without the processing day and a ``_SR`` or ``_ST`` ending.

    Returns:
        The parts, or None where the text is no such id or names no real day.
    """
    match = SCENE_ID.fullmatch(text)
    if match is None:
        return None
    try:
        day = _day(match["day"])
        processed = _day(match["processed"]) if match["processed"] else None
    except ValueError:
        return None
    return SceneId(
        mission=match["mission"],
        level=match["level"],
        path=int(match["path"]),
        row=int(match["row"]),
        day=day,
        processed=processed,
        collection=match["collection"],
        tier=match["tier"],
    )


def _day(text: str) -> date:
    return date(int(text[:4]), int(text[4:6]), int(text[6:]))
