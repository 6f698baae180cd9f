"""NAIP items: quarter quad and date are the photograph, whatever state published it."""

from geosr_lake.archives.facts import Facts, Version, group
from geosr_lake.archives.item import Asset, Item, archive_of, licence_of, sun_elevation_of
from geosr_lake.archives.projection import epsg_of, transform_of
from geosr_lake.archives.reasons import Rejected
from geosr_lake.archives.record import require
from geosr_lake.archives.times import near_day, stamp, stated_interval, whole_days
from geosr_lake.sensors import naip

PRODUCT = "NAIP"
LICENCE = "Public domain (USDA Farm Service Agency)"
IMAGE_KEYS = ("image", "analytic", "GEOTIFF_RGBIR", "rgbir")
"""Keys of the four-band file; the first that is there counts."""


def recognises(item: Item) -> bool:
    """Tell whether the item is of this sensor."""
    hints = (item.collection, item.text("mission") or "", item.text("constellation") or "")
    return naip.parse_photo_id(item.id) is not None or any("naip" in h.lower() for h in hints)


def read(item: Item) -> Facts:
    """Return what a NAIP item says.

    The time of day is no time of flight (00:00, 12:00 or 16:00 by vintage): the whole UTC day of
    the id counts.

    Raises:
        Rejected: If the id names no photograph, or its day is another than the item's.
    """
    photo = naip.parse_photo_id(item.id)
    if photo is None:
        raise Rejected("id_not_understood")
    stated = stated_interval(item)
    require(stated is None or near_day(stated, photo.day), "time_contradicts_id")
    image: Asset | None = next((item.assets[key] for key in IMAGE_KEYS if key in item.assets), None)
    identity, group_key = group(naip.SENSOR.name, photo.tile, photo.day.isoformat())
    transform = transform_of(item, image)
    pixel_m = round(transform[0], 6) if transform else None
    gsd_m = item.positive("gsd") or photo.gsd_m or pixel_m
    delivered = item.id.rpartition("_")[2]
    return Facts(
        sensor=naip.SENSOR.name,
        product=PRODUCT,
        platform=None,
        tile=photo.tile,
        group_key=group_key,
        identity=identity,
        version=Version(
            roles=int(image is not None),
            processed=delivered if delivered != f"{photo.day:%Y%m%d}" else "",
            archive=archive_of(item),
            updated=stamp(item.prop("updated", "created")),
        ),
        time=whole_days(photo.day),
        assets={naip.IMAGE: image.href} if image else {},
        licence=licence_of(item, LICENCE),
        cloud_frac=item.frac("cloud_out_of_range", "eo:cloud_cover"),
        gsd_m=round(gsd_m, 6) if gsd_m else None,
        sun_elevation_deg=sun_elevation_of(item),
        epsg=epsg_of(item, image),
        transform=transform,
    )
