"""The id of each stage's rule: every key of whole recipes changed, and every key spelled anew."""

import json
import random
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from functools import cache
from typing import Any, get_args, get_origin

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from geosr_lake.errors import RecipeError
from geosr_lake.ids import pair_id
from geosr_lake.manifest.select import manifest_id
from geosr_lake.recipe import Recipe, load_recipe, parse_canonical, parse_recipe

STAGES = ("pairs", "select", "cubes")
Path = tuple[str | int, ...]
Others = Callable[[Any], list[Any]]
"""Other valid values of a key, from one that it has."""

FULLER: dict[str, Any] = {
    "name": "fuller",
    "task": "s2_naip",
    "pairs": {
        "lr": {"sensor": "sentinel2", "products": ["S2MSI2A"], "platforms": ["b", "a"]},
        "hr": {"sensor": "naip", "products": ["NAIP"], "platforms": ["plane"]},
        "window": "36 h",
        "start": "2019-01-01",
        "end": "2021-06-01T12:00:00Z",
        "min_overlap_frac": 0.0,
    },
    "select": {
        "seed": 3,
        "sites_per_tile_pair": 2,
        "margin_m": 0.0,
        "rules": [
            {"rule": "gap", "max": "12 h"},
            {"rule": "overlap", "min_frac": 0.0},
            {"rule": "gsd", "side": "hr", "max_m": 0.6, "unknown": "drop"},
            {"rule": "cloud", "side": "lr", "max_frac": 0.25, "unknown": "drop"},
            {"rule": "cloud", "side": "hr", "max_frac": 0.0, "unknown": "keep"},
            {"rule": "snow", "side": "hr", "max_frac": 0.5, "unknown": "keep"},
            {"rule": "sun", "side": "lr", "min_deg": 0.0, "unknown": "keep"},
            {"rule": "months", "side": "hr", "months": [6, 5]},
            {"rule": "platforms", "side": "lr", "platforms": ["b", "a"], "unknown": "drop"},
            {"rule": "tier", "side": "lr", "tiers": ["T2", "T1"], "unknown": "keep"},
        ],
        "urban": {"layer": "nlcd", "classes": [24, 23], "min_frac": 0.25},
        "scale": 0.5,
        "subsets": [
            {
                "name": "chips",
                "sites": "chips",
                "bounds": [-180, 0, -100, 50],
                "quotas": {"urban": 40, "non_urban": 0, "natural": 10},
                "spread": {"latitudes": [0, 30, 50]},
                "label": {"product": "x", "px": 512, "crop": {"lr_px": 51, "hr_px": 853}},
            },
            {
                "name": "regions",
                "quotas": {"natural": 40},
                "spread": {"ecoregions": ["prairie", "hills"]},
                "label": {"product": "y", "px": 1000},
            },
            {"name": "sr", "quotas": {"urban": 100, "non_urban": 100}},
        ],
        "pairs_per_site": 2,
        "shared_ground": "keep",
        "reserve_frac": 0.5,
        "block_deg": 0.25,
        "buffer_m": 1000,
        "split": {"mode": "blocks", "train": 0.5, "val": 0.25, "test": 0.25},
    },
    "cubes": {"shard_samples": 8, "codec": "archive", "min_lr_valid_frac": 0.5},
}
"""Every optional key set, but for what `OTHER_WAYS` have."""
SHORT: dict[str, Any] = {
    "sites_per_tile_pair": 4,
    "urban": {"layer": "made", "classes": [1], "min_frac": 0.5},
    "quotas": {"urban": 5, "non_urban": 5, "natural": 5},
    "block_deg": 1,
}
BY_MONTH = {"name": "sr", "quotas": {"natural": 40}, "spread": {"months": [6, 5]}}
OTHER_WAYS: dict[str, dict[str, Any]] = {
    "one subset": FULLER | {"select": SHORT},
    "by month": FULLER | {"select": SHORT | {"quotas": None, "subsets": [BY_MONTH]}},
    "paper's splits": FULLER | {"select": FULLER["select"] | {"split": {"mode": "paper"}}},
    "pairs alone": {
        "name": "pairs_alone",
        "pairs": {"lr": {"sensor": "landsat"}, "hr": {"sensor": "sentinel2"}, "window": "1 d"},
    },
}


@cache
def recipes() -> dict[str, Recipe]:
    """Both official recipes, and ours."""
    shipped = {name: load_recipe(name) for name in ("s2_naip", "modis_landsat8")}
    ours = {"fuller": FULLER} | OTHER_WAYS
    return shipped | {name: Recipe.model_validate(data) for name, data in ours.items()}


NAMES = ["s2_naip", "modis_landsat8", "fuller", *OTHER_WAYS]


def more(value: Any) -> list[Any]:
    return [value + 1]


def frac(value: float) -> list[Any]:
    """A share that differs a little, and one that differs by the least bit."""
    return [value / 2 + 0.25 if value != 0.5 else 0.75, 1e-9 if value == 0 else value * (1 - 1e-15)]


def text(value: str) -> list[Any]:
    return [f"{value}x"]


def one_of(*names: str) -> Others:
    return lambda value: [name for name in names if name != value]


def names(value: list[str]) -> list[Any]:
    """One more, and one less where another is left."""
    return [[*value, "zz"], *([value[1:]] if len(value) > 1 else [])]


def numbers(*known: int) -> Others:
    def others(value: list[int]) -> list[Any]:
        fresh = next(number for number in known if number not in value)
        return [[*value, fresh], *([value[1:]] if len(value) > 1 else [])]

    return others


def or_null(fresh: Any, others: Others) -> Others:
    """Where it may be null: a value for null, null for a value, and other values."""
    return lambda value: [fresh] if value is None else [None, *others(value)]


def moved_on_earth(box: Any) -> list[Any]:
    """Move each side of a box, where it then still is one."""
    return [moved for moved in each_moved(box) if max(moved[0], moved[2]) <= 180]


def each_moved(value: list[float]) -> list[Any]:
    """A list with one of its numbers a little greater, for each of them."""
    return [[n + 0.25 * (i == at) for i, n in enumerate(value)] for at in range(len(value))]


def one_gone(value: list[Any]) -> list[Any]:
    """A list turned round, and without its first."""
    return [value[::-1], value[1:]] if len(value) > 1 else []


def section(fresh: Any) -> Others:
    """A section that may be null; its own keys are changed one by one."""
    return or_null(fresh, lambda _: [])


INSTANT = "2020-02-02T02:02:02.000002Z"
MONTHS = numbers(*range(1, 13))
LABEL = {"product": "z", "px": 7, "crop": None}
CROP = {"lr_px": 5, "hr_px": 50}
BOX = [-10, 0, 10, 20]

READ: dict[str, tuple[str | None, Others]] = {
    "name": (None, text),
    "pairs.*.sensor": ("pairs", one_of("modis", "landsat", "sentinel2", "naip")),
    "pairs.*.products": ("pairs", names),
    "pairs.*.platforms": ("pairs", names),
    "pairs.window": ("pairs", more),
    "pairs.start": ("pairs", or_null(INSTANT, lambda _: [INSTANT])),
    "pairs.end": ("pairs", or_null("2030-01-01", lambda _: [INSTANT])),
    "pairs.min_overlap_frac": ("pairs", frac),
    "select.seed": ("select", lambda value: [value + 1, -value - 1, value + 2**64]),
    "select.sites_per_tile_pair": ("select", more),
    "select.margin_m": ("select", more),
    "select.rules": ("select", one_gone),
    "select.rules.*.rule": ("select", one_of("cloud", "snow")),
    "select.rules.*.side": ("select", one_of("lr", "hr")),
    "select.rules.*.max": ("select", more),
    "select.rules.*.min_frac": ("select", frac),
    "select.rules.*.max_frac": ("select", frac),
    "select.rules.*.max_m": ("select", more),
    "select.rules.*.min_deg": ("select", more),
    "select.rules.*.months": ("select", MONTHS),
    "select.rules.*.platforms": ("select", names),
    "select.rules.*.tiers": ("select", lambda _: [["T1"], ["RT", "T1"], ["RT", "T1", "T2"]]),
    "select.rules.*.unknown": ("select", one_of("drop", "keep")),
    "select.urban.layer": ("select", text),
    "select.urban.classes": ("select", numbers(98, 99)),
    "select.urban.min_frac": ("select", frac),
    "select.scale": ("select", lambda value: [value * 1.5]),
    "select.quotas.*": ("select", lambda value: [value + 100]),
    "select.subsets": ("select", one_gone),
    "select.subsets.*.name": ("select", text),
    "select.subsets.*.sites": ("select", one_of("grid", "chips")),
    "select.subsets.*.bounds": ("select", or_null(BOX, moved_on_earth)),
    "select.subsets.*.extent": ("select", or_null("conus", one_of("conus", "vermont"))),
    "select.subsets.*.quotas.*": ("select", lambda value: [value + 100]),
    "select.subsets.*.spread": ("select", section({"months": [5]})),
    "select.subsets.*.spread.months": ("select", MONTHS),
    "select.subsets.*.spread.latitudes": ("select", each_moved),
    "select.subsets.*.spread.ecoregions": ("select", names),
    "select.subsets.*.label": (None, section(LABEL)),
    "select.subsets.*.label.product": (None, text),
    "select.subsets.*.label.px": (None, more),
    "select.subsets.*.label.crop": (None, section(CROP)),
    "select.subsets.*.label.crop.*": (None, more),
    "select.pairs_per_site": ("select", more),
    "select.shared_ground": ("select", one_of("drop", "keep")),
    "select.reserve_frac": ("select", frac),
    "select.block_deg": ("select", lambda value: [value * 0.75]),
    "select.buffer_m": ("select", or_null(5.0, more)),
    "select.split.mode": ("select", one_of("blocks", "paper")),
    "cubes.shard_samples": ("cubes", more),
    "cubes.codec": ("cubes", one_of("train", "archive")),
    "cubes.min_lr_valid_frac": ("cubes", frac),
    "cubes.min_hr_valid_frac": ("cubes", frac),
    "cubes.min_lr_clear_frac": ("cubes", frac),
    "cubes.min_hr_clear_frac": ("cubes", frac),
}
"""Every key: the stage whose rule it is part of, and other values of it."""

TOGETHER = {"task", "select.quotas", "select.split.train", "select.split.val", "select.split.test"}
"""Keys that never change alone: tests of their own have them."""

REFUSED = {
    "pairs.*.sensor",  # a task has its two
    "select.pairs_per_site",  # one, with a spread over months
    "select.rules.*.rule",  # kinds have keys of their own; and a rule stands once
    "select.rules.*.side",
    "select.subsets.*.spread",
    "select.subsets.*.spread.months",  # a spread is over one of three
    "select.subsets.*.spread.ecoregions",
}
"""Keys some of whose other values some recipes may not have."""


def idle(key: str, data: dict[str, Any]) -> bool:
    """Whether a recipe's other values leave a key without effect."""
    rule = data["select"] or {}
    if key == "select.shared_ground":
        return all(subset["sites"] == "grid" for subset in rule["subsets"])
    return key == "select.buffer_m" and rule["split"]["mode"] == "paper"


def below(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every key of nested mappings and lists of mappings, with its value."""
    inner: Iterator[tuple[str | int, Any]] = iter(())
    if isinstance(value, dict):
        inner = iter(value.items())
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        inner = iter(enumerate(value))
    for step, one in inner:
        yield (*path, step), one
        yield from below(one, (*path, step))


def key_of(path: Path) -> str:
    """The key of `READ` that a place belongs to."""
    exact = ".".join("*" if isinstance(step, int) else step for step in path)
    head, _, _ = exact.rpartition(".")
    wide = exact.replace("pairs.lr", "pairs.*").replace("pairs.hr", "pairs.*")
    return next((key for key in (exact, wide, f"{head}.*") if key in READ), exact)


def with_value(data: dict[str, Any], path: Path, value: Any) -> Recipe:
    """The recipe with another value at one place."""
    copy = json.loads(json.dumps(data))
    holder = copy
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = value
    return parse_canonical(json.dumps(copy))


def ids(recipe: Recipe) -> dict[str, str | None]:
    select = None if recipe.select is None else recipe.select.rule_id
    return {"pairs": recipe.pairs.rule_id, "select": select, "cubes": recipe.cubes.rule_id}


def keys_of(model: type[BaseModel]) -> Iterator[Path]:
    """Every key of a section and of those below it that holds no section itself, as a path."""
    for name, info in model.model_fields.items():
        star: Path = (0,) if get_origin(info.annotation) is tuple else ()
        inside = list(sections(info.annotation))
        if not inside:
            yield (name,)
        for one in inside:
            for path in keys_of(one):
                yield (name, *star, *path)


def sections(kind: Any) -> Iterator[type[BaseModel]]:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield kind
    for one in get_args(kind):
        yield from sections(one)


def test_no_key_is_forgotten() -> None:
    every = {key_of(path) for path in keys_of(Recipe)}
    assert every - TOGETHER <= READ.keys()
    sections_too = {"select.rules", "select.subsets", "select.subsets.*.spread"}
    sections_too |= {"select.subsets.*.label", "select.subsets.*.label.crop"}
    assert READ.keys() - every == sections_too


def test_each_key_changes_the_rule_of_the_stage_that_reads_it_alone() -> None:
    changed: set[tuple[str, bool]] = set()
    refused = set()
    for name, recipe in recipes().items():
        data = json.loads(recipe.canonical())
        for path, value in below(data):
            key = key_of(path)
            if key not in READ:
                continue
            stage, others = READ[key]
            for other in others(value):
                try:
                    found = with_value(data, path, other)
                except RecipeError:
                    assert key in REFUSED, (name, path, other)
                    refused.add(key)
                    continue
                differ = [s for s in STAGES if ids(found)[s] != ids(recipe)[s]]
                without = stage is None or idle(key, data)
                assert differ == ([] if without else [stage]), (name, path, value, other)
                changed.add((key, without))
    read = {(key, False) for key, (stage, _) in READ.items() if stage is not None}
    unread = {(key, True) for key, (stage, _) in READ.items() if stage is None}
    assert changed == read | unread | {("select.shared_ground", True), ("select.buffer_m", True)}
    assert refused == REFUSED


@pytest.mark.parametrize(("one", "two"), [("train", "val"), ("val", "test"), ("test", "train")])
def test_shares_that_move_between_splits_are_another_rule(one: str, two: str) -> None:
    data = json.loads(recipes()["fuller"].canonical())
    split = data["select"]["split"]
    moved = split | {one: split[one] + 0.125, two: split[two] - 0.125}
    found = with_value(data, ("select", "split"), moved)
    assert [s for s in STAGES if ids(found)[s] != ids(recipes()["fuller"])[s]] == ["select"]


def test_a_task_is_part_of_no_rule_but_manifests_of_two_tasks_have_two_ids() -> None:
    """Beside the same choice stand other pairs, and in a manifest's id the task."""
    found, names = {}, set()
    for task, lr, hr in (("s2_naip", "sentinel2", "naip"), ("modis_landsat8", "modis", "landsat")):
        pairs = {"lr": {"sensor": lr}, "hr": {"sensor": hr}, "window": "8 d"}
        data = {"name": "x", "task": task, "pairs": pairs, "select": SHORT}
        recipe = Recipe.model_validate(data)
        found[task] = ids(recipe)
        names.add(manifest_id(recipe, "same"))
        alone = Recipe.model_validate({"name": "x", "pairs": pairs})
        assert alone.pairs.rule_id == found[task]["pairs"]
    one, two = found.values()
    assert [s for s in STAGES if one[s] != two[s]] == ["pairs"]
    assert pair_id(str(one["pairs"]), "a", "b") != pair_id(str(two["pairs"]), "a", "b")
    assert len(names) == 2


def seconds_in(value: int, order: random.Random) -> str:
    """Microseconds as a text, in some unit."""
    units = {"s": 1, "min": 60, "h": 3600, "d": 86400}
    unit = order.choice(sorted(units))
    number = timedelta(microseconds=value) / timedelta(seconds=units[unit])
    return f"{number:.6f}".rstrip("0").rstrip(".") + order.choice(["", " "]) + unit


def instant(value: str, order: random.Random) -> str:
    """An instant in another zone of time."""
    zone = timezone(timedelta(minutes=order.choice([0, 60, -330])))
    return datetime.fromisoformat(value).astimezone(zone).isoformat(order.choice("T "))


SETS = {"products", "platforms", "classes", "months", "tiers", "ecoregions"}


def respelled(value: Any, order: random.Random, key: str = "") -> Any:
    """The same meaning: keys in another order, sets too, other units, numbers written otherwise."""
    if isinstance(value, dict):
        # Null is the default of every key that may be null.
        items = [(k, v) for k, v in value.items() if v is not None or order.random() < 0.5]
        order.shuffle(items)
        return {k: respelled(v, order, k) for k, v in items}
    if key in ("window", "max"):
        return seconds_in(value, order)
    if key in ("start", "end"):
        return value and instant(value, order)
    if key == "bounds" and value:
        west, south, east, north = value
        # The meridian of 180 degrees has two names, but where a box goes around the earth.
        if (west, east) != (-180, 180) and order.random() < 0.5:
            west, east = -west if west == -180 else west, -east if east == 180 else east
        return [respelled(number, order) for number in (west, south, east, north)]
    if key in SETS:
        return order.sample([*value, *value[:1]], len(value) + bool(value))
    if isinstance(value, list):
        return [respelled(one, order, key) for one in value]
    if isinstance(value, float) and value.is_integer():
        return order.choice([int(value), value, value * (-1 if value == 0 else 1)])
    return f"  {value} " if key in ("layer", "product") else value


@settings(max_examples=60)
@given(name=st.sampled_from(NAMES), order=st.randoms(use_true_random=False))
def test_any_spelling_of_a_recipe_has_its_rules(name: str, order: random.Random) -> None:
    recipe = recipes()[name]
    data = respelled(json.loads(recipe.canonical()), order)
    assert ids(parse_recipe(yaml.safe_dump(data, sort_keys=False))) == ids(recipe)
