"""`geosr explain` and `geosr inspect`: what a lake holds, and why."""

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
from geosr_lake.cli.formats import cell as _cell
from geosr_lake.report.sections import Section


def _fact(value: Any) -> str:
    """Return a fact as text: numbers that name places have no separators."""
    if value is None:
        return "unknown"
    return f"{value:.10g}" if isinstance(value, float) else str(value)


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

    Of a site and a sample it tells what else competed for the place, in the order of choice.

    Example: `geosr explain smp-0123456789abcdef01234567 --lake my_lake`
    """
    with exit_codes():
        from geosr_lake.lake import Lake
        from geosr_lake.report.explain import explain as explain_id

        found = explain_id(Lake.open(lake, tell=say), name)
        if as_json:
            sections = {part.title: part.records for part in found.sections}
            more = {part.title: part.more for part in found.sections if part.more}
            head = {"id": found.id, "kind": found.kind, "says": found.says, "facts": found.facts}
            print_json(head | {"sections": sections, "left_out": more})
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

    `tables` says where each table lies and which version is committed, for other readers.

    Example: `geosr inspect scenes --lake my_lake`

    Example: `geosr inspect tables --json --lake my_lake`
    """
    with exit_codes():
        from geosr_lake.lake import Lake
        from geosr_lake.report.inspect import inspect as inspect_noun

        sections = inspect_noun(Lake.open(lake, tell=say), noun)
        if as_json:
            print_json({part.title: part.records for part in sections})
        else:
            _print_sections(sections)
