"""A small recipe, and how tests write it otherwise."""

import random
from typing import Any

import yaml

from geosr_lake.recipe import Recipe, parse_recipe

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


def with_subsets(*subsets: dict[str, Any], **select: Any) -> Recipe:
    data = plain()
    del data["select"]["quotas"]
    data["select"] |= {"subsets": list(subsets)} | select
    return parse_recipe(yaml.safe_dump(data))


RIVER = {"name": "river", "quotas": {"natural": 100}, "bounds": [-10, 0, 10, 20]}


CHIPS = {"name": "tree", "sites": "chips", "quotas": {"natural": 10}}
