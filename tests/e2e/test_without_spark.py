"""Training where nothing of the builder is installed; publishing and the rest where no torch is."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from catalog_world import CatalogWorld

from tests.support.environments import environment, locked

PUBLISH = """
import sys
from pathlib import Path
from geosr_lake.lake import Lake
from geosr_lake.publish.publish import publish
from geosr_lake.publish.validate import validate
summary = publish(Lake.open(sys.argv[1]))
print(validate(Path(summary.catalog)).problems, "torch" in sys.modules, "pyspark" in sys.modules)
"""


def run(python: Path, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(python), *words], capture_output=True, text=True, cwd=cwd)


HEAVY = (
    *("pyspark", "delta", "sedona", "deltalake", "pyarrow", "pandas", "dask", "distributed"),
    *("rasterio", "shapely", "pyproj", "zarr", "xarray", "pystac", "torch", "skimage"),
)


def test_the_command_line_imports_nothing_heavy() -> None:
    code = "import json, sys, geosr_lake.cli.app; print(json.dumps(list(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert set(HEAVY) & set(json.loads(done.stdout)) == set()


@pytest.mark.slow
@pytest.mark.train
def test_training_runs_where_only_torch_and_the_base_are(
    catalog_world: CatalogWorld, tmp_path: Path
) -> None:
    python = environment(tmp_path / "env", locked("train"))
    for module in ("pyspark", "delta", "sedona", "deltalake", "pyarrow", "dask", "rasterio"):
        done = run(python, "-c", f"import {module}", cwd=tmp_path)
        assert "ModuleNotFoundError" in done.stderr, module
    words = ["train", "--catalog", str(catalog_world.catalog), "--task", "s2_naip"]
    words += ["--steps", "3", "--batch", "2", "--threads", "1", "--json"]
    done = run(python, "-m", "geosr_lake", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["fit"]["steps"] == 3
    assert (tmp_path / "geosr-s2_naip-x16.safetensors").is_file()


def test_publishing_runs_where_no_torch_is_and_starts_no_spark(
    catalog_world: CatalogWorld, tmp_path: Path
) -> None:
    python = environment(tmp_path / "env", locked("lake"))
    done = run(python, "-c", PUBLISH, str(catalog_world.lake.root), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["[]", "False", "False"]


def test_training_without_torch_says_what_to_install(
    catalog_world: CatalogWorld, tmp_path: Path
) -> None:
    python = environment(tmp_path / "env", locked("lake"))
    words = ["train", "--catalog", str(catalog_world.catalog), "--task", "s2_naip"]
    done = run(python, "-m", "geosr_lake", *words, cwd=tmp_path)
    assert done.returncode == 4
    assert "torch, which is not installed" in done.stderr
    assert "Traceback" not in done.stderr
