"""A manifest is chosen anew from the versions that it was made from, whatever came since."""

import json
from pathlib import Path
from typing import Any

import geopandas
import pytest
from manifest_world import (
    SOUTH_M,
    WEST_M,
    all_pairs,
    four_quads,
    lonlat_box,
    put,
    recipe,
    town_and_fields,
)
from typer.testing import CliRunner

from geosr_lake.cli.app import app
from geosr_lake.errors import UsageError
from geosr_lake.lake import Lake, ledger
from geosr_lake.lake.maintain import maintain
from geosr_lake.manifest import Files, build
from geosr_lake.manifest.rebuild import rebuild

World = tuple[Lake, str, Path, Files]


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A manifest with chips, and since then other scenes and pairs."""
    lake, scenes = Lake.create(tmp_path / "lake"), four_quads()
    corners = [(WEST_M + 650 * i, SOUTH_M + 100) for i in range(3)]
    chips = [lonlat_box(x, y, x + 512, y + 512) for x, y in corners]
    geopandas.GeoDataFrame(geometry=chips, crs=4326).to_parquet(tmp_path / "chips.parquet")
    files = Files({"chips": tmp_path / "chips.parquet"})
    subsets = [
        {"name": "chips", "sites": "chips", "quotas": {"natural": 2}},
        {"name": "sr", "quotas": {"urban": 8, "non_urban": 8}},
    ]
    rule = recipe(quotas=None, subsets=subsets)
    put(lake, scenes, all_pairs(scenes, rule))
    land_cover = town_and_fields(tmp_path / "lc.tif")
    made = build(lake, rule, land_cover, files=files)
    fewer = [scene for scene in scenes if scene.day != 0]
    put(lake, fewer, all_pairs(fewer, rule))
    lake.refresh()
    return lake, made.manifest_id, land_cover, files


def test_every_row_is_equal_although_the_tables_have_changed(world: World) -> None:
    lake, manifest, land_cover, files = world
    other = build(lake, recipe(quotas={"urban": 8, "non_urban": 8}), land_cover)
    assert other.manifest_id != manifest
    maintain(lake, keep_days=0)
    done = maintain(lake, keep_days=0)  # the first one's files are those of the commit before it
    assert sum(work.files_removed for work in done.tables) > 0
    assert manifest in done.pinned
    before = {name: ledger.version_of(lake.root, name) for name in ("manifest", "runs")}
    found = rebuild(lake, manifest, land_cover, files=files)
    assert found.same
    assert found.rows == found.equal_rows > 16
    assert found.versions["pairs"] < lake.versions["pairs"]
    assert {name: ledger.version_of(lake.root, name) for name in before} == before


def test_a_row_that_differs_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    lake, manifest, land_cover, files = world
    # As if the versions were those of today.
    monkeypatch.setattr(
        "geosr_lake.manifest.rebuild.manifest_inputs", lambda _: {manifest: lake.versions}
    )
    found = rebuild(lake, manifest, land_cover, files=files)
    assert not found.same
    assert found.equal_rows < found.rows


def test_other_files_than_then_are_refused(world: World, tmp_path: Path) -> None:
    lake, manifest, land_cover, files = world
    with pytest.raises(UsageError, match="Not the same files as then: chips chips"):
        rebuild(lake, manifest, land_cover)
    another = town_and_fields(tmp_path / "other.tif", urban_share=0.5)
    with pytest.raises(UsageError, match="not the land cover that the manifest was made from"):
        rebuild(lake, manifest, another, files=files)
    with pytest.raises(UsageError, match="no manifest 'man-none'"):
        rebuild(lake, "man-none", land_cover, files=files)


def test_the_command(world: World) -> None:
    lake, manifest, land_cover, files = world
    command = ["manifest", "rebuild", manifest, "--land-cover", str(land_cover)]
    command += ["--chips", f"chips={files.chips['chips']}", "--lake", str(lake.root)]
    done = CliRunner().invoke(app, [*command, "--json"])
    assert done.exit_code == 0, done.output
    told: dict[str, Any] = json.loads(done.stdout)
    assert told["same"] is True
    assert "The same rows" in CliRunner().invoke(app, command).stdout
    wrong = CliRunner().invoke(app, [*command, "--chips", "chips"])
    assert wrong.exit_code == 2
    assert "is not SUBSET=FILE" in wrong.output
