"""A built manifest is audited, exported and compared, by commands that start no JVM."""

import json
import shutil
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pyarrow.parquet as pq
import pytest
import shapely
from manifest_world import recipe
from typer.testing import CliRunner

from geosr_lake.cli.app import app
from geosr_lake.errors import UsageError
from geosr_lake.lake import Lake
from geosr_lake.manifest import build
from geosr_lake.manifest.differ import diff
from geosr_lake.manifest.export import export

pytestmark = pytest.mark.spark


def geosr(*words: object) -> Any:
    return CliRunner().invoke(app, ["manifest", *(str(word) for word in words)])


@pytest.fixture(scope="module")
def file(built: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The manifest as GeoParquet."""
    path = tmp_path_factory.mktemp("export") / "samples.parquet"
    assert export(built.lake, built.summary.manifest_id, path) == len(built.lake.arrow("manifest"))
    return path


def test_the_file_is_the_manifest(built: Any, file: Path) -> None:
    frame = geopandas.read_parquet(file).set_index("sample_id")
    assert frame.crs.equals("OGC:CRS84")
    rows = {row["sample_id"]: row for row in built.lake.arrow("manifest").to_pylist()}
    assert set(frame.index) == set(rows)
    sites = {row["site_id"]: row for row in built.lake.arrow("sites").to_pylist()}
    scenes = {scene.scene_id: scene for scene in built.scenes}
    for sample, found in frame.iterrows():
        row = rows[str(sample)]
        assert all(found[name] == row[name] for name in ("split", "role", "rank", "gap_s"))
        assert shapely.to_wkb(found.geometry) == sites[row["site_id"]]["footprint_wkb"]
        for side in ("lr", "hr"):
            assert found[f"{side}_t_start"] == scenes[row[f"{side}_scene_id"]].start
        assert found["datetime"] == found["hr_t_start"]


def test_its_metadata_is_that_of_geoparquet(file: Path) -> None:
    geo = json.loads(pq.read_schema(file).metadata[b"geo"])
    column = geo["columns"][geo["primary_column"]]
    assert (geo["version"], column["encoding"]) == ("1.1.0", "WKB")
    assert column["geometry_types"] == ["Polygon"]
    np.testing.assert_allclose(column["bbox"], geopandas.read_parquet(file).total_bounds)


def test_a_file_that_is_there_stays(built: Any, file: Path) -> None:
    before = file.read_bytes()
    done = geosr("export", built.summary.manifest_id, "--to", file, "--lake", built.lake.root)
    assert done.exit_code == UsageError.exit_code
    assert file.read_bytes() == before


def test_the_lakes_manifest_and_its_file_are_audited_alike(built: Any, file: Path) -> None:
    lake = ("--lake", built.lake.root)
    found = [
        json.loads(geosr("audit", name, *more, "--json", "--buffer-m", 0).stdout)
        for name, more in ((built.summary.manifest_id, lake), (file, ()))
    ]
    for one in found:
        assert one["clean"]
        assert one["samples"] == len(built.lake.arrow("manifest"))
        assert set(one["counts"].values()) == {0}
    assert found[0] | {"name": ""} == found[1] | {"name": ""}


def test_a_leak_ends_with_a_code_of_its_own(built: Any, file: Path) -> None:
    done = geosr("audit", file, "--buffer-m", 1e6)
    assert done.exit_code == 8
    assert "below_buffer" in done.stdout
    assert "The manifest leaks" in done.stderr


def test_a_manifest_overlaps_with_itself(built: Any, file: Path) -> None:
    words = (built.summary.manifest_id, "--against", file, "--lake", built.lake.root, "--json")
    found = json.loads(geosr("audit", *words).stdout)
    n = len(built.lake.arrow("manifest"))
    assert found["duplicates"]["same_ids"] == found["duplicates"]["overlaps"] == n
    assert found["clean"]


def test_names_that_are_none(built: Any, tmp_path: Path) -> None:
    for words in (("man-none", "--lake", built.lake.root), (tmp_path / "none.parquet",)):
        done = geosr("audit", *words)
        assert done.exit_code == UsageError.exit_code
    assert "Add --lake" in geosr("audit", "man-none").stderr


def test_another_seed_gives_other_rows_of_the_same_input(built: Any, tmp_path: Path) -> None:
    shutil.copytree(built.lake.root, tmp_path / "lake")
    lake, mine = Lake.open(tmp_path / "lake"), built.summary.manifest_id
    other = build(lake, recipe(seed=2), built.land_cover).manifest_id
    lake.refresh()
    found = diff(lake, mine, other)
    assert [(row.what, row.a, row.b) for row in found.recipe] == [("select.seed", 1, 2)]
    one, two = (
        set(lake.arrow("manifest", filters=[("manifest_id", "=", name)])["sample_id"].to_pylist())
        for name in (mine, other)
    )
    assert found.only_a == len(one - two)
    assert found.only_b == len(two - one)
    assert found.in_both == len(one & two)
    assert set(found.examples()[mine]) <= one - two
    # The first build made the tables that the second one found.
    assert not {row.what for row in found.versions} & {"scenes", "pairs"}
    assert diff(lake, mine, mine).same_rows
    done = geosr("diff", mine, other, "--lake", lake.root)
    assert done.exit_code == 0
    assert "select.seed" in done.stdout


def test_a_difference_of_durations_is_told_as_recipes_write_them(
    built: Any, tmp_path: Path
) -> None:
    lake = Lake.open(shutil.copytree(built.lake.root, tmp_path / "lake"))
    names = [
        build(lake, recipe(rules=[{"rule": "gap", "max": most}]), built.land_cover).manifest_id
        for most in ("6 d", "36 h")
    ]
    lake.refresh()
    found = diff(lake, *names)
    assert [(row.what, row.a, row.b) for row in found.recipe] == [
        ("select.rules.gap.max", "6 d", "36 h")
    ]
