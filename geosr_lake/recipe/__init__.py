"""The recipe: a YAML file that is the whole rule of a benchmark, as a validated model.

Each stage reads one section. A section's `rule_id` is a hash of its canonical, typed values: two
spellings of the same meaning (``10 d`` and ``240 h``, keys in another order, a default written
out) give the same id, another meaning another.

No section holds the task, so it is part of no `rule_id`: a manifest's id is made of task, recipe
and rows, and its rows name their pairs by the rule of pairs. Manifests of two tasks never share an
id; those of two windows only where they are empty.
"""

from geosr_lake.recipe.model import (
    COARSE_TO_FINE,
    CubeRule,
    PairRule,
    Recipe,
    SceneFilter,
    SelectRule,
    Sensor,
    Split,
    SplitRule,
    TaskName,
    UrbanRule,
)
from geosr_lake.recipe.reading import (
    Changed,
    changed,
    dotted,
    flat,
    load_recipe,
    parse_canonical,
    parse_recipe,
    recipe_text,
    select_of,
)
from geosr_lake.recipe.rules import (
    RULE_KINDS,
    SIDES,
    CloudRule,
    GapRule,
    GsdRule,
    MonthsRule,
    OverlapRule,
    PlatformsRule,
    Rule,
    Side,
    SnowRule,
    SunRule,
    TierRule,
    rule_name,
)
from geosr_lake.recipe.subsets import SR, Quotas, Spread, Subset, scaled
from geosr_lake.recipe.values import in_unit, unit_of

__all__ = [
    "COARSE_TO_FINE",
    "RULE_KINDS",
    "SIDES",
    "SR",
    "Changed",
    "CloudRule",
    "CubeRule",
    "GapRule",
    "GsdRule",
    "MonthsRule",
    "OverlapRule",
    "PairRule",
    "PlatformsRule",
    "Quotas",
    "Recipe",
    "Rule",
    "SceneFilter",
    "SelectRule",
    "Sensor",
    "Side",
    "SnowRule",
    "Split",
    "SplitRule",
    "Spread",
    "Subset",
    "SunRule",
    "TaskName",
    "TierRule",
    "UrbanRule",
    "changed",
    "dotted",
    "flat",
    "in_unit",
    "load_recipe",
    "parse_canonical",
    "parse_recipe",
    "recipe_text",
    "rule_name",
    "scaled",
    "select_of",
    "unit_of",
]
