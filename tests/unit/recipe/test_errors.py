"""What is no recipe, or makes no sense, is refused in words."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from recipe_texts import RIVER, SMALL, changed, with_subsets

from geosr_lake.errors import RecipeError
from geosr_lake.recipe import (
    COARSE_TO_FINE,
    load_recipe,
    parse_recipe,
)
from geosr_lake.sensors import SENSORS


@pytest.mark.parametrize(
    ("subset", "select", "says"),
    [
        ({"bounds": [0, 10, 5, 5]}, {}, "bounds are"),
        ({"bounds": [10, 0, 10, 5]}, {}, "bounds are"),
        ({"bounds": [180, 0, -180, 5]}, {}, "bounds are"),
        ({"bounds": [0, 10, 5]}, {}, "bounds"),
        ({"spread": {}}, {}, "over one of months, latitudes, ecoregions"),
        ({"spread": {"months": [13]}}, {}, "less than or equal to 12"),
        ({"spread": {"latitudes": [5]}}, {}, "two edges of bands or more, rising"),
        ({"spread": {"latitudes": [5, 5]}}, {}, "rising"),
        ({"spread": {"latitudes": [5, float("nan"), 7]}}, {}, "finite number"),
        ({"name": "Big"}, {}, "pattern"),
        ({"quota": {}}, {}, "did you mean quotas"),
        ({}, {"scale": 0}, "greater than 0"),
        ({}, {"scale": float("inf")}, "finite number"),
        ({}, {"quotas": {"urban": 1}}, "either quotas or subsets"),
        ({"spread": {"months": [5]}}, {"pairs_per_site": 2}, "pairs_per_site is 1"),
    ],
)
def test_what_is_wrong_with_a_subset_is_said(
    subset: dict[str, Any], select: dict[str, Any], says: str
) -> None:
    with pytest.raises(RecipeError, match=says):
        with_subsets(RIVER | subset, **select)


def test_two_subsets_of_one_name_are_refused() -> None:
    with pytest.raises(RecipeError, match="two subsets are called river"):
        with_subsets(RIVER, RIVER)


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("selekt", {}, "did you mean select"),
        ("pairs.windows", "3 d", "did you mean window"),
        ("select.max_fraction", 0.1, "did you mean max_frac .select.rules.max_frac."),
        ("pairs.window", 10, "a number and a unit"),
        ("pairs.window", "10", "a number and a unit"),
        ("pairs.window", "-1 d", "a number and a unit"),
        ("pairs.window", "5000 d", "between 0 and"),
        ("pairs.window", f"{10**17} d", "longer than any archive"),
        ("pairs.end", "2018-01-01", "start must lie before end"),
        ("pairs.start", 2019, "a date is written as"),
        ("pairs.start", True, "a date is written as"),
        ("pairs.start", "2019", "pairs.start"),
        ("pairs.start", "0001-01-01T00:00:00+05:00", "outside of the years"),
        ("pairs.hr.sensor", "sentinel2", "must be two sensors"),
        ("pairs.lr.sensor", "landsat", "pairs sentinel2 with naip"),
        ("pairs.hr.sensor", "spot", "pairs.hr.sensor"),
        ("select.rules.1.max_frac", 20, "select.rules.1.max_frac"),
        ("select.rules.1.max_frac", float("nan"), "select.rules.1.max_frac"),
        ("select.rules.1.unknown", True, "select.rules.1.unknown: Input should be 'drop' or"),
        ("select.rules.2.months", [0], "select.rules.2.months.0: Input"),
        ("select.rules.2.months", [13], "select.rules.2.months.0: Input"),
        ("select.rules.2.months", [], "select.rules.2.months: .* at least 1"),
        ("select.rules.2.side", "both", "select.rules.2.side: Input should be 'lr' or 'hr'"),
        ("select.rules.0.max", 5, "select.rules.0.max: a duration is a number and a unit"),
        ("select.rules.0.side", "lr", "select.rules.0.side is not a key.*: max, rule"),
        ("select.rules.0", 5, "select.rules.0: Input should be"),
        ("select.rules.0", {"max": "5 d"}, "select.rules.0 has no key rule, which says its kind"),
        ("select.rules.0.rule", "gab", "rules.0.rule: gab is no rule, did you mean gap. Rules: g"),
        ("select.rules", {"gap": "5 d"}, "select.rules: Input should be a valid tuple"),
        ("select.urban.classes", [], "select.urban.classes"),
        ("select.urban.classes", [50, "x"], "select.urban.classes"),
        ("select.urban.classes", [[50], 13], "select.urban.classes"),
        ("select.split", {"train": 0.9, "val": 0.2, "test": 0.2}, "must add up to 1"),
        ("select.block_deg", 0, "select.block_deg"),
        ("select.sites_per_tile_pair", 0, "select.sites_per_tile_pair"),
        ("task", None, "must name its task"),
        ("name", "../../x", "name"),
        ("name", "A/b", "name"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(path: str, value: Any, says: str) -> None:
    with pytest.raises(RecipeError, match=says):
        changed(path, value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name: [", "not YAML"),
        ("- a\n- b\n", "a mapping"),
        ("", "a mapping"),
        ("name: a\nname: b\n", "the key name stands twice"),
        (SMALL.replace("urban: 5,", "urban: 5, urban: 7,"), "the key urban stands twice"),
        ("name: small\npairs: {start: 2019-13-01}\n", "not YAML"),
        ("? [a]\n: b\n", "a key must be a name"),
        ("[" * 5000, "not YAML"),
        ("name: !!python/object/apply:os.getcwd []", "not YAML"),
    ],
)
def test_what_is_no_recipe_is_refused_in_words(text: str, says: str) -> None:
    with pytest.raises(RecipeError, match=says):
        parse_recipe(text)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            "window: 10 d",
            "windoow: 10 d",
            "line 7, pairs.windoow is not a key, did you mean window?",
        ),
        (
            "window: 10 d",
            "windoow: 10 d",
            "Allowed there: end, hr, lr, min_overlap_frac, start, win",
        ),
        (
            "  block_deg: 1",
            "  block_deg: none",
            "line 17, select.block_deg: Input should be a valid",
        ),
        (
            "max_frac: 0.2",
            "max_cloud: 0.2",
            "line 13, select.rules.1.max_cloud is not a key. Allowed there: max_frac, rule, side,",
        ),
        (
            ", unknown: drop",
            "",
            "line 13, select.rules.1.unknown: the rule must name what becomes of a scene whose",
        ),
        ("months: [5, 6]", "months: [5,\n      66]", "line 15, select.rules.2.months.1: Input"),
        (
            "  urban: {",
            "    - {rule: overlap, min_frac: 0}\n    - {rule: gap, max: 9 d}\n  urban: {",
            "line 16, select.rules.4: the rule gap stands twice, before this as select.rules.0",
        ),
        ("rule: gap, ", "", "line 12, select.rules.0 has no key rule"),
        ("  block_deg: 1\n", "", "line 9, select.block_deg: Field required"),
        ("classes: [50, 13]", "classes: [50,\n    x]", "line 16, select.urban.classes.1: Input"),
        ("sensor: naip", "sensor: spot", "line 6, pairs.hr.sensor: Input should be 'modis', 'land"),
        (
            "block_deg: 1",
            "block_deg: 1\n  sensor: naip",
            "did you mean sensor (pairs.lr.sensor or pairs.hr.sensor)?",
        ),
    ],
)
def test_an_error_names_its_line_its_key_and_what_is_allowed(old: str, new: str, says: str) -> None:
    assert old in SMALL
    with pytest.raises(RecipeError) as caught:
        parse_recipe(SMALL.replace(old, new))
    assert says in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="cannot be read") as caught:
        load_recipe(tmp_path / "none.yaml")
    assert "none.yaml" in str(caught.value)
    with pytest.raises(RecipeError, match="cannot be read"):
        load_recipe("no_such_recipe")


@pytest.mark.parametrize(("lr", "hr"), [("naip", "modis"), ("naip", "sentinel2")])
def test_a_fine_sensor_is_not_the_coarse_side_of_a_pair(lr: str, hr: str) -> None:
    data = {"lr": {"sensor": lr}, "hr": {"sensor": hr}, "window": "1 d"}
    with pytest.raises(RecipeError, match="lr must be the coarser one"):
        parse_recipe(yaml.safe_dump({"name": "x", "pairs": data}))


def test_the_sensors_stand_from_coarse_to_fine() -> None:
    finest = [min(band.gsd_m for band in SENSORS[name].data_bands) for name in COARSE_TO_FINE]
    assert finest == sorted(finest, reverse=True)
    assert set(COARSE_TO_FINE) == SENSORS.keys()
