"""Older tables are brought to their present contracts by the stage that writes them.

Readers need no upgrade: columns that an older version of a table lacks read as nulls.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from geosr_lake.lake import commits, ledger
from geosr_lake.lake.contracts import Contract, contract, stage_tables
from geosr_lake.lake.differences import Change, broken, difference
from geosr_lake.lake.place import Root
from geosr_lake.lake.tables import table_path

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def changes(root: Root, table: str) -> tuple[Change, ...]:
    """Return the steps that bring `table` to its contract; none if it is not there.

    Raises:
        ContractError: If the table was written by a newer geosr_lake, or cannot be upgraded.
    """
    found = ledger.open_table(root, table)
    if found is None:
        return ()
    return difference(found, contract(table), ledger.arrow_schema(table))


def upgrade(
    root: Root,
    stage: str,
    spark: "Callable[[], SparkSession]",
    run_id: str,
    *,
    tell: Callable[[str], None] | None = None,
) -> dict[str, tuple[Change, ...]]:
    """Bring the tables that `stage` writes to their contracts; its lock must be held.

    The new versions hold the same rows. They are committed at once, unless rows of a killed run
    wait in one of the tables for the stage to finish: then together with these.

    Args:
        root: The lake.
        stage: The stage.
        spark: Gives the session; asked only if a table of Spark's has to change.
        run_id: The run that the commit is put down to.
        tell: Receives a sentence for each table that changes.

    Returns:
        What was done, by table.

    Raises:
        ContractError: If a table was written by a newer geosr_lake, or cannot be upgraded; then
            no table has changed, unless its rows break a new constraint.
    """
    todo = {table: steps for table in stage_tables(stage) if (steps := changes(root, table))}
    if not todo:
        return {}
    whole = not commits.unfinished(root, stage)
    for table, steps in todo.items():
        if tell:
            tell(f"The table {table} is of an older geosr_lake: it is brought up to date.")
        terms = contract(table)
        if terms.engine == "deltalake":
            ledger.create(root, table)
            continue
        for step in steps:
            _apply(spark(), root, terms, step)
    if whole and stage != "lake":
        commits.record(root, stage, run_id)
    return todo


def _apply(spark: "SparkSession", root: Root, terms: Contract, step: Change) -> None:
    """Do one step on a table that Spark writes.

    Raises:
        ContractError: If rows of the table break a new constraint.
    """
    from pyspark.errors import AnalysisException

    try:
        spark.sql(f"ALTER TABLE delta.`{table_path(root, terms.table)}` {_clause(terms, step)}")
    except AnalysisException as error:
        if "CHECK_CONSTRAINT" not in (error.getCondition() or ""):
            raise
        raise broken(terms, step) from error


def _clause(terms: Contract, step: Change) -> str:
    """Return what follows ALTER TABLE."""
    if step.kind == "add columns":
        columns = {c.name: c for c in terms.columns}
        added = ", ".join(
            f"`{name}` {columns[name].type} COMMENT {_text(columns[name].comment)}"
            for name in step.name.split(",")
        )
        return f"ADD COLUMNS ({added})"
    if step.kind == "drop constraint":
        return f"DROP CONSTRAINT IF EXISTS `{step.name}`"
    if step.kind == "add constraint":
        return f"ADD CONSTRAINT `{step.name}` CHECK ({step.value})"
    pairs = ", ".join(f"{_text(k)} = {_text(v)}" for k, v in step.properties.items())
    return f"SET TBLPROPERTIES ({pairs})"


def _text(value: str) -> str:
    """Return a text of a contract as a SQL string literal."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
