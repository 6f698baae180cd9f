"""What a lake holds, noun by noun: counts and extents, made where the rows are, without a JVM."""

from collections.abc import Callable
from typing import Any

from geosr_lake.errors import UsageError
from geosr_lake.lake import Lake
from geosr_lake.lake.runs import KILLED, RUNNING
from geosr_lake.report.rows import query
from geosr_lake.report.sections import Section, moment, section

_ITEMS = """
    SELECT archive, collection, outcome, reason, count(*) AS items FROM items
    GROUP BY archive, collection, outcome, reason ORDER BY archive, collection, outcome, reason
"""
_SCENES = """
    SELECT sensor, count(*) AS scenes, count(DISTINCT tile) AS tiles,
        count(DISTINCT footprint_id) AS footprints, min(t_start) AS first, max(t_end) AS last,
        min(xmin) AS west, min(ymin) AS south, max(xmax) AS east, max(ymax) AS north,
        count(*) - count(cloud_frac) AS cloud_unknown, count(*) - count(snow_frac) AS snow_unknown
    FROM scenes GROUP BY sensor ORDER BY sensor
"""
_TILES = """
    SELECT sensor, count(*) AS tiles, min(scene_count) AS scenes_min,
        max(scene_count) AS scenes_max, min(xmin) AS west, min(ymin) AS south,
        max(xmax) AS east, max(ymax) AS north
    FROM tiles GROUP BY sensor ORDER BY sensor
"""
_PAIRS = """
    SELECT rule_id, count(*) AS pairs, count(DISTINCT lr_scene_id) AS lr_scenes,
        count(DISTINCT hr_scene_id) AS hr_scenes, min(gap_s) / 86400 AS gap_min_d,
        max(gap_s) / 86400 AS gap_max_d, avg(overlap_frac) AS overlap_mean
    FROM pairs GROUP BY rule_id ORDER BY rule_id
"""
_MANIFESTS = """
    SELECT manifest_id, name, task, sample_count AS samples, reserve_count AS reserves, layer
    FROM manifests ORDER BY name, manifest_id
"""
_MANIFEST = """
    SELECT manifest_id, subset, role, split, stratum, count(*) AS rows_,
        count(DISTINCT block) AS blocks, count(DISTINCT epsg) AS zones,
        min(gap_s) / 86400 AS gap_min_d, max(gap_s) / 86400 AS gap_max_d
    FROM manifest GROUP BY manifest_id, subset, role, split, stratum
    ORDER BY manifest_id, subset, role DESC, split, stratum
"""
_SHARDS = """
    SELECT manifest_id, task, split, count(*) AS shards, sum(n_slots) AS slots,
        sum(n_samples) AS samples, sum(coalesce(array_length(rejected), 0)) AS rejected,
        sum(seconds) AS seconds
    FROM shards GROUP BY manifest_id, task, split ORDER BY manifest_id, task, split
"""
_SAMPLES = """
    SELECT manifest_id, split, "cube", count(*) AS samples, count(replaces) AS replaced,
        avg(lr_clear_frac) AS lr_clear_mean, avg(hr_clear_frac) AS hr_clear_mean,
        avg(correlation) AS correlation_mean
    FROM samples GROUP BY manifest_id, split, "cube" ORDER BY manifest_id, split, "cube"
"""


def _tables(*wanted: tuple[str, str, str]) -> Callable[[Lake], tuple[Section, ...]]:
    """Return a function that asks each (title, table, query)."""

    def ask(lake: Lake) -> tuple[Section, ...]:
        return tuple(section(title, query(lake, table, sql)) for title, table, sql in wanted)

    return ask


def _named(pairs: list[tuple[str, int]] | None) -> str:
    return ", ".join(f"{name} {n:,}" for name, n in pairs or [])


def _runs(lake: Lake) -> tuple[Section, ...]:
    rows = lake.arrow("runs").to_pylist()
    rows.sort(key=lambda row: (row["started_at"], row["run_id"]), reverse=True)
    told = [
        {
            "run_id": row["run_id"],
            "stage": row["stage"],
            "status": row["status"],
            "started": moment(row["started_at"].replace(microsecond=0)),
            "seconds": _seconds(row),
            "rule_id": row["rule_id"],
            "counts": _named(row["counts"]),
            "reasons": _named(row["reasons"]),
            "versions_in": _named(row["versions_in"]),
            "versions_out": _named(row["versions_out"]),
            "bytes": row["bytes_written"],
            "message": row["message"],
        }
        for row in rows
    ]
    return (section("Runs, the latest first", told),)


def _seconds(row: dict[str, Any]) -> float | None:
    """Return how long a run took; None of one that has not ended, or was killed."""
    if row["seconds"] is None and row["status"] in (RUNNING, KILLED):
        return None
    took: float = (row["ended_at"] - row["started_at"]).total_seconds()
    return round(took, 1)


_NOUNS: dict[str, Callable[[Lake], tuple[Section, ...]]] = {
    "items": _tables(("Items by collection and outcome", "items", _ITEMS)),
    "scenes": _tables(("Scenes by sensor", "scenes", _SCENES)),
    "tiles": _tables(("Tiles by sensor", "tiles", _TILES)),
    "pairs": _tables(("Pairs by rule", "pairs", _PAIRS)),
    "manifest": _tables(
        ("Manifests", "manifests", _MANIFESTS),
        ("Rows by role, split and stratum", "manifest", _MANIFEST),
    ),
    "cubes": _tables(
        ("Shard groups by split", "shards", _SHARDS), ("Samples by cube", "samples", _SAMPLES)
    ),
    "runs": _runs,
}

NOUNS = tuple(_NOUNS)
"""What can be inspected."""


def inspect(lake: Lake, noun: str) -> tuple[Section, ...]:
    """Return what the lake holds of `noun`, as tables.

    Raises:
        UsageError: If there is no such noun.
    """
    if noun not in _NOUNS:
        raise UsageError(f"{noun!r} cannot be inspected", next_step=f"One of: {', '.join(NOUNS)}.")
    return tuple(_readable(part) for part in _NOUNS[noun](lake))


def _readable(part: Section) -> Section:
    """Round what is measured, and write times as text."""

    def shown(value: Any) -> Any:
        if isinstance(value, float):
            return float(f"{value:.6g}")
        return moment(value) if hasattr(value, "strftime") else value

    columns = tuple(name.rstrip("_") for name in part.columns)
    rows = tuple(tuple(shown(value) for value in row) for row in part.rows)
    return Section(part.title, columns, rows, part.more)
