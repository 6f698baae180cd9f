"""What is near in time, against a comparison of everything with everything."""

import numpy as np
import pytest

from geosr_lake.pairs import nearby
from geosr_lake.pairs.nearby import Intervals, gap_us, near

DAY_US = 86_400_000_000


def intervals(rng: np.random.Generator, count: int, scale: int) -> Intervals:
    """Lengths from instants to hundreds of times the others, some before 1970."""
    start = rng.integers(-20, 20, count) * scale + rng.integers(-1, 2, count)
    length = rng.choice([0, 0, 1, scale // 2, scale, 7 * scale, 500 * scale], count)
    return Intervals(rng.integers(0, 4, count), start, start + length)


def brute_force(lr: Intervals, hr: Intervals, window_us: int) -> set[tuple[int, int, int]]:
    i, j = np.nonzero(lr.key[:, None] == hr.key[None, :])
    gap = gap_us(lr.start[i], lr.end[i], hr.start[j], hr.end[j])
    inside = np.abs(gap) <= window_us
    return set(zip(i[inside].tolist(), j[inside].tolist(), gap[inside].tolist(), strict=True))


@pytest.mark.parametrize("window_us", [0, 1, 3_600_000_000, DAY_US, 3660 * DAY_US])
@pytest.mark.parametrize("at_once", [1, 50, 1_000_000])
def test_near_is_brute_force(window_us: int, at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearby, "CANDIDATES_AT_ONCE", at_once)
    rng = np.random.default_rng([window_us % 1000, at_once])
    lr, hr = intervals(rng, 150, max(2, window_us)), intervals(rng, 170, max(2, window_us))
    rows = [
        row
        for part in near(lr, hr, window_us)
        for row in zip(*(column.tolist() for column in part), strict=True)
    ]
    assert len(rows) == len(set(rows)), "a pair stands twice"
    assert set(rows) == brute_force(lr, hr, window_us) != set()


def test_one_long_interval_does_not_widen_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    days = np.arange(5000) * DAY_US
    instants = Intervals(np.zeros(5000, np.int64), days, days)
    one = Intervals(np.zeros(5001, np.int64), np.append(days, 0), np.append(days, 5000 * DAY_US))
    compared = []
    real = nearby.gap_us
    monkeypatch.setattr(nearby, "gap_us", lambda *a: compared.append(len(a[0])) or real(*a))
    pairs = sum(len(i) for i, _, _ in near(one, instants, 0))
    assert pairs == 10_000
    assert sum(compared) == 10_000


def test_nothing_is_near_nothing() -> None:
    none = np.empty(0, np.int64)
    empty, one = Intervals(none, none, none), Intervals(*(np.zeros(1, np.int64),) * 3)
    for lr, hr in ((empty, one), (one, empty), (empty, empty)):
        assert list(near(lr, hr, 0)) == []
