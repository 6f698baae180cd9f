"""Landsat items in columns: `archives.landsat` for those in their plain form."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from geosr_lake.archives import landsat as dialect
from geosr_lake.archives.bulk import texts, values
from geosr_lake.archives.bulk.facts import FactColumns, begins_near, days, version_key
from geosr_lake.archives.bulk.frame import Frame
from geosr_lake.archives.bulk.values import Mask
from geosr_lake.sensors import landsat

TEXTS = ("landsat:wrs_path", "landsat:wrs_row", dialect.TIER)
NUMBERS = ("gsd",)
FLAGS = ()
ROLES_OF = ()
GRID_KEYS = landsat.SENSOR.asset_roles

_ID = values.whole(landsat.SCENE_ID.pattern)


def recognises(frame: Frame) -> Mask:
    """Tell which items are named as Planetary Computer and USGS name scenes of Collection 2."""
    return values.matches(frame.item_id, _ID)


def read(frame: Frame) -> FactColumns:
    """Return what the items say."""
    count = len(frame)
    parts = pc.extract_regex(frame.item_id, _ID)
    mission, level, path, row, day, processed, collection, tier = (
        pc.struct_field(parts, name) for name in landsat.SCENE_ID.groupindex
    )
    frame.need(values.mask(pc.is_in(level, value_set=pa.array(dialect.LEVELS))))
    frame.need(~values.mask(pc.ends_with(frame.item_id, "_ST")))
    for name, part in (("landsat:wrs_path", path), ("landsat:wrs_row", row)):
        stated, there = frame.number(name)
        frame.need(~there | (stated == part.cast(pa.int64()).to_numpy()))
    day_us, is_day = days(day)
    frame.need(is_day)
    files = {role: frame.asset(role).href for role in landsat.SENSOR.asset_roles}
    tile = values.joined(path, row)
    identity = values.joined(mission, "|", tile, "|", texts.iso_days(day_us))
    archive = frame.archive()
    epsg, has_epsg = frame.epsg()
    frame.need(has_epsg)
    start_us, end_us = _interval(frame, day_us)
    return FactColumns(
        sensor=landsat.SENSOR.name,
        product=values.joined(level, ".", collection),
        platform=values.joined("landsat-", pc.utf8_slice_codeunits(mission, 3, 4)),
        tile=tile,
        group_key=values.joined(f"{landsat.SENSOR.name}|", identity),
        identity=identity,
        version_key=version_key(
            count,
            roles=files,
            processed=_processed(frame, processed),
            tier=values.each_distinct(tier, lambda name: str(dialect.TIERS[name])),
            archive=archive,
            updated=frame.stamp("updated", "created"),
        ),
        start_us=start_us,
        end_us=end_us,
        archive=archive,
        roles=files,
        licence=frame.licence(dialect.LICENCE),
        cloud_frac=_cloud(frame),
        gsd_m=_gsd(frame),
        sun_elevation_deg=frame.sun_elevation(),
        tier=_tier(frame, tier),
        epsg=(epsg, has_epsg),
        transform=frame.transform(frame.asset("red", *files)),
    )


def _interval(
    frame: Frame, day_us: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the instant; the whole day where an old item writes midnight, or nothing."""
    start, end, stated = frame.interval()
    frame.need(~stated | begins_near(start, day_us))
    whole = ~stated | ((start == end) & (start % values.US_A_DAY == 0))
    return np.where(whole, day_us, start), np.where(whole, day_us + values.US_A_DAY, end)


def _cloud(frame: Frame) -> tuple[NDArray[np.float64], Mask]:
    # USGS writes -1 where the share was not computed.
    percent, there = frame.number("eo:cloud_cover")
    known = there & (percent != -1)
    frame.need(~known | ((percent >= 0) & (percent <= 100)))
    return percent / 100, known


def _gsd(frame: Frame) -> tuple[NDArray[np.float64], Mask]:
    gsd_m, _ = frame.number("gsd")
    return np.where(gsd_m > 0, gsd_m, landsat.GSD_M), np.ones(len(frame), bool)


def _tier(frame: Frame, named: pa.Array) -> pa.Array:
    """Return the tier as stated, else as the id has it."""
    stated = frame.text(dialect.TIER)
    return pc.if_else(pc.is_in(stated, value_set=pa.array(list(dialect.TIERS))), stated, named)


def _processed(frame: Frame, named: pa.Array) -> pa.Array:
    """Return the processing day of the id, else the last one in the names of the files."""
    in_id = values.mask(pc.not_equal(named, ""))
    _, is_day = days(named)
    frame.need(is_day | ~in_id)
    found = values.only(in_id, named)
    for asset in frame.assets.values() if not in_id.all() else ():
        plain = texts.is_plain_href(asset.href)
        day = pc.struct_field(pc.extract_regex(asset.href, dialect.FILE.pattern), "processed")
        frame.need(
            ~values.valid(asset.href) | plain | (texts.has_scheme(asset.href) & ~values.valid(day))
        )
        found = pc.if_else(pa.array(in_id), found, pc.max_element_wise(found, day))
    return pc.fill_null(found, "")
