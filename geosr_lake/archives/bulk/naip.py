"""NAIP items in columns: `archives.naip` for those in their plain form."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from geosr_lake.archives import naip as dialect
from geosr_lake.archives.bulk import texts, values
from geosr_lake.archives.bulk.facts import (
    FactColumns,
    Numbers,
    days,
    near_day,
    version_key,
)
from geosr_lake.archives.bulk.frame import Frame
from geosr_lake.archives.bulk.values import Mask
from geosr_lake.sensors import naip

TEXTS = ()
NUMBERS = ("gsd",)
FLAGS = ()
ROLES_OF = ()
GRID_KEYS = dialect.IMAGE_KEYS

_ID = values.whole(naip.ITEM_ID.pattern)


def recognises(frame: Frame) -> Mask:
    """Tell which items are named as photographs are."""
    return values.matches(pc.utf8_lower(frame.item_id), _ID)


def read(frame: Frame) -> FactColumns:
    """Return what the items say."""
    count = len(frame)
    frame.need(~frame.begins("landsat", "platform"))
    frame.need(~frame.begins("sentinel-2", "platform", "constellation"))
    frame.need(~values.mask(pc.starts_with(pc.utf8_lower(frame.collection), "modis")))
    parts = pc.extract_regex(pc.utf8_lower(frame.item_id), _ID)
    quad, quarter, token, day = (
        pc.struct_field(parts, name) for name in ("quad", "quarter", "gsd", "day")
    )
    day_us, is_day = days(day)
    frame.need(is_day)
    start, end, stated = frame.interval()
    frame.need(~stated | near_day(start, end, day_us))
    image = frame.asset(*dialect.IMAGE_KEYS)
    roles = {naip.IMAGE: image.href}
    tile = values.joined(quad, "_", quarter)
    identity = values.joined(tile, "|", texts.iso_days(day_us))
    delivered = pc.utf8_slice_codeunits(frame.item_id, -8, None)
    archive = frame.archive()
    epsg, has_epsg = frame.epsg()
    frame.need(has_epsg)
    transform = frame.transform(image)
    return FactColumns(
        sensor=naip.SENSOR.name,
        product=values.same(dialect.PRODUCT, count),
        platform=values.nulls(count),
        tile=tile,
        group_key=values.joined(f"{naip.SENSOR.name}|", identity),
        identity=identity,
        version_key=version_key(
            count,
            roles=roles,
            processed=pc.if_else(pc.equal(delivered, day), "", delivered),
            archive=archive,
            updated=frame.stamp("updated", "created"),
        ),
        start_us=day_us,
        end_us=day_us + values.US_A_DAY,
        archive=archive,
        roles=roles,
        licence=frame.licence(dialect.LICENCE),
        cloud_frac=frame.frac("eo:cloud_cover"),
        gsd_m=_gsd(frame, token, transform),
        sun_elevation_deg=frame.sun_elevation(),
        epsg=(epsg, has_epsg),
        transform=transform,
    )


def _gsd(frame: Frame, token: pa.Array, transform: Numbers) -> Numbers:
    """Return the pixel as stated, else as the id has it, else as the grid has it."""
    stated, _ = frame.number("gsd")
    named = values.each_distinct(token, naip.GSD_BY_TOKEN.get, pa.float64())
    own_m = np.where(stated > 0, stated, pc.fill_null(named, 0.0).to_numpy())
    pixel_m = np.where(transform[1], transform[0][:, 0], 0.0)
    gsd_m = np.where(own_m > 0, own_m, pixel_m)
    rounded = values.each_distinct(pa.array(gsd_m), lambda m: round(m, 6), pa.float64())
    rounded_m = rounded.to_numpy(zero_copy_only=False)
    return rounded_m, (own_m > 0) | (rounded_m > 0)
