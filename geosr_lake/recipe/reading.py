"""Recipes from text: what is wrong is said with its line, its key, and what is allowed there."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from geosr_lake.errors import RecipeError
from geosr_lake.recipe import yaml_text
from geosr_lake.recipe.model import Recipe, SelectRule
from geosr_lake.recipe.rules import RULE_KINDS, SIDES, RuleTwiceError, rule_name
from geosr_lake.recipe.values import CANONICAL


def flat(value: Any, prefix: str = "") -> dict[str, Any]:
    """Return the leaves of nested mappings by their dotted keys, as ``pairs.lr.sensor``.

    A list of rules, or of subsets, is told by their names in order, and below it each by its name,
    as ``select.rules.lr_cloud.max_frac``: one more or less moves no other one.
    """
    if members := _named_members(value):
        below = {name: {k: v for k, v in m.items() if k not in _NAMING} for name, m in members}
        return {prefix: [name for name, _ in members]} | flat(below, prefix)
    if not isinstance(value, dict):
        return {prefix: value}
    return {
        key: leaf
        for name, inner in value.items()
        for key, leaf in flat(inner, f"{prefix}.{name}" if prefix else name).items()
    }


_NAMING = ("rule", "side", "name")


def _named_members(value: Any) -> list[tuple[str, dict[str, Any]]]:
    """Return a list of rules or subsets as names and mappings; empty if it is anything else."""
    if not isinstance(value, list | tuple):
        return []
    members = [m for m in value if isinstance(m, dict) and ("rule" in m or "name" in m)]
    return [(rule_name(m) if "rule" in m else str(m["name"]), m) for m in members]


def dotted(path: yaml_text.Path, data: Any) -> str:
    """Return the key that `flat` gives to the place `path` of `data`."""
    steps = []
    for step in path:
        members = _named_members(data)
        if members and isinstance(step, int) and isinstance(data[step], dict):
            data = data[step]
            steps.append(_named_members([data])[0][0])
            continue
        data = data.get(step) if isinstance(data, dict) else None
        steps.append(str(step))
    return ".".join(steps)


@dataclass(frozen=True, slots=True)
class Changed:
    """One value that differs.

    Attributes:
        what: A dotted key, or a table.
        a: The value in the one.
        b: The value in the other.
    """

    what: str
    a: Any
    b: Any


def changed(a: dict[str, Any], b: dict[str, Any]) -> tuple[Changed, ...]:
    """Return the keys whose values differ, in order; a key that is not there has None."""
    keys = sorted(a.keys() | b.keys())
    return tuple(Changed(k, a.get(k), b.get(k)) for k in keys if a.get(k) != b.get(k))


def _sections(kind: Any) -> Iterator[type[BaseModel]]:
    """Yield the models in a field's annotation, as in ``SelectRule | None``."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield kind
    for one in get_args(kind):
        yield from _sections(one)


def _written(path: yaml_text.Path) -> yaml_text.Path:
    """Return the place of an error as it is written: pydantic puts a rule's kind after its number.

    ``select.rules.3.cloud.max_frac`` is ``select.rules.3.max_frac``.
    """
    return tuple(step for at, step in enumerate(path) if not _is_kind(path, at))


def _is_kind(path: yaml_text.Path, at: int) -> bool:
    return at > 1 and path[at - 2] == "rules" and isinstance(path[at - 1], int)


def _keys_at(path: yaml_text.Path) -> list[str]:
    """Return the keys that a recipe may have in the section at `path`, as pydantic gives it."""
    model: type[BaseModel] = Recipe
    for at, step in enumerate(path):
        if _is_kind(path, at):
            model = RULE_KINDS[str(step)]
        elif info := model.model_fields.get(str(step)):
            model = next(_sections(info.annotation), model)
    return sorted(model.model_fields)


def _all_keys(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield every key of a model and of the sections below it, and its dotted path."""
    for name, info in model.model_fields.items():
        yield name, f"{prefix}{name}"
        for section in _sections(info.annotation):
            yield from _all_keys(section, f"{prefix}{name}.")


def _nearest(name: str, path: yaml_text.Path) -> str:
    """Return the known key that is nearest to an unknown one, as a clause; a stop if none is."""
    if close := get_close_matches(name, _keys_at(path), n=1):
        return f", did you mean {close[0]}?"
    elsewhere = list(dict.fromkeys(_all_keys(Recipe)))
    close = get_close_matches(name, [key for key, _ in elsewhere], n=1)
    places = " or ".join(where for key, where in elsewhere if close and key == close[0])
    return f", did you mean {close[0]} ({places})?" if close else "."


def _sentence(error: ValidationError, where: str, text: str = "") -> RecipeError:
    places = yaml_text.stated(text)
    parts = []
    for problem in error.errors():
        told = problem.get("ctx", {})
        path = problem["loc"]
        if isinstance(twice := told.get("error"), RuleTwiceError):
            path = (*path, twice.at)
        written = _written(path)
        key = ".".join(str(step) for step in written) or "recipe"
        line = yaml_text.line_of(places, written)
        if problem["type"] == "extra_forbidden":
            known = ", ".join(_keys_at(path[:-1]))
            said = f" is not a key{_nearest(str(path[-1]), path[:-1])} Allowed there: {known}"
        elif problem["type"] in {"union_tag_not_found", "union_tag_invalid"}:
            said = _no_rule(told.get("tag"))
        elif problem["type"] == "missing" and path[-1] == "unknown":
            said = (
                ": the rule must name what becomes of a scene whose value is unknown, drop or keep"
            )
        else:
            said = f": {problem['msg'].removeprefix('Value error, ')}"
        parts.append(f"{f'line {line}, ' if line else ''}{key}{said}")
    return RecipeError("; ".join(parts), where=where, next_step="Run `geosr recipe validate FILE`.")


def _no_rule(kind: str | None) -> str:
    """Return that a member of the rules is of no known kind; `kind` is None where it names none."""
    known = f" Rules: {', '.join(RULE_KINDS)}"
    if kind is None:
        return f" has no key rule, which says its kind.{known}"
    close = get_close_matches(kind, RULE_KINDS, n=1)
    return f".rule: {kind} is no rule{f', did you mean {close[0]}?' if close else '.'}{known}"


def parse_recipe(text: str, where: str = "recipe") -> Recipe:
    """Return the recipe written in `text` (YAML).

    Raises:
        RecipeError: If it is not YAML, has a key that is unknown or stands twice, or asks for what
            makes no sense.
    """
    try:
        data = yaml.load(text, Loader=yaml_text.OneOfEachKey)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # 2019-13-01 is a ValueError
        first = " ".join(str(error).split())
        raise RecipeError(f"This is not YAML: {first}", where=where) from error
    if not isinstance(data, dict):
        raise RecipeError("A recipe is a mapping of keys to values", where=where)
    try:
        return Recipe.model_validate(data)
    except ValidationError as error:
        raise _sentence(error, where, text) from error


def parse_canonical(text: str, where: str = "manifests.recipe") -> Recipe:
    """Return the recipe that `Recipe.canonical` wrote: durations are whole microseconds there.

    Limits that an earlier version wrote as `select.lr` and `select.hr` come as the rules that they
    were, in the order in which they were asked.

    Raises:
        RecipeError: If it is no such text.
    """
    try:
        data = json.loads(text)
    except ValueError as error:
        raise RecipeError("This is not a canonical recipe", where=where) from error
    try:
        return Recipe.model_validate(_up_to_date(data), context=CANONICAL)
    except ValidationError as error:
        raise _sentence(error, where) from error


def select_of(text: str) -> SelectRule | None:
    """Return how a canonical recipe chooses samples; None if it does not, or is not understood.

    For those who tell of a manifest what can be told of it, whatever version wrote it.
    """
    try:
        return parse_canonical(text).select
    except RecipeError:
        return None


def _up_to_date(data: Any) -> Any:
    """Return a canonical recipe whose limits are rules."""
    select = data.get("select") if isinstance(data, dict) else None
    if not isinstance(select, dict) or not isinstance(select.get("lr"), dict):
        return data
    limits = {side: select[side] for side in SIDES if side in select}
    kept = {key: value for key, value in select.items() if key not in limits}
    rules = [
        {"rule": kind, "side": side, key: old[f"max_{kind}_{unit}"], "unknown": unknown}
        for kind, key, unit in (
            ("gsd", "max_m", "m"),
            ("cloud", "max_frac", "frac"),
            ("snow", "max_frac", "frac"),
        )
        for side, old in limits.items()
        if old.get(f"max_{kind}_{unit}") is not None
        for unknown in [old.get(f"unknown_{kind}", "keep" if kind == "snow" else "drop")]
    ]
    return data | {"select": kept | {"rules": rules}}


def recipe_text(path: str | Path) -> tuple[str, str]:
    """Return the text of the file `path`, or of the shipped recipe of that name; and its path.

    Raises:
        RecipeError: If there is no such file.
    """
    from geosr_lake.resources import resource_dir

    file = Path(path)
    shipped = resource_dir("catalog") / str(path) / "recipe.yaml"
    if not file.is_file() and len(file.parts) == 1 and shipped.is_file():
        file = shipped
    try:
        return file.read_text(encoding="utf-8"), str(file)
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(
            "The recipe cannot be read",
            where=str(file),
            next_step="Name a YAML file, or one of the shipped recipes.",
        ) from error


def load_recipe(path: str | Path) -> Recipe:
    """Return the recipe in the file `path`, or the shipped one of that name (``s2_naip``).

    Raises:
        RecipeError: If there is no such file, or it is no valid recipe.
    """
    return parse_recipe(*recipe_text(path))
