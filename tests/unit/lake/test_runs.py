"""The ledger of runs: a row from the start of a run, and what became of it."""

from pathlib import Path
from typing import Any

import pytest
from table_rows import add

from geosr_lake.errors import UsageError
from geosr_lake.lake import Lake, runs
from geosr_lake.lake.runs import DONE, FAILED, KILLED, RUNNING, StageRun
from geosr_lake.report.inspect import inspect


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.create(tmp_path / "lake")


def rows(lake: Lake) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = Lake.open(lake.root).arrow("runs").to_pylist()
    return sorted(found, key=lambda row: row["started_at"])


def pair(n: int) -> dict[str, Any]:
    names = ("lr_sensor", "hr_sensor", "hr_tile", "lr_extent_id", "hr_extent_id")
    return dict.fromkeys(names, "x") | {"lr_tile": str(n)}


def test_a_run_is_there_from_its_start(lake: Lake) -> None:
    with lake.stage("pairs", "build") as run:
        (row,) = rows(lake)
        assert (row["run_id"], row["stage"], row["status"]) == (run.run_id, "pairs build", RUNNING)
        assert row["seconds"] is None
        run.rule_id, run.recipe = "rul-1", '{"name":"x"}'
        run.counts, run.reasons = {"pairs": 2}, {"too_cloudy": 3}
        add(lake, "tile_pairs", [pair(1), pair(2)])
    (row,) = rows(lake)
    assert (row["status"], row["message"], row["recipe"]) == (DONE, None, '{"name":"x"}')
    assert (row["counts"], row["reasons"]) == ([("pairs", 2)], [("too_cloudy", 3)])
    assert (row["versions_in"], row["versions_out"]) == ([], [("tile_pairs", 0)])
    files = list((lake.root / "tables/tile_pairs").glob("*.parquet"))
    assert row["bytes_written"] == sum(file.stat().st_size for file in files) > 0
    assert row["seconds"] == (row["ended_at"] - row["started_at"]).total_seconds()


def test_versions_in_and_out_and_the_bytes_between(lake: Lake) -> None:
    for n in range(2):
        with lake.stage("pairs", "build"):
            add(lake, "tile_pairs", [pair(n)])
    with lake.stage("pairs", "build"):
        pass
    _, second, third = rows(lake)
    assert (second["versions_in"], second["versions_out"]) == (
        [("tile_pairs", 0)],
        [("tile_pairs", 1)],
    )
    assert 0 < second["bytes_written"] < 5_000
    assert (third["versions_out"], third["bytes_written"]) == ([("tile_pairs", 1)], 0)


def test_failed_and_killed_runs_are_seen(lake: Lake) -> None:
    begun: list[StageRun] = []

    def fails() -> None:
        with lake.stage("pairs", "build") as run:
            begun.append(run)
            run.counts = {"tested": 7}
            raise UsageError("Nothing fits", where="here")

    with pytest.raises(UsageError):
        fails()
    run = begun[0]
    killed = StageRun()
    runs.begin(lake.root, killed, "pairs", "build", lake.versions)
    other = StageRun()
    runs.begin(lake.root, other, "scenes", "ingest", lake.versions)
    with lake.stage("pairs", "build") as after:
        pass
    found = {row["run_id"]: row for row in rows(lake)}
    failed = found[run.run_id]
    assert (failed["status"], failed["message"]) == (FAILED, "Nothing fits (here)")
    assert failed["counts"] == [("tested", 7)]
    assert found[killed.run_id]["status"] == KILLED
    assert after.run_id in found[killed.run_id]["message"]
    assert found[other.run_id]["status"] == RUNNING, "it is of a stage that we do not hold"
    told = {row["run_id"]: row for row in inspect(Lake.open(lake.root), "runs")[0].records}
    assert told[killed.run_id]["status"] == KILLED
    assert told[killed.run_id]["seconds"] is None
    assert told[run.run_id]["counts"] == "tested 7"
    assert len(told) == 4
