"""Kinds of values in a recipe: each is written in one of several ways and means one thing."""

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    SerializationInfo,
    ValidationInfo,
    WithJsonSchema,
)

_UNITS = {"s": 1, "min": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(s|min|h|d)")


CANONICAL = {"canonical": True}
"""Context in which values are read as the canonical text has them: durations as microseconds."""
AS_WRITTEN = {"as_written": True}
"""Context in which values are given as a recipe writes them: durations with a unit."""


def _parse_duration(value: object, info: ValidationInfo) -> object:
    """Turn ``10 d``, ``36 h``, ``90 min`` or ``30 s`` into a timedelta; a bare number is none."""
    if isinstance(value, timedelta):
        return value
    if info.context == CANONICAL:
        return _from_microseconds(value)
    found = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        raise ValueError("a duration is a number and a unit, as 10 d, 36 h, 90 min or 30 s")
    try:
        return timedelta(seconds=float(found[1]) * _UNITS[found[2]])
    except OverflowError:
        raise ValueError("this duration is longer than any archive") from None


def _from_microseconds(value: object) -> timedelta:
    if not isinstance(value, int):
        # ValueError, which pydantic turns into its own; a TypeError would pass through.
        raise ValueError("a canonical duration is a number of microseconds")  # noqa: TRY004
    try:
        return timedelta(microseconds=value)
    except OverflowError:
        raise ValueError("this duration is longer than any archive") from None


def _parse_instant(value: object) -> object:
    """Turn a date into its first instant in UTC; a bare number is no date."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time(), UTC)
    if not isinstance(value, datetime):
        # ValueError, which pydantic turns into its own; a TypeError would pass through.
        raise ValueError("a date is written as 2019-01-01 or 2019-01-01T12:00:00Z")  # noqa: TRY004
    try:
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except OverflowError:
        raise ValueError("this date lies outside of the years 1 to 9999 in UTC") from None


def unit_of(duration: timedelta) -> str:
    """Return the greatest unit that a duration holds a whole number of times; ``s`` if none."""
    whole = (unit for unit in reversed(_UNITS) if not duration % timedelta(seconds=_UNITS[unit]))
    return next(whole, "s")


def in_unit(duration: timedelta, unit: str) -> float:
    """Return how often a duration holds a unit: ``s``, ``min``, ``h`` or ``d``."""
    return duration / timedelta(seconds=_UNITS[unit])


def _duration_out(duration: timedelta, info: SerializationInfo) -> int | str:
    """Return a duration as microseconds, or as a recipe writes it."""
    if info.context != AS_WRITTEN:
        return duration // timedelta(microseconds=1)
    unit = unit_of(duration)
    return f"{in_unit(duration, unit):.6f}".rstrip("0").rstrip(".") + f" {unit}"


Duration = Annotated[
    timedelta,
    BeforeValidator(_parse_duration),
    PlainSerializer(_duration_out),
    WithJsonSchema(
        {"type": "string", "pattern": f"^\\s*{_DURATION.pattern}\\s*$", "examples": ["10 d"]}
    ),
]
Instant = Annotated[
    datetime,
    BeforeValidator(_parse_instant),
    PlainSerializer(lambda t: t.strftime("%Y-%m-%dT%H:%M:%S.%fZ"), return_type=str),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^\d{4}-\d{2}-\d{2}([T ].*)?$",
            "examples": ["2019-01-01", "2019-01-01T12:00:00Z"],
        }
    ),
]


def _plain_zero(value: object) -> object:
    """Return 0.0 for -0.0, another spelling of it."""
    return value + 0.0 if isinstance(value, float) else value


# Limits stand before the validator: those after it are not in the JSON Schema.
_ZERO = BeforeValidator(_plain_zero)
Number = Annotated[float, Field(allow_inf_nan=False), _ZERO]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False), _ZERO]
Fraction = Annotated[float, Field(ge=0, le=1), _ZERO]
MonthSet = Annotated[
    tuple[Annotated[int, Field(ge=1, le=12)], ...],
    AfterValidator(lambda months: tuple(sorted(set(months)))),
]
NameSet = Annotated[tuple[str, ...], AfterValidator(lambda names: tuple(sorted(set(names))))]
ClassSet = Annotated[tuple[int, ...], AfterValidator(lambda codes: tuple(sorted(set(codes))))]
