"""Why a scene is in no pair of a rule: the first condition that it, or every partner, fails."""

from collections.abc import Collection
from datetime import timedelta
from typing import Any

import shapely

from geosr_lake.errors import RecipeError
from geosr_lake.lake import Lake
from geosr_lake.recipe import (
    SIDES,
    PairRule,
    Recipe,
    Side,
    in_unit,
    parse_canonical,
    unit_of,
)
from geosr_lake.report.explanation import Row
from geosr_lake.report.sections import moment

_JUDGED = ("product", "platform", "t_start", "t_end")
"""What `_fails` and `_apart` look at."""


def unpaired(lake: Lake, scene: Row, paired: Collection[str]) -> list[Row]:
    """Say, for each rule of the lake that asks for a scene's sensor, why it has no pair there.

    Args:
        lake: The rules are those of its manifests and of its runs of `pairs build`.
        scene: A row of `scenes`.
        paired: The rules in which it has pairs; nothing is said of them.
    """
    return [
        {"rule": rule_id, "recipe": recipe.name, "why": _why(lake, recipe.pairs, side, scene)}
        for rule_id, recipe in sorted(_recipes(lake).items())
        for side in SIDES
        if rule_id not in paired and recipe.pairs.of(side).sensor == scene["sensor"]
    ]


def _recipes(lake: Lake) -> dict[str, Recipe]:
    """Return a recipe for each rule of pairs that was used in the lake."""
    texts = lake.arrow("manifests", columns=["recipe"])["recipe"].to_pylist()
    built = [("stage", "=", "pairs build")]
    texts += lake.arrow("runs", columns=["recipe"], filters=built)["recipe"].to_pylist()
    found = {}
    for text in sorted({text for text in texts if text}):
        try:
            recipe = parse_canonical(text)
        except RecipeError:  # of a version that this one does not understand
            continue
        found[recipe.pairs.rule_id] = recipe
    return found


def _why(lake: Lake, rule: PairRule, side: Side, scene: Row) -> str:
    if fails := _fails(rule, side, scene):
        return fails
    other: Side = "hr" if side == "lr" else "lr"
    sensor, unit = rule.of(other).sensor, unit_of(rule.window)
    window = f"{in_unit(rule.window, unit):g} {unit}"
    around = [
        ("sensor", "=", sensor),
        *(("xmin", "<=", scene["xmax"]), ("xmax", ">=", scene["xmin"])),
        *(("ymin", "<=", scene["ymax"]), ("ymax", ">=", scene["ymin"])),
    ]
    late, early = scene["t_end"] + rule.window, scene["t_start"] - rule.window
    in_time = [("t_start", "<=", late), ("t_end", ">=", early)]

    def partners(columns: tuple[str, ...], where: list[tuple[str, str, Any]]) -> list[Row]:
        found = lake.arrow("scenes", columns=list(columns), filters=where).to_pylist()
        return [row for row in found if not _fails(rule, other, row)]

    near = partners((*_JUDGED, "footprint_wkb"), around + in_time)
    if not near:
        passing = partners(_JUDGED, around)
        if not passing:
            return f"no scene of {sensor} that the rule takes lies where it does"
        least = in_unit(min(_apart(scene, row) for row in passing), unit)
        away = f"{least:.2f} {unit} away"
        return f"the nearest scene of {sensor} is {away}, at most {window} is asked"
    ground = shapely.from_wkb(scene["footprint_wkb"])
    shapes = shapely.from_wkb([row["footprint_wkb"] for row in near])
    touched = int(shapely.intersects(shapes, ground).sum())
    if not touched:
        return f"of {_scenes(len(near), sensor)} within {window} no footprint meets its own"
    share = rule.min_overlap_frac
    less = f"less than {share:.0%} of the HR footprint is common, or " if share else ""
    return f"it meets {_scenes(touched, sensor)} within {window}: {less}the pairs are older"


def _scenes(n: int, sensor: str) -> str:
    return f"{n:,} scene{'s' if n > 1 else ''} of {sensor}"


def _fails(rule: PairRule, side: Side, scene: Row) -> str | None:
    """Return which condition on single scenes a scene fails; None: it passes."""
    which = rule.of(side)
    if which.products and scene["product"] not in which.products:
        return f"its product is {scene['product']}, not {' or '.join(which.products)}"
    if which.platforms and scene["platform"] not in which.platforms:
        platform = scene["platform"] or "unknown"
        return f"its platform is {platform}, not {' or '.join(which.platforms)}"
    if rule.start is not None and scene["t_end"] < rule.start:
        return f"it ends {moment(scene['t_end'])}, before {moment(rule.start)}"
    if rule.end is not None and scene["t_start"] >= rule.end:
        return f"it starts {moment(scene['t_start'])}, not before {moment(rule.end)}"
    return None


def _apart(one: Row, other: Row) -> timedelta:
    """Return the time between two intervals; none where they overlap or touch."""
    after: timedelta = one["t_start"] - other["t_end"]
    before: timedelta = other["t_start"] - one["t_end"]
    return max(timedelta(0), after, before)
