"""Trying again: what, how often, after how long."""

import pytest

from geosr_lake.errors import PermanentSourceError, TransientSourceError
from geosr_lake.net.retry import LONGEST_WAIT_S, BusySourceError, retrying


class Flaky:
    def __init__(self, *outcomes: Exception | str) -> None:
        self.outcomes = list(outcomes)
        self.waits: list[float] = []

    def __call__(self) -> str:
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def run(self, **options: float) -> str:
        return retrying(self, sleep=self.waits.append, chance=lambda: 1.0, **options)


def test_what_heals_is_waited_for_with_doubling_waits() -> None:
    flaky = Flaky(TransientSourceError("a"), TransientSourceError("b"), "done")
    assert flaky.run() == "done"
    assert flaky.waits == [0.5, 1.0]


def test_tries_are_bounded() -> None:
    flaky = Flaky(*(TransientSourceError(str(n)) for n in range(9)))
    with pytest.raises(TransientSourceError, match="3"):
        flaky.run(attempts=4)
    assert len(flaky.waits) == 3


def test_what_will_not_heal_is_not_tried_again() -> None:
    flaky = Flaky(PermanentSourceError("gone"), "never")
    with pytest.raises(PermanentSourceError):
        flaky.run()
    assert flaky.waits == []


def test_a_wait_that_was_asked_for_is_never_cut_short() -> None:
    flaky = Flaky(BusySourceError("429", wait_s=7.0), "done")
    assert flaky.run() == "done"
    assert flaky.waits == [7.0]


def test_a_wait_beyond_the_limit_is_not_waited_for() -> None:
    flaky = Flaky(BusySourceError("429", wait_s=LONGEST_WAIT_S + 1), "never")
    with pytest.raises(BusySourceError):
        flaky.run()
    assert flaky.waits == []
