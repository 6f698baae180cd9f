"""Lines of JSON as a frame: each is parsed, what the dialects ask for is picked, the rest is gone.

The parser is the reference's own, so what is JSON and which number a text is are not decided twice.
An item's document lives for as long as it is picked from: the parser's memory is used again for the
next one, which makes parsing four times as fast as keeping the documents does.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
from numpy.typing import NDArray

from geosr_lake.archives.bulk import depth, values
from geosr_lake.archives.bulk.dialects import FLAGS, GRID_KEYS, NUMBERS, TEXTS
from geosr_lake.archives.bulk.frame import OWN_LINKS, TRANSFORM, Assets, Frame
from geosr_lake.archives.bulk.shapes import Rings
from geosr_lake.archives.bulk.values import Mask
from geosr_lake.archives.item import MAX_ASSETS
from geosr_lake.archives.record import MAX_DEPTH, MAX_ITEM_BYTES, unwrapped

MAX_KEYS = 400
"""Distinct keys of assets in one frame; items with more are left to the reference."""

_NUMBERS = pa.list_(pa.float64())
_PROPERTIES: dict[str, pa.DataType] = {
    **dict.fromkeys(TEXTS, pa.string()),
    **dict.fromkeys(NUMBERS, pa.float64()),
    **dict.fromkeys(FLAGS, pa.bool_()),
    TRANSFORM: _NUMBERS,
}
_NAMES = tuple(_PROPERTIES)
_NOT_PLAIN = (orjson.JSONDecodeError, KeyError, TypeError, AttributeError)


def read_lines(texts: Sequence[bytes]) -> tuple[Frame, NDArray[np.int64]]:
    """Return the lines that can be read in columns, and their numbers among `texts`."""
    picked = _Picked()
    numbers = [i for i, text in enumerate(texts) if picked.add(text)]
    frame = picked.frame()
    frame.need(depth.within([texts[i] for i in numbers], MAX_DEPTH))
    return frame, np.asarray(numbers, dtype=np.int64)


class _Picked:
    """What was picked of the items so far, flat: lists of values, item after item."""

    def __init__(self) -> None:
        self._frames: list[tuple[Any, Any, Any]] = []
        self._properties: list[tuple[Any, ...]] = []
        self._keys: set[str] = set()
        self._kind_of_keys: dict[tuple[str, ...], int] = {}
        self._kinds: list[int] = []
        self._hrefs: list[Any] = []
        self._is_data: list[bool] = []
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
        properties, assets, links = doc["properties"], doc.get("assets") or {}, doc.get("links")
        keys = tuple(assets)
        fields = assets.values()
        hrefs = [asset.get("href") for asset in fields]
        is_data = [
            type(roles := asset.get("roles")) is list and "data" in roles for asset in fields
        ]
        grids = [(key, assets[key].get(TRANSFORM)) for key in GRID_KEYS if key in assets]
        own = [
            href
            for link in (links if type(links) is list else ())
            if link.get("rel") in OWN_LINKS and type(href := link.get("href")) is str
        ]
        row = tuple(map(properties.get, _NAMES))
        kind = self._kind(keys)
        if kind is None or properties.get("deprecated") is not None:
            return False
        # From here on nothing fails: an item is there with all that was picked, or not at all.
        at = len(self._frames)
        self._frames.append((doc.get("stac_version"), doc.get("id"), doc.get("collection")))
        self._properties.append(row)
        self._kinds.append(kind)
        self._hrefs += hrefs
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

    def _kind(self, keys: tuple[str, ...]) -> int | None:
        """Return the number of these keys of assets among those that items have; None: too many."""
        found = self._kind_of_keys.get(keys)
        if found is None:
            if len(keys) > MAX_ASSETS or len(self._keys.union(keys)) > MAX_KEYS:
                return None
            self._keys.update(keys)
            found = self._kind_of_keys[keys] = len(self._kind_of_keys)
        return found

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
        kinds = np.asarray(self._kinds, np.int64)
        sizes = np.array([len(keys) for keys in self._kind_of_keys], np.int64)[kinds]
        fits = np.ones(len(self._hrefs), bool)
        hrefs = values.of_python(self._hrefs, pa.string(), fits)
        ok[np.repeat(np.arange(len(ok)), sizes)[~fits]] = False
        starts = np.cumsum(sizes) - sizes
        index = {key: np.full(len(ok), -1, np.int64) for key in self._keys}
        for number, keys in enumerate(self._kind_of_keys):
            mine = np.flatnonzero(kinds == number)
            for position, key in enumerate(keys):
                index[key][mine] = starts[mine] + position
        is_data = np.array([*self._is_data, False])
        assets = {}
        for key, at in index.items():
            assets[key] = Assets(hrefs.take(pa.array(at, mask=at < 0)), is_data[at])
        for key, grids in self._grids.items():
            if grids:
                column = grids + [None] * (len(ok) - len(grids))
                assets[key].transform = values.of_python(column, _NUMBERS, ok)
        return assets


def _columns(rows: Sequence[tuple[Any, ...]], count: int) -> list[Sequence[Any]]:
    return list(zip(*rows, strict=True)) if rows else [()] * count
