"""Rows of stac-geoparquet as a frame: the columns of the file are those of the frame.

Types differ by file. A batch with a column that is not of a type that is known here, or with a
value that Python could not hold, is left to the reference as a whole.
"""

from contextlib import suppress
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from geosr_lake.archives.bulk import shapes, values
from geosr_lake.archives.bulk.dialects import FLAGS, GRID_KEYS, NUMBERS, TEXTS
from geosr_lake.archives.bulk.frame import OWN_LINKS, TRANSFORM, Assets, Frame
from geosr_lake.archives.bulk.values import Mask
from geosr_lake.archives.item import MAX_ASSETS

_NEEDED = frozenset(("id", "geometry", "assets"))
_ASKED = (*TEXTS, *NUMBERS, *FLAGS, TRANSFORM)
_NUMBERS = pa.list_(pa.float64())
_OWN_LINKS = pa.array(sorted(OWN_LINKS))
_ZONES = (None, "UTC", "+00:00", "Etc/UTC")
_TICKS_A_SECOND = {"s": 1, "ms": 10**3, "us": 10**6}
_FIRST_S = int(datetime.min.replace(tzinfo=UTC).timestamp())
_LAST_S = int(datetime.max.replace(tzinfo=UTC).timestamp())


def read_batch(batch: pa.RecordBatch) -> Frame | None:
    """Return all rows of a batch, marked where they are plain; None where it is not as a whole."""
    names = batch.schema.names
    if len(set(names)) < len(names) or not names or not set(names) >= _NEEDED:
        return None
    columns = [_usual(column) for column in batch.columns]
    if "properties" in names or not all(map(_can_be_held, columns)):
        return None
    top = {name: _simple(column) for name, column in zip(names, columns, strict=True)}
    assets, links = _assets(top["assets"]), _links(top.get("links"))
    texts = {name: top.get(name, values.nulls(len(batch))) for name in ("id", "collection", "type")}
    version = top.get("stac_version", values.same("1.0.0", len(batch)))
    is_text = all(pa.types.is_string(column.type) for column in (version, *texts.values()))
    if (
        assets is None
        or links is None
        or not is_text
        or not pa.types.is_binary(top["geometry"].type)
    ):
        return None
    link, link_item = links
    frame = Frame(
        ok=values.mask(pc.equal(pc.fill_null(texts["type"], "Feature"), "Feature")),
        version=version,
        item_id=texts["id"],
        collection=pc.fill_null(texts["collection"], ""),
        properties={name: top[name] for name in _ASKED if name in top},
        assets=assets,
        link=link,
        link_item=link_item,
        shapes=shapes.of_wkb(top["geometry"]),
    )
    if "deprecated" in top:
        frame.need(~values.valid(top["deprecated"]))
    return frame


def _usual(column: pa.Array) -> pa.Array:
    """Return a column as one of a usual type, where no value changes.

    What a dictionary stands for; nanoseconds, as pandas has them, that are whole microseconds.
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        return column.dictionary_decode()
    if pa.types.is_timestamp(kind) and kind.unit == "ns":
        with suppress(pa.ArrowInvalid):
            return column.cast(pa.timestamp("us", kind.tz))
    return column


def _can_be_held(column: pa.Array) -> bool:
    """Tell whether every value is one that Python can hold, as far as the types are known."""
    kind = column.type
    if pa.types.is_timestamp(kind):
        if kind.unit not in _TICKS_A_SECOND or kind.tz not in _ZONES:
            return False
        ticks = pc.min_max(column.cast(pa.int64()))
        first, last = ticks["min"].as_py(), ticks["max"].as_py()
        a_second = _TICKS_A_SECOND[kind.unit]
        return first is None or _FIRST_S * a_second <= first <= last <= _LAST_S * a_second
    if not _is_known(kind):
        return False
    try:
        column.validate(full=True)  # text is UTF-8, too
    except pa.ArrowInvalid:
        return False
    return True


def _is_known(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        names = {field.name for field in kind}
        return len(names) == kind.num_fields and all(_is_known(field.type) for field in kind)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _is_known(kind.value_type)
    return kind in _KNOWN


_KNOWN = frozenset(
    (
        *(pa.null(), pa.bool_(), pa.float32(), pa.float64()),
        *(pa.int8(), pa.int16(), pa.int32(), pa.int64()),
        *(pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()),
        *(pa.string(), pa.large_string(), pa.binary(), pa.large_binary()),
    )
)


def _simple(column: pa.Array) -> pa.Array:
    """Return texts and bytes of the large types as those of the usual ones."""
    if pa.types.is_large_string(column.type):
        return column.cast(pa.string())
    if pa.types.is_large_binary(column.type):
        return column.cast(pa.binary())
    return column


def _assets(column: pa.Array) -> dict[str, Assets] | None:
    """Return the assets by key; None where they are no struct of structs as the format has it."""
    if not pa.types.is_struct(column.type) or column.type.num_fields > MAX_ASSETS:
        return None
    assets = {}
    for number, field in enumerate(column.type):
        if not pa.types.is_struct(field.type):
            return None
        asset = pc.struct_field(column, [number])
        href = _field(asset, "href")
        if href is None:
            continue
        href = _simple(href)
        if not pa.types.is_string(href.type):
            return None
        transform = _field(asset, TRANSFORM) if field.name in GRID_KEYS else None
        if transform is not None:
            if not _are_numbers(transform.type):
                return None
            transform = transform.cast(_NUMBERS, safe=False)
        assets[field.name] = Assets(
            href, _has(_field(asset, "roles"), "data", len(column)), transform
        )
    return assets


def _field(structs: pa.Array, name: str) -> pa.Array | None:
    number = structs.type.get_field_index(name)  # a name with dots would be taken for a path
    return pc.struct_field(structs, [number]) if number >= 0 else None


def _are_numbers(kind: pa.DataType) -> bool:
    if not (pa.types.is_list(kind) or pa.types.is_large_list(kind)):
        return False
    inner = kind.value_type
    return bool(pa.types.is_floating(inner) or pa.types.is_integer(inner))


def _has(lists: pa.Array | None, text: str, count: int) -> Mask:
    """Tell which lists hold a text."""
    found = np.zeros(count, bool)
    if lists is None or not (pa.types.is_list(lists.type) or pa.types.is_large_list(lists.type)):
        return found
    if pa.types.is_string(lists.type.value_type) or pa.types.is_large_string(lists.type.value_type):
        same = values.mask(pc.equal(lists.flatten(), text))
        found[pc.list_parent_indices(lists).to_numpy()[same]] = True
    return found


def _links(column: pa.Array | None) -> tuple[pa.Array, np.ndarray] | None:
    """Return the links to the archive, and their items; None where links are no list of structs."""
    if column is None or pa.types.is_null(column.type):
        return values.nulls(0), np.zeros(0, np.int64)
    kind = column.type
    if not (pa.types.is_list(kind) or pa.types.is_large_list(kind)):
        return None
    if not pa.types.is_struct(kind.value_type):
        return None
    links = column.flatten()
    rel, href = _field(links, "rel"), _field(links, "href")
    if rel is None or href is None:
        return None
    rel, href = _simple(rel), _simple(href)
    if not (pa.types.is_string(rel.type) and pa.types.is_string(href.type)):
        return None
    own = values.mask(pc.is_in(rel, value_set=_OWN_LINKS)) & values.valid(href)
    items = pc.list_parent_indices(column).to_numpy()[own]
    return href.filter(pa.array(own)), items.astype(np.int64)
