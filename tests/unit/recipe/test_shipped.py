"""The recipes that ship: every key written, every value with who says so."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from recipe_texts import SMALL, plain
from typer.testing import CliRunner

from geosr_lake.cli.app import app
from geosr_lake.recipe import (
    GsdRule,
    flat,
    load_recipe,
)
from geosr_lake.recipe.yaml_text import Stated, line_of, stated

REPO = Path(__file__).parents[3]
SHIPPED = ("s2_naip", "modis_landsat8")


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_recipes_are_valid_and_name_every_key(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.name == name == recipe.task
    assert recipe.select is not None
    text = (REPO / "catalog" / name / "recipe.yaml").read_text()
    written = plain(text)

    def missing(model: Any, data: dict[str, Any], at: str = "") -> list[str]:
        gone = []
        for key in type(model).model_fields:
            value = getattr(model, key)
            if key not in data:
                gone.append(f"{at}{key}")
            elif hasattr(type(value), "model_fields"):
                gone += missing(value, data[key], f"{at}{key}.")
        return gone

    optional = {
        *("pairs.lr.products", "pairs.lr.platforms", "pairs.hr.products", "pairs.hr.platforms"),
        "select.quotas",  # which is short for one subset
    }
    assert set(missing(recipe, written)) <= optional


@pytest.mark.parametrize("name", SHIPPED)
def test_each_value_is_the_papers_its_codes_or_ours(name: str) -> None:
    places = stated((REPO / "catalog" / name / "recipe.yaml").read_text())
    leaves = [p for p in places if not any(q[: len(p)] == p for q in places if q != p)]
    assert [".".join(map(str, path)) for path in leaves if places[path].mark is None] == []
    assert {places[path].mark for path in leaves} == {"paper", "code", "ours"}


def test_products_that_the_paper_does_not_name_are_ours() -> None:
    marks = {}
    for name in SHIPPED:
        places = stated((REPO / "catalog" / name / "recipe.yaml").read_text())
        select = load_recipe(name).select
        assert select is not None
        for number, part in enumerate(select.parts):
            of_label = ("select", "subsets", number, "label")
            if part.label:
                marks[part.name] = [places[*of_label, key].mark for key in ("product", "px")]
    named = {"chesapeakersc", "treefinder", "cdl"}
    assert {part: product for part, (product, _) in marks.items()} == {
        part: "paper" if part in named else "ours" for part in marks
    }
    assert {part for part, (_, px) in marks.items() if px != "code"} == {"treefinder"}


def test_what_the_paper_says_stands_in_the_recipes() -> None:
    s2, m2l8 = (load_recipe(name) for name in SHIPPED)
    assert (s2.pairs.lr.sensor, s2.pairs.hr.sensor) == ("sentinel2", "naip")
    assert (m2l8.pairs.lr.sensor, m2l8.pairs.hr.sensor) == ("modis", "landsat")
    assert m2l8.pairs.hr.platforms == ("landsat-8",)
    assert s2.select is not None
    assert m2l8.select is not None
    assert s2.select.rules[0] == GsdRule(rule="gsd", side="hr", max_m=0.6, unknown="drop")
    counts = {part.name: sum(part.quotas.model_dump().values()) for part in m2l8.select.parts}
    assert 10_001 <= counts.pop("sr") <= 11_000
    assert counts == {"river": 1065, "urban": 1687, "cdl": 762, "gpp": 755, "chm_s2": 1408}
    assert sum(counts.values()) == 5677
    counts = {part.name: sum(part.quotas.model_dump().values()) for part in s2.select.parts}
    assert counts.pop("sr") == 10_000
    assert counts.pop("treefinder") > 0
    assert counts == dict.fromkeys(
        ("usbuildings", "road", "vermontlc", "chesapeakersc", "chm_naip"), 2000
    )
    crops = {
        part.name: (part.label.crop.lr_px, part.label.crop.hr_px, part.label.px)
        for part in s2.select.parts
        if part.label and part.label.crop
    }
    assert crops["chesapeakersc"] == (51, 853, 512)
    assert crops["chm_naip"] == (26, 427, 256)
    assert {p.name: p.label.px for p in s2.select.parts if p.label}["vermontlc"] == 1200
    assert (s2.pairs.window, m2l8.pairs.window) == (timedelta(days=10), timedelta(days=8))


def test_comments_say_who_says_so() -> None:
    text = """
a: 1 # paper: in table 2
b:  # ours: chosen
  c: [1, 2]
  d: "x # y"   # code
  e: 'it''s' # because
f: {g: 1, h: 2} # paper
i: a#b
"""
    found = stated(text)
    assert found["a",] == Stated(2, "paper", "in table 2")
    assert found["b", "c"] == Stated(4, "ours", "chosen")
    assert found["b", "c", 1] == Stated(4, "ours", "chosen")
    assert found["b", "d"] == Stated(5, "code", "")
    assert found["b", "e"] == Stated(6, None, "because")
    assert found["f", "h"] == Stated(7, "paper", "")
    assert found["i",] == Stated(8, None, "")
    assert line_of(found, ("b", "nowhere", "z")) == 3
    assert line_of(found, ("nowhere",)) is None
    assert stated("") == {}


def shown(recipe: str | Path) -> dict[str, list[str]]:
    """The table that `geosr recipe show` prints: key to value, mark and why."""
    done = CliRunner().invoke(app, ["recipe", "show", str(recipe)])
    assert done.exit_code == 0
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in done.stdout.splitlines()]
    return {row[0]: row[1:] for row in rows if row}


def test_show_prints_each_value_once_with_its_mark() -> None:
    table = shown("s2_naip")
    assert table["pairs.window"][:2] == ["10 d", "ours"]
    assert table["select.rules"][:2] == ["hr_gsd, lr_cloud, lr_snow", "ours"]
    assert table["select.rules.hr_gsd.max_m"][:2] == ["0.6", "paper"]
    assert table["select.rules.lr_snow.unknown"][:2] == ["keep", "ours"]
    assert table["pairs.lr.products"][:2] == ["S2MSI2A", "code"]
    assert table["pairs.lr.platforms"] == ["all", "ours", "not written: the default"]
    text = json.loads(CliRunner().invoke(app, ["recipe", "show", "s2_naip", "--json"]).stdout)
    assert set(table) == set(flat(text))


def test_what_has_no_effect_is_not_shown_as_all(tmp_path: Path) -> None:
    short = tmp_path / "short.yaml"
    short.write_text(SMALL)
    assert shown(short)["select.subsets"][0] == "none"
    spread = tmp_path / "spread.yaml"
    subset = "{name: sr, quotas: {natural: 10}, spread: {latitudes: [30, 40]}}"
    spread.write_text(SMALL.replace("quotas: {urban: 5, non_urban: 5}", f"subsets: [{subset}]"))
    table = shown(spread)
    of_spread = "select.subsets.sr.spread"
    assert table[f"{of_spread}.latitudes"][0] == "30, 40"
    assert table[f"{of_spread}.months"][0] == table[f"{of_spread}.ecoregions"][0] == "none"
    assert table["pairs.hr.products"][0] == table["pairs.hr.platforms"][0] == "all"
