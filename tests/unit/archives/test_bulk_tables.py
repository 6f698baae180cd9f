"""Rows of stac-geoparquet read in columns against the same rows read one by one."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import rustac
import shapely
import stac_geoparquet.arrow
from stac_items import (
    FOLDER,
    columns,
    earth_search,
    landsat,
    linked,
    modis,
    naip,
    sentinel2,
    write_lines,
)

from geosr_lake.archives import Rows, normalise, normalise_rows, plan_units, read_offered
from geosr_lake.archives.bulk.normalise import plain_rows
from geosr_lake.scenes.reading import item_schema, read_rows

SCHEMA = item_schema()
PLAIN = [linked(item) for item in (naip(), landsat(), modis(), sentinel2())]
REAL = {
    "naip_colorado_2019_2022.parquet": 10_000,
    "sentinel2_colorado_2024.parquet": 1_000,
    "landsat_colorado_100.parquet": 100,
}
"""Files of plain items as archives serve them, and how many they hold: all go by columns."""


def reference(rows: Rows) -> pa.RecordBatch:
    return normalise(list(rows.records()), SCHEMA, folder=FOLDER)


def check(batch: pa.RecordBatch) -> list[int]:
    """Check that both ways give the same rows; return the numbers of those read in columns."""
    rows = Rows(batch, "part 0 of a.parquet", 0)
    expected = reference(rows)
    seen = []
    for part, numbers in normalise_rows(rows, SCHEMA, folder=FOLDER):
        assert part.equals(expected.take(pa.array(numbers)))
        seen += numbers.tolist()
    assert sorted(seen) == list(range(len(rows)))
    plain: list[int] = plain_rows(rows, SCHEMA)[1].tolist()
    return plain


def changed(batch: pa.RecordBatch, name: str, column: pa.Array | None) -> pa.RecordBatch:
    """Return a batch with a column replaced, added or dropped."""
    held = dict(zip(batch.schema.names, batch.columns, strict=True)) | {name: column}
    return pa.RecordBatch.from_pydict({n: c for n, c in held.items() if c is not None})


@pytest.mark.parametrize(("name", "count"), REAL.items())
def test_real_files(real_data: Path, name: str, count: int) -> None:
    found = 0
    for unit in plan_units([real_data / "items" / name]):
        for rows in read_offered(unit):
            assert isinstance(rows, Rows)
            batch, numbers = plain_rows(rows, SCHEMA)
            assert numbers.tolist() == list(range(len(rows)))
            assert batch.equals(normalise(list(rows.records()), SCHEMA, folder=unit.folder))
            found += len(rows)
    assert found == count


def test_a_file_that_holds_no_items_has_no_plain_rows(real_data: Path) -> None:
    (unit, *_) = plan_units([real_data / "items" / "naip_us_index_sample_7200.parquet"])
    rows = next(read_offered(unit))
    assert isinstance(rows, Rows)
    assert check(rows.batch.slice(0, 50)) == []


def test_plain_rows_of_every_sensor() -> None:
    assert sorted(check(columns(PLAIN))) == [0, 1, 2, 3]


def test_part_of_a_batch() -> None:
    items = [item for item in PLAIN for _ in range(3)]
    assert len(check(columns(items).slice(2, 7))) == 7


UTC_TIMES = [datetime(2024, 8, 3, 18, 0, 11, 24_000, UTC)] * len(PLAIN)


@pytest.mark.parametrize(
    ("name", "column", "plain"),
    [
        ("id", pa.large_string(), 4),
        ("id", pa.dictionary(pa.int32(), pa.string()), 4),
        ("id", pa.array(["", None, "x", "y"]), 0),
        ("type", None, 4),
        ("type", pa.array(["Feature", None, "", "Collection"]), 2),
        ("stac_version", None, 4),
        ("stac_version", pa.array(["1.1.0", None, "0.9.0", "2.0.0"]), 1),
        ("collection", pa.array([1, 2, 3, 4]), 0),
        ("links", None, 0),
        ("links", pa.large_list(columns(PLAIN)["links"].type.value_type), 4),
        ("links", pa.nulls(4), 0),
        ("links", pa.array(["x"] * 4), 0),
        ("geometry", pa.large_binary(), 4),
        ("geometry", pa.array([b"", None, None, b"\x01"], pa.binary()), 1),
        ("geometry", pa.array(["x"] * 4), 0),
        ("assets", pa.array(["{}"] * 4), 0),
        ("assets", pa.nulls(4, columns(PLAIN)["assets"].type), 4),
        ("datetime", pa.array(UTC_TIMES, pa.timestamp("ms", "UTC")), 2),
        ("datetime", pa.array(UTC_TIMES, pa.timestamp("us", "UTC")), 2),
        ("datetime", pa.array([None] * 4, pa.timestamp("us", "UTC")), 3),
        ("datetime", pa.array(UTC_TIMES, pa.timestamp("ns", "UTC")), 2),
        ("datetime", pa.array(UTC_TIMES, pa.timestamp("us", "Etc/UTC")), 2),
        ("datetime", pa.array(UTC_TIMES, pa.timestamp("us", "America/Denver")), 0),
        ("updated", pa.array(UTC_TIMES, pa.timestamp("ns", "UTC")), 4),
        ("updated", pa.array([None, 2**40 + 1, 0, 1000], pa.timestamp("ns")), 0),
        ("updated", pa.array([None, 2**62, 0, 0], pa.timestamp("us")), 0),
        ("updated", pa.array([0, -1, 10**15, 5 * 10**15], pa.timestamp("us")), 1),
        ("eo:cloud_cover", pa.array([None, -1.0, float("nan"), 200.0]), 2),
        ("eo:cloud_cover", pa.array([50, 50, 50, 50], pa.int8()), 4),
        ("eo:cloud_cover", pa.array(["50", "x", "", None]), 2),
        ("eo:cloud_cover", pa.array([True] * 4), 0),
        ("gsd", pa.array([0.1, 0.2, 0.3, 0.4], pa.float32()), 4),
        ("proj:epsg", pa.array([[1]] * 4), 1),
        ("deprecated", pa.array([None, True, False, None]), 2),
        ("properties", pa.array([{"a": 1}] * 4), 0),
        ("other", pa.array([b"\xff"] * 4).view(pa.string()), 0),
        ("other", pa.array([{"a": [1.5]}] * 4), 4),
        ("other", pa.array([[time] for time in UTC_TIMES]), 0),
    ],
)
def test_types_that_differ_by_file(
    name: str, column: pa.Array | pa.DataType | None, plain: int
) -> None:
    batch = columns(PLAIN)
    if isinstance(column, pa.DataType):
        column = batch[name].cast(column)
    assert len(check(changed(batch, name, column))) == plain


@pytest.mark.parametrize("key", [".hdf", "[0]", "a.b", "", "ü"])
def test_keys_of_assets_that_look_like_paths(key: str) -> None:
    item = linked(modis())
    item["assets"] = {"hdf": {"href": "https://h/1", "roles": ["x"]}, **item["assets"]}
    item["assets"][key] = {"href": "https://h/2", "roles": ["data"]}
    assert check(columns([item])) == [0]


def test_two_fields_of_one_name() -> None:
    batch = columns([linked(naip())])
    image = batch["assets"].field("image")
    twice = pa.StructArray.from_arrays([image, image], names=["image", "image"])
    assert check(changed(batch, "assets", twice)) == []


def test_two_columns_of_one_name() -> None:
    batch = columns(PLAIN)
    twice = pa.RecordBatch.from_arrays(
        [*batch.columns, batch["gsd"]], names=[*batch.schema.names, "gsd"]
    )
    assert plain_rows(Rows(twice, "", 0), SCHEMA)[1].tolist() == []


@pytest.mark.parametrize(
    "shape",
    [
        shapely.Point(1, 2),
        shapely.box(0, 0, 400, 1),
        shapely.Polygon([(0, 0), (1, 1), (1, 0), (0, 1)]),
        shapely.force_3d(shapely.box(0, 0, 1, 1)),
        shapely.MultiPolygon([shapely.box(0, 0, 1, 1), shapely.box(2, 0, 3, 1)]),
        shapely.Polygon(),
    ],
)
def test_geometries(shape: shapely.Geometry) -> None:
    batch = columns([linked(naip())])
    sound = shape.geom_type == "MultiPolygon"
    wkb = pa.array([shapely.to_wkb(shape)])
    assert len(check(changed(batch, "geometry", wkb))) == int(sound)


def test_curves_are_left_to_the_reference() -> None:
    batch = columns([linked(naip()), linked(sentinel2())])
    curve = bytes.fromhex("010800000003000000" + "00" * 48)
    wkb = pa.array([curve, batch["geometry"][1].as_py()])
    assert check(changed(batch, "geometry", wkb)) == []


@pytest.mark.parametrize(
    "href", ["https://h/x?sig=abc", "./x.tif", "x\x00.tif", "", "s3://b/" + "k" * 5000, None]
)
def test_links_that_are_not_plain(href: str | None) -> None:
    items = [linked(earth_search(sentinel2())), linked(landsat())]
    for item in items:
        for asset in item["assets"].values():
            asset["href"] = href
    check(columns(items))


def test_a_value_that_python_cannot_hold_is_one_row_of_many(tmp_path: Path) -> None:
    batch = columns([linked(naip(quarter=quarter)) for quarter in ("nw", "ne", "sw")])
    times = pa.array([0, 2**62, 0], pa.timestamp("us"))
    path = tmp_path / "a.parquet"
    pq.write_table(pa.Table.from_batches([changed(batch, "updated", times)]), path)
    (unit,) = plan_units([path])
    found = pa.Table.from_batches(read_rows(unit)).filter(pc.field("records").is_null())
    assert found["position"].to_pylist() == [0, 1, 2]
    assert found["reason"].to_pylist() == [None, "row_unreadable", None]
    assert "row 1 of part 0" in found["evidence"][1].as_py()


@pytest.mark.parametrize("rows_a_group", [7, 100])
def test_units_of_a_file_give_its_rows_once(
    tmp_path: Path, rows_a_group: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("geosr_lake.archives.sources.UNIT_ROWS", 3)
    monkeypatch.setattr("geosr_lake.archives.parquet.BATCH_ROWS", 2)
    items = [linked(naip(quad=f"41102{n:02d}")) for n in range(1, 31)]
    path = tmp_path / "a.parquet"
    table = pa.Table.from_batches([columns(items)])
    pq.write_table(table, path, row_group_size=rows_a_group)
    units = plan_units([path])
    assert len(units) > 3
    found = [row for unit in units for part in read_rows(unit) for row in part.to_pylist()]
    ids = [row["item_id"] for row in found if row["records"] is None]
    assert ids == [item["id"] for item in items]
    assert sum(row["records"] for row in found if row["records"] is not None) == 30


def written_by_stac_geoparquet(items: list[Any], path: Path) -> None:
    lines = write_lines(path.with_suffix(".ndjson"), items)
    stac_geoparquet.arrow.parse_stac_ndjson_to_parquet(str(lines), str(path))


def written_by_rustac(items: list[Any], path: Path) -> None:
    async def write() -> None:
        await rustac.write(str(path), items)

    asyncio.run(write())


@pytest.mark.parametrize("write", [written_by_stac_geoparquet, written_by_rustac])
@pytest.mark.parametrize("item", PLAIN, ids=lambda item: item["id"])
def test_files_of_every_writer(
    tmp_path: Path, write: Callable[[list[Any], Path], None], item: Any
) -> None:
    path = tmp_path / "a.parquet"
    write([{**item, "bbox": [-107.0, 39.0, -102.0, 42.0]}] * 3, path)
    (unit,) = plan_units([path])
    (rows,) = read_offered(unit)
    assert isinstance(rows, Rows)
    assert check(rows.batch) == [0, 1, 2]
    assert set(reference(rows)["outcome"].to_pylist()) == {"kept"}
