"""Recipes as texts: canonical, as written, and what differs."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from recipe_texts import SMALL, plain, rules
from typer.testing import CliRunner

from geosr_lake.cli.app import app
from geosr_lake.errors import RecipeError
from geosr_lake.recipe import (
    Recipe,
    flat,
    parse_canonical,
    parse_recipe,
)
from geosr_lake.recipe import changed as differing


@given(
    cloud=st.floats(0, 1, allow_nan=False),
    seed=st.integers(-(10**9), 10**9),
    urban=st.integers(0, 10**6),
)
def test_what_was_committed_reads_back(cloud: float, seed: int, urban: int) -> None:
    data = plain()
    data["select"]["seed"] = seed
    data["select"]["rules"][1]["max_frac"] = cloud
    data["select"]["rules"].append({"rule": "platforms", "side": "lr", "platforms": ["b", "a"]})
    data["select"]["rules"][-1]["unknown"] = "keep"
    data["select"]["quotas"]["urban"] = urban
    recipe = Recipe.model_validate(data)
    again = parse_canonical(recipe.canonical())
    assert again == recipe
    assert rules(again) == rules(recipe)


def test_one_rule_more_is_one_difference() -> None:
    less, more = plain(), plain()
    del less["select"]["rules"][1]
    found = differing(flat(less), flat(more))
    assert [(row.what, row.a, row.b) for row in found] == [
        ("select.rules", ["gap", "hr_months"], ["gap", "lr_cloud", "hr_months"]),
        ("select.rules.lr_cloud.max_frac", None, 0.2),
        ("select.rules.lr_cloud.unknown", None, "drop"),
    ]


@given(us=st.integers(0, 3660 * 86_400_000_000))
def test_a_recipe_as_it_is_written_reads_back(us: int) -> None:
    data = plain()
    data["select"]["rules"][0]["max"] = timedelta(microseconds=us)
    found = Recipe.model_validate(data)
    assert parse_recipe(yaml.safe_dump(found.written())) == found


@pytest.mark.parametrize(
    ("spelling", "told"),
    [("10 d", "10 d"), ("240 h", "10 d"), ("36 h", "36 h"), ("60 min", "1 h"), ("90 min", "90 min"),
     ("0 s", "0 d"), ("0.5 s", "0.5 s"), ("100.000001 s", "100.000001 s")],
)  # fmt: skip
def test_a_difference_of_durations_is_told_as_a_recipe_writes_them(
    tmp_path: Path, spelling: str, told: str
) -> None:
    paths = [tmp_path / name for name in ("a.yaml", "b.yaml")]
    paths[0].write_text(SMALL)
    paths[1].write_text(SMALL.replace("max: 5 d", f"max: {spelling}"))
    command = ["recipe", "diff", *map(str, paths)]
    done = CliRunner().invoke(app, [*command, "--json"])
    assert json.loads(done.stdout) == [["select.rules.gap.max", "5 d", told]]
    assert "432000000000" not in CliRunner().invoke(app, command).stdout


def test_limits_of_earlier_canonical_texts_are_the_rules_that_they_were() -> None:
    data = json.loads(parse_recipe(SMALL).canonical())
    del data["select"]["rules"]
    data["select"] |= {
        "lr": {"max_cloud_frac": 0.2, "max_snow_frac": 0.1, "unknown_cloud": "keep",
               "unknown_snow": "keep", "max_gsd_m": None},
        "hr": {"max_cloud_frac": 0.3, "unknown_cloud": "drop", "max_snow_frac": None,
               "max_gsd_m": 0.6},
    }  # fmt: skip
    _, rule = parse_canonical(json.dumps(data)).selection
    assert [one.model_dump() for one in rule.rules] == [
        {"rule": "gsd", "side": "hr", "max_m": 0.6, "unknown": "drop"},
        {"rule": "cloud", "side": "lr", "max_frac": 0.2, "unknown": "keep"},
        {"rule": "cloud", "side": "hr", "max_frac": 0.3, "unknown": "drop"},
        {"rule": "snow", "side": "lr", "max_frac": 0.1, "unknown": "keep"},
    ]


@pytest.mark.parametrize("window", ["10 d", None, 10**40])
def test_a_canonical_text_has_durations_in_microseconds(window: Any) -> None:
    data = json.loads(parse_recipe(SMALL).canonical())
    data["pairs"]["window"] = window
    with pytest.raises(RecipeError, match=r"manifests\.recipe|pairs\.window"):
        parse_canonical(json.dumps(data))


def test_a_recipe_can_end_at_pairs() -> None:
    data = plain()
    del data["select"], data["task"]
    recipe = Recipe.model_validate(data)
    assert rules(recipe)[0] == rules(parse_recipe(SMALL))[0]
    with pytest.raises(RecipeError, match="ends at pairs"):
        _ = recipe.selection


def test_the_canonical_text_is_sorted_and_complete() -> None:
    text = parse_recipe(SMALL).canonical()
    assert text == json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"))
    assert json.loads(text)["pairs"]["window"] == 10 * 86_400 * 1_000_000
    assert json.loads(text)["cubes"]["shard_samples"] == 16
