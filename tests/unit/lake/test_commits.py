"""Commits tie versions together; readers stay at theirs."""

import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from geosr_lake.errors import ContractError, UsageError
from geosr_lake.lake import Lake, commits, ledger


def shard(number: int) -> dict[str, Any]:
    return {
        "manifest_id": "man-1",
        "task": "s2_naip",
        "split": "train",
        "shard": number,
        "plan_hash": "p",
        "first_index": 0,
        "n_slots": 4,
        "n_samples": 4,
        "files": [],
        "rejected": [],
        "bytes_read": 1,
        "seconds": 1.0,
        "run_id": "run-1",
    }


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return Lake.create(tmp_path / "lake").root


def test_a_lake_is_a_folder_that_holds_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There is no lake here"):
        Lake.open(tmp_path)
    (tmp_path / "letter.txt").write_text("hello")
    with pytest.raises(UsageError, match="not empty"):
        Lake.create(tmp_path)
    with pytest.raises(UsageError, match="not a lake"):
        Lake.create(tmp_path / "letter.txt")
    made = Lake.create(tmp_path / "new" / "lake")
    assert Lake.open(made.root).versions == {}
    assert Lake.create(made.root).root == made.root


def test_a_stage_commits_its_tables_and_takes_over_the_others(root: Path) -> None:
    ledger.append(root, "shards", [shard(0)])
    first = commits.record(root, "cubes", "run-1")
    assert first is not None
    assert first.versions == {"shards": ledger.version_of(root, "shards")}
    ledger.append(root, "shards", [shard(1)])
    assert commits.record(root, "manifest", "run-2") is None
    second = commits.record(root, "cubes", "run-3")
    assert second is not None
    assert second.seq == first.seq + 1
    assert second.versions["shards"] > first.versions["shards"]
    assert commits.record(root, "cubes", "run-4") is None
    rows = sorted(ledger.read(root, "commits").to_pylist(), key=lambda row: row["seq"])
    assert [(row["seq"], row["stage"], row["run_id"]) for row in rows] == [
        (0, "cubes", "run-1"),
        (1, "cubes", "run-3"),
    ]


def test_readers_stay_at_their_commit_until_they_refresh(root: Path) -> None:
    writer = Lake.open(root)
    with writer.stage("cubes", "materialize"):
        ledger.append(root, "shards", [shard(0)])
    reader = Lake.open(root)
    with writer.stage("cubes", "materialize") as run:
        ledger.append(root, "shards", [shard(1)])
        assert Lake.open(root).arrow("shards").num_rows == 1
        run.counts = {"shards": 1}
    assert reader.arrow("shards").num_rows == 1
    assert writer.arrow("shards").num_rows == 2
    reader.refresh()
    assert reader.arrow("shards").num_rows == 2
    runs = sorted(reader.arrow("runs").to_pylist(), key=lambda row: row["started_at"])
    assert [row["status"] for row in runs] == ["done", "done"]
    assert runs[1]["counts"] == [("shards", 1)]


def test_a_stage_that_fails_says_so_and_commits_nothing(root: Path) -> None:
    lake = Lake.open(root)

    def fail() -> None:
        ledger.append(root, "shards", [shard(0)])
        raise UsageError("No", next_step="Do otherwise.")

    with pytest.raises(UsageError), lake.stage("cubes", "materialize"):
        fail()
    assert lake.arrow("shards").num_rows == 0
    with pytest.raises(ZeroDivisionError), lake.stage("cubes", "materialize"):
        raise ZeroDivisionError
    runs = sorted(Lake.open(root).arrow("runs").to_pylist(), key=lambda row: row["started_at"])
    assert [(row["status"], row["message"]) for row in runs] == [
        ("failed", "No. Do otherwise."),
        ("failed", "ZeroDivisionError"),
    ]
    assert commits.uncommitted(root, "cubes") == {"shards": None}
    with lake.stage("cubes", "materialize"):
        pass  # rows of the ledger are kept: they were whole
    assert lake.arrow("shards").num_rows == 1
    assert commits.uncommitted(root, "cubes") == {}


def test_two_stages_that_end_at_once_both_stand_in_the_newest_commit(root: Path) -> None:
    names = [f"run-{i}" for i in range(6)]
    errors: list[Exception] = []

    def end(name: str, number: int) -> None:
        try:
            with Lake.open(root).stage(f"stage{number}", "test"):
                pass
            commits.record(root, "cubes" if number % 2 else "lake", name)
        except Exception as error:  # noqa: BLE001 - told to the main thread
            errors.append(error)

    ledger.append(root, "shards", [shard(0)])
    threads = [threading.Thread(target=end, args=(n, i)) for i, n in enumerate(names)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    newest = commits.latest(root)
    assert newest is not None
    assert newest.versions["shards"] == ledger.version_of(root, "shards")
    seqs = [row["seq"] for row in ledger.read(root, "commits").to_pylist()]
    assert sorted(seqs) == list(range(len(seqs)))
    assert ledger.read(root, "runs").num_rows == 6


def test_a_lake_of_another_layout_is_refused_in_words(root: Path) -> None:
    row = {
        "seq": 0,
        "stage": "scenes",
        "run_id": "run-1",
        "committed_at": datetime.now(UTC),
        "versions": [("scenes", 0)],
        "lake_version": 99,
    }
    ledger.append(root, "commits", [row])
    with pytest.raises(ContractError, match="layout 99"):
        Lake.open(root)
