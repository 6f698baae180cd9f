"""Counts without a scan: sums over files are what a scan finds, at every version."""

import shutil
import time
from collections import Counter
from pathlib import Path
from typing import Any

import lake_v1_world as world
import numpy as np
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from table_rows import add

from geosr_lake.lake import Lake, ledger, summary, tables
from geosr_lake.report.inspect import NOUNS, inspect


def pair(rule: str, n: int, gap: float) -> dict[str, Any]:
    names = ("pair_id", "lr_tile", "hr_tile", "hr_scene_id")
    row = dict.fromkeys(names, "x") | {"lr_scene_id": f"scn-{n}", "rule_id": rule}
    return row | {"gap_s": gap, "overlap_frac": 0.25 * (n % 4)}


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.create(tmp_path / "lake")


def by_rule(lake: Lake) -> dict[str, dict[str, Any]]:
    return {row["rule_id"]: row for row in summary.of_table(lake, "pairs")}


def scanned(lake: Lake) -> dict[str, int]:
    return dict(Counter(lake.arrow("pairs")["rule_id"].to_pylist()))


def test_files_with_several_groups_are_summed_and_older_versions_too(lake: Lake) -> None:
    for n in range(3):
        with lake.stage("pairs", "build"):
            rows = [pair(f"rul-{i % (n + 1)}", i, i - 10.0 * n) for i in range(5 + n)]
            add(lake, "pairs", rows)
    found = by_rule(lake)
    assert {rule: row["rows"] for rule, row in found.items()} == scanned(lake)
    gaps = lake.arrow("pairs").to_pylist()
    for rule, row in found.items():
        own = [r for r in gaps if r["rule_id"] == rule]
        assert row["gap_min_s"] == min(r["gap_s"] for r in own)
        assert row["gap_max_s"] == max(r["gap_s"] for r in own)
        assert row["overlap_sum"] == pytest.approx(sum(r["overlap_frac"] for r in own))
    lake._versions["pairs"] = 0
    assert {rule: row["rows"] for rule, row in by_rule(lake).items()} == scanned(lake)


def test_no_data_file_is_opened(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("geosr_lake.report.inspect.SCANNED_ROWS", 0)
    with lake.stage("pairs", "build"):
        add(lake, "pairs", [pair("rul-1", n, n) for n in range(7)])
    for file in Path(tables.table_path(lake.root, "pairs")).glob("*.parquet"):
        file.unlink()
    (row,) = inspect(Lake.open(lake.root), "pairs")[0].records
    assert (row["pairs"], row["gap_max_d"], row["lr_scenes"]) == (7, 6.94444e-05, None)
    with pytest.raises(FileNotFoundError):
        Lake.open(lake.root).arrow("pairs")


def test_files_without_a_summary_are_counted_when_asked_for(lake: Lake) -> None:
    with lake.stage("pairs", "build"):
        add(lake, "pairs", [pair("rul-1", n, n) for n in range(7)])
    expected = by_rule(lake)
    shutil.rmtree(lake.root / "tables" / "file_summaries")
    again = Lake.open(lake.root)
    assert by_rule(again) == expected
    assert summary.keep_up(lake.root, again.versions, ["pairs", "runs", "sites"]) == 1
    assert summary.keep_up(lake.root, again.versions, ["pairs"]) == 0
    assert by_rule(Lake.open(lake.root)) == expected


def test_compacted_files_count_the_same(lake: Lake) -> None:
    for n in range(4):
        with lake.stage("pairs", "build"):
            add(lake, "pairs", [pair(f"rul-{n % 2}", i, i) for i in range(3)])
    before = by_rule(lake)
    with lake.stage("pairs", "build"):
        DeltaTable(str(tables.table_path(lake.root, "pairs"))).optimize.compact()
    assert len(ledger.files_of(lake.root, "pairs", lake.versions["pairs"])) == 1
    assert by_rule(lake) == before


def test_the_old_lake_is_counted_like_a_scan(tmp_path: Path) -> None:
    """Its times are INT96 as Spark writes them; none of its files has a summary."""
    lake = Lake.open(world.unpack(tmp_path))
    found = {row["sensor"]: row for row in summary.of_table(lake, "scenes")}
    scenes = lake.arrow("scenes").to_pylist()
    for sensor, row in found.items():
        own = [r for r in scenes if r["sensor"] == sensor]
        assert row["rows"] == len(own)
        assert row["first"] == min(r["t_start"] for r in own)
        assert row["last"] == max(r["t_end"] for r in own)
        assert row["west"] == min(r["xmin"] for r in own)
        assert row["superseded"] == sum(len(r["superseded"]) for r in own)
        assert row["cloud_known"] == sum(r["cloud_frac"] is not None for r in own)
    items = Counter((r["outcome"], r["reason"]) for r in lake.arrow("items").to_pylist())
    told = Counter[tuple[Any, Any]]()
    for row in summary.of_table(lake, "items"):
        told[row["outcome"], row["reason"]] += row["rows"]
    assert told == items
    for table, counted in summary.COUNTED.items():
        rows = lake.arrow(table)
        assert sum(row["rows"] for row in summary.of_table(lake, table)) == rows.num_rows, table
        assert set(counted.by) <= set(rows.column_names)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_ten_million_rows_are_told_in_two_seconds(lake: Lake) -> None:
    """Ten million pairs, and ten million scenes with little in their rows."""
    rows, parts = 1_000_000, 10
    for part in range(parts):
        number = np.arange(rows)
        text = pa.array(number).cast(pa.string())
        filled = dict.fromkeys(
            ("lr_scene_id", "hr_scene_id", "pair_id", "lr_tile", "hr_tile"), text
        )
        filled |= {
            "rule_id": pa.array(np.where(number % 3, "rul-a", "rul-b")),
            "gap_s": pa.array(number.astype(float)),
            "overlap_frac": pa.array(np.full(rows, 0.5)),
        }
        schema = ledger.arrow_schema("pairs")
        table = pa.table([filled[name] for name in schema.names], schema=schema)
        with lake.stage("pairs", "build"):
            write_deltalake(str(tables.table_path(lake.root, "pairs")), table, mode="append")
        scenes = ledger.arrow_schema("scenes")
        columns = []
        for item in scenes:
            if item.name == "sensor":
                columns.append(pa.array(np.where(number % 4, "landsat", "modis")))
            elif pa.types.is_timestamp(item.type):
                columns.append(pa.array(number + part * rows, pa.int64()).cast(item.type))
            elif pa.types.is_string(item.type) or pa.types.is_binary(item.type):
                columns.append(pa.array(["x"] * rows, item.type))
            elif pa.types.is_floating(item.type):
                columns.append(pa.array(np.zeros(rows)))
            elif item.nullable:
                columns.append(pa.nulls(rows, item.type))
            elif pa.types.is_boolean(item.type):
                columns.append(pa.array(np.zeros(rows, bool)))
            else:
                offsets = pa.array(np.zeros(rows + 1, np.int32))
                empty = item.type
                made = (
                    pa.MapArray.from_arrays(offsets, pa.array([], "string"), pa.array([], "string"))
                    if pa.types.is_map(empty)
                    else pa.ListArray.from_arrays(offsets, pa.array([], empty.value_type))
                )
                columns.append(made.cast(empty))
        with lake.stage("scenes", "ingest"):
            path = str(tables.table_path(lake.root, "scenes"))
            write_deltalake(path, pa.table(columns, schema=scenes), mode="append")
    for noun in NOUNS:
        began = time.perf_counter()
        found = inspect(Lake.open(lake.root), noun)
        assert time.perf_counter() - began < 2.0, noun
        if noun in ("pairs", "scenes"):
            assert sum(row[noun] for row in found[0].records) == rows * parts
