"""The scenes that a recipe pairs: filtered, and narrowed to the columns that the join needs."""

from typing import TYPE_CHECKING, Literal

from geosr_lake.errors import RecipeError, UsageError
from geosr_lake.lake import Lake, ledger, tables
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


def whole(lake: Lake) -> "DataFrame":
    """Return the table `scenes` of the lake, for who reads all of it.

    The data files themselves: nothing of Delta's is left out (no deletion vectors, no mapped
    columns, no partitions), and Spark jobs over the log are spared, which cost more than a small
    table.
    """
    version = lake.versions.get("scenes")
    files = {} if version is None else ledger.files_of(lake.root, "scenes", version)
    if not files:
        return lake.df("scenes")
    at = tables.table_path(lake.root, "scenes")
    reader = lake.spark.read.schema(tables.schema("scenes"))
    return reader.parquet(*(f"{at}/{path}" for path in files))


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


def counts(scenes: "DataFrame", rule: PairRule) -> tuple[int, int]:
    """Count the scenes of the LR and of the HR side of a rule."""
    from pyspark.sql import functions as f

    found = scenes.agg(
        f.count_if(_passes(rule.lr, rule)).alias("lr"),
        f.count_if(_passes(rule.hr, rule)).alias("hr"),
    ).collect()[0]
    return int(found["lr"]), int(found["hr"])
