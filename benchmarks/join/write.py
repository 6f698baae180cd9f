"""Acquisitions into a lake: the tables `scenes` and `tiles`, a year at a time."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from geosr_lake import ids
from geosr_lake.lake import Lake, deltalog, ledger
from geosr_lake.lake.datafiles import Writer
from join.sky import Floats, Looks, looks

HEX = np.frombuffer(b"0123456789abcdef", np.uint8)
CELL_DEG = 2.0
ROWS_AT_ONCE = 10_000


class Facts(NamedTuple):
    """What every scene of a sensor states: cloud or not, its pixels, zone 0 of its CRS."""

    cloud: bool
    gsd_m: float
    epsg: int | None


FACTS = {
    "modis": Facts(False, 500.0, None),
    "landsat": Facts(True, 30.0, 32600),
    "sentinel2": Facts(True, 10.0, 32600),
    "naip": Facts(False, 0.6, 26900),
}


def random_ids(prefix: str, count: int, rng: np.random.Generator) -> pa.Array:
    """Return ids of the lake's form: as random as hashes are, and faster."""
    width = len(prefix) + 24
    text = np.empty((count, width), np.uint8)
    text[:, : len(prefix)] = np.frombuffer(prefix.encode(), np.uint8)
    nibbles = rng.integers(0, 256, (count, 12), np.uint8)
    text[:, len(prefix) :: 2], text[:, len(prefix) + 1 :: 2] = HEX[nibbles >> 4], HEX[nibbles & 15]
    return _fixed(text, pa.string())


def _fixed(rows: np.ndarray, kind: pa.DataType) -> pa.Array:
    offsets = np.arange(len(rows) + 1, dtype=np.int32) * rows.shape[1]
    return pa.Array.from_buffers(
        kind, len(rows), [None, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(rows))]
    )


def quads_wkb(corners: np.ndarray) -> pa.Array:
    """Return the WKB of quadrilaterals, shape (n, 4, 2)."""
    rows = np.empty((len(corners), 93), np.uint8)
    head = b"\x01" + np.array([3, 1, 5], "<u4").tobytes()
    rows[:, :13] = np.frombuffer(head, np.uint8)
    ring = np.concatenate([corners, corners[:, :1]], axis=1).reshape(len(corners), 10)
    rows[:, 13:] = np.ascontiguousarray(ring).view(np.uint8).reshape(len(corners), 80)
    return _fixed(rows, pa.binary())


def on_the_map(corners: Floats) -> Floats:
    """Return quads cut off at the antimeridian, on the side on which their greater part lies.

    An ingest writes both parts; what is generated here has one.
    """
    middle = corners[:, :, 0].mean(axis=1)
    turns = np.where(middle > 180, -360.0, np.where(middle < -180, 360.0, 0.0))
    moved = corners + np.stack([turns, np.zeros(len(corners))], 1)[:, None]
    return np.clip(moved, [-180, -90], [180, 90])


def scene_rows(seen: Looks, rng: np.random.Generator, *, cells: bool) -> pa.Table:
    """Return the rows of `scenes`; with `cells`, a grid cell in the place of the native tile."""
    count = len(seen.tile)
    own = seen.shape < 0
    corners = on_the_map(seen.corners)
    wkb, names = quads_wkb(corners), random_ids("ftp-", count, rng)
    boxes = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
    if seen.shapes:
        at = pa.array(np.where(own, 0, seen.shape))
        repeated = pa.array([ids.footprint_id(text) for text in seen.shapes])
        wkb = pc.if_else(pa.array(own), wkb, pa.array(seen.shapes, pa.binary()).take(at))
        names = pc.if_else(pa.array(own), names, repeated.take(at))
        bounds = shapely.bounds(shapely.from_wkb(seen.shapes))
        boxes = np.where(own[:, None], boxes, bounds[np.where(own, 0, seen.shape)])
    if cells:
        x, y = (((boxes[:, k] + boxes[:, k + 2]) / 2 // CELL_DEG).astype(np.int64) for k in (0, 1))
        code, tile_at = np.unique((x + 1000) * 10_000 + y + 1000, return_inverse=True)
        tile = pa.array([f"c{c:08}" for c in code]).take(pa.array(tile_at))
    else:
        tile = pa.array(seen.names).take(pa.array(seen.tile))
    instant = pa.timestamp("us", tz="UTC")
    zone = ((boxes[:, 0] + boxes[:, 2]) / 2 + 180) // 6 + 1
    facts = FACTS[seen.sensor]
    values = {
        "scene_id": random_ids("scn-", count, rng),
        "tile": tile,
        "group_key": tile,
        "t_start": pa.array(seen.start_us, instant),
        "t_end": pa.array(seen.end_us, instant),
        **{name: boxes[:, k] for k, name in enumerate(("xmin", "ymin", "xmax", "ymax"))},
        "footprint_id": names,
        "footprint_wkb": wkb,
        # A third of the scenes under little cloud, a third under much.
        "cloud_frac": pa.array(rng.beta(0.5, 0.5, count)) if facts.cloud else pa.nulls(count),
        "gsd_m": pa.repeat(facts.gsd_m, count),
        "epsg": pa.array((facts.epsg + zone).astype(np.int32)) if facts.epsg else pa.nulls(count),
    }
    same = {"sensor": seen.sensor, "product": "P.1", "platform": "p", "archive": "made"}
    same |= {"collection": seen.sensor, "item_id": "", "content_hash": ""}
    columns = []
    schema = ledger.arrow_schema("scenes")
    for field in schema:
        if field.name in values:
            columns.append(pa.array(values[field.name]).cast(field.type))
        elif field.name in same:
            columns.append(pa.repeat(pa.scalar(same[field.name], field.type), count))
        elif field.nullable:
            columns.append(pa.nulls(count, field.type))
        elif field.type == pa.bool_():
            columns.append(pa.repeat(pa.scalar(False), count))
        else:  # no assets, nothing superseded
            columns.append(pa.repeat(pa.scalar([], field.type), count))
    return pa.Table.from_arrays(columns, schema=schema)


class Extents:
    """Bounds of tiles, gathered as scenes pass."""

    def __init__(self) -> None:
        self.seen: dict[str, list[pa.Table]] = {}

    def add(self, sensor: str, rows: pa.Table) -> None:
        edges = [("xmin", "min"), ("ymin", "min"), ("xmax", "max"), ("ymax", "max")]
        found = rows.group_by("tile").aggregate([*edges, ("tile", "count")])
        found = found.rename_columns(
            {f"{n}_{how}": n for n, how in edges} | {"tile_count": "scene_count"}
        )
        self.seen.setdefault(sensor, []).append(found)

    def tiles(self) -> pa.Table:
        found = []
        for sensor, parts in self.seen.items():
            edges = [("xmin", "min"), ("ymin", "min"), ("xmax", "max"), ("ymax", "max")]
            merged = pa.concat_tables(parts).group_by("tile")
            merged = merged.aggregate([*edges, ("scene_count", "sum")])
            box = np.stack([merged[f"{n}_{how}"].to_numpy() for n, how in edges], 1)
            wkb = shapely.to_wkb(shapely.normalize(shapely.box(*box.T)), byte_order=1).tolist()
            columns = {
                "sensor": [sensor] * len(wkb),
                "tile": merged["tile"],
                "scene_count": merged["scene_count_sum"],
                **{n: box[:, k] for k, (n, _) in enumerate(edges)},
                "extent_id": [ids.footprint_id(w).replace("ftp-", "ext-") for w in wkb],
                "extent_wkb": wkb,
            }
            found.append(pa.table(columns).cast(ledger.arrow_schema("tiles")))
        return pa.concat_tables(found)


def crowded(seen: Looks, times: int, rng: np.random.Generator) -> Looks:
    """Return the acquisitions with so many of one tile in the place of one, all over the year."""
    busiest = int(np.bincount(seen.tile).argmax())
    more = np.repeat(np.flatnonzero(seen.tile == busiest), times - 1)
    shift = rng.integers(0, seen.start_us.max() - seen.start_us.min(), len(more))
    start = seen.start_us.min() + shift
    length = (seen.end_us - seen.start_us)[more]
    return Looks(
        seen.sensor,
        seen.names,
        np.concatenate([seen.tile, seen.tile[more]]),
        np.concatenate([seen.start_us, start]),
        np.concatenate([seen.end_us, start + length]),
        np.concatenate(
            [seen.corners, seen.corners[more] + rng.normal(0, 0.001, (len(more), 1, 2))]
        ),
        np.concatenate([seen.shape, seen.shape[more]]),
        seen.shapes,
    )


def write(
    root: Path,
    sensors: tuple[str, ...],
    years: int,
    *,
    cells: tuple[str, ...] = (),
    crowd: dict[str, int] | None = None,
) -> int:
    """Write a lake of some sensors and return the number of scenes.

    Args:
        root: A new folder.
        sensors: Which.
        years: How many.
        cells: Sensors whose scenes get grid cells for tiles.
        crowd: By sensor, how many times the scenes of others one of its tiles has.
    """
    extents, total = Extents(), 0
    lake = Lake.create(root)
    with lake.stage("scenes", "bench"):
        for sensor in sensors:
            for year, seen in enumerate(looks(sensor, years)):
                rng = np.random.default_rng([7, year, len(sensor)])
                if (times := (crowd or {}).get(sensor, 1)) > 1:
                    seen = crowded(seen, times, rng)  # noqa: PLW2901
                rows = scene_rows(seen, rng, cells=sensor in cells)
                extents.add(sensor, rows)
                total += len(rows)
                append(root, "scenes", rows)
        append(root, "tiles", extents.tiles())
    return total


def append(root: Path, table: str, rows: pa.Table) -> None:
    """Append rows as an ingest does: the same writer, so many at a time."""
    writer = Writer(root, table, "bench")
    for start in range(0, len(rows), ROWS_AT_ONCE):
        writer.write(rows.slice(start, ROWS_AT_ONCE))
    file = writer.close()
    deltalog.commit(root, table, [] if file is None else [file])
