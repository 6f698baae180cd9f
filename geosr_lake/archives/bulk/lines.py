"""Lines of JSON as a frame, read by Arrow's parser with the columns that somebody asks for.

Arrow's parser takes what orjson refuses only where that is looked for here: text that is not UTF-8,
escaped surrogates, nesting. What it cannot fit into the columns is left to the reference.
"""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj
from numpy.typing import NDArray

from geosr_lake.archives.bulk import values
from geosr_lake.archives.bulk.dialects import DIALECTS
from geosr_lake.archives.bulk.frame import Assets, Frame, polygons
from geosr_lake.archives.bulk.values import Mask
from geosr_lake.archives.item import MAX_ASSETS
from geosr_lake.archives.record import MAX_DEPTH, MAX_ITEM_BYTES

PARSED_LINES = 128
"""Lines that are parsed at once: about 2 MB stay in the processor's cache."""
MAX_ERRORS = 8
"""Lines that do not fit after which the rest of such a part is left to the reference."""
MAX_SAMPLED_KEYS = 100

_ROW = re.compile(r"in row (\d+)")
_MARKS = b'{}[]":\n'
_KEPT = _MARKS + b"eEtfNI"
_DROPPED = bytes(set(range(256)) - set(_KEPT))
_STEP = np.zeros(256, np.int8)
_STEP[list(b"{[")] = 1
_STEP[list(b"}]")] = -1
_ODD = np.zeros(256, np.int32)
_ODD[list(b"eE")] = 1
_ODD[list(b"tf")] = -1
_ODD[list(b"NI")] = 1000
_SAMPLED_BYTES = 16
_LONGEST_DIGITS = 288

_LINK = pa.struct([("rel", pa.string()), ("href", pa.string())])
_RINGS = pa.list_(pa.list_(pa.list_(pa.float64())))
_NUMBERS = pa.list_(pa.float64())


def read_lines(texts: Sequence[bytes]) -> tuple[Frame, NDArray[np.int64]]:
    """Return the lines that can be read in columns, and their numbers among `texts`."""
    candidates = np.flatnonzero([_may_be_plain(text) for text in texts])
    schema = _schema(_sampled_keys(texts, candidates))
    tables, rows = [schema.empty_table()], [np.zeros(0, np.int64)]
    for start in range(0, len(candidates), PARSED_LINES):
        part = candidates[start : start + PARSED_LINES]
        for numbers, table in _parsed(texts, part, schema, []):
            tables.append(table)
            rows.append(numbers)
    numbers = np.concatenate(rows)
    return _frame(pa.concat_tables(tables).combine_chunks(), [texts[i] for i in numbers]), numbers


def _may_be_plain(text: bytes) -> bool:
    """Tell whether a line is one that both parsers read alike, as far as a look at it tells."""
    return (
        text.startswith(b"{")
        and text.endswith(b"}")
        and len(text) <= MAX_ITEM_BYTES
        and b"\\u" not in text
        and b'"deprecated"' not in text  # a withdrawn item is the reference's to judge
        and (text.isascii() or _is_utf8(text))
    )


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _sampled_keys(texts: Sequence[bytes], candidates: NDArray[np.int64]) -> frozenset[str]:
    """Return the keys of assets of a few lines: not every dialect has a closed list of them."""
    keys: set[str] = set()
    for i in {*candidates[:1], *candidates[len(candidates) // 2 :][:1], *candidates[-1:]}:
        try:
            doc = orjson.loads(texts[i])
        except orjson.JSONDecodeError:
            continue
        assets = doc.get("assets")
        if isinstance(assets, dict) and len(keys) + len(assets) <= MAX_SAMPLED_KEYS:
            keys.update(assets)
    return frozenset(keys)


@lru_cache(maxsize=64)
def _schema(sampled: frozenset[str]) -> pa.Schema:
    """Return the columns that are read: those of the dialects, and the hrefs of sampled assets."""
    fields: dict[str, set[str]] = {key: {"href", "roles"} for key in sampled}
    properties: dict[str, pa.DataType] = {}
    for dialect in DIALECTS:
        for key in dialect.ASSET_KEYS:
            fields.setdefault(key, {"href"})
        for key in dialect.GRID_KEYS:
            fields.setdefault(key, {"href"}).add("proj:transform")
        properties.update(dict.fromkeys(dialect.TEXTS, pa.string()))
        properties.update(dict.fromkeys(dialect.NUMBERS, pa.float64()))
        properties.update(dict.fromkeys(dialect.FLAGS, pa.bool_()))
    properties["proj:transform"] = _NUMBERS
    kinds = {"href": pa.string(), "roles": pa.list_(pa.string()), "proj:transform": _NUMBERS}
    assets = [
        (key, pa.struct([(name, kinds[name]) for name in sorted(names)]))
        for key, names in sorted(fields.items())
    ]
    return pa.schema(
        [
            *((name, pa.string()) for name in ("type", "stac_version", "id", "collection")),
            ("properties", pa.struct(sorted(properties.items()))),
            ("assets", pa.struct(assets)),
            ("links", pa.list_(_LINK)),
            ("geometry", pa.struct([("type", pa.string()), ("coordinates", _RINGS)])),
        ]
    )


def _parsed(
    texts: Sequence[bytes], part: NDArray[np.int64], schema: pa.Schema, errors: list[int]
) -> Iterable[tuple[NDArray[np.int64], pa.Table]]:
    """Yield numbers and rows of the lines of a part that fit; `errors` are those that did not."""
    if not len(part) or len(errors) > MAX_ERRORS:
        return
    block = b"\n".join([texts[i] for i in part])
    try:
        table = pj.read_json(
            pa.BufferReader(block),
            read_options=pj.ReadOptions(use_threads=False, block_size=len(block) + 1),
            parse_options=pj.ParseOptions(
                explicit_schema=schema, unexpected_field_behavior="ignore"
            ),
        )
    except pa.ArrowInvalid as error:
        found = _ROW.search(str(error))
        row = int(found[1]) if found else 0
        if found is None or row >= len(part):
            return
        errors.append(row)
        yield from _parsed(texts, part[:row], schema, errors)
        yield from _parsed(texts, part[row + 1 :], schema, errors)
        return
    if table.num_rows == len(part):
        yield part, table


def _frame(table: pa.Table, texts: Sequence[bytes]) -> Frame:
    """Return the frame of parsed lines."""
    top = {name: _whole_column(table[name]) for name in table.column_names}
    properties, assets = _children(top["properties"]), _children(top["assets"])
    links = top["links"].flatten()
    geometry = _children(top["geometry"])
    is_polygon = values.mask(pc.equal(geometry["type"], "Polygon"))
    shapes, has_shape = polygons(geometry["coordinates"], is_polygon)
    frame = Frame(
        ok=values.mask(pc.equal(top["type"], "Feature"))
        & values.valid(top["properties"])
        & has_shape
        & _is_sure(texts),
        version=top["stac_version"],
        item_id=top["id"],
        collection=pc.fill_null(top["collection"], ""),
        properties=properties,
        assets={key: _asset(column) for key, column in assets.items()},
        rel=_child(links, "rel"),
        link=_child(links, "href"),
        link_item=pc.list_parent_indices(top["links"]).to_numpy(),
        shapes=shapes,
        closed=np.zeros(len(texts), bool),
    )
    asked = np.zeros(len(frame), bool)
    for dialect in DIALECTS:
        if dialect.ALL_ASSETS:
            asked |= frame.ok & dialect.recognises(frame)
    if asked.any():
        frame.closed = asked & _is_closed(frame, texts)
    return frame


def _whole_column(column: pa.ChunkedArray) -> pa.Array:
    whole = column.combine_chunks()
    return pa.concat_arrays(whole.chunks) if isinstance(whole, pa.ChunkedArray) else whole


def _child(structs: pa.StructArray, name: str) -> pa.Array:
    return pc.struct_field(structs, name)


def _children(structs: pa.StructArray) -> dict[str, pa.Array]:
    """Return the fields of a column of structs; null where the struct is."""
    if structs.null_count:
        return {field.name: pc.struct_field(structs, field.name) for field in structs.type}
    return {field.name: structs.field(i) for i, field in enumerate(structs.type)}


def _asset(structs: pa.StructArray) -> Assets:
    fields = _children(structs)
    return Assets(fields.pop("href"), fields)


def _is_sure(texts: Sequence[bytes]) -> Mask:
    """Tell which lines keep to the limits, and hold no number that orjson refuses.

    The limits are those of depth and of the number of assets; counted are the keys of all objects
    in the second level, which are more. Numbers with an exponent or very many digits, NaN and
    infinity pass Arrow's parser in what nobody reads: lines that may have one are asked twice.
    """
    if not texts:
        return np.zeros(0, bool)
    block = b"\n".join(texts)
    many_digits = _has_many_digits(block)
    if b"\\" in block:
        block = block.replace(b"\\\\", b"").replace(b'\\"', b"")
    marks = np.frombuffer(block.translate(None, _DROPPED) + b"\n", np.uint8)
    # Strings hold no line break, so every line has an even number of quotation marks.
    quote = marks == ord('"')
    in_text = np.cumsum(quote, dtype=np.uint8) & 1
    marks = marks[(in_text == 0) & ~quote]
    depth = np.cumsum(_STEP[marks], dtype=np.int32)
    ends = np.flatnonzero(marks == ord("\n"))
    if len(ends) != len(texts) or depth[ends].any():
        return np.zeros(len(texts), bool)
    starts = np.concatenate([[0], ends[:-1]])
    deepest = np.maximum.reduceat(depth, starts)
    keys = np.add.reduceat((depth == 2) & (marks == ord(":")), starts)
    # Every e of `true` and `false` has its t or f; another is an exponent.
    odd = np.add.reduceat(_ODD[marks], starts, dtype=np.int32) != 0
    sure = np.asarray((deepest <= MAX_DEPTH) & (keys <= MAX_ASSETS))
    for i in np.flatnonzero(sure & (odd | many_digits)).tolist():
        sure[i] = _is_json(texts[i])
    return sure


def _is_json(text: bytes) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True


def _has_many_digits(block: bytes) -> bool:
    """Tell whether there may be a number of 300 digits and more, which may be infinite."""
    digit = (np.frombuffer(block, np.uint8)[::_SAMPLED_BYTES] - 48) < 10
    digits = np.cumsum(digit, dtype=np.int32)
    window = _LONGEST_DIGITS // _SAMPLED_BYTES
    return bool((digits[window:] - digits[:-window] == window).any())


def _is_closed(frame: Frame, texts: Sequence[bytes]) -> Mask:
    """Tell of which items all assets with an href were read: no href stands in a line beside."""
    read = np.bincount(frame.link_item[values.valid(frame.link)], minlength=len(frame))
    for asset in frame.assets.values():
        if asset.href.null_count < len(frame):
            read = read + values.valid(asset.href)
    written = np.array([text.count(b'"href"') for text in texts], dtype=np.int64)
    return np.asarray(written == read)
