"""Scene pairs that a plain join brings to the exact test, counted apart from the run that is timed.

A join on `ST_Intersects AND time` goes through a tree of boxes: SedonaDB, DuckDB's spatial join,
GeoPandas and Sedona's range join all test every pair of scenes whose boxes meet, whatever their
times, which they compare afterwards. Only SedonaDB says how many these are, and only where its plan
is explained: of Sentinel-2 with NAIP in one year 10.37 million candidates, here 10,368,394.
"""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import shapely
from numpy.typing import NDArray

BY_BOXES = {"SedonaDB", "SedonaDB, our rows", "DuckDB", "GeoPandas", "Sedona range join"}
"""The ways whose plans test what `box_pairs` counts."""
BOXES_AT_ONCE = 5_000
EDGES = ["xmin", "ymin", "xmax", "ymax"]


def box_pairs(folder: Path) -> int:
    """Return how many pairs of scenes have boxes that meet; `folder` is that of the sides."""
    lr, hr = (_boxes(folder / f"{side}.parquet") for side in ("lr", "hr"))
    return meeting(*lr, *hr)


def _boxes(path: Path) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the distinct boxes of the scenes of a side, and how many scenes have each."""
    rows = pq.read_table(path, columns=EDGES)
    boxes = np.stack([rows[edge].to_numpy() for edge in EDGES], axis=1)
    return np.unique(boxes, axis=0, return_counts=True)


def meeting(
    lr: NDArray[np.float64],
    lr_scenes: NDArray[np.int64],
    hr: NDArray[np.float64],
    hr_scenes: NDArray[np.int64],
) -> int:
    """Return how many pairs of scenes have boxes that meet; touching is enough.

    Args:
        lr: Distinct boxes of the LR side, a row each.
        lr_scenes: How many scenes have each.
        hr: The same of the other side.
        hr_scenes: The same.
    """
    tree, total = shapely.STRtree(shapely.box(*hr.T)), 0
    for begin in range(0, len(lr), BOXES_AT_ONCE):
        asked, met = tree.query(shapely.box(*lr[begin : begin + BOXES_AT_ONCE].T))
        total += int(np.sum(lr_scenes[begin + asked] * hr_scenes[met]))
    return total
