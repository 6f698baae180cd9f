"""Boxes and intervals as options give them: `--bbox`, `--datetime`."""

import math
from datetime import UTC, date, datetime, timedelta

from geosr_lake.errors import UsageError

Bbox = tuple[float, float, float, float]
SHOWN = 80
"""Characters of what was given that an error repeats."""
LONGEST_DAY = len("2024-07-01")
"""Every time in a form of ISO 8601 is longer, as 20240701T12."""


def parse_bbox(text: str | None) -> Bbox | None:
    """Return west, south, east, north in degrees; west > east is over the antimeridian.

    Raises:
        UsageError: If these are not four such numbers.
    """
    if text is None:
        return None
    try:
        west, south, east, north = (float(part) for part in text.split(","))
    except ValueError:
        west = south = east = north = math.nan
    on_earth = all(-180 <= side <= 180 for side in (west, east))
    if not (on_earth and west != east and -90 <= south < north <= 90):
        raise UsageError(
            "This is no box",
            where=f"--bbox {text[:SHOWN]}",
            next_step="Write west,south,east,north in degrees, as -105.5,39.5,-104.5,40.5.",
        )
    return west, south, east, north


def parse_days(text: str) -> tuple[date, date]:
    """Return the first and last day of ``A/B``, or of the one day ``A``.

    A day is ``2024-07-01``; a time is taken for its whole day in UTC. Slices are days, so that what
    was fetched once is known whatever was asked for. Years that no scene is of are left out.

    Raises:
        UsageError: If it is no interval, one without a beginning or an end, or wholly of such
            years.
    """
    from geosr_lake.archives.times import EARLIEST, LATEST

    begin, end = parse_interval(text)
    if begin is None or end is None:
        raise UsageError(
            "This interval is open",
            where=f"--datetime {text[:SHOWN]}",
            next_step="Write it as 2024-07-01/2024-07-31; both days count.",
        )
    if end < EARLIEST or begin >= LATEST:
        raise UsageError(
            "No scene is of this interval",
            where=f"--datetime {text[:SHOWN]}",
            next_step=f"Scenes are of {EARLIEST.year} to {LATEST.year - 1}.",
        )
    return max(begin, EARLIEST).date(), min(end, LATEST).date()


def parse_interval(text: str) -> tuple[datetime | None, datetime | None]:
    """Return the first and last moment of ``A/B``, UTC; None where it is open (``..``).

    A day means the whole of it; a time without an offset is UTC.

    Raises:
        UsageError: If it is no interval, or ends before it begins.
    """
    first, slash, last = (part.strip() for part in text.partition("/"))
    last, is_open = (last, ("", "..")) if slash else (first, ())
    try:
        begin, end = (None if one in is_open else _moment(one) for one in (first, last))
    except ValueError as error:
        raise UsageError(
            "This is no interval",
            where=f"--datetime {text[:SHOWN]}",
            next_step="Write 2024-07-01/2024-07-31, or one day, or times as 2024-07-01T12:00:00Z.",
        ) from error
    if end is not None and len(last) <= LONGEST_DAY:
        end += timedelta(days=1, microseconds=-1)
    if begin is not None and end is not None and end < begin:
        raise UsageError("The interval ends before it begins", where=f"--datetime {text[:SHOWN]}")
    return begin, end


def _moment(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
