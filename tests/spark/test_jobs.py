"""Jobs start under spark-submit and do what the command does."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pyspark
import pytest
from stac_items import landsat, naip, write_lines

from geosr_lake.lake import Lake
from geosr_lake.lake.session import JARS, ivy_dir

pytestmark = pytest.mark.spark

REPO = Path(__file__).parents[2]


def submit(job: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a job with the spark-submit of the installed pyspark."""
    spark_submit = Path(pyspark.__file__).parent / "bin" / "spark-submit"
    command = [
        str(spark_submit),
        *("--master", "local[2]", "--driver-memory", "1g"),
        *("--conf", "spark.sql.shuffle.partitions=2", "--conf", "spark.ui.enabled=false"),
        *("--packages", ",".join(JARS), "--conf", f"spark.jars.ivy={ivy_dir()}"),
        str(REPO / "jobs" / job),
        *arguments,
    ]
    outside = {key: value for key, value in os.environ.items() if key != "PYSPARK_GATEWAY_PORT"}
    environment = outside | {"PYSPARK_PYTHON": sys.executable, "PYTHONPATH": str(REPO)}
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=400, check=False
    )


@pytest.mark.slow
def test_ingest_scenes(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "items.ndjson", [naip(state="co"), naip(state="ne"), landsat()])
    lake = tmp_path / "lake"
    done = submit("ingest_scenes.py", str(path), "--lake", str(lake), "--json")
    assert done.returncode == 0, done.stderr[-3000:]
    summary = json.loads(done.stdout[done.stdout.index("{") :])
    assert (summary["read"], summary["scenes"], summary["superseded"]) == (3, 2, 1)
    scenes = Lake.open(lake).arrow("scenes", columns=["sensor", "tile"]).to_pylist()
    assert sorted(scene["sensor"] for scene in scenes) == ["landsat", "naip"]


@pytest.mark.slow
def test_the_exit_code_is_the_commands(tmp_path: Path) -> None:
    done = submit("ingest_scenes.py", str(tmp_path / "none.ndjson"), "--lake", str(tmp_path / "l"))
    assert done.returncode == 2
    # spark-submit gives out all that Python says on its own standard output.
    assert "There is no such file or folder" in done.stdout
