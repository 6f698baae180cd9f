"""Scenes and tiles of the groups that items have touched, derived without a JVM.

What `geosr_lake.scenes.settle_spread` does with Spark; the rows are the same. In most groups every
item is a scene of its own and no scene is held: those rows go from the items' files to files of
`scenes` where they lie, in processes of their own. The others are brought together here.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from geosr_lake import ids
from geosr_lake.archives.reasons import KEPT
from geosr_lake.lake import Lake, changes, datafiles, deltalog, ledger
from geosr_lake.lake.datafiles import DataFile, Writer, key_texts
from geosr_lake.lake.ledger import arrow_schema
from geosr_lake.lake.place import Root
from geosr_lake.lake.tables import Txn
from geosr_lake.scenes import derive, groups, tiles
from geosr_lake.scenes.groups import Becomes
from geosr_lake.scenes.parted import Hashes, Marks, Mask, Parted, Rows
from geosr_lake.scenes.pool import Pool
from geosr_lake.scenes.settle_spread import MAX_TILES_NAMED
from geosr_lake.scenes.touched import Pending, Touched, named, touched
from geosr_lake.scenes.upsert import replaced

MAX_TOGETHER = 40_000
"""Items and scenes that are brought together in memory; more of them are for Spark."""
ROWS_A_TASK = 50_000
MADE_OF_ITEMS = "scenes"
"""How `changes.mark` names the scenes: the log of the table tells of how many items they are."""


@dataclass(frozen=True)
class _Plan:
    """What becomes of the touched groups.

    Attributes:
        groups: Their number.
        together: Hashes of those whose items share a scene, lack its name, or that have scenes.
        becomes: What becomes of each row of each file with rows beyond the commit.
    """

    groups: int
    together: Hashes
    becomes: tuple[Becomes, ...]


@dataclass(frozen=True)
class _Grown:
    """What became of the scenes.

    Attributes:
        cells: Sensor and name of the tiles of touched groups.
        altered: Those in which scenes may have gone or changed; to the others they only came.
        files: Files of scenes that came and that share no group with others.
    """

    cells: frozenset[tuple[str, str]] = frozenset()
    altered: frozenset[tuple[str, str]] = frozenset()
    files: tuple[str, ...] = ()


def derive_pending(lake: Lake, pool: Pool, token: str) -> int | None:
    """Derive scenes and tiles of the groups with items beyond the commit; return their number.

    None, and nothing is done, if more is to be brought together than should be in memory. Groups
    whose scenes a killed run has committed are not among them: only its tiles are looked at again.

    Args:
        lake: The lake.
        pool: What runs the tasks.
        token: Part of the names of new files.
    """
    root, since = lake.root, _made_of(lake)
    number, left, plan = 0, _cells_left(lake, since), None
    # Of a killed run it is not known which tiles it came to: there all scenes count.
    unsure = ledger.version_of(root, "scenes") != lake.versions.get("scenes")
    grown = _Grown()
    with Parted(groups.MEMBER, by="group") as members:
        found = touched(lake, members, since)
        if found is not None:
            for more in _there(root, found, members):
                members.add(more)
            if (plan := _plan(found, members)) is None:
                return None
    if found is not None and plan is not None:
        number = plan.groups
        grown = _scenes(root, found, plan, pool, token)
    if cells := left | grown.cells:
        _tiles(root, cells, cells if unsure else grown.altered, grown.files, pool, token)
    return number


def _made_of(lake: Lake) -> int | None:
    """Return the version of `items` that the scenes are made of: the committed one, or a later.

    Later where a run was killed between the commits of its scenes and of the stage. What they are
    made of need not be brought together with them, which for many items only Spark could do.
    """
    committed = lake.versions.get("items")
    if ledger.version_of(lake.root, "scenes") == lake.versions.get("scenes"):
        return committed
    made = changes.made_from(lake.root, "scenes", "items", MADE_OF_ITEMS)
    return max((v for v in (committed, made) if v is not None), default=None)


def _cells_left(lake: Lake, since: int | None) -> frozenset[tuple[str, str]]:
    """Return the tiles of scenes beyond the commit that a killed run may not have come to."""
    committed = lake.versions.get("items")
    if since == committed:
        return frozenset()
    with Parted(groups.MEMBER, by="group") as aside:
        found = touched(lake, aside, committed)
    return frozenset() if found is None else found.cells


def _there(root: Root, found: Touched, members: Parted) -> Iterator[Rows]:
    """Yield the items and scenes that the touched groups had before, and few others."""
    marks: Marks | None = None
    of_lake = chain(
        ((rows, groups.OLDER) for rows in _older(root, found)),
        ((rows, groups.HELD) for rows in _held(root, found)),
    )
    for rows, flag in of_lake:
        if marks is None:  # the first that is there: most lakes are new, or have none near
            marks = Marks()
            for part in members.parts():
                marks.add(part["group"])
        flags = np.full(rows.num_rows, flag, np.uint8)
        if flag == groups.OLDER:
            flags[found.withdrawn.alive(rows)] |= groups.ALIVE
        more = groups.members(rows, flags)
        yield more[marks.may_hold(more["group"])]


def _older(root: Root, found: Touched) -> Iterator[pa.Table]:
    pending = found.pending.standing
    return datafiles.streamed(root, "items", found.columns, found.near, but=pending)


def _held(root: Root, found: Touched) -> Iterator[pa.Table]:
    return datafiles.streamed(root, "scenes", ["group_key"], found.near)


def _plan(found: Touched, members: Parted) -> _Plan | None:
    """Return what becomes of the groups; None if too much is brought together."""
    starts = np.r_[0, np.cumsum(found.rows, dtype=np.int64)]
    becomes = np.full(starts[-1], groups.ASIDE, np.uint8)
    together: list[Hashes] = []
    number = brought = 0
    for part in members.parts():
        of_part = groups.judged(part)
        number, brought = number + of_part.groups, brought + of_part.brought
        if brought > MAX_TOGETHER:
            return None
        together.append(of_part.together)
        becomes[starts[of_part.file] + of_part.row] = of_part.becomes
    of_files = tuple(becomes[a:b] for a, b in pairwise(starts.tolist()))
    return _Plan(number, np.concatenate(together), of_files)


def _scenes(root: Root, found: Touched, plan: _Plan, pool: Pool, token: str) -> _Grown:
    """Bring `scenes` up to the items of the groups, in one commit; none if nothing differs."""
    come: list[DataFile] = []
    items: list[pa.Table] = []
    for said in pool.run(make_scenes, _tasks(root, found.pending, plan, token)):
        if isinstance(said, DataFile):
            come.append(said)
        else:
            items.append(said)
    files, altered = tuple(file.path for file in come), frozenset[tuple[str, str]]()
    gone: list[str] = []
    if len(plan.together):
        more, gone, altered = _brought_together(root, found, plan, items, pool, token)
        come += more
    if come or gone:
        of_items = Txn(changes.mark(root, "items", MADE_OF_ITEMS), found.pending.until)
        deltalog.commit(root, "scenes", come, gone, txn=of_items)
    return _Grown(found.cells, altered, files)


def _tasks(
    root: Root, pending: Pending, plan: _Plan, token: str
) -> Iterator[tuple[Root, str, list[tuple[str, Becomes]]]]:
    """Yield the work of `make_scenes`: files with enough rows for a file of scenes."""
    task: list[tuple[str, Becomes]] = []
    room = 0
    for path, becomes in zip(pending.paths, plan.becomes, strict=True):
        if not becomes.any():
            continue
        if task and room < len(becomes):
            yield root, token, task
            task = []
        room = room if task else ROWS_A_TASK
        task.append((path, becomes))
        room -= len(becomes)
    if task:
        yield root, token, task


def make_scenes(
    root: Root, token: str, parts: Sequence[tuple[str, Becomes]]
) -> Iterator[pa.Table | DataFile]:
    """Write the scenes of items that share none with others; yield those that do, and the file.

    Args:
        root: The lake.
        token: Part of the new file's name.
        parts: Files of `items`, and what becomes of the rows of each.
    """
    writer = Writer(root, "scenes", token)
    columns = list(derive.ITEM_COLUMNS)
    for path, becomes in parts:
        at = 0
        for rows in datafiles.read_groups(root, "items", path, columns):
            here = becomes[at : at + rows.num_rows]
            at += rows.num_rows
            if (here == groups.SHARED).any():
                yield rows.filter(pa.array(here == groups.SHARED))
            if (here == groups.ALONE).any():
                writer.write(as_scenes(_only(rows, here == groups.ALONE)))
    file = writer.close()
    if file is not None:
        yield file


def _only(rows: pa.Table, mask: Mask) -> pa.Table:
    """Return some of the rows; nothing is copied where they are all."""
    return rows if mask.all() else rows.filter(pa.array(mask))


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
    root: Root, found: Touched, plan: _Plan, new: list[pa.Table], pool: Pool, token: str
) -> tuple[list[DataFile], list[str], frozenset[tuple[str, str]]]:
    """Derive the scenes of shared groups from all their items.

    Returns:
        Files that come, files that go, and the tiles of the groups.
    """
    keys = named(root, found, plan.together)
    where = found.near & pc.field("group_key").isin(keys)
    # A group that is touched only by its hash is not whole in what was read: it stays as it is.
    items = [rows.filter(pc.is_in(rows["group_key"], value_set=keys)) for rows in new]
    pending = found.pending.standing
    columns = [*derive.ITEM_COLUMNS, "outcome"]  # the names of items are among them
    for _, rows in datafiles.near(
        root, "items", columns, where & (pc.field("outcome") == KEPT), but=pending
    ):
        items.append(rows.filter(pa.array(found.withdrawn.alive(rows))).select(derive.ITEM_COLUMNS))
    schema = arrow_schema("scenes")
    given = [rows for rows in items if rows.num_rows]
    made = derive.derive(pa.concat_tables(given), schema) if given else schema.empty_table()
    held = list(datafiles.near(root, "scenes", schema.names, where))
    altered = frozenset(
        (row["sensor"], row["tile"])
        for rows in [*given, *(rows for _, rows in held)]
        for row in rows.group_by(["sensor", "tile"]).aggregate([]).to_pylist()
    )
    return *replaced(root, "scenes", made, held, pool, token), altered


def _tiles(
    root: Root,
    cells: Collection[tuple[str, str]],
    altered: frozenset[tuple[str, str]],
    files: Sequence[str],
    pool: Pool,
    token: str,
) -> None:
    """Bring `tiles` up to the scenes of the tiles that changed.

    Args:
        root: The lake.
        cells: Sensor and name of the tiles.
        altered: Those of which all scenes are read; the others have those that came in `files`.
        files: Files of scenes that came.
        pool: What runs the tasks.
        token: Part of the names of new files.
    """
    schema = arrow_schema("tiles")
    where, inside = _of_cells(cells)
    held = [(p, inside(rows)) for p, rows in datafiles.near(root, "tiles", schema.names, where)]
    parts: list[pa.Table] = []
    if only_grew := frozenset(cells) - altered:
        _, inside = _of_cells(only_grew)
        before = pa.concat_tables([schema.empty_table(), *(inside(rows) for _, rows in held)])
        rows, unclear = tiles.grown(before, _gathered(partial(_come, root, files, inside)))
        parts.append(rows)
        altered |= unclear
    if altered:
        where, inside = _of_cells(altered)
        parts.append(_gathered(partial(_all, root, where, inside)).drop_columns(["west"]))
    boxes = pa.concat_tables(parts)
    come, gone = replaced(root, "tiles", tiles.derive(boxes, schema), held, pool, token)
    if come or gone:
        deltalog.commit(root, "tiles", come, gone)


Inside = Callable[[pa.Table], pa.Table]


def _of_cells(cells: Collection[tuple[str, str]]) -> tuple[Any, Inside]:
    """Return a condition that rows of some tiles fulfil, and what leaves just these of a table."""
    sensors, names = zip(*sorted(cells), strict=True)
    few = len(set(names)) <= MAX_TILES_NAMED
    where = pc.field("tile").isin(sorted(set(names))) if few else pc.scalar(True)
    asked = key_texts(pa.table({"sensor": sensors, "tile": names}), "tiles").combine_chunks()
    return where, lambda rows: rows.filter(pc.is_in(key_texts(rows, "tiles"), value_set=asked))


def _gathered(scenes: Callable[[Sequence[str], Any], Iterator[pa.Table]]) -> pa.Table:
    """Return rows for `tiles.derive` of scenes, which are read once more where some are wide."""
    boxes, crossing = tiles.gathered(scenes(tiles.BOX_COLUMNS, pc.scalar(True)))
    if crossing:
        wide = pc.field("xmax") - pc.field("xmin") > tiles.WIDE_DEG
        boxes = tiles.joined(boxes, scenes(tiles.SCENE_COLUMNS, wide))
    return boxes


def _all(
    root: Root, where: Any, inside: Inside, columns: Sequence[str], also: Any
) -> Iterator[pa.Table]:
    return map(inside, datafiles.streamed(root, "scenes", list(columns), where & also))


def _come(
    root: Root, files: Sequence[str], inside: Inside, columns: Sequence[str], also: Any
) -> Iterator[pa.Table]:
    for path in files:
        for rows in datafiles.read_groups(root, "scenes", path, list(columns)):
            yield inside(rows.filter(also))
