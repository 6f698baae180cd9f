"""`geosr lake serve`: a client without Spark, JDBC, and the end."""

import contextlib
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from typer.testing import CliRunner

from geosr_lake.cli.app import app
from geosr_lake.lake.serve import is_loopback

pytestmark = pytest.mark.spark
REPO = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def client() -> Path:
    """The Python of an environment of `requirements/client.txt`, made once on a machine."""
    lock = REPO / "requirements" / "client.txt"
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"geosr-client-{os.getuid()}-{digest}"
    python = folder / "bin" / "python"
    if not (folder / "done").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        words = ["-m", "pip", "install", "--quiet", "--require-hashes", "-r", str(lock)]
        done = subprocess.run([python, *words], capture_output=True, text=True)
        if done.returncode != 0 and "Retrying (" in done.stderr:  # pip's word for a lost connection
            pytest.skip("pyspark-client cannot be installed here: no network")
        assert done.returncode == 0, done.stderr
        (folder / "done").touch()
    return python


@contextlib.contextmanager
def server(lake: Any, *words: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """A server of the lake on free ports; what it printed."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "geosr_lake", "lake", "serve", "--lake", str(lake.root)),
            *("--port", "0", "--json", *words),
        ],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(REPO), "GEOSR_MASTER": "local[2]"},
    )
    try:
        assert process.stdout is not None
        lines = []
        while not lines or lines[-1] != "}":
            line = process.stdout.readline()
            assert line, "the server ended before it was ready"
            lines.append(line.rstrip("\n"))
        yield process, json.loads("\n".join(lines))
    finally:
        process.terminate()
        process.wait(60)


def asked(python: Path, code: str, *words: str) -> Any:
    done = subprocess.run(
        [python, "-I", "-c", textwrap.dedent(code), *words], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


QUERY = """
    import importlib.util, json, sys
    from pyspark.sql import SparkSession
    spark = SparkSession.builder.remote(sys.argv[1]).getOrCreate()
    row = spark.sql('''
        SELECT count(*) AS n, max(ST_Area(ST_GeomFromWKB(footprint_wkb))) AS area,
            count_if(ST_Intersects(ST_GeomFromWKB(footprint_wkb), ST_GeomFromText(
                'POLYGON ((-180 -90, 180 -90, 180 90, -180 90, -180 -90))'))) AS within
        FROM manifest JOIN sites USING (site_id)
    ''').collect()[0]
    views = [t.name for t in spark.catalog.listTables() if t.tableType == "VIEW"]
    other = [n for n in ("geosr_lake", "py4j", "delta", "sedona") if importlib.util.find_spec(n)]
    print(json.dumps([row.n, row.area, row.within, views, other]))
"""
OPENED = """
    import json, sys
    sys.path[1:1] = [sys.argv[3]]
    sys.path.append(sys.argv[4])
    from pyspark.sql import SparkSession
    from geosr_lake import open_lake
    from geosr_lake.errors import UsageError
    spark = SparkSession.builder.remote(sys.argv[1]).getOrCreate()
    def told(call):
        try:
            call()
        except UsageError as error:
            return str(error)
    taken = told(lambda: open_lake(spark, sys.argv[2]))
    lake = open_lake(spark, sys.argv[2], prefix="my_")
    lake.refresh()
    print(json.dumps([
        taken,
        lake.versions,
        spark.table("my_pairs").count(),
        lake.sql("SELECT count(*) AS n FROM pairs WHERE pair_id <> :x", {"x": "y"}).collect()[0].n,
        lake.at(0).df("manifest").count(),
        told(lambda: lake.sql("DELETE FROM my_pairs")),
        told(lambda: lake.sql("CREATE TEMP VIEW x AS SELECT 1")),
        told(lambda: lake.sql("SELECT nothing FROM pairs")),
        told(lambda: lake.at("2000-01-01")),
        told(lambda: open_lake(spark, sys.argv[2] + "/nowhere", prefix="a_")),
    ]))
"""


@pytest.mark.slow
def test_a_client_without_spark_asks_about_the_manifest(built: Any, client: Path) -> None:
    lake = built.lake
    with server(lake) as (process, said):
        assert said["jdbc"] is None
        assert said["connect"].startswith("sc://127.0.0.1:")
        rows, area, within, views, other = asked(client, QUERY, said["connect"])
        assert rows == within == lake.arrow("manifest").num_rows
        assert 0 < area < 1e-3
        assert {"manifest", "scenes", "items", "commits"} <= set(views)
        assert other == []
        words = [str(lake.root), str(REPO), sysconfig.get_paths()["purelib"]]
        found = asked(client, OPENED, said["connect"], *words)
        taken, versions, pairs, counted, before, *refused = found
        assert "prefix" in taken
        assert versions == lake.versions
        assert pairs == counted == len(built.pairs)
        assert before == lake.at(0).df("manifest").count()
        assert "Only queries" in refused[0]
        assert "Only queries" in refused[1]
        assert "UNRESOLVED_COLUMN" in refused[2]
        assert "first commit" in refused[3]
        assert "There is no lake here" in refused[4]
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0


@pytest.mark.slow
def test_jdbc(built: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """On loopback, whatever the environment asks of Hive's servers."""
    import pyspark

    monkeypatch.setenv("HIVE_SERVER2_THRIFT_BIND_HOST", "0.0.0.0")  # noqa: S104 - not obeyed
    monkeypatch.setenv("HIVE_SERVER2_THRIFT_PORT", "1")

    jars = Path(pyspark.__file__).parent / "jars"
    if not list(jars.glob("hive-beeline-*.jar")):
        pytest.skip("no beeline among Spark's jars")
    query = "SELECT count(*) AS n, round(max(ST_Area(ST_GeomFromWKB(footprint_wkb)))) FROM sites"
    with server(built.lake, "--thrift", "--thrift-port", "0") as (process, said):
        me = psutil.Process(process.pid)
        heard = {
            connection.laddr
            for one in [me, *me.children(recursive=True)]
            for connection in one.net_connections(kind="tcp")
            if connection.status == psutil.CONN_LISTEN
        }
        assert len(heard) >= 2
        assert all(is_loopback(at.ip) or not at.port for at in heard), heard
        done = subprocess.run(
            [
                *("java", "-cp", f"{jars}/*", "org.apache.hive.beeline.BeeLine"),
                *("-u", said["jdbc"], "--outputformat=csv2", "-e", query),
            ],
            capture_output=True,
            text=True,
        )
    assert done.returncode == 0, done.stderr
    assert f"{built.lake.arrow('sites').num_rows},0.0" in done.stdout


@pytest.mark.parametrize("option", ["--port", "--thrift-port"])
def test_a_port_that_is_taken_is_told(built: Any, option: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        words = ["lake", "serve", "--lake", str(built.lake.root), "--port", "0", "--thrift"]
        done = CliRunner().invoke(app, [*words, option, port])
    assert done.exit_code == 4, done.output
    assert f"Port {port} of 127.0.0.1 cannot be used" in done.stderr
    assert option in done.stderr
