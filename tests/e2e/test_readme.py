"""The code in README and docs runs as it stands there, on the demo's output."""

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from geosr_lake.cli.app import app
from geosr_lake.lake import Lake
from tests.support.environments import environment, locked, with_dependencies

REPO = Path(__file__).parents[2]
PAGES = [REPO / "README.md", *sorted((REPO / "docs").rglob("*.md"))]
MARKED = re.compile(r"<!-- run: (\w+) -->\n```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def marked(kind: str) -> list[Any]:
    """Return the blocks of that kind as test parameters, named by page and number."""
    return [
        pytest.param(body, id=f"{page.relative_to(REPO)}-{number}")
        for page in PAGES
        for number, (found, _, body) in enumerate(MARKED.findall(page.read_text()))
        if found == kind
    ]


SHIPPED = "docs/reference/queries.md"
"""A page of shipped queries, each of which has a test of its answer too."""
QUESTIONS = [
    pytest.param(*block.values, id=block.id, marks=pytest.mark.slow)
    if str(block.id).startswith(SHIPPED)
    else block
    for block in marked("ask")
]


@pytest.fixture(scope="module")
def beside_the_demo(demo_output: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder where the demo's output is `geosr-demo`, as after `make demo`."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / "geosr-demo").symlink_to(Path(demo_output["lake"]).parent)
    return folder


def run(python: Path, code: str, folder: Path) -> str:
    """Run `code` there and return what it printed."""
    done = subprocess.run(
        [str(python), "-W", "error::FutureWarning", "-c", code],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("code", marked("catalog"))
def test_pystac_and_xarray_alone_open_a_sample(
    code: str, beside_the_demo: Path, tmp_path: Path
) -> None:
    assert len([line for line in code.splitlines() if line and "import" not in line]) == 5
    names = with_dependencies("pystac", "xarray", "zarr")
    python = environment(tmp_path / "env", names, package=False)
    look = """
import json
try:
    import geosr_lake
except ModuleNotFoundError:
    print(json.dumps({
        "lr": sample.lr.shape, "hr": sample.hr.shape, "valid": bool(sample.valid),
        "id": str(sample.sample_id.item()), "item": item.id,
        "any": float(sample.hr.astype(float).std()),
    }))
"""
    found = json.loads(run(python, code + look, beside_the_demo))
    assert found["lr"][-2:] == [60, 60]
    assert found["hr"][-2:] == [1000, 1000]
    assert found["valid"]
    assert found["id"] == found["item"]
    assert found["any"] > 0


@pytest.mark.train
@pytest.mark.parametrize("code", marked("train"))
def test_the_dataset_without_spark(code: str, beside_the_demo: Path, tmp_path: Path) -> None:
    python = environment(tmp_path / "env", locked("train"))
    run(python, code, beside_the_demo)


@pytest.mark.spark
@pytest.mark.parametrize("block", QUESTIONS)
def test_the_questions_have_answers(
    block: str,
    spark: Any,
    demo_output: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lake = Lake.open(demo_output["lake"])
    ids = {
        "smp-": lake.arrow("samples", columns=["sample_id"])["sample_id"][0].as_py(),
        "par-": lake.arrow("pairs", columns=["pair_id"])["pair_id"][0].as_py(),
        "man-": lake.arrow("manifests", columns=["manifest_id"])["manifest_id"][0].as_py(),
    }
    shutil.copy(REPO / "catalog" / "s2_naip" / "recipe.yaml", tmp_path / "mine.yaml")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GEOSR_LAKE", str(lake.root))
    lines = [line for line in block.replace("\\\n", " ").splitlines() if line.startswith("geosr ")]
    assert lines
    for line in lines:
        words = shlex.split(line)[1:]
        words = [ids[w[:4]] if re.fullmatch(r"(smp|par|man)-[0-9a-f]{24}", w) else w for w in words]
        result = CliRunner().invoke(app, words)
        assert result.exit_code == 0, f"{line}\n{result.output}"
        assert result.output.strip(), line


@pytest.mark.spark
@pytest.mark.parametrize("page", ["sql.md", "other-readers.md"])
def test_the_lines_for_other_sessions_and_readers(
    page: str,
    spark: Any,
    demo_output: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "geosr-demo").symlink_to(Path(demo_output["lake"]).parent)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"spark": spark.newSession()}
    text = (REPO / "docs" / "how-to" / page).read_text()
    for kind, _, body in MARKED.findall(text):
        if kind == "readers":
            line, _, file = body.strip().partition(" > ")
            result = CliRunner().invoke(app, shlex.split(line)[1:])
            assert result.exit_code == 0, result.output
            (tmp_path / file).write_text(result.stdout)
        else:
            exec(body, names)  # noqa: S102 - our own page
    lake = Lake.open(demo_output["lake"])
    scenes = lake.arrow("scenes").num_rows
    if page == "sql.md":
        assert names["lake"].versions == lake.versions
        assert names["spark"].table("scenes").count() == scenes
    else:
        assert len(names["frame"]) == len(names["shapes"]) == scenes
        assert sum(n for _, n in names["counts"]) == scenes
