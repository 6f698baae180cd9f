"""The contracts in schemas/: each says all that a table needs, and can be made a table of."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from geosr_lake.lake.contracts import Contract, contract, contracts, stage_tables
from geosr_lake.lake.ledger import arrow_schema, arrow_type

SCHEMAS = Path(__file__).parents[3] / "schemas"
NAMES = sorted(contracts())
STAGES = {"lake", "scenes", "pairs", "manifest", "cubes"}


def test_a_file_a_table() -> None:
    tables = {p.stem for p in SCHEMAS.glob("*.json") if "table" in json.loads(p.read_text())}
    assert tables == set(NAMES)
    assert all(contract(name).table == name for name in NAMES)
    with pytest.raises(KeyError):
        contract("no_such_table")


@pytest.mark.parametrize("name", NAMES)
def test_key_clustering_and_constraints_name_columns(name: str) -> None:
    terms = contract(name)
    columns = {c.name: c for c in terms.columns}
    assert len(columns) == len(terms.columns)
    assert terms.key
    for key in terms.key:
        assert not columns[key].nullable, f"{key} is in the key and may be null"
    assert set(terms.cluster_by) <= columns.keys()
    assert terms.stage in STAGES
    for expression in terms.constraints.values():
        words = set(re.findall(r"[a-z_]+", re.sub(r"'[^']*'", "", expression)))
        assert words & columns.keys()
    assert all(c.description for c in terms.columns)


@pytest.mark.parametrize("name", NAMES)
def test_every_column_has_an_arrow_type(name: str) -> None:
    schema = arrow_schema(name)
    assert schema.names == contract(name).names
    assert [f.nullable for f in schema] == [c.nullable for c in contract(name).columns]


@pytest.mark.parametrize("name", [n for n in NAMES if contract(n).engine == "deltalake"])
def test_tables_that_both_engines_write_to_have_plain_constraints(name: str) -> None:
    """Comparisons, between, null and length: what Spark and DataFusion evaluate alike."""
    terms = contract(name)
    assert terms.cluster_by == ()
    allowed = {"BETWEEN", "AND", "OR", "NOT", "NULL", "IS", "length"}
    for expression in terms.constraints.values():
        words = set(re.findall(r"[A-Za-z_]+", re.sub(r"'[^']*'", "", expression)))
        assert words <= allowed | set(terms.names)


def test_the_ddl_quotes_names_and_says_what_may_be_null() -> None:
    ddl = contract("site_cover").ddl
    assert "`class` int NOT NULL" in ddl
    assert "`stratum` string," in contract("candidates").ddl


def test_units_stand_in_the_comment() -> None:
    columns = {c.name: c for c in contract("pairs").columns}
    assert columns["gap_s"].comment.endswith("[second]")
    assert columns["rule_id"].comment == columns["rule_id"].description


def test_a_stage_has_its_tables() -> None:
    assert set(stage_tables("cubes")) == {"shards", "samples"}
    assert stage_tables("no_such_stage") == ()


@pytest.mark.parametrize(
    "change", [{"engine": "duckdb"}, {"recovery": "hope"}, {"surprise": 1}, {"key": None}]
)
def test_a_contract_that_says_something_else_is_no_contract(change: dict[str, Any]) -> None:
    data = json.loads((SCHEMAS / "pairs.json").read_text())
    with pytest.raises(ValidationError):
        Contract.model_validate(data | change)


def test_nested_types() -> None:
    kind = arrow_type("array<struct<a:string,b:map<string,bigint>>>")
    assert str(kind) == "list<item: struct<a: string, b: map<string, int64>>>"
