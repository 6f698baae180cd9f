"""Work for this process, or for processes of its own: generators that are run, task by task.

The processes are started as modules, not forked: threads and a JVM may live in this process, and a
script that calls an ingest need not be one that can be imported. They end with the pipe to here,
whatever becomes of this process.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Protocol

from geosr_lake.errors import GeoSRError

Work = Callable[..., Iterator[Any]]
"""A function of a module; what it yields comes back here."""
_SAID, _DONE, _FAILED = "said", "done", "failed"


class Pool(Protocol):
    """What runs tasks."""

    def run(self, work: Work, tasks: Iterable[tuple[Any, ...]]) -> Iterator[Any]:
        """Yield what `work` yields for each task (its arguments), in any order.

        An error in a task ends all and is raised here.
        """


class Here:
    """This process: one task after the other."""

    def run(self, work: Work, tasks: Iterable[tuple[Any, ...]]) -> Iterator[Any]:
        """Yield what `work` yields, in the order of the tasks."""
        for task in tasks:
            yield from work(*task)


class _Process:
    """A process that waits for tasks."""

    def __init__(self) -> None:
        self.pipe, theirs = Pipe()
        roots = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
        path = os.pathsep.join(root for root in roots if root)
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "geosr_lake.scenes.pool", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": path},
            )

    def end(self) -> None:
        self.pipe.close()
        self.process.kill()
        self.process.wait()


class Processes:
    """Processes, each of which runs one task at a time."""

    def __init__(self, processes: list[_Process]) -> None:
        self._processes = processes

    def run(self, work: Work, tasks: Iterable[tuple[Any, ...]]) -> Iterator[Any]:
        """Yield what `work` yields.

        Raises:
            GeoSRError: If a process died; else whatever a task raised.
        """
        left = iter(tasks)
        busy: set[Connection] = set()
        idle = [one.pipe for one in self._processes]
        while True:
            while idle and (task := next(left, None)) is not None:
                pipe = idle.pop()
                pipe.send((work, task))
                busy.add(pipe)
            if not busy:
                return
            for ready in wait(list(busy)):
                pipe = next(one for one in busy if one is ready)
                try:
                    kind, what = pipe.recv()
                except (EOFError, OSError) as error:
                    raise _died() from error
                if kind == _SAID:
                    yield what
                elif kind == _DONE:
                    busy.remove(pipe)
                    idle.append(pipe)
                else:
                    raise what


def _died() -> GeoSRError:
    return GeoSRError(
        "A process that read items died",
        next_step="Most often the machine had no memory left: give it more, or close other "
        "programs, and run the command again.",
    )


@contextmanager
def pool_of(processes: int) -> Iterator[Pool]:
    """Give so many processes for the length of the block; this process for less than two."""
    if processes < 2:
        yield Here()
        return
    started = [_Process() for _ in range(processes)]
    try:
        yield Processes(started)
    finally:
        for one in started:
            one.end()


def cores() -> int:
    """Return the processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _serve(pipe: Connection) -> None:
    """Run tasks until the pipe ends."""
    while True:
        try:
            work, task = pipe.recv()
        except EOFError:
            return
        try:
            for said in work(*task):
                pipe.send((_SAID, said))
            pipe.send((_DONE, None))
        except BrokenPipeError:
            return
        except Exception as error:  # noqa: BLE001 - raised where the work was asked for
            with suppress(BrokenPipeError):
                pipe.send((_FAILED, _sendable(error)))


def _sendable(error: Exception) -> Exception:
    if isinstance(error, GeoSRError | OSError):
        return error
    return GeoSRError(f"{type(error).__name__}: {error}", next_step="Report this as a bug.")


def _main() -> None:
    import pyarrow as pa

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who asked for the work ends it
    pa.set_cpu_count(1)
    _serve(Connection(int(sys.argv[1])))


if __name__ == "__main__":
    _main()
