"""`scenes ingest --api` into a lake in a bucket: the spool on this machine, all else in the store.

Each step is a process of its own, as for a user: the session of the other tests does not know S3.
"""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from killed_ingest import COLLECTION, REPO, killed
from live_oracle import between, ids_of
from object_store import BUCKET, object_store
from stac_server import Server

from geosr_lake.errors import UsageError
from geosr_lake.lake import Lake, ledger
from geosr_lake.lake.bucket import SPARK_JARS
from geosr_lake.lake.place import root_of
from geosr_lake.lake.session import jars_present
from geosr_lake.scenes import live
from geosr_lake.scenes.export import Chosen, export
from geosr_lake.scenes.spool import spool_of

DAYS = (date(2024, 7, 29), date(2024, 8, 3))
LAKE = f"s3://{BUCKET}/live"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An object store and an empty cache, as the environment names them."""
    with object_store() as environment:
        for name, value in (*environment.items(), ("XDG_CACHE_HOME", str(tmp_path))):
            monkeypatch.setenv(name, value)
        yield


def ingest(server: Server) -> subprocess.CompletedProcess[str]:
    interval = "/".join(day.isoformat() for day in DAYS)
    words = ["--api", server.url, "--collection", COLLECTION, "--datetime", interval]
    return subprocess.run(
        [sys.executable, "-m", "geosr_lake", "scenes", "ingest", *words, "--lake", LAKE, "--json"],
        env={**os.environ, "PYTHONPATH": str(REPO)},
        capture_output=True,
        text=True,
        timeout=300,
    )


def summary_of(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_no_cluster_is_asked(server: Server, store: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEOSR_MASTER", "spark://127.0.0.1:9")  # nobody is there
    assert summary_of(ingest(server))["fetched"] == 6
    assert not spool_of(root_of(LAKE)).exists()


def test_where_spark_has_to_write_a_cluster_is_refused(
    store: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = Lake.create(LAKE)
    monkeypatch.setattr(live, "runs_here", lambda: False)
    live._check_workers(lake)
    monkeypatch.setattr(live, "clustered", lambda _: ["items"])
    with pytest.raises(UsageError, match="Run this command without a cluster"):
        live._check_workers(lake)


@pytest.mark.spark
@pytest.mark.slow
@pytest.mark.parametrize("point", ["page", "rows"])
def test_a_killed_run_is_gone_on_with(
    server: Server, store: None, tmp_path: Path, point: str
) -> None:
    if not jars_present(SPARK_JARS):
        pytest.skip("Hadoop's jars for S3 (560 MB) are not in the Ivy folder")
    expected = Counter(between(server, COLLECTION, DAYS))
    root = root_of(LAKE)
    spool = spool_of(root)
    killed(LAKE, server.url, point, after=3 if point == "page" else 0, days=DAYS)
    whole = [folder for folder in spool.iterdir() if not folder.name.startswith(".")]
    rows = ledger.read(root, "slices").num_rows
    assert (rows, len(whole)) == ((6, 6) if point == "rows" else (0, len(whole)))

    summary = summary_of(ingest(server))
    assert summary["resumed"] == (0 if point == "rows" else len(whole))
    assert summary["held"] == rows
    assert summary["held"] + summary["resumed"] + summary["fetched"] == 6
    lake = Lake.open(root)
    assert ids_of(lake) == expected
    assert sum(lake.arrow("slices")["items"].to_pylist()) == len(expected) > 10
    assert not spool.exists()

    exported = export(lake, tmp_path / "exported", Chosen())
    assert exported.items == lake.arrow("scenes").num_rows == len(expected)

    assert summary_of(ingest(server))["requests"] == 0, "all is there"
