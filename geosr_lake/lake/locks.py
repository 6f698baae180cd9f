"""One lock a stage: a file made only if it does not exist, naming who holds it."""

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


def _holder() -> dict[str, object]:
    process = psutil.Process()
    return {
        "host": socket.gethostname(),
        "pid": process.pid,
        "started": process.create_time(),
        "token": uuid4().hex,
    }


def _is_dead(holder: dict[str, object]) -> bool:
    """Tell whether `holder` certainly lives no more: same host, and no such process."""
    if holder.get("host") != socket.gethostname():
        return False
    pid = holder.get("pid")
    if not isinstance(pid, int):
        return False
    try:
        return psutil.Process(pid).create_time() != holder.get("started")
    except psutil.NoSuchProcess:
        return True


def _read(path: Path) -> dict[str, object] | None:
    """Return what the holder wrote; None if there is no lock, nothing if it is no such text."""
    try:
        held = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except ValueError:
        return {}
    return held if isinstance(held, dict) else {}


def _try_take(path: Path, mine: dict[str, object]) -> dict[str, object] | None:
    """Make the lock file; return None when taken, else what the present holder wrote.

    The text is written before the name appears (a hard link), so a lock never stands empty.
    """
    draft = path.with_name(f"{path.name}.{mine['token']}")
    draft.write_text(json.dumps(mine))
    try:
        while True:
            try:
                os.link(draft, path)
            except FileExistsError:
                if (held := _read(path)) is not None:
                    return held
            else:
                return None
    finally:
        draft.unlink()


def _break(path: Path, dead: dict[str, object]) -> bool:
    """Remove the lock if it is still that of `dead`; return whether it was.

    Of several that find the same dead holder one removes the lock: the kernel lets one at a time
    look and act, and forgets it when it dies. Else the second would remove the first one's lock.
    """
    with path.with_name(f"{path.name}-broken").open("a") as gate:
        fcntl.flock(gate, fcntl.LOCK_EX)
        if _read(path) != dead:
            return False
        path.unlink()
        return True


@contextmanager
def lock(
    root: Path, name: str, *, wait_s: float = 0.0, tell: Callable[[str], None] | None = None
) -> Iterator[None]:
    """Hold the lock `name` of the lake at `root` for the length of the block.

    A lock whose holder is dead is broken, and `tell` is told so. `wait_s` bounds the wait for a
    live holder.

    Raises:
        LockedError: If a live process, or one of another machine, holds the lock.
    """
    path = root / "locks" / f"{safe_segment(name)}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + wait_s
    mine = _holder()
    while (held := _try_take(path, mine)) is not None:
        who = f"process {held.get('pid')} on {held.get('host')}"
        if _is_dead(held):
            if _break(path, held) and tell:
                tell(f"The lock of {name} was held by {who}, which is gone: it is broken.")
        elif time.monotonic() >= deadline:
            raise LockedError(
                f"{name} is being written by {who}",
                where=str(path),
                next_step="Wait for it to end; if that machine is gone for good, delete the file.",
            )
        else:
            time.sleep(0.05)
    try:
        yield
    finally:
        if _read(path) == mine:
            path.unlink(missing_ok=True)
