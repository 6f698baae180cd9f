"""The demo's lake, which no Spark wrote, as deltalake, DuckDB, polars and geopandas read it."""

import json
from typing import Any

import deltalake
import geopandas
import pytest
import shapely
from other_readers import rows_read
from typer.testing import CliRunner

from geosr_lake.cli.app import app
from geosr_lake.lake.contracts import contracts

WRITTEN = {
    *("items", "scenes", "tiles", "tile_pairs", "pairs", "manifests", "manifest", "sites"),
    *("candidates", "funnel", "draws", "shards", "samples", "runs", "commits"),
}
"""What an ingest, pairs, manifests and cubes leave; `slices` is of live archives: tested there."""


@pytest.fixture(scope="module")
def listed(demo_output: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What `geosr inspect tables --json` says, by table."""
    done = CliRunner().invoke(app, ["inspect", "tables", "--lake", demo_output["lake"], "--json"])
    assert done.exit_code == 0, done.output
    tables = json.loads(done.stdout)["Tables at their committed versions"]
    return {row["table"]: row for row in tables}


def test_every_table_has_the_same_rows_for_all(listed: dict[str, dict[str, Any]]) -> None:
    assert listed.keys() >= WRITTEN
    for name, row in listed.items():
        found = rows_read(row["path"], row["version"])
        assert set(found.values()) == {row["rows"]}, (name, found)
    assert all(listed[name]["rows"] for name in WRITTEN)


@pytest.mark.parametrize("table", ["items", "scenes", "tiles"])
def test_geometry_becomes_shapes_in_one_line(listed: dict[str, dict[str, Any]], table: str) -> None:
    (name,) = (c for c in contracts()[table].names if c.endswith("_wkb"))
    row = listed[table]
    rows = deltalake.DeltaTable(row["path"], version=row["version"]).to_pyarrow_table()
    rows = rows.filter(rows[name].is_valid())
    shapes = geopandas.GeoSeries.from_wkb(rows[name].to_pandas(), crs="EPSG:4326")
    assert shapely.from_wkb(rows[name].to_numpy()).tolist() == shapes.tolist()
    assert len(shapes) > 0
    assert shapes.is_valid.all()
    edges = rows.select(["xmin", "ymin", "xmax", "ymax"]).to_pandas()
    assert shapes.bounds.to_numpy() == pytest.approx(edges.to_numpy())
