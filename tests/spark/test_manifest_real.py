"""The manifest of real items: NAIP with Sentinel-2 of Colorado, strata from MCD12C1."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import shapely
from pyproj import Transformer
from pyspark.sql import SparkSession

from geosr_lake.lake import Lake
from geosr_lake.manifest import build
from geosr_lake.pairs.build import build as build_pairs
from geosr_lake.recipe import Recipe
from geosr_lake.scenes.ingest import ingest

pytestmark = pytest.mark.spark

RECIPE = {
    "name": "real",
    "task": "s2_naip",
    "pairs": {
        "lr": {"sensor": "sentinel2"},
        "hr": {"sensor": "naip"},
        "window": "1461 d",  # the photographs are two years and more older than the scenes
    },
    "select": {
        "sites_per_tile_pair": 1,
        "lr": {"max_cloud_frac": 0.2, "max_snow_frac": 0.1},
        "hr": {"max_gsd_m": 0.6},
        "urban": {"layer": "mcd12c1", "classes": [13], "min_frac": 0.25},
        "quotas": {"urban": 300, "non_urban": 300},
        "block_deg": 0.25,
    },
}


@pytest.fixture(scope="module")
def real(
    spark: SparkSession, real_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Lake, Any, Path]:
    """A lake of two real files of items, with a manifest."""
    lake = Lake.create(tmp_path_factory.mktemp("real") / "lake")
    names = ("naip_colorado_2019_2022.parquet", "sentinel2_colorado_2024.parquet")
    ingest(lake, [real_data / "items" / name for name in names])
    recipe = Recipe.model_validate(RECIPE)
    pairs = build_pairs(lake, recipe)
    land_cover = real_data / "strata" / "MCD12C1.A2019001.006.2020220162300.tif"
    summary = build(lake, recipe, land_cover)
    assert summary.pairs == pairs.pairs
    return lake, summary, land_cover


def rows(lake: Lake, table: str, *columns: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = lake.arrow(table, columns=list(columns) or None).to_pylist()
    return found


def test_the_account_adds_up(real: Any) -> None:
    lake, summary, _ = real
    verdicts = Counter(row["verdict"] for row in rows(lake, "candidates", "verdict"))
    assert sum(verdicts.values()) == summary.candidates == summary.funnel[0].n_in
    for step in summary.funnel:
        assert step.n_in == step.n_dropped + step.n_out
        assert step.n_dropped == verdicts[step.rule]
    assert verdicts["kept"] == summary.samples
    assert verdicts["reserve"] == summary.reserves
    draws = rows(lake, "draws", "n_sites", "n_drawn")
    assert len(draws) == summary.tile_pairs > 10_000
    assert sum(row["n_sites"] for row in draws) == summary.sites_found
    assert all(row["n_drawn"] == min(row["n_sites"], 1) for row in draws)
    # Each of these rules has work among real items.
    for rule in ("zone_mismatch", "lr_cloud", "not_best", "over_quota"):
        assert verdicts[rule] > 0, rule


def test_a_quota_is_met_or_takes_all_there_is_and_no_block_is_in_two_splits(real: Any) -> None:
    lake, summary, _ = real
    manifest = rows(lake, "manifest")
    got = Counter((row["stratum"], row["role"]) for row in manifest)
    assert (got["non_urban", "sample"], got["non_urban", "reserve"]) == (300, 30)
    # One class in 5 km: fewer sites are urban than asked for, so none is over the quota.
    candidates = rows(lake, "candidates", "stratum", "verdict")
    urban = Counter(row["verdict"] for row in candidates if row["stratum"] == "urban")
    assert 0 < got["urban", "sample"] + got["urban", "reserve"] < 300
    assert got["urban", "sample"] + got["urban", "reserve"] == urban["kept"] + urban["reserve"]
    assert urban["over_quota"] == 0
    splits: dict[str, set[str]] = {}
    for row in manifest:
        splits.setdefault(row["block"], set()).add(row["split"])
    assert max(map(len, splits.values())) == 1
    assert all(counts["samples"] > 0 for counts in summary.splits.values())


def test_samples_of_two_splits_share_no_ground(real: Any) -> None:
    lake, _, _ = real
    split = {row["site_id"]: row["split"] for row in rows(lake, "manifest")}
    sites = [row for row in rows(lake, "sites") if row["site_id"] in split]
    ground = shapely.from_wkb([row["footprint_wkb"] for row in sites])
    left, right = shapely.STRtree(ground).query(ground, predicate="intersects")
    share = shapely.area(shapely.intersection(ground[left], ground[right]))
    for i, j, common in zip(left, right, share / shapely.area(ground[left]), strict=True):
        if split[sites[i]["site_id"]] != split[sites[j]["site_id"]]:
            assert common < 1e-6


def test_each_sample_lies_inside_both_scenes_on_their_grid_within_the_limits(real: Any) -> None:
    lake, _, _ = real
    columns = ("scene_id", "epsg", "cloud_frac", "snow_frac", "gsd_m", "footprint_wkb", "sensor")
    scenes = {row["scene_id"]: row for row in rows(lake, "scenes", *columns)}
    for row in rows(lake, "manifest"):
        lr, hr = scenes[row["lr_scene_id"]], scenes[row["hr_scene_id"]]
        to_lonlat = Transformer.from_crs(row["epsg"], 4326, always_xy=True)
        box = shapely.box(row["x_m"], row["y_m"], row["x_m"] + 600, row["y_m"] + 600)
        ground = shapely.transform(
            shapely.segmentize(box, 50), to_lonlat.transform, interleaved=False
        )
        for scene in (lr, hr):
            assert shapely.from_wkb(scene["footprint_wkb"]).contains(ground)
        assert lr["epsg"] == row["epsg"]
        assert hr["epsg"] % 100 == row["epsg"] % 100
        assert lr["cloud_frac"] <= 0.2
        assert lr["snow_frac"] <= 0.1
        assert hr["gsd_m"] <= 0.6 + 1e-6
        assert (row["x_m"] % 600, row["y_m"] % 600) == (0, 0)
        assert abs(row["gap_s"]) <= 1461 * 86_400


def test_strata_are_those_of_the_pixels_under_the_sites(real: Any) -> None:
    """Read one by one with rasterio's own sampling, at the points of the declared rule."""
    lake, _, land_cover = real
    with rasterio.open(land_cover) as source:
        for row in rows(lake, "manifest")[::20]:
            to_lonlat = Transformer.from_crs(row["epsg"], 4326, always_xy=True)
            along = np.arange(15, 600, 30)
            x, y = np.meshgrid(row["x_m"] + along, row["y_m"] + along)
            points = np.stack(to_lonlat.transform(x.ravel(), y.ravel()), axis=1)
            urban = np.mean([value[0] == 13 for value in source.sample(points)])
            assert (urban >= 0.25) == (row["stratum"] == "urban")


@pytest.mark.slow
def test_the_same_again_changes_nothing(real: Any) -> None:
    lake, summary, land_cover = real
    before = lake.versions
    again = build(lake, Recipe.model_validate(RECIPE), land_cover)
    assert again.unchanged
    assert again.manifest_id == summary.manifest_id
    after = lake.versions
    assert after.pop("runs") > before.pop("runs")
    assert after == before
