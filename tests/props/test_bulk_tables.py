"""Columns of stac-geoparquet, mutated: rows read in columns are those read one by one."""

from typing import Any

import pyarrow as pa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stac_items import FOLDER, columns, earth_search, landsat, linked, modis, naip, sentinel2

from geosr_lake.archives import Rows, normalise, normalise_rows
from geosr_lake.scenes.reading import item_schema

ITEMS = [
    *map(linked, (naip(), landsat(), landsat(usgs=True), modis(), sentinel2())),
    *(linked(earth_search(sentinel2())), sentinel2(strip=None)),
]
TEXTS = (
    *("", " ", "x", "2024-01-01", "2024-08-03T18:00:11Z", "2024-02-30T00:00:00Z", "-1", "33", "😀"),
    *("h09v05", "EPSG:32613", "13TDE", "landsat-8", "Sentinel-2A", "1.1.0", "S2A_MSIL1C_x"),
    *(
        "https://h/x?sig=abc",
        "./x.tif",
        "s3://usgs-landsat/LC08_L2SP_033032_20240908_20240914_02_T1",
    ),
)
WHOLE = (-(2**63), -1, 0, 1, 17, 2**53 + 1)
ODD: list[tuple[Any, Any]] = [
    (pa.types.is_string, st.sampled_from(TEXTS)),
    (pa.types.is_integer, st.sampled_from(WHOLE)),
    (pa.types.is_floating, st.sampled_from((float("nan"), float("inf"), -1.0, 0.0, 1e-9, 100.5))),
    (pa.types.is_boolean, st.booleans()),
    (pa.types.is_binary, st.sampled_from((b"", b"\x01\x03", b"\x00" * 30))),
]
COLUMNS = (
    *("proj:code", "license", "platform", "constellation", "grid:code", "start_datetime", "gsd"),
    *(
        "sentinel:valid_cloud_cover",
        "mgrs:utm_zone",
        "mission",
        "modis:vertical-tile",
        "deprecated",
    ),
    *("landsat:wrs_path", "eo:cloud_cover", "proj:epsg", "datetime", "updated", "type", "other"),
)
KINDS = (
    *(pa.string(), pa.int64(), pa.float64(), pa.float32(), pa.bool_(), pa.binary()),
    *(pa.timestamp("ms", "UTC"), pa.timestamp("us"), pa.timestamp("ns"), pa.date32()),
    *(pa.list_(pa.float64()), pa.struct([("href", pa.string())]), pa.null()),
)


def odd(draw: st.DrawFn, kind: pa.DataType) -> Any:
    """Return a value of a type that may be odd, or null."""
    if draw(st.integers(0, 4)) == 0:
        return None
    if pa.types.is_struct(kind):
        return {field.name: odd(draw, field.type) for field in kind}
    if pa.types.is_list(kind):
        return [odd(draw, kind.value_type) for _ in range(draw(st.integers(0, 9)))]
    if pa.types.is_temporal(kind):
        return pa.scalar(draw(st.integers(-(2**31), 2**31 - 1)), pa.int32()).as_py()
    return next((draw(values) for is_kind, values in ODD if is_kind(kind)), None)


def changed_inside(draw: st.DrawFn, value: Any, kind: pa.DataType) -> Any:
    """Return a value with one node of it changed, however deep."""
    if value is None or draw(st.integers(0, 3)) == 0:
        return odd(draw, kind)
    if pa.types.is_struct(kind):
        field = draw(st.sampled_from(list(kind)))
        return {**value, field.name: changed_inside(draw, value[field.name], field.type)}
    if pa.types.is_list(kind) and value:
        at = draw(st.integers(0, len(value) - 1))
        new = changed_inside(draw, value[at], kind.value_type)
        return [*value[:at], new, *value[at + 1 :]]
    return odd(draw, kind)


@st.composite
def batches(draw: st.DrawFn) -> pa.RecordBatch:
    """Some items as columns, up to four of which are dropped, made anew or changed in a row."""
    batch = columns(draw(st.lists(st.sampled_from(ITEMS), min_size=1, max_size=6)))
    held = dict(zip(batch.schema.names, batch.columns, strict=True))
    for _ in range(draw(st.integers(0, 4))):
        name = draw(st.sampled_from([*held, *COLUMNS]))
        what = draw(st.sampled_from(("drop", "make", "change", "change", "change")))
        if what == "drop":
            held.pop(name, None)
        elif what == "make" or name not in held or pa.types.is_temporal(held[name].type):
            kind = draw(st.sampled_from(KINDS))
            held[name] = pa.array([odd(draw, kind) for _ in range(len(batch))], kind)
        else:
            values, at = held[name].to_pylist(), draw(st.integers(0, len(batch) - 1))
            values[at] = changed_inside(draw, values[at], held[name].type)
            held[name] = pa.array(values, held[name].type)
    return pa.RecordBatch.from_pydict(held)


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(batches())
def test_both_ways_give_the_same_rows(batch: pa.RecordBatch) -> None:
    rows = Rows(batch, "part 0 of a.parquet", 0)
    expected = normalise(list(rows.records()), item_schema(), folder=FOLDER)
    seen = []
    for part, numbers in normalise_rows(rows, item_schema(), folder=FOLDER):
        assert part.equals(expected.take(pa.array(numbers)))
        seen += numbers.tolist()
    assert sorted(seen) == list(range(len(rows)))
