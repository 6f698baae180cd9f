"""`geosr scenes export`: scenes as STAC items, for other tools."""

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
from geosr_lake.cli.extents import parse_bbox, parse_interval
from geosr_lake.errors import UsageError


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
    with exit_codes():
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
            parse_bbox(bbox),
            (None, None) if interval is None else parse_interval(interval),
        )
        opened = Lake.open(lake, tell=say)
        opened = opened if at is None else opened.at(at)
        done = export_scenes(opened, stac_geoparquet, chosen)
        counts = {"files": done.files, "items": done.items}
        report(done, as_json=as_json, show=lambda: print_counts(done.folder, counts))
