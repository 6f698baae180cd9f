"""What is said of a manifest: its counts, what it lacks, and what would help."""

from collections.abc import Collection
from typing import TYPE_CHECKING

from geosr_lake.cli.console import print_counts, print_rows
from geosr_lake.recipe import Recipe

if TYPE_CHECKING:
    from geosr_lake.manifest import ManifestSummary
    from geosr_lake.manifest.predict import Prediction
    from geosr_lake.manifest.summary import CellCount


def show(summary: "ManifestSummary", name: str) -> None:
    """Print what a manifest holds, and how many candidates each rule dropped."""
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


def show_prediction(found: "Prediction", name: str) -> None:
    """Print what a manifest would hold."""
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


def _named(cell: "CellCount") -> str:
    return ", ".join(filter(None, (cell.subset, cell.stratum, cell.band)))


def _lacking(cell: "CellCount") -> str:
    if cell.samples < cell.asked:
        return f"{cell.samples:,} of {cell.asked:,} samples"
    return f"{cell.reserves:,} of {cell.reserves_asked:,} reserves"


def unbounded(recipe: Recipe, extents: Collection[str]) -> list[str]:
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


def empty_splits(summary: "ManifestSummary", recipe: Recipe) -> list[str]:
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


def shortfalls(summary: "ManifestSummary", recipe: Recipe) -> list[str]:
    """Say what a manifest lacks or may have wrong, and what would help."""
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
