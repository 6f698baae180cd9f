"""Rows of the files that can hold them: file by file, or a few at a time."""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from stac_items import landsat, naip, sentinel2, table

from geosr_lake.lake import Lake, datafiles, deltalog, ledger
from geosr_lake.lake.ledger import arrow_schema
from geosr_lake.scenes.derive import derive


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """A lake with three files of scenes, of 20, 3 and 1 rows."""
    lake = Lake.create(tmp_path / "lake")
    years = [naip(day=f"20{year:02}0803") for year in range(3, 23)]
    for docs in (years, [naip(quarter=q) for q in ("nw", "ne", "sw")], [landsat()]):
        rows = derive(table(*docs), arrow_schema("scenes"))
        deltalog.commit(lake.root, "scenes", datafiles.write(lake.root, "scenes", rows, "test"))
    return lake


COLUMNS = ["scene_id", "sensor", "t_start"]


@pytest.mark.parametrize(
    "where",
    [pc.scalar(True), pc.field("sensor") == "naip", pc.field("sensor") == "none"],
    ids=["all", "some", "none"],
)
@pytest.mark.parametrize("most", [1, 7, 100])
def test_a_few_at_a_time_are_those_of_the_files(
    lake: Lake, where: pc.Expression, most: int
) -> None:
    whole = [rows for _, rows in datafiles.near(lake.root, "scenes", COLUMNS, where)]
    parts = list(datafiles.streamed(lake.root, "scenes", COLUMNS, where, most=most))
    none = pa.schema([arrow_schema("scenes").field(name) for name in COLUMNS]).empty_table()
    assert pa.concat_tables([none, *parts]).equals(pa.concat_tables([none, *whole]))
    assert all(0 < part.num_rows <= most for part in parts)


def test_files_are_passed_over(lake: Lake) -> None:
    large, *_ = sorted(
        datafiles.near(lake.root, "scenes", COLUMNS, pc.scalar(True)), key=lambda f: -f[1].num_rows
    )
    found = datafiles.streamed(lake.root, "scenes", COLUMNS, pc.scalar(True), but={large[0]})
    assert sum(rows.num_rows for rows in found) == 4
    near = datafiles.near(lake.root, "scenes", COLUMNS, pc.scalar(True), but=[large[0]])
    assert sum(rows.num_rows for _, rows in near) == 4


def test_a_column_that_a_table_lacks_is_null(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    more = arrow_schema("scenes").append(pa.field("later", pa.int32()))
    monkeypatch.setattr(ledger, "arrow_schema", lambda _: more)
    for rows in datafiles.streamed(lake.root, "scenes", ["later", "sensor"], pc.scalar(True)):
        assert rows["later"].null_count == rows.num_rows
        assert rows.column_names == ["later", "sensor"]


def test_no_table_has_no_rows(tmp_path: Path) -> None:
    root = Lake.create(tmp_path / "other").root
    assert list(datafiles.streamed(root, "scenes", COLUMNS, pc.scalar(True))) == []
    assert list(datafiles.near(root, "scenes", COLUMNS, pc.scalar(True))) == []


NAMES = arrow_schema("scenes").names
ROWS = derive(table(naip(), landsat(), sentinel2()), arrow_schema("scenes"))


def test_a_file_is_read_by_its_path_before_and_after_its_version(lake: Lake) -> None:
    (file,) = datafiles.write(lake.root, "scenes", ROWS, "by-path")
    steps = [lambda: None, lambda: deltalog.commit(lake.root, "scenes", [file])]
    steps += [lambda: deltalog.commit(lake.root, "scenes", [], [file.path])]
    held = []
    for step in steps:  # no version has it, the newest does, one of before does
        step()
        assert datafiles.read(lake.root, "scenes", file.path, NAMES).equals(ROWS)
        some = datafiles.read(lake.root, "scenes", file.path, COLUMNS[::-1])
        assert some.equals(ROWS.select(COLUMNS[::-1])), "in the order that is asked for"
        version = ledger.version_of(lake.root, "scenes")
        assert version is not None
        held.append(file.path in ledger.files_of(lake.root, "scenes", version))
    assert held == [False, True, False]


def test_a_file_is_read_a_row_group_at_a_time(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datafiles, "ROW_GROUP_BYTES", 1)
    writer = datafiles.Writer(lake.root, "scenes", "groups")
    for at in range(3):
        writer.write(ROWS.slice(at, 1))
        writer.write(ROWS.slice(at, 0))
    file = writer.close()
    assert file is not None
    assert (file.path, file.rows) == (writer.path, 3)
    parts = list(datafiles.read_groups(lake.root, "scenes", file.path, NAMES))
    assert [part.num_rows for part in parts] == [1, 1, 1]
    assert pa.concat_tables(parts).equals(ROWS)


def test_files_of_others_are_read_as_the_contract_has_them(lake: Lake) -> None:
    """Times as Spark writes them, a column that is not there yet, and not a row at all."""
    folder = Path(str(lake.root)) / "tables" / "scenes"
    older = ROWS.drop_columns(["tier"])
    pq.write_table(older, folder / "spark.parquet", use_deprecated_int96_timestamps=True)
    assert pq.read_schema(folder / "spark.parquet").field("t_start").type != ROWS["t_start"].type
    found = datafiles.read(lake.root, "scenes", "spark.parquet", NAMES)
    none = pa.nulls(len(ROWS), pa.string())
    assert found.equals(ROWS.set_column(NAMES.index("tier"), found.schema.field("tier"), none))
    with pq.ParquetWriter(folder / "none.parquet", older.schema):
        pass
    empty = datafiles.read(lake.root, "scenes", "none.parquet", NAMES)
    assert (empty.num_rows, empty.schema) == (0, arrow_schema("scenes"))


def test_what_no_version_has_is_swept_by_its_token(lake: Lake) -> None:
    (held,) = datafiles.write(lake.root, "scenes", ROWS, "one")
    deltalog.commit(lake.root, "scenes", [held])
    (lost,) = datafiles.write(lake.root, "scenes", ROWS, "one")
    (other,) = datafiles.write(lake.root, "scenes", ROWS, "two")
    folder = Path(str(lake.root)) / "tables" / "scenes"
    before = {path.name for path in folder.glob("*.parquet")}
    datafiles.sweep(lake.root, "scenes", "one")
    gone = before - {path.name for path in folder.glob("*.parquet")}
    assert gone == {lost.path}
    assert other.path not in gone
