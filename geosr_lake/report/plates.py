"""One plate of the page: everything that it shows of one manifest."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from geosr_lake.lake import Lake, Progress
from geosr_lake.report import charts, strips, text
from geosr_lake.report import map as site_map
from geosr_lake.report.members import Member, footprints, members
from geosr_lake.report.rows import by_key
from geosr_lake.report.strips import Flag
from geosr_lake.sensors.tasks import TASKS, Task
from geosr_lake.verdicts import RULES

MAX_DRAWN = 4000
"""Candidate sites that were not chosen are drawn on the map up to this number of candidates."""
MAX_SHARDS = 24
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
class Shard:
    """One row of the ledger of shards."""

    split: str
    shard: int
    n_slots: int
    n_samples: int
    n_files: int
    n_bytes: int
    bytes_read: int
    seconds: float
    n_rejected: int


@dataclass(frozen=True)
class Shards:
    """The ledger of a manifest's shards: its first rows, and the sum of all."""

    rows: tuple[Shard, ...]
    total: Shard
    n: int


@dataclass(frozen=True)
class Plate:
    """What the page shows of one manifest; None or empty where the lake has nothing yet."""

    manifest_id: str
    name: str
    task: Task
    window_s: float | None
    n_tile_pairs: int
    n_sites: int
    n_drawn: int
    members: tuple[Member, ...]
    map: site_map.Map | None
    funnels: tuple[Funnel, ...]
    histograms: tuple[charts.Histogram, ...]
    shifts: charts.Shifts | None
    strata: tuple[charts.Cell, ...]
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
    def n_pictures(self) -> int:
        """Samples shown in pictures."""
        shown = (self.pictures.opening, *self.pictures.strips, *self.pictures.stamps)
        return len({found.member.sample_id for found in shown if found})


def funnels(
    rows: Sequence[dict[str, Any]], verdicts: dict[tuple[str, str, str], tuple[int, int]]
) -> tuple[Funnel, ...]:
    """Lay out the funnels of a manifest, one a subset.

    Args:
        rows: Rows of `funnel` of one manifest.
        verdicts: Counts by (manifest, subset, verdict).
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
        out.append(
            Funnel(
                subset=subset,
                n_candidates=mine[0]["n_in"],
                steps=tuple(step for step in steps if step.n_dropped),
                idle=tuple(step.rule for step in steps if not step.n_dropped),
                kept=verdicts.get((manifest_id, subset, "kept"), (0, 0))[0],
                reserve=verdicts.get((manifest_id, subset, "reserve"), (0, 0))[0],
            )
        )
    return tuple(out)


def _share(n: int, of: int) -> float:
    return max(n / of, MIN_SHARE) if n else 0.0


def shards(rows: Sequence[dict[str, Any]]) -> Shards | None:
    """Sum the ledger of a manifest's shards; None if there is none."""
    if not rows:
        return None
    order = {"train": 0, "val": 1, "test": 2}
    all_rows = [
        Shard(
            split=row["split"],
            shard=row["shard"],
            n_slots=row["n_slots"],
            n_samples=row["n_samples"],
            n_files=len(row["files"]),
            n_bytes=sum(file["bytes"] for file in row["files"]),
            bytes_read=row["bytes_read"],
            seconds=row["seconds"],
            n_rejected=len(row["rejected"]),
        )
        for row in sorted(rows, key=lambda row: (order[row["split"]], row["shard"]))
    ]
    sums = {
        name: sum(getattr(row, name) for row in all_rows)
        for name in Shard.__dataclass_fields__
        if name not in ("split", "shard")
    }
    total = Shard(split="all", shard=len(all_rows), **sums)
    return Shards(tuple(all_rows[:MAX_SHARDS]), total, len(all_rows))


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
    progress: Progress,
) -> Plate:
    """Read and lay out one manifest.

    Args:
        lake: Where it lies.
        row: Its row of `manifests`.
        verdicts: Counts of candidates by (manifest, subset, verdict).
        n_strips: Samples to show in strips at most.
        n_stamps: Samples to show in small at most.
        progress: Told of each picture.
    """
    manifest_id, task = row["manifest_id"], TASKS[row["task"]]
    mine = [("manifest_id", "=", manifest_id)]
    found = members(lake, manifest_id)
    ledger = lake.arrow("shards", filters=mine).to_pylist()
    draws = lake.arrow("draws", filters=mine).to_pylist()
    n_candidates = sum(n for key, (n, _) in verdicts.items() if key[0] == manifest_id)
    site_ids = lake.arrow("manifest", columns=["site_id"], filters=mine)
    pictures = strips.draw(
        lake.folder, task, found, n_strips=n_strips, n_stamps=n_stamps, progress=progress
    )
    words = {flag for shown in pictures.strips for flag in shown.flags}
    return Plate(
        manifest_id=manifest_id,
        name=row["name"],
        task=task,
        window_s=_window_s(row["recipe"]),
        n_tile_pairs=len(draws),
        n_sites=sum(draw["n_sites"] for draw in draws),
        n_drawn=sum(draw["n_drawn"] for draw in draws),
        members=tuple(found),
        map=site_map.draw(
            found,
            footprints(lake, (m.lr_scene_id for m in found)),
            footprints(lake, (m.hr_scene_id for m in found)),
            _not_chosen(lake, manifest_id, n_candidates, set(site_ids.column(0).to_pylist())),
        ),
        funnels=funnels(lake.arrow("funnel", filters=mine).to_pylist(), verdicts),
        histograms=charts.of_manifest(
            found, text.sensor(task.lr_sensor), text.sensor(task.hr_sensor)
        ),
        shifts=charts.shifts(found),
        strata=charts.strata(found),
        pictures=pictures,
        flags=tuple(flag for flag in strips.FLAGS if flag.words in words),
        at_pixels=at_pixels(ledger, found),
        shards=shards(ledger),
    )
