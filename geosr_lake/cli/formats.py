"""How rows of a query leave: a table, CSV, JSON."""

import base64
import csv
import json
import math
import sys
from collections.abc import Iterable
from typing import Any

from geosr_lake.errors import UsageError

CLIPPED = 120
"""Characters of a text that a cell of a table shows."""


def nested(value: Any) -> Any:
    """Return a value of a row with rows inside it as mappings."""
    if hasattr(value, "asDict"):
        return {name: nested(v) for name, v in value.asDict().items()}
    if isinstance(value, dict):
        return {k: nested(v) for k, v in value.items()}
    return [nested(v) for v in value] if isinstance(value, list) else value


def plain(value: Any) -> Any:
    """Return a value of a row as JSON can hold it; bytes as base64, times as text, NaN as null."""
    if isinstance(value, bytes | bytearray):
        return base64.b64encode(value).decode()
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if isinstance(value, str | int | bool | None) else str(value)


def cell(value: Any) -> Any:
    """Return a value of a row as a table shows it."""
    if isinstance(value, bytes | bytearray):
        return f"<{len(value)} bytes>"
    if isinstance(value, str) and len(value) > CLIPPED:
        return value[: CLIPPED - 1] + "\u2026"
    return f"{value:.6g}" if isinstance(value, float) else value


def write_json(columns: list[str], rows: Iterable[list[Any]]) -> None:
    """Print rows as a JSON list of objects, one at a time.

    Raises:
        UsageError: If two columns have one name: an object holds one of them.
    """
    if len(set(columns)) < len(columns):
        raise UsageError("Two columns have one name", next_step="Name them apart with AS.")
    begin = "[\n"
    for row in rows:
        record = dict(zip(columns, map(plain, row), strict=True))
        sys.stdout.write(begin + "  " + json.dumps(record, ensure_ascii=False))
        begin = ",\n"
    sys.stdout.write("[]\n" if begin == "[\n" else "\n]\n")


def write_csv(columns: list[str], rows: Iterable[list[Any]]) -> None:
    """Print rows as CSV with a header: null is empty, bytes base64, nested values JSON."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        values = [plain(value) for value in row]
        writer.writerow(
            json.dumps(v, ensure_ascii=False) if isinstance(v, dict | list) else v for v in values
        )
