"""The recipe: a YAML file that is the whole rule of a benchmark, as a validated model.

Each stage reads one section. A section's `rule_id` is a hash of its canonical, typed values: two
spellings of the same meaning (``10 d`` and ``240 h``, keys in another order, a default written
out) give the same id, another meaning another.
"""

from geosr_lake.recipe.model import (
    COARSE_TO_FINE,
    CubeRule,
    PairRule,
    Recipe,
    SceneFilter,
    SelectRule,
    Sensor,
    SideLimits,
    Split,
    SplitRule,
    TaskName,
    UrbanRule,
)
from geosr_lake.recipe.reading import (
    Changed,
    changed,
    flat,
    load_recipe,
    parse_canonical,
    parse_recipe,
    recipe_text,
)
from geosr_lake.recipe.subsets import SR, Quotas, Spread, Subset, scaled

__all__ = [
    "COARSE_TO_FINE",
    "SR",
    "Changed",
    "CubeRule",
    "PairRule",
    "Quotas",
    "Recipe",
    "SceneFilter",
    "SelectRule",
    "Sensor",
    "SideLimits",
    "Split",
    "SplitRule",
    "Spread",
    "Subset",
    "TaskName",
    "UrbanRule",
    "changed",
    "flat",
    "load_recipe",
    "parse_canonical",
    "parse_recipe",
    "recipe_text",
    "scaled",
]
