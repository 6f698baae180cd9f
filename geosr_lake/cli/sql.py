"""`geosr sql`: statements from the command line, a file or a prompt; rows out."""

import itertools
import re
import sys
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from geosr_lake.cli import formats
from geosr_lake.cli.console import LakeOption, exit_codes, print_rows, say
from geosr_lake.cli.files import read_text
from geosr_lake.cli.statements import split
from geosr_lake.errors import UsageError
from geosr_lake.resources import resource_dir

if TYPE_CHECKING:
    from geosr_lake.lake import Lake

MOST_ROWS = 50
MOST_LIMIT = 2**31 - 2
"""One row more is asked for, and Spark counts them in 32 bits."""
_GIVEN = re.compile(r"--arg (\w+)=(\S+)")
_WHOLE = re.compile(r"-?(?:0|[1-9]\d*)")
_FRACTION = re.compile(r"-?(?:(?:0|[1-9]\d*)|(?:0|[1-9]\d*)?\.\d+)(?:[eE][+-]?\d+)?")
_ARGUMENT_HELP = (
    "Value of a marker :NAME in the query; a number where it reads as one (033 and '33' are "
    "text). May be repeated."
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
        arguments[name] = _value(value)
    return arguments


def _check_given(query: str | None, arguments: Collection[str]) -> None:
    """Raise unless a shipped query has every value that the command in its comment gives.

    Before a session is started: its own error would come late, and say nothing of the option.
    """
    path = _shipped().get(query or "")
    if path is None:
        return
    shown = dict(_GIVEN.findall(path.read_text(encoding="utf-8")))
    if lacking := [name for name in shown if name not in arguments]:
        options = " ".join(f"--arg {name}={value}" for name, value in shown.items())
        raise UsageError(
            f"The query {query} asks for {' and '.join(lacking)}",
            next_step=f"For example: `geosr sql {query} {options}`.",
        )


def _value(text: str) -> int | float | str:
    """Return a number where a text is one as JSON writes it; without its quotes what has them."""
    if len(text) > 1 and text[0] == text[-1] == "'":
        return text[1:-1]
    if _WHOLE.fullmatch(text):
        return int(text)
    return float(text) if _FRACTION.fullmatch(text) else text


@dataclass(frozen=True)
class _Form:
    """How answers leave; `limit` None: 50 rows of a table, all of anything else."""

    name: str
    limit: int | None
    parquet: Path | None

    @classmethod
    def of(cls, limit: int | None, csv: bool, as_json: bool, parquet: Path | None) -> "_Form":
        asked = [n for n, on in (("csv", csv), ("json", as_json), ("parquet", parquet)) if on]
        if len(asked) > 1:
            raise UsageError(f"--{asked[0]} and --{asked[1]} are two forms", next_step="Give one.")
        if parquet is not None and parquet.exists():
            raise UsageError("The file is there already", where=str(parquet))
        return cls(asked[0] if asked else "table", limit, parquet)


def _answers(
    lake: "Lake", texts: list[str], arguments: dict[str, Any], form: _Form, write: bool
) -> None:
    """Run statements and let their rows out.

    Raises:
        UsageError: If several have rows and the form is one of a single table.
    """
    frames = [lake.sql(text, arguments, write=write) for text in texts]
    with_rows = sum(bool(frame.columns) for frame in frames)
    if with_rows > 1 and form.name != "table":
        raise UsageError(
            f"{with_rows} statements have rows, and --{form.name} is one table",
            next_step="Give one of them at a time, or print tables.",
        )
    for frame in frames:
        _answer(frame, form)


def _answer(frame: Any, form: _Form) -> None:
    """Let the rows of one statement out."""
    from geosr_lake.lake import sql as lake_sql

    if not frame.columns:
        say("Done.")
        return
    with lake_sql.told():
        if form.parquet is not None:
            limited = frame if form.limit is None else frame.limit(form.limit)
            rows = lake_sql.write_parquet(limited, form.parquet)
            say(f"{rows:,} rows in {form.parquet}.")
            return
        limit = form.limit or (MOST_ROWS if form.name == "table" else None)
        frame = lake_sql.times_as_text(frame)
        found = iter(frame.toLocalIterator() if limit is None else frame.limit(limit + 1).collect())
        values = ([formats.nested(value) for value in row] for row in found)
        kept = itertools.islice(values, limit)
        if form.name == "csv":
            formats.write_csv(frame.columns, kept)
        elif form.name == "json":
            formats.write_json(frame.columns, kept)
        else:
            print_rows(frame.columns, [[formats.cell(v) for v in row] for row in kept])
    if next(values, None) is not None:
        say(f"There are more rows than {limit}; see --limit.")


def _texts(query: str | None, file: str | None) -> list[str]:
    """Return the statements that the command names; none where they come from a prompt."""
    if query is not None and file is not None:
        raise UsageError("A query and --file are two sources", next_step="Give one.")
    if query is not None:
        text = _query_text(query)
    elif file == "-":
        text = sys.stdin.read()
    elif file is not None:
        text = read_text(Path(file))
    elif sys.stdin.isatty():
        return []
    else:
        raise UsageError(
            "There is no statement", next_step="Write one, or --file FILE, where - is stdin."
        )
    statements, rest = split(text)
    found = [*statements, *([rest] if rest else [])]
    if not found:
        raise UsageError("There is no statement", next_step="Begin with SELECT or WITH.")
    return found


def sql(
    lake: LakeOption,
    query: Annotated[
        str | None,
        typer.Argument(
            metavar="QUERY",
            help="SELECT ..., or the name of a shipped query; none on a terminal: a prompt.",
        ),
    ] = None,
    file: Annotated[
        str | None,
        typer.Option("--file", metavar="FILE", help="Statements that end with ;, - is stdin."),
    ] = None,
    at: Annotated[
        str | None,
        typer.Option(
            "--at", metavar="COMMIT|TIME", help="Read as of a commit's number, or a time in UTC."
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit",
            min=1,
            max=MOST_LIMIT,
            help="At most this many rows; of a table 50, else all.",
        ),
    ] = None,
    arg: Annotated[
        list[str] | None, typer.Option("--arg", metavar="NAME=VALUE", help=_ARGUMENT_HELP)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Rows as a JSON list on stdout.")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Rows as CSV on stdout.")] = False,
    parquet: Annotated[
        Path | None, typer.Option("--parquet", metavar="FILE", help="Rows into a new file.")
    ] = None,
    write: Annotated[
        bool,
        typer.Option("--write", help="Allow temporary views and INSERT OVERWRITE DIRECTORY."),
    ] = False,
) -> None:
    """Run read-only queries; every table of the lake is a view, Sedona's ST_ functions are there.

    Views: items, scenes, tiles, tile_pairs, pairs, sites, site_cover, candidates, manifest,
    manifests, funnel, quotas, draws, shards, samples, runs, commits, slices, file_summaries.
    Shipped queries, by name: why_dropped, splits, at_cloud_limit and more
    (docs/reference/queries.md). The tables of the lake are never written, with --write neither.

    Example: `geosr sql "SELECT sensor, count(*) AS n FROM scenes GROUP BY sensor" --lake my_lake`

    Example: `geosr sql at_cloud_limit --arg max_cloud=0.05 --lake my_lake`

    Example: `geosr sql --file report.sql --csv --at 2026-03-01 --lake my_lake`
    """
    with exit_codes():
        from geosr_lake.lake import Lake

        form = _Form.of(limit, csv, as_json, parquet)
        texts, arguments = _texts(query, file), _arguments(arg or [])
        _check_given(query, arguments)
        opened = Lake.open(lake, tell=say)
        opened = opened if at is None else opened.at(at)
        if form.parquet is not None:
            from geosr_lake.lake.sql import check_outside

            check_outside(form.parquet, opened.root)
        if texts:
            _answers(opened, texts, arguments, form, write)
            return
        if form.parquet is not None:
            raise UsageError("--parquet is one table", next_step="Give a query, or --file.")
        from geosr_lake.cli.prompt import prompt

        prompt(lambda text: _answers(opened, [text], arguments, form, write))
