"""The shipped queries as a user asks them, and rows of tables to hold their answers against."""

import json
from typing import Any

from typer.testing import CliRunner

from geosr_lake.cli.app import app

PASSES = {"kept", "reserve", "shared_ground", "not_best", "over_quota"}
"""Verdicts of candidates that no condition on scenes dropped."""

Rows = list[dict[str, Any]]


def asked(built: Any, query: str, *words: str) -> Rows:
    command = ["sql", query, "--lake", str(built.lake.root), "--json", "--limit", "10000", *words]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    found: Rows = json.loads(done.stdout)
    return found


def rows(built: Any, table: str) -> Rows:
    found: Rows = built.lake.arrow(table).to_pylist()
    return found


def samples(built: Any) -> Rows:
    return [row for row in rows(built, "manifest") if row["role"] == "sample"]


def by(found: Rows, key: str, value: str) -> dict[Any, Any]:
    assert len({row[key] for row in found}) == len(found)
    return {row[key]: row[value] for row in found}
