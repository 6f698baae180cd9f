"""The items, the recipe and the land cover of the lake in `tests/fixtures/lake_v1.zip`."""

import zipfile
from pathlib import Path
from typing import Any

import manifest_world
import shapely
from stac_items import landsat, naip, sentinel2, write_lines

from geosr_lake.recipe import Recipe

FIXTURE = Path(__file__).parents[1] / "fixtures" / "lake_v1.zip"
WEST_M, SOUTH_M = manifest_world.WEST_M, manifest_world.SOUTH_M


def _ground(west_m: float, south_m: float, size_m: float) -> Any:
    box = manifest_world.lonlat_box(west_m, south_m, west_m + size_m, south_m + size_m, steps=2)
    return shapely.geometry.mapping(box)


def lr(day: str, **more: Any) -> Any:
    """A Sentinel-2 item over the whole world of the fixture."""
    over = _ground(WEST_M - 2_000, SOUTH_M - 2_000, 12_000)
    return sentinel2(
        tile="13SED",
        sensed=f"{day}T180011",
        strip=f"{day}T180500",
        generated=f"{day}T204953",
        geometry=over,
        **more,
    )


def hr(quarter: str, east: int, day: str = "20240803", state: str = "co") -> Any:
    """A NAIP quarter quad of 3.2 km."""
    item = naip("4110264", quarter, day, state)
    item["geometry"] = _ground(WEST_M + east * 3_000 - 100, SOUTH_M - 100, 3_200)
    return item


def first() -> list[Any]:
    """Two passes of Sentinel-2, two quads, one of them twice; one item that is not kept."""
    return [
        lr("20240803"),
        lr("20240808"),
        hr("sw", 0),
        hr("se", 1),
        hr("se", 1, state="ne"),
        {**naip(quarter="ne"), "geometry": None},
    ]


def second() -> list[Any]:
    """A reprocessed item of a scene that is there, and another sensor."""
    again = sentinel2(
        tile="13SED",
        sensed="20240803T180011",
        strip="20240803T180500",
        generated="20240901T000000",
        geometry=_ground(WEST_M - 2_000, SOUTH_M - 2_000, 12_000),
    )
    return [again, landsat()]


def third() -> list[Any]:
    """What a test adds to the old lake."""
    return [lr("20240813"), hr("nw", 2)]


def sources(folder: Path, items: list[Any]) -> Path:
    """Write items as one file of `folder`; return the folder."""
    write_lines(folder / "items.ndjson", items)
    return folder


def recipe() -> Recipe:
    """Pairs of Sentinel-2 and NAIP, and a manifest of a few of their sites."""
    return manifest_world.recipe(quotas={"urban": 4, "non_urban": 4}, sites_per_tile_pair=6)


def land_cover(path: Path) -> Path:
    """A town in the west, fields in the east."""
    return manifest_world.town_and_fields(path)


def unpack(folder: Path) -> Path:
    """Unpack the old lake into `folder`; return its root."""
    with zipfile.ZipFile(FIXTURE) as packed:
        packed.extractall(folder)
    return folder / "lake"
