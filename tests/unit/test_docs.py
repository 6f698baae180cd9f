"""What README and docs say is so: commands, targets, links, exit codes, variables."""

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from geosr_lake.cli.console import INTERRUPTED
from tests.support.commands import UsageError, leaves, parses

REPO = Path(__file__).parents[2]
PAGES = sorted([*REPO.glob("*.md"), *REPO.glob("docs/**/*.md"), *REPO.glob("catalog/**/*.md")])
FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`(geosr [^`\n]+)`")
LINK = re.compile(r"\]\(([^)#]+)(#[^)]*)?\)")
VARIABLE = re.compile(r"\bGEOSR_[A-Z_]+\b")


def name(path: Path) -> str:
    """Return the path below the repository."""
    return str(path.relative_to(REPO))


def command_lines(text: str) -> Iterator[str]:
    """Yield every line of a fenced shell block, continued lines joined, without assignments."""
    for language, body in FENCE.findall(text):
        if language in ("sh", "bash", "console"):
            for line in body.replace("\\\n", " ").splitlines():
                plain = re.sub(r"^\s*\$?\s*((export )?\w+=\S+ +)*", "", line)
                yield re.sub(r" > \S+$", "", plain)
    # Indented blocks.
    for line in text.splitlines():
        if line.startswith("    ") and re.match(r"\s+(geosr|make) ", line):
            yield line.strip()


@pytest.fixture(autouse=True)
def lake_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Docs name the lake once, by the variable."""
    monkeypatch.setenv("GEOSR_LAKE", "my_lake")


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_command_line_is_real(page: Path) -> None:
    for line in command_lines(page.read_text()):
        if line.startswith("geosr "):
            assert parses(line) in set(leaves()) | {()}, line


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_command_named_in_a_sentence_is_real(page: Path) -> None:
    known = {path[: n + 1] for path in leaves() for n in range(len(path))}
    for found in INLINE.findall(FENCE.sub("", page.read_text())):
        words = [w for w in found.split()[1:] if re.fullmatch(r"[a-z][a-z-]*", w)]
        path = tuple(words[:2]) if tuple(words[:2]) in known else tuple(words[:1])
        assert path in known or path == (), found
        if re.search(r"--\w|[A-Z]{2,}", found) is None and path in set(leaves()):
            continue  # a command without its options is a name
        if re.search(r"[A-Z]{3,}|\.\.\.", found) is None:
            parses(found)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_make_target_is_real(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (REPO / "Makefile").read_text(), re.MULTILINE))
    text = page.read_text()
    lines = [*command_lines(text), *re.findall(r"`(make [^`]+)`", text)]
    for line in lines:
        if line.startswith("make "):
            assert line.split()[1] in targets, line


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_leads_somewhere(page: Path) -> None:
    prose = re.sub(r"`[^`]*`", "", FENCE.sub("", page.read_text()))
    for target, _ in LINK.findall(prose):
        if not re.match(r"[a-z]+:", target):
            assert (page.parent / target).exists(), target


def test_the_readme_lists_the_exit_codes() -> None:
    spec = importlib.util.spec_from_file_location("maker", REPO / "docs" / "make_reference.py")
    assert spec is not None
    assert spec.loader is not None
    maker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(maker)
    wanted = set(maker.exit_codes())
    assert INTERRUPTED in wanted
    listed = re.findall(r"^\| (\d+) \| \S", (REPO / "README.md").read_text(), re.MULTILINE)
    assert {int(code) for code in listed} == wanted


def test_the_readme_lists_the_variables() -> None:
    used: set[str] = set()
    for folder in ("geosr_lake", "tests"):
        for path in (REPO / folder).rglob("*.py"):
            used |= set(VARIABLE.findall(path.read_text()))
    listed = set(
        re.findall(r"^\| `(GEOSR_[A-Z_]+)` \|", (REPO / "README.md").read_text(), re.MULTILINE)
    )
    assert listed == used


def test_the_checks_find_what_is_wrong() -> None:
    text = "```sh\n$ LIMIT=1 geosr pears build\ngeosr recipe \\\n  show s2_naip\n```\n"
    lines = list(command_lines(text))
    assert lines == ["geosr pears build", "geosr recipe    show s2_naip"]
    with pytest.raises(UsageError):
        parses(lines[0])
    assert parses(lines[1]) == ("recipe", "show")
