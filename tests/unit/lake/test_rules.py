"""Constraints over Arrow rows: the contracts' texts are understood, and null is no."""

from typing import Any

import pyarrow as pa
import pytest

from geosr_lake.errors import ContractError
from geosr_lake.lake import rules
from geosr_lake.lake.contracts import contract
from geosr_lake.lake.ledger import arrow_schema
from geosr_lake.redact import SECRET_PARAMETERS, SECRET_PREFIXES, unsigned

SCENES = ("items", "scenes", "tiles")
MAPS = pa.map_(pa.string(), pa.string())


def judged(expression: str, **columns: pa.Array) -> list[Any]:
    return pa.chunked_array(rules.holds(pa.table(columns), expression)).to_pylist()


@pytest.mark.parametrize("table", SCENES)
def test_every_rule_is_understood(table: str) -> None:
    schema = arrow_schema(table)
    nothing = pa.table([pa.nulls(1, f.type) for f in schema], names=schema.names)
    for expression in contract(table).constraints.values():
        assert len(rules.holds(nothing, expression)) == 1
    assert rules.broken(nothing, contract(table)) is not None
    assert rules.broken(schema.empty_table(), contract(table)) is None


def test_three_values() -> None:
    a = pa.array([1.0, 2.0, None, float("nan")])
    b = pa.array([2.0, 1.0, 1.0, 1.0])
    assert judged("a <= b", a=a, b=b) == [True, False, None, False]
    assert judged("a IS NULL OR a BETWEEN 0 AND 1", a=a) == [True, False, True, False]
    assert judged("a >= -180 AND b IS NOT NULL", a=a, b=b) == [True, True, None, False]
    assert judged("NOT (a < b) OR b <> 1", a=a, b=b) == [True, True, None, True]
    text = pa.array(["x", "it's", None])
    assert judged(r"text IN ('x', 'it\'s')", text=text) == [True, True, None]
    assert judged("text = 'x'", text=text) == [True, False, None]


@pytest.mark.parametrize("unknown", ["a LIKE 'x'", "length(a) > 1", "a ==", "a = 1 b", "c = 1", ""])
def test_what_is_not_understood_is_refused(unknown: str) -> None:
    with pytest.raises(ContractError):
        judged(unknown, a=pa.array([1.0]))


def test_all_that_signs_is_found() -> None:
    """Each parameter in each place of a link, as Spark finds it: see tests/spark/test_unsigned."""
    names = sorted({*SECRET_PARAMETERS, *(f"{prefix}a-b" for prefix in SECRET_PREFIXES)})
    names += [name.upper() for name in names]
    hrefs = [f"https://h/a{m}{n}=C" for n in names for m in ("?", "?x=1&", "?x=1;", "#")]
    plain = [unsigned(href) for href in hrefs]
    odd = ["https://h/a?\u017fig=C", "https://h/a?to\u212aen=C"]  # only look like letters of ASCII
    values = [[("a", "x"), ("B01", href)] for href in [*hrefs, *plain, *odd]]
    maps = pa.array([*values, None, [], [("?sig=", "x")]], MAPS)
    expected = [False] * len(hrefs) + [True] * (len(plain) + len(odd))
    expression = contract("items").constraints["hrefs_unsigned"]
    assert judged(expression, assets=maps) == [*expected, True, True, True]
    # Parts of a column too, which Arrow keeps with an offset.
    at = len(hrefs) - 2
    part = pa.table({"assets": maps}).slice(at, 5)
    assert rules.holds(part, expression).to_pylist() == expected[at : at + 5]
    kind = arrow_schema("scenes").field("superseded").type
    other = dict.fromkeys(("archive", "collection", "item_id", "content_hash"), "x")
    lists = pa.array([[other | {"assets": one}] for one in values] + [[]], kind)
    expression = contract("scenes").constraints["other_hrefs_unsigned"]
    assert judged(expression, superseded=lists) == [*expected, True]
    signed = pa.array([[other | {"item_id": "a?sig=1", "assets": []}], []], kind)
    assert judged(expression, superseded=signed) == [False, True]
