"""What lies between a table and its contract: found, done step by step, or refused in words."""

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from geosr_lake.errors import ContractError
from geosr_lake.lake import ledger, upgrade
from geosr_lake.lake.contracts import LABEL, PROPERTIES, Column, Contract, contract
from geosr_lake.lake.differences import apply, difference


def terms_of(version: int, constraints: dict[str, str], *more: Column) -> Contract:
    """A table of one number, and more."""
    number = Column(name="n", type="bigint", nullable=False, description="A number")
    return contract("runs").model_copy(
        update={
            "table": "numbers",
            "version": version,
            "columns": (number, *more),
            "constraints": constraints,
        }
    )


def schema_of(terms: Contract) -> pa.Schema:
    return pa.schema(
        [pa.field(c.name, ledger.arrow_type(c.type), nullable=c.nullable) for c in terms.columns]
    )


@pytest.fixture
def old(tmp_path: Path) -> DeltaTable:
    """A table of contract 1 with the rows 1 and 2."""
    terms = terms_of(1, {"positive": "n > 0", "small": "n < 10"})
    made = DeltaTable.create(
        str(tmp_path / "numbers"),
        schema_of(terms),
        configuration={LABEL: terms.label},
        raise_if_key_not_exists=False,
    )
    for step in difference(made, terms, schema_of(terms)):
        apply(made, terms, schema_of(terms), step)
    write_deltalake(made, pa.table({"n": pa.array([1, 2])}, schema_of(terms)), mode="append")
    return DeltaTable(str(tmp_path / "numbers"))


def rows(table: DeltaTable) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = table.to_pyarrow_table().to_pylist()
    return sorted(found, key=lambda row: row["n"])


NOTE = Column(name="note", type="map<string,bigint>", nullable=True, description="Counts")


def test_a_table_is_brought_up_whatever_was_done_before(old: DeltaTable, tmp_path: Path) -> None:
    shutil.copytree(tmp_path / "numbers", tmp_path / "untouched")
    terms = terms_of(2, {"positive": "n  >  0", "small": "n < 100", "even": "n <> 7"}, NOTE)
    schema = schema_of(terms)
    steps = difference(old, terms, schema)
    assert [(s.kind, s.name) for s in steps] == [
        ("add columns", "note"),
        ("drop constraint", "small"),
        ("add constraint", "small"),
        ("add constraint", "even"),
        ("set properties", ""),
    ]
    for done in range(len(steps)):  # a kill after each of them: what is left is found again
        for step in steps[:done]:
            apply(DeltaTable(old.table_uri), terms, schema, step)
        shutil.copytree(tmp_path / "numbers", tmp_path / f"killed_{done}")
        killed = str(tmp_path / f"killed_{done}")
        for step in difference(DeltaTable(killed), terms, schema):
            apply(DeltaTable(killed), terms, schema, step)
        assert difference(DeltaTable(killed), terms, schema) == ()
        assert [row["n"] for row in rows(DeltaTable(killed))] == [1, 2]
        shutil.rmtree(tmp_path / "numbers")
        shutil.copytree(tmp_path / "untouched", tmp_path / "numbers")
    for step in steps:
        apply(DeltaTable(old.table_uri), terms, schema, step)
    now = DeltaTable(old.table_uri)
    assert difference(now, terms, schema) == ()
    assert rows(now) == [{"n": 1, "note": None}, {"n": 2, "note": None}]
    held = now.metadata().configuration
    assert held[LABEL] == "numbers.v2"
    assert {k: held[k] for k in PROPERTIES} == PROPERTIES
    assert rows(DeltaTable(old.table_uri, version=old.version())) == [{"n": 1}, {"n": 2}]


def test_rows_that_break_a_new_rule_are_said(old: DeltaTable) -> None:
    terms = terms_of(2, {"positive": "n > 0", "small": "n < 2"})
    schema = schema_of(terms)
    dropped, added, _ = difference(old, terms, schema)
    apply(old, terms, schema, dropped)
    with pytest.raises(ContractError, match="break the rule small of contract 2: n < 2"):
        apply(DeltaTable(old.table_uri), terms, schema, added)
    assert rows(DeltaTable(old.table_uri)) == [{"n": 1}, {"n": 2}]


def test_what_cannot_be_done_is_refused_before_anything_is(old: DeltaTable) -> None:
    for more, says in (
        (NOTE.model_copy(update={"nullable": False}), "note may not be null"),
        (Column(name="n", type="string", nullable=False, description=""), "n is .*long.*string"),
    ):
        terms = terms_of(2, {}, more)
        columns = [c for c in terms.columns if c.name != more.name] + [more]
        terms = terms.model_copy(update={"columns": tuple(columns)})
        with pytest.raises(ContractError, match=says):
            difference(old, terms, schema_of(terms))
    none = terms_of(2, {}, NOTE).model_copy(update={"columns": (NOTE,)})
    with pytest.raises(ContractError, match="n is in no contract"):
        difference(old, none, schema_of(none))


def test_a_table_of_newer_code_is_refused(old: DeltaTable) -> None:
    terms = terms_of(0, {})
    with pytest.raises(ContractError, match="has contract 1, this geosr_lake knows 0"):
        difference(old, terms, schema_of(terms))


def test_a_table_of_spark_without_a_contract_keeps_its_rules(old: DeltaTable) -> None:
    terms = terms_of(2, {"even": "n <> 7"}).model_copy(update={"engine": "spark"})
    assert any(s.kind == "add constraint" for s in difference(old, terms, schema_of(terms)))
    bare = DeltaTable.create(old.table_uri + "_bare", schema_of(terms))
    assert difference(bare, terms, schema_of(terms)) == ()


def test_a_ledger_that_is_new_is_as_its_contract(tmp_path: Path) -> None:
    row = {
        "seq": 0,
        "stage": "scenes",
        "run_id": "run-1",
        "committed_at": datetime(2024, 1, 1, tzinfo=UTC),
        "versions": [("items", 0)],
        "lake_version": 1,
    }
    ledger.append(tmp_path, "commits", [row])
    assert upgrade.changes(tmp_path, "commits") == ()
    ledger.create(tmp_path, "draws")  # has a BETWEEN, which deltalake writes in other words
    assert upgrade.changes(tmp_path, "draws") == ()
    assert upgrade.changes(tmp_path, "runs") == ()
