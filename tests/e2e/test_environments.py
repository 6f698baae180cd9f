"""The builder without torch, and training without Spark, each in an environment of its own lock."""

import subprocess
from pathlib import Path

import pytest

from tests.support.environments import environment, locked

IMPORT_ALL = """
import importlib, pkgutil, sys
import geosr_lake
skip = tuple("geosr_lake." + part for part in sys.argv[1].split())
only = tuple("geosr_lake." + part for part in sys.argv[2].split()) or ("geosr_lake",)
for module in pkgutil.walk_packages(geosr_lake.__path__, "geosr_lake.", onerror=print):
    if module.name.endswith("__main__") or module.name.startswith(skip):
        continue
    if module.name.startswith(only):
        importlib.import_module(module.name)
        print(module.name)
"""


@pytest.fixture(scope="module")
def lake_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter that has what `make demo` installs."""
    return environment(tmp_path_factory.mktemp("lake") / "env", locked("lake"))


@pytest.fixture(scope="module")
def train_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter that has what training needs, and no more."""
    return environment(tmp_path_factory.mktemp("train") / "env", locked("train"))


def run(python: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run that interpreter away from the repository."""
    return subprocess.run(
        [str(python), *words], capture_output=True, text=True, check=False, cwd=python.parent
    )


def lacks(python: Path, module: str) -> bool:
    """Tell whether that interpreter cannot import `module`."""
    return "ModuleNotFoundError" in run(python, "-c", f"import {module}").stderr


def test_the_builder_has_no_torch(lake_python: Path) -> None:
    assert lacks(lake_python, "torch")
    done = run(lake_python, "-c", IMPORT_ALL, "train", "")
    assert done.returncode == 0, done.stderr
    assert {"geosr_lake.cli.app", "geosr_lake.lake.handle"} <= set(done.stdout.split())


def test_the_builder_runs_without_torch(lake_python: Path) -> None:
    done = run(lake_python, "-m", "geosr_lake", "doctor", "--no-start")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "torch: To train" in done.stderr


@pytest.mark.train
def test_training_has_no_spark(train_python: Path) -> None:
    for module in ("pyspark", "sedona", "delta", "deltalake", "dask", "rasterio", "pyarrow"):
        assert lacks(train_python, module), module
    done = run(train_python, "-c", IMPORT_ALL, "", "train")
    assert done.returncode == 0, done.stderr
    assert "geosr_lake.train" in done.stdout


@pytest.mark.train
def test_the_command_line_works_without_the_lake(train_python: Path) -> None:
    for words in (["--help"], ["train", "--help"], ["recipe", "--help"]):
        done = run(train_python, "-m", "geosr_lake", *words)
        assert done.returncode == 0, done.stderr
        assert "Usage" in done.stdout


@pytest.mark.train
def test_doctor_says_that_the_lake_is_not_installed(train_python: Path) -> None:
    done = run(train_python, "-m", "geosr_lake", "doctor")
    assert done.returncode == 4
    assert "package pyspark" in done.stdout
    assert "Install the extra `lake`" in done.stderr
    assert "Traceback" not in done.stderr
