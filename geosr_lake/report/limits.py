"""The limits of a recipe beside the values that they judged, in either form of writing them."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from geosr_lake.verdicts import RULE_NAMES, in_words

Row = dict[str, Any]

SIDES = ("lr", "hr")
_UNITS = ("frac", "m", "deg")
"""Units of the columns that a rule of a verdict's name judges: `lr_cloud` judges `lr_cloud_frac`.
"""
_SIGNS = {"max": ">", "min": "<"}
_KEEPS = {">": "at most", "<": "at least"}


def limit(select: Mapping[str, Any], verdict: str, subset: str = "") -> tuple[str, float] | None:
    """Return the sign and the number that a value must not pass, None if the recipe has none.

    A recipe states limits by side (`lr: {max_cloud_frac: 0.2}`) or as a list of rules, of all
    subsets or of one (`{rule: cloud, side: lr, max_frac: 0.2}`).

    Args:
        select: The section `select` of a recipe, as its manifest keeps it.
        verdict: Name of the rule.
        subset: The subset whose own rules come before those of all.
    """
    side, rule = _parts(verdict)
    for entry in _entries(select, subset):
        mine = side == "" or entry.get("side", side) in (side, "both")
        found = _bound(entry, "") if mine and entry.get("rule") == rule else None
        if found is not None:
            return found
    by_side = select.get(side)
    return _bound(by_side, f"{rule}_") if isinstance(by_side, Mapping) else None


def _parts(verdict: str) -> tuple[str, str]:
    side, _, rule = verdict.partition("_")
    return (side, rule) if side in SIDES else ("", verdict)


def _entries(select: Mapping[str, Any], subset: str) -> Iterator[Mapping[str, Any]]:
    """Yield the rules that are written as a list: the subset's own, then those of all."""
    subsets = select.get("subsets")
    if isinstance(subsets, Mapping):
        own: Any = subsets.get(subset)
    else:
        named: Iterable[Any] = subsets if isinstance(subsets, list) else ()
        own = next((s for s in named if isinstance(s, Mapping) and s.get("name") == subset), None)
    for section in (own, select):
        rules = section.get("rules") if isinstance(section, Mapping) else None
        yield from (r for r in rules if isinstance(r, Mapping)) if isinstance(rules, list) else ()


def _bound(entry: Mapping[str, Any], what: str) -> tuple[str, float] | None:
    """Return the first `max_{what}...` or `min_{what}...` of an entry that is a number."""
    for key, value in entry.items():
        kind, _, rest = key.partition("_")
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if kind in _SIGNS and rest.startswith(what) and number:
            return _SIGNS[kind], float(value)
    return None


def value(candidate: Row, verdict: str) -> float | None:
    """Return the value of a candidate that the rule of this name judges; None if it has none."""
    values = (candidate.get(f"{verdict}_{unit}") for unit in _UNITS)
    return next((float(found) for found in values if found is not None), None)


def reason(candidate: Row, select: Mapping[str, Any]) -> str:
    """Return a candidate's verdict in words, with its value and the limit where there is one.

    Args:
        candidate: A row of `candidates`.
        select: The section `select` of the manifest's recipe.
    """
    verdict = candidate["verdict"]
    words, found = in_words(verdict), value(candidate, verdict)
    if found is None:
        return words
    bound = limit(select, verdict, candidate.get("subset") or "")
    return f"{words} ({found:.3g})" if bound is None else f"{words} ({beside(found, bound)})"


def kept(candidate: Row, select: Mapping[str, Any]) -> list[Row]:
    """Return the limits that a candidate kept, in the order in which they are asked.

    Args:
        candidate: A row of `candidates` that no rule dropped.
        select: The section `select` of the manifest's recipe.
    """
    told = []
    for rule in RULE_NAMES:
        if (bound := limit(select, rule, candidate.get("subset") or "")) is not None:
            found = value(candidate, rule)
            told.append(
                {
                    "rule": rule,
                    "value": "unknown" if found is None else f"{found:.6g}",
                    "limit": f"{_KEEPS[bound[0]]} {bound[1]:.6g}",
                }
            )
    return told


def beside(found: float, bound: tuple[str, float]) -> str:
    """Return a value and the limit that it passed: 0.35 > 0.2; more digits where three are one."""
    sign, most = bound
    digits = next((d for d in (3, 6, 12) if f"{found:.{d}g}" != f"{most:.{d}g}"), 17)
    return f"{found:.{digits}g} {sign} {most:.{digits}g}"
