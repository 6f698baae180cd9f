"""`geosr manifest`: choose the samples of a release."""

import shlex
from collections.abc import Collection
from dataclasses import asdict
from functools import partial
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
from geosr_lake.errors import IncompleteError, UsageError
from geosr_lake.recipe import Recipe, load_recipe

if TYPE_CHECKING:
    from geosr_lake.lake import Lake
    from geosr_lake.manifest import Files, ManifestSummary
    from geosr_lake.manifest.differ import Difference
    from geosr_lake.manifest.predict import Prediction
    from geosr_lake.manifest.summary import CellCount

app = typer.Typer(help="Choose the samples of a release.", no_args_is_help=True)


@app.callback()
def manifest() -> None:
    """Choose the samples of a release."""


def _show(summary: "ManifestSummary", name: str) -> None:
    found: dict[str, int | float | str] = {
        "manifest": summary.manifest_id,
        "pairs": summary.pairs,
        "tile pairs": summary.tile_pairs,
        "sites where their extents meet": summary.sites_found,
        "sites drawn": summary.sites_drawn,
        "candidates": summary.candidates,
        "samples": summary.samples,
        "reserves": summary.reserves,
    }
    print_counts(f"Manifest of {name}{': no change' if summary.unchanged else ''}", found)
    steps = [[s.rule, s.n_in, s.n_dropped, s.n_out] for s in summary.funnel]
    print_rows(["rule", "in", "dropped", "out"], steps, title="Funnel of candidates")
    rows = [
        [c.subset, c.stratum, c.band or "", c.asked, c.samples, c.reserves_asked, c.reserves]
        for c in summary.quotas
    ]
    head = ["subset", "stratum", "part", "asked", "samples", "reserves asked", "reserves"]
    print_rows(head, rows, title="Quotas")
    rows = [
        [subset, split, *counts.values()]
        for subset, of_subset in summary.splits.items()
        for split, counts in of_subset.items()
    ]
    print_rows(["subset", "split", "blocks", "samples", "reserves"], rows, title="Splits")


def _show_prediction(found: "Prediction", name: str) -> None:
    counts: dict[str, int | float | str] = {
        "tile pairs": found.tile_pairs,
        "share of the sites": "all" if found.frac >= 1 else f"{found.frac:.1%}",
        "sites looked at": found.sites_looked_at,
        "seconds": f"{found.seconds:.1f}",
    }
    print_counts(f"What a manifest of {name} would hold: nothing is written", counts)
    rows = [
        [
            *(cell.subset, cell.stratum, cell.band or "", cell.asked, cell.samples),
            "met" if cell.met else cell.plus_minus,
        ]
        for cell in found.cells
    ]
    head = ["subset", "stratum", "part", "asked", "samples", "plus or minus"]
    print_rows(head, rows, title="Quotas")


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


def _named(cell: "CellCount") -> str:
    return ", ".join(filter(None, (cell.subset, cell.stratum, cell.band)))


def _lacking(cell: "CellCount") -> str:
    if cell.samples < cell.asked:
        return f"{cell.samples:,} of {cell.asked:,} samples"
    return f"{cell.reserves:,} of {cell.reserves_asked:,} reserves"


def _unbounded(recipe: Recipe, extents: Collection[str]) -> list[str]:
    """Say which labelled subsets draw without the extent of their label product."""
    _, rule = recipe.selection
    names = [
        part.name
        for part in rule.parts
        if part.label and part.sites == "grid" and not (part.extent or part.bounds)
    ]
    told = ", ".join(name for name in names if name not in extents)
    if not told:
        return []
    return [f"Without --extent sites of {told} may lie where their label product has nothing."]


def _empty_splits(summary: "ManifestSummary", recipe: Recipe) -> list[str]:
    """Say which subsets have nothing in a split, and which keys of the recipe decide that."""
    _, rule = recipe.selection
    said = []
    for subset, of_subset in summary.splits.items():
        empty = [
            split
            for split, counts in of_subset.items()
            if not counts["samples"] and getattr(rule.split, split) > 0
        ]
        if not empty or len(empty) == len(of_subset):
            continue
        names = " and ".join(empty)
        if rule.split.mode == "blocks":
            said.append(f"No block of {subset} holds samples of {names}: see select.block_deg.")
        else:
            said.append(
                f"{subset} has too few samples for the share of {names}: see select.split, or ask "
                "for more."
            )
    return said


def _shortfalls(summary: "ManifestSummary", recipe: Recipe) -> list[str]:
    from geosr_lake.sensors.tasks import TASKS

    said = [
        f"Only {_lacking(cell)} of {_named(cell)} were found: {cell.reason}."
        for cell in summary.quotas
        if cell.reason
    ]
    if summary.sites_drawn and not summary.urban_seen:
        urban = recipe.selection[1].urban
        classes = ", ".join(map(str, urban.classes))
        said.append(
            f"No site holds any of the classes {classes}, which count as urban: is the raster of "
            f"--land-cover the layer {urban.layer}?"
        )
    if summary.cover_pixel_m > (size := TASKS[summary.task].site_size_m):
        said.append(
            f"A pixel of the land cover is {summary.cover_pixel_m:,.0f} m wide and a site {size:g} "
            "m: most sites are urban wholly or not at all."
        )
    if summary.widened:
        said.append(
            f"The draw was widened to {summary.sites_per_tile_pair} sites a tile pair, because "
            "quotas were not met with select.sites_per_tile_pair."
        )
    if summary.pairs_outdated:
        said.append(
            "The pairs are older than the lake's scenes: `geosr pairs build` with the same recipe "
            "brings them up to date, then build the manifest again."
        )
    return said


LandCoverOption = Annotated[
    list[str],
    typer.Option(
        "--land-cover",
        metavar="FILE",
        help="Raster of land-cover classes, the layer that select.urban of the recipe names: a "
        "GeoTIFF, Erdas Imagine or JPEG 2000 file or its address, or a file of another format that "
        "GDAL reads and that names no other rasters. For tiles that lie beside each other several "
        "times, or a folder, a pattern in quotes, or a text file (.txt) with one of them a line.",
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
    parts = ["geosr", "manifest", "build", "--recipe", recipe]
    parts += [word for where in land_cover for word in ("--land-cover", where)]
    parts += [word for text in chips or () for word in ("--chips", text)]
    parts += [word for text in extent or () for word in ("--extent", text)]
    parts += ["--ecoregions", str(ecoregions)] if ecoregions else []
    command = shlex.join([*parts, "--lake", lake])
    with exit_codes(f"{command} --dry-run" if dry_run else command):
        from geosr_lake.lake import Lake
        from geosr_lake.manifest import Files
        from geosr_lake.manifest import build as build_manifest

        rule = load_recipe(recipe)
        files = Files(_by_name(chips, "--chips"), _by_name(extent, "--extent"), ecoregions)
        opened = Lake.open(lake, tell=say, wait_s=wait)
        for sentence in _unbounded(rule, files.extents):
            say(sentence)
        if dry_run:
            found = _predicted(opened, rule, land_cover, files)
            show = partial(_show_prediction, found, rule.name)
            report(asdict(found), as_json=as_json, show=show, next_step=command)
            return
        with progress_bar() as progress:
            summary = build_manifest(opened, rule, land_cover, files=files, progress=progress)
        following = ["geosr", "cubes", "materialize", "--manifest", summary.manifest_id]
        report(
            asdict(summary),
            as_json=as_json,
            show=lambda: _show(summary, rule.name),
            next_step=shlex.join([*following, "--lake", lake]) if summary.samples else None,
        )
        said = [*_unbounded(rule, files.extents), *_shortfalls(summary, rule)]
        for sentence in [*said, *_empty_splits(summary, rule)]:
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
    with exit_codes(shlex.join(["geosr", "manifest", "rebuild", manifest])):
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
    with exit_codes(shlex.join(["geosr", "manifest", "export", manifest, "--to", str(to)])):
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
    with exit_codes(shlex.join(["geosr", "manifest", "diff", manifest, other])):
        from geosr_lake.lake import Lake
        from geosr_lake.manifest.differ import diff as compare

        found = compare(Lake.open(lake, tell=say), manifest, other)
        told = asdict(found) | {"same_rows": found.same_rows}
        report(told, as_json=as_json, show=lambda: _show_difference(found))
