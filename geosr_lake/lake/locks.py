"""One lock a stage: a file or object made only if there is none, naming who holds it."""

import contextlib
import fcntl
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import psutil

from geosr_lake.errors import LockedError
from geosr_lake.ids import safe_segment
from geosr_lake.lake.bucket import Bucket
from geosr_lake.lake.place import Root

DRIVER_VARIABLE = "geosr_driver"
"""Of the environment of a JVM: the mark of the Python process that started it."""
LINGER_S = 60.0
"""How long the JVM of a killed process is waited for; it ends when it sees that it is alone."""


_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
"""What tells one start of a Linux machine from another."""
_MACHINE_ID = Path("/etc/machine-id")
"""What tells one Linux machine from another of its name."""
_PIDS = Path("/proc/self/ns/pid")
"""Whose processes this one sees and numbers: a container has its own, whatever host it names."""
_NO_CONTAINER = 4026531836
"""The number of Linux's first space of process numbers, `PROC_PID_INIT_INO` of its sources."""


def _text(path: Path) -> str:
    """Return what a small file of the system holds; nothing where there is none."""
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _started(process: psutil.Process) -> str:
    """Return what tells a process from others of its number, whatever the clock was set to since.

    Seconds from the machine's start to its own: what psutil calls its time of creation is this on
    top of the machine's, and both move when the clock is set.
    """
    return f"{_text(_BOOT_ID)}+{process.create_time() - psutil.boot_time():.2f}"


def _holder() -> dict[str, object]:
    process = psutil.Process()
    return _place() | {
        "pid": process.pid,
        "started": _started(process),
        "token": uuid4().hex,
    }


def _place() -> dict[str, object]:
    """Return where this process runs, as far as it can tell."""
    return {
        "host": socket.gethostname(),
        "machine": _text(_MACHINE_ID),
        "boot": _text(_BOOT_ID),
        "pids": _PIDS.stat().st_ino if _PIDS.exists() else 0,
    }


def _is_dead(holder: dict[str, object]) -> bool:
    """Tell whether `holder` certainly lives no more.

    It is not among the processes that it was among; or that machine was started anew since. Names
    of hosts alone do not tell: containers share one, and so do machines of one image. Nor does a
    container's id of a machine, which is often that of its image.
    """
    mine = _place()
    if holder.get("host") != mine["host"] or not isinstance(pid := holder.get("pid"), int):
        return False
    if holder.get("pids") != mine["pids"]:
        return False
    if holder.get("boot") != mine["boot"]:
        known = bool(mine["machine"]) and mine["pids"] == _NO_CONTAINER
        return known and holder.get("machine") == mine["machine"]
    try:
        return _started(psutil.Process(pid)) != holder.get("started")
    except psutil.NoSuchProcess:
        return True


def driver_mark(process: psutil.Process) -> str:
    """Return the text by which the JVM of a Python process is known when that process is gone."""
    return f"{process.pid}-{_started(process)}"


def _lingers(holder: dict[str, object]) -> bool:
    """Tell whether the JVM of a dead holder still runs: it may end a write that it had begun."""
    mark = f"{holder.get('pid')}-{holder.get('started')}"
    for process in psutil.process_iter(["name"]):
        if process.info["name"] != "java":
            continue
        with contextlib.suppress(psutil.Error):
            if process.environ().get(DRIVER_VARIABLE) == mark:
                return True
    return False


def _parsed(text: str | bytes) -> dict[str, object]:
    """Return what a holder wrote; nothing if it is no such text."""
    try:
        held = json.loads(text)
    except ValueError:
        return {}
    return held if isinstance(held, dict) else {}


class _File:
    """A lock that is a file: made by a hard link, which fails where the name is taken."""

    def __init__(self, root: Path, name: str) -> None:
        self.path = root / "locks" / name
        self.path.parent.mkdir(parents=True, exist_ok=True)

    def __str__(self) -> str:
        return str(self.path)

    def _read(self) -> dict[str, object] | None:
        """Return what the holder wrote; None if there is no lock."""
        try:
            return _parsed(self.path.read_text())
        except FileNotFoundError:
            return None

    def take(self, mine: dict[str, object]) -> dict[str, object] | None:
        """Make the lock; return None when taken, else what the present holder wrote.

        The text is written before the name appears (a hard link), so a lock never stands empty.
        """
        draft = self.path.with_name(f"{self.path.name}.{mine['token']}")
        draft.write_text(json.dumps(mine))
        try:
            while True:
                try:
                    os.link(draft, self.path)
                except FileExistsError:
                    if (held := self._read()) is not None:
                        return held
                else:
                    return None
        finally:
            draft.unlink()

    def remove(self, dead: dict[str, object]) -> bool:
        """Remove the lock if it is still that of `dead`; return whether it was.

        Of several that find the same dead holder one removes the lock: the kernel lets one at a
        time look and act, and forgets it when it dies. Else the second would remove the first
        one's lock.
        """
        with self.path.with_name(f"{self.path.name}-broken").open("a") as gate:
            fcntl.flock(gate, fcntl.LOCK_EX)
            if self._read() != dead:
                return False
            self.path.unlink()
            return True

    def give_back(self, mine: dict[str, object]) -> None:
        """Remove the lock if it is mine."""
        if self._read() == mine:
            self.path.unlink(missing_ok=True)


_FREE = b"{}"
"""What stands in the place of a broken lock in a bucket, where only writing has a condition."""


class _Object:
    """A lock that is an object of a bucket, written by conditional puts only."""

    def __init__(self, root: Bucket, name: str) -> None:
        self.root = root
        self.segments = ("locks", name)

    def __str__(self) -> str:
        return self.root.delta_url(*self.segments)

    def take(self, mine: dict[str, object]) -> dict[str, object] | None:
        """Make the lock; return None when taken, else what the present holder wrote."""
        data = json.dumps(mine).encode()
        while not self.root.put(*self.segments, data=data):
            if (found := self.root.get(*self.segments)) is None:
                continue
            text, e_tag = found
            if text == _FREE:
                if self.root.put(*self.segments, data=data, e_tag=e_tag):
                    return None
            # Mine: the store wrote it, its answer was lost, and the request was sent again.
            elif (held := _parsed(text)) != mine:
                return held
            else:
                return None
        return None

    def remove(self, dead: dict[str, object]) -> bool:
        """Free the lock if it is still that of `dead`; return whether it was."""
        found = self.root.get(*self.segments)
        if found is None or _parsed(found[0]) != dead:
            return False
        return self.root.put(*self.segments, data=_FREE, e_tag=found[1])

    def give_back(self, mine: dict[str, object]) -> None:
        """Remove the lock if it is mine; nobody breaks the lock of a live holder in between."""
        found = self.root.get(*self.segments)
        if found is not None and _parsed(found[0]) == mine:
            self.root.delete(*self.segments)


@contextmanager
def lock(
    root: Root, name: str, *, wait_s: float = 0.0, tell: Callable[[str], None] | None = None
) -> Iterator[None]:
    """Hold the lock `name` of the lake at `root` for the length of the block.

    A lock whose holder is dead is broken, once its JVM has ended too, and `tell` is told so.
    `wait_s` bounds the wait for a live holder, of which `tell` is told once.

    Raises:
        LockedError: If a live process, or one of another machine, holds the lock.
    """
    file = f"{safe_segment(name)}.lock"
    door = _Object(root, file) if isinstance(root, Bucket) else _File(root, file)
    deadline = time.monotonic() + wait_s
    lingers_until = time.monotonic() + LINGER_S
    mine, told = _holder(), False
    while (held := door.take(mine)) is not None:
        who = f"process {held.get('pid')} on {held.get('host')}"
        dead = _is_dead(held)
        if dead and not _lingers(held):
            if door.remove(held) and tell:
                tell(f"The lock of {name} was held by {who}, which is gone: it is broken.")
        elif time.monotonic() >= (max(deadline, lingers_until) if dead else deadline):
            raise LockedError(
                f"{name} is being written by {who}",
                where=str(door),
                next_step="Wait for it to end; if that machine is gone for good, delete the file.",
            )
        else:
            if wait_s and tell and not told and not dead:
                tell(f"{name} is being written by {who}: waiting for it, {wait_s:g} s at most.")
                told = True
            time.sleep(0.05)
    try:
        yield
    finally:
        door.give_back(mine)
