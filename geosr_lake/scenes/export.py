"""Scenes as STAC items in stac-geoparquet files, in batches: memory does not grow with them."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from geosr_lake.errors import UsageError
from geosr_lake.lake import Lake, ledger
from geosr_lake.scenes.selection import beyond

ROWS_PER_FILE = 500_000
_BATCH = 20_000
_EXTENSIONS = {
    "eo:": "https://stac-extensions.github.io/eo/v2.0.0/schema.json",
    "proj:": "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
}
_COLUMNS = [
    *("scene_id", "sensor", "platform", "tile", "t_start", "t_end", "xmin", "ymin", "xmax", "ymax"),
    *("cloud_frac", "snow_frac", "gsd_m", "epsg", "footprint_wkb", "archive", "collection"),
    *("item_id", "assets"),
]
_OURS = ("sensor", "tile", "archive", "collection", "item_id")
_MAY_LACK = ("platform", "gsd", "proj:code", "eo:cloud_cover", "eo:snow_cover")


@dataclass(frozen=True)
class ExportSummary:
    """What was written: the folder, its files, and the items in them."""

    folder: str
    files: int
    items: int


@dataclass(frozen=True)
class Chosen:
    """Which scenes; None: all.

    Attributes:
        sensor: modis, landsat, sentinel2 or naip.
        bbox: West, south, east, north in degrees; west > east crosses the antimeridian. Scenes
            whose bounds meet it; of one on both sides of the antimeridian, those of a side.
        interval: First and last moment, UTC; None: open. Scenes whose interval meets it.
    """

    sensor: str | None = None
    bbox: tuple[float, float, float, float] | None = None
    interval: tuple[datetime | None, datetime | None] = (None, None)

    def expression(self) -> Any:
        """Return the condition on the columns of `scenes`, or None."""
        parts = []
        if self.sensor is not None:
            parts.append(pc.field("sensor") == self.sensor)
        if self.bbox is not None:
            west, south, east, north = self.bbox
            parts.append((pc.field("ymax") >= south) & (pc.field("ymin") <= north))
            from_west, to_east = pc.field("xmax") >= west, pc.field("xmin") <= east
            parts.append(from_west & to_east if west <= east else from_west | to_east)
        first, last = self.interval
        if first is not None:
            # [t_start, t_end), an instant where both are one.
            after = pc.field("t_end") > pa.scalar(first)
            parts.append(after | (pc.field("t_start") >= pa.scalar(first)))
        if last is not None:
            parts.append(pc.field("t_start") <= pa.scalar(last))
        whole = None
        for part in parts:
            whole = part if whole is None else whole & part
        return whole


def export(
    lake: Lake, folder: Path, chosen: Chosen, *, rows_per_file: int = ROWS_PER_FILE
) -> ExportSummary:
    """Write the chosen scenes to new files of a new folder, which appears when it is whole.

    An item's id is the scene's; its assets are the winning item's, which `geosr:archive`,
    `geosr:collection` and `geosr:item_id` name (STAC's own `collection` asks for a link that the
    lake does not have). `datetime` is null for an interval; `start_datetime` and `end_datetime`
    (exclusive, as in the table) always stand. Cloud and snow cover are percent. Readers make a
    null column a null property, which STAC does not allow, so items that lack a property lie in
    files that lack its column.

    Raises:
        UsageError: If the folder is there, or no scene is chosen.
    """
    if folder.exists():
        raise UsageError("This is there already", where=str(folder), next_step="Name a new folder.")
    version = lake.versions.get("scenes")
    roles = _roles(lake, version, chosen)
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        files = _Files(partial, rows_per_file)
        try:
            for batch in _batches(lake, version, chosen, _COLUMNS):
                for kind in _alike(item_batch(batch, roles)):
                    files.write(kind)
        finally:
            files.close()
        if not files.items:
            raise UsageError("No scene is chosen", next_step="Widen --sensor, --bbox, --datetime.")
        partial.replace(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return ExportSummary(str(folder), files.files, files.items)


def _alike(items: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """Yield the items that lack the same properties together, without the columns they lack."""
    absent = [pc.is_null(items[name]) for name in _MAY_LACK]
    marks = [pc.if_else(mask, "1", "0") for mask in absent]
    keys = pc.binary_join_element_wise(*marks, "")
    for key in sorted(pc.unique(keys).to_pylist()):
        lacking = [name for name, mark in zip(_MAY_LACK, key, strict=True) if mark == "1"]
        kept = [name for name in items.schema.names if name not in lacking]
        alike = items.filter(pc.equal(keys, key)).select(kept)
        used = [uri for begin, uri in _EXTENSIONS.items() if any(n.startswith(begin) for n in kept)]
        at = kept.index("stac_extensions")
        uris = pa.array([used] * alike.num_rows, alike.schema.field(at).type)
        yield alike.set_column(at, alike.schema.field(at), uris)


class _Files:
    """The open files, one for each set of columns, and what was written."""

    def __init__(self, folder: Path, most: int) -> None:
        self._folder, self._most = folder, most
        self._open: dict[tuple[str, ...], tuple[pq.ParquetWriter, int]] = {}
        self.files = self.items = 0

    def write(self, batch: pa.RecordBatch) -> None:
        """Write a batch, cut where a file is full."""
        key = tuple(batch.schema.names)
        while batch.num_rows:
            writer, room = self._open.get(key) or (self._new(batch.schema), self._most)
            part, batch = batch.slice(0, room), batch.slice(room)
            writer.write_batch(part)
            self.items += part.num_rows
            self._open[key] = writer, room - part.num_rows
            if room == part.num_rows:
                writer.close()
                del self._open[key]

    def _new(self, schema: pa.Schema) -> pq.ParquetWriter:
        file = self._folder / f"part-{self.files:05}.parquet"
        self.files += 1
        with_terms = schema.with_metadata(_file_metadata(schema, file))
        return pq.ParquetWriter(file, with_terms, compression="zstd")

    def close(self) -> None:
        """Close what is open."""
        for writer, _ in self._open.values():
            writer.close()
        self._open.clear()


def _file_metadata(schema: pa.Schema, empty: Path) -> dict[bytes, bytes]:
    """Return what stac-geoparquet says of files with these columns, as it writes it itself."""
    from stac_geoparquet.arrow import to_parquet

    to_parquet(schema.empty_table(), empty)
    found: dict[bytes, bytes] = pq.read_schema(empty).metadata
    empty.unlink()
    return {key: found[key] for key in (b"geo", b"stac-geoparquet")}


def _batches(
    lake: Lake, version: int | None, chosen: Chosen, columns: list[str]
) -> Iterator[pa.RecordBatch]:
    if version is None:
        return
    looked_at = [] if chosen.bbox is None else ["xmin", "xmax", "footprint_wkb"]
    read = [*columns, *(name for name in looked_at if name not in columns)]
    for batch in ledger.batches(
        lake.root, "scenes", version, columns=read, where=chosen.expression(), most=_BATCH
    ):
        found = batch
        if chosen.bbox is not None:
            found = batch.filter(pc.invert(beyond(batch, chosen.bbox)))
        if found.num_rows:
            yield found.select(columns)


def _roles(lake: Lake, version: int | None, chosen: Chosen) -> list[str]:
    """Return every asset role that a chosen scene has."""
    found: set[str] = set()
    for batch in _batches(lake, version, chosen, ["assets"]):
        found |= set(pc.unique(batch["assets"].keys).to_pylist())
    return sorted(found)


def item_schema(roles: list[str]) -> pa.Schema:
    """Return the columns of the files for items with these assets.

    Parquet has no struct without fields: where there is no asset there is no column of them.
    """
    time = pa.timestamp("us", tz="UTC")
    wkb = {
        "ARROW:extension:name": "geoarrow.wkb",
        "ARROW:extension:metadata": '{"crs":"EPSG:4326"}',
    }
    box = pa.struct([(edge, pa.float64()) for edge in ("xmin", "ymin", "xmax", "ymax")])
    asset = pa.struct([("href", pa.string())])
    return pa.schema(
        [
            ("type", pa.string()),
            ("stac_version", pa.string()),
            ("stac_extensions", pa.list_(pa.string())),
            ("id", pa.string()),
            pa.field("geometry", pa.binary(), metadata=wkb),
            ("bbox", box),
            ("links", pa.list_(pa.struct([("href", pa.string()), ("rel", pa.string())]))),
            *([("assets", pa.struct([(role, asset) for role in roles]))] if roles else []),
            *((name, time) for name in ("datetime", "start_datetime", "end_datetime")),
            ("platform", pa.string()),
            ("gsd", pa.float64()),
            ("proj:code", pa.string()),
            ("eo:cloud_cover", pa.float64()),
            ("eo:snow_cover", pa.float64()),
            *((f"geosr:{name}", pa.string()) for name in _OURS),
        ]
    )


def item_batch(rows: pa.RecordBatch, roles: list[str]) -> pa.RecordBatch:
    """Return rows of `scenes` as rows of the files."""
    n, schema = rows.num_rows, item_schema(roles)
    instant = pc.equal(rows["t_start"], rows["t_end"])
    none = pa.scalar(None, pa.timestamp("us", tz="UTC"))
    edges = [rows[edge] for edge in ("xmin", "ymin", "xmax", "ymax")]
    code = pc.binary_join_element_wise("EPSG", pc.cast(rows["epsg"], pa.string()), ":")
    values: dict[str, Any] = {
        "type": pa.repeat("Feature", n),
        "stac_version": pa.repeat("1.1.0", n),
        "stac_extensions": pa.array([[]] * n, pa.list_(pa.string())),
        "id": rows["scene_id"],
        "geometry": rows["footprint_wkb"],
        "bbox": pa.StructArray.from_arrays(edges, ["xmin", "ymin", "xmax", "ymax"]),
        "links": pa.array([[]] * n, schema.field("links").type),
        "assets": _assets(rows["assets"], roles),
        "datetime": pc.if_else(instant, rows["t_start"], none),
        "start_datetime": rows["t_start"],
        "end_datetime": rows["t_end"],
        "gsd": rows["gsd_m"],
        "proj:code": code,
        "eo:cloud_cover": pc.multiply(rows["cloud_frac"], 100.0),
        "eo:snow_cover": pc.multiply(rows["snow_frac"], 100.0),
    }
    columns = [
        values[name] if name in values else rows[name.removeprefix("geosr:")]
        for name in schema.names
    ]
    return pa.RecordBatch.from_arrays(
        [c.cast(t) for c, t in zip(columns, schema.types, strict=True)], schema=schema
    )


def _assets(maps: pa.MapArray, roles: list[str]) -> pa.StructArray:
    """Return role -> href as a struct of structs; null where a scene lacks the role."""
    hrefs = [pc.map_lookup(maps, role, "first") for role in roles]
    assets = [pa.StructArray.from_arrays([href], ["href"], mask=pc.is_null(href)) for href in hrefs]
    return pa.StructArray.from_arrays(assets, roles)
