"""A real STAC API on this machine over given items: PostgreSQL, PostGIS, pgstac, stac-fastapi."""

import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest


@dataclass(frozen=True)
class Server:
    """A running API and what it holds."""

    url: str
    items: dict[str, dict[str, Any]]
    database: dict[str, str]

    def sql(self, statement: str) -> None:
        """Run a statement in its database."""
        import psycopg

        with psycopg.connect(autocommit=True, **_connection(self.database)) as connection:
            connection.execute(statement)  # type: ignore[call-overload]

    def count(self, *, on: bool) -> None:
        """Let pages say `numberMatched`, or not."""
        setting = "UPDATE pgstac.pgstac_settings SET value='{}' WHERE name='context'"
        self.sql(setting.format("on" if on else "off"))


def _connection(env: dict[str, str]) -> dict[str, Any]:
    return {
        "host": env["PGHOST"],
        "port": int(env["PGPORT"]),
        "user": env["PGUSER"],
        "dbname": env["PGDATABASE"],
    }


def _binaries() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    postgis = sorted(Path("/usr/share/postgresql").glob("*/extension/postgis.control"))
    if not found or not postgis:
        pytest.skip("no PostgreSQL with PostGIS: `make services` installs it")
    return found[-1].parent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _other_user() -> str | None:
    """Return who runs PostgreSQL where we are root, which it refuses."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    pytest.skip("PostgreSQL does not run as root, and there is no other user here")


@contextmanager
def postgres() -> Iterator[dict[str, str]]:
    """Run a PostgreSQL of its own; yields the variables that name it."""
    binaries, user, port = _binaries(), _other_user(), free_port()
    # Sockets' paths are short, and the other user must get there: not below pytest's folder.
    folder = Path(tempfile.mkdtemp(prefix="geosr-pg-"))
    try:
        if user is not None:
            shutil.chown(folder, user)

        def run(*words: str) -> None:
            subprocess.run(
                words, check=True, capture_output=True, user=user, cwd=folder, timeout=120
            )

        run(str(binaries / "initdb"), "-D", f"{folder}/data", "-A", "trust", "-U", "postgres")
        options = (
            f"-c listen_addresses=127.0.0.1 -p {port} -c unix_socket_directories={folder} "
            "-c fsync=off -c synchronous_commit=off -c full_page_writes=off"
        )
        control = [str(binaries / "pg_ctl"), "-D", f"{folder}/data", "-w"]
        started = subprocess.Popen(
            [*control, "-l", f"{folder}/log", "-o", options, "start"],
            user=user, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        if started.wait(timeout=120):
            raise RuntimeError(f"PostgreSQL does not start: {(folder / 'log').read_text()}")
        try:
            where = ["-h", "127.0.0.1", "-p", str(port), "-U", "postgres"]
            run(str(binaries / "createdb"), *where, "pgstac")
            yield {
                "PGHOST": "127.0.0.1", "PGPORT": str(port), "PGUSER": "postgres",
                "PGPASSWORD": "none", "PGDATABASE": "pgstac",
            }  # fmt: skip
        finally:
            run(*control, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - of this machine
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("the STAC API does not start")


@contextmanager
def serving(folder: Path, items: Sequence[dict[str, Any]]) -> Iterator[Server]:
    """Serve `items`, which have distinct ids within a collection and a geometry each."""
    pytest.importorskip("stac_fastapi.pgstac")
    pytest.importorskip("pypgstac")
    collections = sorted({item["collection"] for item in items})
    (folder / "items.ndjson").write_text("".join(json.dumps(item) + "\n" for item in items))
    (folder / "collections.ndjson").write_text(
        "".join(json.dumps(_collection(name)) + "\n" for name in collections)
    )
    with postgres() as database:
        env = {**os.environ, **database, "OMP_NUM_THREADS": "1"}
        pypgstac = str(Path(sys.executable).parent / "pypgstac")
        for words in (
            ["migrate"],
            ["load", "collections", "collections.ndjson", "--method", "insert"],
            ["load", "items", "items.ndjson", "--method", "insert"],
        ):
            subprocess.run([pypgstac, *words], env=env, cwd=folder, check=True, capture_output=True)
        port = free_port()
        process = subprocess.Popen(
            [
                sys.executable, "-m", "uvicorn", "--factory", "stac_fastapi.pgstac.app:create_app",
                "--host", "127.0.0.1", "--port", str(port), "--log-level", "warning",
            ],
            env=env, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            url = f"http://127.0.0.1:{port}"
            _wait(f"{url}/_mgmt/ping", process)
            yield Server(url, {item["id"]: item for item in items}, database)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _collection(name: str) -> dict[str, Any]:
    return {
        "type": "Collection",
        "id": name,
        "stac_version": "1.0.0",
        "description": name,
        "license": "proprietary",
        "extent": {
            "spatial": {"bbox": [[-180, -90, 180, 90]]},
            "temporal": {"interval": [["2000-01-01T00:00:00Z", None]]},
        },
        "links": [],
    }
