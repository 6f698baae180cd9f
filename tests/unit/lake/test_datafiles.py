"""Rows of the files that can hold them: file by file, or a few at a time."""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from stac_items import landsat, naip, table

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
