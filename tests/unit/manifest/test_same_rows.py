"""A manifest of every kind of subset is the same, however the rows lie that it is made from."""

import random
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import geopandas
import pytest
import shapely
from deltalake import DeltaTable
from manifest_world import (
    SOUTH_M,
    WEST_M,
    Scene,
    all_pairs,
    lonlat_box,
    put,
    recipe,
    town_and_fields,
)

from geosr_lake.lake import Lake
from geosr_lake.lake.maintain import maintain
from geosr_lake.lake.tables import table_path
from geosr_lake.manifest import Files, ManifestSummary, build
from geosr_lake.recipe import Recipe

LABEL = {"product": "made", "px": 1000}
SUBSETS: list[dict[str, Any]] = [
    {"name": "chips", "sites": "chips", "quotas": {"natural": 10}, "label": LABEL},
    {"name": "river", "quotas": {"natural": 20}, "spread": {"months": [5, 6]}, "label": LABEL},
    {"name": "road", "quotas": {"urban": 4, "non_urban": 16}, "label": LABEL},
    {"name": "sr", "quotas": {"urban": 20, "non_urban": 20}, "spread": {"months": [5, 6]}},
]


def box(x_m: float, y_m: float, size_m: float) -> shapely.Polygon:
    x, y = WEST_M + x_m, SOUTH_M + y_m
    return lonlat_box(x, y, x + size_m, y + size_m)


DAYS = (138, 140, 142, 144, 168, 172, 174)
"""From the first of January: in May and June; two of each as near to a photograph's, 143 or 173."""


def acquisitions() -> list[Scene]:
    """Sixteen photographs of 3 km, some of two dates, in two months; scenes, some cloudy."""
    full = box(-1_000, -1_000, 14_000)
    clear = [Scene("sentinel2", "13SED", full, day, cloud=0.1) for day in DAYS]
    cloudy = [Scene("sentinel2", "13SED", full, day, cloud=0.9) for day in (141, 171)]
    photographs = []
    for i in range(4):
        for j in range(4):
            x, y = WEST_M + 3_000 * i - 20, SOUTH_M + 3_000 * j - 20
            quad = lonlat_box(x, y, x + 3_040, y + 3_040, epsg=26913)
            days = [(143, 173)[(i + j) % 2], *([175] if i == j else [])]
            photographs += [Scene("naip", f"quad_{i}{j}", quad, day, epsg=26913) for day in days]
    return clear + cloudy + photographs


def save(path: Path, shapes: list[Any]) -> Path:
    geopandas.GeoDataFrame(geometry=shapes, crs=4326).to_parquet(path)
    return path


@dataclass(frozen=True)
class World:
    """What a manifest is made from, and the first one that was."""

    lake: Lake
    scenes: list[Scene]
    pairs: list[dict[str, Any]]
    rule: Recipe
    land_cover: Path
    chips: list[shapely.Polygon]
    files: Files
    first: ManifestSummary

    def build(self, rule: Recipe | None = None, files: Files | None = None) -> ManifestSummary:
        lake = Lake.open(self.lake.root)
        return build(lake, rule or self.rule, self.land_cover, files=files or self.files)

    def rows(self) -> list[str]:
        """All rows of the manifests that the lake holds."""
        return sorted(map(str, Lake.open(self.lake.root).arrow("manifest").to_pylist()))


def asked(subsets: list[dict[str, Any]]) -> Recipe:
    return recipe(quotas=None, subsets=subsets, sites_per_tile_pair=30, reserve_frac=0.3)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("same")
    lake, scenes, rule = Lake.create(folder / "lake"), acquisitions(), asked(SUBSETS)
    pairs = all_pairs(scenes, rule)
    put(lake, scenes, pairs)
    chips = [box(400 + 2_950 * (n % 4) + 9 * n, 300 + 740 * (n // 4), 512) for n in range(40)]
    corners = ((0, 0), (12_000, 0), (0, 12_000))
    triangle = shapely.Polygon([box(x, y, 1).exterior.coords[0] for x, y in corners])
    files = Files(
        {"chips": save(folder / "chips.parquet", chips)},
        {
            "river": save(folder / "river.parquet", [triangle]),
            "road": save(folder / "road.parquet", [box(0, 6_000, 6_000), box(6_000, 6_000, 6_000)]),
        },
    )
    land_cover = town_and_fields(folder / "lc.tif")
    first = build(lake, rule, land_cover, files=files)
    return World(lake, scenes, pairs, rule, land_cover, chips, files, first)


def test_every_subset_and_month_has_samples(world: World) -> None:
    """Or equal hashes would say little."""
    got = Counter((cell.subset, cell.band) for cell in world.first.quotas if cell.samples)
    assert got == {
        ("chips", None): 1,
        ("river", "month 5"): 1,
        ("river", "month 6"): 1,
        ("road", None): 2,
        ("sr", "month 5"): 2,
        ("sr", "month 6"): 2,
    }
    assert len(world.pairs) > 64
    assert world.first.reserves > 10
    verdicts = {row["verdict"] for row in world.lake.arrow("candidates").to_pylist()}
    assert {"lr_cloud", "not_best", "over_quota", "shared_ground"} <= verdicts


def n_files(world: World, table: str) -> int:
    return len(DeltaTable(str(table_path(world.lake.root, table))).file_uris())


def put_anew(world: World, files: int) -> None:
    """The same scenes and pairs in another order, spread over so many files."""
    order = random.Random(files)
    scenes, pairs = (order.sample(part, len(part)) for part in (world.scenes, world.pairs))
    put(Lake.open(world.lake.root), scenes, pairs, files=files)
    assert n_files(world, "pairs") == files


@pytest.mark.parametrize("files", [1, 2, 7, 64])
def test_rows_in_any_number_of_files_in_any_order(world: World, files: int) -> None:
    before = world.rows()
    put_anew(world, files)
    again = world.build()
    assert (again.content_hash, again.unchanged) == (world.first.content_hash, True)
    assert world.rows() == before


def test_compacted_tables(world: World) -> None:
    put_anew(world, 5)
    maintain(Lake.open(world.lake.root))
    assert n_files(world, "pairs") == n_files(world, "scenes") == 1
    again = world.build()
    assert (again.content_hash, again.unchanged) == (world.first.content_hash, True)


def test_rows_of_the_chips_in_another_order(world: World, tmp_path: Path) -> None:
    turned = save(tmp_path / "chips.parquet", world.chips[::-1])
    again = world.build(files=replace(world.files, chips={"chips": turned}))
    assert again.manifest_id == world.first.manifest_id


def test_chips_choose_first_wherever_they_are_listed(world: World) -> None:
    """So both are one rule, and one manifest."""
    last = asked([*SUBSETS[1:], SUBSETS[0]])
    assert last.selection[1].rule_id == world.rule.selection[1].rule_id
    assert world.build(last).manifest_id == world.first.manifest_id


def test_who_is_listed_first_among_the_others_matters(world: World) -> None:
    turned = asked([SUBSETS[0], *SUBSETS[:0:-1]])
    assert turned.selection[1].rule_id != world.rule.selection[1].rule_id
    assert world.build(turned).content_hash != world.first.content_hash
