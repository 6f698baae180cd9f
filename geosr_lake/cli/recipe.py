"""`geosr recipe`: validate, show and compare recipes."""

import json
from typing import Annotated, Any

import typer
import yaml

from geosr_lake.cli.console import JsonOption, exit_codes, print_counts, print_rows, report
from geosr_lake.recipe import (
    Recipe,
    changed,
    dotted,
    flat,
    load_recipe,
    parse_recipe,
    recipe_text,
)
from geosr_lake.recipe.yaml_text import stated

app = typer.Typer(help="Check and compare recipes.", no_args_is_help=True)

RecipeArgument = Annotated[
    str, typer.Argument(metavar="RECIPE", help="A YAML file, or a shipped recipe as s2_naip.")
]


def _rules(recipe: Recipe) -> dict[str, str]:
    rules = {"name": recipe.name, "task": str(recipe.task), "pairs rule": recipe.pairs.rule_id}
    if recipe.select is not None:
        rules["select rule"] = recipe.select.rule_id
    return rules | {"cubes rule": recipe.cubes.rule_id}


@app.command()
def validate(recipe: RecipeArgument, as_json: JsonOption = False) -> None:
    """Check a recipe and print the id of each stage's rule.

    Example: `geosr recipe validate s2_naip`
    """
    with exit_codes():
        rules = _rules(load_recipe(recipe))
        report(rules, as_json=as_json, show=lambda: print_counts("The recipe is valid", rules))


_EMPTY_IS_ALL = ("products", "platforms")
"""Filters of scenes: where they name nothing, they leave nothing out."""


def _shown(key: str, value: Any) -> str:
    """Return a value as a recipe's writer would write it."""
    if isinstance(value, list | tuple):
        nothing = "all" if key.endswith(_EMPTY_IS_ALL) else "none"
        return ", ".join(map(str, value)) or nothing
    return "null" if value is None else str(value)


def _table(text: str, recipe: Recipe) -> list[list[Any]]:
    """Return key, value, who says so, and why, for every value that has an effect."""
    data = yaml.safe_load(text)
    said = {dotted(path, data): one for path, one in stated(text).items()}
    written = flat(data)
    effective = flat(recipe.written())
    rows: list[list[Any]] = []
    for key in (key for key in flat(recipe.model_dump()) if key in effective):
        value = _shown(key, written.get(key, effective[key]))
        if key in said:
            rows.append([key, value, said[key].mark, said[key].why])
        else:
            rows.append([key, value, "ours", "not written: the default"])
    return rows


@app.command()
def show(recipe: RecipeArgument, as_json: JsonOption = False) -> None:
    """Print every value that has an effect, and who says so: the paper, its code, or we.

    `--json` prints the canonical text, whose sections are what rule ids are made of.

    Example: `geosr recipe show modis_landsat8`
    """
    with exit_codes():
        text, where = recipe_text(recipe)
        found = parse_recipe(text, where)
        report(
            json.loads(found.canonical()),
            as_json=as_json,
            show=lambda: print_rows(["key", "value", "by", "why"], _table(text, found)),
        )


@app.command()
def diff(recipe: RecipeArgument, other: RecipeArgument, as_json: JsonOption = False) -> None:
    """Print the keys whose value differs between two recipes, however each spells it.

    Example: `geosr recipe diff s2_naip mine.yaml`
    """
    with exit_codes():
        first, second = (flat(load_recipe(r).written()) for r in (recipe, other))
        rows = [[row.what, row.a, row.b] for row in changed(first, second)]
        report(rows, as_json=as_json, show=lambda: print_rows(["key", recipe, other], rows))
