"""What a lake holds, noun by noun: counts and extents, without a JVM and without a scan.

They are sums over the summaries of the tables' files (`lake/summary.py`): exact at any size.
Distinct values cannot be summed: they are counted from the rows, in small tables only.
"""

from collections.abc import Callable
from typing import Any

from geosr_lake.errors import UsageError
from geosr_lake.lake import Lake, ledger, summary, tables
from geosr_lake.lake.contracts import contract
from geosr_lake.lake.runs import KILLED, RUNNING
from geosr_lake.report.rows import query
from geosr_lake.report.sections import Section, moment, section

SCANNED_ROWS = 1_000_000
"""Above so many rows distinct values are not counted: that would need a scan."""
DAY_S = 86_400.0

_MANIFESTS = """
    SELECT manifest_id, name, task, sample_count AS samples, reserve_count AS reserves, layer
    FROM manifests ORDER BY name, manifest_id
"""
_SHARDS = """
    SELECT manifest_id, task, split, count(*) AS shards, sum(n_slots) AS slots,
        sum(n_samples) AS samples, sum(coalesce(array_length(rejected), 0)) AS rejected,
        sum(seconds) AS seconds
    FROM shards GROUP BY manifest_id, task, split ORDER BY manifest_id, task, split
"""

Shape = Callable[[dict[str, Any]], dict[str, Any]]
"""From a group's values, rows and measures to what is shown of it."""


def _counted(lake: Lake, table: str, rows_as: str, shape: Shape | None = None) -> list[Any]:
    """Return the groups of a table by the summaries of its files: exact, without a scan."""
    told = []
    for row in summary.of_table(lake, table):
        group = {name: row[name] for name in summary.COUNTED[table].by}
        measures = {name: row[name] for name in summary.COUNTED[table].measures}
        shown = measures if shape is None else shape(row)
        told.append(group | {rows_as: row[summary.ROWS]} | shown)
    return told


def _with_distinct(lake: Lake, table: str, rows_as: str, told: list[Any], **of: str) -> list[Any]:
    """Add the number of distinct values of some columns, where the table is small enough."""
    by = summary.COUNTED[table].by
    small = sum(row[rows_as] for row in told) <= SCANNED_ROWS
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    if small and told:
        counts = ", ".join(f"count(DISTINCT {column}) AS {name}" for name, column in of.items())
        groups = ", ".join(by)
        sql = f"SELECT {groups}, {counts} FROM {table} GROUP BY {groups}"  # noqa: S608 - our names
        for row in query(lake, table, sql):
            found[tuple(row[name] for name in by)] = {name: row[name] for name in of}
    none = dict.fromkeys(of)
    return [row | found.get(tuple(row[name] for name in by), none) for row in told]


def _items(lake: Lake) -> tuple[Section, ...]:
    return (section("Items by collection and outcome", _counted(lake, "items", "items")),)


def _scenes(lake: Lake) -> tuple[Section, ...]:
    tiles = {row["sensor"]: row[summary.ROWS] for row in summary.of_table(lake, "tiles")}

    def shape(row: dict[str, Any]) -> dict[str, Any]:
        rows = row[summary.ROWS]
        shown = {"tiles": tiles.get(row["sensor"])}
        shown |= {name: row[name] for name in ("first", "last", "west", "south", "east", "north")}
        unknown = {f"{name}_unknown": rows - row[f"{name}_known"] for name in ("cloud", "snow")}
        return shown | unknown

    told = _counted(lake, "scenes", "scenes", shape)
    told = _with_distinct(lake, "scenes", "scenes", told, footprints="footprint_id")
    return (section("Scenes by sensor", told),)


def _tiles(lake: Lake) -> tuple[Section, ...]:
    met = _counted(lake, "tile_pairs", "tile_pairs")
    return (
        section("Tiles by sensor", _counted(lake, "tiles", "tiles")),
        section("Tile pairs by sensors", met),
    )


def _gaps(row: dict[str, Any]) -> dict[str, Any]:
    return {f"gap_{which}_d": _over(row[f"gap_{which}_s"], DAY_S) for which in ("min", "max")}


def _over(value: float | None, by: float) -> float | None:
    return None if value is None or by == 0 else value / by


def _pairs(lake: Lake) -> tuple[Section, ...]:
    def shape(row: dict[str, Any]) -> dict[str, Any]:
        return _gaps(row) | {"overlap_mean": _over(row["overlap_sum"], row[summary.ROWS])}

    told = _counted(lake, "pairs", "pairs", shape)
    of = {"lr_scenes": "lr_scene_id", "hr_scenes": "hr_scene_id"}
    return (section("Pairs by rule", _with_distinct(lake, "pairs", "pairs", told, **of)),)


def _sites(lake: Lake) -> tuple[Section, ...]:
    return (
        section("Sites by size and zone", _counted(lake, "sites", "sites")),
        section("Land-cover rows by layer", _counted(lake, "site_cover", "rows")),
    )


def _candidates(lake: Lake) -> tuple[Section, ...]:
    return (
        section("Candidates by verdict", _counted(lake, "candidates", "candidates"), most=500),
        section("Sites found and drawn", _counted(lake, "draws", "tile_pairs")),
    )


def _manifest(lake: Lake) -> tuple[Section, ...]:
    told = _counted(lake, "manifest", "rows", _gaps)
    told = _with_distinct(lake, "manifest", "rows", told, blocks="block", zones="epsg")
    return (
        section("Manifests", query(lake, "manifests", _MANIFESTS)),
        section("Rows by role, split and stratum", told),
    )


def _samples(lake: Lake) -> Section:
    def shape(row: dict[str, Any]) -> dict[str, Any]:
        rows = row[summary.ROWS]
        return {
            "replaced": row["replaced"],
            "lr_clear_mean": _over(row["lr_clear_sum"], rows),
            "hr_clear_mean": _over(row["hr_clear_sum"], rows),
            "correlation_mean": _over(row["correlation_sum"], row["correlation_known"]),
        }

    return section("Samples by cube", _counted(lake, "samples", "samples", shape))


def _cubes(lake: Lake) -> tuple[Section, ...]:
    return section("Shard groups by split", query(lake, "shards", _SHARDS)), _samples(lake)


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


def _lake_tables(lake: Lake) -> tuple[Section, ...]:
    told = []
    for table, version in sorted(lake.versions.items()):
        files = ledger.files_of(lake.root, table, version)
        told.append(
            {
                "table": table,
                "version": version,
                "rows": ledger.row_count(lake.root, table, version),
                "files": len(files),
                "bytes": sum(files.values()),
                "path": str(tables.table_path(lake.root, table)),
                "description": contract(table).description,
            }
        )
    return (section("Tables at their committed versions", told),)


def _commits(lake: Lake) -> tuple[Section, ...]:
    rows = sorted(lake.arrow("commits").to_pylist(), key=lambda row: row["seq"], reverse=True)
    told = [
        {
            "seq": row["seq"],
            "stage": row["stage"],
            "run_id": row["run_id"],
            "committed": moment(row["committed_at"].replace(microsecond=0)),
            "versions": _named(row["versions"]),
        }
        for row in rows
    ]
    return (section("Commits, the latest first", told),)


_NOUNS: dict[str, Callable[[Lake], tuple[Section, ...]]] = {
    "items": _items,
    "scenes": _scenes,
    "tiles": _tiles,
    "pairs": _pairs,
    "sites": _sites,
    "candidates": _candidates,
    "manifest": _manifest,
    "cubes": _cubes,
    "tables": _lake_tables,
    "runs": _runs,
    "commits": _commits,
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
