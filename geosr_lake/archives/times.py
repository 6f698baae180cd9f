"""Times of items: RFC 3339 in, UTC with microseconds out."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from geosr_lake.archives.item import Item
from geosr_lake.archives.reasons import Rejected
from geosr_lake.archives.record import require

EARLIEST = datetime(1972, 1, 1, tzinfo=UTC)
LATEST = datetime(2100, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_FRACTION = re.compile(r"(\.\d{6})\d+")


@dataclass(frozen=True, slots=True)
class Interval:
    """[start, end) in UTC; an instant has `end` = `start`."""

    start: datetime
    end: datetime


def parse_time(value: Any) -> datetime:
    """Return an instant in UTC.

    A time without a zone counts as UTC, as STAC wants it; digits beyond microseconds are cut off.

    Raises:
        Rejected: If it is no time (a leap second is none here), or outside 1972 to 2099.
    """
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(_FRACTION.sub(r"\1", value.strip()))
        except ValueError:
            raise Rejected("time_invalid") from None
    if not isinstance(value, datetime):
        raise Rejected("time_invalid")
    try:
        moment = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except OverflowError:
        raise Rejected("time_invalid") from None
    require(EARLIEST <= moment < LATEST, "time_invalid")
    return moment


def whole_days(first: date, days: int = 1) -> Interval:
    """Return the interval of whole UTC days from `first` on."""
    start = datetime.combine(first, time(), UTC)
    require(EARLIEST <= start < LATEST, "time_invalid")
    return Interval(start, start + days * DAY)


def stated_interval(item: Item) -> Interval | None:
    """Return when an item says it was acquired; None where it says nothing.

    An instant where `datetime` is given, else start and end; a date alone is its whole day.

    Raises:
        Rejected: If a time is invalid, or the end lies before the start.
    """
    value = item.properties.get("datetime")
    if isinstance(value, str) and _DATE.fullmatch(value.strip()):
        return whole_days(parse_time(value).date())
    if value is not None:
        moment = parse_time(value)
        return Interval(moment, moment)
    start, end = item.prop("start_datetime"), item.prop("end_datetime")
    if start is None and end is None:
        return None
    interval = Interval(
        parse_time(end if start is None else start), parse_time(start if end is None else end)
    )
    require(interval.start <= interval.end, "time_invalid")
    return interval


def is_midnight(moment: datetime) -> bool:
    """Tell whether a time is 00:00 sharp, as archives write it that know the day only."""
    return moment.time() == time()


def near_day(interval: Interval, day: date) -> bool:
    """Tell whether an interval lies within a day of the day that an id names."""
    whole = whole_days(day)
    return interval.start < whole.end + DAY and interval.end >= whole.start - DAY


def begins_near(moment: datetime, day: date) -> bool:
    """Tell whether a moment lies within a day of the day that an id names.

    Where the day tells which items may be one scene, they must be found by their start too.
    """
    whole = whole_days(day)
    return whole.start - DAY <= moment < whole.end + DAY


def stamp(value: Any) -> str:
    """Return a time as a text that sorts (``20240828T174909.000000``); empty if it is none."""
    try:
        return parse_time(value).strftime("%Y%m%dT%H%M%S.%f")
    except Rejected:
        return ""
