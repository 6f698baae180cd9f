"""`geosr lake serve`: the lake for Spark Connect clients and JDBC tools of this machine."""

import signal
import sys
from typing import Annotated

import typer

from geosr_lake.cli.console import JsonOption, LakeOption, exit_codes, print_json, say


def _wait() -> None:
    """Sleep until Ctrl-C or SIGTERM."""
    try:
        while True:
            signal.pause()
    except KeyboardInterrupt:
        say("Ending ...")


def serve(
    lake: LakeOption,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Of Spark Connect; 0: any free one.")
    ] = 15002,
    thrift: Annotated[
        bool, typer.Option("--thrift", help="Start a Thrift server too, for JDBC tools.")
    ] = False,
    thrift_port: Annotated[
        int, typer.Option("--thrift-port", min=0, max=65535, help="Of Thrift; 0: any free one.")
    ] = 10000,
    as_json: JsonOption = False,
) -> None:
    """Serve the lake's views to Spark Connect clients on this machine, until Ctrl-C.

    The servers listen on 127.0.0.1 only and ask nobody who they are: every user of this machine
    can reach them, and what they ask runs as you. The views stay at
    the commit that is the newest now.

    Example: `geosr lake serve --lake my_lake`
    """
    with exit_codes():
        from geosr_lake.lake import Lake
        from geosr_lake.lake.serve import serving

        opened = Lake.open(lake, tell=say)
        say("Starting Spark ...")
        with serving(
            opened.root,
            opened.versions,
            port=port,
            thrift_port=thrift_port if thrift else None,
            tell=say,
        ) as served:
            # Spark's own handler of Ctrl-C would cancel its clients' work first.
            signal.signal(signal.SIGINT, signal.default_int_handler)
            if as_json:
                print_json(served)
            else:
                typer.echo(f"Spark Connect: {served.connect}")
                if served.jdbc:
                    typer.echo(f"JDBC: {served.jdbc}")
            sys.stdout.flush()
            say("Ready; Ctrl-C ends it.")
            _wait()
