"""One plate of the page: everything that it shows of one manifest."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from geosr_lake.lake import Lake, Progress
from geosr_lake.recipe import select_of
from geosr_lake.report import charts, distributions, landcover, strips, text
from geosr_lake.report import map as site_map
from geosr_lake.report.dots import MAX_DOTS
from geosr_lake.report.members import Member, Outlines, members, outlines
from geosr_lake.report.rows import by_key
from geosr_lake.report.shard_rows import Shards, shards
from geosr_lake.report.strips import Flag
from geosr_lake.sensors.tasks import TASKS, Task
from geosr_lake.verdicts import RULES

MAX_DRAWN = 4000
"""Candidate sites that were not chosen are drawn on the map up to this number of candidates."""
MIN_SHARE = 0.004
"""A bar of the funnel that stands for anything is at least this share of the width."""


@dataclass(frozen=True)
class Step:
    """One rule of the funnel: counts, and the bar's two pieces as shares of the widest."""

    rule: str
    says: str
    n_in: int
    n_dropped: int
    n_out: int
    out_share: float
    dropped_share: float


@dataclass(frozen=True)
class Funnel:
    """How the candidates of one subset became samples.

    Attributes:
        n_candidates: Candidates that reach the first rule.
        n_tile_pairs: Pairs of tiles that hold sites of the subset.
        n_sites: Sites in them.
        n_drawn: Those of them that were drawn.
        steps: The rules that dropped any, in order.
        idle: Names of the rules that dropped none.
        kept: Candidates that are samples.
        reserve: Candidates that are reserves.
    """

    subset: str
    n_candidates: int
    steps: tuple[Step, ...]
    idle: tuple[str, ...]
    kept: int
    reserve: int
    n_tile_pairs: int = 0
    n_sites: int = 0
    n_drawn: int = 0


@dataclass(frozen=True)
class AtPixels:
    """What became of chosen samples when their pixels were read: tried = dropped + in cubes.

    Attributes:
        tried: Samples and reserves whose pixels were read.
        dropped: How many each reason rejected for good.
        in_cubes: Those that are in a cube.
        replaced: Those among them that took the place of a rejected sample.
    """

    tried: int
    dropped: tuple[tuple[str, int], ...]
    in_cubes: int
    replaced: int


@dataclass(frozen=True)
class Plate:
    """What the page shows of one manifest; None or empty where the lake has nothing yet."""

    manifest_id: str
    name: str
    task: Task
    window_s: float | None
    apart: str
    n_candidates: int
    members: tuple[Member, ...]
    map: site_map.Map | None
    lr_outlines: Outlines
    hr_outlines: Outlines
    funnels: tuple[Funnel, ...]
    histograms: tuple[charts.Histogram, ...]
    cover: landcover.Cover | None
    shifts: charts.Shifts | None
    strata: tuple[distributions.Cell, ...]
    subsets: tuple[distributions.Medians, ...]
    pictures: strips.Pictures
    flags: tuple[Flag, ...]
    at_pixels: AtPixels | None
    shards: Shards | None

    @property
    def n_samples(self) -> int:
        """Samples, without reserves."""
        return sum(m.role == "sample" for m in self.members)

    @property
    def n_reserves(self) -> int:
        """Reserves."""
        return len(self.members) - self.n_samples

    @property
    def n_materialized(self) -> int:
        """Members whose pixels are in a cube."""
        return sum(m.measured is not None for m in self.members)

    @property
    def too_many_drawn(self) -> bool:
        """Whether the sites that were not chosen are left off the map, since they are many."""
        return self.n_candidates > MAX_DRAWN

    @property
    def n_pictures(self) -> int:
        """Samples shown in pictures."""
        shown = (self.pictures.opening, *self.pictures.strips, *self.pictures.stamps)
        return len({found.member.sample_id for found in shown if found})


def funnels(
    rows: Sequence[dict[str, Any]],
    verdicts: dict[tuple[str, str, str], tuple[int, int]],
    draws: Sequence[dict[str, Any]] = (),
) -> tuple[Funnel, ...]:
    """Lay out the funnels of a manifest, one a subset.

    Args:
        rows: Rows of `funnel` of one manifest.
        verdicts: Counts by (manifest, subset, verdict).
        draws: Rows of `draws` of the same manifest.
    """
    says = {rule.name: rule.says for rule in RULES}
    out = []
    for subset in sorted({row["subset"] for row in rows}):
        mine = sorted((r for r in rows if r["subset"] == subset), key=lambda r: r["step"])
        widest = max(mine[0]["n_in"], 1)
        steps = [
            Step(
                rule=row["rule"],
                says=says.get(row["rule"], ""),
                n_in=row["n_in"],
                n_dropped=row["n_dropped"],
                n_out=row["n_out"],
                out_share=min(
                    _share(row["n_out"], widest),
                    row["n_in"] / widest - _share(row["n_dropped"], widest),
                ),
                dropped_share=_share(row["n_dropped"], widest),
            )
            for row in mine
        ]
        manifest_id = mine[0]["manifest_id"]
        # Subsets without chips share the draw from the grid.
        own = any(draw["subset"] == subset for draw in draws)
        drawn = [draw for draw in draws if draw["subset"] == (subset if own else "grid")]
        out.append(
            Funnel(
                subset=subset,
                n_candidates=mine[0]["n_in"],
                steps=tuple(step for step in steps if step.n_dropped),
                idle=tuple(step.rule for step in steps if not step.n_dropped),
                kept=verdicts.get((manifest_id, subset, "kept"), (0, 0))[0],
                reserve=verdicts.get((manifest_id, subset, "reserve"), (0, 0))[0],
                n_tile_pairs=len(drawn),
                n_sites=sum(draw["n_sites"] for draw in drawn),
                n_drawn=sum(draw["n_drawn"] for draw in drawn),
            )
        )
    return tuple(out)


def _share(n: int, of: int) -> float:
    return max(n / of, MIN_SHARE) if n else 0.0


def at_pixels(rows: Sequence[dict[str, Any]], found: Sequence[Member]) -> AtPixels | None:
    """Count what became of a manifest's samples at their pixels; None before any was read.

    Args:
        rows: Rows of `shards` of the manifest.
        found: Its members.
    """
    if not rows:
        return None
    dropped = Counter(rejected["reason"] for row in rows for rejected in row["rejected"])
    made = [m.measured for m in found if m.measured]
    return AtPixels(
        tried=len(made) + dropped.total(),
        dropped=tuple(sorted(dropped.items(), key=lambda item: (-item[1], item[0]))),
        in_cubes=len(made),
        replaced=sum(m.replaces is not None for m in made),
    )


def _not_chosen(
    lake: Lake, manifest_id: str, n_candidates: int, chosen: set[str]
) -> list[tuple[float, float]]:
    """Return the centres of candidate sites that were not chosen, if they can be drawn."""
    if n_candidates > MAX_DRAWN:
        return []
    mine = [("manifest_id", "=", manifest_id)]
    found = lake.arrow("candidates", columns=["site_id"], filters=mine)
    names = set(found.column("site_id").to_pylist()) - chosen
    sites = by_key(lake, "sites", "site_id", ["lon", "lat"], names)
    return [(site["lon"], site["lat"]) for site in sites.values()]


def _window_s(recipe: str) -> float | None:
    """Return the window of a manifest's recipe, None if it does not say."""
    try:
        window = json.loads(recipe)["pairs"]["window"]
    except (ValueError, KeyError, TypeError):
        return None
    return window / 1e6 if isinstance(window, int | float) else None


def plate(
    lake: Lake,
    row: dict[str, Any],
    verdicts: dict[tuple[str, str, str], tuple[int, int]],
    *,
    n_strips: int,
    n_stamps: int,
    most_dots: int = MAX_DOTS,
    progress: Progress,
) -> Plate:
    """Read and lay out one manifest.

    Args:
        lake: Where it lies.
        row: Its row of `manifests`.
        verdicts: Counts of candidates by (manifest, subset, verdict).
        n_strips: Samples to show in strips at most.
        n_stamps: Samples to show in small at most.
        most_dots: About how many dots each map has at most.
        progress: Told of each picture.
    """
    manifest_id, task = row["manifest_id"], TASKS[row["task"]]
    mine = [("manifest_id", "=", manifest_id)]
    found = members(lake, manifest_id)
    ledger = lake.arrow("shards", filters=mine).to_pylist()
    draws = lake.arrow("draws", filters=mine).to_pylist()
    n_candidates = sum(n for key, (n, _) in verdicts.items() if key[0] == manifest_id)
    cover = landcover.read(lake, row, found)
    lr = outlines(lake, found, "lr", task.lr_sensor)
    hr = outlines(lake, found, "hr", task.hr_sensor)
    pictures = strips.draw(
        lake.folder, task, found, n_strips=n_strips, n_stamps=n_stamps, progress=progress
    )
    select = select_of(row["recipe"])
    words = {flag for shown in pictures.strips for flag in shown.flags}
    return Plate(
        manifest_id=manifest_id,
        name=row["name"],
        task=task,
        window_s=_window_s(row["recipe"]),
        apart="" if select is None else select.apart,
        n_candidates=n_candidates,
        members=tuple(found),
        map=site_map.draw(
            found,
            lr.shapes,
            hr.shapes,
            _not_chosen(lake, manifest_id, n_candidates, {m.site_id for m in found}),
            most_dots,
        ),
        lr_outlines=lr,
        hr_outlines=hr,
        funnels=funnels(lake.arrow("funnel", filters=mine).to_pylist(), verdicts, draws),
        histograms=distributions.of_manifest(
            found, text.sensor(task.lr_sensor), text.sensor(task.hr_sensor), cover
        ),
        cover=cover,
        shifts=charts.shifts(found),
        strata=distributions.strata(found),
        subsets=distributions.subsets(found, cover),
        pictures=pictures,
        flags=tuple(flag for flag in strips.FLAGS if flag.words in words),
        at_pixels=at_pixels(ledger, found),
        shards=shards(ledger),
    )
