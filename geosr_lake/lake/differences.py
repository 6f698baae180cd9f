"""What lies between a table and its contract, as steps that can be done one by one.

The difference is computed from the table's own log each time: a step done twice is done once, and
what a kill left undone is found again. Rows are never rewritten. Columns that may be null are
added (older rows have none), CHECK constraints are added (the rows that are there are checked
first) and removed, properties are set. Anything else is refused in words.
"""

import json
import re
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa
from deltalake import DeltaTable, Field, Schema
from deltalake.exceptions import DeltaError

from geosr_lake.errors import ContractError
from geosr_lake.lake.contracts import LABEL, PROPERTIES, Contract

_CONSTRAINT = "delta.constraints."


@dataclass(frozen=True)
class Change:
    """One step: one commit of one table.

    Attributes:
        kind: What is done.
        name: The constraint, or the columns joined by commas.
        value: Expression of the constraint, or the properties as JSON.
    """

    kind: Literal["add columns", "drop constraint", "add constraint", "set properties"]
    name: str = ""
    value: str = ""

    @property
    def properties(self) -> dict[str, str]:
        """The properties to be set."""
        parsed: dict[str, str] = json.loads(self.value)
        return parsed


def difference(found: DeltaTable, terms: Contract, schema: pa.Schema) -> tuple[Change, ...]:
    """Return the steps, in order, that bring an open table to its contract.

    A table of Spark's that names no contract was made by no stage: only columns are added to it.
    In one that names its present contract constraints are compared by name: who changes one
    raises the contract's version.

    Args:
        found: The table.
        terms: Its contract.
        schema: The contract's columns.

    Raises:
        ContractError: If the table was written by a newer geosr_lake, or cannot be upgraded.
    """
    held = found.metadata().configuration
    _refuse_newer(held.get(LABEL), found, terms)
    steps: list[Change] = []
    if missing := _missing_columns(found, terms, schema):
        steps.append(Change("add columns", ",".join(missing)))
    if terms.engine == "spark" and LABEL not in held:
        return tuple(steps)
    stand = {k.removeprefix(_CONSTRAINT): v for k, v in held.items() if k.startswith(_CONSTRAINT)}
    if held.get(LABEL) == terms.label:
        # deltalake keeps an expression in words of its own: BETWEEN becomes two comparisons.
        stand = {name: terms.constraints.get(name, "") for name in stand}
    for name, expression in stand.items():
        if _plain(terms.constraints.get(name, "")) != _plain(expression):
            steps.append(Change("drop constraint", name))
    for name, expression in terms.constraints.items():
        if _plain(stand.get(name, "")) != _plain(expression):
            steps.append(Change("add constraint", name, expression))
    # Last: a table that names this contract has all of it.
    wanted = PROPERTIES | {LABEL: terms.label}
    if missing_properties := {k: v for k, v in wanted.items() if held.get(k) != v}:
        steps.append(Change("set properties", value=json.dumps(missing_properties)))
    return tuple(steps)


def apply(found: DeltaTable, terms: Contract, schema: pa.Schema, step: Change) -> None:
    """Do one step on a table that deltalake writes.

    Raises:
        ContractError: If rows of the table break a new constraint.
    """
    if step.kind == "add columns":
        fields = {f.name: f for f in _fields(schema)}
        found.alter.add_columns([fields[name] for name in step.name.split(",")])
    elif step.kind == "drop constraint":
        found.alter.drop_constraint(step.name, raise_if_not_exists=False)
    elif step.kind == "add constraint":
        try:
            found.alter.add_constraint({step.name: step.value})
        except DeltaError as error:
            raise broken(terms, step) from error
    else:
        found.alter.set_table_properties(step.properties, raise_if_not_exists=False)


def broken(terms: Contract, step: Change) -> ContractError:
    """Return the error for rows that a new constraint does not allow."""
    return ContractError(
        f"Rows of the older table {terms.table} break the rule {step.name} of contract "
        f"{terms.version}: {step.value}",
        next_step="What is committed can still be read. Build a new lake from the same sources.",
    )


def _plain(expression: str) -> str:
    """Return an expression without blanks, which do not change what it says."""
    return re.sub(r"\s+", "", expression)


def _refuse_newer(label: str | None, found: DeltaTable, terms: Contract) -> None:
    version = label.rpartition(".v")[2] if label else ""
    if version.isdigit() and int(version) > terms.version:
        raise ContractError(
            f"The table {terms.table} has contract {version}, this geosr_lake knows "
            f"{terms.version}",
            where=found.table_uri,
            next_step="Install the geosr_lake that wrote it, or a newer one.",
        )


def _missing_columns(found: DeltaTable, terms: Contract, schema: pa.Schema) -> list[str]:
    """Return the contract's columns that the table lacks.

    Raises:
        ContractError: If one of them may not be null, or a column is of another kind.
    """
    present = {f.name: f for f in found.schema().fields}
    wanted = {f.name: f for f in _fields(schema)}
    missing = [name for name in wanted if name not in present]
    problems = [f"{name} may not be null" for name in missing if not wanted[name].nullable]
    problems += [f"{name} is in no contract" for name in present.keys() - wanted.keys()]
    problems += [
        f"{name} is {field.type}, not {wanted[name].type}"
        for name, field in present.items()
        if name in wanted and field.type != wanted[name].type
    ]
    if problems:
        raise ContractError(
            f"The table {terms.table} cannot be brought to contract {terms.version}: "
            f"{'; '.join(sorted(problems))}",
            where=found.table_uri,
            next_step="Keep this lake for the geosr_lake that wrote it, and build a new one from "
            "the same sources.",
        )
    return missing


def _fields(schema: pa.Schema) -> list[Field]:
    return list(Schema.from_arrow(schema).fields)
