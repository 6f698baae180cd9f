"""The pairs of a rule, from scenes and tile pairs: time first, exact geometry last."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from geosr_lake import ids
from geosr_lake.lake.frames import from_arrow
from geosr_lake.lake.progress import Progress, Silent
from geosr_lake.pairs import intime, scenes, space
from geosr_lake.recipe import PairRule

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

PAIRS_A_TASK = 5_000
"""Footprint pairs for which it is worth to start a Python worker: they take about 0.1 s."""


@dataclass(frozen=True)
class Found:
    """What was found.

    Attributes:
        rows: The columns of `pairs`; read more than once at no cost while `find` is open.
        lr_scenes: Scenes of the LR side that pass the filter.
        hr_scenes: Scenes of the HR side that pass it.
        tested: Scene pairs within the window whose boxes meet.
        distinct: Distinct footprint pairs among them; the exact tests.
        layout: How the join was laid out.
    """

    rows: "DataFrame"
    lr_scenes: int
    hr_scenes: int
    tested: int
    distinct: int
    layout: intime.Layout


@contextmanager
def find(
    lr_scenes: "DataFrame",
    hr_scenes: "DataFrame",
    tile_pairs: pa.Table,
    rule: PairRule,
    *,
    allow_none: bool = False,
    progress: Progress | None = None,
) -> Iterator[Found]:
    """Find the pairs of `rule`.

    Args:
        lr_scenes: Rows of the table `scenes`, all or some; those of the LR side that pass the
            rule's filter are taken.
        hr_scenes: The same for the HR side; may be the same frame.
        tile_pairs: Columns lr_tile, hr_tile; every pair of tiles whose extents meet, once.
        rule: The rule; its id keys the rows.
        allow_none: A side without a scene is an answer without pairs, not an error.
        progress: Told of the steps.

    Raises:
        UsageError: If there is no scene of one of the sensors.
        RecipeError: If there are some, but none passes the rule's filter.
    """
    steps = progress or Silent()
    steps.start("Scenes near in time")
    with ExitStack() as cached:

        def keep(frame: "DataFrame") -> "DataFrame":
            cached.callback(frame.unpersist)
            return frame.cache()

        wanted = scenes.of_side(lr_scenes, rule, "lr"), scenes.of_side(hr_scenes, rule, "hr")
        lr, hr = (keep(scenes.narrow(side)) for side in wanted)
        counts = intime.tile_counts(lr.unionAll(hr))
        lr_stats = intime.side_stats(counts, rule.lr.sensor, tile_pairs["lr_tile"])
        hr_stats = intime.side_stats(counts, rule.hr.sensor, tile_pairs["hr_tile"])
        if not allow_none:
            if not lr_stats.scenes:
                raise scenes.why_none(lr_scenes, rule.lr, "lr")
            if not hr_stats.scenes:
                raise scenes.why_none(hr_scenes, rule.hr, "hr")
        layout = intime.lay_out(rule.window_us, lr_stats, hr_stats)
        met = from_arrow(lr_scenes.sparkSession, tile_pairs)
        near = intime.candidates(lr, hr, met, rule.window_us, layout)
        # By footprint pair: then counting those and testing each once needs no shuffle.
        near = keep(near.repartition(*space.FOOTPRINT_PAIR))
        footprint_pairs = near.groupBy(*space.FOOTPRINT_PAIR).count()
        tested, distinct = _count(footprint_pairs)

        steps.start("Footprints that intersect", distinct)
        meeting = space.overlaps(
            footprint_pairs.select(*space.FOOTPRINT_PAIR).coalesce(1 + distinct // PAIRS_A_TASK),
            *(space.footprints(side) for side in wanted),
        )
        rows = keep(_pairs(near, meeting, rule))
        yield Found(rows, lr_stats.scenes, hr_stats.scenes, tested, distinct, layout)


def _count(footprint_pairs: "DataFrame") -> tuple[int, int]:
    """Return the number of scene pairs, and of distinct footprint pairs among them."""
    found = footprint_pairs.selectExpr("sum(count) AS tested", "count(*) AS distinct_pairs")
    row = found.collect()[0]
    return row["tested"] or 0, row["distinct_pairs"]


def _pairs(near: "DataFrame", meeting: "DataFrame", rule: PairRule) -> "DataFrame":
    """Return the rows of `pairs`: the candidates whose footprints meet far enough.

    Args:
        near: As `intime.candidates` returns them.
        meeting: As `space.overlaps` returns them.
        rule: Says the least overlap, and keys the rows.
    """
    from pyspark.sql import functions as f

    enough = meeting.where(f.col("overlap_frac") >= rule.min_overlap_frac)
    pair_digest = ids.SQL_DIGEST.format(parts="rule_id, lr_scene_id, hr_scene_id")
    keyed = near.join(enough, list(space.FOOTPRINT_PAIR)).withColumn("rule_id", f.lit(rule.rule_id))
    return keyed.selectExpr(
        "rule_id",
        "lr_scene_id",
        "hr_scene_id",
        f"concat('par-', {pair_digest}) AS pair_id",
        "lr_tile",
        "hr_tile",
        "gap_us / 1e6D AS gap_s",
        "overlap_frac",
    )
