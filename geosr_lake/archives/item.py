"""A STAC item as the dialects see it: properties, assets and links, read with suspicion.

Every accessor takes what is there and says null for what is not, or is not what it must be; only
what makes an item unusable is rejected.
"""

import math
import os.path
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from geosr_lake.archives.older import in_todays_shape, is_older
from geosr_lake.archives.reasons import Rejected
from geosr_lake.archives.record import require
from geosr_lake.redact import redact, shows_secret, unsigned

MAX_ASSETS = 200
MAX_ID_CHARACTERS = 512
MAX_HREF_CHARACTERS = 4096
MAX_TEXT_CHARACTERS = 200

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Asset:
    """One asset with a usable href; `fields` is what the item says about it."""

    key: str
    href: str
    fields: dict[str, Any]

    def has_role(self, role: str) -> bool:
        """Tell whether the item gives the asset this role."""
        roles = self.fields.get("roles")
        return isinstance(roles, list) and role in roles


@dataclass(frozen=True, slots=True)
class Item:
    """An item whose frame is sound.

    Attributes:
        id: As served.
        collection: As served; empty where there is none.
        properties: As served, by the names of STAC 1.x; empty where there are none.
        assets: By key: those with a usable href, unsigned and absolute.
        links: (rel, href) pairs.
        geometry: GeoJSON as served, or None.
    """

    id: str
    collection: str
    properties: dict[str, Any]
    assets: dict[str, Asset]
    links: tuple[tuple[str, str], ...]
    geometry: Any

    def prop(self, *names: str) -> Any:
        """Return the first of these properties that is there and not null."""
        for name in names:
            if (value := self.properties.get(name)) is not None:
                return value
        return None

    def text(self, *names: str) -> str | None:
        """Return the first of these properties that is a text that says something."""
        for name in names:
            value = self.properties.get(name)
            if isinstance(value, str) and (stripped := value.strip()):
                return stripped[:MAX_TEXT_CHARACTERS]
        return None

    def number(self, *names: str) -> float | None:
        """Return the first of these properties that is a finite number, also one in a text."""
        for name in names:
            if (value := finite(self.properties.get(name))) is not None:
                return value
        return None

    def positive(self, name: str) -> float | None:
        """Return a property that is a number above zero."""
        value = self.number(name)
        return value if value is not None and value > 0 else None

    def frac(self, code: str, *names: str) -> float | None:
        """Return a percentage as a fraction; null stays null: unknown is not zero.

        Raises:
            Rejected: With `code`, where there is something that is no number from 0 to 100.
        """
        value = self.prop(*names)
        if value is None:
            return None
        percent = finite(value)
        require(percent is not None and 0 <= percent <= 100, code)
        return None if percent is None else percent / 100


def finite(value: Any) -> float | None:
    """Return a finite number, also one written as a text, else None."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def read_frame(doc: Any, folder: str) -> Item:
    """Return the item in `doc` if its frame is sound.

    Args:
        doc: A parsed document.
        folder: Absolute folder of the file it came from; relative hrefs start there.

    Raises:
        Rejected: If it is no item, of a version that is not read, too large, or has no id.
    """
    require(isinstance(doc, dict), "not_an_item")
    if doc.get("type") in ("Collection", "Catalog"):
        raise Rejected("collection_or_catalog")
    require(doc.get("type") == "Feature", "not_an_item")
    if is_older(doc.get("stac_version")):
        doc = in_todays_shape(doc)
    properties = doc.get("properties")
    require(isinstance(properties, dict), "not_an_item")
    item_id = doc.get("id")
    if not isinstance(item_id, str) or not 0 < len(item_id) <= MAX_ID_CHARACTERS:
        raise Rejected("id_invalid")
    collection = doc.get("collection")
    # The tables take no text that looks like a signed link.
    if any(isinstance(name, str) and shows_secret(name) for name in (item_id, collection)):
        raise Rejected("id_invalid")
    return Item(
        id=item_id,
        collection=collection[:MAX_ID_CHARACTERS] if isinstance(collection, str) else "",
        properties=properties,
        assets={asset.key: asset for asset in _assets(doc.get("assets"), folder)},
        links=tuple(_links(doc.get("links"))),
        geometry=doc.get("geometry"),
    )


def _assets(assets: Any, folder: str) -> Iterator[Asset]:
    """Yield the assets with a usable href; an asset without one is as good as none."""
    if not isinstance(assets, dict):
        return
    require(len(assets) <= MAX_ASSETS, "too_many_assets")
    for key, fields in assets.items():
        if not isinstance(fields, dict):
            continue
        href = fields.get("href")
        if (
            isinstance(href, str)
            and 0 < len(href) <= MAX_HREF_CHARACTERS
            and not _CONTROL.search(href)
        ):
            yield Asset(str(key), absolute(unsigned(href), folder), fields)


def absolute(href: str, folder: str) -> str:
    """Return `href`, resolved against `folder` where it is relative.

    The result is data, not a permission: whether it may be opened is decided at the read.
    """
    if _SCHEME.match(href) or href.startswith("/"):
        return href
    scheme, slashes, start = folder.rpartition("://")
    inside = os.path.normpath(os.path.join(start, href))  # noqa: PTH118 - hrefs are not paths
    return scheme + slashes + inside


def _links(links: Any) -> Iterator[tuple[str, str]]:
    if isinstance(links, list):
        for link in links:
            if isinstance(link, dict):
                rel, href = link.get("rel"), link.get("href")
                if isinstance(rel, str) and isinstance(href, str):
                    yield rel, href


_HOSTS = {
    "planetarycomputer.microsoft.com": "planetary_computer",
    "naipeuwest.blob.core.windows.net": "planetary_computer",
    "landsateuwest.blob.core.windows.net": "planetary_computer",
    "sentinel2l2a01.blob.core.windows.net": "planetary_computer",
    "modiseuwest.blob.core.windows.net": "planetary_computer",
    "earth-search.aws.element84.com": "earth_search",
    "sentinel-cogs.s3.us-west-2.amazonaws.com": "earth_search",
    "sentinel-cogs": "earth_search",
    "e84-earth-search-sentinel-data.s3.us-west-2.amazonaws.com": "earth_search",
    "e84-earth-search-sentinel-data": "earth_search",
    "landsatlook.usgs.gov": "usgs",
    "usgs-landsat": "usgs",
    "catalogue.dataspace.copernicus.eu": "copernicus_dataspace",
    "stac.dataspace.copernicus.eu": "copernicus_dataspace",
    "eodata": "copernicus_dataspace",
    "cmr.earthdata.nasa.gov": "nasa_earthdata",
    "data.lpdaac.earthdatacloud.nasa.gov": "nasa_earthdata",
}
"""Hosts, and buckets of ``s3://`` links, by the archive that serves from them."""

ARCHIVES = (
    "unknown",
    "nasa_earthdata",
    "copernicus_dataspace",
    "usgs",
    "earth_search",
    "planetary_computer",
)
"""The archives, the one that is preferred among equal items last: its links need no account."""


def archive_of(item: Item) -> str:
    """Return who served an item: by its own links, else by where its files lie."""
    own = [href for rel, href in item.links if rel in ("self", "collection", "parent", "root")]
    for href in (*own, *(asset.href for asset in item.assets.values())):
        if (archive := archive_at(href)) is not None:
            return archive
    return "unknown"


def archive_at(href: str) -> str | None:
    """Return the archive that a link leads to; None where its host is nobody's."""
    try:
        host = (urlsplit(href).hostname or "").lower()
    except ValueError:
        return None
    return _HOSTS.get(host)


def sun_elevation_of(item: Item, *zeniths: str) -> float | None:
    """Return the sun's height above the horizon in degrees; None: unknown, or no such angle.

    Args:
        item: The item.
        zeniths: Properties with the angle from the zenith, where the height is not stated.
    """
    elevation_deg = item.number("view:sun_elevation")
    if elevation_deg is None and (zenith_deg := item.number(*zeniths)) is not None:
        elevation_deg = 90 - zenith_deg
    return elevation_deg if elevation_deg is not None and abs(elevation_deg) <= 90 else None


def licence_of(item: Item, sensor_licence: str) -> str:
    """Return the licence as the item states it, else the sensor's."""
    return redact(item.text("license") or sensor_licence)
