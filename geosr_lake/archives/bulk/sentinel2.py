"""Sentinel-2 items in columns: `archives.sentinel2` for those in their plain form."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from geosr_lake.archives import sentinel2 as dialect
from geosr_lake.archives.bulk import texts, values
from geosr_lake.archives.bulk.facts import FactColumns, begins_near, version_key
from geosr_lake.archives.bulk.frame import Frame
from geosr_lake.archives.bulk.values import Mask
from geosr_lake.sensors import sentinel2

_NAMES = ("product_uri", "product_title", "tile_id", "granule_id")
_BOTH = ("product_type", "mgrs_tile", "datastrip_id", "processing_baseline")
TEXTS = (
    *("grid:code", "processing:version", "mgrs:latitude_band", "mgrs:grid_square"),
    *(name for key in (*_NAMES, *_BOTH, "generation_time") for name in dialect.spellings(key)),
)
NUMBERS = (
    *("eo:snow_cover", "mgrs:utm_zone"),
    *dialect.spellings("snow_ice_percentage"),
    *dialect.spellings("mean_solar_zenith"),
)
FLAGS = ("sentinel:valid_cloud_cover", "earthsearch:boa_offset_applied")
ROLES_OF = ()
GRID_KEYS = tuple(key for role in ("B02", "B04", "B08") for key in dialect.asset_keys(role))

_LONG_ID = values.whole(sentinel2.PRODUCT_ID.pattern)
_SHORT_ID = r"^S2[A-D]_(?P<tile>\d{1,2}[C-HJ-NP-X][A-HJ-NP-Z]{2})_\d{8}_\d+_L2A$"
_STRIP = values.whole(sentinel2.DATASTRIP_ID.pattern)
_MAX_ZONE = 100
_ANOTHER_LEVEL = "L1"
_US_A_ZONE = 24 * 60 * 1_000_000
"""Local solar time changes by 24 minutes from one UTM zone to the next."""


def recognises(frame: Frame) -> Mask:
    """Tell which items are named as Planetary Computer (as ESA) or Earth Search name them."""
    ids = frame.item_id
    found = values.matches(ids, _LONG_ID)
    return found if found.all() else found | values.matches(ids, _SHORT_ID)


def read(frame: Frame) -> FactColumns:
    """Return what the items say."""
    count = len(frame)
    _check_level(frame)
    unit = pc.utf8_lower(pc.utf8_slice_codeunits(frame.item_id, 2, 3))
    platform = values.joined("sentinel-2", unit)
    tile = _tile(frame)
    strip, strip_us = _strip(frame)
    time_us, has_time = frame.moment("datetime")
    frame.need(has_time)
    has_strip = values.valid(strip)
    strip_day_us = strip_us - strip_us % values.US_A_DAY
    frame.need(~has_strip | begins_near(time_us, strip_day_us))
    day = texts.iso_days(_solar_us(np.where(has_strip, strip_us, time_us), tile))
    baseline = frame.text(*dialect.spellings("processing_baseline"), "processing:version")
    frame.need(values.matches(baseline, values.whole(r"\d{2}\.\d{2}")))
    generated = frame.stamp(*dialect.spellings("generation_time"))
    frame.need(values.mask(pc.not_equal(generated, "")))
    files = {role: frame.asset(*dialect.asset_keys(role)) for role in dialect.ROLES}
    roles = {role: asset.href for role, asset in files.items()}
    archive = frame.archive()
    epsg, has_epsg = frame.epsg()
    frame.need(has_epsg & (epsg % 100 == _zone(tile)))
    return FactColumns(
        sensor=sentinel2.SENSOR.name,
        product=values.same(dialect.PRODUCT, count),
        platform=platform,
        tile=tile,
        group_key=values.joined(f"{sentinel2.SENSOR.name}|", platform, "|", tile, "|", day),
        identity=values.joined(platform, "|", tile, "|", strip),
        version_key=version_key(
            count,
            roles=roles,
            baseline=baseline,
            processed=generated,
            archive=archive,
            updated=frame.stamp("updated", "created"),
        ),
        start_us=time_us,
        end_us=time_us,
        archive=archive,
        roles=roles,
        licence=frame.licence(dialect.LICENCE),
        cloud_frac=_cloud(frame),
        snow_frac=frame.frac(*dialect.spellings("snow_ice_percentage"), "eo:snow_cover"),
        sun_elevation_deg=frame.sun_elevation(*dialect.spellings("mean_solar_zenith")),
        gsd_m=(np.full(count, dialect.GSD_M), np.ones(count, bool)),
        epsg=(epsg, has_epsg),
        transform=frame.transform(*(files[role] for role in ("B02", "B04", "B08"))),
        processing_baseline=baseline,
        dn_offset=_dn_offset(frame, baseline),
    )


def _check_level(frame: Frame) -> None:
    """Leave to the reference what may be another product than Level-2A."""
    kind = frame.text(*dialect.spellings("product_type"))
    frame.need(~values.valid(kind) | values.mask(pc.equal(kind, dialect.PRODUCT)))
    names = [frame.text(*dialect.spellings(name)) for name in _NAMES]
    for name in (frame.item_id, *names):
        frame.need(~values.mask(pc.match_substring(name, _ANOTHER_LEVEL)))
    frame.need(~frame.begins("landsat", "platform"))


def _tile(frame: Frame) -> pa.Array:
    """Return the tile of the id; what the properties say must be the same in plain letters."""
    ids = frame.item_id
    named = pc.struct_field(pc.extract_regex(ids, _LONG_ID), "tile")
    if named.null_count:
        short = pc.struct_field(pc.extract_regex(ids, _SHORT_ID), "tile")
        named = pc.coalesce(named, short)
    tile = values.each_distinct(named, sentinel2.parse_tile)
    frame.need(values.valid(tile))
    for stated in (frame.text(*dialect.spellings("mgrs_tile")), frame.text("grid:code")):
        plain = values.each_distinct(stated, sentinel2.parse_tile)
        frame.need(~values.valid(plain) | values.mask(pc.equal(plain, tile)))
    zone, has_zone = frame.number("mgrs:utm_zone")
    if not has_zone.any():
        return tile
    frame.need(np.abs(zone) < _MAX_ZONE)
    zone = np.where(frame.ok, zone, 0)
    band, square = frame.text("mgrs:latitude_band"), frame.text("mgrs:grid_square")
    whole = pa.array(np.abs(zone).astype(np.int64)).cast(pa.string())
    written = values.each_distinct(values.joined(whole, band, square), sentinel2.parse_tile)
    asked = has_zone & values.valid(band) & values.valid(square)
    frame.need(~asked | values.mask(pc.equal(written, tile)))
    return tile


def _strip(frame: Frame) -> tuple[pa.Array, NDArray[np.int64]]:
    """Return the datastrip's start as a text and in microseconds; null where there is none."""
    name = frame.text(*dialect.spellings("datastrip_id"))
    start = pc.struct_field(pc.extract_regex(name, _STRIP), "start")
    frame.need(~values.valid(name) | values.valid(start))
    cuts = ((0, 4), (4, 6), (6, 8), (9, 11), (11, 13), (13, 15))
    year, month, day, hour, minute, second = (
        pc.utf8_slice_codeunits(start, begin, end) for begin, end in cuts
    )
    iso = values.joined(year, "-", month, "-", day, "T", hour, ":", minute, ":", second, "Z")
    us, sound = values.parse_times(iso)
    frame.need(~values.valid(start) | sound)
    return start, us


def _solar_us(us: NDArray[np.int64], tile: pa.Array) -> NDArray[np.int64]:
    """Return local solar time: `archives.sentinel2.solar_day` before its day is taken."""
    return np.asarray(us + (_zone(tile) * 2 - 61) * _US_A_ZONE // 2)


def _zone(tile: pa.Array) -> NDArray[np.int64]:
    """Return the UTM zone of each tile, 0 where there is none."""
    zone = pc.fill_null(pc.utf8_slice_codeunits(tile, 0, 2).cast(pa.int64()), 0)
    return np.asarray(zone.to_numpy())


def _cloud(frame: Frame) -> tuple[NDArray[np.float64], Mask]:
    # An archive's own doubt about the number is rare and has a rule of its own.
    frame.need(~frame.has("sentinel:valid_cloud_cover"))
    return frame.frac("eo:cloud_cover")


def _dn_offset(frame: Frame, baseline: pa.Array) -> pa.Array:
    offset = values.each_distinct(baseline, _offset, pa.int64())
    applied = frame.properties.get("earthsearch:boa_offset_applied")
    if applied is None or applied.null_count == len(frame):
        return offset
    if not pa.types.is_boolean(applied.type):
        frame.need(~values.valid(applied))
        return offset
    return values.where(
        values.mask(applied), pa.repeat(pa.scalar(0, pa.int64()), len(frame)), offset
    )


def _offset(baseline: str) -> int | None:
    try:
        return sentinel2.dn_offset(baseline)
    except ValueError:
        return None
