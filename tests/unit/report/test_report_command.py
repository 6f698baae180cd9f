import json
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from geosr_lake.cli.app import app
from geosr_lake.lake import Lake


def test_the_page_lies_in_the_lake_if_nothing_is_said(tmp_path: Path) -> None:
    lake = Lake.create(tmp_path / "lake")
    done = CliRunner().invoke(app, ["report", "--lake", str(lake.root)])
    assert done.exit_code == 0, done.output
    assert (lake.root / "report.html").is_file()
    assert "The page is written" in done.stdout


def test_the_summary_as_json(full: tuple[Lake, Any], tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    lake, world = full
    name = world.rows["manifests"][0]["manifest_id"]
    arguments = ["report", "--lake", str(lake.root), "--manifest", name, "--out", str(out)]
    done = CliRunner().invoke(app, [*arguments, "--json"])
    assert done.exit_code == 0, done.output
    summary = json.loads(done.stdout)
    assert summary["out"] == str(out)
    assert summary["bytes"] == out.stat().st_size
    assert summary["manifests"] == 1


def test_mistakes_have_exit_code_2_and_a_sentence(full: tuple[Lake, Any], tmp_path: Path) -> None:
    run = CliRunner().invoke
    done = run(app, ["report", "--lake", str(tmp_path / "none")])
    assert done.exit_code == 2
    assert "There is no lake here" in done.stderr
    done = run(app, ["report", "--lake", str(full[0].root), "--manifest", "man-x"])
    assert done.exit_code == 2
    assert "no manifest man-x" in done.stderr
    assert not (full[0].root / "report.html").exists()


def test_help_has_an_example() -> None:
    done = CliRunner().invoke(app, ["report", "--help"])
    assert done.exit_code == 0
    assert "geosr report --lake my_lake --out report.html" in done.stdout
