"""`geosr`: wires the commands of every noun together."""

from typing import Annotated

import typer

from geosr_lake import __version__
from geosr_lake.cli import (
    audit,
    catalog,
    cubes,
    demo,
    doctor,
    explain,
    lake,
    manifest,
    pairs,
    recipe,
    report,
    scenes,
    scenes_export,
    serve,
    sql,
    train,
)

app = typer.Typer(
    name="geosr",
    help="Rebuild GeoSR-Bench, or a variant of it, from public satellite archives.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
scenes.app.command()(scenes_export.export)
manifest.app.command()(audit.audit)
app.add_typer(scenes.app, name="scenes")
app.add_typer(pairs.app, name="pairs")
app.add_typer(manifest.app, name="manifest")
app.add_typer(recipe.app, name="recipe")
app.add_typer(cubes.app, name="cubes")
app.add_typer(catalog.app, name="catalog")
lake.app.command()(serve.serve)
app.add_typer(lake.app, name="lake")
app.command()(train.train)
app.command()(demo.demo)
app.command()(sql.sql)
app.command()(explain.explain)
app.command()(explain.inspect)
app.command()(report.report)
app.command()(doctor.doctor)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"geosr_lake {__version__}")
        raise typer.Exit


@app.callback()
def geosr(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Version.")
    ] = False,
) -> None:
    """Rebuild GeoSR-Bench, or a variant of it, from public satellite archives."""


def main() -> None:
    """Entry point of the `geosr` command."""
    app()
