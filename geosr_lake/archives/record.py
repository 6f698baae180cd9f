"""A record: one thing that a file offered as an item, before anybody looked at it."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from geosr_lake.archives.reasons import Rejected

MAX_ITEM_BYTES = 5 * 2**20
MAX_DEPTH = 64
MAX_RAW_KEPT = 16_384
"""Bytes of a record's text that are kept for evidence before redaction."""


@dataclass(frozen=True, slots=True)
class Record:
    """What one line, row or feature held.

    Attributes:
        doc: The parsed document; with a problem, no more than the names in it.
        raw: Beginning of the text as read, at most `MAX_RAW_KEPT` bytes; empty for rows of a
            columnar file, whose document serves as evidence.
        wkb: The geometry where the file has it as WKB beside the document.
        problem: Code of the reason why there is no document, if there is none.
        digest: SHA-256 of the whole text, with a problem.
    """

    doc: Any = None
    raw: bytes = b""
    wkb: bytes | None = None
    problem: str | None = None
    digest: str = ""


def broken(text: bytes, problem: str, names: Any = None, *, digest: str | None = None) -> Record:
    """Return the record of a text without a document.

    Args:
        text: What was read, or its beginning.
        problem: Code of the reason.
        names: May hold its id and collection.
        digest: SHA-256 of the whole text where `text` is not the whole.
    """
    return Record(
        doc=names,
        raw=text[:MAX_RAW_KEPT],
        problem=problem,
        digest=digest or hashlib.sha256(text).hexdigest(),
    )


def _names(text: bytes) -> dict[str, Any]:
    """Return id and collection out of what is almost JSON (NaN in it, for example)."""
    try:
        doc = unwrapped(json.loads(text))
    except (ValueError, RecursionError):
        return {}
    names = {name: doc.get(name) for name in ("id", "collection")} if isinstance(doc, dict) else {}
    # A lone surrogate is no text that a table could hold.
    return {
        name: value.encode(errors="replace").decode()
        for name, value in names.items()
        if isinstance(value, str)
    }


def parse(text: bytes) -> Record:
    """Return the record of one JSON text; never raises.

    A text may wrap the item as ``{"item": {...}, "provenance": ...}``. NaN, Infinity, lone
    surrogates and nesting beyond `MAX_DEPTH` are refused.
    """
    if len(text) > MAX_ITEM_BYTES:
        return broken(text, "item_too_large")
    try:
        doc = orjson.loads(text)
    except orjson.JSONDecodeError:  # nesting beyond 1,024 too, which the parser refuses itself
        return broken(text, "json_invalid", _names(text))
    if too_deep(doc):
        return broken(text, "item_too_deep")
    return Record(doc=unwrapped(doc), raw=text[:MAX_RAW_KEPT])


def split_page(text: bytes, max_bytes: int) -> Iterator[bytes | Record]:
    """Yield the items of a JSON file as texts: the features of a collection, or the one item."""
    if len(text) > max_bytes:
        yield broken(text, "item_too_large")
        return
    try:
        page = orjson.loads(text)
    except orjson.JSONDecodeError:
        yield broken(text, "json_invalid")
        return
    features = page.get("features") if isinstance(page, dict) else page
    if not isinstance(features, list):
        yield text
        return
    for number, feature in enumerate(features):
        try:
            yield orjson.dumps(feature)
        except orjson.JSONEncodeError:  # writes fewer levels than it reads, more than `MAX_DEPTH`
            yield _too_deep(feature, hashlib.sha256(b"%d of " % number + text).hexdigest())


def _too_deep(doc: Any, digest: str) -> Record:
    item = unwrapped(doc) if isinstance(doc, dict) else {}
    names = {name: item.get(name) for name in ("id", "collection")}
    named = {name: value for name, value in names.items() if isinstance(value, str)}
    return broken(orjson.dumps(named), "item_too_deep", named, digest=digest)


def unwrapped(doc: Any) -> Any:
    """Return the item inside a wrapper, or `doc` where there is no wrapper."""
    if isinstance(doc, dict) and "type" not in doc and isinstance(doc.get("item"), dict):
        return doc["item"]
    return doc


def too_deep(doc: Any) -> bool:
    """Tell whether containers are nested deeper than `MAX_DEPTH`: by level, no recursion."""
    level = [doc] if isinstance(doc, dict | list) else []
    for _ in range(MAX_DEPTH):
        level = [
            child
            for node in level
            for child in (node.values() if isinstance(node, dict) else node)
            if isinstance(child, dict | list)
        ]
        if not level:
            return False
    return True


def require(condition: object, code: str) -> None:
    """Reject with `code` unless `condition` holds."""
    if not condition:
        raise Rejected(code)
