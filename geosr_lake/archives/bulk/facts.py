"""What a dialect says about a batch of items, in columns: `archives.facts` for columns."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from geosr_lake.archives.bulk import values
from geosr_lake.archives.bulk.values import Mask
from geosr_lake.archives.footprints import Footprint
from geosr_lake.archives.item import ARCHIVES

Numbers = tuple[NDArray[np.float64], Mask]
"""Numbers, and where there is one."""


@dataclass
class FactColumns:
    """The canonical columns of a batch, named as in `items`.

    Attributes:
        roles: By role: href of the asset, null where an item has none.
        footprint: Footprints where they follow from the identity (MODIS), one a distinct tile;
            None: the items'.
    """

    sensor: str
    product: pa.Array
    platform: pa.Array
    tile: pa.Array
    group_key: pa.Array
    identity: pa.Array
    version_key: pa.Array
    start_us: NDArray[np.int64]
    end_us: NDArray[np.int64]
    archive: pa.Array
    roles: dict[str, pa.Array]
    licence: pa.Array
    cloud_frac: Numbers
    snow_frac: Numbers | None = None
    gsd_m: Numbers | None = None
    sun_elevation_deg: Numbers | None = None
    tier: pa.Array | None = None
    epsg: tuple[NDArray[np.int64], Mask] | None = None
    transform: Numbers | None = None
    processing_baseline: pa.Array | None = None
    dn_offset: pa.Array | None = None
    footprint: dict[str, Footprint] | None = None


def version_key(
    count: int,
    *,
    roles: dict[str, pa.Array],
    archive: pa.Array,
    updated: pa.Array,
    baseline: pa.Array | str = "",
    processed: pa.Array | str = "",
    tier: pa.Array | str = "0",
) -> pa.Array:
    """Return what orders the items of one scene: `archives.facts.Version.key` for columns."""

    def padded(part: pa.Array | str, width: int) -> pa.Array:
        column = values.same(part, count) if isinstance(part, str) else part
        return pc.utf8_rpad(column, width, "0")

    number = np.zeros(count, np.int64)
    for href in roles.values():
        number += values.valid(href)
    parts = (
        values.each_distinct(pa.array(np.minimum(number, 99)), lambda n: f"{n:02d}"),
        padded(baseline, 5),
        padded(processed, 22),
        values.same(tier, count) if isinstance(tier, str) else tier,
        values.each_distinct(archive, lambda name: str(ARCHIVES.index(name))),
        padded(updated, 22),
    )
    return pc.binary_join_element_wise(*parts, "|")


def days(texts: pa.Array) -> tuple[NDArray[np.int64], Mask]:
    """Return the days that texts of eight digits name, in microseconds, and which are days."""
    iso = values.joined(
        pc.utf8_slice_codeunits(texts, 0, 4),
        "-",
        pc.utf8_slice_codeunits(texts, 4, 6),
        "-",
        pc.utf8_slice_codeunits(texts, 6, 8),
        "T00:00:00Z",
    )
    return values.parse_times(iso)


def near_day(
    start_us: NDArray[np.int64], end_us: NDArray[np.int64], day_us: NDArray[np.int64]
) -> Mask:
    """Tell which intervals lie within a day of a day: `archives.times.near_day` for columns."""
    day = values.US_A_DAY
    return np.asarray((start_us < day_us + 2 * day) & (end_us >= day_us - day))


def begins_near(start_us: NDArray[np.int64], day_us: NDArray[np.int64]) -> Mask:
    """Tell which moments lie within a day of a day: `archives.times.begins_near` for columns."""
    day = values.US_A_DAY
    return np.asarray((start_us < day_us + 2 * day) & (start_us >= day_us - day))
