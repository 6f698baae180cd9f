"""Scenes to tiles: the extent of a native cell is the union of its scenes' bounds."""

import hashlib
from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely
from numpy.typing import NDArray

from geosr_lake.ids import ID_DIGITS

BOX_COLUMNS = ("sensor", "tile", "xmin", "ymin", "xmax", "ymax")
SCENE_COLUMNS = ("sensor", "tile", "xmin", "ymin", "xmax", "ymax", "footprint_wkb")
"""The columns of `scenes` that tiles are made of; `footprint_wkb` may be null where the bounds are
at most 180 degrees wide."""
WIDE_DEG = 180.0
"""Bounds that are wider are those of a scene on both sides of the antimeridian."""


def derive(scenes: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return the tiles of `scenes`, one row a tile, sorted by sensor and name.

    Args:
        scenes: Scenes with `SCENE_COLUMNS`: all scenes of every tile that occurs in them. With a
            column `scene_count` (of `gathered`) a row stands for so many.
        schema: The columns of the table `tiles`.
    """
    sensors, names = scenes["sensor"].to_pylist(), scenes["tile"].to_pylist()
    boxes = np.column_stack([scenes[side].to_numpy() for side in ("xmin", "ymin", "xmax", "ymax")])
    wkb = scenes["footprint_wkb"].to_pylist()
    stand_for = np.ones(len(names), np.int64)
    if "scene_count" in scenes.column_names:
        stand_for = scenes["scene_count"].to_numpy()
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
                "scene_count": int(stand_for[indices].sum()),
                "xmin": west,
                "ymin": south,
                "xmax": east,
                "ymax": north,
                "extent_id": "ext-" + hashlib.sha256(text).hexdigest()[:ID_DIGITS],
                "extent_wkb": text,
            }
        )
    return pa.Table.from_pylist(rows, schema=schema)


def gathered(scenes: Iterable[pa.Table]) -> tuple[pa.Table, bool]:
    """Return at most two rows a tile that `derive` takes in the place of all its scenes.

    The bounds of those west and of those east of the prime meridian: `extent` asks for no more.
    Memory does not grow with the scenes.

    Args:
        scenes: Scenes with `BOX_COLUMNS`.

    Returns:
        The rows, and whether scenes with wider bounds than `WIDE_DEG` were left aside: they need
        their footprints, see `joined`.
    """
    parts, crossing = [], False
    for given in scenes:
        wide = pc.greater(pc.subtract(given["xmax"], given["xmin"]), WIDE_DEG)
        crossing |= bool(pc.any(wide).as_py())
        rows = given.filter(pc.invert(wide))
        west = pc.less(pc.add(rows["xmin"], rows["xmax"]), 0.0)
        one = pa.repeat(pa.scalar(1, pa.int64()), rows.num_rows)
        parts.append(_bounds(rows.append_column("west", west).append_column("scene_count", one)))
    known = [part for part in parts if part.num_rows]
    whole = _bounds(pa.concat_tables(known)) if known else _BOXES.empty_table()
    nothing = pa.nulls(whole.num_rows, pa.binary())
    return whole.append_column("footprint_wkb", nothing), crossing


def joined(boxes: pa.Table, crossing: Iterable[pa.Table]) -> pa.Table:
    """Return rows of `gathered` with scenes on both sides of the antimeridian as they are."""
    columns = [*SCENE_COLUMNS, "scene_count"]
    parts = [boxes.select(columns)]
    for rows in crossing:
        one = pa.repeat(pa.scalar(1, pa.int64()), rows.num_rows)
        parts.append(rows.append_column("scene_count", one).select(columns).cast(parts[0].schema))
    return pa.concat_tables(parts)


_BOXES = pa.schema(
    [
        *(("sensor", pa.string()), ("tile", pa.string()), ("west", pa.bool_())),
        *((side, pa.float64()) for side in ("xmin", "ymin", "xmax", "ymax")),
        ("scene_count", pa.int64()),
    ]
)


def _bounds(rows: pa.Table) -> pa.Table:
    ways = {"xmin": "min", "ymin": "min", "xmax": "max", "ymax": "max", "scene_count": "sum"}
    found = rows.group_by(["sensor", "tile", "west"]).aggregate(list(ways.items()))
    columns = [found[f"{name}_{ways[name]}" if name in ways else name] for name in _BOXES.names]
    return pa.table(columns, schema=_BOXES)


def extent(boxes: NDArray[np.float64], wkb: list[bytes | None]) -> NDArray[np.float64]:
    """Return the boxes that a tile's scenes fill: one, or two on either side of 180 degrees.

    Args:
        boxes: Bounds of the scenes: (scene, west south east north), degrees.
        wkb: Their footprints, needed where the bounds of a scene are wider than 180 degrees: it
            then lies on both sides of the antimeridian. Wide bounds without one are those of many
            scenes on one side, from `gathered`.

    Returns:
        (1 or 2, 4) bounds, the western hemisphere's first.
    """
    whole = _around(boxes)
    if whole[2] - whole[0] <= 180:
        return whole[np.newaxis]
    parts = [
        shapely.bounds(shapely.get_parts(shapely.from_wkb(text)))
        if box[2] - box[0] > WIDE_DEG and text is not None
        else box[np.newaxis]
        for box, text in zip(boxes, wkb, strict=True)
    ]
    flat = np.vstack(parts)
    western = flat[:, 0] + flat[:, 2] < 0
    return np.vstack([_around(side) for side in (flat[western], flat[~western]) if len(side)])


def _around(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate([boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)])
