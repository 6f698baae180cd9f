"""SIGKILL in the middle of materialize: what was finished stays, and the end is the same."""

import contextlib
import os
import random
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cubes_world import s2_naip_lake

from geosr_lake.cubes import store
from geosr_lake.cubes.materialize import materialize
from geosr_lake.cubes.verify import verify
from geosr_lake.lake import Lake, ledger

REPO = Path(__file__).parents[2]
N_SHARDS = 8
WORKERS = 2

CHILD = """
import os, signal, sys
from geosr_lake.cubes.materialize import materialize
from geosr_lake.lake import Lake

class Killer:
    done = 0
    def start(self, label, total=None): pass
    def advance(self, amount=1):
        Killer.done += amount
        if Killer.done == int(sys.argv[3]):
            os.kill(os.getpid(), signal.SIGKILL)

lake = Lake.open(sys.argv[1])
materialize(lake, "man-0", source_roots=[sys.argv[2]], workers={workers}, progress=Killer())
"""

pytestmark = pytest.mark.fault


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake of eight shards of one sample each, its archive, and the undisturbed run's lake."""
    folder = tmp_path_factory.mktemp("kill")
    s2_naip_lake(folder, across=4, down=2, shard_samples=1)
    shutil.copytree(folder / "lake", folder / "undisturbed")
    materialize(Lake.open(folder / "undisturbed"), "man-0", source_roots=[folder / "archive"])
    return folder


def child(world: Path, lake: Path, kill_after: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [
            sys.executable,
            "-c",
            CHILD.format(workers=WORKERS),
            str(lake),
            str(world / "archive"),
            str(kill_after),
        ],
        env={**os.environ, "PYTHONPATH": str(REPO)},
        stderr=subprocess.DEVNULL,
    )


def prints(lake: Path) -> dict[str, tuple[int, int, int]]:
    """Inode, size and time of change of every file of the cube."""
    cube = lake / "cubes/man-0/train.zarr"
    found = {}
    for file in cube.rglob("*"):
        # A file that is being written has a passing name, and may be gone by now.
        with contextlib.suppress(FileNotFoundError):
            s = file.stat()
            if stat.S_ISREG(s.st_mode):
                found[str(file.relative_to(cube))] = (s.st_ino, s.st_size, s.st_mtime_ns)
    return found


def contents(lake: Path) -> dict[str, bytes]:
    cube = lake / "cubes/man-0/train.zarr"
    return {str(f.relative_to(cube)): f.read_bytes() for f in cube.rglob("*") if f.is_file()}


def finished(lake: Path) -> dict[int, list[str]]:
    """Shards that the ledger has, committed or not, and their files."""
    rows = ledger.read(lake, "shards").to_pylist()
    return {row["shard"]: [file["path"] for file in row["files"]] for row in rows}


def rows(lake: Lake, table: str) -> list[dict[str, object]]:
    """Rows of a ledger without what depends on the run."""
    listed = lake.arrow(table).to_pylist()
    kept = [{k: v for k, v in r.items() if k not in ("seconds", "run_id")} for r in listed]
    return sorted(kept, key=lambda r: (r["shard"], str(r.get("index"))))


@pytest.mark.parametrize("kill_after", [3, pytest.param(5, marks=pytest.mark.slow)])
def test_a_killed_run_is_finished_by_the_same_call(
    world: Path, tmp_path: Path, kill_after: int
) -> None:
    shutil.copytree(world / "lake", tmp_path / "lake")
    process = child(world, tmp_path / "lake", kill_after)
    assert process.wait(timeout=120) == -signal.SIGKILL
    done = finished(tmp_path / "lake")
    assert len(done) == kill_after
    before = prints(tmp_path / "lake")
    assert all(path in before for files in done.values() for path in files)
    lake = Lake.open(tmp_path / "lake")
    assert store.state(tmp_path / "lake/cubes/man-0/train.zarr") == store.BUILDING
    assert lake.arrow("shards").num_rows == 0, "no reader sees rows that were not committed"

    summary = materialize(lake, "man-0", source_roots=[world / "archive"], workers=WORKERS)
    assert summary.complete
    assert summary.shards_kept == kill_after
    assert summary.shards_written == N_SHARDS - kill_after, "what stood was not read again"
    one_shard = summary.bytes_read / summary.shards_written
    undisturbed = Lake.open(world / "undisturbed")
    expected = {row["bytes_read"] for row in undisturbed.arrow("shards").to_pylist()}
    assert expected == {one_shard}, "each shard's sources were read once"

    after = prints(tmp_path / "lake")
    for files in done.values():
        for path in files:
            assert after[path] == before[path], "a finished shard's file was touched"
    assert contents(tmp_path / "lake") == contents(world / "undisturbed")
    assert not [name for name in after if name.endswith(".partial")]
    for table in ("shards", "samples"):
        assert rows(lake, table) == rows(undisturbed, table)
    assert not verify(lake, "man-0", deep=True).problems


def test_kills_at_random_times_end_in_the_same_bytes(world: Path, tmp_path: Path) -> None:
    """Killed again and again, wherever it was, each time further on, until it is complete."""
    rng = random.Random(7)
    shutil.copytree(world / "lake", tmp_path / "lake")
    kept: dict[int, list[str]] = {}
    for _ in range(3):
        before = prints(tmp_path / "lake")
        process = child(world, tmp_path / "lake", kill_after=10**6)
        deadline = time.monotonic() + 60
        # The moment counts from the first new file: starting Python takes its own time.
        while process.poll() is None and time.monotonic() < deadline:
            if len(prints(tmp_path / "lake")) > len(before) + 2:
                break
            time.sleep(0.005)
        time.sleep(rng.uniform(0.0, 0.25))
        process.kill()
        process.wait()
        now = finished(tmp_path / "lake")
        assert kept.keys() <= now.keys()
        after = prints(tmp_path / "lake")
        for files in kept.values():
            assert all(after[path] == before[path] for path in files)
        kept = now
    lake = Lake.open(tmp_path / "lake")
    summary = materialize(lake, "man-0", source_roots=[world / "archive"])
    assert summary.complete
    assert summary.shards_kept >= len(kept)
    assert contents(tmp_path / "lake") == contents(world / "undisturbed")
    assert rows(lake, "samples") == rows(Lake.open(world / "undisturbed"), "samples")


def _interruptible() -> None:
    """Undo what a shell does to the SIGINT of what it runs in the background."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize(
    "how", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
)
def test_an_interruption_ends_in_words_and_the_command_goes_on(
    world: Path, tmp_path: Path, how: signal.Signals
) -> None:
    shutil.copytree(world / "lake", tmp_path / "lake")
    words = [
        sys.executable, "-m", "geosr_lake", "cubes", "materialize", "--lake",
        str(tmp_path / "lake"), "--source-root", str(world / "archive"), "--workers", "1",
    ]  # fmt: skip
    env = {**os.environ, "PYTHONPATH": str(REPO)}
    process = subprocess.Popen(
        words,
        env=env,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        preexec_fn=_interruptible,  # noqa: PLW1509 - nothing else runs in the child yet
    )
    deadline = time.monotonic() + 60
    while not finished(tmp_path / "lake") and time.monotonic() < deadline:
        time.sleep(0.01)
    began = time.monotonic()
    process.send_signal(how)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said.decode()
    assert time.monotonic() - began < 20
    assert "Go on with: geosr cubes materialize" in said.decode()
    assert "Traceback" not in said.decode()
    again = subprocess.run(words, env=env, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert contents(tmp_path / "lake") == contents(world / "undisturbed")
