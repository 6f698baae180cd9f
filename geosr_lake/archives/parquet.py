"""stac-geoparquet: rows of a columnar file back into documents, without what nobody reads."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from geosr_lake.archives.files import place_of
from geosr_lake.archives.record import Record, broken, unwrapped

BATCH_ROWS = 4096
"""Rows that are read at once, as columns."""
HELD_ROWS = 512
"""Rows that are held as Python objects at once."""
_NO_VALUE = (OverflowError, ValueError, pa.ArrowException)
_TOP = frozenset(("type", "stac_version", "id", "collection", "links", "assets", "geometry"))
_UNREAD = ("bbox", "stac_extensions", "providers", "proj:geometry", "proj:projjson")
_ASSET_FIELDS = (
    "href",
    "roles",
    "gsd",
    "proj:transform",
    "proj:epsg",
    "proj:code",
    "proj:wkt2",
)


def wanted_columns(file: pq.ParquetFile) -> list[str]:
    """Return the paths of the columns that are read.

    The struct of assets repeats every field for every asset key: most of a file's columns are
    titles and descriptions there.
    """
    assets_are_a_struct = "assets" in file.schema_arrow.names and pa.types.is_struct(
        file.schema_arrow.field("assets").type
    )
    wanted = []
    for i in range(len(file.schema)):
        path = file.schema.column(i).path
        top = path.partition(".")[0]
        if top in _UNREAD:
            continue
        if top == "assets" and assets_are_a_struct:
            if any(path.endswith(f".{f}") or f".{f}.list." in path for f in _ASSET_FIELDS):
                wanted.append(path)
        elif top != "links" or path.endswith((".href", ".rel")):
            wanted.append(path)
    return wanted


@dataclass(frozen=True, slots=True)
class Rows:
    """Some rows of a file, as they stand in it.

    Attributes:
        batch: The columns that are read.
        where: Row group and file, for messages.
        start: Number of the first of them in the row group.
    """

    batch: pa.RecordBatch
    where: str
    start: int

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.batch)

    def records(self, numbers: Sequence[int] | None = None) -> Iterator[Record]:
        """Yield the records of these of the rows, of all if nothing is said."""
        looks_like_items = {"id", "geometry", "assets"} <= set(self.batch.schema.names)
        wanted = range(len(self.batch)) if numbers is None else numbers
        for first in range(0, len(wanted), HELD_ROWS):
            part = wanted[first : first + HELD_ROWS]
            held = self.batch if len(part) == len(self) else self.batch.take(pa.array(part))
            for number, row in zip(part, _rows(held), strict=True):
                if isinstance(row, Exception):
                    said = f"{type(row).__name__} in row {self.start + number} of {self.where}"
                    yield broken(said.encode(), "row_unreadable")
                else:
                    yield _record(row, looks_like_items=looks_like_items)


def read_rows(path: str, row_group: int, start: int, stop: int) -> Iterator[Rows]:
    """Yield the rows `start` to `stop` of one row group.

    Raises:
        pa.ArrowInvalid: If the file is damaged.
        OSError: If it cannot be read.
    """
    store, inside = place_of(path)
    file = pq.ParquetFile(inside, filesystem=store)
    columns, where = wanted_columns(file), f"part {row_group} of {path}"
    at = 0
    # Threads are the tasks' business: several units are read at once.
    for batch in file.iter_batches(
        BATCH_ROWS, row_groups=[row_group], columns=columns, use_threads=False
    ):
        first, last = max(start, at), min(stop, at + len(batch))
        if first < last:
            yield Rows(batch.slice(first - at, last - first), where, first)
        at += len(batch)
        if at >= stop:
            return


def _rows(batch: pa.RecordBatch) -> list[dict[str, Any] | Exception]:
    """Return the rows; in the place of one with a value that Python cannot hold, the error.

    Such values are times beyond the year 9999 and text that is not UTF-8.
    """
    try:
        rows: list[dict[str, Any] | Exception] = batch.to_pylist()
    except _NO_VALUE as error:
        if len(batch) == 1:
            return [error]
        return [row for i in range(len(batch)) for row in _rows(batch.slice(i, 1))]
    return rows


def _record(row: dict[str, Any], *, looks_like_items: bool) -> Record:
    """Return the record of a row; a row of a file that holds no items is a document as it is."""
    if not looks_like_items:
        return Record(doc=unwrapped(row))
    geometry = row.pop("geometry")
    nested = row.pop("properties", None)
    properties = {name: value for name, value in row.items() if name not in _TOP}
    doc = {
        # The format is defined for items of STAC 1.0 and later: both may be left out.
        "type": row.get("type") or "Feature",
        "stac_version": row.get("stac_version", "1.0.0"),
        "id": row.get("id"),
        "collection": row.get("collection"),
        "properties": {**(nested if isinstance(nested, dict) else {}), **properties},
        "assets": _assets(row.get("assets")),
        "links": row.get("links"),
        "geometry": None if isinstance(geometry, bytes) else geometry,
    }
    return Record(doc=doc, wkb=geometry if isinstance(geometry, bytes) else None)


def _assets(assets: Any) -> Any:
    """Return assets as a mapping: a struct has nulls for what an item lacks, a map is a list."""
    if isinstance(assets, str | bytes):
        try:
            assets = orjson.loads(assets)
        except orjson.JSONDecodeError:
            return None
    if isinstance(assets, list):
        assets = {pair[0]: pair[1] for pair in assets if isinstance(pair, tuple)}
    if not isinstance(assets, dict):
        return None
    return {key: fields for key, fields in assets.items() if fields is not None}
