"""One holder at a time; a dead one's lock is broken in words, and by one only."""

import json
import multiprocessing
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from itertools import pairwise
from multiprocessing.synchronize import Barrier
from pathlib import Path

import psutil
import pytest

from geosr_lake.errors import LockedError, UnsafeInputError
from geosr_lake.lake import locks
from geosr_lake.lake.locks import lock

HOLD = """
import sys, time
from pathlib import Path
from geosr_lake.lake.locks import lock
with lock(Path(sys.argv[1]), "pairs"):
    print("held", flush=True)
    time.sleep(60)
"""


def holding(root: Path) -> subprocess.Popen[str]:
    """A process that holds the lock, once it does."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(root)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def files(root: Path) -> list[str]:
    return sorted(p.name for p in (root / "locks").glob("*.lock"))


def test_the_lock_stands_while_it_is_held(tmp_path: Path) -> None:
    with lock(tmp_path, "pairs"):
        assert files(tmp_path) == ["pairs.lock"]
        with lock(tmp_path, "scenes"):
            assert files(tmp_path) == ["pairs.lock", "scenes.lock"]
    assert files(tmp_path) == []


def test_it_is_given_back_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), lock(tmp_path, "pairs"):
        raise ZeroDivisionError
    assert files(tmp_path) == []


def test_a_live_holder_keeps_others_out_in_words(tmp_path: Path) -> None:
    process = holding(tmp_path)
    try:
        with pytest.raises(LockedError) as caught, lock(tmp_path, "pairs"):
            pytest.fail("two hold one lock")
        assert f"process {process.pid} on {socket.gethostname()}" in str(caught.value)
        assert caught.value.exit_code == 7
        started = time.monotonic()
        with pytest.raises(LockedError), lock(tmp_path, "pairs", wait_s=0.3):
            pytest.fail("two hold one lock")
        assert time.monotonic() - started >= 0.3
    finally:
        process.kill()
        process.wait()


def test_a_killed_holders_lock_is_broken_in_words(tmp_path: Path) -> None:
    process = holding(tmp_path)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert files(tmp_path) == ["pairs.lock"]
    said: list[str] = []
    with lock(tmp_path, "pairs", tell=said.append):
        assert files(tmp_path) == ["pairs.lock"]
    assert len(said) == 1
    assert f"process {process.pid}" in said[0]
    assert "is broken" in said[0]


def test_another_process_of_the_same_number_is_not_the_holder(tmp_path: Path) -> None:
    path = tmp_path / "locks" / "pairs.lock"
    path.parent.mkdir()
    path.write_text(json.dumps(locks._holder() | {"started": "another+1.00"}))
    with lock(tmp_path, "pairs"):
        pass


@pytest.mark.parametrize(
    ("elsewhere", "broken"),
    [
        ({}, True),
        ({"host": "another"}, False),
        # A container that shares our host's name, or our machine's image.
        ({"pids": 1}, False),
        ({"boot": "another", "machine": "another"}, False),
        ({"boot": "another", "pids": 1}, False),
        # This machine before it was started anew.
        ({"boot": "another"}, True),
        # As code wrote it that told less.
        ({"boot": None, "machine": None, "pids": None}, False),
    ],
)
def test_only_those_are_dead_that_would_be_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, elsewhere: dict[str, object], broken: bool
) -> None:
    mine = {"host": "h", "machine": "m", "boot": "b", "pids": locks._NO_CONTAINER}
    monkeypatch.setattr(locks, "_place", lambda: mine)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    holder = locks._holder() | {"pid": gone.pid, "started": "before"} | elsewhere
    path = tmp_path / "locks" / "pairs.lock"
    path.parent.mkdir()
    path.write_text(json.dumps(holder))
    if broken:
        with lock(tmp_path, "pairs"):
            pass
        return
    with pytest.raises(LockedError, match="delete the file"), lock(tmp_path, "pairs"):
        pytest.fail("a lock was taken that another may hold")
    assert json.loads(path.read_text()) == holder


@pytest.mark.parametrize("mine", [{"machine": ""}, {"pids": 1}])
def test_where_no_machine_is_known_another_start_is_another_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mine: dict[str, object]
) -> None:
    place = {"host": "h", "machine": "m", "boot": "b", "pids": locks._NO_CONTAINER} | mine
    monkeypatch.setattr(locks, "_place", lambda: place)
    path = tmp_path / "locks" / "pairs.lock"
    path.parent.mkdir()
    path.write_text(json.dumps(locks._holder() | {"boot": "another"}))
    with pytest.raises(LockedError, match="delete the file"), lock(tmp_path, "pairs"):
        pytest.fail("a lock was taken that another may hold")


def test_a_process_tells_where_it_is() -> None:
    place = locks._place()
    assert place["host"] == socket.gethostname()
    if sys.platform == "linux":
        assert place["boot"]
        assert place["pids"] == Path("/proc/self/ns/pid").stat().st_ino


def test_who_holds_a_lock_lives_on_when_the_clock_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine's start and the process's are told by the clock, and move with it."""
    boot_s, created_s = psutil.boot_time(), psutil.Process.create_time
    with lock(tmp_path, "pairs"):
        monkeypatch.setattr(psutil, "boot_time", lambda: boot_s + 3600.0)
        monkeypatch.setattr(psutil.Process, "create_time", lambda of: created_s(of) + 3600.0)
        with pytest.raises(LockedError), lock(tmp_path, "pairs"):
            pytest.fail("a lock was taken that this process holds")
    assert files(tmp_path) == []


@pytest.mark.parametrize("holder", [{"host": "elsewhere", "pid": 1, "started": 0.0}, {}, "text"])
def test_a_holder_that_cannot_be_judged_keeps_its_lock(tmp_path: Path, holder: object) -> None:
    path = tmp_path / "locks" / "pairs.lock"
    path.parent.mkdir()
    path.write_text(holder if isinstance(holder, str) else json.dumps(holder))
    with pytest.raises(LockedError, match="delete the file"), lock(tmp_path, "pairs"):
        pytest.fail("a lock was taken that another may hold")
    assert path.is_file()


def test_a_lock_that_another_took_over_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "locks" / "pairs.lock"
    with lock(tmp_path, "pairs"):
        path.unlink()
        path.write_text(json.dumps({"host": "elsewhere", "pid": 1, "started": 0.0}))
    assert path.is_file()


def test_names_become_files_only_if_they_are_plain(tmp_path: Path) -> None:
    with pytest.raises(UnsafeInputError), lock(tmp_path, "../pairs"):
        pytest.fail("a lock outside the lake")


def test_threads_of_one_process_take_turns(tmp_path: Path) -> None:
    inside = 0
    most = 0
    done = 0

    def work() -> None:
        nonlocal inside, most, done
        for _ in range(10):
            with lock(tmp_path, "commits", wait_s=60):
                inside += 1
                most = max(most, inside)
                inside -= 1
                done += 1

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most, done) == (1, 60)
    assert files(tmp_path) == []


def _race(root: Path, start: Barrier, seen: Path) -> None:
    """Take the lock that a dead process left; note when."""
    start.wait()
    with lock(root, "pairs", wait_s=60):
        began = time.monotonic()
        time.sleep(0.02)
        seen.write_text(json.dumps([began, time.monotonic()]))


@pytest.mark.fault
@pytest.mark.parametrize("attempts", [1, pytest.param(5, marks=pytest.mark.slow)])
def test_of_many_that_find_a_dead_holder_each_gets_the_lock_alone(
    tmp_path: Path, attempts: int
) -> None:
    context = multiprocessing.get_context("spawn")
    for attempt in range(attempts):
        root = tmp_path / str(attempt)
        process = holding(root)
        process.kill()
        process.wait()
        start = context.Barrier(4)
        notes = [root / f"seen{i}" for i in range(4)]
        racers = [context.Process(target=_race, args=(root, start, note)) for note in notes]
        for racer in racers:
            racer.start()
        for racer in racers:
            racer.join()
        spans = sorted(json.loads(note.read_text()) for note in notes)
        for (_, ended), (began, _) in pairwise(spans):
            assert ended <= began, "two held one lock"
        assert files(root) == []


HOLDER_WITH_A_JVM = """
import os, subprocess, sys, time
from pathlib import Path
import psutil
from geosr_lake.lake.locks import DRIVER_VARIABLE, driver_mark, lock

mark = {DRIVER_VARIABLE: driver_mark(psutil.Process())}
with lock(Path(sys.argv[1]), "scenes"):
    child = subprocess.Popen([sys.argv[2], sys.argv[3]], env=os.environ | mark)
    print(child.pid, flush=True)
    time.sleep(60)
"""


def test_the_lock_of_a_dead_process_is_broken_after_its_jvm(tmp_path: Path) -> None:
    """The JVM of a killed process may end a write that it had begun."""
    sleep = shutil.which("sleep")
    assert sleep is not None
    java = tmp_path / "java"
    shutil.copy(sleep, java)
    root = tmp_path / "lake"
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER_WITH_A_JVM, str(root), str(java), "2"],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stdout is not None
    jvm = psutil.Process(int(process.stdout.readline()))
    process.kill()
    process.wait()
    process.stdout.close()
    assert jvm.is_running()
    said: list[str] = []
    with lock(root, "scenes", tell=said.append):
        assert not jvm.is_running() or jvm.status() == psutil.STATUS_ZOMBIE
    assert ["is broken" in sentence for sentence in said] == [True]
