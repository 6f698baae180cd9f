"""`make` on machines that lack something: one sentence, before anything is downloaded."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).parents[2]
MAKE = shutil.which("make")

pytestmark = pytest.mark.skipif(MAKE is None, reason="there is no make on this machine")


@pytest.fixture
def bare_path(tmp_path: Path) -> Path:
    """A folder for PATH with a shell and this Python as `python3.11`, and nothing else."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in ("sh", "touch", "rm", "sed", "expand"):
        found = shutil.which(tool)
        assert found is not None
        (folder / tool).symlink_to(found)
    python = folder / "python3.11"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    return folder


def add_java(folder: Path, version: str) -> None:
    """Put a `java` of that version there."""
    java = folder / "java"
    java.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2025-01-01' >&2\n")
    java.chmod(0o755)


def make(*words: str, path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run make in the repository with nothing but `path` on PATH."""
    env = {"PATH": str(path), "HOME": os.environ.get("HOME", "/"), **environment}
    return subprocess.run(
        [str(MAKE), *words], cwd=REPO, env=env, capture_output=True, text=True, check=False
    )


def sentence(done: subprocess.CompletedProcess[str]) -> str:
    """Return the one line that is not make's own."""
    assert done.returncode != 0
    lines = [line for line in done.stderr.splitlines() if not line.startswith("make")]
    assert len(lines) == 1, done.stderr
    return lines[0]


@pytest.mark.parametrize(
    "target", ["demo", "demo-train", "test", "test-all", "bench", "bench-large"]
)
def test_without_java(target: str, bare_path: Path, tmp_path: Path) -> None:
    done = make(target, f"VENV={tmp_path / 'venv'}", path=bare_path)
    said = sentence(done)
    assert "Java 17" in said
    assert "install a Java 17 runtime" in said
    assert not (tmp_path / "venv").exists(), "nothing is made before the machine is known to fit"


@pytest.mark.parametrize("version", ["11.0.22", "21.0.2", "1.8.0_392", "170.0"])
def test_with_another_java(version: str, bare_path: Path) -> None:
    add_java(bare_path, version)
    assert f"is version {version}" in sentence(make("java", path=bare_path))


@pytest.mark.parametrize("banner", ["17.0.15", "17", "17-ea"])
def test_every_17_will_do(banner: str, bare_path: Path) -> None:
    add_java(bare_path, banner)
    assert make("java", path=bare_path).returncode == 0


def test_java_home_counts_first(bare_path: Path, tmp_path: Path) -> None:
    add_java(bare_path, "17.0.15")
    (tmp_path / "jdk" / "bin").mkdir(parents=True)
    add_java(tmp_path / "jdk" / "bin", "21.0.2")
    done = make("java", path=bare_path, JAVA_HOME=str(tmp_path / "jdk"))
    assert "21.0.2" in sentence(done)
    assert make("java", path=bare_path).returncode == 0


def test_without_python(bare_path: Path, tmp_path: Path) -> None:
    (bare_path / "python3.11").unlink()
    for target in ("demo", "test", "lint"):
        said = sentence(make(target, f"VENV={tmp_path / 'venv'}", path=bare_path))
        assert "install Python 3.11" in said


def test_with_another_python(bare_path: Path) -> None:
    (bare_path / "python3.11").write_text("#!/bin/sh\nexit 1\n")
    assert "Python 3.11 is needed" in sentence(make("demo", path=bare_path))


def test_a_fitting_machine_hears_nothing(bare_path: Path) -> None:
    add_java(bare_path, "17.0.15")
    done = make("java", path=bare_path)
    assert done.stdout + done.stderr == ""


def test_help_lists_every_target(bare_path: Path) -> None:
    listed = set(re.findall(r"^make ([a-z-]+)", make(path=bare_path).stdout, re.MULTILINE))
    text = (REPO / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE)
    assert phony is not None
    assert listed == set(phony[1].split()) - {"python", "java"}


def test_ci_runs_the_readme_test_command() -> None:
    script = REPO / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert re.search(r"^make test\b", script.read_text(), re.MULTILINE)
    assert "make test" in (REPO / "README.md").read_text()
