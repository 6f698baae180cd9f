"""`geosr scenes export`: files that stac-geoparquet and rustac read back as valid items."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pystac
import pytest
import rustac
import shapely
import stac_geoparquet.arrow
from stac_items import naip, write_lines
from typer.testing import CliRunner

from geosr_lake.cli.app import app
from geosr_lake.lake import Lake
from geosr_lake.publish.validate import _load_schemas
from geosr_lake.scenes.export import Chosen, export
from geosr_lake.scenes.ingest import ingest_files

pytestmark = pytest.mark.spark
CORE = "https://schemas.stacspec.org/v1.1.0/item-spec/json-schema/item.json"


def read_back(folder: Path) -> list[dict[str, Any]]:
    files = sorted(folder.glob("*.parquet"))
    return [i for f in files for i in stac_geoparquet.arrow.stac_table_to_items(pq.read_table(f))]


def command(built: Any, out: Path, *words: str, code: int = 0) -> Any:
    root = str(built.lake.root)
    line = ["scenes", "export", "--stac-geoparquet", str(out), "--lake", root, "--json", *words]
    done = CliRunner().invoke(app, line)
    assert done.exit_code == code, done.output
    return done


def test_items_come_back_valid_and_whole(built: Any, tmp_path: Path, stac_schemas: Path) -> None:
    said = json.loads(command(built, tmp_path / "items").stdout)
    rows = {row["scene_id"]: row for row in built.lake.arrow("scenes").to_pylist()}
    assert said["items"] == len(rows)
    schemas = _load_schemas(stac_schemas)
    items = read_back(tmp_path / "items")
    assert {item["id"] for item in items} == rows.keys()
    for item in items:
        row, found = rows[item["id"]], pystac.Item.from_dict(item)
        for uri in (CORE, *item["stac_extensions"]):
            assert schemas.problem(uri, item) is None
        shape = shapely.from_wkb(row["footprint_wkb"])
        assert shapely.geometry.shape(item["geometry"]).equals(shape)
        assert item["bbox"] == [row["xmin"], row["ymin"], row["xmax"], row["ymax"]]
        assert {k: a.href for k, a in found.assets.items()} == dict(row["assets"])
        assert item["properties"]["geosr:collection"] == row["collection"]
        times = found.common_metadata
        assert (times.start_datetime, times.end_datetime) == (row["t_start"], row["t_end"])
        assert found.datetime == (row["t_start"] if row["t_start"] == row["t_end"] else None)
        cloud = item["properties"].get("eo:cloud_cover")
        assert cloud == (None if row["cloud_frac"] is None else row["cloud_frac"] * 100)
        assert item["properties"].get("proj:code") == (row["epsg"] and f"EPSG:{row['epsg']}")


def test_rustac_reads_the_files(built: Any, tmp_path: Path) -> None:
    command(built, tmp_path / "items")
    files = sorted((tmp_path / "items").iterdir())
    found = [item for f in files for item in rustac.read_sync(str(f))["features"]]
    ours = {item["id"]: item for item in read_back(tmp_path / "items")}
    assert {item["id"] for item in found} == ours.keys()
    for item in found:
        assert pystac.Item.from_dict(item).geometry
        assert {k: a["href"] for k, a in item["assets"].items()} == {
            k: a["href"] for k, a in ours[item["id"]]["assets"].items()
        }


def test_scenes_without_assets_are_items_without_any(tmp_path: Path) -> None:
    bare = naip()
    bare["assets"] = {}
    lake = Lake.create(tmp_path / "lake")
    ingest_files(lake, [str(write_lines(tmp_path / "items.ndjson", [bare]))])
    assert export(lake, tmp_path / "items", Chosen()).items == 1
    [item] = read_back(tmp_path / "items")
    assert pystac.Item.from_dict({"assets": {}, **item}).assets == {}
    found = rustac.read_sync(str(tmp_path / "items" / "part-00000.parquet"))
    assert [one["id"] for one in found["features"]] == [item["id"]]


def test_many_files_hold_what_one_does(built: Any, tmp_path: Path) -> None:
    done = export(built.lake, tmp_path / "many", Chosen(), rows_per_file=4)
    whole = built.lake.arrow("scenes", columns=["scene_id"])["scene_id"].to_pylist()
    sizes = [pq.ParquetFile(f).metadata.num_rows for f in sorted((tmp_path / "many").iterdir())]
    assert len(sizes) == done.files
    assert sum(sizes) == done.items == len(whole)
    assert max(sizes) == 4
    assert sorted(item["id"] for item in read_back(tmp_path / "many")) == sorted(whole)


def test_only_what_is_asked_for(built: Any, tmp_path: Path) -> None:
    rows = built.lake.arrow("scenes").to_pylist()
    one = rows[0]
    west, north, day = one["xmin"], one["ymax"], one["t_start"].date().isoformat()
    asked = {
        ("--sensor", "naip"): lambda r: r["sensor"] == "naip",
        ("--bbox", f"{west - 1},{north},{west},{north + 1}"): lambda r: (
            (r["xmin"] <= west <= r["xmax"] and r["ymin"] <= north <= r["ymax"])
            or (r["xmax"] >= west - 1 and r["xmin"] <= west and r["ymax"] >= north)
        ),
        ("--datetime", day): lambda r: (
            r["t_start"].date().isoformat() <= day <= r["t_end"].date().isoformat()
        ),
        ("--datetime", f"../{day}"): lambda r: r["t_start"].date().isoformat() <= day,
    }
    for number, (words, holds) in enumerate(asked.items()):
        command(built, tmp_path / str(number), *words)
        found = {item["id"] for item in read_back(tmp_path / str(number))}
        assert found == {r["scene_id"] for r in rows if holds(r)}
        assert found


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--sensor", "spot"], "no sensor"),
        (["--bbox", "1,2,3"], "This is no box"),
        (["--bbox", "0,0,200,1"], "This is no box"),
        (["--datetime", "soon"], "no interval"),
        (["--datetime", "2024-02-01/2024-01-01"], "ends before"),
        (["--datetime", "1900-01-01"], "No scene is chosen"),
        (["--at", "99"], "no commit 99"),
    ],
)
def test_what_cannot_be_exported_is_told(
    built: Any, words: list[str], says: str, tmp_path: Path
) -> None:
    done = command(built, tmp_path / "out", *words, code=2)
    assert says in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_there_is_not_touched(built: Any, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    assert "there already" in command(built, tmp_path, code=2).stderr
    assert (tmp_path / "mine").read_text() == "mine"
