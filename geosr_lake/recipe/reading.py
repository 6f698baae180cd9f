"""Recipes from text: what is wrong is said with its line, its key, and what is allowed there."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from geosr_lake.errors import RecipeError
from geosr_lake.recipe import yaml_text
from geosr_lake.recipe.model import Recipe


def flat(value: Any, prefix: str = "") -> dict[str, Any]:
    """Return the leaves of nested mappings by their dotted keys, as ``pairs.lr.sensor``.

    Members of a list of mappings are named by their number: ``select.subsets.0.name``.
    """
    if isinstance(value, list | tuple) and any(isinstance(inner, dict) for inner in value):
        value = {str(number): inner for number, inner in enumerate(value)}
    if not isinstance(value, dict):
        return {prefix: value}
    return {
        key: leaf
        for name, inner in value.items()
        for key, leaf in flat(inner, f"{prefix}.{name}" if prefix else name).items()
    }


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
    for one in (kind, *get_args(kind)):
        if isinstance(one, type) and issubclass(one, BaseModel):
            yield one


def _keys_at(path: yaml_text.Path) -> list[str]:
    """Return the keys that a recipe may have in the section at `path`."""
    model: type[BaseModel] = Recipe
    for step in path:
        info = model.model_fields.get(str(step))
        model = next(_sections(info.annotation), model) if info else model
    return sorted(model.model_fields)


def _all_keys(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield every key of a model and of the sections below it, and its dotted path."""
    for name, info in model.model_fields.items():
        yield name, f"{prefix}{name}"
        for section in _sections(info.annotation):
            yield from _all_keys(section, f"{prefix}{name}.")


def _nearest(name: str, path: yaml_text.Path) -> str:
    """Return the known key that is nearest to an unknown one, as a clause; empty if none is."""
    if close := get_close_matches(name, _keys_at(path), n=1):
        return f", did you mean {close[0]}?"
    elsewhere = list(_all_keys(Recipe))
    close = get_close_matches(name, [key for key, _ in elsewhere], n=1)
    places = " or ".join(where for key, where in elsewhere if close and key == close[0])
    return f", did you mean {close[0]} ({places})?" if close else ""


def _sentence(error: ValidationError, where: str, text: str = "") -> RecipeError:
    places = yaml_text.stated(text)
    parts = []
    for problem in error.errors():
        path = problem["loc"]
        dotted = ".".join(str(step) for step in path) or "recipe"
        line = yaml_text.line_of(places, path)
        if problem["type"] == "extra_forbidden":
            known = ", ".join(_keys_at(path[:-1]))
            said = f" is not a key{_nearest(str(path[-1]), path[:-1])} Allowed there: {known}"
        else:
            said = f": {problem['msg'].removeprefix('Value error, ')}"
        parts.append(f"{f'line {line}, ' if line else ''}{dotted}{said}")
    return RecipeError("; ".join(parts), where=where, next_step="Run `geosr recipe validate FILE`.")


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

    Raises:
        RecipeError: If it is no such text.
    """
    try:
        data = json.loads(text)
        data["pairs"]["window"] = timedelta(microseconds=data["pairs"]["window"])
    except (ValueError, TypeError, KeyError) as error:
        raise RecipeError("This is not a canonical recipe", where=where) from error
    try:
        return Recipe.model_validate(data)
    except ValidationError as error:
        raise _sentence(error, where) from error


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
