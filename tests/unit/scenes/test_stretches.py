"""Days as few stretches: all are in them, and of what lies between as little as may be."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from geosr_lake.scenes.stretches import DAY_US, days_of, stretches, within

DAYS = st.frozensets(st.integers(-40_000, 40_000), max_size=40)
TIMES = pa.timestamp("us", tz="UTC")


def bridged(found: list[tuple[int, int]], days: frozenset[int]) -> list[int]:
    """The gaps between days that no stretch leaves out."""
    ordered = sorted(days)
    return [
        later - day
        for day, later in pairwise(ordered)
        if any(first <= day and later <= last for first, last in found)
    ]


@given(DAYS, st.integers(0, 5), st.integers(1, 6))
def test_every_day_is_in_one_of_few(days: frozenset[int], spread: int, most: int) -> None:
    found = stretches(days, spread_days=spread, most=most)
    assert len(found) <= most
    assert found == sorted(found)
    for day in days:
        assert sum(first <= day - spread and day + spread <= last for first, last in found) == 1
    assert all({first + spread, last - spread} <= days for first, last in found)
    for (_, last), (first, _) in pairwise(found):
        assert last < first, "no row is in two"


@given(DAYS, st.integers(0, 5), st.integers(1, 6))
def test_the_widest_gaps_are_left_out(days: frozenset[int], spread: int, most: int) -> None:
    found = stretches(days, spread_days=spread, most=most)
    left_out = [b[0] - a[1] + 2 * spread for a, b in pairwise(found)]
    wide = [gap for gap in bridged(found, days) if gap > 2 * spread + 1]
    assert not wide or len(found) == most
    assert max(wide, default=0) <= min(left_out, default=10**9)


@given(DAYS, st.lists(st.integers(-(10**15), 10**15), max_size=20), st.integers(0, 5))
def test_the_condition_holds_for_all_that_is_near(
    days: frozenset[int], others: list[int], spread: int
) -> None:
    edges = [
        at
        for day in days
        for at in ((day - spread) * DAY_US, (day + spread + 1) * DAY_US - 1, day * DAY_US)
    ]
    rows = pa.table({"t_start": pa.array([*edges, *others, None], pa.int64()).cast(TIMES)})
    found = set(
        rows.filter(within(days, spread_days=spread))["t_start"].cast(pa.int64()).to_pylist()
    )
    assert found >= set(edges)
    stretched = stretches(days, spread_days=spread)
    assert found - set(edges) == {
        at
        for at in others
        if any(first * DAY_US <= at < (last + 1) * DAY_US for first, last in stretched)
    } - set(edges)


def test_a_late_arrival_has_nothing_between_read() -> None:
    today = [datetime(2024, 7, 1, tzinfo=UTC) + timedelta(days=n) for n in range(9)]
    days = days_of(pa.array([datetime(2015, 3, 1, 23, 59, tzinfo=UTC), None], TIMES))
    days |= days_of(pa.chunked_array([[at] for at in today], TIMES))
    assert [last - first for first, last in stretches(days)] == [0, 8]
    assert [last - first for first, last in stretches(days, spread_days=4)] == [8, 16]


def test_no_day_is_near_nothing() -> None:
    assert stretches(frozenset()) == []
    rows = pa.table({"t_start": pa.array([0, None], TIMES)})
    assert len(rows.filter(within(frozenset()))) == 0
    assert days_of(pa.array([None], TIMES)) == frozenset()
    assert days_of(pa.array([-1, 0, DAY_US - 1], pa.int64()).cast(TIMES)) == {-1, 0}
