"""Sentinel-2 Level-2A items of every dialect: Planetary Computer, Earth Search, stactools, ESA.

A scene is platform, MGRS tile and the start of the datastrip; the day groups the items that could
be one scene where one of them names no datastrip. It is the local solar day of the tile, not the
UTC day: passes over the antimeridian straddle midnight UTC, and two of them can share a UTC date.
"""

import re
from datetime import date, datetime, timedelta

from geosr_lake.archives.facts import Facts, Version
from geosr_lake.archives.item import Asset, Item, archive_of, finite, licence_of, sun_elevation_of
from geosr_lake.archives.projection import epsg_of, transform_of, utm_zone
from geosr_lake.archives.reasons import Rejected
from geosr_lake.archives.record import require
from geosr_lake.archives.times import Interval, begins_near, parse_time, stamp, stated_interval
from geosr_lake.sensors import sentinel2

LICENCE = "Copernicus Sentinel data, free and open: Legal Notice on the use of Sentinel Data"
PRODUCT = "S2MSI2A"
GSD_M = 10.0

_ID = re.compile(r"S2(?P<unit>[A-D])_(?P<rest>.+)")
_TILE_IN_ID = re.compile(r"(?:^|_)T?(\d{1,2}[C-HJ-NP-X][A-HJ-NP-Z]{2})(?=_|$|\.)")
_LEVEL = re.compile(r"L1[ABC]|L2A")
_BASELINE = re.compile(r"(?:^|_)N(\d{2})\.?(\d{2})(?=_|$)")
_PLAIN_BASELINE = re.compile(r"\d{2}\.\d{2}")
_GENERATED = re.compile(r"_(\d{8}T\d{6})(?:_|\.SAFE|$)")
_PLATFORM = re.compile(r"(?:sentinel-?|s)2([a-d])", re.IGNORECASE)
_COMMON_NAMES = {
    "B01": "coastal",
    "B02": "blue",
    "B03": "green",
    "B04": "red",
    "B05": "rededge1",
    "B06": "rededge2",
    "B07": "rededge3",
    "B08": "nir",
    "B8A": "nir08",
    "B09": "nir09",
    "B11": "swir16",
    "B12": "swir22",
    "SCL": "scl",
}
"""Asset keys of Earth Search and stactools; Planetary Computer uses the bands' own names."""
ROLES = tuple(_COMMON_NAMES)


def recognises(item: Item) -> bool:
    """Tell whether the item is of this sensor."""
    hints = (item.text("constellation") or "", item.text("platform") or "")
    return _ID.match(item.id) is not None or any(
        h.lower().replace(" ", "-").startswith("sentinel-2") for h in hints
    )


def spellings(name: str) -> tuple[str, str]:
    """Return a property's name in both spellings of the extension's prefix."""
    return f"s2:{name}", f"sentinel2:{name}"


def read(item: Item) -> Facts:
    """Return what a Sentinel-2 item says.

    Raises:
        Rejected: If it is no Level-2A product, does not say which platform and tile it shows or
            when, or says two things at once.
    """
    names = _names(item)
    kind = item.text(*spellings("product_type"))
    level = next((found[0] for name in names if (found := _LEVEL.search(name))), None)
    require(kind in (None, PRODUCT) and level in (None, "L2A"), "product_not_paired")
    platform, tile = _platform(item), _tile(item)
    strip = _datastrip_start(item)
    time = _time(item, strip)
    require(strip is None or begins_near(time.start, strip.date()), "time_contradicts_id")
    day = solar_day(strip or time.start, tile)
    identity = f"{platform}|{tile}|{strip:%Y%m%dT%H%M%S}" if strip else None
    baseline = _baseline(item, names)
    files = _files(item)
    finest = files.get("B02") or files.get("B04") or next(iter(files.values()), None)
    epsg = epsg_of(item, finest)
    require(utm_zone(epsg) in (None, int(tile[:2])), "tile_contradicts_id")
    return Facts(
        sensor=sentinel2.SENSOR.name,
        product=PRODUCT,
        platform=platform,
        tile=tile,
        group_key=f"{sentinel2.SENSOR.name}|{platform}|{tile}|{day.isoformat()}",
        identity=identity,
        version=Version(
            roles=len(files),
            baseline=baseline or "",
            processed=_processed(item, names),
            archive=archive_of(item),
            updated=stamp(item.prop("updated", "created")),
        ),
        time=time,
        assets={role: asset.href for role, asset in files.items()},
        licence=licence_of(item, LICENCE),
        cloud_frac=_cloud(item),
        snow_frac=item.frac(
            "snow_out_of_range", *spellings("snow_ice_percentage"), "eo:snow_cover"
        ),
        gsd_m=GSD_M,
        sun_elevation_deg=sun_elevation_of(item, *spellings("mean_solar_zenith")),
        epsg=epsg or sentinel2.tile_epsg(tile),
        transform=transform_of(item, files.get("B02"), files.get("B04"), files.get("B08")),
        processing_baseline=baseline,
        dn_offset=_dn_offset(item, baseline),
    )


def solar_day(moment: datetime, tile: str) -> date:
    """Return the local solar day on which a tile is seen: UTC plus an hour for 15 degrees east.

    A pass is at about 10:30 local time, so no pass straddles the turn of this day below the polar
    circles.
    """
    central_meridian_deg = 6 * int(tile[:2]) - 183
    return (moment + timedelta(hours=central_meridian_deg / 15)).date()


def _names(item: Item) -> tuple[str, ...]:
    """Return the names of the product that the item gives, the id first."""
    given = (
        item.text(*spellings(n)) for n in ("product_uri", "product_title", "tile_id", "granule_id")
    )
    return (item.id, *(name for name in given if name))


def _platform(item: Item) -> str:
    """Return ``sentinel-2a`` to ``sentinel-2d``, from the id or else from the property."""
    found = _ID.match(item.id)
    if found is not None:
        return f"sentinel-2{found['unit'].lower()}"
    named = _PLATFORM.fullmatch((item.text("platform") or "").replace(" ", ""))
    if named is None:
        raise Rejected("id_not_understood")
    return f"sentinel-2{named[1].lower()}"


def _tile(item: Item) -> str:
    """Return the MGRS tile; what the properties say must be what the id says."""
    zone = finite(item.prop("mgrs:utm_zone"))
    parts = (item.text("mgrs:latitude_band"), item.text("mgrs:grid_square"))
    texts = [item.text(*spellings("mgrs_tile")), item.text("grid:code")]
    if zone is not None and all(parts):
        texts.append(f"{int(zone)}{parts[0]}{parts[1]}")
    texts += _TILE_IN_ID.findall(item.id)
    tiles = {tile for text in texts if text and (tile := sentinel2.parse_tile(text))}
    require(tiles, "id_not_understood")
    require(len(tiles) == 1, "tile_contradicts_id")
    return tiles.pop()


def _datastrip_start(item: Item) -> datetime | None:
    name = item.text(*spellings("datastrip_id"))
    start = sentinel2.parse_datastrip_start(name) if name else None
    return parse_time(start) if start else None


def _time(item: Item, strip: datetime | None) -> Interval:
    """Return when the scene was seen; the datastrip or the product's name may have to serve."""
    if (stated := stated_interval(item)) is not None:
        return stated
    product = sentinel2.parse_product_id(item.id)
    moment = strip or (product.sensed if product else None)
    if moment is None:
        raise Rejected("time_missing")
    moment = parse_time(moment)
    return Interval(moment, moment)


def _baseline(item: Item, names: tuple[str, ...]) -> str | None:
    """Return the processing baseline as ``05.11``."""
    stated = item.text(*spellings("processing_baseline"), "processing:version") or ""
    if _PLAIN_BASELINE.fullmatch(stated):
        return stated
    for name in (*names, item.text(*spellings("datastrip_id")) or ""):
        if (found := _BASELINE.search(name)) is not None:
            return f"{found[1]}.{found[2]}"
    return None


def _processed(item: Item, names: tuple[str, ...]) -> str:
    """Return when the product was generated: as stated, else the last time in its name."""
    if (stated := stamp(item.prop(*spellings("generation_time")))) != "":
        return stated
    times = [found for name in names for found in _GENERATED.findall(name)[-1:]]
    return max(times, default="")


def _files(item: Item) -> dict[str, Asset]:
    """Return role -> asset, the finest resolution where there are several."""
    files = {}
    for role in ROLES:
        for key in asset_keys(role):
            if key in item.assets:
                files[role] = item.assets[key]
                break
    return files


def asset_keys(role: str) -> tuple[str, ...]:
    """Return the keys that a role's asset may have; the first that is there counts."""
    common, native = _COMMON_NAMES[role], f"{int(sentinel2.SENSOR.band(role).gsd_m)}m"
    return (role, f"{role}_{native}", common, f"{common}_{native}")


def _cloud(item: Item) -> float | None:
    """Return the cloud share; null where the archive itself calls the number invalid."""
    if item.prop("sentinel:valid_cloud_cover") is False:
        return None
    return item.frac("cloud_out_of_range", "eo:cloud_cover")


def _dn_offset(item: Item, baseline: str | None) -> int | None:
    """Return what is to be added to the digital numbers; null where the baseline is unknown.

    Earth Search adds the offset to the pixels that it serves and says so.
    """
    if item.prop("earthsearch:boa_offset_applied") is True:
        return 0
    return None if baseline is None else sentinel2.dn_offset(baseline)
