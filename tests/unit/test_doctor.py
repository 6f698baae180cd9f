"""`geosr doctor` on machines that lack something: it says what, and exits with 4."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from geosr_lake import doctor
from geosr_lake.errors import EnvironmentProblemError


def fake_java(folder: Path, version: str) -> None:
    """Write an executable `java` of that version."""
    folder.mkdir(parents=True, exist_ok=True)
    java = folder / "java"
    java.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n")
    java.chmod(0o755)


def run_doctor(*options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `geosr doctor` in a process of its own, with that environment on top of this one."""
    env = {k: v for k, v in os.environ.items() if k not in {"JAVA_HOME", "GEOSR_LAKE"}}
    command = [sys.executable, "-m", "geosr_lake", "doctor", *options]
    return subprocess.run(
        command, env=env | environment, capture_output=True, text=True, check=False
    )


def checks_of(done: subprocess.CompletedProcess[str]) -> dict[str, dict[str, Any]]:
    """Return the checks that `--json` printed, by name."""
    return {check["name"]: check for check in json.loads(done.stdout)["checks"]}


def test_without_java_it_names_the_fix_and_exits_with_4(tmp_path: Path) -> None:
    done = run_doctor("--json", PATH=str(tmp_path))
    assert done.returncode == EnvironmentProblemError.exit_code == 4
    java = checks_of(done)["Java"]
    assert not java["ok"]
    assert java["found"] == "none"
    assert "Install a Java 17 runtime" in java["fix"]
    assert "Spark" not in checks_of(done), "a session cannot start without Java"


def test_another_java_is_named_with_its_version(tmp_path: Path) -> None:
    fake_java(tmp_path / "bin", "21.0.2")
    done = run_doctor("--json", JAVA_HOME=str(tmp_path))
    assert done.returncode == 4
    java = checks_of(done)["Java"]
    assert java["found"] == "21"
    assert "JAVA_HOME" in java["fix"]


def test_for_people_the_fix_is_one_line_on_stderr(tmp_path: Path) -> None:
    done = run_doctor(PATH=str(tmp_path))
    assert done.returncode == 4
    assert "FAILS" in done.stdout
    fixes = [line for line in done.stderr.splitlines() if line.startswith("Java: ")]
    assert len(fixes) == 1
    assert "Traceback" not in done.stderr


def test_missing_jars_are_announced_not_failed(tmp_path: Path) -> None:
    done = run_doctor("--json", "--no-start", GEOSR_IVY_DIR=str(tmp_path))
    jars = checks_of(done)["jars"]
    assert jars["ok"]
    assert "downloads" in jars["found"]


@pytest.mark.slow
@pytest.mark.spark
def test_a_session_really_starts() -> None:
    done = run_doctor("--json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["healthy"]
    assert "Sedona and Delta answer" in checks_of(done)["Spark"]["found"]


def test_a_session_that_cannot_start_says_why(tmp_path: Path) -> None:
    done = run_doctor("--json", GEOSR_MASTER="local[nonsense]")
    assert done.returncode == 4
    spark = checks_of(done)["Spark"]
    assert "did not start" in spark["found"]
    assert "GEOSR_MASTER" in spark["fix"]


def test_every_failed_check_has_a_fix_and_no_other(tmp_path: Path) -> None:
    for check in doctor.diagnose(tmp_path, start=False).checks:
        assert (check.fix is None) == check.ok, check


def test_packages_that_miss_or_do_not_fit() -> None:
    found = doctor.check_packages(iter([("numpy", "<1"), ("no-such-package", ""), ("typer", "")]))
    assert [check.name for check in found] == ["package numpy", "package no-such-package"]
    assert found[0].found.endswith("not <1")
    assert found[1].found == "not installed"
    assert all(check.fix for check in found)


def test_the_packages_of_the_extra_are_looked_at() -> None:
    names = {name for name, _ in doctor._needed("lake")}
    assert {"pyspark", "delta-spark", "apache-sedona", "zarr", "rasterio"} <= names
    assert not names & {"torch", "pytest"}


@pytest.mark.parametrize(("gib", "ok"), [(2.0, False), (7.0, False), (7.4, True), (16.0, True)])
def test_memory(gib: float, ok: bool) -> None:
    assert doctor.check_memory(int(gib * 2**30)).ok is ok


def test_memory_of_this_machine_is_plausible() -> None:
    assert 2**28 < doctor._memory_bytes() < 2**50


def test_disk_of_a_folder_that_does_not_exist_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "a" / "b"
    assert str(tmp_path) in doctor.check_disk(folder).found
    monkeypatch.setattr(doctor, "MIN_DISK_GIB", 1e9)
    check = doctor.check_disk(folder)
    assert not check.ok
    assert "--lake" in (check.fix or "")


def test_a_file_is_no_folder_for_a_lake(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for place in (tmp_path / "file", tmp_path / "file" / "lake"):
        check = doctor.check_disk(place)
        assert not check.ok
        assert "--lake" in (check.fix or "")


def test_torch_is_not_required() -> None:
    check = doctor.check_torch()
    assert not check.required
