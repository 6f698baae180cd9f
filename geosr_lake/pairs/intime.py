"""Which scenes of tiles that meet are near in time: an equi-join on (tile, bucket).

All arithmetic is on integer microseconds since 1970 in UTC. An interval is [start, end); an
instant has end = start. The gap of two intervals is the distance of their closures, so 0 when
they overlap and when one ends where the other starts.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

DAY_US = 86_400_000_000

GAP_US = (
    "greatest(hr_start_us - lr_end_us, CAST(0 AS BIGINT))"
    " - greatest(lr_start_us - hr_end_us, CAST(0 AS BIGINT))"
)
"""HR minus LR in microseconds; at most one of the two terms is not 0."""

BOXES_MEET = (
    "lr_xmin <= hr_xmax AND hr_xmin <= lr_xmax AND lr_ymin <= hr_ymax AND hr_ymin <= lr_ymax"
)

_CANDIDATE = (
    "lr_scene_id",
    "hr_scene_id",
    "lr_tile",
    "hr_tile",
    "gap_us",
    "lr_footprint_id",
    "hr_footprint_id",
)


@dataclass(frozen=True)
class SideStats:
    """What decides how the scenes of one side are laid out for the join.

    Attributes:
        scenes: Scenes that pass the recipe's filter.
        length_us: Sum of the lengths of their intervals.
        partners: Sum over the scenes of the tiles that their tile meets.
        partner_length_us: Sum over the scenes of length times tiles met.
    """

    scenes: int = 0
    length_us: float = 0.0
    partners: int = 0
    partner_length_us: float = 0.0

    def exploded_rows(self, window_us: int, bucket_us: int) -> float:
        """Return about how many rows the side has over tile pairs and time buckets."""
        reach = self.partners * (1 + 2 * window_us / bucket_us)
        return reach + self.partner_length_us / bucket_us


@dataclass(frozen=True)
class Layout:
    """How the join is laid out: the width of a bucket, and the side that is exploded."""

    bucket_us: int
    exploded: str


def bucket_width_us(window_us: int, lr: SideStats, hr: SideStats) -> int:
    """Return the width of a time bucket.

    Twice the window, so that the exploded side has two to three rows for each tile pair and at
    least half of what shares a bucket is near enough; but not less than a day, in which a tile
    has few scenes, nor than the mean interval of either side: the buckets that all intervals of
    a side span are then at most twice its scenes, whatever single interval is long.
    """
    means = [side.length_us / side.scenes for side in (lr, hr) if side.scenes]
    return max(DAY_US, 2 * window_us, *(int(mean) for mean in means))


def lay_out(window_us: int, lr: SideStats, hr: SideStats) -> Layout:
    """Choose the width of the buckets, and to explode the side that becomes fewer rows."""
    width = bucket_width_us(window_us, lr, hr)
    lr_rows, hr_rows = (side.exploded_rows(window_us, width) for side in (lr, hr))
    return Layout(width, "lr" if lr_rows < hr_rows else "hr")


def tile_counts(scenes: "DataFrame") -> pa.Table:
    """Count the scenes of each tile, in one Spark job.

    Args:
        scenes: As `scenes.narrow` returns them.

    Returns:
        Columns sensor, tile, scenes, length_us: the sum over the scenes, as double because the
        sum of many long intervals does not fit into 64 bits. As many rows as there are tiles.
    """
    from pyspark.sql import functions as f

    per_tile = scenes.groupBy("sensor", "tile").agg(
        f.count("*").alias("scenes"),
        f.expr("sum(double(end_us - start_us))").alias("length_us"),
    )
    return per_tile.toArrow()


def side_stats(counts: pa.Table, sensor: str, met: pa.ChunkedArray) -> SideStats:
    """Return what `lay_out` has to know of one side.

    Args:
        counts: As `tile_counts` returns them.
        sensor: The side's sensor.
        met: The side's tile of every tile pair.
    """
    mine = counts.filter(pc.equal(counts["sensor"], sensor))
    partners = met.value_counts()
    known = pc.index_in(mine["tile"], partners.field("values"))
    times = pc.fill_null(pc.take(partners.field("counts"), known), 0).to_numpy()
    scenes, length_us = mine["scenes"].to_numpy(), mine["length_us"].to_numpy()
    return SideStats(
        int(scenes.sum()),
        float(length_us.sum()),
        int((scenes * times).sum()),
        float((length_us * times).sum()),
    )


def _bucket(instant: str, bucket_us: int) -> str:
    """Return SQL for the bucket of an instant; floor, exact for instants before 1970 as well."""
    return f"({instant} - pmod({instant}, {bucket_us}L)) div {bucket_us}L"


def share_bucket(
    lr: "DataFrame", hr: "DataFrame", tile_pairs: "DataFrame", window_us: int, layout: Layout
) -> "DataFrame":
    """Return the scenes that share a tile pair and a time bucket; each pair once.

    The exploded side stands in every bucket that its interval, widened by the window, touches,
    the other in every bucket of its own interval. Intervals that are near enough have a first
    bucket in common, and only there the pair is kept: nothing is made distinct afterwards.
    """
    from pyspark.sql import functions as f

    scenes = {"lr": lr, "hr": hr}
    rows = {}
    for side, scenes_of_side in scenes.items():
        frame = scenes_of_side.drop("sensor")
        named = frame.toDF(*(f"{side}_{name}" for name in frame.columns))
        # Widening one side is enough: the distance is symmetric.
        reach_us = window_us if side == layout.exploded else 0
        first = _bucket(f"({side}_start_us - {reach_us}L)", layout.bucket_us)
        last = _bucket(f"({side}_end_us + {reach_us}L)", layout.bucket_us)
        if side == layout.exploded:
            named = named.join(tile_pairs.select("lr_tile", "hr_tile"), f"{side}_tile")
        rows[side] = named.withColumn(f"{side}_bucket", f.expr(first)).withColumn(
            "bucket", f.expr(f"explode(sequence({side}_bucket, {last}))")
        )
    other = "hr" if layout.exploded == "lr" else "lr"
    shared = rows[layout.exploded].join(rows[other], [f"{other}_tile", "bucket"])
    return shared.where("bucket = greatest(lr_bucket, hr_bucket)")


def candidates(
    lr: "DataFrame", hr: "DataFrame", tile_pairs: "DataFrame", window_us: int, layout: Layout
) -> "DataFrame":
    """Return the scene pairs within the window whose bounding boxes meet; each once.

    Args:
        lr: Scenes of the LR side as `scenes.narrow` returns them.
        hr: Scenes of the HR side.
        tile_pairs: Columns lr_tile, hr_tile; each pair once.
        window_us: The greatest |gap|, itself allowed.
        layout: How to lay out the join; it changes the cost, not the result.

    Returns:
        Columns lr_scene_id, hr_scene_id, lr_tile, hr_tile, gap_us, lr_footprint_id,
        hr_footprint_id.
    """
    from pyspark.sql import functions as f

    shared = share_bucket(lr, hr, tile_pairs, window_us, layout)
    near = shared.withColumn("gap_us", f.expr(GAP_US)).where(f.abs("gap_us") <= window_us)
    return near.where(BOXES_MEET).select(*_CANDIDATE)
