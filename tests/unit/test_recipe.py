"""Recipes: what is refused, and rule ids that change with the meaning, not with the spelling."""

import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from geosr_lake.cli.app import app
from geosr_lake.errors import RecipeError
from geosr_lake.recipe import (
    COARSE_TO_FINE,
    GsdRule,
    Recipe,
    flat,
    load_recipe,
    parse_canonical,
    parse_recipe,
)
from geosr_lake.recipe import changed as differing
from geosr_lake.recipe.yaml_text import Stated, line_of, stated
from geosr_lake.sensors import SENSORS

REPO = Path(__file__).parents[2]
SHIPPED = ("s2_naip", "modis_landsat8")

SMALL = """
name: small
task: s2_naip
pairs:
  lr: {sensor: sentinel2, products: [S2MSI2A]}
  hr: {sensor: naip}
  window: 10 d
  start: 2019-01-01
select:
  sites_per_tile_pair: 4
  rules:
    - {rule: gap, max: 5 d}
    - {rule: cloud, side: lr, max_frac: 0.2, unknown: drop}
    - {rule: months, side: hr, months: [5, 6]}
  urban: {layer: worldcover, classes: [50, 13], min_frac: 0.1}
  quotas: {urban: 5, non_urban: 5}
  block_deg: 1
"""


def plain(text: str = SMALL) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def rules(recipe: Recipe) -> tuple[str, str | None, str]:
    select = None if recipe.select is None else recipe.select.rule_id
    return recipe.pairs.rule_id, select, recipe.cubes.rule_id


def changed(path: str, value: Any) -> Recipe:
    data = plain()
    *way, last = path.split(".")
    section = data
    for step in way:
        section = section[int(step)] if step.isdigit() else section.setdefault(step, {})
    section[int(last) if last.isdigit() else last] = value
    return parse_recipe(yaml.safe_dump(data))


def shuffled(value: Any, order: random.Random) -> Any:
    """The same YAML with the keys of every mapping in another order."""
    if not isinstance(value, dict):
        return value
    items = [(key, shuffled(inner, order)) for key, inner in value.items()]
    order.shuffle(items)
    return dict(items)


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


def with_subsets(*subsets: dict[str, Any], **select: Any) -> Recipe:
    data = plain()
    del data["select"]["quotas"]
    data["select"] |= {"subsets": list(subsets)} | select
    return parse_recipe(yaml.safe_dump(data))


RIVER = {"name": "river", "quotas": {"natural": 100}, "bounds": [-10, 0, 10, 20]}
CHIPS = {"name": "tree", "sites": "chips", "quotas": {"natural": 10}}


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
