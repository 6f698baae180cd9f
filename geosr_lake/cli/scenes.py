"""`geosr scenes`: read the items of archives into the lake."""

import shlex
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from geosr_lake.cli.console import (
    JsonOption,
    LakeOption,
    WaitOption,
    exit_codes,
    print_counts,
    print_rows,
    progress_bar,
    report,
    say,
)
from geosr_lake.errors import UsageError

if TYPE_CHECKING:
    from geosr_lake.scenes.accounts import FileCounts
    from geosr_lake.scenes.engine import Engine
    from geosr_lake.scenes.ingest import IngestSummary
    from geosr_lake.scenes.live import Wanted
    from geosr_lake.scenes.selection import Selection

app = typer.Typer(help="Read STAC items into the lake.", no_args_is_help=True)

MAX_FILES_SHOWN = 20
_COUNTS = ("read", "kept", "repeated", "unsupported", "quarantined", "withdrawn")


@app.callback()
def scenes() -> None:
    """Read STAC items into the lake."""


def _show(summary: "IngestSummary") -> None:
    names = (*_COUNTS, "left_out") if summary.left_out else _COUNTS

    def row(name: str, counts: "FileCounts | IngestSummary") -> list[str]:
        return [name, *(f"{getattr(counts, count):,}" for count in names)]

    shown = summary.files[:MAX_FILES_SHOWN]
    rows = [row(Path(counts.path).name, counts) for counts in shown]
    if len(summary.files) > len(shown):
        rows.append([f"... and {len(summary.files) - len(shown):,} files more"])
    rows.append(row("in all", summary))
    print_rows(["file", *(name.replace("_", " ") for name in names)], rows, title="Items")
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
        "withdrawn items": summary.taken_out,
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
    lake: LakeOption,
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SOURCE]...",
            help="Files, folders or patterns of STAC items, on this machine or as s3://...: "
            "stac-geoparquet, NDJSON (plain or .gz), JSON.",
        ),
    ] = None,
    api: Annotated[
        str | None,
        typer.Option(
            help="Ask a STAC API instead: planetary-computer, earth-search, or its URL.",
            metavar="NAME|URL",
        ),
    ] = None,
    collection: Annotated[
        list[str] | None,
        typer.Option(
            help="With --api: a collection, or a sensor of a known API; may be repeated.",
            metavar="NAME",
        ),
    ] = None,
    datetime: Annotated[
        str | None,
        typer.Option(help="First and last day of the items, both included.", metavar="A/B"),
    ] = None,
    bbox: Annotated[
        str | None,
        typer.Option(
            help="Only items that meet this box; of files W > E is over the antimeridian.",
            metavar="W,S,E,N",
        ),
    ] = None,
    max_items: Annotated[
        int | None,
        typer.Option(help="Of files: read no more than the first N items.", metavar="N", min=1),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Of files: say what would be read, and read nothing."),
    ] = False,
    rate: Annotated[
        float | None,
        typer.Option(
            help="With --api: requests a second, at most; default: what suits the API.",
            min=0.01,
            max=100,
        ),
    ] = None,
    workers: Annotated[
        int, typer.Option(help="With --api: days that are fetched at once.", min=1, max=32)
    ] = 4,
    again: Annotated[
        bool, typer.Option("--again", help="With --api: also days that cannot have changed.")
    ] = False,
    spark: Annotated[
        bool, typer.Option("--spark", help="Of files: read them with Spark, however few.")
    ] = False,
    as_json: JsonOption = False,
    wait: WaitOption = 0.0,
) -> None:
    """Read the items of files and folders, or of an API; derive the scenes and tiles of the lake.

    The same items again change nothing. No item stops the run: one that is not kept stands in
    the table `items` with its reason and the beginning of its text. Items outside of --bbox or
    --datetime are counted and left out.

    Files are read in this process and others of its own, without a JVM; with Spark where there are
    more than about 4 million items, where tables are clustered (`geosr lake maintain` does that to
    large ones), or with --spark.

    An API is asked day by day; a day is taken wholly or not at all, and the same command again goes
    on with the days that are missing. Hrefs are stored unsigned.

    Example: `geosr scenes ingest naip.parquet sentinel2/ --lake my_lake`

    Example: `geosr scenes ingest --api planetary-computer --collection landsat
    --datetime 2024-07-01/2024-07-31 --bbox -109,37,-102,41 --lake my_lake`
    """
    if api is not None:
        with exit_codes():
            from geosr_lake.cli import live

            if sources:
                raise UsageError("Files and an API are not read in one run", where=sources[0])
            if max_items is not None or dry_run:
                raise UsageError(
                    "An API is asked for whole days",
                    where="--max-items" if max_items is not None else "--dry-run",
                    next_step="Ask for fewer days, or a smaller --bbox.",
                )
            if spark:
                raise UsageError("Days of an API are few items", where="--spark")
            wanted = live.wanted(
                api, collection or [], datetime, bbox, rate=rate, workers=workers, again=again
            )
            _ingest_api(lake, wanted, wait, as_json=as_json)
        return
    with exit_codes():
        from geosr_lake.cli import files

        selection = files.selected(datetime, bbox, max_items)
        engine: Engine = "spark" if spark else "auto"
        _ingest_files(
            sources or [], lake, wait, selection, engine, dry_run=dry_run, as_json=as_json
        )


def _ingest_api(lake: str, wanted: "Wanted", wait: float, *, as_json: bool) -> None:
    from geosr_lake.cli import live
    from geosr_lake.lake import Lake
    from geosr_lake.scenes.live import ingest_api

    opened = Lake.create(lake, tell=say, wait_s=wait)
    with progress_bar() as progress:
        summary = ingest_api(opened, wanted, progress=progress)
    complete = not summary.undone and not summary.not_asked
    report(
        summary,
        as_json=as_json,
        show=lambda: live.show(summary),
        next_step=_next(summary.scenes_by_sensor.keys(), lake) if complete else None,
    )
    summary.check()


def _ingest_files(
    sources: list[str],
    lake: str,
    wait: float,
    selection: "Selection",
    engine: "Engine",
    *,
    dry_run: bool,
    as_json: bool,
) -> None:
    from geosr_lake.archives import find_files
    from geosr_lake.cli import files
    from geosr_lake.lake import Lake
    from geosr_lake.lake.place import root_of
    from geosr_lake.scenes.ingest import ingest_files

    # Before the lake: a source mistyped makes none.
    found = find_files(sources, but=str(root_of(lake)))
    if dry_run:
        most = selection.max_items
        files.show_surveys(files.surveyed(found, most), most=most, as_json=as_json)
        return
    opened = Lake.create(lake, tell=say, wait_s=wait)
    with progress_bar() as progress:
        summary = ingest_files(opened, found, progress=progress, selection=selection, engine=engine)
    report(
        summary,
        as_json=as_json,
        show=lambda: _show(summary),
        next_step=_next(summary.scenes_by_sensor.keys(), lake),
    )


@app.command()
def withdraw(
    lake: LakeOption,
    item_ids: Annotated[
        list[str] | None, typer.Argument(metavar="ITEM_ID...", help="Ids as the archive has them.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", metavar="LIST", help="A file with an id a line.")
    ] = None,
    archive: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only items of this archive.")
    ] = None,
    collection: Annotated[
        str | None, typer.Option(metavar="ID", help="Only items of this collection.")
    ] = None,
    spark: Annotated[
        bool, typer.Option("--spark", help="Use Spark, however few the items are.")
    ] = False,
    as_json: JsonOption = False,
    wait: WaitOption = 0.0,
) -> None:
    """Take items out of the lake: their scenes fall back to other items, or go.

    Items stay in the table `items`; the same item again does not come back, a newer version does.
    No JVM is started but where tables are clustered, for more than 40,000 ids, or with --spark.

    Example: `geosr scenes withdraw co_m_4110264_sw_13_060_20220827 --lake my_lake`
    """
    with exit_codes():
        from dataclasses import asdict

        from geosr_lake.cli import files
        from geosr_lake.errors import UsageError
        from geosr_lake.lake import Lake
        from geosr_lake.scenes.withdraw import withdraw as withdraw_items

        listed = files.read_text(file).split() if file is not None else []
        ids = [*(item_ids or []), *listed]
        if not ids:
            raise UsageError("No item is named", next_step="Give ids, or --file LIST.")
        opened = Lake.open(lake, tell=say, wait_s=wait)
        with progress_bar() as progress:
            summary = withdraw_items(
                opened,
                ids,
                archive=archive,
                collection=collection,
                engine="spark" if spark else "auto",
                progress=progress,
            )
        held = {k: v for k, v in asdict(summary).items() if k != "run_id"}
        report(
            summary,
            as_json=as_json,
            show=lambda: print_counts("Withdrawn", held),
            next_step=shlex.join(["geosr", "pairs", "build", "--recipe", "RECIPE", "--lake", lake]),
        )
