"""MODIS items in columns: `archives.modis` for those in their plain form."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from geosr_lake.archives import modis as dialect
from geosr_lake.archives.bulk import texts, values
from geosr_lake.archives.bulk.facts import FactColumns, version_key
from geosr_lake.archives.bulk.frame import Frame
from geosr_lake.archives.bulk.values import Mask
from geosr_lake.archives.footprints import Footprint
from geosr_lake.archives.reasons import Rejected
from geosr_lake.sensors import modis

Times = NDArray[np.int64]
_TILE = ("modis:horizontal-tile", "modis:vertical-tile")
TEXTS = ()
NUMBERS = _TILE
FLAGS = ()
ROLES_OF = ("MOD", "MYD", "MCD")
GRID_KEYS = ()

_ID = values.whole(modis.GRANULE_ID.pattern)


def recognises(frame: Frame) -> Mask:
    """Tell which items are named as granules of products with surface reflectance."""
    product = pc.struct_field(pc.extract_regex(frame.item_id, _ID), "product")
    return values.mask(
        pc.is_in(pc.utf8_slice_codeunits(product, 3), value_set=pa.array(dialect.PRODUCTS))
    )


def read(frame: Frame) -> FactColumns:
    """Return what the items say."""
    count = len(frame)
    frame.need(~frame.begins("landsat", "platform"))
    frame.need(~frame.begins("sentinel-2", "platform", "constellation"))
    granule = pc.extract_regex(frame.item_id, _ID)
    product, year, day_of_year, h, v, collection, production = (
        pc.struct_field(granule, name) for name in modis.GRANULE_ID.groupindex
    )
    for name, part in zip(_TILE, (h, v), strict=True):
        stated, there = frame.number(name)
        frame.need(~there | (stated == part.cast(pa.int64()).to_numpy()))
    tile = values.joined("h", h, "v", v)
    footprints = _footprints(tile)
    short = pc.utf8_slice_codeunits(product, 3)
    day_us, start_us, end_us = _times(frame, short, year, day_of_year)
    identity = values.joined(product, "|", collection, "|", tile, "|", texts.iso_days(day_us))
    roles = _roles(frame)
    archive = frame.archive()
    gsd_m = values.each_distinct(short, lambda name: dialect.PRODUCTS[name].gsd_m, pa.float64())
    return FactColumns(
        sensor=modis.SENSOR.name,
        product=values.joined(product, ".", collection),
        platform=values.each_distinct(
            pc.utf8_slice_codeunits(product, 1, 2), dialect.PLATFORMS.__getitem__
        ),
        tile=tile,
        group_key=values.joined(f"{modis.SENSOR.name}|", identity),
        identity=identity,
        version_key=version_key(
            count,
            roles=roles,
            processed=production,
            archive=archive,
            updated=frame.stamp("updated", "created"),
        ),
        start_us=start_us,
        end_us=end_us,
        archive=archive,
        roles=roles,
        licence=frame.licence(dialect.LICENCE),
        cloud_frac=frame.frac("eo:cloud_cover"),
        gsd_m=(gsd_m.to_numpy(), np.ones(count, bool)),
        transform=frame.transform(),
        footprint=footprints,
    )


def _footprints(tile: pa.Array) -> dict[str, Footprint]:
    """Return the ground of each distinct tile; none where the grid has no such tile."""
    found = {}
    for name in tile.unique().to_pylist():
        place = modis.parse_tile(name)
        if place is not None:
            try:
                found[name] = dialect.tile_footprint(*place)
            except Rejected:
                continue
    return found


def _times(
    frame: Frame, short: pa.Array, year: pa.Array, day_of_year: pa.Array
) -> tuple[Times, Times, Times]:
    """Return the day of the id, and start and end of the interval, in microseconds."""
    number = day_of_year.cast(pa.int64()).to_numpy() - 1
    years = (year.cast(pa.int64()).to_numpy() - 1970).astype("datetime64[Y]")
    day = years.astype("datetime64[D]") + number
    frame.need((number >= 0) & (day.astype("datetime64[Y]") == years))
    day_us = day.astype("datetime64[us]").astype(np.int64)
    before, whole = (
        values.each_distinct(short, length, pa.int64()).to_numpy() * values.US_A_DAY
        for length in (
            lambda name: dialect.PRODUCTS[name].days_before,
            lambda name: dialect.PRODUCTS[name].days,
        )
    )
    start_us = day_us - before
    frame.need((start_us >= values.EARLIEST_US) & (start_us < values.LATEST_US))
    return day_us, start_us, start_us + whole


def _roles(frame: Frame) -> dict[str, pa.Array]:
    """Return role -> href of the files with data: `archives.modis` for columns."""
    roles: dict[str, pa.Array] = {}
    for key, asset in frame.assets.items():
        known = key in dialect.ROLES or key in modis.SENSOR.asset_roles
        href = asset.href if known else values.only(asset.is_data, asset.href)
        frame.need(~values.valid(href) | texts.is_plain_href(href))
        role = dialect.ROLES.get(key, key)
        if role in roles:
            frame.need(~values.valid(href) | ~values.valid(roles[role]))
            href = pc.coalesce(roles[role], href)
        roles[role] = href
    return {role: href for role, href in roles.items() if href.null_count < len(frame)}
