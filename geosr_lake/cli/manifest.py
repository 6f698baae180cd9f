"""`geosr manifest`: choose the samples of a release."""

import shlex
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from geosr_lake.cli import manifest_words as words
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
    typed,
)
from geosr_lake.errors import IncompleteError, UsageError
from geosr_lake.recipe import Recipe, load_recipe

if TYPE_CHECKING:
    from geosr_lake.lake import Lake
    from geosr_lake.manifest import Files
    from geosr_lake.manifest.differ import Difference
    from geosr_lake.manifest.predict import Prediction

app = typer.Typer(help="Choose the samples of a release.", no_args_is_help=True)


@app.callback()
def manifest() -> None:
    """Choose the samples of a release."""


def _by_name(given: list[str] | None, option: str) -> dict[str, Path]:
    """Return files by the name before the equals sign.

    Raises:
        UsageError: If there is none, or a name comes twice.
    """
    found: dict[str, Path] = {}
    for text in given or ():
        name, equals, path = text.partition("=")
        if not (name and equals and path):
            raise UsageError(f"{text!r} is not SUBSET=FILE", where=option)
        if name in found:
            raise UsageError(f"The subset {name} has two files", where=option)
        found[name] = Path(path)
    return found


LandCoverOption = Annotated[
    list[str],
    typer.Option(
        "--land-cover",
        metavar="FILE",
        help="Raster of land-cover classes, the layer that select.urban of the recipe names: a "
        "GeoTIFF, Erdas Imagine or JPEG 2000 file or its address, or a file of another format that "
        "GDAL reads and that names no other rasters (of one that does, "
        "GEOSR_RASTER_DRIVERS must name the GDAL driver, as VRT). For tiles that lie beside "
        "each other several times, or a folder, a pattern in quotes, or a text file "
        "(.txt) with one of them a line.",
    ),
]
ChipsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--chips",
        metavar="SUBSET=FILE",
        help="Polygons of a label's chips (GeoParquet, GeoJSON), for a subset of chips.",
    ),
]
ExtentOption = Annotated[
    list[str] | None,
    typer.Option(
        "--extent",
        metavar="SUBSET=FILE",
        help="Polygons in which a subset's sites lie (GeoParquet, GeoJSON).",
    ),
]
EcoregionsOption = Annotated[
    Path | None,
    typer.Option(
        "--ecoregions",
        metavar="FILE",
        help="Polygons with names, for subsets that are spread over them.",
    ),
]


def _predicted(lake: "Lake", recipe: Recipe, land_cover: list[str], files: "Files") -> "Prediction":
    """Return what a build would find."""
    from geosr_lake.manifest.predict import predict

    with progress_bar() as progress:
        return predict(lake, recipe, land_cover, files=files, progress=progress)


@app.command()
def build(
    recipe: Annotated[
        str,
        typer.Option(
            "--recipe", metavar="RECIPE", help="A YAML file, or a shipped recipe as s2_naip."
        ),
    ],
    land_cover: LandCoverOption,
    lake: LakeOption,
    chips: ChipsOption = None,
    extent: ExtentOption = None,
    ecoregions: EcoregionsOption = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Write nothing; say how many samples a build would find, from a share of the "
            "sites, give or take two standard errors.",
        ),
    ] = False,
    as_json: JsonOption = False,
    wait: WaitOption = 0.0,
) -> None:
    """Choose samples among the sites that pairs show whole, and say why the others were not.

    Example: `geosr manifest build --recipe s2_naip --land-cover nlcd.tif --lake my_lake`

    With chips: `geosr manifest build --recipe s2_naip --land-cover nlcd.tif \
    --chips chesapeakersc=patches.parquet --lake my_lake`
    """
    with exit_codes():
        from geosr_lake.lake import Lake
        from geosr_lake.manifest import Files
        from geosr_lake.manifest import build as build_manifest

        rule = load_recipe(recipe)
        files = Files(_by_name(chips, "--chips"), _by_name(extent, "--extent"), ecoregions)
        opened = Lake.open(lake, tell=say, wait_s=wait)
        for sentence in words.unbounded(rule, files.extents):
            say(sentence)
        if dry_run:
            found = _predicted(opened, rule, land_cover, files)
            show = partial(words.show_prediction, found, rule.name)
            report(asdict(found), as_json=as_json, show=show, next_step=typed(but="--dry-run"))
            return
        with progress_bar() as progress:
            summary = build_manifest(opened, rule, land_cover, files=files, progress=progress)
        following = ["geosr", "cubes", "materialize", "--manifest", summary.manifest_id]
        report(
            asdict(summary),
            as_json=as_json,
            show=lambda: words.show(summary, rule.name),
            next_step=shlex.join([*following, "--lake", lake]) if summary.samples else None,
        )
        said = [*words.unbounded(rule, files.extents), *words.shortfalls(summary, rule)]
        for sentence in [*said, *words.empty_splits(summary, rule)]:
            say(sentence)
        if not summary.samples:
            raise IncompleteError(
                "The manifest holds no sample: a rule dropped every candidate",
                where=summary.manifest_id,
                next_step="The funnel says which; loosen the recipe, or add scenes.",
            )


ManifestArgument = Annotated[str, typer.Argument(metavar="MANIFEST", help="Id of a manifest.")]


@app.command()
def rebuild(
    manifest: ManifestArgument,
    land_cover: LandCoverOption,
    lake: LakeOption,
    chips: ChipsOption = None,
    extent: ExtentOption = None,
    ecoregions: EcoregionsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Choose a manifest anew from the table versions it was made from; nothing is written.

    Ends with code 3 if a row differs.

    Example: `geosr manifest rebuild man-... --land-cover nlcd.tif --lake my_lake`
    """
    with exit_codes():
        from geosr_lake.lake import Lake
        from geosr_lake.manifest import Files
        from geosr_lake.manifest.rebuild import rebuild as rebuild_manifest

        files = Files(_by_name(chips, "--chips"), _by_name(extent, "--extent"), ecoregions)
        with progress_bar() as progress:
            found = rebuild_manifest(
                Lake.open(lake, tell=say), manifest, land_cover, files=files, progress=progress
            )
        counts = {"rows": found.rows, "equal rows": found.equal_rows}
        counts |= {f"version of {table}": n for table, n in sorted(found.versions.items())}
        title = "The same rows" if found.same else "Not the same rows"
        report(asdict(found), as_json=as_json, show=lambda: print_counts(title, counts))
        if not found.same:
            raise IncompleteError(
                "The manifest is another one when it is chosen anew",
                where=manifest,
                next_step="Another version of geosr_lake may choose otherwise: see CHANGELOG.md.",
            )


@app.command()
def export(
    manifest: ManifestArgument,
    to: Annotated[Path, typer.Option("--to", metavar="FILE", help="The new GeoParquet file.")],
    lake: LakeOption,
    as_json: JsonOption = False,
) -> None:
    """Write a manifest's rows, with footprints and times, to a GeoParquet file.

    Example: `geosr manifest export man-... --to samples.parquet --lake my_lake`
    """
    with exit_codes():
        from geosr_lake.lake import Lake
        from geosr_lake.manifest.export import export as export_manifest

        counts = {"rows": export_manifest(Lake.open(lake, tell=say), manifest, to)}
        shown = counts | {"file": str(to)}
        report(shown, as_json=as_json, show=lambda: print_counts(str(to), counts))


def _show_difference(found: "Difference") -> None:
    counts = {
        "in both": found.in_both,
        f"only in {found.a}": found.only_a,
        f"only in {found.b}": found.only_b,
        "sites in both": found.sites_in_both,
    }
    counts |= {f"in both, with another {name}": n for name, n in found.moved.items()}
    print_counts("The same rows" if found.same_rows else "Samples and reserves", counts)
    parts = (
        ("Recipe", "key", found.recipe),
        ("Files, by SHA-256", "file", found.files),
        ("Delta versions read", "table", found.versions),
    )
    for title, what, rows in parts:
        if rows:
            head = [what, found.a, found.b]
            print_rows(head, [[row.what, row.a, row.b] for row in rows], title=title)
    examples = [[name, sample] for name, ids in found.examples().items() for sample in ids]
    if examples:
        print_rows(["manifest", "only there"], examples, title="For example")


@app.command()
def diff(
    manifest: ManifestArgument,
    other: Annotated[str, typer.Argument(metavar="OTHER", help="Id of another manifest.")],
    lake: LakeOption,
    as_json: JsonOption = False,
) -> None:
    """Say in what two manifests differ: recipe, files, versions of the tables, rows.

    Of the rows it tells how many differ, and with `--json` every one of them, as either has it.

    Example: `geosr manifest diff man-... man-... --lake my_lake`
    """
    with exit_codes():
        from geosr_lake.lake import Lake
        from geosr_lake.manifest.differ import diff as compare

        found = compare(Lake.open(lake, tell=say), manifest, other)
        told = asdict(found) | {"same_rows": found.same_rows}
        report(told, as_json=as_json, show=lambda: _show_difference(found))
