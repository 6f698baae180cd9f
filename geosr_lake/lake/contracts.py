"""The contracts of the tables: what `schemas/*.json` says, as typed objects."""

import json
from functools import cache
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from geosr_lake.resources import resource_dir

LAKE_VERSION = 2
"""Version of the lake's layout: it rises with what older code cannot read. A lake of an older one
is read as it is and brought up to date by the stages that write it; a newer one is refused."""

LABEL = "geosr.contract"
"""Property of a table that names its contract."""
PROPERTIES = {"delta.enableExpiredLogCleanup": "false"}
"""Properties of every table: without its log a version that something pins could not be opened."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Column(_Frozen):
    """One column: `type` is a Spark SQL type; timestamps are UTC with microseconds."""

    name: str
    type: str
    nullable: bool
    description: str
    unit: str | None = None

    @property
    def comment(self) -> str:
        """Description and unit as one text."""
        return self.description if self.unit is None else f"{self.description} [{self.unit}]"


class Contract(_Frozen):
    """One table.

    `recovery` says what a stage does first with rows that a killed run left beyond the committed
    version: `keep` (its rows are whole and the stage finishes them) or `committed` (it puts the
    committed rows back). `engine` says who may write: deltalake alone; or Spark, which
    alone writes to a clustered table, others are written without it too (`lake.arrow`,
    `lake.deltalog`).
    """

    table: str
    version: int
    description: str
    stage: str
    engine: Literal["spark", "deltalake"]
    recovery: Literal["keep", "committed"]
    key: tuple[str, ...]
    cluster_by: tuple[str, ...]
    constraints: dict[str, str] = Field(default_factory=dict)
    columns: tuple[Column, ...]

    @property
    def label(self) -> str:
        """Name and version as one text."""
        return f"{self.table}.v{self.version}"

    @property
    def ddl(self) -> str:
        """The columns as a Spark SQL schema string."""
        return ", ".join(
            f"`{c.name}` {c.type}" + ("" if c.nullable else " NOT NULL") for c in self.columns
        )

    @property
    def names(self) -> list[str]:
        """Names of the columns, in order."""
        return [c.name for c in self.columns]


@cache
def contracts() -> dict[str, Contract]:
    """Return every contract by the name of its table."""
    files = sorted(resource_dir("schemas").glob("*.json"))
    parsed = [json.loads(file.read_text()) for file in files]
    return {d["table"]: Contract.model_validate(d) for d in parsed if "table" in d}


def contract(table: str) -> Contract:
    """Return the contract of `table`; `KeyError` if there is no such table."""
    return contracts()[table]


def stage_tables(stage: str) -> tuple[str, ...]:
    """Return the tables that `stage` writes, by name."""
    return tuple(name for name, c in contracts().items() if c.stage == stage)
