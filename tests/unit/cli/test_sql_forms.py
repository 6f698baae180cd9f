"""Arguments into a query, rows out of it."""

import json
import math

import pytest

from geosr_lake.cli import formats
from geosr_lake.cli.sql import _arguments
from geosr_lake.errors import UsageError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5),
        ("-5", -5),
        ("0", 0),
        ("0.05", 0.05),
        ("-.5", -0.5),
        ("1e3", 1000.0),
        ("2.5e-3", 0.0025),
        ("033032", "033032"),
        ("'33032'", "33032"),
        ("''", ""),
        ("'", "'"),
        ("h09v05", "h09v05"),
        ("13SED", "13SED"),
        ("1_000", "1_000"),
        ("nan", "nan"),
        ("inf", "inf"),
        ("1.", "1."),
        ("--5", "--5"),
        ("a=b", "a=b"),
        ("", ""),
    ],
)
def test_an_argument_is_a_number_where_it_reads_as_one(text: str, value: float | str) -> None:
    found = _arguments([f"x={text}"])["x"]
    assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize("text", ["x", "=1", "a b=1"])
def test_what_is_no_argument_is_told(text: str) -> None:
    with pytest.raises(UsageError, match="is no argument"):
        _arguments([text])


def test_json_holds_what_json_can(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [[1.5, math.nan, {"a": [math.inf, b"x"]}], [None, -math.inf, "\u00e9"]]
    formats.write_json(["a", "b", "c"], rows)
    text = capsys.readouterr().out
    assert json.loads(text, parse_constant=pytest.fail) == [
        {"a": 1.5, "b": None, "c": {"a": [None, "eA=="]}},
        {"a": None, "b": None, "c": "\u00e9"},
    ]
    formats.write_json(["a"], [])
    assert json.loads(capsys.readouterr().out) == []


def test_two_columns_of_one_name_are_not_one(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError, match="Two columns have one name"):
        formats.write_json(["a", "a"], [[1, 2]])
    assert capsys.readouterr().out == ""
    formats.write_csv(["a", "a"], [[1, 2]])
    assert capsys.readouterr().out == "a,a\n1,2\n"
