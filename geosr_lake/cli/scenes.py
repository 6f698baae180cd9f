"""`geosr scenes`: read the items of archives into the lake."""

import shlex
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from geosr_lake.cli.console import (
    JsonOption,
    LakeOption,
    exit_codes,
    print_counts,
    print_rows,
    progress_bar,
    report,
    say,
)

if TYPE_CHECKING:
    from geosr_lake.scenes.accounts import FileCounts
    from geosr_lake.scenes.ingest import IngestSummary

app = typer.Typer(help="Read STAC items into the lake.", no_args_is_help=True)

MAX_FILES_SHOWN = 20
_COUNTS = ("read", "kept", "repeated", "unsupported", "quarantined")


@app.callback()
def scenes() -> None:
    """Read STAC items into the lake."""


def _file_row(counts: "FileCounts") -> list[str]:
    return [Path(counts.path).name, *(f"{getattr(counts, name):,}" for name in _COUNTS)]


def _show(summary: "IngestSummary") -> None:
    shown = summary.files[:MAX_FILES_SHOWN]
    rows = [_file_row(counts) for counts in shown]
    if len(summary.files) > len(shown):
        rows.append([f"... and {len(summary.files) - len(shown):,} files more"])
    rows.append(["in all", *(f"{getattr(summary, name):,}" for name in _COUNTS)])
    print_rows(["file", *_COUNTS], rows, title="Items")
    if summary.reasons:
        from geosr_lake.archives.reasons import REASONS

        reasons = [
            [REASONS[code].outcome, code, f"{number:,}", REASONS[code].says]
            for code, number in summary.reasons.items()
        ]
        print_rows(["outcome", "reason", "items", "why"], reasons, title="Not kept")
    held = {
        **{f"{sensor} scenes": number for sensor, number in summary.scenes_by_sensor.items()},
        "scenes in all": summary.scenes,
        "superseded items": summary.superseded,
        "tiles": summary.tiles,
        "groups derived anew": summary.groups_derived,
    }
    print_counts("The lake holds", held)


def _next(sensors: Collection[str], lake: str) -> str:
    """Return the command that comes next: pairs of a task whose two sensors are there."""
    from geosr_lake.sensors.tasks import TASKS

    for task in TASKS.values():
        if task.lr_sensor in sensors and task.hr_sensor in sensors:
            return shlex.join(["geosr", "pairs", "build", "--recipe", task.name, "--lake", lake])
    query = "SELECT outcome, reason, sensor, count(*) AS items FROM items GROUP BY ALL"
    return shlex.join(["geosr", "sql", query, "--lake", lake])


@app.command()
def ingest(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...",
            help="Files or folders of STAC items: stac-geoparquet, NDJSON (plain or .gz), JSON.",
        ),
    ],
    lake: LakeOption,
    as_json: JsonOption = False,
) -> None:
    """Read the items of files and folders; derive the scenes and tiles of the lake.

    The same items again change nothing. No item stops the run: one that is not kept stands in
    the table `items` with its reason and the beginning of its text.

    Example: `geosr scenes ingest naip.parquet sentinel2/ --lake my_lake`
    """
    again = shlex.join(["geosr", "scenes", "ingest", *sources, "--lake", lake])
    with exit_codes(again):
        from geosr_lake.archives import find_files
        from geosr_lake.lake import Lake
        from geosr_lake.scenes.ingest import ingest as ingest_scenes

        # Before the lake: a source mistyped makes none.
        files = find_files(sources, but=Path(lake).absolute())
        opened = Lake.create(lake, tell=say)
        with progress_bar() as progress:
            summary = ingest_scenes(opened, files, progress=progress)
        report(
            summary,
            as_json=as_json,
            show=lambda: _show(summary),
            next_step=_next(summary.scenes_by_sensor.keys(), lake),
        )
