"""MODIS land items: everything that matters stands in the id, and is right there.

Dates, tile and footprint of an item are those of its id: stated ends are written in many ways,
rings go round the granule instead of the tile, and two items of one granule differ in `datetime`.
"""

import re
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

from geosr_lake.archives.facts import Facts, Version, group
from geosr_lake.archives.footprints import Footprint, of_polygon
from geosr_lake.archives.item import Item, archive_of, finite, licence_of
from geosr_lake.archives.projection import transform_of
from geosr_lake.archives.reasons import Rejected
from geosr_lake.archives.record import require
from geosr_lake.archives.times import Interval, stamp, whole_days
from geosr_lake.sensors import modis

LICENCE = "Public domain (NASA)"


@dataclass(frozen=True, slots=True)
class Product:
    """How long a product looks at the ground, from which day, and how finely.

    Attributes:
        days: Length of the interval.
        gsd_m: Nominal pixel.
        days_before: Days of the interval that lie before the day of the id.
    """

    days: int
    gsd_m: float
    days_before: int = 0


PRODUCTS: dict[str, Product] = {
    "09GA": Product(1, 500.0),
    "09GQ": Product(1, 250.0),
    "09A1": Product(8, 500.0),
    "09Q1": Product(8, 250.0),
    "13A1": Product(16, 500.0),
    "13Q1": Product(16, 250.0),
    "43A4": Product(16, 500.0, days_before=8),
}
"""Products with surface reflectance, by the last four characters of their short name.

Composites start at the day of the id and run on over New Year (MODIS Surface Reflectance User's
Guide, MODIS Vegetation Index User's Guide, collection 6.1). 43A4 is made every day from 16 days of
looks and dated by the ninth of them (MODIS BRDF/Albedo User Guide, collection 6.1).
"""

_LIKE_AN_ID = re.compile(r"M[OYC]D\d{2}\w{0,5}\.A\d{7}")
PLATFORMS = {"O": "terra", "Y": "aqua", "C": "terra,aqua"}
ROLES = {"sur_refl_state_500m": "state", "sur_refl_day_of_year": "day_of_year"}


def recognises(item: Item) -> bool:
    """Tell whether the item is of this sensor."""
    return _LIKE_AN_ID.match(item.id) is not None or item.collection.lower().startswith("modis")


def interval(product: Product, day: date) -> Interval:
    """Return the interval of a product whose id names `day`."""
    return whole_days(day - timedelta(days=product.days_before), product.days)


@lru_cache(maxsize=512)
def tile_footprint(h: int, v: int) -> Footprint:
    """Return the ground of a tile.

    Raises:
        Rejected: If the grid has no such tile.
    """
    try:
        return of_polygon(modis.tile_polygon(h, v))
    except ValueError:
        raise Rejected("id_not_understood") from None


def read(item: Item) -> Facts:
    """Return what a MODIS item says.

    Raises:
        Rejected: If the product holds no surface reflectance, the id names no granule, or the
            properties name another tile.
    """
    granule = modis.parse_granule_id(item.id)
    if granule is None:
        raise Rejected("id_not_understood")
    product = PRODUCTS.get(granule.product[3:])
    if product is None:
        raise Rejected("product_not_paired")
    h, v = finite(item.prop("modis:horizontal-tile")), finite(item.prop("modis:vertical-tile"))
    require(h in (None, granule.h) and v in (None, granule.v), "tile_contradicts_id")
    identity, group_key = group(
        modis.SENSOR.name,
        granule.product,
        granule.collection,
        granule.tile,
        granule.day.isoformat(),
    )
    assets = _assets(item)
    return Facts(
        sensor=modis.SENSOR.name,
        product=f"{granule.product}.{granule.collection}",
        platform=PLATFORMS[granule.product[1]],
        tile=granule.tile,
        group_key=group_key,
        identity=identity,
        version=Version(
            roles=len(assets),
            processed=granule.production,
            archive=archive_of(item),
            updated=stamp(item.prop("updated", "created")),
        ),
        time=interval(product, granule.day),
        assets=assets,
        licence=licence_of(item, LICENCE),
        cloud_frac=item.frac("cloud_out_of_range", "eo:cloud_cover"),
        gsd_m=product.gsd_m,
        transform=transform_of(item),
        footprint=tile_footprint(granule.h, granule.v),
    )


def _assets(item: Item) -> dict[str, str]:
    """Return role -> href of the files with data, the whole granule (``hdf``) included.

    Layers that are no band of the sensor's own product keep the archive's key, so that what
    stands in for it (13Q1, 43A4) can be found.
    """
    return {
        ROLES.get(key, key): asset.href
        for key, asset in item.assets.items()
        if asset.has_role("data") or key in ROLES or key in modis.SENSOR.asset_roles
    }
