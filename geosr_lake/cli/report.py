"""`geosr report`: one HTML page that shows what a lake holds."""

from pathlib import Path
from typing import Annotated

import typer

from geosr_lake.cli.console import (
    JsonOption,
    LakeOption,
    exit_codes,
    print_counts,
    progress_bar,
    say,
)
from geosr_lake.cli.console import report as print_summary

NAME = "report.html"


def report(
    lake: LakeOption,
    manifest: Annotated[
        list[str] | None,
        typer.Option(
            "--manifest", metavar="ID", help="Only this manifest; may be repeated. Default: all."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help=f"The page. Default: {NAME} in the lake."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write one HTML page with a map, the funnel and pictures of samples.

    The page needs no network and no other file. It is a view: writing it changes no table.

    Example: `geosr report --lake my_lake --out report.html`
    """
    with exit_codes():
        from geosr_lake.lake import Lake
        from geosr_lake.report.page import write_report

        opened = Lake.open(lake, tell=say)
        with progress_bar() as bar:
            summary = write_report(
                opened, out or opened.folder / NAME, manifest_ids=manifest or None, progress=bar
            )
        counts: dict[str, int | float | str] = {
            "manifests": summary.manifests,
            "samples": summary.samples,
            "in_cubes": summary.materialized,
            "drawn": summary.pictures,
            "bytes": summary.bytes,
            "page": str(summary.out),
        }
        print_summary(
            summary, as_json=as_json, show=lambda: print_counts("The page is written", counts)
        )
