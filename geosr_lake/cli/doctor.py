"""`geosr doctor`: is this machine ready, and if not, what to do."""

from pathlib import Path
from typing import Annotated

import typer

from geosr_lake.cli.console import JsonOption, exit_codes, print_json, print_rows, say
from geosr_lake.doctor import Check, Diagnosis, diagnose
from geosr_lake.errors import EnvironmentProblemError


def _verdict(check: Check) -> str:
    if check.ok:
        return "ok"
    return "FAILS" if check.required else "absent"


def _print(diagnosis: Diagnosis) -> None:
    rows = [[check.name, _verdict(check), check.found] for check in diagnosis.checks]
    print_rows(["what", "", "found"], [list(row) for row in rows])
    for check in diagnosis.checks:
        if check.fix is not None:
            say(f"{check.name}: {check.fix}")
    if diagnosis.healthy:
        say("All that is needed is there.")


def doctor(
    lake: Annotated[
        Path,
        typer.Option(
            "--lake", envvar="GEOSR_LAKE", metavar="DIR", help="Folder whose disk is looked at."
        ),
    ] = Path(),
    start: Annotated[
        bool, typer.Option("--start/--no-start", help="Start Spark, the slowest of the checks.")
    ] = True,
    as_json: JsonOption = False,
) -> None:
    """Look at Java, packages, jars, memory, disk, GDAL and Spark; print a fix for what fails.

    Example: `geosr doctor`
    """
    with exit_codes():
        diagnosis = diagnose(lake, start=start, tell=say)
        if as_json:
            print_json(diagnosis)
        else:
            _print(diagnosis)
        if not diagnosis.healthy:
            raise typer.Exit(EnvironmentProblemError.exit_code)
