"""What every file of the repository keeps to."""

import ast
import re
import subprocess
import tomllib
from pathlib import Path

REPO = Path(__file__).parents[2]
MAX_LINES = 600
MEDIAN_LINES = 150


def tracked() -> list[Path]:
    """Return every file that git knows; all files where there is no git (an unpacked archive)."""
    done = subprocess.run(
        ["git", "ls-files", "-z"], cwd=REPO, capture_output=True, text=True, check=False
    )
    names = [name for name in done.stdout.split("\0") if name]
    return [REPO / name for name in names if (REPO / name).is_file()]


FILES = tracked()
MODULES = sorted((REPO / "geosr_lake").rglob("*.py"))
# Put together here, so that this file does not hold what it looks for.
REGISTRIES = re.compile(
    "|".join(
        ["pypi" + r"\.org", "python" + r"hosted\.org", "maven" + r"\.org", "npm" + r"js\.(org|com)"]
    )
)
ONE_MACHINE = re.compile(r"(?<![\w.}])/(" + "home|root|Users|work|mnt" + r")/\w")


def text_of(path: Path) -> str:
    """Return the text of a file; nothing for one that is not text."""
    data = path.read_bytes()
    return "" if b"\0" in data else data.decode(errors="replace")


def name(path: Path) -> str:
    """Return the path below the repository."""
    return str(path.relative_to(REPO))


def test_a_module_is_one_room() -> None:
    lengths = {name(path): len(path.read_text().splitlines()) for path in MODULES}
    assert {path: lines for path, lines in lengths.items() if lines > MAX_LINES} == {}


def test_modules_are_small() -> None:
    lengths = sorted(len(p.read_text().splitlines()) for p in MODULES if p.name != "__init__.py")
    assert lengths[len(lengths) // 2] <= MEDIAN_LINES


def test_every_module_says_what_it_is() -> None:
    trees = {name(path): ast.parse(path.read_text()) for path in MODULES}
    assert [path for path, tree in trees.items() if not ast.get_docstring(tree)] == []


def test_what_is_skipped_is_said_at_the_end_of_a_run() -> None:
    """A test that lacks something must not pass in silence: one line a reason, by default."""
    settings = tomllib.loads((REPO / "pyproject.toml").read_text())
    assert "-ra" in settings["tool"]["pytest"]["ini_options"]["addopts"]


def test_input_is_never_asserted() -> None:
    """`python -O` drops asserts."""
    found = [
        f"{name(path)}:{node.lineno}"
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Assert)
    ]
    assert found == []


def test_no_registry_is_named() -> None:
    assert [name(p) for p in FILES if REGISTRIES.search(text_of(p))] == []


def test_no_path_of_one_machine() -> None:
    assert [name(p) for p in FILES if ONE_MACHINE.search(text_of(p))] == []


def test_the_patterns_find_something() -> None:
    assert REGISTRIES.search("https://" + "pypi" + ".org/simple")
    assert ONE_MACHINE.search("cd /" + "home/somebody")
    assert not ONE_MACHINE.search("https://example.com/home/x and ./work/x and ${X}/work/y")


def test_no_large_files() -> None:
    large = [name(p) for p in FILES if p.stat().st_size > 1_000_000]
    assert large == []
