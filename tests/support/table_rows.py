"""Fills a table of Spark's without Spark: in milliseconds, and without the table's constraints.

For what a stage under test reads. What it writes goes through the lake's own functions.
"""

from typing import Any

import pyarrow as pa
from deltalake import write_deltalake

from geosr_lake.lake import Lake, ledger, tables


def add(lake: Lake, table: str, rows: "pa.Table | list[dict[str, Any]]") -> None:
    """Append rows; keys left out are nulls."""
    content = ledger.rows_table(table, rows) if isinstance(rows, list) else rows
    if len(content):
        write_deltalake(str(tables.table_path(lake.root, table)), content, mode="append")


def put(lake: Lake, table: str, rows: "pa.Table | list[dict[str, Any]]", *, files: int = 1) -> None:
    """Make `rows` the whole content of a table, spread over some files."""
    content = ledger.rows_table(table, rows) if isinstance(rows, list) else rows
    path = str(tables.table_path(lake.root, table))
    write_deltalake(path, content.slice(0, 0), mode="overwrite")
    for start in range(min(files, len(content))):
        add(lake, table, content.take(list(range(start, len(content), files))))
