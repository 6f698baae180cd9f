"""`geosr sql`, `geosr explain` and `geosr inspect`: ask a lake."""

import base64
import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from geosr_lake.cli.console import (
    JsonOption,
    LakeOption,
    exit_codes,
    out,
    print_counts,
    print_json,
    print_rows,
    say,
)
from geosr_lake.errors import UsageError
from geosr_lake.report.sections import Section
from geosr_lake.resources import resource_dir

MOST_ROWS = 50
_ARGUMENT_HELP = (
    "Value of a marker :NAME in the query; a number where it reads as one. May be repeated."
)


def _shipped() -> dict[str, Path]:
    folder = resource_dir("catalog") / "queries"
    return {path.stem: path for path in sorted(folder.glob("*.sql"))}


def _query_text(query: str) -> str:
    """Return the query itself, or that of the shipped file of this name."""
    shipped = _shipped()
    if query in shipped:
        return shipped[query].read_text(encoding="utf-8")
    if query.strip().isidentifier():
        raise UsageError(
            f"There is no shipped query {query.strip()}",
            next_step=f"One of: {', '.join(shipped)}; or write SELECT ...",
        )
    return query


def _arguments(texts: list[str]) -> dict[str, Any]:
    """Return named values from texts like ``max_cloud=0.05``."""
    arguments: dict[str, Any] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or not name.isidentifier():
            raise UsageError(f"{text!r} is no argument", next_step="Write --arg NAME=VALUE.")
        arguments[name] = _number(value)
    return arguments


def _number(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _plain(value: Any) -> Any:
    """Return a value of a row as JSON can hold it; bytes as base64."""
    if isinstance(value, bytes | bytearray):
        return base64.b64encode(value).decode()
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value


def _cell(value: Any) -> Any:
    """Return a value of a row as a table shows it."""
    if isinstance(value, bytes | bytearray):
        return f"<{len(value)} bytes>"
    return f"{value:.6g}" if isinstance(value, float) else value


def _fact(value: Any) -> str:
    """Return a fact as text: numbers that name places have no separators."""
    if value is None:
        return "unknown"
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def sql(
    query: Annotated[
        str, typer.Argument(metavar="QUERY", help="SELECT ..., or the name of a shipped query.")
    ],
    lake: LakeOption,
    limit: Annotated[
        int, typer.Option("--limit", min=1, help="Print at most this many rows.")
    ] = MOST_ROWS,
    arg: Annotated[
        list[str] | None, typer.Option("--arg", metavar="NAME=VALUE", help=_ARGUMENT_HELP)
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Run a read-only query; every table of the lake is a view, Sedona's ST_ functions are there.

    Views: items, scenes, tiles, tile_pairs, pairs, sites, site_cover, candidates, manifest,
    manifests, funnel, draws, shards, samples, runs, commits. Shipped queries: why_dropped,
    at_cloud_limit, splits.

    Example: `geosr sql "SELECT sensor, count(*) AS n FROM scenes GROUP BY sensor" --lake my_lake`

    Example: `geosr sql at_cloud_limit --arg max_cloud=0.05 --lake my_lake`
    """
    with exit_codes(shlex.join(["geosr", "sql", query, "--lake", lake])):
        from geosr_lake.lake import Lake

        text, arguments = _query_text(query), _arguments(arg or [])
        frame = Lake.open(lake, tell=say).sql(text, arguments)
        rows = [row.asDict(recursive=True) for row in frame.limit(limit + 1).collect()]
        if as_json:
            print_json([_plain(row) for row in rows[:limit]])
        else:
            shown = [[_cell(row[name]) for name in frame.columns] for row in rows[:limit]]
            print_rows(frame.columns, shown)
        if len(rows) > limit:
            say(f"There are more rows than {limit}; see --limit.")


def _print_sections(sections: tuple[Section, ...]) -> None:
    for part in sections:
        if not part.rows:
            out.print(f"{part.title}: none", markup=False)
            continue
        rows = [[_cell(value) for value in row] for row in part.rows]
        print_rows(list(part.columns), rows, title=part.title)
        if part.more:
            say(f"... and {part.more:,} more.")


def explain(
    name: Annotated[
        str, typer.Argument(metavar="ID", help="scn-..., par-..., sit-..., smp-... or man-...")
    ],
    lake: LakeOption,
    as_json: JsonOption = False,
) -> None:
    """Say what a scene, pair, site, sample or manifest is, where it comes from, and why.

    Example: `geosr explain smp-0123456789abcdef01234567 --lake my_lake`
    """
    with exit_codes(shlex.join(["geosr", "explain", name, "--lake", lake])):
        from geosr_lake.lake import Lake
        from geosr_lake.report.explain import explain as explain_id

        found = explain_id(Lake.open(lake, tell=say), name)
        if as_json:
            sections = {part.title: part.records for part in found.sections}
            head = {"id": found.id, "kind": found.kind, "says": found.says}
            print_json(head | {"facts": found.facts, "sections": sections})
            return
        for sentence in found.says:
            out.print(sentence, markup=False, soft_wrap=True)
        facts = {key: _fact(value) for key, value in found.facts.items()}
        print_counts(f"{found.kind} {found.id}", facts)
        _print_sections(found.sections)


def inspect(
    noun: Annotated[
        str,
        typer.Argument(
            metavar="NOUN",
            help="items, scenes, tiles, pairs, sites, candidates, manifest, cubes, tables, runs or "
            "commits.",
        ),
    ],
    lake: LakeOption,
    as_json: JsonOption = False,
) -> None:
    """Count what a lake holds of a noun, and say how far it reaches.

    Example: `geosr inspect scenes --lake my_lake`
    """
    with exit_codes(shlex.join(["geosr", "inspect", noun, "--lake", lake])):
        from geosr_lake.lake import Lake
        from geosr_lake.report.inspect import inspect as inspect_noun

        sections = inspect_noun(Lake.open(lake, tell=say), noun)
        if as_json:
            print_json({part.title: part.records for part in sections})
        else:
            _print_sections(sections)
