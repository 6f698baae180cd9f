"""`geosr catalog`: publish cubes as a static STAC catalog, and check one."""

import shlex
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
from geosr_lake.errors import ContractError

if TYPE_CHECKING:
    from geosr_lake.publish.publish import PublishSummary
    from geosr_lake.publish.validate import ValidateSummary

app = typer.Typer(help="Publish cubes as a static STAC catalog.", no_args_is_help=True)

SHOWN_PROBLEMS = 20


def _show_published(summary: "PublishSummary") -> None:
    rows = [
        [
            r.collection_id,
            *(r.items.get(split, 0) for split in ("train", "val", "test")),
            "published" if r.changed else "as it was",
        ]
        for r in summary.releases
    ]
    print_rows(["collection", "train", "val", "test", ""], rows, title="Published collections")
    for why in summary.incomplete.values():
        say(f"Left out: {why}.")
    say(f"Catalog: {summary.catalog}")


@app.command()
def publish(
    lake: LakeOption,
    manifest: Annotated[
        list[str] | None,
        typer.Option("--manifest", help="A manifest, may be given again; all complete ones."),
    ] = None,
    zarr_media_type: Annotated[
        str,
        typer.Option(
            help="versioned: application/vnd.zarr; version=3. plain: application/vnd.zarr, for "
            "readers that know only that."
        ),
    ] = "versioned",
    as_json: JsonOption = False,
) -> None:
    """Publish every manifest whose cubes are complete, below the lake's folder `catalog`.

    Example: `geosr catalog publish --lake my_lake`
    """
    with exit_codes():
        from geosr_lake.lake import Lake
        from geosr_lake.publish.publish import publish as publish_catalog

        opened = Lake.open(lake, tell=say)
        with progress_bar() as progress:
            summary = publish_catalog(
                opened, manifest, zarr_type=zarr_media_type, progress=progress
            )
        task = summary.releases[0].task
        report(
            summary,
            as_json=as_json,
            show=lambda: _show_published(summary),
            next_step=shlex.join(["geosr", "train", "--catalog", summary.catalog, "--task", task]),
        )


def _show_checked(summary: "ValidateSummary") -> None:
    names = {"Catalog": "catalogs", "Collection": "collections", "Feature": "items"}
    counts = {names.get(kind, kind): n for kind, n in sorted(summary.documents.items())}
    print_counts("Checked", {**counts, "problems": len(summary.problems)})
    for problem in summary.problems[:SHOWN_PROBLEMS]:
        say(problem)
    if summary.unchecked:
        say(f"Not checked, for want of a schema: {', '.join(sorted(summary.unchecked))}")


@app.command()
def validate(
    lake: LakeOption,
    schemas: Annotated[
        Path | None,
        typer.Option(
            envvar="GEOSR_STAC_SCHEMAS",
            exists=True,
            file_okay=False,
            help="Folder of the STAC extensions' schemas; nothing is fetched.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check the lake's catalog: documents against their schemas, items against the cubes.

    Example: `geosr catalog validate --lake my_lake --schemas stac-schemas`
    """
    with exit_codes():
        from geosr_lake.publish.validate import validate as validate_catalog

        summary = validate_catalog(Path(lake) / "catalog" / "catalog.json", schemas)
        report(summary, as_json=as_json, show=lambda: _show_checked(summary))
        if summary.problems:
            raise ContractError(
                f"The catalog has {len(summary.problems)} problems",
                where=summary.catalog,
                next_step="Run `geosr catalog publish`, which mends what it wrote.",
            )
