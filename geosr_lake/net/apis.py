"""STAC APIs by name, and all that is odd about each: nowhere else is an API told from another.

Facts come from the maintainers' own words, named with each; they have been checked against a server
of the same make on this machine (pgstac), not against the archives.
"""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from urllib.parse import urlsplit

from geosr_lake.errors import UsageError

SETTLED_AFTER_D: Mapping[str, int] = {
    "landsat": 30,  # real-time scenes become tier 1 within 26 days (USGS, Collection 2)
    "sentinel2": 30,
    "modis": 60,  # a composite of 8 days comes weeks after its first day
    "naip": 730,  # a season's photos are published up to two years later
}
"""Days after which an archive's items of a day are taken not to change, by sensor."""
SETTLED_D = 30
"""The same where the sensor is not known."""


@dataclass(frozen=True)
class Api:
    """How one API is asked.

    Attributes:
        name: As on the command line; the URL for one that is not known.
        root: URL of its landing page, without a slash at the end.
        page_items: Items that are asked for in a page.
        rate: Requests a second where the user does not say.
        collections: Collection by sensor, for those that are known.
        by_id: A full page may come without a `next` link: items are asked for in the order of
            their ids, and after such a page those with greater ids.
        shrinks: An answer that would be too long is an error 500 or 502: pages are halved then.
        busy: Statuses, beside the usual ones, that mean a full house here.
    """

    name: str
    root: str
    page_items: int = 100
    rate: float = 4.0
    collections: Mapping[str, str] = field(default_factory=dict)
    by_id: bool = False
    shrinks: bool = False
    busy: frozenset[int] = frozenset()

    def settled_after_d(self, collection: str) -> int:
        """Return after how many days a day of `collection` is taken not to change."""
        for sensor, name in self.collections.items():
            if name == collection:
                return SETTLED_AFTER_D[sensor]
        return next(
            (d for sensor, d in SETTLED_AFTER_D.items() if collection.startswith(sensor)), SETTLED_D
        )


PLANETARY_COMPUTER = Api(
    name="planetary-computer",
    root="https://planetarycomputer.microsoft.com/api/stac/v1",
    # At most 1,000 a page. Queries are cut off after a time that large pages exceed
    # (microsoft/PlanetaryComputer#240, #442), hence 250, its own default
    # (stac-utils/pystac-client#115).
    page_items=250,
    # A full page may be all that one gets, and nothing is counted: sort by id and go on after the
    # last (allenai/rslearn#418, #426; microsoft/planetary-computer-apis#274).
    by_id=True,
    # Who asks too much is throttled, or banned (microsoft/PlanetaryComputer#427).
    rate=2.0,
    collections={
        "landsat": "landsat-c2-l2",
        "sentinel2": "sentinel-2-l2a",
        "modis": "modis-09A1-061",
        "naip": "naip",
    },
)
EARTH_SEARCH = Api(
    name="earth-search",
    root="https://earth-search.aws.element84.com/v1",
    # 500 above 267 items of Sentinel-2 (Element84/earth-search#60): answers beyond the 6 MB of an
    # AWS Lambda (stac-utils/stac-server#226), so also a page of fewer but longer items (#55).
    page_items=100,
    shrinks=True,
    # It throttles with 403 "Forbidden" (Element84/earth-search#19).
    busy=frozenset({403}),
    rate=4.0,
    collections={
        "landsat": "landsat-c2-l2",
        "sentinel2": "sentinel-2-c1-l2a",
        "naip": "naip",
    },
)
KNOWN: Mapping[str, Api] = {api.name: api for api in (PLANETARY_COMPUTER, EARTH_SEARCH)}
"""The APIs that have a name."""


def api_of(name_or_url: str) -> Api:
    """Return the API that a name or a URL stands for.

    Naming a URL allows its host for the run: over https, or over http on this machine.

    Raises:
        UsageError: If it is no known name and no such URL.
    """
    if name_or_url in KNOWN:
        return KNOWN[name_or_url]
    root = name_or_url.rstrip("/")
    try:
        parts = urlsplit(root)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    if not host or parts.query or parts.fragment or "@" in parts.netloc:
        raise UsageError(
            "This is neither the name of an API nor a plain URL",
            where=name_or_url.split("?", 1)[0].rpartition("@")[2][:200],
            next_step=f"Name {' or '.join(KNOWN)}, or the URL of an API's landing page.",
        )
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_this_machine(host)):
        raise UsageError(
            "APIs are read over https only, but for those of this machine",
            where=root[:200],
            next_step="Name its https address, or 127.0.0.1 with a port.",
        )
    return next((api for api in KNOWN.values() if api.root == root), Api(name=root, root=root))


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def day_interval(day: date) -> str:
    """Return a day as an API is asked for it.

    Both ends count in STAC, so the end is the day's last microsecond: the first of the next day
    would bring all the items at midnight a second time, a whole second less would lose some.
    """
    return f"{day}T00:00:00Z/{day}T23:59:59.999999Z"
