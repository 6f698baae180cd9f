"""Items to scenes: a pure function over the items of whole groups.

Which item of a scene wins does not depend on the order in which they came: the greatest version
key, then the greatest content hash. Items that name their scene come before those that were
joined to it by their footprint.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from geosr_lake import ids
from geosr_lake.scenes.datastrips import Loner, Strip, joined

_TIE_BREAKERS = ("version_key", "content_hash", "archive", "collection", "item_id")
ITEM_COLUMNS = (
    "sensor",
    "product",
    "platform",
    "tile",
    "group_key",
    "identity",
    "version_key",
    "t_start",
    "t_end",
    "xmin",
    "ymin",
    "xmax",
    "ymax",
    "cloud_frac",
    "snow_frac",
    "gsd_m",
    "sun_elevation_deg",
    "tier",
    "epsg",
    "transform",
    "processing_baseline",
    "dn_offset",
    "footprint_id",
    "footprint_wkb",
    "archive",
    "collection",
    "item_id",
    "content_hash",
    "assets",
    "licence",
)
"""The columns of `items` that scenes are made of."""


def derive(items: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return the scenes of `items`, one row a scene, sorted by id.

    Args:
        items: Kept items with `ITEM_COLUMNS`: all items of every group that occurs in them.
        schema: The columns of the table `scenes`.
    """
    keys, standalone = scene_ids(items)
    order = _best_first(items, keys)
    sorted_keys = np.array([keys[i] for i in order], dtype=object)
    is_winner = np.ones(len(order), dtype=bool)
    is_winner[1:] = sorted_keys[1:] != sorted_keys[:-1]
    first = np.flatnonzero(is_winner)
    rows = items.take(pa.array(order, pa.int64()))
    winners = rows.filter(pa.array(is_winner))
    columns = {name: winners[name] for name in schema.names if name in winners.column_names}
    columns["scene_id"] = pa.array(sorted_keys[first], pa.string())
    columns["standalone"] = pa.array([standalone[order[i]] for i in first], pa.bool_())
    columns["superseded"] = _superseded(rows, is_winner, schema.field("superseded").type)
    return pa.table([columns[field.name] for field in schema], schema=schema)


def scene_ids(items: pa.Table) -> tuple[list[str], list[bool]]:
    """Return the scene of each item, and whether it stands alone for want of a datastrip id."""
    columns = {n: items[n].to_pylist() for n in ("sensor", "identity", "group_key")}
    sensors, identities = columns["sensor"], list(columns["identity"])
    lost = [i for i, identity in enumerate(identities) if identity is None]
    if lost:
        for i, identity in _resolved(items, identities, columns["group_key"], lost).items():
            identities[i] = identity
    item_ids = items["item_id"].to_pylist() if lost else []
    keys = [
        ids.scene_id(sensor, identity)
        if identity is not None
        else ids.scene_id(sensor, columns["group_key"][i], "alone", item_ids[i])
        for i, (sensor, identity) in enumerate(zip(sensors, identities, strict=True))
    ]
    return keys, [identity is None for identity in identities]


def _resolved(
    items: pa.Table,
    identities: Sequence[str | None],
    groups: Sequence[str],
    lost: Sequence[int],
) -> Mapping[int, str | None]:
    """Return the identity that each item without one takes over from a scene of its group."""
    wanted = {groups[i] for i in lost}
    members: dict[str, list[int]] = defaultdict(list)
    for i, group in enumerate(groups):
        if group in wanted:
            members[group].append(i)
    found: dict[int, str | None] = {}
    for indices in members.values():
        part = items.take(pa.array(indices, pa.int64()))
        strips = _strips(part)
        footprints = shapely.from_wkb(part["footprint_wkb"].to_pylist())
        times = zip(part["t_start"].to_pylist(), part["t_end"].to_pylist(), strict=True)
        for i, footprint, (start, end) in zip(indices, footprints, times, strict=True):
            if identities[i] is None:
                found[i] = joined(Loner(footprint, start, end), strips)
    return found


def _strips(part: pa.Table) -> list[Strip]:
    """Return the scenes of one group that are known by their datastrip."""
    named = part.filter(pc.is_valid(part["identity"]))
    identities = named["identity"].to_pylist()
    best: dict[str, int] = {}
    for i in _best_first(named, identities):
        best.setdefault(identities[i], i)
    wkb = named["footprint_wkb"].to_pylist()
    return [Strip(identity, shapely.from_wkb(wkb[i])) for identity, i in best.items()]


def _best_first(items: pa.Table, keys: Sequence[str]) -> list[int]:
    """Return the rows by key, those of one key from the best to the worst."""
    named = pc.is_valid(items["identity"]).to_pylist()
    columns = [items[name].to_pylist() for name in _TIE_BREAKERS]
    ranks = list(zip(named, *columns, strict=True))
    order = sorted(range(len(keys)), key=lambda i: ranks[i], reverse=True)
    return sorted(order, key=lambda i: keys[i])


def _superseded(rows: pa.Table, is_winner: np.ndarray, kind: pa.DataType) -> pa.ListArray:
    """Return the losers of each scene, best first, as a column of lists."""
    losers = rows.filter(pa.array(~is_winner))
    fields = [field.name for field in kind.value_type]
    structs = pa.StructArray.from_arrays(
        [losers[name].combine_chunks().cast(kind.value_type.field(name).type) for name in fields],
        fields=list(kind.value_type),
    )
    starts = np.flatnonzero(is_winner)
    sizes = np.diff(np.r_[starts, len(is_winner)]) - 1
    offsets = np.r_[0, np.cumsum(sizes)].astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), structs, type=kind)
