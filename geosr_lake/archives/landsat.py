"""Landsat Collection 2 Level-2 items: one scene for the ids of every archive.

Planetary Computer and Earth Search leave the processing day out of the id, USGS adds ``_SR``.
"""

import re

from geosr_lake.archives.facts import Facts, Version, group
from geosr_lake.archives.item import Item, archive_of, finite, licence_of, sun_elevation_of
from geosr_lake.archives.projection import epsg_of, transform_of
from geosr_lake.archives.reasons import Rejected
from geosr_lake.archives.record import require
from geosr_lake.archives.times import (
    Interval,
    begins_near,
    is_midnight,
    stamp,
    stated_interval,
    whole_days,
)
from geosr_lake.sensors import landsat

LICENCE = "Public domain (U.S. Geological Survey)"
LEVELS = ("L2SP", "L2SR")
"""Levels with surface reflectance; L2SR has no temperature."""
TIERS = {"RT": 1, "T2": 2, "T1": 3}
TIER = "landsat:collection_category"
"""The property that states the tier, which the id has too."""
_LIKE_AN_ID = re.compile(r"L[COETM]0\d_L\d", re.IGNORECASE)
FILE = re.compile(r"L[COETM]0\d_L2S[PR]_\d{6}_\d{8}_(?P<processed>\d{8})_\d{2}_(?:T1|T2|RT)")


def recognises(item: Item) -> bool:
    """Tell whether the item is of this sensor."""
    platform = (item.text("platform") or "").lower()
    return _LIKE_AN_ID.match(item.id) is not None or platform.startswith("landsat")


def read(item: Item) -> Facts:
    """Return what a Landsat item says.

    Raises:
        Rejected: If the product holds no surface reflectance, the id names no scene, or
            properties or time contradict it.
    """
    scene = landsat.parse_scene_id(item.id)
    if scene is None:
        raise Rejected("id_not_understood")
    # A scene is published as two items by USGS: _SR and _ST, which holds the temperature.
    require(scene.level in LEVELS and not item.id.endswith("_ST"), "product_not_paired")
    path, row = finite(item.prop("landsat:wrs_path")), finite(item.prop("landsat:wrs_row"))
    require(path in (None, scene.path) and row in (None, scene.row), "tile_contradicts_id")
    files = {role: item.assets[role] for role in landsat.SENSOR.asset_roles if role in item.assets}
    identity, group_key = group(
        landsat.SENSOR.name, scene.mission, scene.tile, scene.day.isoformat()
    )
    reference = files.get("red") or next(iter(files.values()), None)
    return Facts(
        sensor=landsat.SENSOR.name,
        product=f"{scene.level}.{scene.collection}",
        platform=f"landsat-{scene.mission[3]}",
        tile=scene.tile,
        group_key=group_key,
        identity=identity,
        version=Version(
            roles=len(files),
            processed=f"{scene.processed:%Y%m%d}" if scene.processed else _processed(item),
            tier=TIERS[scene.tier],
            archive=archive_of(item),
            updated=stamp(item.prop("updated", "created")),
        ),
        time=_time(item, scene),
        assets={role: asset.href for role, asset in files.items()},
        licence=licence_of(item, LICENCE),
        cloud_frac=_cloud(item),
        gsd_m=item.positive("gsd") or landsat.GSD_M,
        sun_elevation_deg=sun_elevation_of(item),
        tier=category if (category := item.text(TIER)) in TIERS else scene.tier,
        epsg=epsg_of(item, reference),
        transform=transform_of(item, reference),
    )


def _time(item: Item, scene: landsat.SceneId) -> Interval:
    """Return the instant; the whole day where an old item writes midnight, or nothing."""
    stated = stated_interval(item)
    if stated is None:
        return whole_days(scene.day)
    require(begins_near(stated.start, scene.day), "time_contradicts_id")
    if stated.start == stated.end and is_midnight(stated.start):
        return whole_days(scene.day)
    return stated


def _cloud(item: Item) -> float | None:
    """Return the cloud share; -1 is how USGS writes that it was not computed."""
    if finite(item.prop("eo:cloud_cover")) == -1:
        return None
    return item.frac("cloud_out_of_range", "eo:cloud_cover")


def _processed(item: Item) -> str:
    """Return the processing day as the files' names have it; empty where they have none."""
    days = {found["processed"] for a in item.assets.values() if (found := FILE.search(a.href))}
    return max(days, default="")
