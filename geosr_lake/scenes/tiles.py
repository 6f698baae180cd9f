"""Scenes to tiles: the extent of a native cell is the union of its scenes' bounds."""

import hashlib
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

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
ROWS_AT_ONCE = 10_000
"""Tiles that are Python's at a time."""
FOLDED_ROWS = 50_000
"""Rows that wait until those of a tile become two."""


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
    made = [schema.empty_table()]
    rows: list[dict[str, Any]] = []
    for (sensor, tile), indices in sorted(members.items()):
        if len(rows) == ROWS_AT_ONCE:
            made.append(pa.Table.from_pylist(rows, schema=schema))
            rows = []
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
    return pa.concat_tables([*made, pa.Table.from_pylist(rows, schema=schema)])


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
    crossing = False

    def narrow() -> Iterator[pa.Table]:
        nonlocal crossing
        for given in scenes:
            wide = pc.greater(pc.subtract(given["xmax"], given["xmin"]), WIDE_DEG)
            crossing |= bool(pc.any(wide).as_py())
            rows = given.filter(pc.invert(wide))
            yield rows.append_column("scene_count", pa.array(np.ones(rows.num_rows, np.int64)))

    return _folded(narrow()), crossing


def joined(boxes: pa.Table, crossing: Iterable[pa.Table]) -> pa.Table:
    """Return rows of `gathered` with those that stand for scenes on both sides of 180 degrees.

    The parts of such a scene are bounds on their own, as they are to `extent`.

    Args:
        boxes: What `gathered` returned.
        crossing: The scenes that it left aside, with `SCENE_COLUMNS`.
    """
    return _folded(chain([boxes], map(_sides, crossing)))


def grown(held: pa.Table, come: pa.Table) -> tuple[pa.Table, frozenset[tuple[str, str]]]:
    """Return rows that `derive` takes in the place of all scenes of tiles that scenes only came to.

    An extent says nearly all of the scenes that it is made of: of one box, that all lie in it; of
    two, which lie on either side of 180 degrees. It says too little where it is one box and the
    new scenes reach around the earth: which of the old ones lie on which side, only they tell.

    Args:
        held: Rows of the table `tiles`.
        come: Rows of `gathered` or `joined`: the new scenes, of these tiles and of new ones.

    Returns:
        The rows; and the tiles of which all scenes are needed, of which there is no row.
    """
    new: dict[tuple[str, str], list[int]] = {}
    for i, key in enumerate(_cells(come)):
        new.setdefault(key, []).append(i)
    boxes = _sides_of(come)
    rows: list[dict[str, Any]] = []
    unclear: set[tuple[str, str]] = set()
    extents = shapely.from_wkb(held["extent_wkb"].to_pylist())
    for key, count, whole in zip(
        _cells(held), held["scene_count"].to_pylist(), extents, strict=True
    ):
        parts = shapely.get_parts(whole)
        old = shapely.bounds(parts)
        are_boxes = shapely.area(shapely.box(*old.T)) == shapely.area(parts)
        both = np.vstack([old, boxes[new[key]]]) if key in new else old
        around = _around(both)
        if not are_boxes.all() or (len(old) == 1 and around[2] - around[0] > WIDE_DEG):
            unclear.add(key)
            continue
        for n, box in enumerate(old.tolist()):
            sides = dict(zip(BOX_COLUMNS[2:], box, strict=True))
            named = {"sensor": key[0], "tile": key[1]}
            rows.append({**named, **sides, "scene_count": 0 if n else count})
    clear = [i for key, places in new.items() if key not in unclear for i in places]
    schema = come.drop_columns(["west"]).schema
    return (
        pa.concat_tables(
            [
                pa.Table.from_pylist(rows, schema=schema),
                come.drop_columns(["west"]).take(pa.array(clear, pa.int64())),
            ]
        ),
        frozenset(unclear),
    )


def _cells(rows: pa.Table) -> list[tuple[str, str]]:
    return list(zip(rows["sensor"].to_pylist(), rows["tile"].to_pylist(), strict=True))


def _sides_of(rows: pa.Table) -> NDArray[np.float64]:
    return np.column_stack([rows[side].to_numpy() for side in BOX_COLUMNS[2:]])


def _sides(crossing: pa.Table) -> pa.Table:
    """Return a row for each part of the scenes' footprints; the first one counts as the scene."""
    wkb = crossing["footprint_wkb"].to_pylist()
    boxes = np.column_stack([crossing[side].to_numpy() for side in BOX_COLUMNS[2:]])
    parts = [
        box[np.newaxis]
        if text is None
        else shapely.bounds(shapely.get_parts(shapely.from_wkb(text)))
        for box, text in zip(boxes, wkb, strict=True)
    ]
    of_scene = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    flat = np.vstack([np.empty((0, 4)), *parts])
    rows = crossing.select(["sensor", "tile"]).take(pa.array(of_scene, pa.int64()))
    for i, side in enumerate(BOX_COLUMNS[2:]):
        rows = rows.append_column(side, pa.array(flat[:, i]))
    counts = np.r_[True, of_scene[1:] != of_scene[:-1]][: len(of_scene)].astype(np.int64)
    return rows.append_column("scene_count", pa.array(counts))


def _folded(parts: Iterable[pa.Table]) -> pa.Table:
    """Return at most two rows a tile for rows with bounds and counts.

    Memory does not grow with the rows.
    """
    waiting, number, room = [_BOXES.empty_table()], 0, FOLDED_ROWS
    for rows in parts:
        west = pc.less(pc.add(rows["xmin"], rows["xmax"]), 0.0)
        found = _bounds(rows.select(_GIVEN).append_column("west", west))
        waiting.append(found)
        number += found.num_rows
        if number > room:
            waiting = [_bounds(pa.concat_tables(waiting))]
            number = waiting[0].num_rows
            room = max(FOLDED_ROWS, 2 * number)
    whole = _bounds(pa.concat_tables(waiting))
    return whole.append_column("footprint_wkb", pa.nulls(whole.num_rows, pa.binary()))


_BOXES = pa.schema(
    [
        *(("sensor", pa.string()), ("tile", pa.string()), ("west", pa.bool_())),
        *((side, pa.float64()) for side in ("xmin", "ymin", "xmax", "ymax")),
        ("scene_count", pa.int64()),
    ]
)
_GIVEN = [name for name in _BOXES.names if name != "west"]


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
