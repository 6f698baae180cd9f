"""Scenes to tiles: the extent of a native cell is the union of its scenes' bounds."""

import hashlib

import numpy as np
import pyarrow as pa
import shapely
from numpy.typing import NDArray

from geosr_lake.ids import ID_DIGITS

SCENE_COLUMNS = ("sensor", "tile", "xmin", "ymin", "xmax", "ymax", "footprint_wkb")
"""The columns of `scenes` that tiles are made of; `footprint_wkb` may be null where the bounds are
at most 180 degrees wide."""


def derive(scenes: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return the tiles of `scenes`, one row a tile, sorted by sensor and name.

    Args:
        scenes: Scenes with `SCENE_COLUMNS`: all scenes of every tile that occurs in them.
        schema: The columns of the table `tiles`.
    """
    sensors, names = scenes["sensor"].to_pylist(), scenes["tile"].to_pylist()
    boxes = np.column_stack([scenes[side].to_numpy() for side in ("xmin", "ymin", "xmax", "ymax")])
    wkb = scenes["footprint_wkb"].to_pylist()
    members: dict[tuple[str, str], list[int]] = {}
    for i, key in enumerate(zip(sensors, names, strict=True)):
        members.setdefault(key, []).append(i)
    rows = []
    for (sensor, tile), indices in sorted(members.items()):
        parts = extent(boxes[indices], [wkb[i] for i in indices])
        whole = shapely.union_all(shapely.box(*parts.T))
        text = shapely.to_wkb(shapely.normalize(whole), byte_order=1)
        west, south, east, north = (float(value) for value in shapely.bounds(whole))
        rows.append(
            {
                "sensor": sensor,
                "tile": tile,
                "scene_count": len(indices),
                "xmin": west,
                "ymin": south,
                "xmax": east,
                "ymax": north,
                "extent_id": "ext-" + hashlib.sha256(text).hexdigest()[:ID_DIGITS],
                "extent_wkb": text,
            }
        )
    return pa.Table.from_pylist(rows, schema=schema)


def extent(boxes: NDArray[np.float64], wkb: list[bytes | None]) -> NDArray[np.float64]:
    """Return the boxes that a tile's scenes fill: one, or two on either side of 180 degrees.

    Args:
        boxes: Bounds of the scenes: (scene, west south east north), degrees.
        wkb: Their footprints, needed where the bounds are wider than 180 degrees: the scene then
            lies on both sides of the antimeridian.

    Returns:
        (1 or 2, 4) bounds, the western hemisphere's first.
    """
    whole = _around(boxes)
    if whole[2] - whole[0] <= 180:
        return whole[np.newaxis]
    parts = [
        shapely.bounds(shapely.get_parts(shapely.from_wkb(text)))
        if box[2] - box[0] > 180
        else box[np.newaxis]
        for box, text in zip(boxes, wkb, strict=True)
    ]
    flat = np.vstack(parts)
    western = flat[:, 0] + flat[:, 2] < 0
    return np.vstack([_around(side) for side in (flat[western], flat[~western]) if len(side)])


def _around(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate([boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)])
