"""`geosr explain` and `geosr inspect` say what a lake holds and why, without a JVM."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest
from typer.testing import CliRunner

from geosr_lake.cli.app import app
from geosr_lake.errors import UsageError
from geosr_lake.lake import Lake, ledger
from geosr_lake.report.explain import explain
from geosr_lake.report.inspect import NOUNS, inspect

pytestmark = pytest.mark.spark


def rows(built: Any, table: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = built.lake.arrow(table).to_pylist()
    return found


def sections(found: Any) -> dict[str, list[dict[str, Any]]]:
    return {part.title: part.records for part in found.sections}


def test_a_scene(built: Any) -> None:
    scene = built.scenes[0]
    found = explain(built.lake, scene.scene_id)
    assert found.kind == "scene"
    assert found.facts["cloud"] == "5.0%"
    assert found.facts["time"] == "2024-01-01 12:00:00 to 2024-01-01 13:00:00 UTC"
    parts = sections(found)
    assert parts["Items"] == [
        {
            "stands": "winner",
            "archive": "made",
            "collection": "sentinel2",
            "item_id": "13SED-0",
            "source_file": None,
        }
    ]
    mine = [p for p in built.pairs if p["lr_scene_id"] == scene.scene_id]
    assert parts["Pairs by rule"][0]["pairs"] == len(mine)
    assert parts["Pairs by rule"][0]["least_gap"] == "+5.000 d"
    counted = sum(row["candidates"] for row in parts["Candidates by verdict"])
    judged = [c for c in rows(built, "candidates") if c["lr_scene_id"] == scene.scene_id]
    assert counted == len(judged)


def test_a_pair(built: Any) -> None:
    pair = built.pairs[0]
    found = explain(built.lake, pair["pair_id"])
    assert found.kind == "pair"
    assert found.facts["gap_s"] == pair["gap_s"]
    assert "recipe made" in found.says[0]
    assert "HR lies 5.000 days after LR" in found.says[1]
    parts = sections(found)
    assert [row["scene"] for row in parts["Scenes"]] == [pair["lr_scene_id"], pair["hr_scene_id"]]
    for row in parts["Candidates by verdict"]:
        assert row["why"]


def test_a_site_and_why_each_of_its_candidates_was_dropped(built: Any) -> None:
    cloudy = next(c for c in rows(built, "candidates") if c["verdict"] == "lr_cloud")
    found = explain(built.lake, cloudy["site_id"])
    parts = sections(found)
    assert {row["share"] for row in parts["Land cover"]} <= {"100.0%"} | {
        f"{i / 10}%" for i in range(1000)
    }
    told = {row["pair"]: row for row in parts["Candidates, in the order of choice"]}
    mine = [c for c in rows(built, "candidates") if c["site_id"] == cloudy["site_id"]]
    assert told.keys() == {c["pair_id"] for c in mine}
    assert told[cloudy["pair_id"]]["why"].endswith("the rule cloud allows (0.6 > 0.2)")


def test_a_sample_with_its_place_in_a_manifest(built: Any) -> None:
    row = rows(built, "manifest")[0]
    found = explain(built.lake, row["sample_id"])
    assert found.kind == "sample"
    assert f"{row['role']} number {row['rank'] + 1} of {row['split']}" in found.says[1]
    assert found.says[-1] == "Its pixels have not been written."
    assert sections(found)["In manifests"][0]["block"] == row["block"]
    assert len(sections(found)["Scenes"]) == 2


def test_a_sample_with_its_place_in_a_cube(built: Any) -> None:
    """Its own commits, at the end of the shared lake: nothing that other tests read changes."""
    first, second, third = rows(built, "manifest")[:3]
    shard = {
        "manifest_id": first["manifest_id"],
        "task": "s2_naip",
        "split": "train",
        "shard": 0,
        "plan_hash": "p",
        "first_index": 0,
        "n_slots": 4,
        "n_samples": 2,
        "files": [],
        "rejected": [{"sample_id": third["sample_id"], "reason": "hr_not_clear"}],
        "bytes_read": 1,
        "seconds": 1.0,
        "run_id": "run-1",
    }
    sample = {
        "manifest_id": first["manifest_id"],
        "task": "s2_naip",
        "subset": "sr",
        "shard": 0,
        "split": "train",
        "cube": "cubes/made/train.zarr",
        "lr_item": "a/b/c",
        "lr_valid_frac": 1.0,
        "hr_valid_frac": 1.0,
        "lr_clear_frac": 1.0,
        "hr_item": "d/e/f",
        "hr_clear_frac": 1.0,
    }
    ledger.append(built.lake.root, "shards", [shard])
    ledger.append(
        built.lake.root,
        "samples",
        [
            sample | {"sample_id": first["sample_id"], "index": 0},
            sample | {"sample_id": second["sample_id"], "index": 1, "replaces": third["sample_id"]},
        ],
    )
    # Read at their latest versions, without a commit: other tests still see none.
    lake = Lake.open(built.lake.root)
    lake._versions |= {
        name: ledger.version_of(lake.root, name) or 0 for name in ("shards", "samples")
    }
    assert (
        "Its pixels are at index 0 of cubes/made/train.zarr."
        in explain(lake, first["sample_id"]).says
    )
    assert f"in the place of {third['sample_id']}" in explain(lake, second["sample_id"]).says[-1]
    assert explain(lake, third["sample_id"]).says[-1] == (
        "Shard 0 of train rejected its pixels: hr_not_clear."
    )
    assert sections(explain(lake, first["manifest_id"]))["Shards written"] == [
        {"split": "train", "shards": 1}
    ]
    cubes = {part.title: part.records for part in inspect(lake, "cubes")}
    assert cubes["Shard groups by split"][0]["rejected"] == 1
    assert cubes["Samples by cube"][0]["replaced"] == 1


def test_a_manifest(built: Any) -> None:
    found = explain(built.lake, built.summary.manifest_id)
    parts = sections(found)
    funnel = parts["Funnel of candidates"]
    assert [row["step"] for row in funnel] == list(range(len(funnel)))
    assert sum(row["rows"] for row in parts["Rows"]) == 24
    assert "20 samples and 4 reserves" in found.says[0]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("scn-000000000000000000000000", "The lake holds no scene"),
        ("par-000000000000000000000000", "The lake holds no pair"),
        ("sit-0", "The lake holds no site"),
        ("smp-' OR '1'='1", "The lake holds no sample"),
        ("man-", "The lake holds no manifest"),
        ("hello", "is no id that can be explained"),
        ("", "is no id that can be explained"),
    ],
)
def test_what_is_not_there_is_told_in_words(built: Any, name: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        explain(built.lake, name)
    done = CliRunner().invoke(app, ["explain", name, "--lake", str(built.lake.root)])
    assert done.exit_code == 2


def test_inspect_counts_what_is_there(built: Any) -> None:
    for noun in NOUNS:
        assert all(part.title for part in inspect(built.lake, noun))
    scenes = inspect(built.lake, "scenes")[0].records
    assert {row["sensor"]: row["scenes"] for row in scenes} == {"naip": 6, "sentinel2": 5}
    assert {row["sensor"]: row["cloud_unknown"] for row in scenes} == {"naip": 6, "sentinel2": 1}
    pairs = inspect(built.lake, "pairs")[0].records
    assert [row["pairs"] for row in pairs] == [len(built.pairs)]
    manifests, groups = (part.records for part in inspect(built.lake, "manifest"))
    assert manifests[0]["samples"] == 20
    assert sum(row["rows"] for row in groups) == 24
    runs = inspect(built.lake, "runs")[0].records
    assert runs[0]["stage"] == "manifest build"
    with pytest.raises(UsageError, match="cannot be inspected"):
        inspect(built.lake, "clouds")


def test_an_empty_lake_has_nothing_of_anything(tmp_path: Any) -> None:
    lake = Lake.create(tmp_path / "lake")
    for noun in NOUNS:
        assert all(part.rows == () for part in inspect(lake, noun))
    with pytest.raises(UsageError):
        explain(lake, "scn-000000000000000000000000")


def test_the_commands(built: Any) -> None:
    root = str(built.lake.root)
    sample = rows(built, "manifest")[0]["sample_id"]
    ids = [sample, built.scenes[0].scene_id, built.pairs[0]["pair_id"], built.summary.manifest_id]
    for name in ids:
        done = CliRunner().invoke(app, ["explain", name, "--lake", root])
        assert done.exit_code == 0, done.output
        assert name in done.stdout
        done = CliRunner().invoke(app, ["explain", name, "--lake", root, "--json"])
        assert json.loads(done.stdout)["id"] == name
    for noun in NOUNS:
        done = CliRunner().invoke(app, ["inspect", noun, "--lake", root])
        assert done.exit_code == 0, done.output
        done = CliRunner().invoke(app, ["inspect", noun, "--lake", root, "--json"])
        assert isinstance(json.loads(done.stdout), dict)


def test_neither_starts_a_jvm(built: Any) -> None:
    sample = rows(built, "manifest")[0]["sample_id"]
    code = (
        "import sys\n"
        "from geosr_lake.lake import Lake\n"
        "from geosr_lake.report.explain import explain\n"
        "from geosr_lake.report.inspect import inspect\n"
        "lake = Lake.open(sys.argv[1])\n"
        "print(explain(lake, sys.argv[2]).kind, len(inspect(lake, 'scenes')))\n"
        "assert 'pyspark' not in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(built.lake.root), sample],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "JAVA_HOME": "/nowhere"},
    )
    assert (done.returncode, done.stdout) == (0, "sample 1\n"), done.stderr
