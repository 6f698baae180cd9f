"""Every command has a help with an example that is a real command line."""

import re

import pytest

from tests.support.commands import UsageError, find, leaves, parses

EXAMPLE = re.compile(r"Example: `(geosr [^`]+)`")
LEAVES = list(leaves())


def test_the_commands_are_found() -> None:
    assert {("recipe", "validate"), ("demo",), ("doctor",)} <= set(LEAVES)


@pytest.mark.parametrize("path", LEAVES, ids=" ".join)
def test_the_example_is_real(path: tuple[str, ...]) -> None:
    found = EXAMPLE.findall(find(path).help or "")
    assert found, f"`geosr {' '.join(path)} --help` shows no example"
    for line in found:
        assert parses(line) == path


@pytest.mark.parametrize("path", LEAVES, ids=" ".join)
def test_every_option_says_what_it_is(path: tuple[str, ...]) -> None:
    for parameter in find(path).params:
        assert getattr(parameter, "help", None), f"{parameter.name} has no help"


@pytest.mark.parametrize("path", LEAVES, ids=" ".join)
def test_every_command_prints_json(path: tuple[str, ...]) -> None:
    options = {name for parameter in find(path).params for name in parameter.opts}
    assert "--json" in options


@pytest.mark.parametrize(
    "line", ["geosr recipe validate s2_naip", "geosr --version", "geosr demo --help"]
)
def test_good_lines_parse(line: str) -> None:
    parses(line)


@pytest.mark.parametrize(
    "line", ["geosr recipes validate x", "geosr recipe validate", "geosr demo --colour red"]
)
def test_bad_lines_do_not(line: str) -> None:
    with pytest.raises(UsageError):
        parses(line)
