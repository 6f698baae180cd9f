"""The rate of a run, and the waits that a host asks for."""

import threading
import time
from itertools import pairwise

import pytest

from geosr_lake.net.gate import Gate
from geosr_lake.net.retry import BusySourceError


class Clock:
    """A clock that moves when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_requests_are_evenly_spaced() -> None:
    clock = Clock()
    gate = Gate(4.0, clock=clock, sleep=clock.sleep)
    times = []
    for _ in range(41):
        gate.enter()
        times.append(clock.now)
    assert times[-1] == pytest.approx(10.0)
    assert all(later - earlier >= 0.2499 for earlier, later in pairwise(times))


def test_idle_time_is_not_saved_up() -> None:
    clock = Clock()
    gate = Gate(2.0, clock=clock, sleep=clock.sleep)
    gate.enter()
    clock.now = 100.0
    for _ in range(5):
        gate.enter()
    assert clock.now >= 101.9


def test_a_hold_is_never_cut_short() -> None:
    clock = Clock()
    gate = Gate(100.0, clock=clock, sleep=clock.sleep)
    gate.hold(7.0)
    gate.hold(3.0)
    gate.enter()
    assert clock.now >= 7.0


def test_a_hold_beyond_the_longest_is_not_waited_for() -> None:
    clock = Clock()
    gate = Gate(1.0, longest_wait_s=300.0, clock=clock, sleep=clock.sleep)
    gate.hold(3600.0)
    with pytest.raises(BusySourceError, match="3600 seconds"):
        gate.enter()
    assert clock.now == 0.0


def test_many_threads_keep_to_one_rate() -> None:
    gate, times, mutex = Gate(200.0), [], threading.Lock()

    def work() -> None:
        for _ in range(10):
            gate.enter()
            with mutex:
                times.append(time.monotonic())

    began = time.monotonic()
    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(times) == gate.passed == 80
    assert 1.05 * 200 * (max(times) - began) + 1 >= 80
