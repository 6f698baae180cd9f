"""Where tiles and footprints meet: Sedona on the tiles' extents, then on single footprints."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pyarrow as pa
import shapely

from geosr_lake.pairs.area import overlap_frac

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

FOOTPRINT_PAIR = ("lr_footprint_id", "hr_footprint_id")


def meet(lr_tiles: "DataFrame", hr_tiles: "DataFrame") -> "DataFrame":
    """Return the pairs of tiles whose extents have a point in common.

    The one spatial join: the predicate stands alone in its ON clause, because with an equality
    beside it Sedona leaves the join to Spark, and anything else would be a residual.

    Args:
        lr_tiles: Columns tile, extent_id, extent_wkb.
        hr_tiles: As `lr_tiles`.

    Returns:
        Columns lr_tile, hr_tile, lr_extent_id, hr_extent_id; each pair once.
    """
    from pyspark.sql import functions as f

    lr, hr = (
        tiles.selectExpr(
            f"tile AS {side}_tile",
            f"extent_id AS {side}_extent_id",
            f"ST_GeomFromWKB(extent_wkb) AS {side}_extent",
        )
        for side, tiles in (("lr", lr_tiles), ("hr", hr_tiles))
    )
    met = lr.join(hr, f.expr("ST_Intersects(lr_extent, hr_extent)"))
    return met.select("lr_tile", "hr_tile", "lr_extent_id", "hr_extent_id")


def footprints(scenes: "DataFrame") -> "DataFrame":
    """Return each footprint of `scenes` once: footprint_id, footprint_wkb."""
    return scenes.select("footprint_id", "footprint_wkb").dropDuplicates(["footprint_id"])


def overlaps(
    footprint_pairs: "DataFrame", lr_shapes: "DataFrame", hr_shapes: "DataFrame"
) -> "DataFrame":
    """Return which footprints intersect, and how far the LR one covers the HR one.

    The predicate is Sedona's, in the JVM; the overlap of what passes is computed in batches.

    Args:
        footprint_pairs: Distinct lr_footprint_id, hr_footprint_id.
        lr_shapes: As `footprints` returns them, of the LR side.
        hr_shapes: Of the HR side.

    Returns:
        Columns lr_footprint_id, hr_footprint_id, overlap_frac (0 to 1; 0 where they touch).
    """
    from pyspark.sql import functions as f

    meeting = (
        footprint_pairs.join(lr_shapes.toDF("lr_footprint_id", "lr_wkb"), "lr_footprint_id")
        .join(hr_shapes.toDF("hr_footprint_id", "hr_wkb"), "hr_footprint_id")
        .where(f.expr("ST_Intersects(ST_GeomFromWKB(lr_wkb), ST_GeomFromWKB(hr_wkb))"))
        .select(*FOOTPRINT_PAIR, "lr_wkb", "hr_wkb")
    )
    return meeting.mapInArrow(
        _overlap_batches, "lr_footprint_id string, hr_footprint_id string, overlap_frac double"
    )


def _overlap_batches(batches: Iterable[pa.RecordBatch]) -> Iterable[pa.RecordBatch]:
    """Put the overlap in the place of the two geometries, batch by batch."""
    for batch in batches:
        lr, hr = (
            shapely.from_wkb(batch.column(name).to_numpy(zero_copy_only=False))
            for name in ("lr_wkb", "hr_wkb")
        )
        share = pa.array(overlap_frac(lr, hr), pa.float64())
        yield pa.RecordBatch.from_arrays(
            [batch.column("lr_footprint_id"), batch.column("hr_footprint_id"), share],
            names=[*FOOTPRINT_PAIR, "overlap_frac"],
        )
