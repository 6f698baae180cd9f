"""Queries of the cookbook that ask for a value say so themselves, before any session starts."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from geosr_lake.cli.app import app
from geosr_lake.cli.sql import _shipped
from geosr_lake.lake.contracts import contracts

ASKING = {"at_cloud_limit": "max_cloud", "latitudes": "band", "many_dates": "least"}


def markers(text: str) -> set[str]:
    """Names after a colon, outside of comments; none of the queries has one inside quotes."""
    return set(re.findall(r"(?<!:):(\w+)", re.sub(r"--.*", "", text)))


def test_the_comment_of_a_query_shows_every_value_that_it_asks_for() -> None:
    found = {}
    for name, path in _shipped().items():
        text = path.read_text()
        shown = re.findall(r"--arg (\w+)=\S+", text)
        assert set(shown) == markers(text), name
        found |= {name: " ".join(shown)} if shown else {}
    assert found == ASKING


def test_the_help_names_every_view() -> None:
    text = CliRunner().invoke(app, ["sql", "--help"], env={"COLUMNS": "200"}).output
    listed = re.search(r"Views: ([^.]*)\.", re.sub(r"[\s│]+", " ", text))
    assert listed is not None
    assert set(listed[1].split(", ")) == set(contracts())


@pytest.mark.parametrize("query", ASKING)
@pytest.mark.parametrize("given", [[], ["--arg", "another=1"]])
def test_without_its_value_a_query_says_which_and_how(
    query: str, given: list[str], tmp_path: Path
) -> None:
    done = CliRunner().invoke(app, ["sql", query, *given, "--lake", str(tmp_path / "none")])
    assert done.exit_code == 2
    name = ASKING[query]
    assert f"The query {query} asks for {name}" in done.stderr
    example = re.search(r"For example: `geosr (.*)`", done.stderr)
    assert example is not None
    assert re.fullmatch(rf"sql {query} --arg {name}=[\d.]+", example[1])
    assert "Spark" not in done.stderr
    assert "UNBOUND" not in done.stderr
    # As it says it goes on: to a lake that is not there.
    words = [*example[1].split(), "--lake", str(tmp_path / "none")]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 2
    assert "There is no lake here" in done.stderr
