"""What the lake as a whole holds: counts that are made where the rows are, without a JVM."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, get_args

from geosr_lake.archives import reasons
from geosr_lake.lake import Lake
from geosr_lake.report.rows import by_key, query

MAX_RUNS = 60
"""Runs that the page lists, the latest first."""
OUTCOMES = get_args(reasons.Outcome)

_ITEMS = """
    SELECT archive, collection, sensor, outcome, reason, count(*) AS n FROM items
    GROUP BY archive, collection, sensor, outcome, reason
"""
_SCENES = """
    SELECT sensor, count(*) AS n, count(DISTINCT tile) AS tiles, min(t_start) AS first,
        max(t_start) AS last, sum(CASE WHEN cloud_frac IS NULL THEN 1 ELSE 0 END) AS cloud_unknown,
        sum(coalesce(array_length(superseded), 0)) AS superseded
    FROM scenes GROUP BY sensor
"""
_PAIRS = """
    SELECT rule_id, count(*) AS n, count(DISTINCT lr_scene_id) AS lr_scenes,
        count(DISTINCT hr_scene_id) AS hr_scenes, min(gap_s) AS gap_min, max(gap_s) AS gap_max,
        min(lr_scene_id) AS lr, min(hr_scene_id) AS hr
    FROM pairs GROUP BY rule_id
"""
_VERDICTS = """
    SELECT manifest_id, subset, verdict, count(*) AS n, count(DISTINCT site_id) AS sites
    FROM candidates GROUP BY manifest_id, subset, verdict
"""


@dataclass(frozen=True)
class ScenesOf:
    """The scenes of one sensor; times are UTC, `cloud_unknown` counts scenes without a share."""

    sensor: str
    n: int
    superseded: int
    tiles: int
    first: datetime
    last: datetime
    cloud_unknown: int


@dataclass(frozen=True)
class Outcome:
    """Items of one collection that came to the same end; `reason` is None for those kept."""

    archive: str
    collection: str
    outcome: str
    reason: str | None
    n: int


@dataclass(frozen=True)
class PairsOf:
    """The pairs of one rule; gaps are HR minus LR in seconds."""

    rule_id: str
    lr_sensor: str | None
    hr_sensor: str | None
    n: int
    lr_scenes: int
    hr_scenes: int
    gap_min_s: float
    gap_max_s: float


@dataclass(frozen=True)
class Run:
    """One run of a stage; times are UTC."""

    run_id: str
    stage: str
    status: str
    started_at: datetime
    seconds: float
    counts: tuple[tuple[str, int], ...]
    message: str | None
    code_version: str


@dataclass(frozen=True)
class LakeFacts:
    """Everything that the page says of the lake beyond its manifests.

    Attributes:
        n_runs: Runs in all; `runs` holds the latest.
        seconds_by_stage: Wall time of every run, summed by stage, in the order of first use.
        verdicts: Candidates by (manifest, subset, verdict): their number and that of their sites.
        cube_bytes: Bytes of the files in the ledger of shards.
        committed_at: Time of the commit that the page shows; None for a lake without one.
    """

    scenes: tuple[ScenesOf, ...]
    outcomes: tuple[Outcome, ...]
    pairs: tuple[PairsOf, ...]
    runs: tuple[Run, ...]
    n_runs: int
    seconds_by_stage: tuple[tuple[str, float], ...]
    verdicts: dict[tuple[str, str, str], tuple[int, int]]
    n_samples: int
    n_reserves: int
    n_materialized: int
    cube_bytes: int
    commit: int | None
    committed_at: datetime | None

    @property
    def n_items(self) -> int:
        """Distinct items, whatever came of them."""
        return sum(row.n for row in self.outcomes)

    @property
    def n_scenes(self) -> int:
        """Scenes of every sensor."""
        return sum(row.n for row in self.scenes)

    @property
    def n_pairs(self) -> int:
        """Pairs of every rule."""
        return sum(row.n for row in self.pairs)

    @property
    def n_candidates(self) -> int:
        """Candidates of every manifest."""
        return sum(n for n, _ in self.verdicts.values())


def _outcomes(lake: Lake) -> tuple[Outcome, ...]:
    rows = [
        Outcome(r["archive"], r["collection"], r["outcome"], r["reason"], r["n"])
        for r in _merged(query(lake, "items", _ITEMS))
    ]
    rows.sort(
        key=lambda o: (OUTCOMES.index(o.outcome), -o.n, o.archive, o.collection, o.reason or "")
    )
    return tuple(rows)


def _merged(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Sum over sensors: one collection may hold several."""
    merged: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows:
        key = tuple(row[name] for name in ("archive", "collection", "outcome", "reason"))
        if key in merged:
            merged[key]["n"] += row["n"]
        else:
            merged[key] = dict(row)
    return list(merged.values())


def _scenes(lake: Lake) -> tuple[ScenesOf, ...]:
    rows = query(lake, "scenes", _SCENES)
    return tuple(
        ScenesOf(**{**row, "superseded": int(row["superseded"])})
        for row in sorted(rows, key=lambda row: row["sensor"])
    )


def _pairs(lake: Lake) -> tuple[PairsOf, ...]:
    rows = query(lake, "pairs", _PAIRS)
    wanted = [row[side] for row in rows for side in ("lr", "hr")]
    scenes = by_key(lake, "scenes", "scene_id", ["sensor"], wanted)
    sensor = {name: row["sensor"] for name, row in scenes.items()}
    out = [
        PairsOf(
            rule_id=row["rule_id"],
            lr_sensor=sensor.get(row["lr"]),
            hr_sensor=sensor.get(row["hr"]),
            n=row["n"],
            lr_scenes=row["lr_scenes"],
            hr_scenes=row["hr_scenes"],
            gap_min_s=row["gap_min"],
            gap_max_s=row["gap_max"],
        )
        for row in rows
    ]
    return tuple(sorted(out, key=lambda p: (p.lr_sensor or "", p.rule_id)))


def _runs(lake: Lake) -> list[Run]:
    rows = sorted(lake.arrow("runs").to_pylist(), key=lambda r: (r["started_at"], r["run_id"]))
    return [
        Run(
            run_id=row["run_id"],
            stage=row["stage"],
            status=row["status"],
            started_at=row["started_at"],
            seconds=(row["ended_at"] - row["started_at"]).total_seconds(),
            counts=tuple(row["counts"]),
            message=row["message"],
            code_version=row["code_version"],
        )
        for row in rows
    ]


def gather(lake: Lake) -> LakeFacts:
    """Read what the page says of the lake as a whole, at the lake's pinned versions."""
    runs = _runs(lake)
    by_stage: dict[str, float] = {}
    for run in runs:
        by_stage[run.stage] = by_stage.get(run.stage, 0.0) + run.seconds
    roles = lake.arrow("manifest", columns=["role"]).column("role").to_pylist()
    files = lake.arrow("shards", columns=["files"]).column("files").to_pylist()
    commits = lake.arrow("commits", columns=["seq", "committed_at"]).to_pylist()
    newest = max(commits, key=lambda row: row["seq"], default=None)
    return LakeFacts(
        scenes=_scenes(lake),
        outcomes=_outcomes(lake),
        pairs=_pairs(lake),
        runs=tuple(reversed(runs[-MAX_RUNS:])),
        n_runs=len(runs),
        seconds_by_stage=tuple(by_stage.items()),
        verdicts={
            (row["manifest_id"], row["subset"], row["verdict"]): (row["n"], row["sites"])
            for row in query(lake, "candidates", _VERDICTS)
        },
        n_samples=roles.count("sample"),
        n_reserves=roles.count("reserve"),
        n_materialized=lake.arrow("samples", columns=["index"]).num_rows,
        cube_bytes=sum(file["bytes"] for shard in files for file in shard),
        commit=None if newest is None else newest["seq"],
        committed_at=None if newest is None else newest["committed_at"],
    )
