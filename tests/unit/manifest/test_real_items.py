"""Manifests of real items: NAIP with Sentinel-2, and Landsat with MODIS, strata from MCD12C1."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import shapely
from pyproj import Transformer
from typer.testing import CliRunner

from geosr_lake.cli.app import app
from geosr_lake.lake import Lake
from geosr_lake.manifest import ManifestSummary, build
from geosr_lake.manifest.audit import audit
from geosr_lake.manifest.cover import stratum
from geosr_lake.manifest.draw import draw
from geosr_lake.manifest.inputs import read
from geosr_lake.manifest.layer import open_layer
from geosr_lake.manifest.samples import of_lake
from geosr_lake.pairs.build import build as build_pairs
from geosr_lake.recipe import Recipe
from geosr_lake.scenes.ingest import ingest
from geosr_lake.sensors.tasks import TASKS

FILES = {
    "s2_naip": ("naip_colorado_2019_2022.parquet", "sentinel2_colorado_2024.parquet"),
    "modis_landsat8": (
        "modis_13q1_americas_2023.ndjson.gz",
        "landsat_colorado_100.parquet",
        "landsat_colorado_more.ndjson.gz",
    ),
}
RECIPES: dict[str, dict[str, Any]] = {
    "s2_naip": {
        "pairs": {
            "lr": {"sensor": "sentinel2"},
            "hr": {"sensor": "naip"},
            "window": "1096 d",  # the photographs are two years and more older than the scenes
        },
        "select": {
            "sites_per_tile_pair": 1,
            "margin_m": 60,
            "rules": [
                {"rule": "gsd", "side": "hr", "max_m": 0.6, "unknown": "drop"},
                {"rule": "cloud", "side": "lr", "max_frac": 0.2, "unknown": "drop"},
                {"rule": "snow", "side": "lr", "max_frac": 0.1, "unknown": "keep"},
            ],
            "quotas": {"urban": 300, "non_urban": 300},
            "block_deg": 0.25,
            "buffer_m": 1_000,
        },
    },
    "modis_landsat8": {
        "pairs": {
            "lr": {"sensor": "modis"},
            "hr": {"sensor": "landsat"},
            "window": "365 d",  # the composites end a week before the scenes begin
        },
        "select": {
            "sites_per_tile_pair": 4,
            "margin_m": 500,
            "rules": [{"rule": "cloud", "side": "hr", "max_frac": 0.2, "unknown": "drop"}],
            "quotas": {"urban": 5, "non_urban": 60},
            "block_deg": 2.0,
            "buffer_m": 5_000,
        },
    },
}
URBAN = {
    "s2_naip": {"layer": "mcd12c1", "classes": [13], "min_frac": 0.25},
    "modis_landsat8": {"layer": "mcd12c1", "classes": [13], "min_frac": 0.10},
}


@dataclass(frozen=True)
class Real:
    """A lake of real files of items, with a manifest."""

    lake: Lake
    recipe: Recipe
    summary: ManifestSummary
    land_cover: Path


@pytest.fixture(scope="module", params=list(FILES))
def real(
    request: pytest.FixtureRequest, real_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Real:
    """One task's."""
    task = request.param
    data = {"name": "real", "task": task} | RECIPES[task]
    recipe = Recipe.model_validate(
        data | {"select": RECIPES[task]["select"] | {"urban": URBAN[task]}}
    )
    lake = Lake.create(tmp_path_factory.mktemp("real") / "lake")
    ingest(lake, [real_data / "items" / name for name in FILES[task]])
    pairs = build_pairs(lake, recipe)
    land_cover = real_data / "strata" / "MCD12C1.A2019001.006.2020220162300.tif"
    summary = build(lake, recipe, land_cover)
    assert summary.pairs == pairs.pairs
    return Real(lake, recipe, summary, land_cover)


def rows(lake: Lake, table: str, *columns: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = lake.arrow(table, columns=list(columns) or None).to_pylist()
    return found


def test_the_account_adds_up(real: Real) -> None:
    verdicts = Counter(row["verdict"] for row in rows(real.lake, "candidates", "verdict"))
    summary = real.summary
    assert sum(verdicts.values()) == summary.candidates == summary.funnel[0].n_in
    for step in summary.funnel:
        assert step.n_in == step.n_dropped + step.n_out
        assert step.n_dropped == verdicts[step.rule]
    assert verdicts["kept"] == summary.samples
    assert verdicts["reserve"] == summary.reserves
    draws = rows(real.lake, "draws", "n_sites", "n_drawn")
    assert len(draws) == summary.tile_pairs
    assert sum(row["n_sites"] for row in draws) == summary.sites_found
    assert sum(row["n_drawn"] for row in draws) >= summary.sites_drawn
    # Each of these rules has work among real items.
    busy = {
        "s2_naip": ("split_edge", "zone_mismatch", "lr_cloud", "not_best"),
        "modis_landsat8": ("zone_edge", "split_edge", "zone_mismatch", "hr_cloud", "not_best"),
    }
    for rule in busy[summary.task]:
        assert verdicts[rule] > 0, rule


@pytest.mark.parametrize("real", ["s2_naip"], indirect=True)
def test_the_quotas_of_photographs_are_met_by_a_wider_draw(real: Real) -> None:
    """Two in a hundred sites are urban there: half of the samples are."""
    got = Counter((row["stratum"], row["role"]) for row in rows(real.lake, "manifest"))
    assert got == {
        ("urban", "sample"): 300,
        ("urban", "reserve"): 30,
        ("non_urban", "sample"): 300,
        ("non_urban", "reserve"): 30,
    }
    assert real.summary.widened
    assert real.summary.sites_per_tile_pair > 1
    assert all(counts["samples"] > 0 for counts in real.summary.splits["sr"].values())


def test_the_audit_is_clean(real: Real) -> None:
    """By the auditor's own geometry: no overlap, and splits are as far apart as the recipe asks."""
    assert real.recipe.select is not None
    assert real.recipe.select.buffer_m is not None
    found = audit(
        of_lake(real.lake, real.summary.manifest_id), buffer_m=real.recipe.select.buffer_m
    )
    assert found.clean, found.leaks
    assert found.samples == real.summary.samples + real.summary.reserves > 20
    assert all(d.distance_m >= real.recipe.select.buffer_m for d in found.distances)


def test_the_audits_command_finds_no_leak(real: Real) -> None:
    command = ["manifest", "audit", real.summary.manifest_id, "--lake", str(real.lake.root)]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output


def test_urban_sites_are_over_weighted(real: Real) -> None:
    """Against the share among the sites of all tile pairs, a few of each."""
    rule = real.recipe.select
    tiles = read(real.lake, real.recipe).tiles
    cells = draw(TASKS[real.summary.task], tiles, seed=7, most=3).cells
    size_m = TASKS[real.summary.task].site_size_m
    with open_layer(real.land_cover) as layer:
        covers = layer.sites(cells.epsg, cells.x_m, cells.y_m, size_m)
    natural = Counter(stratum(cover, rule.urban) for cover in covers)
    got = Counter(row["stratum"] for row in rows(real.lake, "manifest", "stratum", "role"))
    shares = [of["urban"] / of.total() for of in (got, natural)]
    told = f"urban {shares[0]:.1%} of the manifest, {shares[1]:.1%} of sites"
    print(f"{real.summary.task}: {told}")  # noqa: T201 - told with -rP
    assert shares[0] > shares[1]


def test_each_sample_lies_inside_both_scenes_on_their_grid_within_the_limits(real: Real) -> None:
    lake = real.lake
    columns = ("scene_id", "epsg", "cloud_frac", "snow_frac", "gsd_m", "footprint_wkb", "sensor")
    scenes = {row["scene_id"]: row for row in rows(lake, "scenes", *columns)}
    size, m = (600, 60) if real.summary.task == "s2_naip" else (30_000, 500)
    offset = 0 if size == 600 else 15
    for row in rows(lake, "manifest"):
        lr, hr = scenes[row["lr_scene_id"]], scenes[row["hr_scene_id"]]
        to_lonlat = Transformer.from_crs(row["epsg"], 4326, always_xy=True)
        box = shapely.box(
            row["x_m"] - m, row["y_m"] - m, row["x_m"] + size + m, row["y_m"] + size + m
        )
        ground = shapely.transform(
            shapely.segmentize(box, size / 20), to_lonlat.transform, interleaved=False
        )
        for scene in (lr, hr):
            footprint = shapely.from_wkb(scene["footprint_wkb"])
            assert shapely.area(shapely.difference(ground, footprint)) < 1e-7 * ground.area
        assert hr["epsg"] % 100 == row["epsg"] % 100
        if size == 600:
            assert lr["epsg"] == row["epsg"]
            assert lr["cloud_frac"] <= 0.2
            assert lr["snow_frac"] <= 0.1
            assert hr["gsd_m"] <= 0.6 + 1e-6
        else:
            assert hr["cloud_frac"] <= 0.2
        assert ((row["x_m"] - offset) % size, (row["y_m"] - offset) % size) == (0, 0)
        assert abs(row["gap_s"]) <= real.recipe.pairs.window.total_seconds()
        assert row["size_m"] == size


@pytest.mark.parametrize("real", ["s2_naip"], indirect=True)
def test_strata_are_those_of_the_pixels_under_the_sites(real: Real) -> None:
    """Read one by one with rasterio's own sampling, at the points of the declared rule."""
    with rasterio.open(real.land_cover) as source:
        for row in rows(real.lake, "manifest")[::20]:
            to_lonlat = Transformer.from_crs(row["epsg"], 4326, always_xy=True)
            along = np.arange(15, 600, 30)
            x, y = np.meshgrid(row["x_m"] + along, row["y_m"] + along)
            points = np.stack(to_lonlat.transform(x.ravel(), y.ravel()), axis=1)
            urban = np.mean([value[0] == 13 for value in source.sample(points)])
            assert (urban >= 0.25) == (row["stratum"] == "urban")


@pytest.mark.slow
def test_the_same_again_changes_nothing(real: Real) -> None:
    before = real.lake.versions
    again = build(real.lake, real.recipe, real.land_cover)
    assert again.unchanged
    assert again.manifest_id == real.summary.manifest_id
    after = real.lake.versions
    assert after.pop("runs") > before.pop("runs")
    assert after == before
