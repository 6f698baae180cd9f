"""Slices of work to rows: what Spark maps, run without Spark."""

import json
from pathlib import Path

import pyarrow as pa
import pytest
from stac_items import landsat, naip, write_lines

from geosr_lake.archives import find_files, plan_units
from geosr_lake.scenes import reading
from geosr_lake.scenes.reading import item_schema, output_schema, read_slices, sliced

ITEMS = [naip(quarter=quarter) for quarter in ("nw", "ne", "sw", "se")]


def batch(slices: list[str]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict({"slice": slices})


@pytest.mark.parametrize("batch_records", [1, 2, 1024])
def test_rows_and_their_number(
    tmp_path: Path, batch_records: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "BATCH_RECORDS", batch_records)
    one = write_lines(tmp_path / "a.ndjson", ITEMS)
    other = write_lines(tmp_path / "b.ndjson.gz", [landsat(), {"type": "Catalog"}])
    slices = sliced(plan_units(find_files([tmp_path])), parallelism=1)
    found = pa.Table.from_batches(read_slices([batch(slices)]))
    assert found.schema == output_schema()
    rows = found.to_pylist()
    counts = {row["source_file"]: row["records"] for row in rows if row["records"] is not None}
    assert counts == {str(one): 4, str(other): 2}
    items = [row for row in rows if row["records"] is None]
    assert [row["outcome"] for row in items] == ["kept"] * 5 + ["unsupported"]
    assert [row["position"] for row in items if row["source_file"] == str(one)] == [0, 1, 2, 3]


def test_a_file_without_a_record_is_counted(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "a.ndjson", [])
    (text,) = sliced(plan_units([path]), parallelism=2)
    (row,) = pa.Table.from_batches(read_slices([batch([text])])).to_pylist()
    assert (row["source_file"], row["records"], row["outcome"]) == (str(path), 0, None)


@pytest.mark.parametrize(("units", "parallelism"), [(1, 2), (3, 2), (10, 2), (1000, 2), (7, 16)])
def test_every_unit_is_in_one_slice(tmp_path: Path, units: int, parallelism: int) -> None:
    path = write_lines(tmp_path / "a.ndjson", [])
    slices = sliced(plan_units([path]) * units, parallelism)
    assert sum(len(json.loads(text)) for text in slices) == units
    assert len(slices) == min(units, max(2 * parallelism, units // reading.SLICE_UNITS))


def test_the_columns_are_those_of_the_contract() -> None:
    names = item_schema().names
    assert names[:4] == ["archive", "collection", "item_id", "content_hash"]
    assert not set(names) & set(reading.RUN_COLUMNS)
