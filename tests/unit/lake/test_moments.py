"""Commits by number and by time."""

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geosr_lake.errors import ContractError, UsageError
from geosr_lake.lake.moments import Commit, check_layout, choose, parse_when

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
THREE = [Commit(seq, {"scenes": seq}, NOON + timedelta(days=seq)) for seq in range(3)]


@pytest.mark.parametrize(
    ("when", "seq"),
    [
        (0, 0),
        ("2", 2),
        (" 1 ", 1),
        (NOON, 0),
        (NOON + timedelta(days=1), 1),
        (NOON + timedelta(days=1, microseconds=-1), 0),
        (datetime(2030, 1, 1), 2),  # noqa: DTZ001 - without a zone it is UTC
        ("2026-03-02", 0),
        ("2026-03-03", 1),
        ("2026-03-02T12:00:00Z", 1),
        ("2026-03-02T13:59:59+02:00", 0),
        (datetime(2026, 3, 2, 7, tzinfo=timezone(timedelta(hours=-5))), 1),
    ],
)
def test_a_commit_is_found_by_number_and_time(when: Any, seq: int) -> None:
    assert choose(THREE, when).seq == seq
    assert choose(THREE[::-1], when).seq == seq


@pytest.mark.parametrize(
    ("when", "says"),
    [
        (3, "from 0 to 2"),
        (-1, "from 0 to 2"),
        ("2026-03-01", "first commit is later"),
        ("yesterday", "neither"),
        ("-1", "neither"),
        ("", "neither"),
    ],
)
def test_what_is_not_there_is_told(when: Any, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        choose(THREE, when)


def test_an_empty_lake_has_no_commit() -> None:
    with pytest.raises(UsageError, match="Nothing has been committed"):
        choose([], 0)


@given(st.lists(st.datetimes(), min_size=1, max_size=9, unique=True), st.datetimes())
def test_a_time_means_the_newest_commit_not_after_it(times: list[datetime], when: datetime) -> None:
    commits = [Commit(i, {}, t.replace(tzinfo=UTC)) for i, t in enumerate(sorted(times))]
    wanted = [t for t in sorted(times) if t <= when]
    if wanted:
        assert choose(commits, when).seq == len(wanted) - 1
    else:
        with pytest.raises(UsageError):
            choose(commits, when)


def test_a_date_is_its_first_moment() -> None:
    day = date(2026, 3, 1)
    assert parse_when(day.isoformat()) == datetime(2026, 3, 1, tzinfo=UTC)


def test_an_unknown_layout_is_refused() -> None:
    with pytest.raises(ContractError, match="layout 99"):
        check_layout(99, "lake")
