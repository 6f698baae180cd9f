"""Records in, rows of the table `items` out: one batch at a time, never raising for an item."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import orjson
import pyarrow as pa

from geosr_lake.archives import footprints, landsat, modis, naip, sentinel2
from geosr_lake.archives.facts import Facts
from geosr_lake.archives.footprints import Footprint
from geosr_lake.archives.item import Item, archive_of, read_frame
from geosr_lake.archives.reasons import DEPRECATED, KEPT, REASONS, WITHDRAWN, Rejected
from geosr_lake.archives.record import MAX_RAW_KEPT, Record
from geosr_lake.redact import redact

MAX_EVIDENCE_CHARACTERS = 2048


class _Dialect(NamedTuple):
    """How the items of a sensor are known and read."""

    sensor: str
    recognises: Callable[[Item], bool]
    read: Callable[[Item], Facts]


_DIALECTS = tuple(
    _Dialect(module.__name__.rpartition(".")[2], module.recognises, module.read)
    for module in (landsat, sentinel2, modis, naip)
)


@dataclass(slots=True)
class _Draft:
    """A record on its way to a row."""

    record: Record
    item: Item | None = None
    sensor: str | None = None
    facts: Facts | None = None
    footprint: Footprint | None = None
    reason: str | None = None


def normalise(records: Sequence[Record], schema: pa.Schema, *, folder: str) -> pa.RecordBatch:
    """Return one row a record, in their order.

    Equal items give equal rows, whatever file, format or order they came in; hrefs that are
    relative count as what they name, so items with such hrefs are equal within a folder.

    Args:
        records: What the files offered.
        schema: Columns of the table `items` to fill; those that tell of the run and not of the
            item stay null.
        folder: Absolute folder of the file; relative hrefs start there.
    """
    drafts = [_draft(record, folder) for record in records]
    _add_footprints(drafts)
    rows = [_row(draft) for draft in drafts]
    columns = [pa.array([row.get(field.name) for row in rows], type=field.type) for field in schema]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _draft(record: Record, folder: str) -> _Draft:
    """Return what the item says, or why it says nothing."""
    draft = _Draft(record, reason=record.problem)
    if draft.reason is None:
        try:
            draft.item = read_frame(record.doc, folder)
            dialect = _dialect(draft.item)
            draft.sensor = dialect.sensor
            draft.facts = dialect.read(draft.item)
        except Rejected as rejected:
            draft.reason = rejected.reason.code
    return draft


def _dialect(item: Item) -> _Dialect:
    for dialect in _DIALECTS:
        if dialect.recognises(item):
            return dialect
    raise Rejected("sensor_unknown")


def _add_footprints(drafts: Sequence[_Draft]) -> None:
    """Fill in the footprints: those of the tiles, and those that the items state."""
    as_wkb, as_json = [], []
    for draft in drafts:
        if draft.facts is None:
            continue
        if draft.facts.footprint is not None:
            draft.footprint = draft.facts.footprint
        elif draft.record.wkb is not None:
            as_wkb.append(draft)
        else:
            as_json.append(draft)
    found = [
        *footprints.from_wkb([draft.record.wkb for draft in as_wkb]),
        *footprints.from_geojson([d.item.geometry if d.item else None for d in as_json]),
    ]
    for draft, outcome in zip([*as_wkb, *as_json], found, strict=True):
        if isinstance(outcome, Footprint):
            draft.footprint = outcome
        else:
            draft.reason = outcome


def _row(draft: _Draft) -> dict[str, Any]:
    """Return the values of one row by column."""
    if draft.reason is not None or draft.facts is None or draft.footprint is None:
        return _rejected_row(draft)
    facts, footprint, item = draft.facts, draft.footprint, draft.item
    row: dict[str, Any] = {
        "outcome": KEPT,
        "sensor": facts.sensor,
        "product": facts.product,
        "platform": facts.platform,
        "tile": facts.tile,
        "group_key": facts.group_key,
        "identity": facts.identity,
        "version_key": facts.version.key,
        "t_start": facts.time.start,
        "t_end": facts.time.end,
        **dict(zip(("xmin", "ymin", "xmax", "ymax"), footprint.bounds, strict=True)),
        "cloud_frac": facts.cloud_frac,
        "snow_frac": facts.snow_frac,
        "gsd_m": facts.gsd_m,
        "epsg": facts.epsg,
        "transform": facts.transform,
        "processing_baseline": facts.processing_baseline,
        "dn_offset": facts.dn_offset,
        "footprint_id": footprint.footprint_id,
        "assets": sorted(facts.assets.items()),
        "licence": facts.licence,
    }
    if item is not None and item.prop("deprecated") is True:  # the version extension of STAC
        row |= {"outcome": WITHDRAWN, "reason": DEPRECATED}
    row["content_hash"] = _content_hash(row)
    row["footprint_wkb"] = footprint.wkb
    # Later than lakes that hold items: not hashed, so that an item is known again as the same.
    row |= {"sun_elevation_deg": facts.sun_elevation_deg, "tier": facts.tier}
    return row | _names(item, facts.version.archive)


def _rejected_row(draft: _Draft) -> dict[str, Any]:
    """Return the row of an item that is not kept: its names, the reason and evidence."""
    reason = REASONS[draft.reason or "not_an_item"]
    row: dict[str, Any] = {
        "outcome": reason.outcome,
        "reason": reason.code,
        "sensor": draft.sensor,
        "product": draft.facts.product if draft.facts else None,
    }
    row["evidence"] = redact(_evidence(draft.record))[:MAX_EVIDENCE_CHARACTERS]
    row["content_hash"] = _raw_hash(draft.record)
    item = draft.item
    return row | _names(item, archive_of(item) if item else "unknown", draft.record.doc)


def _names(item: Item | None, archive: str, doc: Any = None) -> dict[str, str]:
    """Return archive, collection and id; what a broken document calls itself where it does."""
    if item is not None:
        return {"archive": archive, "collection": item.collection, "item_id": item.id}
    said = doc if isinstance(doc, Mapping) else {}
    collection, item_id = said.get("collection"), said.get("id")
    return {
        "archive": archive,
        "collection": redact(collection)[:512] if isinstance(collection, str) else "",
        "item_id": redact(item_id)[:512] if isinstance(item_id, str) else "",
    }


def _content_hash(row: Mapping[str, Any]) -> str:
    """Return the hash of what was understood of an item.

    The canonical columns, not the text: so an item is the same in NDJSON and GeoParquet, signed
    and unsigned, and with its links in another order.
    """
    text = orjson.dumps(row, default=_plain, option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(text).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)


def _raw_hash(record: Record) -> str:
    """Return the hash of a record that is not kept: its document, unsigned, or its text."""
    if record.digest:
        return record.digest
    text = redact(_dumped(record.doc).decode(errors="replace")).encode()
    return hashlib.sha256(text + (record.wkb or b"")).hexdigest()


_TELLING = ("id", "collection", "stac_version", "type", "properties", "geometry", "links")


def _evidence(record: Record) -> str:
    """Return the beginning of a document, what tells most first; of the text if there is none.

    Equal documents give equal evidence, whatever the order of their keys in the file.
    """
    doc = record.doc
    if record.problem is not None or not isinstance(doc, Mapping):
        text = record.raw or _dumped(doc)
    else:
        rest = sorted(str(key) for key in doc if key not in _TELLING)
        names = [key for key in (*_TELLING, *rest) if key in doc]
        parts = (_dumped(name) + b":" + _dumped(doc[name]) for name in names)
        text = b"{" + b",".join(parts) + b"}"
    return text[:MAX_RAW_KEPT].decode(errors="replace")


def _dumped(value: Any) -> bytes:
    """Return a value as JSON with sorted keys."""
    option = orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS
    return orjson.dumps(value, default=_plain, option=option)
