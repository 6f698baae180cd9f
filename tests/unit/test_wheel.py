"""What an installed package needs is inside the wheel: code, contracts, recipes, templates."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

REPO = Path(__file__).parents[2]
DATA = ("schemas", "catalog")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, unpacked."""
    pytest.importorskip("hatchling", reason="the build backend is not installed here")
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=REPO,
        check=True,
        capture_output=True,
    )
    (built,) = folder.glob("*.whl")
    with zipfile.ZipFile(built) as archive:
        archive.extractall(folder / "unpacked")
    return folder / "unpacked"


def files(folder: Path, pattern: str = "*") -> set[str]:
    """Return the files below `folder`, but for what is never shipped."""
    return {
        str(path.relative_to(folder))
        for path in folder.rglob(pattern)
        if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith(".")
    }


def test_the_data_are_there(wheel: Path) -> None:
    for name in DATA:
        shipped = files(wheel / "geosr_lake" / "_data" / name)
        assert shipped
        assert shipped == files(REPO / name)


def test_the_code_and_what_lies_beside_it_are_there(wheel: Path) -> None:
    shipped = {name for name in files(wheel / "geosr_lake") if not name.startswith("_data")}
    assert shipped == files(REPO / "geosr_lake")


def test_nothing_else_is_there(wheel: Path) -> None:
    assert {path.name.partition("-")[0] for path in wheel.iterdir()} == {"geosr_lake"}


def test_it_works_where_there_is_no_checkout(wheel: Path, tmp_path: Path) -> None:
    code = (
        "import geosr_lake, sys\n"
        "from geosr_lake.lake.contracts import contracts\n"
        "from geosr_lake.recipe import load_recipe\n"
        "print(geosr_lake.__file__, len(contracts()), load_recipe('s2_naip').name)\n"
    )
    # In front of the path: this environment has the checkout on it as well.
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(wheel)},
        capture_output=True,
        text=True,
        check=True,
    )
    where, tables, name = done.stdout.split()
    assert where.startswith(str(wheel))
    assert int(tables) == len(
        [f for f in (REPO / "schemas").glob("*.json") if '"table"' in f.read_text()]
    )
    assert name == "s2_naip"
