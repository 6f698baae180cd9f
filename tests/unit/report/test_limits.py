"""Limits are read from both forms of a recipe, and values stand beside them."""

from typing import Any

import pytest

from geosr_lake.report.limits import beside, limit, reason

BY_SIDE = {
    "lr": {"max_cloud_frac": 0.2, "max_snow_frac": None, "unknown_cloud": "drop", "max_gsd_m": 10},
    "hr": {"max_gsd_m": 1.0},
}
LISTED = {
    "rules": [
        {"rule": "gap", "max": "10 d"},
        {"rule": "cloud", "side": "lr", "max_frac": 0.2, "unknown": "drop"},
        {"rule": "snow", "side": "lr", "max_frac": None},
        {"rule": "gsd", "side": "both", "max_m": 10},
        {"rule": "sun", "side": "hr", "min_deg": 20},
        {"rule": "overlap", "min_frac": 0.5},
    ],
    "subsets": [{"name": "river", "rules": [{"rule": "cloud", "side": "lr", "max_frac": 0.05}]}],
}


@pytest.mark.parametrize("select", [BY_SIDE, LISTED])
def test_both_forms_say_the_same(select: dict[str, Any]) -> None:
    assert limit(select, "lr_cloud") == (">", 0.2)
    assert limit(select, "lr_gsd") == (">", 10.0)
    assert limit(select, "lr_snow") is None
    assert limit(select, "hr_cloud") is None
    assert limit(select, "lr_cloud_unknown") is None
    assert limit(select, "not_best") is None


def test_a_least_value_a_rule_without_a_side_and_a_subset_of_its_own() -> None:
    assert limit(LISTED, "hr_sun") == ("<", 20.0)
    assert limit(LISTED, "overlap") == ("<", 0.5)
    assert limit(LISTED, "gap") is None  # no number
    assert limit(LISTED, "lr_cloud", "river") == (">", 0.05)
    assert limit(LISTED, "lr_cloud", "sr") == (">", 0.2)
    assert limit(LISTED | {"subsets": {"river": LISTED["subsets"][0]}}, "lr_cloud", "river") == (
        ">",
        0.05,
    )


@pytest.mark.parametrize(
    "select",
    [{}, {"rules": None}, {"rules": [1, "x"]}, {"lr": 3}, {"subsets": 3, "rules": {"rule": "x"}},
     {"rules": [{"rule": "cloud", "side": "lr", "max_frac": True}]}],
)  # fmt: skip
def test_a_recipe_of_another_form_has_no_limit(select: dict[str, Any]) -> None:
    assert limit(select, "lr_cloud") is None
    assert reason({"verdict": "lr_cloud", "lr_cloud_frac": 0.35}, select).endswith(" (0.35)")


def test_reasons() -> None:
    candidate = {"verdict": "lr_cloud", "lr_cloud_frac": 0.35, "subset": "river"}
    assert reason(candidate, LISTED).endswith("(0.35 > 0.05)")
    assert reason({"verdict": "overlap", "overlap_frac": 0.25}, LISTED).endswith("(0.25 < 0.5)")
    assert "(" not in reason({"verdict": "not_best"}, LISTED)


def test_values_that_look_like_their_limit_get_more_digits() -> None:
    assert beside(0.20004, (">", 0.2)) == "0.20004 > 0.2"
    assert beside(0.35, (">", 0.2)) == "0.35 > 0.2"
