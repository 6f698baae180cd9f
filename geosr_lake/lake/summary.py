"""Counts of the tables without a scan: each data file is counted once, when it is committed.

A data file never changes. What it holds, by the groups that `geosr inspect` shows, is one row of
`file_summaries`; what a version of a table holds is the sum over its files. That is exact, right
after compaction too, and costs a commit what its new files cost. Files that have no such row (an
older lake, a run that was killed here) are counted when they are asked for.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow.fs import FileSystem

from geosr_lake.lake import ledger
from geosr_lake.lake.locks import lock
from geosr_lake.lake.place import Root, place
from geosr_lake.lake.tables import segments

if TYPE_CHECKING:
    from geosr_lake.lake.handle import Lake

ROWS = "rows"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MERGE: dict[str, Callable[[list[Any]], Any]] = {
    "count": sum,
    "sum": sum,
    "entries": sum,
    "min": min,
    "max": max,
}
_BOX = {"west": ("xmin", "min"), "south": ("ymin", "min"), "east": ("xmax", "max"),
        "north": ("ymax", "max")}  # fmt: skip


@dataclass(frozen=True)
class Counted:
    """What is counted of a table.

    Attributes:
        by: Columns whose values make the groups.
        measures: Name -> (column, how): how is min, max, sum, count (of values that are known), or
            entries (of lists, in all).
    """

    by: tuple[str, ...]
    measures: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def rule(self) -> str:
        """A hash of it."""
        text = json.dumps([self.by, sorted(self.measures.items())])
        return hashlib.sha256(text.encode()).hexdigest()[:16]


COUNTED = {
    "items": Counted(("archive", "collection", "outcome", "reason")),
    "scenes": Counted(
        ("sensor",),
        {"first": ("t_start", "min"), "last": ("t_end", "max")}
        | _BOX
        | {"cloud_known": ("cloud_frac", "count"), "snow_known": ("snow_frac", "count")}
        | {"superseded": ("superseded", "entries")},
    ),
    "tiles": Counted(
        ("sensor",),
        {"scenes_min": ("scene_count", "min"), "scenes_max": ("scene_count", "max")} | _BOX,
    ),
    "tile_pairs": Counted(("lr_sensor", "hr_sensor")),
    "pairs": Counted(
        ("rule_id",),
        {
            "gap_min_s": ("gap_s", "min"),
            "gap_max_s": ("gap_s", "max"),
            "overlap_sum": ("overlap_frac", "sum"),
        },
    ),
    "sites": Counted(("size_m", "epsg"), _BOX),
    "site_cover": Counted(("layer", "layer_version")),
    "candidates": Counted(("manifest_id", "subset", "verdict")),
    "draws": Counted(
        ("manifest_id", "subset"), {"sites": ("n_sites", "sum"), "drawn": ("n_drawn", "sum")}
    ),
    "manifest": Counted(
        ("manifest_id", "subset", "role", "split", "stratum"),
        {"gap_min_s": ("gap_s", "min"), "gap_max_s": ("gap_s", "max")},
    ),
    "samples": Counted(
        ("manifest_id", "split", "cube"),
        {
            "replaced": ("replaces", "count"),
            "lr_clear_sum": ("lr_clear_frac", "sum"),
            "hr_clear_sum": ("hr_clear_frac", "sum"),
            "correlation_sum": ("correlation", "sum"),
            "correlation_known": ("correlation", "count"),
        },
    ),
}
"""Tables that are counted, and how."""

Groups = list[list[Any]]
"""Of each group: its values, its rows, its measures in their order."""


def count_file(files: FileSystem, path: str, counted: Counted) -> Groups:
    """Return what a data file holds.

    Args:
        files: Where it lies.
        path: A Parquet file; columns that it lacks count as nulls.
        counted: What is counted. Times come as microseconds since 1970.
    """
    wanted = list(dict.fromkeys([*counted.by, *(c for c, _ in counted.measures.values())]))
    with files.open_input_file(path) as opened:
        file = pq.ParquetFile(opened, coerce_int96_timestamp_unit="us")
        present = set(file.schema_arrow.names)
        lists = {column for column, how in counted.measures.values() if how == "entries"}
        leaves = [_leaf(file, n) if n in lists else n for n in wanted if n in present]
        rows = file.read(columns=leaves)
    for name in lists & present:
        at = rows.column_names.index(name)
        rows = rows.set_column(at, name, pc.list_value_length(rows.column(name)))
    for name in wanted:
        if name not in present:
            rows = rows.append_column(name, pa.nulls(rows.num_rows, pa.float64()))
    for i, name in enumerate(rows.column_names):
        if pa.types.is_timestamp(rows.schema.field(name).type):
            micros = rows.column(name).cast(pa.timestamp("us")).cast(pa.int64())
            rows = rows.set_column(i, name, micros)
    ways = {name: "sum" if how == "entries" else how for name, (_, how) in counted.measures.items()}
    asked: list[Any] = [(column, ways[name]) for name, (column, _) in counted.measures.items()]
    grouped = rows.group_by(list(counted.by)).aggregate([*asked, ([], "count_all")])
    return [
        [
            [row[name] for name in counted.by],
            row["count_all"],
            [row[f"{column}_{ways[name]}"] for name, (column, _) in counted.measures.items()],
        ]
        for row in grouped.to_pylist()
    ]


def _leaf(file: pq.ParquetFile, column: str) -> str:
    """Return one leaf of a nested column: enough to tell how long its lists are."""
    paths = [str(file.schema.column(i).path) for i in range(len(file.schema))]
    return next(path for path in paths if path.startswith(f"{column}."))


def merged(parts: Iterable[Groups], counted: Counted) -> list[dict[str, Any]]:
    """Return the sums over files: a row a group, in order, with `rows` and the measures."""
    found: dict[tuple[Any, ...], tuple[list[int], list[list[Any]]]] = {}
    for part in parts:
        for values, number, measures in part:
            rows, kept = found.setdefault(tuple(values), ([], []))
            rows.append(number)
            kept.append(measures)
    out = []
    for values in sorted(found, key=lambda key: [(v is not None, v) for v in key]):
        rows, kept = found[values]
        row = dict(zip(counted.by, values, strict=True)) | {ROWS: sum(rows)}
        for i, (name, (column, how)) in enumerate(counted.measures.items()):
            known = [measures[i] for measures in kept if measures[i] is not None]
            value = _MERGE[how](known) if known else None
            row[name] = _moment(value) if column.startswith("t_") else value
        out.append(row)
    return out


def _moment(micros: int | None) -> datetime | None:
    return None if micros is None else _EPOCH + timedelta(microseconds=micros)


def _known(root: Root, table: str) -> dict[str, Groups]:
    rule = COUNTED[table].rule
    rows = ledger.read(
        root,
        "file_summaries",
        columns=["path", "groups"],
        filters=[("table", "=", table), ("rule", "=", rule)],
    )
    return {row["path"]: json.loads(row["groups"]) for row in rows.to_pylist()}


def of_table(lake: "Lake", table: str) -> list[dict[str, Any]]:
    """Return the groups of a table at its pinned version; files without a row are read."""
    return of_version(lake.root, table, lake.versions.get(table))


def of_version(root: Root, table: str, version: int | None) -> list[dict[str, Any]]:
    """Return the groups of a version, committed or not; none of None."""
    if version is None:
        return []
    counted, known = COUNTED[table], _known(root, table)
    lies = place(root).files(*segments(table))
    files = ledger.files_of(root, table, version)
    parts = (known[f] if f in known else count_file(lies, f, counted) for f in files)
    return merged(parts, counted)


def keep_up(root: Root, versions: Mapping[str, int], tables: Iterable[str]) -> int:
    """Count the files that `versions` of `tables` hold and that have no row; return how many."""
    asked = [table for table in tables if table in COUNTED and table in versions]
    if not asked:
        return 0
    with lock(root, "file_summaries", wait_s=60.0):
        rows = []
        for table in asked:
            known = _known(root, table)
            counted, lies = COUNTED[table], place(root).files(*segments(table))
            for path in ledger.files_of(root, table, versions[table]):
                if path not in known:
                    groups = json.dumps(count_file(lies, path, counted), separators=(",", ":"))
                    rows.append(
                        {"table": table, "path": path, "rule": counted.rule, "groups": groups}
                    )
        ledger.append(root, "file_summaries", rows)
    return len(rows)
