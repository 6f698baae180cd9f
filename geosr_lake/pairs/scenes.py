"""The scenes that a recipe pairs: filtered, and narrowed to the columns that the join needs."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from geosr_lake.errors import RecipeError, UsageError
from geosr_lake.lake import Lake, ledger, tables
from geosr_lake.lake.frames import from_parquet
from geosr_lake.pairs.spans import WHOLE, Span, Times, spans
from geosr_lake.recipe import SIDES, PairRule, Side

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame


def passes(rule: PairRule, side: Side) -> Any:
    """Return the condition on scenes of one side of a rule, as an Arrow expression.

    Scenes that end before the rule's start, or start at or after its end, are left out; so are
    those of an unknown platform where a side names platforms.
    """
    which = rule.of(side)
    condition = pc.field("sensor") == which.sensor
    if which.products:
        condition &= pc.field("product").isin(list(which.products))
    if which.platforms:
        condition &= pc.field("platform").isin(list(which.platforms))
    if rule.start is not None:
        condition &= pc.field("t_end") >= _instant(rule.start)
    if rule.end is not None:
        condition &= pc.field("t_start") < _instant(rule.end)
    return condition


def _instant(value: Any) -> pa.Scalar:
    return pa.scalar(value, pa.timestamp("us", tz="UTC"))


def read(
    lake: Lake, rule: PairRule, side: Side, columns: Sequence[str], also: Any = None
) -> pa.Table:
    """Return the scenes of one side of a rule, at the pinned version of `scenes`.

    Args:
        lake: The lake.
        rule: The rule.
        side: The side.
        columns: Columns that are read.
        also: Another condition that they fulfil, as an Arrow expression.
    """
    condition = passes(rule, side) if also is None else passes(rule, side) & also
    coded = [name for name in columns if name == "footprint_wkb"]
    return lake.arrow("scenes", columns=list(columns), filters=condition, coded=coded)


def in_spans(lake: Lake, rule: PairRule, most: int) -> list[Span] | None:
    """Return spans of time with at most so many scenes of both sides each, see `spans.spans`."""
    if sum(counts(lake, rule)) <= most:
        return [WHOLE]
    lr, hr = (Times.of(read(lake, rule, side, ["t_start", "t_end"])) for side in SIDES)
    return spans(lr, hr, rule.window_us, most)


def counts(lake: Lake, rule: PairRule) -> tuple[int, int]:
    """Count the scenes of the LR and of the HR side of a rule."""
    version = lake.versions.get("scenes")
    if version is None:
        return 0, 0
    lr, hr = (
        ledger.row_count(lake.root, "scenes", version, where=passes(rule, side)) for side in SIDES
    )
    return lr, hr


def in_spark(scenes: "DataFrame", rule: PairRule, side: Side) -> "DataFrame":
    """Return the scenes of one side of a rule, all columns: `passes` for Spark."""
    from pyspark.sql import functions as f

    which = rule.of(side)
    condition: Column = f.col("sensor") == which.sensor
    if which.products:
        condition &= f.col("product").isin(*which.products)
    if which.platforms:
        condition &= f.col("platform").isin(*which.platforms)
    if rule.start is not None:
        condition &= f.col("t_end") >= f.lit(rule.start)
    if rule.end is not None:
        condition &= f.col("t_start") < f.lit(rule.end)
    return scenes.where(condition)


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
    return from_parquet(lake.spark, (f"{at}/{path}" for path in files), tables.schema("scenes"))


def why_none(lake: Lake, rule: PairRule, side: Side) -> UsageError:
    """Return the error that says why no scene of a side is left."""
    sensor = rule.of(side).sensor
    found = lake.arrow(
        "scenes",
        columns=["product", "platform", "t_start", "t_end"],
        filters=[("sensor", "=", sensor)],
    )
    if not len(found):
        return UsageError(
            f"The lake has no scene of {sensor}",
            next_step="Bring its items in with `geosr scenes ingest SOURCE...`.",
        )
    products, platforms = (
        ", ".join(sorted(pc.unique(found[name].drop_null()).to_pylist()))
        for name in ("product", "platform")
    )
    first, last = pc.min(found["t_start"]).as_py(), pc.max(found["t_end"]).as_py()
    return RecipeError(
        f"No scene of {sensor} passes the recipe: the lake has the products {products} of the "
        f"platforms {platforms or 'unknown'}, {first:%Y-%m-%d} to {last:%Y-%m-%d}",
        where=f"pairs.{side}",
        next_step="Change products, platforms, start or end in the recipe.",
    )
