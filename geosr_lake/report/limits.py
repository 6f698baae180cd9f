"""The rules of a recipe beside the values that they judged."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from geosr_lake.recipe import (
    SIDES,
    CloudRule,
    GapRule,
    GsdRule,
    MonthsRule,
    OverlapRule,
    PlatformsRule,
    Rule,
    SnowRule,
    SunRule,
    TierRule,
    in_unit,
    unit_of,
)
from geosr_lake.verdicts import in_words

Row = dict[str, Any]

OF_SCENES = {
    "gsd": "gsd_m",
    "sun": "sun_elevation_deg",
    "months": "t_start",
    "platform": "platform",
    "tier": "tier",
}
"""What rules judge of a scene and `candidates` does not repeat: the column, by the verdict less its
side."""
ZONE = "epsg"
"""The column of a scene by which `zone_mismatch` judges it."""
_KEEPS = {">": "at most", "<": "at least"}


@dataclass(frozen=True, slots=True)
class _Bound:
    """A number that a value must not pass.

    Attributes:
        sign: How a value that breaks the rule stands to it: ``>`` or ``<``.
        number: The number.
        unit: What it is counted in; empty for shares.
    """

    sign: str
    number: float
    unit: str = ""


_Limit = _Bound | tuple[str, ...]
"""A bound, or the names of which a value must be one."""


def _limit(rule: Rule) -> _Limit:
    """Return what a rule holds a value against."""
    match rule:
        case GapRule():
            return _Bound(">", in_unit(rule.max, unit_of(rule.max)), unit_of(rule.max))
        case OverlapRule():
            return _Bound("<", rule.min_frac)
        case GsdRule():
            return _Bound(">", rule.max_m, "m")
        case CloudRule() | SnowRule():
            return _Bound(">", rule.max_frac)
        case SunRule():
            return _Bound("<", rule.min_deg, "deg")
        case MonthsRule():
            return tuple(map(str, rule.months))
        case PlatformsRule():
            return rule.platforms
        case TierRule():
            return rule.tiers


def _value(candidate: Row, rule: Rule) -> float | str | None:
    """Return what a rule judges of a candidate, in the unit of its limit; None if not known."""
    if isinstance(rule, GapRule):
        return in_unit(timedelta(seconds=abs(candidate["gap_s"])), unit_of(rule.max))
    if isinstance(rule, OverlapRule):
        column = "overlap_frac"
    else:
        column = f"{rule.side}_{OF_SCENES.get(rule.verdict, f'{rule.verdict}_frac')}"
    found: datetime | float | str | None = candidate.get(column)
    return str(found.month) if isinstance(found, datetime) else found


def reason(candidate: Row, rules: Iterable[Rule]) -> str:
    """Return a candidate's verdict in words, with its value and the limit where a rule has one.

    Args:
        candidate: A row of `candidates`, with what `OF_SCENES` names of the scene that it fell by.
        rules: Those of the manifest's recipe.
    """
    words = in_words(candidate["verdict"])
    if candidate["verdict"] == "zone_mismatch":
        return f"{words} ({', '.join(_zone(candidate, side) for side in SIDES)})"
    # The verdict before the last one says that the value is not known.
    rule = next((rule for rule in rules if rule.verdicts[-1] == candidate["verdict"]), None)
    if rule is None or (found := _value(candidate, rule)) is None:
        return words
    return f"{words} ({_beside(found, _limit(rule))})"


def _zone(candidate: Row, side: str) -> str:
    found = candidate.get(f"{side}_{ZONE}")
    return f"{side.upper()} {f'EPSG:{found}' if found else 'unknown'}"


def kept(candidate: Row, rules: Iterable[Rule]) -> list[Row]:
    """Return the limits that a candidate kept, in the order in which they are asked.

    Args:
        candidate: A row of `candidates` that no rule dropped, with what `OF_SCENES` names of both
            scenes.
        rules: Those of the manifest's recipe.
    """
    return [
        {"rule": rule.name, "value": _shown(_value(candidate, rule), limit), "limit": _said(limit)}
        for rule in rules
        for limit in [_limit(rule)]
    ]


def _said(limit: _Limit) -> str:
    """Return what a limit asks for."""
    if isinstance(limit, _Bound):
        return f"{_KEEPS[limit.sign]} {limit.number:.6g} {limit.unit}".rstrip()
    return ", ".join(limit)


def _shown(found: float | str | None, limit: _Limit) -> str:
    """Return a value that is not beside its limit."""
    if found is None:
        return "unknown"
    if isinstance(found, str) or isinstance(limit, tuple):
        return str(found)
    return f"{found:.6g} {limit.unit}".rstrip()


def _beside(found: float | str, limit: _Limit) -> str:
    """Return a value and the limit that it passed: 0.35 > 0.2; T2, not T1."""
    if isinstance(found, str) or isinstance(limit, tuple):
        return f"{found}, not {_said(limit)}"
    number, unit = limit.number, f" {limit.unit}".rstrip()
    # More digits where three are one.
    digits = next((d for d in (3, 6, 12) if f"{found:.{d}g}" != f"{number:.{d}g}"), 17)
    return f"{found:.{digits}g}{unit} {limit.sign} {number:.{digits}g}{unit}"
