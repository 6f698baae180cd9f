"""Rule ids change with the meaning, not with the spelling."""

import random
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from recipe_texts import CHIPS, RIVER, SMALL, changed, plain, rules, shuffled, with_subsets

from geosr_lake.recipe import (
    Recipe,
    parse_recipe,
)


@pytest.mark.parametrize(
    ("path", "spelling"),
    [
        ("pairs.window", "240 h"),
        ("pairs.window", "14400 min"),
        ("pairs.window", " 10.0d "),
        ("pairs.start", "2019-01-01T00:00:00Z"),
        ("pairs.start", "2019-01-01T01:00:00+01:00"),
        ("pairs.start", datetime(2019, 1, 1, tzinfo=UTC)),
        ("pairs.end", None),
        ("pairs.min_overlap_frac", 0),
        ("pairs.min_overlap_frac", 0.0),
        ("pairs.min_overlap_frac", -0.0),
        ("pairs.lr.products", ["S2MSI2A", "S2MSI2A"]),
        ("pairs.lr.platforms", []),
        ("select.block_deg", 1.0),
        ("select.seed", 0),
        ("select.reserve_frac", 0.1),
        ("select.rules.0.max", "120 h"),
        ("select.rules.1.max_frac", 2e-1),
        ("select.rules.2.months", [6, 5, 6]),
        ("select.urban.classes", [13, 50, 13]),
        ("select.split", {"train": 0.72, "val": 0.08, "test": 0.2}),
        ("cubes.shard_samples", 16),
        ("cubes", {}),
    ],
)
def test_spelling_does_not_change_a_rule(path: str, spelling: Any) -> None:
    assert rules(changed(path, spelling)) == rules(parse_recipe(SMALL))


@pytest.mark.parametrize(
    ("path", "meaning", "stage"),
    [
        ("pairs.window", "9 d", 0),
        ("pairs.start", "2019-01-01T00:00:00.000001Z", 0),
        ("pairs.end", "2024-01-01", 0),
        ("pairs.min_overlap_frac", 0.1, 0),
        ("pairs.lr.products", [], 0),
        ("pairs.hr.platforms", ["p"], 0),
        ("select.seed", 1, 1),
        ("select.sites_per_tile_pair", 5, 1),
        ("select.rules.0.max", "5.5 d", 1),
        ("select.rules.1.max_frac", 0.05, 1),
        ("select.rules.1.unknown", "keep", 1),
        ("select.rules.1.rule", "snow", 1),
        ("select.rules.1.side", "hr", 1),
        ("select.rules.2.months", [5, 6, 7], 1),
        ("select.rules", [], 1),
        ("select.rules", plain()["select"]["rules"][:2], 1),
        ("select.rules", plain()["select"]["rules"][::-1], 1),  # another rule is asked first
        ("select.urban.classes", [13], 1),
        ("select.urban.layer", "nlcd", 1),
        ("select.quotas.urban", 6, 1),
        ("select.block_deg", 0.5, 1),
        ("select.split", {"train": 0.7, "val": 0.1, "test": 0.2}, 1),
        ("cubes.shard_samples", 8, 2),
        ("cubes.min_hr_clear_frac", 0.98, 2),
        ("name", "other", None),
    ],
)
def test_meaning_changes_the_rule_of_its_stage_alone(
    path: str, meaning: Any, stage: int | None
) -> None:
    before, after = rules(parse_recipe(SMALL)), rules(changed(path, meaning))
    assert [a != b for a, b in zip(before, after, strict=True)] == [i == stage for i in range(3)]


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        (with_subsets(RIVER), with_subsets(RIVER | {"label": {"product": "x", "px": 9}}), True),
        (
            with_subsets(RIVER),
            with_subsets(RIVER | {"quotas": {"natural": 1000}}, scale=0.1),
            True,
        ),
        (with_subsets(RIVER), with_subsets(RIVER | {"bounds": [-10, -0.0, 10.0, 20]}), True),
        (with_subsets(RIVER), with_subsets(RIVER, shared_ground="keep"), True),
        (with_subsets(RIVER), with_subsets(RIVER, CHIPS | {"quotas": {}}), True),
        (
            with_subsets(RIVER, split={"mode": "paper"}, buffer_m=5),
            with_subsets(RIVER, split={"mode": "paper"}),
            True,
        ),
        (with_subsets(RIVER), with_subsets(RIVER, buffer_m=5), False),
        (with_subsets(RIVER), with_subsets(RIVER, scale=0.5), False),
        (with_subsets(RIVER), with_subsets(RIVER | {"name": "rivers"}), False),
        (with_subsets(RIVER), with_subsets(RIVER | {"bounds": None}), False),
        (
            with_subsets(RIVER | {"bounds": [170, 0, 180, 9]}),
            with_subsets(RIVER | {"bounds": [170, 0, -180, 9]}),
            True,
        ),
        (with_subsets(RIVER), with_subsets(RIVER | {"spread": {"months": [5]}}), False),
        (with_subsets(RIVER, CHIPS), with_subsets(CHIPS, RIVER), True),
        (with_subsets(RIVER, CHIPS), with_subsets(RIVER, CHIPS, shared_ground="keep"), False),
        (with_subsets(RIVER), with_subsets(RIVER, pairs_per_site=2), False),
        (
            with_subsets({"name": "sr", "quotas": {"urban": 5, "non_urban": 5}}),
            parse_recipe(SMALL),
            True,
        ),
    ],
)
def test_subsets_have_one_rule_if_they_mean_the_same(a: Recipe, b: Recipe, same: bool) -> None:
    assert a.select is not None
    assert b.select is not None
    assert (a.select.rule_id == b.select.rule_id) is same


@given(order=st.randoms(use_true_random=False))
def test_the_order_of_keys_does_not_change_a_rule(order: random.Random) -> None:
    text = yaml.safe_dump(shuffled(plain(), order), sort_keys=False)
    assert rules(parse_recipe(text)) == rules(parse_recipe(SMALL))


@given(
    first=st.integers(0, 3660 * 86_400),
    second=st.integers(0, 3660 * 86_400),
)
def test_two_windows_have_one_rule_only_if_they_are_one(first: int, second: int) -> None:
    a, b = (changed("pairs.window", f"{seconds} s").pairs for seconds in (first, second))
    assert (a.rule_id == b.rule_id) == (first == second)
    assert a.window_us == first * 1_000_000


CHIPS_KEPT = {"shared_ground": "keep"}


@pytest.mark.parametrize(
    ("select", "says"),
    [
        ({}, "share none, but they can lie side by side"),
        ({"buffer_m": 0}, "share none, but they can lie side by side"),
        ({"buffer_m": 1500}, "at least 1,500 m apart"),
        ({"split": {"mode": "paper"}}, "neighbours can be in two of them"),
        ({"split": {"mode": "paper"}, "buffer_m": 1500}, "neighbours can be in two of them"),
        (CHIPS_KEPT, "can share ground"),
        (CHIPS_KEPT | {"buffer_m": 0}, "share none"),
    ],
)
def test_how_far_splits_are_apart_is_said_as_it_is(select: dict[str, Any], says: str) -> None:
    subsets = (RIVER, CHIPS) if "shared_ground" in select else (RIVER,)
    _, rule = with_subsets(*subsets, **select).selection
    assert says in rule.apart
    assert rule.apart.startswith("Splits are whole blocks") == (rule.split.mode == "blocks")
