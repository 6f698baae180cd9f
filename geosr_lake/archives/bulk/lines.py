"""Lines of JSON as a frame: each is parsed, what the dialects ask for is picked, the rest is gone.

The parser is the reference's own, so what is JSON and which number a text is are not decided twice.
An item's document lives for as long as it is picked from: the parser's memory is used again for the
next one, which makes parsing four times as fast as keeping the documents does.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import orjson
import pyarrow as pa
from numpy.typing import NDArray

from geosr_lake.archives.bulk import depth, texts, values
from geosr_lake.archives.bulk.dialects import FLAGS, GRID_KEYS, NUMBERS, ROLES_OF, TEXTS
from geosr_lake.archives.bulk.frame import OWN_LINKS, TRANSFORM, Assets, Frame
from geosr_lake.archives.bulk.shapes import Rings
from geosr_lake.archives.bulk.values import Mask
from geosr_lake.archives.item import MAX_ASSETS
from geosr_lake.archives.record import MAX_DEPTH, MAX_ITEM_BYTES, unwrapped

MAX_KEYS = 400
"""Distinct keys of assets in one frame; items with more are left to the reference."""

LINES_AT_ONCE = 64
"""Lines that are looked at twice while they are in the processor's cache: about a megabyte."""
NO_HREF = -1

_NUMBERS = pa.list_(pa.float64())
_PROPERTIES: dict[str, pa.DataType] = {
    **dict.fromkeys(TEXTS, pa.string()),
    **dict.fromkeys(NUMBERS, pa.float64()),
    **dict.fromkeys(FLAGS, pa.bool_()),
    TRANSFORM: _NUMBERS,
}
_NAMES = tuple(_PROPERTIES)
_NOT_PLAIN = (orjson.JSONDecodeError, KeyError, TypeError, AttributeError)


def read_lines(lines: Sequence[bytes]) -> tuple[Frame, NDArray[np.int64]]:
    """Return the lines that can be read in columns, and their numbers among `lines`."""
    picked = _Picked()
    numbers: list[int] = []
    shallow = [np.zeros(0, bool)]
    for start in range(0, len(lines), LINES_AT_ONCE):
        part = range(start, min(start + LINES_AT_ONCE, len(lines)))
        taken = [i for i in part if picked.add(lines[i])]
        shallow.append(depth.within([lines[i] for i in taken], MAX_DEPTH))
        numbers += taken
    frame = picked.frame()
    frame.need(np.concatenate(shallow))
    return frame, np.asarray(numbers, dtype=np.int64)


class _Kind(NamedTuple):
    """Which assets an item has: most items of a file are of one kind.

    Attributes:
        number: Its number among the kinds.
        grids: The keys among them whose pixel grid counts.
    """

    number: int
    grids: tuple[str, ...]


class _Picked:
    """What was picked of the items so far, flat: lists of values, item after item."""

    def __init__(self) -> None:
        self._frames: list[tuple[Any, Any, Any]] = []
        self._properties: list[tuple[Any, ...]] = []
        self._keys: set[str] = set()
        self._kinds: dict[tuple[str, ...], _Kind] = {}
        self._kind_of: list[int] = []
        self._hrefs: list[str] = []
        self._href_sizes: list[int] = []
        self._is_data = bytearray()
        self._grids: dict[str, list[Any]] = {key: [] for key in GRID_KEYS}
        self._links: list[str] = []
        self._links_until: list[int] = []
        self._rings = Rings()

    def add(self, text: bytes) -> bool:
        """Pick from an item; tell whether it is one that can be picked from."""
        if len(text) > MAX_ITEM_BYTES:
            return False
        try:
            doc = unwrapped(orjson.loads(text))
            return doc["type"] == "Feature" and self._add(doc)
        except _NOT_PLAIN:
            return False

    def _add(self, doc: dict[str, Any]) -> bool:
        item_id, properties = doc["id"], doc["properties"]
        assets, links = doc.get("assets") or {}, doc.get("links")
        fields, keys = assets.values(), tuple(assets)
        kind = self._kinds.get(keys) or self._new_kind(keys)
        if kind is None or properties.get("deprecated") is not None:
            return False
        hrefs, sizes = _one_after_the_other([asset.get("href") for asset in fields])
        if item_id.startswith(ROLES_OF):
            is_data = bytes(_has_data(asset.get("roles")) for asset in fields)
        else:
            is_data = bytes(len(keys))
        grids = [(key, assets[key].get(TRANSFORM)) for key in kind.grids]
        own = [
            href
            for link in (links if type(links) is list else ())
            if link.get("rel") in OWN_LINKS and type(href := link.get("href")) is str
        ]
        row = tuple(map(properties.get, _NAMES))
        # From here on nothing fails: an item is there with all that was picked, or not at all.
        at = len(self._frames)
        self._frames.append((doc.get("stac_version"), item_id, doc.get("collection")))
        self._properties.append(row)
        self._kind_of.append(kind.number)
        self._hrefs.append(hrefs)
        self._href_sizes += sizes
        self._is_data += is_data
        for key, transform in grids:
            if transform is not None:
                column = self._grids[key]
                column += [None] * (at - len(column))
                column.append(transform)
        self._links += own
        self._links_until.append(len(self._links))
        self._rings.add(doc.get("geometry"))
        return True

    def _new_kind(self, keys: tuple[str, ...]) -> _Kind | None:
        """Return the kind of items with these assets; None if there are too many."""
        if len(keys) > MAX_ASSETS or len(self._keys.union(keys)) > MAX_KEYS:
            return None
        self._keys.update(keys)
        kind = _Kind(len(self._kinds), tuple(key for key in GRID_KEYS if key in keys))
        self._kinds[keys] = kind
        return kind

    def frame(self) -> Frame:
        """Return what was picked, in columns; what does not fit is not plain."""
        count = len(self._frames)
        ok = np.ones(count, bool)
        version, item_id, collection = (
            values.of_python(column, pa.string(), ok) for column in _columns(self._frames, 3)
        )
        properties = {
            name: values.of_python(column, _PROPERTIES[name], ok)
            for name, column in zip(_NAMES, _columns(self._properties, len(_NAMES)), strict=True)
            if column.count(None) < count
        }
        return Frame(
            ok=ok,
            version=version,
            item_id=item_id,
            collection=collection.fill_null(""),
            properties=properties,
            assets=self._assets(ok),
            link=pa.array(self._links, pa.string()),
            link_item=np.repeat(np.arange(count), np.diff([0, *self._links_until])),
            shapes=self._rings.polygons(),
        )

    def _assets(self, ok: Mask) -> dict[str, Assets]:
        """Return the assets by key, taken out of the flat lists."""
        kinds = np.asarray(self._kind_of, np.int64)
        sizes = np.array([len(keys) for keys in self._kinds], np.int64)[kinds]
        starts = np.cumsum(sizes) - sizes
        href_sizes = np.array([*self._href_sizes, NO_HREF], np.int32)
        hrefs = texts.of_bytes("".join(self._hrefs).encode(), np.maximum(href_sizes, 0))
        is_data = np.frombuffer(bytes(self._is_data) + b"\0", bool)
        assets = {}
        # The last of the flat lists is what items have that lack a key: nothing.
        index = {key: np.full(len(ok), -1, np.int64) for key in self._keys}
        for number, keys in enumerate(self._kinds):
            mine = np.flatnonzero(kinds == number)
            for position, key in enumerate(keys):
                index[key][mine] = starts[mine] + position
        for key, at in index.items():
            missing = href_sizes[at] == NO_HREF
            assets[key] = Assets(hrefs.take(pa.array(at, mask=missing)), is_data[at])
        for key, grids in self._grids.items():
            if grids:
                column = grids + [None] * (len(ok) - len(grids))
                assets[key].transform = values.of_python(column, _NUMBERS, ok)
        return assets


def _one_after_the_other(hrefs: list[Any]) -> tuple[str, list[int]]:
    """Return links as one text, and the length of each; `NO_HREF` where there is none.

    Raises:
        TypeError: If one is no text, or not ASCII: that is not plain.
    """
    sizes = [NO_HREF if href is None else len(href) for href in hrefs]
    whole = "".join(filter(None, hrefs))
    if not whole.isascii():
        raise TypeError("not ASCII")
    return whole, sizes


def _has_data(roles: Any) -> bool:
    return type(roles) is list and "data" in roles


def _columns(rows: Sequence[tuple[Any, ...]], count: int) -> list[Sequence[Any]]:
    return list(zip(*rows, strict=True)) if rows else [()] * count
