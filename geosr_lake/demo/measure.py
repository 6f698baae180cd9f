"""How long the steps of a run take and how much memory its processes hold at most."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psutil

_EVERY_S = 0.25


@dataclass(frozen=True)
class Step:
    """One measured step; `peak_mib` is the resident memory of this process and its children."""

    name: str
    seconds: float
    peak_mib: float


def _resident_bytes(process: psutil.Process) -> int:
    """Return the resident bytes of `process` and all below it; one that ends counts nothing."""
    total = 0
    for one in (process, *process.children(recursive=True)):
        try:
            total += one.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


@dataclass
class Meter:
    """Collects steps."""

    steps: list[Step] = field(default_factory=list)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Measure the block as one step."""
        process, done, peak = psutil.Process(), threading.Event(), 0

        def watch() -> None:
            nonlocal peak
            while not done.is_set():
                peak = max(peak, _resident_bytes(process))
                done.wait(_EVERY_S)

        watcher = threading.Thread(target=watch, daemon=True)
        started = time.perf_counter()
        watcher.start()
        try:
            yield
        finally:
            done.set()
            watcher.join()
            seconds = time.perf_counter() - started
            self.steps.append(Step(name, round(seconds, 1), round(peak / 2**20)))
