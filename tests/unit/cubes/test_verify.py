"""Finding damage: whatever is lost, cut, flipped or swapped in a store."""

import json
import shutil
from pathlib import Path

import pytest
import zarr
from typer.testing import CliRunner

from geosr_lake.cli.app import app
from geosr_lake.cubes.materialize import materialize
from geosr_lake.cubes.verify import CubesVerify, verify
from geosr_lake.lake import Lake, ledger


@pytest.fixture(scope="module")
def written(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("verify") / "lake"
    shutil.copytree(template / "lake", folder)
    materialize(Lake.open(folder), "man-0", source_roots=[template / "archive"])
    return folder


@pytest.fixture
def lake(written: Path, tmp_path: Path) -> Lake:
    shutil.copytree(written, tmp_path / "lake")
    return Lake.open(tmp_path / "lake")


def cube(lake: Lake) -> Path:
    return lake.root / "cubes/man-0/train.zarr"


def kinds(result: CubesVerify) -> list[tuple[str, str]]:
    return [(problem.kind, problem.path) for problem in result.problems]


@pytest.mark.parametrize("deep", [False, True])
def test_a_whole_store_has_no_problem(lake: Lake, deep: bool) -> None:
    result = verify(lake, "man-0", deep=deep)
    assert result.problems == ()
    assert (result.stores, result.shards, result.files) == (1, 3, 12)
    assert result.bytes == sum(
        file["bytes"] for row in lake.arrow("shards").to_pylist() for file in row["files"]
    )
    assert not result.damaged


def test_it_writes_nothing(lake: Lake) -> None:
    before = {f: f.stat().st_mtime_ns for f in lake.root.rglob("*")}
    verify(lake, "man-0", deep=True)
    assert {f: f.stat().st_mtime_ns for f in lake.root.rglob("*")} == before


@pytest.mark.parametrize("name", ["lr/c/0/0/0/0", "hr_mask/c/2/0/0"])
def test_a_lost_file_is_found_without_reading(lake: Lake, name: str) -> None:
    (cube(lake) / name).unlink()
    assert kinds(verify(lake, "man-0")) == [("missing", name)]


def test_a_cut_file_is_found_without_reading(lake: Lake) -> None:
    file = cube(lake) / "hr/c/1/0/0/0"
    file.write_bytes(file.read_bytes()[:-1])
    assert kinds(verify(lake, "man-0")) == [("size", "hr/c/1/0/0/0")]


@pytest.mark.parametrize("position", [0, 5000, -1])
def test_a_flipped_bit_is_found_by_reading(lake: Lake, position: int) -> None:
    file = cube(lake) / "hr/c/0/0/0/0"
    content = bytearray(file.read_bytes())
    content[position] ^= 16
    file.write_bytes(content)
    assert verify(lake, "man-0").problems == (), "sizes alone do not show it"
    assert kinds(verify(lake, "man-0", deep=True)) == [("checksum", "hr/c/0/0/0/0")]


def test_swapped_files_are_found(lake: Lake) -> None:
    first, second = (cube(lake) / f"lr_mask/c/{n}/0/0" for n in (0, 1))
    content = second.read_bytes()
    second.write_bytes((cube(lake) / "lr/c/0/0/0/0").read_bytes())
    first.write_bytes(content)
    found = kinds(verify(lake, "man-0", deep=True))
    assert ("size", "lr_mask/c/1/0/0") in found


def test_changed_metadata_and_lost_arrays_are_found(lake: Lake) -> None:
    file = cube(lake) / "hr/zarr.json"
    file.write_text(file.read_text().replace("1000", "1001"))
    shutil.rmtree(cube(lake) / "gap_s")
    found = dict(kinds(verify(lake, "man-0"))[::-1])
    assert found == {"metadata": "hr/zarr.json"} or {"hr/zarr.json", "gap_s/zarr.json"} == {
        problem.path for problem in verify(lake, "man-0").problems
    }


def test_changed_coordinates_are_found(lake: Lake) -> None:
    array = zarr.open_array(str(cube(lake) / "epsg"), mode="r+")
    array[1] = 32612
    shutil.rmtree(cube(lake) / "valid/c")
    assert kinds(verify(lake, "man-0")) == [("coordinate", "valid"), ("coordinate", "epsg")]


def test_a_file_that_the_ledger_does_not_list_is_found(lake: Lake) -> None:
    (row,) = [r for r in lake.arrow("shards").to_pylist() if r["shard"] == 1]
    row["files"] = row["files"][1:]
    with lake.stage("cubes", "test"):
        where = {"manifest_id": "man-0", "split": "train", "shard": 1}
        ledger.replace(lake.root, "shards", [row], where=where)
    assert kinds(verify(lake, "man-0")) == [("missing", "lr/c/1/0/0/0")]


def test_a_store_that_is_gone_is_found(lake: Lake) -> None:
    shutil.rmtree(cube(lake))
    result = verify(lake, "man-0")
    assert ("missing", "zarr.json") in kinds(result)
    assert len(result.problems) == 13


def test_unfinished_is_not_damaged(template: Path, tmp_path: Path) -> None:
    shutil.copytree(template / "lake", tmp_path / "lake")
    lake = Lake.open(tmp_path / "lake")
    materialize(lake, "man-0", source_roots=[template / "archive"], part=(1, 2))
    result = verify(lake, "man-0", deep=True)
    assert kinds(result) == [("unfinished", "shard 1"), ("unfinished", "zarr.json")]
    assert not result.damaged


def test_the_commands(lake: Lake, template: Path) -> None:
    runner = CliRunner()
    common = ["--lake", str(lake.root)]
    planned = runner.invoke(app, ["cubes", "plan", *common, "--task", "s2_naip", "--json"])
    assert planned.exit_code == 0
    plan = json.loads(planned.stdout)
    assert plan["splits"] == {"train": {"shards": 3, "samples": 5, "reserves": 1}}
    again = runner.invoke(
        app, ["cubes", "materialize", *common, "--source-root", str(template / "archive"), "--json"]
    )
    assert again.exit_code == 0, again.output
    assert json.loads(again.stdout)["shards_kept"] == 3
    whole = runner.invoke(app, ["cubes", "verify", *common, "--deep", "--json"])
    assert (whole.exit_code, json.loads(whole.stdout)["problems"]) == (0, [])
    (cube(lake) / "hr/c/0/0/0/0").unlink()
    broken = runner.invoke(app, ["cubes", "verify", *common])
    assert broken.exit_code == 5
    assert "missing" in broken.stdout
    assert "geosr cubes materialize" in broken.stderr


def test_the_commands_say_what_is_wrong(lake: Lake, tmp_path: Path) -> None:
    runner = CliRunner()
    common = ["--lake", str(lake.root)]
    for words, code in (
        (["cubes", "plan", *common, "--task", "modis_landsat8"], 2),
        (["cubes", "verify", *common, "--manifest", "man-9"], 2),
        (["cubes", "materialize", *common, "--part", "one"], 2),
        (["cubes", "plan", "--lake", str(tmp_path / "nowhere")], 2),
    ):
        result = runner.invoke(app, words)
        assert result.exit_code == code, result.output
        assert "Error:" in result.stderr
