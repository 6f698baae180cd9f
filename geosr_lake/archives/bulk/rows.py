"""Frames in, rows of the table `items` out: `archives.normalise` for plain items."""

import hashlib
from collections.abc import Sequence

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from geosr_lake.archives import footprints
from geosr_lake.archives.bulk import values
from geosr_lake.archives.bulk.dialects import DIALECTS
from geosr_lake.archives.bulk.facts import FactColumns, Numbers
from geosr_lake.archives.bulk.frame import Frame
from geosr_lake.archives.bulk.values import Mask
from geosr_lake.archives.item import MAX_ID_CHARACTERS
from geosr_lake.archives.reasons import KEPT
from geosr_lake.ids import ID_DIGITS

_PLAIN_VERSION = r"^1\.[1-9][0-9]*\.[0-9]+$|^1\.0\.[0-9]+$"
_PLAIN_ID = r"^[A-Za-z0-9_.-]+$"
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
    for names in (frame.item_id, frame.collection):
        short = values.mask(pc.less_equal(pc.binary_length(names), MAX_ID_CHARACTERS))
        frame.need(short)
    frame.need(values.matches(frame.item_id, _PLAIN_ID))
    frame.need(values.matches(frame.version, _PLAIN_VERSION))


def _footprints(
    frame: Frame, facts: FactColumns
) -> tuple[NDArray[np.object_], NDArray[np.float64], list[str]]:
    """Return WKB, bounds and id of the footprints; items without a sound one are not plain."""
    if facts.footprint is not None:
        found = [facts.footprint.get(name) for name in facts.tile.to_pylist()]
        frame.need(np.array([footprint is not None for footprint in found], dtype=bool))
        wkb = np.array([f.wkb if f else b"" for f in found], dtype=object)
        boxes = np.array([f.bounds if f else (0.0,) * 4 for f in found]).reshape(-1, 4)
        return wkb, boxes, [f.footprint_id if f else "" for f in found]
    frame.need(footprints.is_sound(frame.shapes))
    wkb, boxes = np.full(len(frame), b"", dtype=object), np.zeros((len(frame), 4))
    wkb[frame.ok], boxes[frame.ok] = footprints.encoded(frame.shapes[frame.ok])
    names = ["ftp-" + hashlib.sha256(text).hexdigest()[:ID_DIGITS] for text in wkb]
    return wkb, boxes, names


def _rows(
    frame: Frame, facts: FactColumns, schema: pa.Schema
) -> tuple[pa.RecordBatch, NDArray[np.int64]]:
    """Return the rows of the items that are still plain, and their numbers in the frame."""
    count = len(frame)
    wkb, boxes, names = _footprints(frame, facts)
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
        "epsg": None if facts.epsg is None else pa.array(facts.epsg[0], mask=~facts.epsg[1]),
        "transform": _lists(facts.transform),
        "processing_baseline": facts.processing_baseline,
        "dn_offset": facts.dn_offset,
        "footprint_id": pa.array(names, pa.string()),
        "footprint_wkb": pa.array(wkb, pa.binary()),
        "assets": _maps(facts.roles, count),
        "licence": facts.licence,
    }
    for i, side in enumerate(_BOX):
        columns[side] = pa.array(np.ascontiguousarray(boxes[:, i]))
    columns["content_hash"] = _content_hash(facts, columns, boxes)
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
    texts: dict[str, pa.Array | str] = {
        name: values.json_texts(column) if column is not None else "null"
        for name, column in (
            *((n, columns[n]) for n in ("group_key", "identity", "outcome", "platform")),
            *((n, columns[n]) for n in ("processing_baseline", "product", "sensor", "tile")),
            *((n, columns[n]) for n in ("version_key", "footprint_id")),
        )
    }
    texts["licence"] = values.each_distinct(facts.licence, lambda text: orjson.dumps(text).decode())
    texts["t_start"], texts["t_end"] = _json_time(facts.start_us), _json_time(facts.end_us)
    if facts.end_us is facts.start_us:
        texts["t_end"] = texts["t_start"]
    for name in ("cloud_frac", "snow_frac", "gsd_m"):
        texts[name] = _json_or_null(getattr(facts, name))
    texts["epsg"] = _json_or_null(facts.epsg)
    offset = facts.dn_offset
    texts["dn_offset"] = (
        "null" if offset is None else pc.fill_null(offset.cast(pa.string()), "null")
    )
    texts["transform"] = _json_affine(facts.transform)
    texts["assets"] = _json_assets(facts.roles, len(facts.start_us))
    for i, side in enumerate(_BOX):
        texts[side] = values.json_numbers(boxes[:, i])
    parts: list[pa.Array | str] = []
    for name in sorted(texts):
        parts += [f'{"," if parts else "{"}"{name}":', texts[name]]
    whole = pc.binary_join_element_wise(*parts, "}", "")
    digests = [
        hashlib.sha256(text).hexdigest() if text is not None else None
        for text in whole.cast(pa.binary()).to_pylist()
    ]
    return pa.array(digests, pa.string())


def _json_time(us: NDArray[np.int64]) -> pa.Array:
    """Return times as orjson writes them: without a fraction where it is zero."""
    text = values.format_times(us, "%Y-%m-%dT%H:%M:%S")
    return values.joined('"', pc.replace_substring_regex(text, r"\.000000$", ""), '+00:00"')


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


def _json_assets(roles: dict[str, pa.Array], count: int) -> pa.Array:
    # A comma before each: with nulls to skip, Arrow loses the rows that have nothing else.
    pairs = [
        pc.fill_null(values.joined(f',[{orjson.dumps(name).decode()},"', roles[name], '"]'), "")
        for name in sorted(roles)
    ]
    if not pairs:
        return values.same("[]", count)
    return values.joined("[", pc.utf8_slice_codeunits(values.joined(*pairs), 1), "]")
