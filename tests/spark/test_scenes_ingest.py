"""`scenes ingest` on a lake: counts of real files, repeats, order, what a killed run left."""

import json
import random
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession
from stac_items import earth_search, landsat, modis, naip, sentinel2, write_lines

from geosr_lake.cli.app import app
from geosr_lake.errors import ContractError, UsageError
from geosr_lake.lake import Lake, datafiles, ledger, tables
from geosr_lake.scenes import ingest as module
from geosr_lake.scenes.accounts import STATUSES
from geosr_lake.scenes.engine import Engine
from geosr_lake.scenes.ingest import IngestSummary, ingest
from geosr_lake.scenes.selection import Selection

pytestmark = pytest.mark.spark

RUN_COLUMNS = {"source_file", "run_id", "ingested_at"}
TABLES = ("items", "scenes", "tiles")


def contents(lake: Lake) -> dict[str, pa.Table]:
    """Return the rows of the stage's tables without what tells of the run, sorted."""
    found = {}
    for table in TABLES:
        rows = lake.arrow(table)
        rows = rows.drop_columns(sorted(RUN_COLUMNS & set(rows.column_names)))
        keys = {"items": "content_hash", "scenes": "scene_id", "tiles": "extent_id"}
        second = {"items": "item_id", "scenes": "scene_id", "tiles": "tile"}
        order = [(keys[table], "ascending"), (second[table], "ascending")]
        found[table] = rows.sort_by(order).combine_chunks()
    return found


def counts(summary: IngestSummary) -> tuple[int, ...]:
    names = ("read", "kept", "repeated", "unsupported", "quarantined")
    return tuple(getattr(summary, name) for name in names)


def world() -> list[Any]:
    """A small archive with every kind of item in it."""
    lone = earth_search(sentinel2(strip=None))
    return [
        naip(state="co"),
        naip(state="ne"),
        naip(quarter="se"),
        landsat(),
        landsat(usgs=True),
        modis(),
        modis(produced=""),
        modis("MOD14A1"),
        sentinel2(),
        sentinel2(strip="20240803T180459", generated="20240804T111111"),
        lone,
        {**naip(quarter="ne"), "geometry": None},
        {**naip(quarter="nw"), "stac_version": "2.0.0"},
        {"type": "Catalog", "id": "root"},
        naip(state="co"),
    ]


@pytest.mark.parametrize(
    ("names", "read", "kept", "scenes", "lost"),
    [
        (["naip_colorado_2019_2022.parquet"], 10_000, 10_000, 9_883, 117),
        (["naip_alabama_florida_2011_2023.ndjson.gz"], 1_000, 1_000, 1_000, 0),
        (["sentinel2_colorado_2024.parquet"], 1_000, 1_000, 1_000, 0),
        (["landsat_colorado_100.parquet", "landsat_colorado_more.ndjson.gz"], 292, 193, 193, 0),
        (["modis_13q1_americas_2023.ndjson.gz"], 425, 425, 425, 0),
    ],
)
def test_real_files_alone_in_an_empty_lake(
    lake: Lake,
    real_data: Path,
    names: list[str],
    read: int,
    kept: int,
    scenes: int,
    lost: int,
) -> None:
    summary = ingest(lake, [real_data / "items" / name for name in names])
    assert counts(summary) == (read, kept, read - kept, 0, 0)
    assert (summary.scenes, summary.superseded) == (scenes, lost)
    assert lake.df("scenes").count() == scenes


def test_dialects_and_a_file_that_holds_no_items(lake: Lake, real_data: Path) -> None:
    folder = real_data / "items"
    summary = ingest(
        lake, [folder / "dialects.ndjson.gz", folder / "naip_us_index_sample_7200.parquet"]
    )
    dialects, index = summary.files
    assert (dialects.read, dialects.kept, dialects.unsupported, dialects.quarantined) == (
        400,
        287,
        110,
        3,
    )
    assert (index.read, index.quarantined) == (7_200, 7_200)
    assert summary.reasons == {
        "geometry_invalid": 1,
        "json_invalid": 1,
        "not_an_item": 7_200,
        "product_not_paired": 110,
        "tile_contradicts_id": 1,
    }
    assert (summary.kept, summary.scenes + summary.superseded) == (287, 287)
    # Every table's rows can be read without a JVM, geometries included.
    assert lake.arrow("scenes")["footprint_wkb"].null_count == 0


@pytest.mark.parametrize("engine", ["here", pytest.param("spark", marks=pytest.mark.slow)])
def test_the_same_again_changes_nothing_but_runs(
    lake: Lake, tmp_path: Path, engine: Engine
) -> None:
    path = write_lines(tmp_path / "a.ndjson.gz", world())
    first = ingest(lake, [path], engine=engine)
    assert counts(first) == (15, 10, 1, 3, 1)
    assert (first.scenes, first.superseded) == (6, 4)
    before, rows = lake.versions, contents(lake)
    again = ingest(lake, [path, path.parent], engine=engine)
    assert counts(again) == (15, 0, 15, 0, 0)
    assert again.groups_derived == 0
    lake.refresh()
    changed = {table for table, version in lake.versions.items() if version != before[table]}
    assert changed == {"runs"}
    assert contents(lake) == rows
    runs = lake.arrow("runs").sort_by("started_at").to_pylist()
    assert [run["status"] for run in runs] == ["done", "done"]
    assert dict(runs[1]["counts"])["repeated"] == 15
    assert json.loads(runs[0]["detail"])["files"][0]["reasons"] == {
        "collection_or_catalog": 1,
        "geometry_missing": 1,
        "product_not_paired": 1,
        "stac_after_1": 1,
    }


def test_the_order_of_files_and_items_does_not_matter(spark: SparkSession, tmp_path: Path) -> None:
    items = world()
    write_lines(tmp_path / "a" / "1.ndjson", items[:9])
    write_lines(tmp_path / "a" / "2.ndjson.gz", [items[0], *items[9:]])
    shuffled = [*items, items[0]]
    random.Random(5).shuffle(shuffled)
    write_lines(tmp_path / "b" / "x.ndjson.gz", shuffled[:5])
    write_lines(tmp_path / "b" / "a.ndjson", shuffled[5:])
    one, other, third = (Lake.create(tmp_path / f"lake{n}") for n in range(3))
    first = ingest(one, [tmp_path / "a"])
    second = ingest(other, [tmp_path / "b"])
    assert counts(first) == counts(second) == (16, 10, 2, 3, 1)
    # The same files, one run each and the later part first.
    ingest(third, [tmp_path / "b" / "x.ndjson.gz"])
    ingest(third, [tmp_path / "b" / "a.ndjson"])
    for table, rows in contents(one).items():
        assert rows.equals(contents(other)[table]), table
        assert rows.equals(contents(third)[table]), table


def test_a_lone_scene_gives_way_to_its_datastrip(lake: Lake, tmp_path: Path) -> None:
    lone = earth_search(sentinel2(strip=None))
    ingest(lake, [write_lines(tmp_path / "1.ndjson", [lone, naip()])])
    (before,) = lake.df("scenes").where("sensor = 'sentinel2'").collect()
    assert before["standalone"]
    summary = ingest(lake, [write_lines(tmp_path / "2.ndjson", [sentinel2()])])
    assert (summary.scenes, summary.superseded, summary.groups_derived) == (2, 1, 1)
    (after,) = lake.df("scenes").where("sensor = 'sentinel2'").collect()
    assert (after["standalone"], after["item_id"]) == (False, sentinel2()["id"])
    assert after["scene_id"] != before["scene_id"]
    assert [loser["item_id"] for loser in after["superseded"]] == [lone["id"]]


def test_a_tile_grows_with_its_scenes(lake: Lake, tmp_path: Path) -> None:
    from stac_items import box

    small, large = box(-106, 40.5, -105, 41), box(-106.2, 40.5, -104.9, 41.5)
    first = sentinel2(geometry=small)
    second = sentinel2(sensed="20240805T180011", strip="20240805T180500", geometry=large)
    ingest(lake, [write_lines(tmp_path / "1.ndjson", [first])])
    (before,) = lake.df("tiles").collect()
    ingest(lake, [write_lines(tmp_path / "2.ndjson", [second])])
    (after,) = lake.df("tiles").collect()
    assert (before["scene_count"], after["scene_count"]) == (1, 2)
    assert (after["xmin"], after["ymax"]) == (-106.2, 41.5)
    assert before["extent_id"] != after["extent_id"]


def test_the_command_prints_a_summary_or_json(
    lake: Lake, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_lines(tmp_path / "a.ndjson", world())
    command = ["scenes", "ingest", str(path), "--lake", str(lake.root)]
    assert app(command, standalone_mode=False) in (None, 0)
    printed = capsys.readouterr()
    for text in ("a.ndjson", "geometry_missing", "the item has no geometry", "modis scenes"):
        assert text in printed.out
    assert "Next: geosr pairs build --recipe modis_landsat8" in printed.err
    assert app([*command, "--json"], standalone_mode=False) in (None, 0)
    summary = json.loads(capsys.readouterr().out)
    assert summary["repeated"] == summary["files"][0]["repeated"] == 15
    assert summary["scenes_by_sensor"] == {"landsat": 1, "modis": 1, "naip": 2, "sentinel2": 2}


@pytest.mark.fault
@pytest.mark.parametrize(
    ("cut", "engine"),
    [
        ("derive_pending", "here"),
        ("_holdings", "here"),
        pytest.param("derive_pending", "spark", marks=pytest.mark.slow),
    ],
)
def test_a_run_that_was_cut_off_is_finished_by_the_next(
    lake: Lake, tmp_path: Path, cut: str, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_lines(tmp_path / "a.ndjson", world())
    other = write_lines(tmp_path / "b.ndjson", [naip(day="20220901")])

    def killed(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, cut, killed)
        with pytest.raises(KeyboardInterrupt):
            ingest(lake, [path], engine=engine)
    # Nobody sees half of it.
    lake.refresh()
    assert lake.df("items").count() == 0
    assert lake.df("scenes").count() == 0
    # What was appended is there and is not appended again; scenes are derived all the same.
    summary = ingest(lake, [path, other], engine=engine)
    assert counts(summary) == (16, 1, 15, 0, 0)
    assert (summary.scenes, summary.superseded) == (7, 4)
    undisturbed = Lake.create(tmp_path / "undisturbed")
    ingest(undisturbed, [path, other])
    for table, rows in contents(lake).items():
        assert rows.equals(contents(undisturbed)[table]), table
    assert [run["status"] for run in lake.arrow("runs").sort_by("started_at").to_pylist()] == [
        "failed",
        "done",
    ]


def test_a_source_that_is_not_there_leaves_no_trace(lake: Lake, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        ingest(lake, [tmp_path / "missing.parquet"])
    lake.refresh()
    assert "runs" not in lake.versions
    new = tmp_path / "new"
    words = ["scenes", "ingest", "missing.parquet", "--lake", str(new)]
    assert app(words, standalone_mode=False) == 2
    assert not new.exists()


@pytest.mark.parametrize("name", ["a.ndjson", "a.parquet"])
def test_a_file_without_an_item_is_counted(lake: Lake, tmp_path: Path, name: str) -> None:
    if name.endswith("parquet"):
        text = pa.array([], pa.string())
        pq.write_table(pa.table({"id": text, "geometry": text, "assets": text}), tmp_path / name)
    else:
        write_lines(tmp_path / name, [])
    summary = ingest(lake, [tmp_path / name])
    assert [(f.path, f.read) for f in summary.files] == [(str(tmp_path / name), 0)]
    assert (summary.scenes, summary.tiles) == (0, 0)


def test_items_outside_of_box_and_days_are_counted_and_left_out(lake: Lake, tmp_path: Path) -> None:
    path = write_lines(tmp_path / "a.ndjson", world())
    everything = Lake.create(tmp_path / "everything")
    ingest(everything, [path])
    box, days = (-102.2, 41.0, -102.1, 42.0), (date(2022, 8, 27), date(2024, 8, 3))
    summary = ingest(lake, [path], selection=Selection(bbox=box, days=days))
    assert sum(getattr(summary, name) for name in STATUSES) == summary.read == 15
    # By the bounds and times of the rows that an ingest of everything makes.
    inside = {
        row["content_hash"]
        for row in everything.arrow("items").to_pylist()
        if row["t_start"] is None
        or (
            row["xmin"] <= box[2]
            and row["xmax"] >= box[0]
            and row["ymin"] <= box[3]
            and row["ymax"] >= box[1]
            and row["t_start"].date() <= days[1]
            and (row["t_end"] > midnight(days[0]) or row["t_start"] >= midnight(days[0]))
        )
    }
    held = set(lake.arrow("items")["content_hash"].to_pylist())
    assert held == inside
    assert 0 < summary.kept < 10
    assert summary.left_out > 0
    # What was left out comes when it is asked for, as if all had come at once.
    assert ingest(lake, [path]).left_out == 0
    for table, rows in contents(everything).items():
        assert rows.equals(contents(lake)[table]), table


def midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def test_the_first_items_only(lake: Lake, tmp_path: Path) -> None:
    one = write_lines(tmp_path / "1.ndjson", world()[:9])
    write_lines(tmp_path / "2.ndjson.gz", world()[9:])
    summary = ingest(lake, [tmp_path], selection=Selection(max_items=11))
    assert (summary.read, [counts.read for counts in summary.files]) == (11, [9, 2])
    other = Lake.create(tmp_path / "other")
    ingest(other, [one, write_lines(tmp_path / "two" / "b.ndjson", world()[9:11])])
    for table, rows in contents(lake).items():
        assert rows.equals(contents(other)[table]), table


def test_the_command_selects(
    lake: Lake, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_lines(tmp_path / "a.ndjson", world())
    words = ["scenes", "ingest", str(path), "--lake", str(lake.root), "--json"]
    options = ["--bbox", "-180,-90,0,0", "--datetime", "2024-08-01", "--max-items", "12"]
    assert app([*words, *options], standalone_mode=False) in (None, 0)
    summary = json.loads(capsys.readouterr().out)
    assert (summary["read"], summary["kept"], summary["left_out"] > 0) == (12, 0, True)


def test_a_signed_href_cannot_be_written(lake: Lake, tmp_path: Path) -> None:
    canary = "CANARY-91c2"
    signed = naip()
    signed["assets"]["image"]["href"] += f"?se=2024-01-01&sig={canary}"
    broken = {**naip(quarter="ne"), "geometry": None}
    broken["links"] = [{"rel": "self", "href": f"https://h/x?sig={canary}"}]
    broken["xarray:storage_options"] = {"credential": canary}
    ingest(lake, [write_lines(tmp_path / "a.ndjson", [signed, broken])])
    found = [file for file in lake.root.rglob("*") if file.is_file()]
    assert found
    assert not any(canary.encode() in file.read_bytes() for file in found)
    assert canary not in str([lake.arrow(table).to_pylist() for table in TABLES])
    # The table itself refuses what the reader would have let through, whoever writes.
    rows = lake.df("items").where("outcome = 'kept'").withColumn("item_id", _text("other"))
    bad = rows.withColumn("assets", _map("image", f"https://h/a.tif?x=1&SIG={canary}"))
    with pytest.raises(ContractError, match="hrefs_unsigned"):
        tables.append(lake.spark, lake.root, "items", bad)
    found_bad = bad.toArrow().cast(ledger.arrow_schema("items"))
    with pytest.raises(ContractError, match="hrefs_unsigned"):
        datafiles.write(lake.root, "items", found_bad, "test")


def _text(value: str) -> Any:
    from pyspark.sql import functions as f

    return f.lit(value)


def _map(key: str, value: str) -> Any:
    from pyspark.sql import functions as f

    return f.create_map(f.lit(key), f.lit(value))
