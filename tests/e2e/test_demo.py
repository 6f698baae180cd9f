"""The whole path on the generated archive, looked at from its end."""

import itertools
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from geosr_lake.lake import Lake
from geosr_lake.lake.contracts import contracts

pytestmark = pytest.mark.spark

MIN_SAMPLES = {"modis_landsat8": 8, "s2_naip": 32}
SPLITS = {"train", "val", "test"}


@pytest.fixture
def lake(demo_output: dict[str, Any]) -> Lake:
    return Lake.open(demo_output["lake"])


def _state(root: Path) -> dict[str, tuple[int, int]]:
    """Inode and modification time of every file but those that a run always writes."""
    return {
        str(path.relative_to(root)): (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in root.rglob("*")
        if path.is_file() and path.relative_to(root).parts[:2] != ("tables", "runs")
    }


def test_every_input_is_accounted_for(lake: Lake) -> None:
    items = Counter(lake.arrow("items", columns=["outcome"])["outcome"].to_pylist())
    scenes = lake.arrow("scenes", columns=["superseded"])["superseded"].to_pylist()
    assert items["kept"] == len(scenes) + sum(map(len, scenes))
    assert items["quarantined"] > 0
    assert items["unsupported"] > 0
    assert sum(map(len, scenes)) > 0


def test_each_task_has_samples_in_every_split(lake: Lake) -> None:
    samples = lake.arrow("samples").to_pylist()
    for task, least in MIN_SAMPLES.items():
        of_task = [s for s in samples if s["task"] == task]
        assert len(of_task) >= least
        assert {s["split"] for s in of_task} == SPLITS


def test_the_missing_acquisition_was_replaced_from_reserves(lake: Lake) -> None:
    rejected = [r for row in lake.arrow("shards").to_pylist() for r in row["rejected"]]
    replaced = [s for s in lake.arrow("samples").to_pylist() if s["replaces"] is not None]
    assert rejected
    assert replaced
    assert {s["replaces"] for s in replaced} <= {r["sample_id"] for r in rejected}


def test_the_funnel_adds_up_to_the_candidates(lake: Lake) -> None:
    candidates = Counter(lake.arrow("candidates")["manifest_id"].to_pylist())
    steps: dict[str, list[dict[str, Any]]] = {}
    for row in lake.arrow("funnel").to_pylist():
        steps.setdefault(row["manifest_id"], []).append(row)
    assert steps.keys() == candidates.keys()
    for manifest_id, rows in steps.items():
        rows.sort(key=lambda row: row["step"])
        assert rows[0]["n_in"] == candidates[manifest_id]
        for before, after in itertools.pairwise(rows):
            assert before["n_out"] == after["n_in"]
        chosen = lake.arrow("manifest", filters=[("manifest_id", "=", manifest_id)]).num_rows
        assert rows[-1]["n_out"] == chosen


def test_people_see_the_funnel_and_the_paths_at_the_end(
    demo_output: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    from geosr_lake.cli.demo import TASKS, DemoSummary, _funnel, _print

    rows = {name: cells for name, *cells in _funnel(demo_output["stages"])}
    for column, task in enumerate(TASKS):
        count = {name: int(cells[column].replace(",", "")) for name, cells in rows.items()}
        dropped = sum(number for name, number in count.items() if name.startswith("dropped"))
        assert count["candidates"] + dropped == count["samples"] + count["reserves"]
        assert count["in cubes"] >= MIN_SAMPLES[task]
        failed = sum(number for name, number in count.items() if name.startswith("failed"))
        spare = count["reserves tried in their place"]
        assert count["samples"] + failed + spare == count["in cubes"]
        placed = demo_output["stages"][task]["cubes"]["replaced"]
        assert placed <= spare <= count["reserves"]
    _print(DemoSummary(**demo_output))
    printed = capsys.readouterr()
    for word in ("The funnel", "dropped: lr_cloud", "What the steps took", *TASKS):
        assert word in printed.out
    for name in ("lake", "catalog", "report"):
        assert demo_output[name] in printed.err


def test_both_strata_are_in_both_tasks(lake: Lake) -> None:
    tasks = {m["manifest_id"]: m["task"] for m in lake.arrow("manifests").to_pylist()}
    found = {(tasks[m["manifest_id"]], m["stratum"]) for m in lake.arrow("manifest").to_pylist()}
    assert found == {(task, s) for task in MIN_SAMPLES for s in ("urban", "non_urban")}


@pytest.mark.slow
def test_again_adds_no_row_but_runs_and_rewrites_no_byte(demo_output: dict[str, Any]) -> None:
    root = Path(demo_output["lake"])
    out = root.parent
    before, lake = _state(root), Lake.open(root)
    rows = {name: lake.arrow(name).num_rows for name in contracts()}
    command = [sys.executable, "-m", "geosr_lake", "demo", "--out", str(out), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ)
    assert done.returncode == 0, done.stderr[-4000:]
    after = Lake.open(root)
    assert rows.pop("runs") < after.arrow("runs").num_rows
    assert {name: after.arrow(name).num_rows for name in rows} == rows
    assert _state(root) == before
