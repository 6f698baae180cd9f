"""What a server begins with: which jars, and where it may listen."""

import os
import socket
from pathlib import Path

import pytest

from geosr_lake.errors import EnvironmentProblemError
from geosr_lake.lake import serve
from geosr_lake.lake.session import JARS

OTHERS = (
    "io.delta_delta-spark_2.13-4.0.0.jar",
    "io.delta_delta-storage-4.0.0.jar",
    "org.apache.sedona_sedona-spark-shaded-3.5_2.12-1.7.2.jar",
    "org.apache.parquet_parquet-hadoop-1.16.0.jar",
)


def test_other_versions_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "ivy_dir", lambda: tmp_path)
    (tmp_path / "jars").mkdir()
    for name in OTHERS:
        (tmp_path / "jars" / name).touch()
    with pytest.raises(EnvironmentProblemError, match="geosr doctor"):
        serve._class_path()
    parts = [jar.split(":") for jar in JARS]
    ours = {f"{group}_{name}-{version}.jar" for group, name, version in parts}
    ours.add(f"io.delta_delta-storage-{parts[0][2]}.jar")
    for name in ours:
        (tmp_path / "jars" / name).touch()
    assert {Path(path).name for path in serve._class_path().split(":")} == ours


@pytest.mark.parametrize(
    ("address", "own"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("0.0.0.0", False),  # noqa: S104 - nobody listens there
        ("::", False),
        ("::ffff:0.0.0.0", False),
        ("192.168.1.7", False),
    ],
)
def test_own_addresses(address: str, own: bool) -> None:
    assert serve.is_loopback(address) is own


def test_who_listens_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "LISTENS_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        serve.check_loopback(port)
    with pytest.raises(EnvironmentProblemError, match="another port"):
        serve.check_loopback(port)


def test_the_environment_is_as_before_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_TEST_A", "before")
    monkeypatch.delenv("SOME_TEST_B", raising=False)
    with serve._environment({"SOME_TEST_A": "1", "SOME_TEST_B": "2"}):
        assert (os.environ["SOME_TEST_A"], os.environ["SOME_TEST_B"]) == ("1", "2")
    assert os.environ["SOME_TEST_A"] == "before"
    assert "SOME_TEST_B" not in os.environ


def test_any_free_port_is_none_that_is_given_out() -> None:
    ports = {serve.free_port(0, "--port") for _ in range(20)}
    assert len(ports) > 1
    assert ports <= set(serve.OWN_PORTS)
    taken = socket.create_server(("127.0.0.1", 0))
    with taken, pytest.raises(EnvironmentProblemError, match="--port"):
        serve.free_port(taken.getsockname()[1], "--port")
