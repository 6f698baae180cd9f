"""Where tiles and footprints meet: Sedona on the tiles' extents, GEOS on single footprints."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import shapely
from numpy.typing import NDArray

from geosr_lake.arrays import Floats, Ints
from geosr_lake.pairs.overlap import overlap_frac
from geosr_lake.pairs.rings import Geometries

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


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


def meet_here(lr_tiles: pa.Table, hr_tiles: pa.Table) -> pa.Table:
    """Return what `meet` returns, found in this process: for few tiles."""
    lr, hr = (
        shapely.from_wkb(tiles["extent_wkb"].to_numpy(zero_copy_only=False))
        for tiles in (lr_tiles, hr_tiles)
    )
    at_hr, at_lr = shapely.STRtree(lr).query(hr, predicate="intersects")
    return pa.table(
        {
            f"{side}_{name}": tiles[name].take(pa.array(at))
            for name in ("tile", "extent_id")
            for side, tiles, at in (("lr", lr_tiles, at_lr), ("hr", hr_tiles, at_hr))
        }
    )


def intersect(lr: Geometries, hr: Geometries, lr_at: Ints, hr_at: Ints) -> NDArray[np.bool_]:
    """Tell which footprints intersect, shape (pairs,); the arguments are those of `shares`."""
    shapely.prepare(lr)
    met: NDArray[np.bool_] = shapely.intersects(lr[lr_at], hr[hr_at])
    return met


def shares(
    lr: Geometries,
    hr: Geometries,
    lr_at: Ints,
    hr_at: Ints,
    ended: Callable[[str], object] = str,
) -> Floats:
    """Return how far LR footprints cover HR footprints, each pair tested exactly.

    GEOS decides, on prepared LR footprints: nearly all are inside or apart, and what is inside is
    covered wholly, without an intersection. Touching is intersecting.

    Args:
        lr: LR footprints, valid polygons or multipolygons, EPSG:4326; they are prepared in place.
        hr: HR footprints.
        lr_at: Position in `lr`, shape (pairs,); fastest where equal ones stand together.
        hr_at: Position in `hr`.
        ended: Told of the end of the steps exact and overlap.

    Returns:
        Shape (pairs,): 0 to 1 as `overlap_frac` has it; NaN where they do not intersect.
    """
    shapely.prepare(lr)
    share = np.full(len(lr_at), np.nan)
    left, right = lr[lr_at], hr[hr_at]
    inside = shapely.covers(left, right)
    share[inside] = 1.0
    rest = np.flatnonzero(~inside)
    rest = rest[shapely.intersects(left[rest], right[rest])]
    ended("exact")
    share[rest] = overlap_frac(lr, hr, lr_at[rest], hr_at[rest])
    ended("overlap")
    return share
