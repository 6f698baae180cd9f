"""The generated pages say what the code says, and the recipe's JSON Schema takes what it takes."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import jsonschema
import pytest
import yaml

from geosr_lake.errors import RecipeError
from geosr_lake.lake.contracts import contracts
from geosr_lake.recipe import parse_recipe

REPO = Path(__file__).parents[2]
RECIPES = sorted(
    [*REPO.glob("catalog/*/recipe.yaml"), *REPO.glob("geosr_lake/demo/recipes/*.yaml")]
)


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    """The script that writes the pages, as a module."""
    spec = importlib.util.spec_from_file_location("maker", REPO / "docs" / "make_reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    """The recipe's JSON Schema as it stands in the repository."""
    found: dict[str, Any] = json.loads((REPO / "schemas" / "recipe.json").read_text())
    return found


def test_no_page_is_stale(maker: ModuleType) -> None:
    stale = [
        p.name for p, text in maker.pages().items() if not p.is_file() or p.read_text() != text
    ]
    assert stale == [], "run `make docs`"


def test_every_table_and_column_is_there(maker: ModuleType) -> None:
    text = maker.tables_page()
    for terms in contracts().values():
        assert f"\n## {terms.table}\n" in text
        for column in terms.columns:
            assert f"| `{column.name}` | `{column.type}` |" in text


def test_every_key_of_the_recipe_says_what_it_means(maker: ModuleType) -> None:
    rows = list(maker.keys(maker.Recipe))
    assert ["`pairs.window`", "as 10 d", "must be given"] in [row[:3] for row in rows]
    assert [row[0] for row in rows if not row[3]] == []


def test_cells_do_not_break_the_table(maker: ModuleType) -> None:
    assert maker.table(["a"], [["x | y\n z"]])[-1] == "| x \\| y z |"


def _spelled(path: Path) -> Any:
    """Return a recipe as JSON has it: YAML reads dates, JSON knows text only."""
    return json.loads(json.dumps(yaml.safe_load(path.read_text()), default=str))


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: str(p.relative_to(REPO)))
def test_the_schema_takes_the_shipped_recipes(path: Path, schema: dict[str, Any]) -> None:
    jsonschema.validate(_spelled(path), schema)
    parse_recipe(path.read_text())


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("pairs", "windw", "10 d"),
        ("pairs", "window", "10 days"),
        ("pairs", "window", 10),
        ("pairs", "start", "last year"),
        ("pairs", "min_overlap_frac", 1.5),
        ("cubes", "codec", "zip"),
        ("cubes", "shard_samples", 0),
    ],
)
def test_schema_and_model_refuse_the_same(
    section: str, key: str, value: object, schema: dict[str, Any]
) -> None:
    recipe: dict[str, Any] = {
        "name": "mine",
        "pairs": {"lr": {"sensor": "modis"}, "hr": {"sensor": "landsat"}, "window": "8 d"},
        "cubes": {},
    }
    jsonschema.validate(recipe, schema)
    parse_recipe(json.dumps(recipe))
    recipe[section][key] = value
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(recipe, schema)
    with pytest.raises(RecipeError):
        parse_recipe(json.dumps(recipe))
