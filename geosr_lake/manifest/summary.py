"""What a run of the manifest stage tells."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from geosr_lake.manifest.cover import STRATA
from geosr_lake.manifest.select import SPLITS


@dataclass(frozen=True, slots=True)
class FunnelStep:
    """One rule of the funnel: ``n_in = n_dropped + n_out``."""

    rule: str
    n_in: int
    n_dropped: int
    n_out: int


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
        funnel: The rules in order; the first `n_in` is `candidates`, the last `n_out` samples
            and reserves together.
        strata: For each stratum ``asked``, ``samples``, ``reserves_asked`` and ``reserves``.
        splits: For each split ``blocks``, ``samples``, ``reserves`` and samples by stratum.
        pairs_outdated: True if scenes came, changed or went since the pairs were made.
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
    strata: dict[str, dict[str, int]]
    splits: dict[str, dict[str, int]]
    pairs_outdated: bool = False

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


def by_stratum(
    rows: list[dict[str, Any]], asked: Mapping[str, tuple[int, int]]
) -> dict[str, dict[str, int]]:
    """Return what each stratum asked for and got, see `ManifestSummary.strata`."""
    found = Counter((row["stratum"], row["role"]) for row in rows)
    return {
        name: {
            "asked": asked[name][0],
            "samples": found[name, "sample"],
            "reserves_asked": asked[name][1],
            "reserves": found[name, "reserve"],
        }
        for name in STRATA
    }


def by_split(rows: list[dict[str, Any]]) -> dict[str, dict[str, int]]:
    """Return what each split got, see `ManifestSummary.splits`."""
    table: dict[str, dict[str, int]] = {}
    for split in SPLITS:
        samples = [row for row in rows if row["split"] == split and row["role"] == "sample"]
        reserves = [row for row in rows if row["split"] == split and row["role"] == "reserve"]
        table[split] = {
            "blocks": len({row["block"] for row in samples}),
            "samples": len(samples),
            "reserves": len(reserves),
        } | {name: sum(row["stratum"] == name for row in samples) for name in STRATA}
    return table
