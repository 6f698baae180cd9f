"""`geosr lake`: upkeep of a lake as a whole."""

from typing import TYPE_CHECKING, Annotated

import typer

from geosr_lake.cli.console import (
    JsonOption,
    LakeOption,
    WaitOption,
    exit_codes,
    print_json,
    print_rows,
    progress_bar,
    report,
    say,
)

if TYPE_CHECKING:
    from geosr_lake.lake.maintain import MaintainSummary

app = typer.Typer(help="Keep a lake in good order.", no_args_is_help=True)


@app.callback()
def lake_commands() -> None:
    """Keep a lake in good order."""


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"


def _show(summary: "MaintainSummary") -> None:
    rows = [
        [
            work.table,
            f"{work.rows:,}",
            f"{work.files_before:,} -> {work.files_after:,}",
            f"{_megabytes(work.bytes_before)} -> {_megabytes(work.bytes_after)}",
            f"{work.files_removed:,}",
            _megabytes(work.bytes_removed),
            f"{work.versions_removed:,}",
            work.skipped or "",
        ]
        for work in summary.tables
    ]
    columns = ["table", "rows", "files", "bytes", "files removed", "bytes removed"]
    columns += ["versions removed", "left alone"]
    print_rows(columns, rows, title="To be done" if summary.dry_run else "Done")
    if summary.kept_since is None:
        say("No version was removed.")
    else:
        say(f"Commits since {summary.kept_since} can be opened, the newest always.")
    for name, versions in summary.pinned.items():
        told = ", ".join(f"{table} {version}" for table, version in sorted(versions.items()))
        say(f"Kept for {name}: {told}.")


@app.command()
def maintain(
    lake: LakeOption,
    keep_days: Annotated[
        float, typer.Option("--keep-days", min=0, help="Commits of so many days stay openable.")
    ] = 7.0,
    keep_all: Annotated[
        bool, typer.Option("--keep-all", help="Compact and cluster only; remove nothing.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Change nothing; say what there is to remove.")
    ] = False,
    wait: WaitOption = 0.0,
    as_json: JsonOption = False,
) -> None:
    """Compact and cluster the tables, then remove the files that nobody needs.

    Kept are the newest commit, those of the last days, and the versions that manifests were made
    from. Works alone: while a stage runs it is refused, or waits with --wait.

    Example: `geosr lake maintain --dry-run --lake my_lake`
    """
    with exit_codes():
        from geosr_lake.lake import Lake
        from geosr_lake.lake.maintain import maintain as maintain_lake

        opened = Lake.open(lake, tell=say)
        with progress_bar() as progress:
            summary = maintain_lake(
                opened,
                keep_days=keep_days,
                keep_all=keep_all,
                dry_run=dry_run,
                wait_s=wait,
                progress=progress,
            )
        report(summary, as_json=as_json, show=lambda: _show(summary))


@app.command()
def upgrade(lake: LakeOption, wait: WaitOption = 0.0, as_json: JsonOption = False) -> None:
    """Bring the tables of a lake of an older geosr_lake to their present contracts, all at once.

    Not needed: each stage does so with its own tables before it writes, and older lakes are read
    as they are.

    Example: `geosr lake upgrade --lake my_lake`
    """
    with exit_codes():
        from geosr_lake.lake import Lake
        from geosr_lake.lake.maintain import upgrade_lake

        done = upgrade_lake(Lake.open(lake, tell=say), wait_s=wait)
        if as_json:
            print_json(done)
        elif done:
            rows = [[table, "; ".join(steps)] for table, steps in done.items()]
            print_rows(["table", "done"], rows, title="Brought up to date")
        else:
            say("Every table is up to date.")
