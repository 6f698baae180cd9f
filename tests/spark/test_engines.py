"""Both engines of `scenes ingest` make the same tables, whichever ran before."""

import copy
import json
import random
from dataclasses import asdict
from datetime import date
from itertools import count
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from cut_off import killed
from pyspark.sql import SparkSession
from stac_items import box, earth_search, landsat, modis, naip, sentinel2, write_lines

from geosr_lake.errors import ContractError, UsageError
from geosr_lake.lake import Lake, arrow, datafiles, deltalog, ledger, summary, tables
from geosr_lake.lake.contracts import contract
from geosr_lake.lake.upgrade import changes
from geosr_lake.scenes import engine, settle
from geosr_lake.scenes.engine import Engine
from geosr_lake.scenes.ingest import IngestSummary, ingest
from geosr_lake.scenes.selection import Selection
from geosr_lake.scenes.withdraw import WithdrawSummary, withdraw

pytestmark = pytest.mark.spark

OF_A_RUN = ("run_id", "ingested_at")
TABLES = ("items", "scenes", "tiles")
Doc = dict[str, Any]


def contents(lake: Lake) -> dict[str, list[str]]:
    """The rows of the stage's tables, but for what tells of the run."""
    found = {}
    for table in TABLES:
        rows = lake.arrow(table)
        rows = rows.drop_columns([name for name in OF_A_RUN if name in rows.column_names])
        found[table] = sorted(repr(row) for row in rows.to_pylist())
    return found


def said(done: IngestSummary | WithdrawSummary) -> dict[str, Any]:
    return {name: value for name, value in asdict(done).items() if name != "run_id"}


def crossing(doc: Doc) -> Doc:
    """A scene on both sides of the antimeridian."""
    west, east = box(179, 10, 180, 11), box(-180, 10, -179, 11)
    parts = [west["coordinates"], east["coordinates"]]
    return {**doc, "geometry": {"type": "MultiPolygon", "coordinates": parts}}


def docs(rng: random.Random, count: int) -> list[Doc]:
    """Items of all kinds, in few tiles and days: many share a scene, or a group."""
    found: list[Doc] = []
    for _ in range(count):
        day = f"202408{rng.randint(1, 6):02}"
        strip = rng.choice([None, f"{day}T180500", f"{day}T180700"])
        west = -106.2 + rng.choice([0, 0.4])
        area = box(west, 40.5, west + rng.choice([0.5, 1.3]), 41.5)
        made = rng.choice(["20240809T111111", "20240901T000000"])
        s2 = sentinel2(
            tile=rng.choice(["13TDE", "13TEE"]), sensed=f"{day}T180011", strip=strip,
            geometry=area, generated=made,
        )  # fmt: skip
        photo = naip(
            quad=rng.choice(["4010501", "4110502"]), quarter=rng.choice(["sw", "se"]),
            day=day, state=rng.choice(["co", "ne"]),
        )  # fmt: skip
        kinds: list[Doc] = [
            s2,
            s2,
            earth_search(s2),
            photo,
            photo,
            landsat(usgs=rng.random() < 0.5),
        ]
        kinds += [modis(), modis("MOD14A1"), {**photo, "geometry": None}, crossing(s2)]
        kinds += [{**photo, "stac_version": "2.0.0"}, {"type": "Catalog", "id": "root"}]
        doc = copy.deepcopy(rng.choice(kinds))
        if rng.random() < 0.2 and "properties" in doc:
            doc["properties"]["updated"] = f"2025-{rng.randint(1, 12):02}-01T00:00:00Z"
        if rng.random() < 0.1 and "properties" in doc:
            doc["properties"]["deprecated"] = True
        found.append(doc)
    return found + rng.choices(found, k=count // 5)


def cut_off_run(lake: Lake, files: list[Path], how: Engine, cut: int) -> None:
    """Let a run end after so many of its writes."""
    left = count(cut - 1, -1)
    writes = [(tables, "append"), (tables, "apply"), (deltalog, "commit")]
    with killed(writes, lambda *_: next(left) == 0):
        ingest(lake, files, engine=how)


STEPS: list[tuple[Engine | None, Engine, Selection, int]] = [
    # killed by, done by, what is taken in, writes before the kill
    (None, "here", Selection(), 0),
    (None, "spark", Selection(bbox=(-106.3, 40, -105, 42), days=(date(2024, 8, 2),) * 2), 0),
    ("here", "spark", Selection(), 1),
    (None, "here", Selection(), 0),
    ("spark", "here", Selection(), 2),
    ("here", "here", Selection(), 2),
]
"""What happens to a lake on which both engines work."""


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_the_same_rows_and_counts(spark: SparkSession, tmp_path: Path, seed: int) -> None:
    """A lake of both engines, with kills in between, is the one of this process, undisturbed."""
    rng = random.Random(seed)
    mixed, here = Lake.create(tmp_path / "mixed"), Lake.create(tmp_path / "here")
    for step, (killed_by, how, selection, cut) in enumerate(STEPS):
        files = [
            write_lines(tmp_path / f"{step}" / name, docs(rng, 12))
            for name in ("b.ndjson", "a.ndjson.gz")
        ]
        if killed_by:
            cut_off_run(mixed, files, killed_by, cut)
            mixed.refresh()
        one = said(ingest(mixed, files, selection=selection, engine=how))
        other = said(ingest(here, files, selection=selection, engine="here"))
        if killed_by:  # what the killed run had appended is repeated now
            for told in ("scenes", "scenes_by_sensor", "superseded", "taken_out", "tiles", "read"):
                assert one[told] == other[told], (step, told)
        else:
            assert one == other, step
        if step == 3:
            first, second, *_ = sorted(
                here.arrow("scenes").to_pylist(), key=lambda row: str(row["item_id"])
            )
            of_first = {name: first[name] for name in ("archive", "collection")}
            both = [first["item_id"], second["item_id"]]
            for ids, only in ((both[:1], of_first), (both, {})):
                one = said(withdraw(mixed, ids, engine="spark", **only))
                assert one == said(withdraw(here, ids, engine="here", **only))
        for table, rows in contents(mixed).items():
            assert rows == contents(here)[table], (step, table)


@pytest.mark.slow
def test_real_items(spark: SparkSession, tmp_path: Path, real_data: Path) -> None:
    names = ["dialects.ndjson.gz", "landsat_colorado_100.parquet"]
    names += ["landsat_colorado_more.ndjson.gz", "sentinel2_colorado_2024.parquet"]
    files = [real_data / "items" / name for name in names]
    one, other = Lake.create(tmp_path / "one"), Lake.create(tmp_path / "other")
    assert said(ingest(one, files, engine="here")) == said(ingest(other, files, engine="spark"))
    assert contents(one) == contents(other)


@pytest.mark.slow
def test_a_box_over_the_antimeridian(lake: Lake, tmp_path: Path) -> None:
    east, west, far = (
        sentinel2(tile=tile, geometry=box(x, 10, x + 1, 11))
        for tile, x in (("60PZS", 178.5), ("01PAM", -179.9), ("31PEN", 3.0))
    )
    both = crossing(sentinel2(tile="60PZT"))
    file = write_lines(tmp_path / "a.ndjson", [east, west, far, both])
    other = Lake.create(tmp_path / "other")
    selection = Selection(bbox=(178, 0, -178, 20))
    done = ingest(lake, [file], selection=selection, engine="spark")
    assert (done.kept, done.left_out) == (3, 1)
    assert said(done) == said(ingest(other, [file], selection=selection, engine="here"))
    assert contents(lake) == contents(other)


@pytest.mark.parametrize("count", [1, pytest.param(400, marks=pytest.mark.slow)])
def test_with_processes(lake: Lake, tmp_path: Path, count: int, monkeypatch: Any) -> None:
    """Parts of files in processes of their own, each with a data file that is written anew."""
    from geosr_lake.archives import sources
    from geosr_lake.scenes import staging

    monkeypatch.setattr(sources, "UNIT_BYTES", 40_000)
    monkeypatch.setattr(staging, "UNITS_A_TASK", 1)
    found = docs(random.Random(3), count)
    files = [write_lines(tmp_path / "a.ndjson", found), write_lines(tmp_path / "b.ndjson", found)]
    other = Lake.create(tmp_path / "other")
    expected = said(ingest(other, files, engine="here"))
    monkeypatch.setattr(engine, "PARALLEL_BYTES", 1)
    monkeypatch.setattr(engine, "cores", lambda: 2)
    assert said(ingest(lake, files, engine="here")) == expected
    assert contents(lake) == contents(other)
    on_disk = {path.name for path in (lake.root / "tables" / "items").glob("*.parquet")}
    assert on_disk == set(ledger.files_of(lake.root, "items", lake.versions["items"]))


@pytest.mark.slow
def test_a_killed_run_whose_files_were_compacted(lake: Lake, tmp_path: Path) -> None:
    """Rows beyond the commit in one file with those of before it are told apart by their runs."""
    rng = random.Random(8)
    files = [write_lines(tmp_path / f"{i}.ndjson", docs(rng, 15)) for i in range(3)]
    other = Lake.create(tmp_path / "other")
    ingest(lake, files[:1], engine="here")
    cut_off_run(lake, files[1:2], "here", 1)
    path = tables.table_path(lake.root, "items")
    lake.spark.sql(f"OPTIMIZE delta.`{path}`")
    assert len(ledger.files_of(lake.root, "items", ledger.version_of(lake.root, "items") or 0)) == 1
    ingest(lake, files[2:], engine="here")
    for file in files:
        ingest(other, [file], engine="here")
    assert contents(lake) == contents(other)


@pytest.mark.slow
def test_what_a_kill_leaves_before_the_first_commit(lake: Lake, tmp_path: Path) -> None:
    """Data files of a table that was never made are in nobody's way."""
    file = write_lines(tmp_path / "a.ndjson", [naip(), landsat()])
    for table in TABLES:
        folder = lake.root / "tables" / table
        folder.mkdir(parents=True)
        (folder / "part-of-another.parquet").write_bytes(b"half")
    assert ingest(lake, [file], engine="spark").scenes == 2
    other = Lake.create(tmp_path / "other")
    (other.root / "tables" / "items" / "_delta_log").mkdir(parents=True)
    assert ingest(other, [file], engine="here").scenes == 2


def test_what_spark_finds(lake: Lake, tmp_path: Path) -> None:
    """Spark reads the tables, keeps to their rules, and has nothing to bring up to date."""
    ingest(lake, [write_lines(tmp_path / "a.ndjson", docs(random.Random(5), 40))], engine="here")
    for table in TABLES:
        assert changes(lake.root, table) == ()
        assert lake.df(table).count() == lake.arrow(table).num_rows > 0
        path = tables.table_path(lake.root, table)
        detail = lake.spark.sql(f"DESCRIBE DETAIL delta.`{path}`").collect()[0]
        assert (detail["minReaderVersion"], detail["minWriterVersion"]) == (1, 3)
        held = detail["properties"]
        for name, expression in contract(table).constraints.items():
            assert held[f"delta.constraints.{name}"] == expression
        assert detail["description"] == contract(table).description
        (field, *_) = lake.spark.read.format("delta").load(path).schema.fields
        assert field.metadata["comment"] == contract(table).columns[0].comment
    rows = lake.df("scenes").limit(1).selectExpr("*", "'x' AS other").drop("other")
    with pytest.raises(ContractError, match="cloud_is_fraction"):
        tables.append(lake.spark, lake.root, "scenes", rows.withColumn("cloud_frac", _two()))


def _two() -> Any:
    from pyspark.sql import functions as f

    return f.lit(2.0)


@pytest.mark.slow
def test_many_versions_make_checkpoints_that_both_read(lake: Lake, tmp_path: Path) -> None:
    for i in range(11):
        doc = naip(day=f"202208{i + 10}")
        ingest(lake, [write_lines(tmp_path / f"{i}.ndjson", [doc])], engine="here")
    log = lake.root / "tables" / "items" / "_delta_log"
    assert list(log.glob("*.checkpoint.parquet"))
    assert lake.df("items").count() == lake.arrow("items").num_rows == 11
    assert sum(row[summary.ROWS] for row in summary.of_table(lake, "items")) == 11


@pytest.mark.slow
def test_the_statistics_of_files_are_bounds(lake: Lake, tmp_path: Path) -> None:
    ingest(lake, [write_lines(tmp_path / "a.ndjson", docs(random.Random(7), 60))], engine="here")
    for table in TABLES:
        table_now = ledger.open_table(lake.root, table)
        assert table_now is not None
        entries = [
            action["add"]
            for version in range(table_now.version() + 1)
            for action in ledger.actions(lake.root, table, version) or []
            if "add" in action
        ]
        assert entries
        for entry in entries:
            check_stats(
                json.loads(entry["stats"]),
                datafiles.read(lake.root, table, entry["path"], contract(table).names),
            )
        rows = lake.arrow(table)
        # Skipping by them loses no row.
        for name in ("tile", "sensor"):
            for value in set(rows[name].to_pylist()) - {None}:
                there = sum(one == value for one in rows[name].to_pylist())
                assert lake.df(table).where(f"{name} = '{value}'").count() == there
                found = ledger.read(lake.root, table, filters=[(name, "=", value)])
                assert found.num_rows == there


def check_stats(stats: dict[str, Any], rows: pa.Table) -> None:
    assert stats["numRecords"] == rows.num_rows
    for name in rows.column_names[:32]:
        assert stats["nullCount"][name] == rows[name].null_count
    for name, lowest in stats["minValues"].items():
        low, kind, span = lowest, rows.schema.field(name).type, pa.compute.min_max(rows[name])
        least, most = (span[side].as_py() for side in ("min", "max"))
        high = stats["maxValues"].get(name)
        if pa.types.is_timestamp(kind):
            least, most = (at.isoformat(timespec="microseconds") for at in (least, most))
            low, high = (text.replace("Z", "000+00:00") for text in (low, high))
        assert low <= least, name
        assert high is None or high >= most, name
        if not (pa.types.is_string(kind) or pa.types.is_timestamp(kind)):
            assert (low, high) == (least, most)
    known = {n for n in rows.column_names[:32] if rows[n].null_count < rows.num_rows}
    assert known & {"tile", "sensor", "t_start", "xmin"} <= stats["minValues"].keys()


@pytest.mark.slow
def test_clustered_tables_are_for_spark(lake: Lake, tmp_path: Path) -> None:
    text = str(write_lines(tmp_path / "a.ndjson", [naip(), landsat()]))
    ingest(lake, [text], engine="spark")
    assert arrow.needs_spark(lake.root, "items")
    assert engine.choose(lake, [text], "auto").spark
    with pytest.raises(UsageError, match="clustered"):
        ingest(lake, [text], engine="here")
    with pytest.raises(UsageError, match="clustered"):
        withdraw(lake, [naip()["id"]], engine="here")
    assert withdraw(lake, [naip()["id"]]).scenes == 1


@pytest.mark.slow
def test_very_many_versions_of_items_are_for_spark(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = docs(random.Random(9), 30)
    file, other = write_lines(tmp_path / "a.ndjson", found), Lake.create(tmp_path / "other")
    ingest(other, [file], engine="here")
    monkeypatch.setattr(settle, "MAX_TOGETHER", 0)
    ingest(lake, [file], engine="here")
    assert contents(lake) == contents(other)
    assert arrow.needs_spark(lake.root, "scenes")
