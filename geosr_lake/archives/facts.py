"""What a dialect says about an item, before its footprint and its hash are known."""

from dataclasses import dataclass

from geosr_lake.archives.footprints import Footprint
from geosr_lake.archives.item import ARCHIVES
from geosr_lake.archives.times import Interval


@dataclass(frozen=True, slots=True)
class Version:
    """What orders the items of one scene: the greater wins, first field first.

    Attributes:
        roles: How many of the sensor's files the item links to.
        baseline: Processing baseline, ``05.11``; empty where the product has none.
        processed: When the product was made, sortable digits; empty where unknown.
        tier: Rank of the quality tier; 0 where the product has none.
        archive: Who serves it.
        updated: When the archive last touched the item, sortable; empty where unknown.
    """

    roles: int
    baseline: str = ""
    processed: str = ""
    tier: int = 0
    archive: str = "unknown"
    updated: str = ""

    @property
    def key(self) -> str:
        """The version as one text that sorts."""
        return "|".join(
            (
                f"{min(self.roles, 99):02d}",
                self.baseline.ljust(5, "0"),
                self.processed.ljust(22, "0"),
                str(self.tier),
                str(ARCHIVES.index(self.archive)),
                self.updated.ljust(22, "0"),
            )
        )


@dataclass(frozen=True, slots=True)
class Facts:
    """The canonical columns of one item, named as in `items`, without footprint and hash.

    Attributes:
        footprint: The footprint where it follows from the identity (MODIS); None: the item's.
    """

    sensor: str
    product: str
    platform: str | None
    tile: str
    group_key: str
    identity: str | None
    version: Version
    time: Interval
    assets: dict[str, str]
    licence: str
    cloud_frac: float | None = None
    snow_frac: float | None = None
    gsd_m: float | None = None
    sun_elevation_deg: float | None = None
    tier: str | None = None
    epsg: int | None = None
    transform: list[float] | None = None
    processing_baseline: str | None = None
    dn_offset: int | None = None
    footprint: Footprint | None = None


def group(sensor: str, *identity: str) -> tuple[str, str]:
    """Return (identity, group key) of a sensor whose identity is its group."""
    joined = "|".join(identity)
    return joined, f"{sensor}|{joined}"
