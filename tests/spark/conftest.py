"""A small lake with a manifest, for tests that only read."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from manifest_world import Scene
    from pyspark.sql import SparkSession

    from geosr_lake.lake import Lake
    from geosr_lake.manifest import ManifestSummary
    from geosr_lake.recipe import Recipe


@dataclass(frozen=True)
class Built:
    """A lake with scenes, pairs and one manifest, and what they were made from."""

    lake: "Lake"
    scenes: "list[Scene]"
    pairs: list[dict[str, Any]]
    recipe: "Recipe"
    land_cover: Path
    summary: "ManifestSummary"


@pytest.fixture(scope="session")
def built(spark: "SparkSession", tmp_path_factory: pytest.TempPathFactory) -> Built:
    """To be read, not changed."""
    from manifest_world import all_pairs, four_quads, put, recipe, town_and_fields

    from geosr_lake.lake import Lake
    from geosr_lake.manifest import build

    folder = tmp_path_factory.mktemp("manifest")
    lake, rule, scenes = Lake.create(folder / "lake"), recipe(), four_quads()
    pairs = all_pairs(scenes, rule)
    put(lake, scenes, pairs)
    land_cover = town_and_fields(folder / "land_cover.tif")
    summary = build(lake, rule, land_cover)
    return Built(lake, scenes, pairs, rule, land_cover, summary)
