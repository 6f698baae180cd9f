"""`geosr recipe`: validate, show and compare recipes."""

import json
from typing import Annotated, Any

import typer

from geosr_lake.cli.console import JsonOption, exit_codes, out, print_counts, print_rows, report
from geosr_lake.recipe import Recipe, load_recipe

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
    with exit_codes(f"geosr recipe validate {recipe}"):
        rules = _rules(load_recipe(recipe))
        report(rules, as_json=as_json, show=lambda: print_counts("The recipe is valid", rules))


@app.command()
def show(recipe: RecipeArgument, as_json: JsonOption = False) -> None:
    """Print a recipe as JSON, with every default that has an effect.

    Example: `geosr recipe show modis_landsat8`
    """
    with exit_codes(f"geosr recipe show {recipe}"):
        text = load_recipe(recipe).canonical()
        report(json.loads(text), as_json=as_json, show=lambda: out.print_json(text))


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(value, dict):
        return {prefix: value}
    return {
        key: leaf
        for name, inner in value.items()
        for key, leaf in _flat(inner, f"{prefix}.{name}" if prefix else name).items()
    }


@app.command()
def diff(recipe: RecipeArgument, other: RecipeArgument, as_json: JsonOption = False) -> None:
    """Print the keys whose meaning differs between two recipes.

    Example: `geosr recipe diff s2_naip mine.yaml`
    """
    with exit_codes(f"geosr recipe diff {recipe} {other}"):
        first, second = (_flat(json.loads(load_recipe(r).canonical())) for r in (recipe, other))
        rows = [
            [key, first.get(key), second.get(key)]
            for key in sorted(first.keys() | second.keys())
            if first.get(key) != second.get(key)
        ]
        report(rows, as_json=as_json, show=lambda: print_rows(["key", recipe, other], rows))
