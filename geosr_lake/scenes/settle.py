"""Scenes and tiles of the groups that items have touched, derived without a JVM.

What `geosr_lake.scenes.derivation` does with Spark; the rows are the same. In most groups every
item is a scene of its own and no scene is held: those rows go from the items' files to files of
`scenes` where they lie, in processes of their own. The others are brought together here.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from geosr_lake import ids
from geosr_lake.archives.reasons import KEPT
from geosr_lake.lake import Lake, datafiles, deltalog
from geosr_lake.lake.datafiles import DataFile, Writer, key_texts
from geosr_lake.lake.ledger import arrow_schema
from geosr_lake.lake.place import Root
from geosr_lake.scenes import derive, tiles
from geosr_lake.scenes.derivation import MAX_TILES_NAMED
from geosr_lake.scenes.pool import Pool
from geosr_lake.scenes.touched import Mask, Part, Touched, touched
from geosr_lake.scenes.upsert import replaced

MAX_TOGETHER = 40_000
"""Items and scenes that are brought together in memory; more of them are for Spark."""
ROWS_A_TASK = 50_000


@dataclass(frozen=True)
class _Plan:
    """What becomes of the touched groups.

    Attributes:
        together: Groups whose items share a scene, lack its name, or that have scenes already.
        alive: Of each part, the rows that count.
        changed: Sensor and tile of all their items.
        rows: Items and scenes that are brought together.
    """

    together: pa.Array
    alive: tuple[Mask, ...]
    changed: pa.Table
    rows: int


def derive_pending(lake: Lake, pool: Pool, token: str) -> int | None:
    """Derive scenes and tiles of the groups with items beyond the commit; return their number.

    None, and nothing is done, if more is to be brought together than should be in memory.

    Args:
        lake: The lake.
        pool: What runs the tasks.
        token: Part of the names of new files.
    """
    found = touched(lake)
    if found is None:
        return 0
    plan = _plan(lake.root, found)
    if plan.rows > MAX_TOGETHER:
        return None
    _scenes(lake.root, found, plan, pool, token)
    _tiles(lake.root, plan.changed, pool, token)
    return len(found.groups)


def _plan(root: Root, found: Touched) -> _Plan:
    alive = tuple(
        found.withdrawn.alive(part.rows) & _are_in(part.rows, found.groups) for part in found.parts
    )
    pending = {part.path for part in found.parts}
    older = [
        _inside(rows, found.groups)
        for _, rows in datafiles.near(root, "items", found.columns, found.near, but=pending)
    ]
    members = [_distinct(_inside(rows, found.groups)) for rows in (p.rows for p in found.parts)]
    none = arrow_schema("items").empty_table()
    changed = _distinct(
        pa.concat_tables([none.select(["sensor", "tile"]), *members, *map(_distinct, older)])
    )
    living = [_only(part.rows, mask) for part, mask in zip(found.parts, alive, strict=True)]
    living += [_only(rows, found.withdrawn.alive(rows)) for rows in older]
    items = pa.concat_tables([rows.select(["group_key", "identity"]) for rows in (none, *living)])
    held = [
        _inside(rows, found.groups)["group_key"]
        for _, rows in datafiles.near(root, "scenes", ["group_key"], found.near)
    ]
    parts = [_shared(items), *(rows["group_key"] for rows in older), *held]
    chunks = [chunk for part in parts for chunk in part.chunks]
    together = pc.unique(pa.chunked_array(chunks, pa.string()))
    rows = sum(map(len, held)) + _inside(items.select(["group_key"]), together).num_rows
    return _Plan(together, alive, changed, rows)


def _inside(rows: pa.Table, groups: pa.Array) -> pa.Table:
    return _only(rows, _are_in(rows, groups))


def _are_in(rows: pa.Table, groups: pa.Array) -> Mask:
    return np.asarray(pc.is_in(rows["group_key"], value_set=groups))


def _only(rows: pa.Table, mask: Mask) -> pa.Table:
    """Return some of the rows; nothing is copied where they are all."""
    return rows if mask.all() else rows.filter(pa.array(mask))


def _distinct(rows: pa.Table) -> pa.Table:
    return rows.group_by(["sensor", "tile"]).aggregate([]).select(["sensor", "tile"])


def _shared(items: pa.Table) -> pa.ChunkedArray:
    """Return the groups in which items share a scene, or one does not name its own."""
    counted = items.select(["group_key"]).group_by("group_key").aggregate([([], "count_all")])
    several = counted["group_key"].filter(pc.greater(counted["count_all"], 1))
    nameless = items["group_key"].filter(pc.is_null(items["identity"]))
    some = _inside(items, pc.unique(several))
    by_scene = some.group_by(["group_key", "identity"]).aggregate([([], "count_all")])
    shared = by_scene["group_key"].filter(pc.greater(by_scene["count_all"], 1))
    return pa.chunked_array([*nameless.chunks, *shared.chunks], pa.string())


def _scenes(root: Root, found: Touched, plan: _Plan, pool: Pool, token: str) -> None:
    """Bring `scenes` up to the items of the groups, in one commit; none if nothing differs."""
    come: list[DataFile] = []
    items: list[pa.Table] = []
    for said in pool.run(make_scenes, _tasks(root, found.parts, plan, token)):
        if isinstance(said, DataFile):
            come.append(said)
        else:
            items.append(said)
    gone: list[str] = []
    if len(plan.together):
        more, gone = _brought_together(root, found, plan, items, pool, token)
        come += more
    if come or gone:
        deltalog.commit(root, "scenes", come, gone)


def _tasks(
    root: Root, parts: Sequence[Part], plan: _Plan, token: str
) -> list[tuple[Root, str, list[tuple[str, Mask, Mask]]]]:
    """Return the work of `make_scenes`: files with enough rows for a file of scenes."""
    tasks: list[list[tuple[str, Mask, Mask]]] = []
    room = 0
    for part, alive in zip(parts, plan.alive, strict=True):
        if not alive.any():
            continue
        shared = _are_in(part.rows, plan.together)
        if not tasks or room < len(alive):
            tasks.append([])
            room = ROWS_A_TASK
        tasks[-1].append((part.path, alive & ~shared, alive & shared))
        room -= len(alive)
    return [(root, token, task) for task in tasks]


def make_scenes(
    root: Root, token: str, parts: Sequence[tuple[str, Mask, Mask]]
) -> Iterator[pa.Table | DataFile]:
    """Write the scenes of items that share none with others; yield those that do, and the file.

    Args:
        root: The lake.
        token: Part of the new file's name.
        parts: Files of `items`; of each the rows that are scenes, and those to be given back.
    """
    writer = Writer(root, "scenes", token)
    columns = list(derive.ITEM_COLUMNS)
    for path, alone, shared in parts:
        at = 0
        for rows in datafiles.read_groups(root, "items", path, columns):
            here = slice(at, at + rows.num_rows)
            at += rows.num_rows
            if shared[here].any():
                yield rows.filter(pa.array(shared[here]))
            if alone[here].any():
                writer.write(as_scenes(rows.filter(pa.array(alone[here]))))
    file = writer.close()
    if file is not None:
        yield file


def as_scenes(items: pa.Table) -> pa.Table:
    """Return what `derive.derive` makes of items that name their scene and share it with none."""
    schema, count = arrow_schema("scenes"), items.num_rows
    pairs = zip(items["sensor"].to_pylist(), items["identity"].to_pylist(), strict=True)
    lists = schema.field("superseded").type
    made = {
        "scene_id": pa.array([ids.scene_id(*pair) for pair in pairs], pa.string()),
        "standalone": pa.repeat(pa.scalar(False), count),
        "superseded": pa.ListArray.from_arrays(
            pa.array(np.zeros(count + 1, np.int32)), pa.array([], lists.value_type), type=lists
        ),
    }
    columns = [made[name] if name in made else items[name] for name in schema.names]
    return pa.table(columns, schema=schema)


def _brought_together(
    root: Root, found: Touched, plan: _Plan, items: list[pa.Table], pool: Pool, token: str
) -> tuple[list[DataFile], list[str]]:
    """Derive the scenes of shared groups from all their items; return files that come and go."""
    where = found.near & pc.field("group_key").isin(plan.together)
    pending = {part.path for part in found.parts}
    columns = [*derive.ITEM_COLUMNS, "outcome"]  # the names of items are among them
    for _, rows in datafiles.near(
        root, "items", columns, where & (pc.field("outcome") == KEPT), but=pending
    ):
        items.append(rows.filter(pa.array(found.withdrawn.alive(rows))).select(derive.ITEM_COLUMNS))
    schema = arrow_schema("scenes")
    given = [rows for rows in items if rows.num_rows]
    made = derive.derive(pa.concat_tables(given), schema) if given else schema.empty_table()
    held = list(datafiles.near(root, "scenes", schema.names, where))
    return replaced(root, "scenes", made, held, pool, token)


def _tiles(root: Root, changed: pa.Table, pool: Pool, token: str) -> None:
    """Bring `tiles` up to the scenes of the tiles that changed."""
    names = pc.unique(changed["tile"])
    where = pc.field("tile").isin(names) if len(names) <= MAX_TILES_NAMED else pc.scalar(True)
    asked = key_texts(changed, "tiles").combine_chunks()

    def inside(
        table: str, columns: Sequence[str], also: Any = None
    ) -> Iterator[tuple[str, pa.Table]]:
        condition = where if also is None else where & also
        for path, rows in datafiles.near(root, table, list(columns), condition):
            yield path, rows.filter(pc.is_in(key_texts(rows, "tiles"), value_set=asked))

    boxes, crossing = tiles.gathered(rows for _, rows in inside("scenes", tiles.BOX_COLUMNS))
    if crossing:
        wide = pc.field("xmax") - pc.field("xmin") > tiles.WIDE_DEG
        boxes = tiles.joined(boxes, [r for _, r in inside("scenes", tiles.SCENE_COLUMNS, wide)])
    schema = arrow_schema("tiles")
    held = list(inside("tiles", schema.names))
    come, gone = replaced(root, "tiles", tiles.derive(boxes, schema), held, pool, token)
    if come or gone:
        deltalog.commit(root, "tiles", come, gone)
