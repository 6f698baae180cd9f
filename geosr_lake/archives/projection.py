"""CRS and pixel grid as items state them: EPSG code and affine of the finest grid."""

from functools import lru_cache
from typing import Any

from pyproj import CRS
from pyproj.exceptions import CRSError

from geosr_lake.archives.item import Asset, Item, finite

LOWEST_EPSG, HIGHEST_EPSG = 1024, 32767
"""Codes that EPSG gives out."""
MAX_PIXEL_M = 10_000.0


def epsg_of(item: Item, asset: Asset | None = None) -> int | None:
    """Return the EPSG code of the pixels, from the item or, where it has none, from an asset.

    Reads ``proj:epsg`` (number or text), ``proj:code`` (``EPSG:32613``) and ``proj:wkt2``.
    """
    places = [item.properties, *([asset.fields] if asset else [])]
    for fields in places:
        for name in ("proj:epsg", "proj:code"):
            if (code := code_of(fields.get(name))) is not None:
                return code
    for fields in places:
        wkt = fields.get("proj:wkt2")
        if isinstance(wkt, str) and len(wkt) < 20_000 and (code := _from_wkt(wkt)) is not None:
            return code
    return None


def code_of(value: Any) -> int | None:
    """Return the EPSG code in a number or a text, None where there is none."""
    if isinstance(value, str):
        authority, _, code = value.strip().rpartition(":")
        if authority.upper() not in ("", "EPSG"):
            return None
        value = code
    number = finite(value)
    if number is None or not LOWEST_EPSG <= number <= HIGHEST_EPSG or number % 1:
        return None
    return int(number)


def utm_zone(epsg: int | None) -> int | None:
    """Return the zone of a code of WGS84 / UTM, None for any other."""
    return epsg % 100 if epsg is not None and epsg // 100 in (326, 327) else None


@lru_cache(maxsize=1024)
def _from_wkt(wkt: str) -> int | None:
    try:
        return code_of(CRS.from_wkt(wkt).to_epsg())
    except CRSError:
        return None


def transform_of(item: Item, *assets: Asset | None) -> list[float] | None:
    """Return the affine (a, b, c, d, e, f) of the first of these that states a sound one.

    Asked are the assets in their order, then the item. Only grids with square-on, north-up pixels
    of at most 10 km count; the order of GDAL's geotransform is refused by that.
    """
    places = [asset.fields for asset in assets if asset is not None]
    for fields in (*places, item.properties):
        values = fields.get("proj:transform")
        if isinstance(values, list) and len(values) in (6, 9):
            affine = [number for v in values[:6] if (number := finite(v)) is not None]
            if len(affine) == 6 and _sound(affine):
                return affine
    return None


def _sound(affine: list[float]) -> bool:
    a, b, _, d, e, _ = affine
    return 0 < a <= MAX_PIXEL_M and -MAX_PIXEL_M <= e < 0 and b == 0 and d == 0
