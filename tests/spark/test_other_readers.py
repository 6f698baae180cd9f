"""Tables as deltalake, DuckDB, polars and geopandas read them, without our code."""

import json
from typing import Any

import deltalake
import duckdb
import geopandas
import polars as pl
import pyarrow as pa
import pytest
import shapely
from typer.testing import CliRunner

from geosr_lake.cli.app import app
from geosr_lake.lake.contracts import contracts

pytestmark = pytest.mark.spark


@pytest.fixture(scope="module")
def listed(built: Any) -> dict[str, dict[str, Any]]:
    """What `geosr inspect tables --json` says, by table."""
    root = str(built.lake.root)
    done = CliRunner().invoke(app, ["inspect", "tables", "--lake", root, "--json"])
    assert done.exit_code == 0, done.output
    return {
        row["table"]: row for row in json.loads(done.stdout)["Tables at their committed versions"]
    }


def test_the_list_says_what_is_committed(built: Any, listed: dict[str, dict[str, Any]]) -> None:
    assert {name: row["version"] for name, row in listed.items()} == built.lake.versions
    assert {"scenes", "pairs", "manifest", "commits"} <= listed.keys()
    for name, row in listed.items():
        assert row["rows"] == built.lake.arrow(name).num_rows
        assert row["description"] == contracts()[name].description
        assert row["files"] == len(built.lake.df(name).inputFiles())


def keyed(table: pa.Table, name: str) -> list[Any]:
    key = list(contracts()[name].key)
    return sorted(map(str, table.select(key).to_pylist()))


def test_deltalake_reads_every_table(built: Any, listed: dict[str, dict[str, Any]]) -> None:
    for name, row in listed.items():
        table = deltalake.DeltaTable(row["path"], version=row["version"])
        assert table.to_pyarrow_table().num_rows == row["rows"]
        assert keyed(table.to_pyarrow_table(), name) == keyed(built.lake.arrow(name), name)


def test_polars_reads_every_table(built: Any, listed: dict[str, dict[str, Any]]) -> None:
    for name, row in listed.items():
        frame = pl.read_delta(row["path"], version=row["version"])
        assert frame.columns == contracts()[name].names
        assert keyed(frame.to_arrow(), name) == keyed(built.lake.arrow(name), name)


def test_duckdb_reads_every_table_through_arrow(
    built: Any, listed: dict[str, dict[str, Any]]
) -> None:
    with duckdb.connect() as connection:
        for name, row in listed.items():
            dataset = deltalake.DeltaTable(row["path"], version=row["version"]).to_pyarrow_dataset()
            connection.register(name, dataset)
            found = connection.sql(f"SELECT * FROM {name}").to_arrow_table()  # noqa: S608
            assert keyed(found, name) == keyed(built.lake.arrow(name), name)
        joined = connection.sql(
            "SELECT count(*) FROM pairs JOIN scenes ON lr_scene_id = scene_id"
        ).fetchone()
    assert joined == (len(built.pairs),)


def test_geopandas_makes_shapes_of_every_geometry(
    built: Any, listed: dict[str, dict[str, Any]]
) -> None:
    seen = 0
    for row in listed.values():
        table = deltalake.DeltaTable(row["path"], version=row["version"]).to_pyarrow_table()
        for column in (name for name in table.column_names if name.endswith("_wkb")):
            shapes = geopandas.GeoSeries.from_wkb(table[column].to_pandas(), crs="EPSG:4326")
            assert shapely.is_valid(shapes.dropna().values).all()
            seen += len(shapes)
            if column == "footprint_wkb" and "xmin" in table.column_names:
                assert shapes.bounds["minx"].to_list() == pytest.approx(table["xmin"].to_pylist())
    assert seen >= len(built.scenes)
