"""Boxes and intervals as options give them."""

from datetime import UTC, date, datetime, timedelta

import pytest

from geosr_lake.cli.extents import parse_bbox, parse_days, parse_interval
from geosr_lake.errors import UsageError


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2024-07-01/2024-07-03", date(2024, 7, 1), date(2024, 7, 3)),
        ("2024-02-29", date(2024, 2, 29), date(2024, 2, 29)),
        ("2024-07-01T10:00:00Z/2024-07-02T00:00:00Z", date(2024, 7, 1), date(2024, 7, 2)),
        ("2024-07-01T23:30:00-05:00", date(2024, 7, 2), date(2024, 7, 2)),
        ("0001-01-01/9999-12-31", date(1972, 1, 1), date(2100, 1, 1)),
    ],
)
def test_days(text: str, first: date, last: date) -> None:
    assert parse_days(text) == (first, last)


@pytest.mark.parametrize(
    "text",
    [
        *("", "2024", "../2024-01-01", "2024-01-02/2024-01-01", "a/b/c"),
        *("1950-01-01/1960-12-31", "2100-01-01"),
    ],
)
def test_no_days(text: str) -> None:
    with pytest.raises(UsageError):
        parse_days(text)


def midnight(day: int) -> datetime:
    return datetime(2024, 7, day, tzinfo=UTC)


LAST_MOMENT = timedelta(days=1, microseconds=-1)


@pytest.mark.parametrize(
    ("text", "begin", "end"),
    [
        ("2024-07-01", midnight(1), midnight(1) + LAST_MOMENT),
        ("20240701/20240702", midnight(1), midnight(2) + LAST_MOMENT),
        ("2024-07-01/2024-07-02T00:00:00", midnight(1), midnight(2)),
        ("2024-07-01/2024-07-02 00:00", midnight(1), midnight(2)),
        ("2024-07-01T02:00:00+02:00/..", midnight(1), None),
        ("../2024-07-02", None, midnight(2) + LAST_MOMENT),
        ("/2024-07-02", None, midnight(2) + LAST_MOMENT),
        ("../..", None, None),
    ],
)
def test_intervals(text: str, begin: datetime | None, end: datetime | None) -> None:
    assert parse_interval(text) == (begin, end)


@pytest.mark.parametrize(
    "text",
    ["", "soon", "2024-13-01", "2024-07-02/2024-07-01", "2024-07-01T10:00Z/2024-07-01T09:00Z",
     "2024-07-01/2024-07-02/2024-07-03"],
)  # fmt: skip
def test_no_interval(text: str) -> None:
    with pytest.raises(UsageError):
        parse_interval(text)


def test_boxes() -> None:
    assert parse_bbox(None) is None
    assert parse_bbox("-105.5, 39.5,-104.5,40") == (-105.5, 39.5, -104.5, 40.0)
    assert parse_bbox("179,-90,-180,90") == (179.0, -90.0, -180.0, 90.0)


@pytest.mark.parametrize(
    "text", ["", "1,2,3", "a,b,c,d", "nan,0,1,1", "0,0,1,nan", "0,0,181,1", "1,0,1,1", "0,1,1,0"]
)
def test_no_box(text: str) -> None:
    with pytest.raises(UsageError, match="This is no box"):
        parse_bbox(text)
