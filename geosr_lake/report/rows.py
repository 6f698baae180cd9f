"""Reading a lake without a JVM: counts made by deltalake's engine, and rows by their keys."""

from collections.abc import Iterable
from typing import Any

import pyarrow as pa
from deltalake import QueryBuilder

from geosr_lake.lake import Lake, ledger


def query(lake: Lake, table: str, sql: str) -> list[dict[str, Any]]:
    """Run a constant query over one table at its pinned version; no rows if there is no table.

    The engine streams: memory grows with the groups, not with the rows.
    """
    version = lake.versions.get(table)
    found = None if version is None else ledger.open_table(lake.root, table, version)
    if found is None:
        return []
    batches = QueryBuilder().register(table, found).execute(sql)
    rows: list[dict[str, Any]] = pa.table(batches.read_all()).to_pylist()
    return rows


def by_key(
    lake: Lake, table: str, key: str, columns: list[str], ids: Iterable[str]
) -> dict[str, dict[str, Any]]:
    """Read the rows whose `key` is one of `ids`.

    Args:
        lake: Where they lie.
        table: Which table; `key` is unique in it.
        key: A column.
        columns: The columns to read, besides `key`.
        ids: Values of the key; order and repetition do not matter.

    Returns:
        The rows by key, in its order.
    """
    # An empty set of values has no type that Arrow could compare with.
    if not (wanted := sorted(set(ids))):
        return {}
    found = lake.arrow(table, columns=[key, *columns], filters=[(key, "in", wanted)])
    rows = {row[key]: row for row in found.to_pylist()}
    return {name: rows[name] for name in sorted(rows)}
