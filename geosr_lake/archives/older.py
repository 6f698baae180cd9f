"""Items of STAC before 1.0 in today's shape, so that the dialects need not know of them.

Each rule names the version that brought today's shape, after the specification's own list of
changes, or who wrote the older one. What an item lacks is not made up: the dialects say what is
missing. Where an item has the name of today too, that one counts.
"""

import re
from collections.abc import Mapping
from typing import Any

from geosr_lake.archives.reasons import Rejected
from geosr_lake.archives.record import require

_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)(?:-([0-9a-z.-]+))?", re.IGNORECASE)

_RENAMED = {
    # 0.8: the license came into the core with the Single Item extension.
    "item:license": "license",
    # 0.9: common metadata took the place of eo, dtr and, for the CRS, of eo by proj.
    "eo:platform": "platform",
    "eo:constellation": "constellation",
    "dtr:start_datetime": "start_datetime",
    "dtr:end_datetime": "end_datetime",
    "eo:epsg": "proj:epsg",
    # 1.0.0-beta.1; before 0.6, in NAIP's catalog on AWS, it was a resolution.
    "eo:gsd": "gsd",
    "eo:resolution": "gsd",
    # 1.0.0-beta.1: the angles went to the extension view.
    "eo:sun_elevation": "view:sun_elevation",
    # Earth Search v0 (0.9 to 1.0.0-beta.2), now the extension mgrs, and s2 for the product's name.
    "sentinel:utm_zone": "mgrs:utm_zone",
    "sentinel:latitude_band": "mgrs:latitude_band",
    "sentinel:grid_square": "mgrs:grid_square",
    "sentinel:product_id": "s2:product_uri",
    # Copies of ESA's products, 0.8.1.
    "s2:tile": "s2:mgrs_tile",
    "eo:productType": "s2:product_type",
}
_USGS_FILE = ".TIF"
"""USGS (0.7 to 1.0.0-beta.2) called its assets by the ends of the files: ``SR_B4.TIF``."""


def is_older(version: Any) -> bool:
    """Tell whether a STAC version is one before 1.0; none is: items carry it since 0.8.

    Raises:
        Rejected: If the version is after 1.x, or is none.
    """
    if version is None:
        return True
    found = _VERSION.fullmatch(version) if isinstance(version, str) else None
    if found is None:
        raise Rejected("stac_version_unknown")
    require(int(found[1]) <= 1, "stac_after_1")
    return int(found[1]) < 1 or found[0].startswith("1.0.0-")


def in_todays_shape(doc: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an item of STAC before 1.0 as it would be written today, as far as it is read here.

    Raises:
        Rejected: If it names no version and has neither assets nor links: GeoJSON, but no STAC.
    """
    properties, assets, links = (doc.get(name) for name in ("properties", "assets", "links"))
    named = doc.get("stac_version") is not None
    require(named or assets is not None or links is not None, "not_an_item")
    shaped = dict(doc)
    if isinstance(properties, dict):
        shaped["properties"] = _renamed(properties)
        # 0.8; 0.7 had the collection among the properties.
        shaped["collection"] = doc.get("collection") or properties.get("collection")
    if isinstance(links, dict):
        # 0.6; 0.5 had them by relation.
        shaped["links"] = list(links.values())
    if isinstance(assets, dict) and isinstance(properties, dict):
        shaped["assets"] = _by_role(assets, properties.get("eo:bands"))
    return shaped


def _renamed(properties: Mapping[str, Any]) -> dict[str, Any]:
    said = {name: value for name, value in properties.items() if value is not None}
    return {_RENAMED[name]: value for name, value in said.items() if name in _RENAMED} | said


def _by_role(assets: Mapping[Any, Any], bands: Any) -> dict[str, Any]:
    """Return assets by the names that USGS gives them today, those of other archives as they are.

    The item's own list of bands tells which is which: band 4 is not red on every Landsat.
    """
    roles = {
        band.get("name"): band.get("common_name")
        for band in (bands if isinstance(bands, list) else ())
        if isinstance(band, dict) and isinstance(band.get("name"), str)
    }
    files = {
        key: key.removesuffix(_USGS_FILE)
        for key in assets
        if isinstance(key, str) and key.endswith(_USGS_FILE)
    }
    named = {str(roles.get(name) or name.lower()): assets[key] for key, name in files.items()}
    return named | {key: asset for key, asset in assets.items() if key not in files}
