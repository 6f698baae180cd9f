"""The stage as a whole: rows by rule, idempotent, resumed after a kill; the command and the job."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from pairs_world import DAY_US, HOUR_US, NOON_2024_US, Scene, put, recipe, square
from pyspark.sql.functions import lit
from typer.testing import CliRunner

from geosr_lake import ids
from geosr_lake.cli.app import app
from geosr_lake.errors import RecipeError, UsageError
from geosr_lake.lake import Lake, commits, tables
from geosr_lake.pairs.build import build
from geosr_lake.pairs.compared import Digest, digests
from geosr_lake.recipe import Recipe

pytestmark = pytest.mark.spark

T = NOON_2024_US
REPO = Path(__file__).parents[2]


def world() -> list[Scene]:
    """One coarse scene, and fine ones an hour and a day after and ten days before it."""
    return [
        Scene("modis", "h00v00", square(0, 0, 5), T),
        Scene("landsat", "001001", square(1, 1), T + HOUR_US),
        Scene("landsat", "001001", square(1.2, 1), T + DAY_US),
        Scene("landsat", "004001", square(4.5, 1), T - 10 * DAY_US),
    ]


@pytest.fixture
def full(lake: Lake) -> Lake:
    put(lake, world())
    return lake


def but_runs(lake: Lake) -> dict[str, int]:
    return {name: version for name, version in lake.versions.items() if name != "runs"}


def rows(lake: Lake, rule: Recipe) -> list[dict[str, object]]:
    table = lake.arrow("pairs", filters=[("rule_id", "=", rule.pairs.rule_id)])
    return sorted(table.to_pylist(), key=lambda row: row["gap_s"])


def test_a_row_says_what_the_contract_promises(full: Lake) -> None:
    rule, scenes = recipe(window="30 d"), world()
    summary = build(full, rule)
    assert (summary.lr_scenes, summary.hr_scenes, summary.pairs) == (1, 3, 3)
    assert (summary.scene_pairs_tested, summary.footprint_pairs_tested) == (3, 3)
    first = rows(full, rule)[0]
    lr_id, hr_id = scenes[0].scene_id, scenes[3].scene_id
    assert first == {
        "rule_id": rule.pairs.rule_id,
        "lr_scene_id": lr_id,
        "hr_scene_id": hr_id,
        "pair_id": ids.pair_id(rule.pairs.rule_id, lr_id, hr_id),
        "lr_tile": "h00v00",
        "hr_tile": "004001",
        "gap_s": -864_000.0,
        "overlap_frac": pytest.approx(0.5, abs=1e-4),
    }
    run = last_run(full)
    assert (run["stage"], run["rule_id"]) == ("pairs build", rule.pairs.rule_id)
    assert dict(run["counts"])["pairs"] == 3
    assert json.loads(run["detail"])["tasks"] == 1


def test_rules_keep_their_rows_apart_and_again_changes_nothing(full: Lake) -> None:
    wide, narrow = recipe(window="30 d"), recipe(window="2 h")
    build(full, wide)
    assert build(full, narrow).pairs == 1
    assert len(rows(full, wide)) == 3
    before = but_runs(full)
    for rule in (wide, narrow):
        assert not build(full, rule).changed
    assert but_runs(full) == before
    # A superseded scene goes, and with it the pair, under the rule that is built again.
    put(full, world()[:2])
    assert build(full, narrow).pairs == 1
    assert build(full, wide).pairs == 1
    assert len(rows(full, wide)) == 1


def test_a_rule_without_pairs_is_an_answer(full: Lake) -> None:
    summary = build(full, recipe(window="1 s"))
    assert (summary.pairs, summary.scene_pairs_tested, summary.changed) == (0, 0, False)


def test_a_failed_build_is_a_row_of_runs_and_changes_nothing(full: Lake) -> None:
    before = but_runs(full)
    with pytest.raises(UsageError, match="no scene of naip"):
        build(full, recipe("modis", "naip"))
    full.refresh()
    assert but_runs(full) == before
    assert last_run(full)["status"] == "failed"


def test_without_scenes_the_error_says_what_there_is(lake: Lake) -> None:
    coarse, *_ = world()
    put(lake, [coarse, Scene("landsat", "001001", square(0, 0), T, platform="landsat-7")])
    with pytest.raises(UsageError, match="no scene of naip") as missing:
        build(lake, recipe("modis", "naip"))
    assert not isinstance(missing.value, RecipeError)
    with pytest.raises(RecipeError, match=r"P\.1 of the platforms landsat-7, 2024-06-01"):
        build(lake, recipe(hr_filter={"platforms": ["landsat-8"]}))


def test_rows_of_a_killed_build_go_and_those_of_the_next_stand(full: Lake) -> None:
    rule, other = recipe(window="30 d"), recipe(window="2 h")
    build(full, rule)
    # What a kill between the write and the commit leaves behind.
    orphan = full.df("pairs").withColumn("rule_id", lit(other.pairs.rule_id))
    tables.append(full.spark, full.root, "pairs", orphan)
    assert commits.uncommitted(full.root, "pairs")
    assert build(full, other).pairs == 1
    assert (len(rows(full, other)), len(rows(full, rule))) == (1, 3)
    assert not commits.uncommitted(full.root, "pairs")


def test_digest_is_of_the_rows_not_of_their_order(full: Lake) -> None:
    frame = full.df("scenes").select("scene_id", "tile")
    same, shuffled, fewer, other, twice, none = digests(
        frame,
        frame.orderBy("scene_id").repartition(5),
        frame.where("tile = '001001'"),
        frame.selectExpr("tile AS scene_id", "scene_id AS tile"),
        frame.unionAll(frame),
        frame.where("false"),
    )
    assert same == shuffled
    assert len({same, fewer, other, twice, none}) == 5
    assert (same.rows, twice.rows, none) == (4, 8, Digest())


def last_run(lake: Lake) -> dict[str, Any]:
    return max(lake.arrow("runs").to_pylist(), key=lambda run: run["started_at"])


@pytest.fixture
def recipe_file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.yaml"
    sides = {"lr": {"sensor": "modis"}, "hr": {"sensor": "landsat"}}
    path.write_text(yaml.safe_dump({"name": "mine", "pairs": {**sides, "window": "30 d"}}))
    return path


def test_command_prints_counts_and_the_next_command(full: Lake, recipe_file: Path) -> None:
    args = ["pairs", "build", "--recipe", str(recipe_file), "--lake", str(full.root)]
    done = CliRunner().invoke(app, args)
    assert done.exit_code == 0, done.output
    lines = {" ".join(line.replace("│", " ").split()) for line in done.stdout.splitlines()}
    assert {"tile pairs 2", "of these new 2", "scene pairs tested exactly 3", "pairs 3"} <= lines
    assert "Next: geosr sql" in done.stderr
    again = CliRunner().invoke(app, [*args, "--json"])
    assert json.loads(again.stdout)["changed"] is False


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"window": "-1 d"}, "a duration is a number and a unit"),
        ({"window": "5000 d"}, "between 0 and 3660 days"),
        ({"lr": {"sensor": "landsat"}}, "lr and hr must be two sensors"),
        ({"start": "2024-02-01", "end": "2024-01-01"}, "start must lie before end"),
        ({"windw": "1 d"}, "did you mean window"),
    ],
)
def test_command_refuses_a_rule_that_makes_no_sense(
    full: Lake, recipe_file: Path, change: dict[str, object], says: str
) -> None:
    data = yaml.safe_load(recipe_file.read_text())
    data["pairs"] |= change
    recipe_file.write_text(yaml.safe_dump(data))
    args = ["pairs", "build", "--recipe", str(recipe_file), "--lake", str(full.root)]
    done = CliRunner().invoke(app, args)
    assert done.exit_code == 2
    assert says in " ".join(done.stderr.split())


def test_command_without_a_lake_says_so(recipe_file: Path, tmp_path: Path) -> None:
    args = ["pairs", "build", "--recipe", str(recipe_file), "--lake", str(tmp_path / "none")]
    done = CliRunner().invoke(app, args)
    assert done.exit_code == 2
    assert "There is no lake here" in " ".join(done.stderr.split())


@pytest.mark.slow
def test_job_under_spark_submit_builds_the_same(full: Lake, recipe_file: Path) -> None:
    """The same function, started by spark-submit in a JVM and a process of its own."""
    from geosr_lake.lake.session import JARS, ivy_dir

    submit = Path(sys.executable).parent / "spark-submit"
    command = [str(submit), "--master", "local[2]", "--driver-memory", "1g"]
    command += ["--packages", ",".join(JARS), "--conf", f"spark.jars.ivy={ivy_dir()}"]
    command += [str(REPO / "jobs" / "build_pairs.py"), "--lake", str(full.root), "--json"]
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith(("SPARK_", "PYSPARK_"))},
        "PYSPARK_PYTHON": sys.executable,
        "PYTHONPATH": str(REPO),
    }
    done = subprocess.run(
        [*command, "--recipe", str(recipe_file)], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr[-3000:]
    printed = json.loads(done.stdout[done.stdout.index("{") :])
    assert (printed["pairs"], printed["changed"]) == (3, True)
    full.refresh()
    assert len(full.arrow("pairs")) == 3
    refused = subprocess.run(
        [*command, "--recipe", "none.yaml"], capture_output=True, text=True, env=environment
    )
    assert refused.returncode == 2
    # spark-submit merges what a Python program prints on stderr into stdout.
    assert "The recipe cannot be read" in refused.stdout
