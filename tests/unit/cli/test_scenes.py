"""What `geosr scenes ingest` prints, without a lake."""

import json
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from held import held
from stac_items import naip, write_lines

from geosr_lake.cli import scenes
from geosr_lake.cli.app import app
from geosr_lake.errors import LockedError
from geosr_lake.lake import Lake
from geosr_lake.scenes.accounts import FileCounts
from geosr_lake.scenes.ingest import IngestSummary


def summary(files: int) -> IngestSummary:
    counts = tuple(
        FileCounts(f"/data/[{n}].ndjson", 3, 1, 1, 0, 1, {"json_invalid": 1}) for n in range(files)
    )
    return IngestSummary(
        run_id="run-1",
        files=counts,
        read=3 * files,
        kept=files,
        repeated=files,
        unsupported=0,
        quarantined=files,
        reasons={"json_invalid": files},
        groups_derived=files,
        scenes=1234,
        scenes_by_sensor={"naip": 1234},
        superseded=0,
        tiles=5,
    )


def test_files_reasons_and_holdings(capsys: pytest.CaptureFixture[str]) -> None:
    scenes._show(summary(2))
    printed = capsys.readouterr().out
    for text in ("[0].ndjson", "[1].ndjson", "in all", "the text is not JSON", "1,234"):
        assert text in printed


def test_many_files_are_not_all_shown(capsys: pytest.CaptureFixture[str]) -> None:
    scenes._show(summary(scenes.MAX_FILES_SHOWN + 7))
    assert "7 files more" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("sensors", "command"),
    [
        ({"naip", "sentinel2", "modis"}, "pairs build --recipe s2_naip --lake 'my lake'"),
        ({"landsat", "modis"}, "pairs build --recipe modis_landsat8 --lake 'my lake'"),
        ({"landsat", "naip"}, "geosr sql"),
        (set(), "geosr sql"),
    ],
)
def test_the_next_command_fits_what_is_there(sensors: set[str], command: str) -> None:
    assert command in scenes._next(sensors, "my lake")


def test_left_out_items_have_a_column_of_their_own(capsys: pytest.CaptureFixture[str]) -> None:
    scenes._show(replace(summary(1), left_out=7))
    assert "left out" in capsys.readouterr().out
    scenes._show(summary(1))
    assert "left out" not in capsys.readouterr().out


def test_a_dry_run_says_what_would_be_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_lines(tmp_path / "a.ndjson", [naip()])
    pq.write_table(pa.table({"id": ["x", "y"]}), tmp_path / "b.parquet")
    lake = tmp_path / "lake"
    words = ["scenes", "ingest", str(tmp_path), "--lake", str(lake), "--dry-run"]
    assert app(words, standalone_mode=False) in (None, 0)
    printed = capsys.readouterr().out
    for text in ("a.ndjson", "lines", "b.parquet", "2 and more"):
        assert text in printed
    assert app([*words, "--json"], standalone_mode=False) in (None, 0)
    told = json.loads(capsys.readouterr().out)
    size = (tmp_path / "a.ndjson").stat().st_size
    assert [(s["format"], s["items"]) for s in told] == [("lines", None), ("parquet", 2)]
    assert told[0]["bytes"] == size
    assert not lake.exists()


def test_a_dry_run_stops_where_the_run_would(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, number in (("a", 3), ("b", 5), ("c", 7)):
        pq.write_table(pa.table({"id": ["x"] * number}), tmp_path / f"{name}.parquet")
    words = ["scenes", "ingest", str(tmp_path), "--lake", str(tmp_path / "lake"), "--dry-run"]
    for most, items in ((2, [2]), (3, [3]), (4, [3, 1]), (100, [3, 5, 7])):
        assert app([*words, "--json", "--max-items", str(most)], standalone_mode=False) in (None, 0)
        assert [s["items"] for s in json.loads(capsys.readouterr().out)] == items
    write_lines(tmp_path / "b.ndjson", [naip()])  # does not tell how many it holds
    assert app([*words, "--json", "--max-items", "4"], standalone_mode=False) in (None, 0)
    assert [s["items"] for s in json.loads(capsys.readouterr().out)] == [3, None, 1]
    assert app([*words, "--max-items", "4"], standalone_mode=False) in (None, 0)
    assert "at most 4" in capsys.readouterr().out


OF_API = ["--api", "earth-search", "--collection", "naip", "--datetime", "2024-07-01"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--bbox", "1,2,3"], "This is no box"),
        (["--bbox", "10,2,10,3"], "This is no box"),
        (["--bbox", "170,-10,190,10"], "This is no box"),
        (["--datetime", "yesterday"], "--datetime"),
        ([*OF_API, "--max-items", "3"], "An API is asked for whole days"),
        ([*OF_API, "--dry-run"], "An API is asked for whole days"),
        ([*OF_API, "--bbox", "170,-10,-170,10"], "over the antimeridian"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused(
    tmp_path: Path, options: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    sources = [] if "--api" in options else [str(write_lines(tmp_path / "a.ndjson", [naip()]))]
    words = ["scenes", "ingest", *sources, "--lake", str(tmp_path / "lake"), *options]
    assert app(words, standalone_mode=False) == 2
    assert says in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "lake").exists()


def test_withdraw_waits_for_who_holds_the_scenes_if_told_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    item, root = naip(), tmp_path / "lake"
    source = write_lines(tmp_path / "a.ndjson", [item])
    words = ["--lake", str(root)]
    assert app(["scenes", "ingest", str(source), *words], standalone_mode=False) in (None, 0)
    withdraw = ["scenes", "withdraw", item["id"], *words]
    with held(root, "scenes") as let_go:
        assert app(withdraw, standalone_mode=False) == LockedError.exit_code
        assert Lake.open(root).arrow("scenes").num_rows == 1
        let_go()
        assert app([*withdraw, "--wait", "60"], standalone_mode=False) in (None, 0)
    assert Lake.open(root).arrow("scenes").num_rows == 0
    assert "waiting for it, 60 s at most" in " ".join(capsys.readouterr().err.split())
