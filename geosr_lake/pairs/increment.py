"""The pairs that new, changed and withdrawn scenes bring and take: no other pair is looked at.

Tiles need no such care. The extent of a tile holds every scene of it, so two scenes that
intersect lie in tiles whose extents meet, whenever both are there. An extent that grows or shrinks
can therefore add or remove tile pairs, but no pair of two scenes that stayed as they were.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from geosr_lake.lake import Lake, Progress, changes, datafiles, ledger
from geosr_lake.lake.changes import CAME, GONE
from geosr_lake.lake.contracts import contract
from geosr_lake.pairs import here
from geosr_lake.pairs.match import Tested
from geosr_lake.pairs.scenes import passes
from geosr_lake.recipe import SIDES, PairRule, Side

DEPENDS_ON = (
    *("scene_id", "sensor", "tile", "xmin", "ymin", "xmax", "ymax", "footprint_id"),
    *("product", "platform", "t_start", "t_end"),
)
"""The columns of `scenes` that decide which pairs a scene is in. Another cloud cover or another
href changes no pair."""
MAX_TILES_NAMED = 1000
"""Tiles that a condition names so that files without them are not read."""


@dataclass(frozen=True)
class Increment:
    """What becomes of the pairs of a rule.

    Attributes:
        rows: Columns of `pairs` and `_deleted`, as `lake.arrow.apply` takes them: only rows that
            differ.
        tiles: Column of `pairs` -> tiles, one of which a row has that changes or goes; None if
            they are too many to name.
        new: Pairs that the lake did not have.
        changed: Pairs that it had with another gap, overlap or tile.
        removed: Pairs that are none any more.
        scenes_new: Scenes that came or changed.
        scenes_gone: Scenes that went or changed.
        did: What was tested.
    """

    rows: pa.Table
    tiles: dict[str, list[str]] | None
    new: int
    changed: int
    removed: int
    scenes_new: int
    scenes_gone: int
    did: Tested


def increment(
    lake: Lake, rule: PairRule, tile_pairs: pa.Table, since: int, *, progress: Progress
) -> Increment | None:
    """Find what the changes of `scenes` since a version of it do to the pairs of `rule`.

    Args:
        lake: Its pinned `scenes` are the ones that count.
        rule: The rule.
        tile_pairs: Columns lr_tile, hr_tile; every pair of tiles whose extents meet, once.
        since: The version of `scenes` that the rule's pairs were made from.
        progress: Told of the steps.

    Returns:
        The changes; None where the log does not reach back to `since`, or where so much changed
        that all pairs are better found again.
    """
    progress.start("Scenes that changed")
    rows = changes.rows_between(
        *(lambda: lake.spark, lake.root, "scenes", since, lake.versions["scenes"]),
        columns=DEPENDS_ON,
        along="footprint_wkb",
        most=here.MOST_SCENES,
    )
    if rows is None:
        return None
    moved = {side: rows.filter(passes(rule, side)) for side in SIDES}
    came, gone = (
        {side: some.filter(pc.equal(some["change"], change)) for side, some in moved.items()}
        for change in (CAME, GONE)
    )
    progress.start("Footprints that intersect")
    bounded = _found(lake, rule, tile_pairs, came)
    if bounded is None:
        return None
    found, did = bounded
    former = _former(lake, rule, gone)
    changed = difference(found, former)
    kinds = {one["values"]: one["counts"] for one in pc.value_counts(changed["kind"]).to_pylist()}
    deleted = pc.equal(changed["kind"], "removed")
    return Increment(
        rows=changed.drop_columns("kind").append_column("_deleted", deleted),
        tiles=_named_tiles(gone),
        new=kinds.get("new", 0),
        changed=kinds.get("changed", 0),
        removed=kinds.get("removed", 0),
        scenes_new=sum(map(len, came.values())),
        scenes_gone=sum(map(len, gone.values())),
        did=did,
    )


def _found(
    lake: Lake, rule: PairRule, tile_pairs: pa.Table, came: dict[Side, pa.Table]
) -> tuple[pa.Table, Tested] | None:
    """Return the pairs that scenes which came are in: new LR with all HR, old LR with new HR.

    None where they, or the scenes that are near, are more than are held at a time.
    """
    new_lr, new_hr = came["lr"], came["hr"]
    schema, did = ledger.arrow_schema("pairs"), [Tested.nothing()]
    searched = []
    if len(new_lr):
        near = _partners(lake, rule, tile_pairs, "lr", new_lr, len(new_lr) + len(new_hr))
        if near is None:
            return None
        searched.append((new_lr, near))
    if len(new_hr):
        held = sum(len(lr) + len(hr) for lr, hr in searched) + len(new_hr)
        near = _partners(lake, rule, tile_pairs, "hr", new_hr, held)
        if near is None:
            return None
        searched.append((near.filter(_not_in(near["scene_id"], new_lr["scene_id"])), new_hr))
    pairs, held = [schema.empty_table()], 0
    for lr, hr in searched:
        for rows in here.find(lr, hr, tile_pairs, rule, did.append):
            pairs.append(rows.cast(schema))
            held += len(rows)
            if held > here.MOST_SCENES:
                return None
    return pa.concat_tables(pairs), sum(did[1:], did[0])


def _not_in(column: pa.ChunkedArray, values: pa.ChunkedArray) -> Any:
    return pc.invert(pc.is_in(column, value_set=values.combine_chunks()))


def _partners(
    lake: Lake, rule: PairRule, tile_pairs: pa.Table, side: Side, moved: pa.Table, held: int
) -> pa.Table | None:
    """Return the scenes of the other side that some scenes of `side` can be a pair with.

    Read a batch at a time: of a large table only those stay that lie near in tile and time. None
    where these and the `held` scenes beside them are more than are held at a time.
    """
    other: Side = "hr" if side == "lr" else "lr"
    mine = pc.is_in(tile_pairs[f"{side}_tile"], value_set=pc.unique(moved["tile"]))
    tiles = pc.unique(tile_pairs.filter(mine)[f"{other}_tile"])
    window = pa.scalar(rule.window, pa.duration("us"))
    first = pc.subtract(pc.min(moved["t_start"]), window)
    last = pc.add(pc.max(moved["t_end"]), window)
    where = passes(rule, other) & (pc.field("t_end") >= first) & (pc.field("t_start") <= last)
    if len(tiles) <= MAX_TILES_NAMED:
        where &= pc.field("tile").isin(tiles)
    spans = _spans(moved, rule.window_us)
    rows = []
    for batch in ledger.batches(
        *(lake.root, "scenes", lake.versions["scenes"]),
        columns=list(here.NEEDED),
        where=where,
        coded=["footprint_wkb"],
    ):
        inside = pc.is_in(batch["tile"], value_set=tiles)
        some = batch.filter(pc.and_(inside, _touching(batch, spans)))
        if some.num_rows:
            held += some.num_rows
            if held > here.MOST_SCENES:
                return None
            at = some.schema.get_field_index("footprint_wkb")
            texts = here.used_only(some.column(at))
            rows.append(some.set_column(at, some.schema.field(at), texts))
    columns = pa.schema([ledger.arrow_schema("scenes").field(name) for name in here.NEEDED])
    return pa.Table.from_batches(rows, ledger.coded_schema(columns, ["footprint_wkb"]))


def _spans(scenes: pa.Table, window_us: int) -> "np.ndarray[Any, np.dtype[np.int64]]":
    """Return the stretches of time within the window of some scenes, apart and in order: (n, 2)."""
    start, end = (scenes[name].cast(pa.int64()).to_numpy() for name in ("t_start", "t_end"))
    order = np.argsort(start, kind="stable")
    start, reach = start[order] - window_us, np.maximum.accumulate(end[order] + window_us)
    begins = np.concatenate([[True], start[1:] > reach[:-1]])
    return np.stack([start[begins], reach[np.concatenate([begins[1:], [True]])]], axis=1)


def _touching(batch: pa.RecordBatch, spans: "np.ndarray[Any, np.dtype[np.int64]]") -> pa.Array:
    """Tell of each scene whether its interval touches one of the stretches."""
    start, end = (batch[name].cast(pa.int64()).to_numpy() for name in ("t_start", "t_end"))
    begun = np.searchsorted(spans[:, 0], end, "right")
    over = np.searchsorted(spans[:, 1], start, "left")
    return pa.array(begun > over)


def _named_tiles(gone: dict[Side, pa.Table]) -> dict[str, list[str]] | None:
    """Return the tiles of scenes that went, by column of `pairs`; None if they are many."""
    tiles = {f"{side}_tile": pc.unique(some["tile"]).to_pylist() for side, some in gone.items()}
    return tiles if sum(map(len, tiles.values())) <= MAX_TILES_NAMED else None


def _former(lake: Lake, rule: PairRule, gone: dict[Side, pa.Table]) -> pa.Table:
    """Return the pairs of the lake that one of the scenes that went is in, committed or not."""
    schema = ledger.arrow_schema("pairs")
    version = ledger.version_of(lake.root, "pairs")
    if version is None or not any(map(len, gone.values())):
        return schema.empty_table()
    where = pc.field("rule_id") == rule.rule_id
    if (tiles := _named_tiles(gone)) is not None:
        of_lr, of_hr = (pc.field(name).isin(pa.array(tiles[name], pa.string())) for name in tiles)
        where &= of_lr | of_hr
    went = {side: some["scene_id"].combine_chunks() for side, some in gone.items()}
    rows = [
        batch.filter(
            pc.or_(*(pc.is_in(batch[f"{side}_scene_id"], value_set=went[side]) for side in SIDES))
        )
        for batch in ledger.batches(lake.root, "pairs", version, columns=schema.names, where=where)
    ]
    return pa.Table.from_batches(rows, schema)


def difference(found: pa.Table, former: pa.Table) -> pa.Table:
    """Return what has to change so that `former` becomes `found`: rows of `pairs` and `kind`.

    Args:
        found: Columns of `pairs`; rows of one rule.
        former: The same.

    Returns:
        Rows that are new or changed as they are now, and removed ones as they were.
    """
    terms = contract("pairs")
    key = list(terms.key)
    now_keys, then_keys = (datafiles.key_texts(rows, "pairs") for rows in (found, former))
    of_former = pc.index_in(now_keys, value_set=then_keys.combine_chunks())
    held = pc.is_valid(of_former)
    before = former.take(of_former)
    differs = pa.array(np.zeros(len(found), bool))
    for name in terms.names:
        if name not in key:
            differs = pc.or_(differs, pc.fill_null(pc.not_equal(found[name], before[name]), True))
    kind = pc.if_else(held, pc.if_else(differs, "changed", None), "new")
    now = found.select(terms.names).append_column("kind", kind)
    stays = np.zeros(len(former), bool)
    stays[of_former.drop_null().to_numpy()] = True
    gone = former.filter(pa.array(~stays)).select(terms.names)
    gone = gone.append_column("kind", pa.repeat("removed", len(gone)))
    return pa.concat_tables([now.filter(pc.is_valid(now["kind"])), gone.cast(now.schema)])
