"""A lake in a bucket: names, locks, ledgers and commits on a real S3 server."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest
from object_store import BUCKET, object_store

from geosr_lake.errors import EnvironmentProblemError, LockedError, UsageError
from geosr_lake.lake import Lake, commits, ledger
from geosr_lake.lake.bucket import Bucket
from geosr_lake.lake.locks import lock
from geosr_lake.lake.place import place, root_of


@pytest.fixture(scope="module")
def store() -> Iterator[dict[str, str]]:
    with object_store() as environment, pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        yield environment


@pytest.fixture
def root(store: dict[str, str]) -> Bucket:
    return Bucket(BUCKET, f"tests/{uuid.uuid4().hex}")


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("s3://lakes", "tables"),
        ("s3://lakes/", "tables"),
        ("s3a://lakes/a/b=1", "a/b=1/tables"),
        ("s3://lakes/a/b/", "a/b/tables"),
    ],
)
def test_both_spellings_name_a_place(text: str, key: str) -> None:
    found = root_of(text)
    assert isinstance(found, Bucket)
    assert found.spark_url("tables") == f"s3a://lakes/{key}"
    assert found.delta_url("tables") == f"s3://lakes/{key}"


@pytest.mark.parametrize(
    "text",
    ["s3://", "s3://LAKES/a", "s3://lakes/../a", "s3://lakes/a//b", "s3://lakes/a b", "s3://k:p@h/x",
     "gs://lakes/a", "https://example.com/lake", "s3://lakes/a?x=1"],
)  # fmt: skip
def test_other_urls_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no place in an object store"):
        root_of(text)


def test_a_folder_is_a_path() -> None:
    assert root_of("lake") == Path("lake").absolute()


def test_a_lock_stands_while_it_is_held(root: Bucket) -> None:
    with lock(root, "pairs"):
        assert root.get("locks", "pairs.lock") is not None
        with pytest.raises(LockedError, match="s3://lakes/tests/"), lock(root, "pairs"):
            pass
        with lock(root, "scenes"):
            pass
    assert root.get("locks", "pairs.lock") is None


def _enter(root: Bucket, start: Barrier, inside: str, rounds: int) -> None:
    for _ in range(rounds):
        start.wait(60)
        with lock(root, "pairs", wait_s=60):
            file = os.open(inside, os.O_CREAT | os.O_EXCL)  # fails if another is inside
            os.close(file)
            Path(inside).unlink()


def _race(root: Bucket, tmp_path: Path, rounds: int) -> None:
    spawn = multiprocessing.get_context("spawn")
    start = spawn.Barrier(3)
    arguments = (root, start, str(tmp_path / "inside"), rounds)
    racers = [spawn.Process(target=_enter, args=arguments) for _ in range(3)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join(120)
    assert [racer.exitcode for racer in racers] == [0, 0, 0]


def test_of_racing_processes_one_is_inside(root: Bucket, tmp_path: Path) -> None:
    _race(root, tmp_path, 10)


HOLD = """
import sys, time
from geosr_lake.lake.locks import lock
from geosr_lake.lake.place import root_of
with lock(root_of(sys.argv[1]), "pairs"):
    print("held", flush=True)
    time.sleep(60)
"""


def _kill_a_holder(root: Bucket) -> int:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(root)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    return process.pid


def test_a_dead_holders_lock_is_broken_in_words(root: Bucket) -> None:
    pid = _kill_a_holder(root)
    said: list[str] = []
    with lock(root, "pairs", tell=said.append):
        pass
    assert len(said) == 1
    assert f"process {pid}" in said[0]
    assert root.get("locks", "pairs.lock") is None


@pytest.mark.slow
def test_of_racing_processes_one_breaks_a_dead_holders_lock(root: Bucket, tmp_path: Path) -> None:
    _kill_a_holder(root)
    _race(root, tmp_path, 1)


def test_a_holder_on_another_machine_is_left_alone(root: Bucket) -> None:
    other = {"host": "elsewhere", "pid": 1, "started": 0.0, "token": "x"}
    assert root.put("locks", "pairs.lock", data=json.dumps(other).encode())
    with pytest.raises(LockedError, match="process 1 on elsewhere"), lock(root, "pairs"):
        pass
    found = root.get("locks", "pairs.lock")
    assert found is not None
    assert json.loads(found[0]) == other


def test_a_lake_is_made_once_and_opened(root: Bucket) -> None:
    with pytest.raises(UsageError, match="There is no lake here"):
        Lake.open(str(root))
    Lake.create(str(root))
    assert Lake.open(f"s3a://{root.bucket}/{root.prefix}").versions == {}
    Lake.create(str(root))


def test_a_prefix_that_holds_something_else_becomes_no_lake(root: Bucket) -> None:
    root.put("notes.txt", data=b"mine")
    with pytest.raises(UsageError, match="not a lake and not empty"):
        Lake.create(root)


def test_files_beside_the_tables_need_a_folder(root: Bucket) -> None:
    lake = Lake.create(root)
    with pytest.raises(UsageError, match="aws s3 sync s3://lakes/tests/"):
        _ = lake.folder


def test_a_bucket_that_is_not_there_is_an_error_in_words(store: dict[str, str]) -> None:
    with pytest.raises(EnvironmentProblemError, match="AWS_ENDPOINT_URL") as caught:
        Lake.create("s3://nothing-of-this-name/lake")
    assert "nobody" not in str(caught.value)


def _commit_row(seq: int) -> dict[str, object]:
    return {
        "seq": seq,
        "stage": "pairs",
        "run_id": f"run-{seq}",
        "committed_at": datetime(2026, 1, 1, tzinfo=UTC),
        "versions": [("pairs", seq)],
        "lake_version": 1,
    }


def test_ledgers_are_written_read_and_pinned(root: Bucket) -> None:
    lake = Lake.create(root)
    assert commits.latest(root) is None
    ledger.append(root, "commits", [_commit_row(0)], txn="first")
    ledger.append(root, "commits", [_commit_row(0)], txn="first")
    assert lake.versions == {}
    lake.refresh()
    assert lake.versions["pairs"] == 0
    assert lake.arrow("commits", columns=["seq"], filters=[("stage", "=", "pairs")]).num_rows == 1
    newest = commits.latest(root)
    assert newest is not None
    assert newest.versions == {"pairs": 0}


def test_a_stage_without_spark_commits(root: Bucket) -> None:
    lake = Lake.create(root)
    with lake.stage("cubes", "materialize") as run:
        run.counts = {"samples": 0}
    (row,) = lake.arrow("runs").to_pylist()
    assert (row["stage"], row["status"]) == ("cubes materialize", "done")


def _append(root: Bucket, start: Barrier, seq: int) -> None:
    start.wait(60)
    with lock(root, "commits", wait_s=60):
        ledger.append(root, "commits", [_commit_row(seq)])


def test_two_processes_lose_no_commit(root: Bucket) -> None:
    Lake.create(root)
    spawn = multiprocessing.get_context("spawn")
    start = spawn.Barrier(2)
    racers = [spawn.Process(target=_append, args=(root, start, seq)) for seq in (0, 1)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join(120)
    assert sorted(ledger.read(root, "commits")["seq"].to_pylist()) == [0, 1]


def test_no_key_is_stored(root: Bucket, store: dict[str, str]) -> None:
    lake = Lake.create(root)
    with lake.stage("cubes", "materialize"):
        pass
    import obstore

    bucket = root._store()
    for page in obstore.list(bucket, prefix=root.prefix):
        for found in page:
            data = bytes(obstore.get(bucket, found["path"]).bytes())
            assert store["AWS_SECRET_ACCESS_KEY"].encode() not in data


def test_a_log_without_a_version_is_removed(root: Bucket) -> None:
    root.put("tables", "draws", "_delta_log", "x.tmp", data=b"")
    assert not place(root).has_version("tables", "draws")
    place(root).remove_below("tables", "draws", "_delta_log")
    assert root.get("tables", "draws", "_delta_log", "x.tmp") is None
