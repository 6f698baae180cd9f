"""`scenes ingest --api` against a real STAC API: all items once, again nothing, nothing signed."""

import json
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from canary import CANARY, found_in
from held import held
from live_oracle import between, ids_of
from other_readers import rows_read
from pyspark.sql import SparkSession
from stac_server import Server

from geosr_lake.cli.app import app
from geosr_lake.errors import LockedError
from geosr_lake.lake import Lake, tables
from geosr_lake.net.apis import api_of
from geosr_lake.scenes.ingest import ingest
from geosr_lake.scenes.live import Wanted, ingest_api

pytestmark = pytest.mark.spark

LANDSAT = (date(2024, 7, 1), date(2024, 8, 31))


def wanted(server: Server, **options: Any) -> Wanted:
    return Wanted(
        **{
            "api": api_of(server.url),
            "collections": ("landsat-c2-l2",),
            "days": LANDSAT,
            "rate": 100.0,
            **options,
        }
    )


def test_all_items_of_two_collections_arrive_once(
    lake: Lake, server: Server, real_data: Path
) -> None:
    days = (date(2023, 9, 5), date(2023, 9, 9))
    asked = wanted(server, collections=("modis-13Q1-061", "landsat-c2-l2"), days=days)
    summary = ingest_api(lake, asked)
    summary.check()
    expected = between(server, "modis-13Q1-061", days) | between(server, "landsat-c2-l2", days)
    assert len(expected) > 100
    assert ids_of(lake) == Counter(expected)
    rows = lake.arrow("slices").to_pylist()
    assert len(rows) == summary.fetched == 10
    assert all(row["status"] == "done" and row["items"] == row["number_matched"] for row in rows)
    assert found_in(lake.root) == [], f"{CANARY} is in the lake"
    sources = set(lake.arrow("items")["source_file"].to_pylist())
    assert all(source.startswith(f"api:{server.url}/") for source in sources)
    assert not (lake.root / "spool").exists()

    versions = {table: of for table, of in lake.versions.items() if table != "runs"}
    summary = ingest_api(lake, asked)
    assert (summary.held, summary.fetched, summary.requests) == (10, 0, 0), "all is there"
    assert {table: of for table, of in lake.versions.items() if table != "runs"} == versions


def test_scenes_of_sentinel2_are_those_of_the_file(
    lake: Lake, server: Server, real_data: Path
) -> None:
    """Sentinel-2 comes with a datastrip, a baseline and cloud and snow shares."""
    days = (date(2024, 7, 11), date(2024, 7, 12))
    ingest_api(lake, wanted(server, collections=("sentinel-2-l2a",), days=days)).check()
    expected = between(server, "sentinel-2-l2a", days)
    assert len(expected) > 10
    assert ids_of(lake) == Counter(expected)
    files = Lake.create(lake.root.parent / "files")
    ingest(files, [real_data / "items" / "sentinel2_colorado_2024.parquet"])
    columns = ["scene_id", "tile", "t_start", "cloud_frac", "snow_frac", "epsg", "dn_offset"]
    of_files = {row["scene_id"]: row for row in files.arrow("scenes", columns=columns).to_pylist()}
    scenes = lake.arrow("scenes", columns=columns).to_pylist()
    assert [row for row in scenes if row != of_files[row["scene_id"]]] == []
    assert len(scenes) == len(expected)


@pytest.mark.slow
def test_items_of_an_api_are_those_of_the_file(
    lake: Lake, server: Server, real_data: Path, spark: SparkSession
) -> None:
    ingest_api(lake, wanted(server)).check()
    before = lake.versions["items"]
    summary = ingest(lake, [real_data / "items" / "landsat_colorado_more.ndjson.gz"])
    assert lake.versions["items"] > before, "the file has more days"
    again = between(server, "landsat-c2-l2", LANDSAT)
    assert summary.repeated >= len(again) > 50


@pytest.mark.slow
def test_what_was_had_is_asked_for_again_where_that_is_said(lake: Lake, server: Server) -> None:
    days = (date(2024, 7, 1), date(2024, 7, 10))
    ingest_api(lake, wanted(server, days=days)).check()
    summary = ingest_api(lake, wanted(server, days=days, again=True))
    assert summary.fetched == 10
    assert summary.counts["repeated"] == summary.counts["read"] > 0


def test_the_command(lake: Lake, server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        "scenes", "ingest", "--api", server.url, "--collection", "landsat-c2-l2",
        "--datetime", "2024-07-01/2024-07-08", "--bbox=-106,39,-104,41", "--rate", "50",
        "--lake", str(lake.root), "--json",
    ]  # fmt: skip
    # Another one fetches: without --wait that ends it, with --wait it takes its turn.
    with held(lake.root, "slices") as let_go:
        with pytest.raises(SystemExit) as ended:
            app(words)
        assert ended.value.code == LockedError.exit_code
        let_go()
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            app([*words, "--wait", "60"])
    assert ended.value.code == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["fetched"] == 8
    assert summary["counts"]["kept"] == summary["counts"]["read"] > 0
    lake.refresh()
    for table, rows in (("slices", 8), ("items", summary["counts"]["kept"])):
        found = rows_read(str(tables.table_path(lake.root, table)), lake.versions[table])
        assert set(found.values()) == {rows}, found


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--collection", "nothing", "--datetime", "2024-07-01"], "no collection nothing"),
        (["--collection", "landsat-c2-l2"], "Add --collection"),
        (["--collection", "landsat-c2-l2", "--datetime", "2024-07-02/2024-07-01"], "ends before"),
        (["--collection", "naip", "--datetime", "soon"], "no interval"),
        (["--collection", "naip", "--datetime", "2024-07-01", "--bbox", "1,2,3"], "no box"),
    ],
)
def test_what_makes_no_sense_is_refused(
    tmp_path: Path, server: Server, words: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        app(["scenes", "ingest", "--api", server.url, *words, "--lake", str(tmp_path / "lake")])
    assert ended.value.code == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize("path", ["/collections/landsat-c2-l2", "/conformance", "/queryables"])
def test_a_page_that_is_no_landing_page_is_told(
    tmp_path: Path, server: Server, path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    days = ["--collection", "landsat-c2-l2", "--datetime", "2024-07-01"]
    with pytest.raises(SystemExit) as ended:
        app(["scenes", "ingest", "--api", server.url + path, *days, "--lake", str(tmp_path)])
    assert ended.value.code == 2
    assert "There is no STAC API with a search here" in " ".join(capsys.readouterr().err.split())
