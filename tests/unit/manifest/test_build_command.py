"""`geosr manifest build`: its answer, and what it doubts of a recipe and a raster."""

import json
import shutil
from pathlib import Path
from typing import Any

from manifest_world import recipe
from typer.testing import CliRunner

from geosr_lake.cli.app import app


def test_the_command(built: Any, tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    data = json.loads(built.recipe.canonical())
    data["pairs"]["window"] = "10 d"
    path.write_text(json.dumps(data))
    lake = shutil.copytree(built.lake.root, tmp_path / "lake")  # a run is a row of its ledger
    options = ["--lake", str(lake), "--recipe", str(path)]
    land_cover = ["--land-cover", str(built.land_cover)]
    done = CliRunner().invoke(app, ["manifest", "build", *options, *land_cover])
    assert done.exit_code == 0, done.output
    assert "no change" in done.stdout
    assert "over_quota" in done.stdout
    assert f"geosr cubes materialize --manifest {built.summary.manifest_id}" in done.stderr
    done = CliRunner().invoke(app, ["manifest", "build", *options, *land_cover, "--json"])
    found = json.loads(done.stdout)
    assert found["manifest_id"] == built.summary.manifest_id
    assert found["splits"] == built.summary.splits
    missing = ["--land-cover", str(tmp_path / "none.tif")]
    done = CliRunner().invoke(app, ["manifest", "build", *options, *missing])
    assert done.exit_code == 2
    assert "no land-cover raster here" in done.stderr


def test_a_raster_without_the_urban_classes_is_doubted(built: Any, tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    data = json.loads(built.recipe.canonical())
    data["pairs"]["window"] = "10 d"
    data["select"]["urban"] = {"layer": "nlcd", "classes": [21, 24], "min_frac": 0.25}
    path.write_text(json.dumps(data))
    lake = shutil.copytree(built.lake.root, tmp_path / "lake")
    options = ["--lake", str(lake), "--recipe", str(path), "--land-cover", str(built.land_cover)]
    done = CliRunner().invoke(app, ["manifest", "build", *options])
    told = " ".join(done.stderr.split())
    assert "No site holds any of the classes 21, 24" in told
    assert "the layer nlcd?" in told
    assert built.summary.urban_seen


def test_a_split_that_got_nothing_is_told_with_the_key_that_decides(
    built: Any, tmp_path: Path
) -> None:
    """Of four samples 8 % are none; by order, so that no block has to do with it."""
    path = tmp_path / "recipe.yaml"
    rule = recipe(quotas={"natural": 4}, split={"mode": "paper"})
    path.write_text(json.dumps(rule.written()))
    lake = shutil.copytree(built.lake.root, tmp_path / "lake")
    options = ["--lake", str(lake), "--recipe", str(path), "--land-cover", str(built.land_cover)]
    done = CliRunner().invoke(app, ["manifest", "build", *options])
    assert done.exit_code == 0, done.output
    assert "sr has too few samples for the share of val: see select.split" in done.stderr
    assert "block_deg" not in done.stderr
