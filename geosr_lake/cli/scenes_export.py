"""`geosr scenes export`: scenes as STAC items, for other tools."""

import shlex
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from geosr_lake.cli.console import (
    JsonOption,
    LakeOption,
    exit_codes,
    print_counts,
    report,
    say,
)
from geosr_lake.errors import UsageError


def _box(text: str) -> tuple[float, float, float, float]:
    try:
        west, south, east, north = (float(part) for part in text.split(","))
    except ValueError as error:
        raise UsageError(
            f"{text!r} is no bounding box", next_step="Write --bbox west,south,east,north."
        ) from error
    if not (-180 <= west <= 180 and -180 <= east <= 180 and -90 <= south <= north <= 90):
        raise UsageError(f"{text!r} is no bounding box in degrees")
    return west, south, east, north


def _moment(text: str) -> datetime | None:
    if text in ("", ".."):
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(
            f"{text!r} is no time", next_step="Write 2024-01-31, 2024-01-31T12:00:00Z or .."
        ) from error
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _interval(text: str) -> tuple[datetime | None, datetime | None]:
    """Return first and last moment of ``a/b``; a date means the whole of its day."""
    first, slash, last = text.partition("/")
    last = last if slash else first
    begin, end = _moment(first), _moment(last)
    if end is not None and "T" not in last:
        end += timedelta(days=1, microseconds=-1)
    if begin is not None and end is not None and end < begin:
        raise UsageError(f"{text!r} ends before it begins")
    return begin, end


def export(
    lake: LakeOption,
    stac_geoparquet: Annotated[
        Path, typer.Option("--stac-geoparquet", metavar="FOLDER", help="New folder of the files.")
    ],
    sensor: Annotated[
        str | None, typer.Option("--sensor", help="modis, landsat, sentinel2 or naip; all.")
    ] = None,
    bbox: Annotated[
        str | None,
        typer.Option("--bbox", metavar="W,S,E,N", help="Degrees; W > E crosses the antimeridian."),
    ] = None,
    interval: Annotated[
        str | None,
        typer.Option("--datetime", metavar="FROM/TO", help="UTC; .. is open; a date its day."),
    ] = None,
    at: Annotated[
        str | None, typer.Option("--at", metavar="COMMIT|TIME", help="Read as of then.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write scenes as STAC items into stac-geoparquet files, which need nothing of ours.

    Example: `geosr scenes export --stac-geoparquet items --sensor naip --lake my_lake`
    """
    words = ["geosr", "scenes", "export", "--stac-geoparquet", str(stac_geoparquet)]
    with exit_codes(shlex.join([*words, "--lake", lake])):
        from geosr_lake.lake import Lake
        from geosr_lake.scenes.export import Chosen
        from geosr_lake.scenes.export import export as export_scenes
        from geosr_lake.sensors import SENSORS

        if sensor is not None and sensor not in SENSORS:
            raise UsageError(
                f"There is no sensor {sensor!r}", next_step=f"One of: {', '.join(SENSORS)}."
            )
        chosen = Chosen(
            sensor,
            None if bbox is None else _box(bbox),
            (None, None) if interval is None else _interval(interval),
        )
        opened = Lake.open(lake, tell=say)
        opened = opened if at is None else opened.at(at)
        done = export_scenes(opened, stac_geoparquet, chosen)
        counts = {"files": done.files, "items": done.items}
        report(done, as_json=as_json, show=lambda: print_counts(done.folder, counts))
