"""Names of the STAC world: extensions, media types, how values are written."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

STAC_VERSION = "1.1.0"
_HOME = "https://stac-extensions.github.io/{}/schema.json"
DATACUBE = _HOME.format("datacube/v2.3.0")
EO = _HOME.format("eo/v2.0.0")
FILE = _HOME.format("file/v2.1.0")
ML_AOI = _HOME.format("ml-aoi/v0.2.0")
PROJECTION = _HOME.format("projection/v2.0.0")
RASTER = _HOME.format("raster/v2.0.0")
SCIENTIFIC = _HOME.format("scientific/v1.0.0")
VERSION = _HOME.format("version/v1.2.0")
ZARR = _HOME.format("zarr/v1.1.0")
GEOSR = "https://geosr-lake.example/stac/geosr/v1.0.0/schema.json"

JSON = "application/json"
GEOJSON = "application/geo+json"
PARQUET = "application/vnd.apache.parquet"
ZARR_TYPES = {
    "versioned": "application/vnd.zarr; version=3",
    "plain": "application/vnd.zarr",
}
"""`versioned` is what STAC's practice for Zarr asks for; some readers compare exactly and know
`plain` only."""

ML_SPLIT = {"train": "train", "val": "validate", "test": "test"}
"""Our splits in the words of the ml-aoi extension."""

_ITEM_ADDRESS = {
    "planetary_computer": (
        "https://planetarycomputer.microsoft.com/api/stac/v1/collections/{}/items/{}"
    ),
    "earth_search": "https://earth-search.aws.element84.com/v1/collections/{}/items/{}",
    "usgs": "https://landsatlook.usgs.gov/stac-server/collections/{}/items/{}",
    "copernicus_dataspace": "https://stac.dataspace.copernicus.eu/v1/collections/{}/items/{}",
}
"""Where the archives serve an item, unsigned; others are named by a URN."""


def instant(time: datetime) -> str:
    """Write a UTC time as RFC 3339, microseconds only where there are any."""
    text = time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{time.microsecond:06d}Z" if time.microsecond else f"{text}Z"


def item_address(label: str) -> str:
    """Return an href for ``archive/collection/id``: an address, else a URN.

    The parts come from archives: they are quoted whole, so that none can change the address.
    """
    archive, collection, item_id = [*label.split("/", 2), "", ""][:3]
    parts = [quote(part, safe="") for part in (collection, item_id)]
    if archive in _ITEM_ADDRESS:
        return _ITEM_ADDRESS[archive].format(*parts)
    return ":".join(["urn", "x-stac-item", quote(archive, safe=""), *parts])


def document(content: dict[str, Any]) -> bytes:
    """Write a JSON document: the same content gives the same bytes; NaN is refused."""
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    return (text + "\n").encode()


def link(rel: str, href: str, kind: str = JSON, title: str | None = None) -> dict[str, Any]:
    """Return one link."""
    found = {"rel": rel, "href": href, "type": kind}
    return found if title is None else {**found, "title": title}


def interval(bounds: Sequence[datetime]) -> list[str]:
    """Write the start and the end of an interval."""
    return [instant(bound) for bound in bounds]
