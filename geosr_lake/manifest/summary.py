"""What a run of the manifest stage tells."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from geosr_lake.manifest.quotas import QuotaCell
from geosr_lake.manifest.select import SPLITS


@dataclass(frozen=True, slots=True)
class FunnelStep:
    """One rule of the funnel: ``n_in = n_dropped + n_out``."""

    rule: str
    n_in: int
    n_dropped: int
    n_out: int


@dataclass(frozen=True, slots=True)
class CellCount:
    """What one cell of the quotas asked for and got.

    Attributes:
        subset: Name of the subset.
        stratum: ``urban``, ``non_urban`` or ``natural``.
        band: Part of the subset's spread; None where it has none.
        asked: Samples that are asked for.
        samples: Samples that were found.
        reserves_asked: Reserves that are asked for.
        reserves: Reserves that were found.
        reason: Why samples or reserves are lacking, as a clause; None where none are.
    """

    subset: str
    stratum: str
    band: str | None
    asked: int
    samples: int
    reserves_asked: int
    reserves: int
    reason: str | None


@dataclass(frozen=True, slots=True)
class ManifestSummary:
    """What was found, chosen and written.

    Attributes:
        manifest_id: Id of the manifest.
        content_hash: SHA-256 over its rows.
        task: SR task.
        unchanged: True if the lake held this manifest with the same candidates already.
        tile_pairs: Tile pairs that have pairs.
        sites_found: Sites where the extents of both tiles meet, summed over tile pairs.
        sites_drawn: Distinct sites drawn.
        sites_per_tile_pair: Sites that a tile pair could draw in the end.
        widened: True if that is more than the recipe says, because quotas were not met.
        pairs: Pairs of the rule.
        candidates: Drawn sites with their pairs.
        samples: Samples of the manifest.
        reserves: Reserves of the manifest.
        funnel: The rules in order, over all subsets; the first `n_in` is `candidates`, the last
            `n_out` samples and reserves together.
        quotas: What each cell of the quotas asked for and got.
        splits: For each subset and split ``blocks``, ``samples`` and ``reserves``.
        pairs_outdated: True if scenes came, changed or went since the pairs were made.
        cover_pixel_m: Edge of the land cover's pixels; of those in degrees as at the equator.
        urban_seen: Whether a drawn site holds any class that counts as urban.
    """

    manifest_id: str
    content_hash: str
    task: str
    unchanged: bool
    tile_pairs: int
    sites_found: int
    sites_drawn: int
    sites_per_tile_pair: int
    widened: bool
    pairs: int
    candidates: int
    samples: int
    reserves: int
    funnel: tuple[FunnelStep, ...]
    quotas: tuple[CellCount, ...]
    splits: dict[str, dict[str, dict[str, int]]]
    pairs_outdated: bool = False
    cover_pixel_m: float = 0.0
    urban_seen: bool = True

    @property
    def counts(self) -> dict[str, int]:
        """The counts that go into the row of `runs`."""
        names = ("pairs", "tile_pairs", "sites_found", "sites_drawn", "candidates")
        return {name: getattr(self, name) for name in (*names, "samples", "reserves")}


def funnel(verdicts: Mapping[str, int], rules: Iterable[str]) -> tuple[FunnelStep, ...]:
    """Return the funnel from the number of candidates of each verdict.

    Args:
        verdicts: The numbers.
        rules: The rules that were asked, in their order.
    """
    left = sum(verdicts.values())
    steps = []
    for rule in rules:
        dropped = verdicts.get(rule, 0)
        steps.append(FunnelStep(rule, left, dropped, left - dropped))
        left -= dropped
    return tuple(steps)


def cell_counts(
    cells: Sequence[QuotaCell], found: Sequence[int], why: Callable[[QuotaCell], str]
) -> tuple[CellCount, ...]:
    """Return what cells asked for and got.

    Args:
        cells: The cells.
        found: Samples and reserves of each together; samples come first.
        why: Says why a cell lacks samples or reserves.
    """
    return tuple(
        CellCount(
            cell.subset,
            cell.stratum,
            cell.band,
            asked=cell.asked,
            samples=min(n, cell.asked),
            reserves_asked=cell.reserves,
            reserves=max(0, n - cell.asked),
            reason=why(cell) if n < cell.asked + cell.reserves else None,
        )
        for cell, n in zip(cells, found, strict=True)
    )


def by_split(rows: list[dict[str, Any]]) -> dict[str, dict[str, dict[str, int]]]:
    """Return what each subset has in each split, see `ManifestSummary.splits`."""
    table: dict[str, dict[str, dict[str, int]]] = {}
    for subset in sorted({row["subset"] for row in rows}):
        mine = [row for row in rows if row["subset"] == subset]
        roles = Counter((row["split"], row["role"]) for row in mine)
        blocks = {(row["split"], row["block"]) for row in mine if row["role"] == "sample"}
        table[subset] = {
            split: {
                "blocks": sum(name == split for name, _ in blocks),
                "samples": roles[split, "sample"],
                "reserves": roles[split, "reserve"],
            }
            for split in SPLITS
        }
    return table
