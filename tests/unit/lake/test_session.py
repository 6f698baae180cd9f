"""What is known of Spark's session before there is one."""

import threading
from pathlib import Path

import pytest

from geosr_lake.lake import session


@pytest.fixture
def ivy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GEOSR_IVY_DIR", str(tmp_path / "ivy"))
    return tmp_path / "ivy"


def _enter(started: threading.Event) -> threading.Thread:
    def run() -> None:
        with session._one_download():
            started.set()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def _put_jars(ivy: Path) -> None:
    (ivy / "jars").mkdir(parents=True)
    for coordinate in session.JARS:
        group, artifact, version = coordinate.split(":")
        (ivy / "jars" / f"{group}_{artifact}-{version}.jar").touch()


def test_jars_are_present_when_both_are(ivy: Path):
    assert not session.jars_present()
    _put_jars(ivy)
    assert session.jars_present()
    next((ivy / "jars").iterdir()).unlink()
    assert not session.jars_present()


def test_the_second_waits_while_the_first_downloads(ivy: Path):
    entered = threading.Event()
    with session._one_download():
        second = _enter(entered)
        assert not entered.wait(0.2)
    second.join(10)
    assert entered.is_set()


def test_nobody_waits_once_the_jars_are_there(ivy: Path):
    _put_jars(ivy)
    entered = threading.Event()
    with session._one_download():
        _enter(entered).join(10)
        assert entered.is_set()
