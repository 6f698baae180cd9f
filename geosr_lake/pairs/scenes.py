"""The scenes that a recipe pairs: filtered, and narrowed to the columns that the join needs."""

from typing import TYPE_CHECKING, Literal

from geosr_lake.errors import RecipeError, UsageError
from geosr_lake.recipe import PairRule, SceneFilter

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

NARROW = ("scene_id", "sensor", "tile", "xmin", "ymin", "xmax", "ymax", "footprint_id")


def _passes(which: SceneFilter, rule: PairRule) -> "Column":
    from pyspark.sql import functions as f

    condition = f.col("sensor") == which.sensor
    if which.products:
        condition &= f.col("product").isin(*which.products)
    if which.platforms:
        condition &= f.col("platform").isin(*which.platforms)
    if rule.start is not None:
        condition &= f.col("t_end") >= f.lit(rule.start)
    if rule.end is not None:
        condition &= f.col("t_start") < f.lit(rule.end)
    return condition


def of_side(scenes: "DataFrame", rule: PairRule, side: Literal["lr", "hr"]) -> "DataFrame":
    """Return the scenes of one side of a rule, all columns.

    Scenes that end before the rule's start, or start at or after its end, are left out; so are
    those of an unknown platform where a side names platforms.
    """
    return scenes.where(_passes(rule.lr if side == "lr" else rule.hr, rule))


def narrow(scenes: "DataFrame") -> "DataFrame":
    """Return what the join needs of scenes: no geometry, no assets.

    Returns:
        Columns scene_id, sensor, tile, xmin, ymin, xmax, ymax, footprint_id, and start_us and
        end_us, microseconds since 1970 in UTC.
    """
    return scenes.selectExpr(
        *NARROW, "unix_micros(t_start) AS start_us", "unix_micros(t_end) AS end_us"
    )


def why_none(scenes: "DataFrame", which: SceneFilter, name: str) -> UsageError:
    """Return the error that says why no scene of a side is left.

    Args:
        scenes: The table.
        which: The side's filter.
        name: `lr` or `hr`.
    """
    found = (
        scenes.where(scenes["sensor"] == which.sensor)
        .selectExpr(
            "collect_set(product) AS products",
            "collect_set(platform) AS platforms",
            "min(t_start) AS first",
            "max(t_end) AS last",
        )
        .first()
    )
    if found is None or not found["products"]:
        return UsageError(
            f"The lake has no scene of {which.sensor}",
            next_step="Bring its items in with `geosr scenes ingest SOURCE...`.",
        )
    return RecipeError(
        f"No scene of {which.sensor} passes the recipe: the lake has the products "
        f"{', '.join(sorted(found['products']))} of the platforms "
        f"{', '.join(sorted(found['platforms'])) or 'unknown'}, "
        f"{found['first']:%Y-%m-%d} to {found['last']:%Y-%m-%d}",
        where=f"pairs.{name}",
        next_step="Change products, platforms, start or end in the recipe.",
    )


def counts(scenes: "DataFrame", rule: PairRule, *, may_lack: bool = False) -> tuple[int, int]:
    """Count the scenes of the LR and of the HR side of a rule.

    Args:
        scenes: The table.
        rule: The rule.
        may_lack: A side without a scene is counted, not refused.

    Raises:
        UsageError: If there is no scene of one of the sensors.
        RecipeError: If there are some, but none passes the rule's filter.
    """
    from pyspark.sql import functions as f

    found = scenes.agg(
        f.count_if(_passes(rule.lr, rule)).alias("lr"),
        f.count_if(_passes(rule.hr, rule)).alias("hr"),
    ).collect()[0]
    for name, which in (("lr", rule.lr), ("hr", rule.hr)):
        if not found[name] and not may_lack:
            raise why_none(scenes, which, name)
    return int(found["lr"]), int(found["hr"])
