"""Frames in, rows of the table `items` out: `archives.normalise` for plain items."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from geosr_lake.archives import footprints
from geosr_lake.archives.bulk import texts, values
from geosr_lake.archives.bulk.dialects import DIALECTS
from geosr_lake.archives.bulk.facts import FactColumns, Numbers
from geosr_lake.archives.bulk.frame import Frame
from geosr_lake.archives.bulk.values import Mask
from geosr_lake.archives.footprints import Footprint
from geosr_lake.archives.item import MAX_ID_CHARACTERS
from geosr_lake.archives.reasons import KEPT
from geosr_lake.ids import footprint_id

_PLAIN_VERSION = r"^1\.[1-9][0-9]*\.[0-9]+$|^1\.0\.[0-9]+$"
_Parts = list[pa.Array | str]
_BOX = ("xmin", "ymin", "xmax", "ymax")


def rows_of(frame: Frame, schema: pa.Schema) -> tuple[pa.RecordBatch, NDArray[np.int64]]:
    """Return the rows of the plain items of a frame, and their numbers in it."""
    _check_frames(frame)
    batches, numbers = [], []
    left = frame.ok.copy()
    for dialect in DIALECTS:
        mine = left.copy()
        mine[left] = dialect.recognises(frame.select(left)) if left.any() else False
        if not mine.any():
            continue
        left &= ~mine
        part = frame.select(mine)
        facts = dialect.read(part)
        batch, kept = _rows(part, facts, schema)
        batches.append(batch)
        numbers.append(np.flatnonzero(mine)[kept])
    if not batches:
        return pa.RecordBatch.from_pylist([], schema=schema), np.zeros(0, np.int64)
    whole = batches[0] if len(batches) == 1 else pa.concat_batches(batches)
    return whole, np.concatenate(numbers)


def _check_frames(frame: Frame) -> None:
    """Keep what `archives.item.read_frame` would not reject."""
    frame.need(texts.is_plain_id(frame.item_id, MAX_ID_CHARACTERS))
    frame.need(values.mask(pc.less_equal(pc.binary_length(frame.collection), MAX_ID_CHARACTERS)))
    frame.need(~values.mask(pc.match_substring(frame.collection, "=")))
    frame.need(values.matches(frame.version, _PLAIN_VERSION))


class _Footprints(NamedTuple):
    """WKB, bounds and id of footprints; of items without a sound one they mean nothing."""

    wkb: pa.Array
    boxes: NDArray[np.float64]
    names: pa.Array


def _footprints(frame: Frame, facts: FactColumns) -> _Footprints:
    """Return the footprints; items without a sound one are not plain."""
    if facts.footprint is not None:
        return _footprints_of_tiles(frame, facts.tile, facts.footprint)
    frame.need(footprints.is_sound(frame.shapes))
    wkb, boxes = np.full(len(frame), b"", dtype=object), np.zeros((len(frame), 4))
    wkb[frame.ok], boxes[frame.ok] = footprints.encoded(frame.shapes[frame.ok])
    names = [footprint_id(text) for text in wkb]
    return _Footprints(pa.array(wkb, pa.binary()), boxes, pa.array(names, pa.string()))


def _footprints_of_tiles(
    frame: Frame, tile: pa.Array, known: Mapping[str, Footprint]
) -> _Footprints:
    """Return the footprints that follow from the tiles, each looked up once."""
    encoded = tile.dictionary_encode()
    found = [known.get(name) for name in encoded.dictionary.to_pylist()]
    index = encoded.indices.to_numpy()
    frame.need(np.array([one is not None for one in found], bool)[index])
    wkb = pa.array([one and one.wkb for one in found], pa.binary())
    boxes = np.array([one.bounds if one else (0.0,) * 4 for one in found]).reshape(-1, 4)
    names = pa.array([one and one.footprint_id for one in found], pa.string())
    return _Footprints(wkb.take(encoded.indices), boxes[index], names.take(encoded.indices))


def _rows(
    frame: Frame, facts: FactColumns, schema: pa.Schema
) -> tuple[pa.RecordBatch, NDArray[np.int64]]:
    """Return the rows of the items that are still plain, and their numbers in the frame."""
    count = len(frame)
    ground = _footprints(frame, facts)
    columns: dict[str, pa.Array] = {
        "archive": facts.archive,
        "collection": frame.collection,
        "item_id": frame.item_id,
        "outcome": values.same(KEPT, count),
        "sensor": values.same(facts.sensor, count),
        "product": facts.product,
        "platform": facts.platform,
        "tile": facts.tile,
        "group_key": facts.group_key,
        "identity": facts.identity,
        "version_key": facts.version_key,
        "t_start": values.timestamps(facts.start_us),
        "t_end": values.timestamps(facts.end_us),
        "cloud_frac": _numbers(facts.cloud_frac),
        "snow_frac": _numbers(facts.snow_frac),
        "gsd_m": _numbers(facts.gsd_m),
        "sun_elevation_deg": _numbers(facts.sun_elevation_deg),
        "tier": facts.tier,
        "epsg": None if facts.epsg is None else pa.array(facts.epsg[0], mask=~facts.epsg[1]),
        "transform": _lists(facts.transform),
        "processing_baseline": facts.processing_baseline,
        "dn_offset": facts.dn_offset,
        "footprint_id": ground.names,
        "footprint_wkb": ground.wkb,
        "assets": _maps(facts.roles, count),
        "licence": facts.licence,
    }
    for i, side in enumerate(_BOX):
        columns[side] = pa.array(np.ascontiguousarray(ground.boxes[:, i]))
    columns["content_hash"] = _content_hash(facts, columns, ground.boxes)
    filled = [
        columns[f.name].cast(f.type) if columns.get(f.name) is not None else pa.nulls(count, f.type)
        for f in schema
    ]
    batch = pa.RecordBatch.from_arrays(filled, schema=schema)
    kept = np.flatnonzero(frame.ok)
    return (batch if len(kept) == count else batch.filter(pa.array(frame.ok))), kept


def _numbers(numbers: Numbers | None) -> pa.Array | None:
    return None if numbers is None else pa.array(numbers[0], mask=~numbers[1])


def _lists(affines: Numbers | None) -> pa.Array | None:
    if affines is None:
        return None
    numbers, there = affines
    offsets = np.concatenate([[0], np.cumsum(np.where(there, 6, 0))]).astype(np.int32)
    flat = pa.array(numbers[there].ravel())
    return pa.ListArray.from_arrays(pa.array(offsets), flat, mask=pa.array(~there))


def _maps(roles: dict[str, pa.Array], count: int) -> pa.Array:
    """Return role -> href of each item, in the order of the roles' names."""
    names = sorted(roles)
    if not names or not count:
        offsets = pa.array(np.zeros(count + 1, np.int32))
        return pa.MapArray.from_arrays(
            offsets, pa.array([], pa.string()), pa.array([], pa.string())
        )
    there = np.column_stack([values.valid(roles[name]) for name in names])
    offsets = np.concatenate([[0], np.cumsum(there.sum(axis=1))]).astype(np.int32)
    # Column by column as they are, row by row as they are needed.
    hrefs = pa.concat_arrays([roles[name] for name in names])
    item, role = np.nonzero(there)
    keys = pa.array(names, pa.string()).take(pa.array(role))
    return pa.MapArray.from_arrays(
        pa.array(offsets), keys, hrefs.take(pa.array(role * count + item))
    )


def _content_hash(
    facts: FactColumns, columns: dict[str, pa.Array], boxes: NDArray[np.float64]
) -> pa.Array:
    """Return the hashes that `archives.normalise` gives: of the same JSON, made in columns."""
    parts: dict[str, _Parts] = {
        name: _json_texts(columns[name])
        for name in (
            *("group_key", "identity", "outcome", "platform", "processing_baseline", "product"),
            *("sensor", "tile", "version_key", "footprint_id"),
        )
    }
    licence = values.each_distinct(facts.licence, lambda text: orjson.dumps(text).decode())
    parts["licence"] = [licence]
    parts["t_start"] = parts["t_end"] = [texts.json_times(facts.start_us)]
    if facts.end_us is not facts.start_us:
        parts["t_end"] = [texts.json_times(facts.end_us)]
    for name in ("cloud_frac", "snow_frac", "gsd_m"):
        parts[name] = [_json_or_null(getattr(facts, name))]
    parts["epsg"] = [_json_or_null(facts.epsg)]
    offset = facts.dn_offset
    parts["dn_offset"] = [
        "null" if offset is None else pc.fill_null(offset.cast(pa.string()), "null")
    ]
    parts["transform"] = [_json_affine(facts.transform)]
    parts["assets"] = _json_assets(facts.roles)
    for i, side in enumerate(_BOX):
        parts[side] = [values.json_numbers(boxes[:, i])]
    whole: _Parts = []
    for name in sorted(parts):
        whole += [f'{"," if whole else "{"}"{name}":', *parts[name]]
    return pa.array(texts.digests(values.joined(*_merged([*whole, "}"]))), pa.string())


def _merged(parts: _Parts) -> _Parts:
    """Return the parts with neighbouring constants put together."""
    merged: _Parts = []
    for part in parts:
        if merged and isinstance(part, str) and isinstance(merged[-1], str):
            merged[-1] += part
        else:
            merged.append(part)
    return merged


def _json_texts(column: pa.Array | None) -> _Parts:
    """Return texts that need no escape in quotation marks, ``null`` where there is none."""
    if column is None:
        return ["null"]
    if column.null_count == 0:
        return ['"', column, '"']
    return [pc.fill_null(values.joined('"', column, '"'), "null")]


def _json_or_null(numbers: tuple[NDArray[np.generic], Mask] | None) -> pa.Array | str:
    if numbers is None:
        return "null"
    found, there = numbers
    text = values.json_numbers(found)
    return text if there.all() else values.where(there, text, values.same("null", len(text)))


def _json_affine(affines: Numbers | None) -> pa.Array | str:
    if affines is None:
        return "null"
    numbers, there = affines
    columns: Sequence[pa.Array] = [values.json_numbers(column) for column in numbers.T]
    text = values.joined("[", pc.binary_join_element_wise(*columns, ","), "]")
    return text if there.all() else values.where(there, text, values.same("null", len(text)))


def _json_assets(roles: dict[str, pa.Array]) -> _Parts:
    """Return pairs of role and href: a constant form where every item has every role."""
    begins = {name: f'[{orjson.dumps(name).decode()},"' for name in sorted(roles)}
    if not any(roles[name].null_count for name in roles):
        pairs: _Parts = []
        for name, begin in begins.items():
            pairs += ["," if pairs else "", begin, roles[name], '"]']
        return ["[", *pairs, "]"]
    # A comma before each: with nulls to skip, Arrow loses the rows that have nothing else.
    columns = [
        pc.fill_null(values.joined(f",{begin}", roles[name], '"]'), "")
        for name, begin in begins.items()
    ]
    return ["[", pc.utf8_slice_codeunits(values.joined(*columns), 1), "]"]
