"""The jobs on a real standalone cluster, from a shipped zip: the rows are those of one machine."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lake_v1_world import first, land_cover, recipe, sources
from object_store import BUCKET, object_store
from standalone_cluster import standalone_cluster, submit

from geosr_lake.lake import Lake, ledger
from geosr_lake.lake.bucket import SPARK_JARS
from geosr_lake.lake.contracts import contract
from geosr_lake.lake.place import root_of
from geosr_lake.lake.session import JARS, jars_present

pytestmark = pytest.mark.spark

REPO = Path(__file__).parents[2]
OF_A_RUN = {"run_id", "ingested_at", "source_file", "created_at", "built_at"}
"""Columns that say when and where, not what."""


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package as a zip and the jobs, and nothing else of the checkout."""
    pytest.importorskip("hatchling", reason="the build backend is not installed here")
    folder = tmp_path_factory.mktemp("shipped")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=REPO,
        check=True,
        capture_output=True,
    )
    (wheel,) = folder.glob("*.whl")
    # Spark puts .zip, .egg and .jar on its workers' path, and a wheel is a zip.
    wheel.rename(folder / "geosr_lake.zip")
    shutil.copytree(REPO / "jobs", folder / "jobs")
    return folder


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with standalone_cluster(tmp_path_factory.mktemp("cluster")) as master:
        yield master


def run_job(
    master: str, shipped: Path, job: str, *words: str, jars: tuple[str, ...] = JARS, **more: str
) -> dict[str, Any]:
    """Run one job as a user would who has the shipped folder only; return its summary."""
    outside = {k: v for k, v in os.environ.items() if k not in {"PYTHONPATH", "SPARK_HOME"}}
    environment = outside | {"PYSPARK_PYTHON": sys.executable} | more
    environment.pop("PYSPARK_GATEWAY_PORT", None)
    zipped = str(shipped / "geosr_lake.zip")
    arguments = ["--packages", ",".join(jars), "--py-files", zipped]
    done = submit(
        master,
        shipped,
        *arguments,
        str(shipped / "jobs" / job),
        *words,
        "--json",
        environment=environment,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    # spark-submit gives out all that Python says on its own standard output.
    found: dict[str, Any]
    found, _ = json.JSONDecoder().raw_decode(done.stdout[done.stdout.index("\n{") + 1 :])
    return found


def digests(lake: str) -> dict[str, str]:
    """Return a hash of the rows of each table that Spark wrote, in whatever order they lie."""
    found = {}
    for table in Lake.open(lake).versions:
        # The lake's own ledgers tell of runs and of files, whose names differ.
        if contract(table).stage == "lake" or table == "slices":
            continue
        rows = ledger.read(root_of(lake), table).to_pylist()
        said = sorted(
            json.dumps({k: v for k, v in row.items() if k not in OF_A_RUN}, default=repr)
            for row in rows
        )
        found[table] = hashlib.sha256("\n".join(said).encode()).hexdigest()
    return found


def whole_path(master: str, shipped: Path, folder: Path, lake: str, **more: Any) -> str:
    """Run the three jobs; return the manifest's id, which is a hash of its rows."""
    (folder / "items").mkdir()
    items = sources(folder / "items", first())
    cover = land_cover(folder / "land_cover.tif")
    rule = folder / "recipe.yaml"
    data = json.loads(recipe().canonical())
    data["pairs"]["window"] = "10 d"
    rule.write_text(json.dumps(data))
    common = ("--lake", lake)
    run_job(master, shipped, "ingest_scenes.py", str(items), *common, **more)
    run_job(master, shipped, "build_pairs.py", "--recipe", str(rule), *common, **more)
    built = run_job(
        master,
        shipped,
        "build_manifest.py",
        *("--recipe", str(rule), "--land-cover", str(cover), *common),
        **more,
    )
    return str(built["manifest_id"])


def test_a_job_runs_from_the_zip(cluster: str, shipped: Path, tmp_path: Path) -> None:
    items = sources(tmp_path, first())
    lake = tmp_path / "lake"
    summary = run_job(cluster, shipped, "ingest_scenes.py", str(items), "--lake", str(lake))
    assert summary["read"] == len(first())
    assert Lake.open(lake).arrow("scenes").num_rows == summary["scenes"] > 0


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_cluster_gives_what_one_machine_gives(
    cluster: str, shipped: Path, tmp_path: Path
) -> None:
    made = {}
    for name, master in (("one", "local[2]"), ("two", cluster)):
        folder = tmp_path / name
        folder.mkdir()
        lake = str(folder / "lake")
        made[name] = (whole_path(master, shipped, folder, lake), digests(lake))
    assert made["one"][1].keys() >= {"scenes", "pairs", "manifest"}
    assert made["one"] == made["two"]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_bucket_gives_what_a_folder_gives(
    cluster: str, shipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not jars_present(SPARK_JARS):
        pytest.skip("Hadoop's jars for S3 (560 MB) are not in the Ivy folder")
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    folder_lake = str(tmp_path / "one" / "lake")
    on_disk = whole_path("local[2]", shipped, tmp_path / "one", folder_lake)
    with object_store() as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        lake = f"s3://{BUCKET}/cluster/lake"
        jars = (*JARS, *SPARK_JARS)
        in_bucket = whole_path(cluster, shipped, tmp_path / "two", lake, jars=jars)
        assert digests(lake) == digests(folder_lake)
    assert in_bucket == on_disk
