# ruff: noqa: S608 - the queries are made of this module's own texts and of paths it wrote
"""The ways to join, each run in a process of its own; `run` returns what it found.

The result of each is the number of pairs and three sums over the scenes' numbers. `tested` is how
many scene pairs the plan brings to the exact predicate on footprints: a number, a function that
counts them when the time is taken, or None where the plan does not say (see `join.tested`).
"""

import importlib
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import psutil
import pyarrow as pa

SUMS = "count(*), sum(l.k), sum(h.k), sum((l.k * h.k) % 1000003)"
NEAR = "h.s - l.e <= {w} AND l.s - h.e <= {w}"
BOXES = "l.xmin <= h.xmax AND h.xmin <= l.xmax AND l.ymin <= h.ymax AND h.ymin <= l.ymax"


Told = int | Callable[[], int] | None
Found = tuple[list[int], Told]


@dataclass(frozen=True)
class Task:
    lake: Path
    folder: Path
    lr: str
    hr: str
    window_us: int


PEER_MEMORY = "9GB"
"""What a peer that can spill may hold itself: a quarter less than what a process is stopped at."""


def _duck(task: Task) -> Any:
    import duckdb
    import duckdb_extension_spatial

    db = duckdb.connect(config={"threads": THREADS, "memory_limit": PEER_MEMORY,
                                "temp_directory": str(task.folder / "spilled"),
                                "allow_unsigned_extensions": "true"})  # fmt: skip
    folder = (
        Path(duckdb_extension_spatial.__file__).parent / "extensions" / f"v{duckdb.__version__}"
    )
    db.execute(f"LOAD '{folder / 'spatial.duckdb_extension'}'")
    return db


def _sides(db: Any, task: Task) -> None:
    for side in ("lr", "hr"):
        path = task.folder / f"{side}.parquet"
        db.execute(f"CREATE VIEW {side} AS SELECT *, ST_GeomFromWKB(wkb) AS g FROM '{path}'")


OVERLAP = "ST_Area(ST_Intersection(l.g, h.g)) / ST_Area(h.g) AS overlap_frac"
GAP = "greatest(h.s - l.e, 0) - greatest(l.s - h.e, 0) AS gap_us"
ROWS = (
    f"l.k AS lk, h.k AS hk, l.scene_id AS lr_scene_id, h.scene_id AS hr_scene_id, {GAP}, {OVERLAP}"
)


def _sums_of(path: Path) -> list[int]:
    import duckdb

    query = f"SELECT count(*), sum(lk), sum(hk), sum((lk * hk) % 1000003) FROM '{path}'"
    return [int(v or 0) for v in duckdb.sql(query).fetchone()]


def duckdb_rows(task: Task) -> Found:
    """What the factorized join finds, with gap and overlap, as rows in a file: as much as ours."""
    db, path = _duck(task), task.folder / "rows.parquet"
    _sides(db, task)
    near = _factorized(db, task)
    db.execute(f"""
        COPY (WITH {near}
              SELECT lk, hk, ln.scene_id AS lr_scene_id, hn.scene_id AS hr_scene_id,
                     greatest(hs - le, 0) - greatest(ls - he, 0) AS gap_us,
                     ST_Area(ST_Intersection(l.g, h.g)) / ST_Area(h.g) AS overlap_frac
              FROM {SHAPES} JOIN lr ln ON ln.k = lk JOIN hr hn ON hn.k = hk
              WHERE ST_Intersects(l.g, h.g)) TO '{path}'""")
    return _sums_of(path), lambda: _count(db, f"WITH {near} SELECT count(*) FROM near")


def _count(db: Any, query: str) -> int:
    return int(db.execute(query).fetchone()[0])


def sedonadb_rows(task: Task) -> Found:
    """The same of SedonaDB's plain join."""
    import pyarrow.parquet as pq

    path = task.folder / "rows.parquet"
    found = pa.RecordBatchReader.from_stream(_sedonadb(task, ROWS))
    with pq.ParquetWriter(path, found.schema) as writer:
        for batch in found:
            writer.write_batch(batch)
    return _sums_of(path), None


def duckdb_plain(task: Task) -> Found:
    db = _duck(task)
    _sides(db, task)
    near = NEAR.format(w=task.window_us)
    query = f"SELECT {SUMS} FROM lr l JOIN hr h ON ST_Intersects(l.g, h.g) AND {near}"
    return [int(v or 0) for v in db.execute(query).fetchone()], None


def duckdb_factorized(task: Task) -> Found:
    db = _duck(task)
    _sides(db, task)
    query = f"""
        WITH {_factorized(db, task)}
        SELECT count(*), sum(lk), sum(hk), sum((lk * hk) % 1000003), (SELECT count(*) FROM near)
        FROM {SHAPES} WHERE ST_Intersects(l.g, h.g)"""
    *sums, tested = (int(v or 0) for v in db.execute(query).fetchone())
    return sums, tested


SHAPES = "near JOIN lr_f l ON l.shape = near.lf JOIN hr_f h ON h.shape = near.hf"


def _factorized(db: Any, task: Task) -> str:
    """Return the common tables of our factorization; the last, `near`, is what is left to test.

    As ours it carries numbers through the join, and holds each shape once, decoded.
    """
    w = task.window_us
    width = max(86_400_000_000, 2 * w)
    for side in ("lr", "hr"):
        path = task.folder / f"{side}_tiles.parquet"
        db.execute(f"CREATE TABLE {side}_t AS SELECT * FROM '{path}'")
        db.execute(
            f"CREATE TABLE {side}_f AS SELECT hash(shape) AS shape, "
            f"ST_GeomFromWKB(any_value(wkb)) AS g FROM {side} GROUP BY ALL"
        )
    db.execute(
        f"CREATE TABLE met AS SELECT l.tile lt, h.tile ht FROM lr_t l JOIN hr_t h ON {BOXES}"
    )
    lr_first, hr_first = f"l.s // {width}", f"(h.s - {w}) // {width}"
    return f"""
             lb AS (SELECT k, tile, s, e, xmin, ymin, xmax, ymax, hash(shape) AS shape,
                    {lr_first} AS f,
                    unnest(range(CAST({lr_first} AS BIGINT), CAST(l.e // {width} + 1 AS BIGINT))) b
                    FROM lr l),
             hb AS (SELECT h.k, met.lt AS tile, s, e, xmin, ymin, xmax, ymax, hash(shape) AS shape,
                    {hr_first} AS f,
                    unnest(range(CAST({hr_first} AS BIGINT),
                                 CAST((h.e + {w}) // {width} + 1 AS BIGINT))) b
                    FROM hr h JOIN met ON met.ht = h.tile),
             near AS MATERIALIZED (SELECT l.k AS lk, h.k AS hk, l.shape AS lf, h.shape AS hf,
                    l.s AS ls, l.e AS le, h.s AS hs, h.e AS he
                    FROM lb l JOIN hb h ON l.tile = h.tile AND l.b = h.b
                    WHERE l.b = greatest(l.f, h.f) AND {NEAR.format(w=w)} AND {BOXES})"""


def sedonadb_plain(task: Task) -> Found:
    # Not `to_arrow_table`, which wants a package for geometry columns; there are none.
    row = pa.RecordBatchReader.from_stream(_sedonadb(task, SUMS)).read_all().to_pylist()[0]
    return [int(v or 0) for v in row.values()], None


def _sedonadb(task: Task, what: str) -> Any:
    import sedonadb

    sd = sedonadb.connect()
    sd.options.memory_limit = PEER_MEMORY.lower()
    sd.options.temp_dir = str(task.folder)
    for side in ("lr", "hr"):
        sd.read_parquet(str(task.folder / f"{side}.parquet")).to_view(side)
    sides = [
        f"(SELECT k, scene_id, s, e, ST_GeomFromWKB(wkb) AS g FROM {side})" for side in ("lr", "hr")
    ]
    near = NEAR.format(w=task.window_us)
    return sd.sql(
        f"SELECT {what} FROM {sides[0]} l JOIN {sides[1]} h ON ST_Intersects(l.g, h.g) AND {near}"
    )


def geopandas_plain(task: Task) -> Found:
    import geopandas
    import numpy as np
    import pandas as pd
    import shapely

    sides = []
    for side in ("lr", "hr"):
        rows = pd.read_parquet(task.folder / f"{side}.parquet", columns=["k", "s", "e", "wkb"])
        shapes = shapely.from_wkb(rows.pop("wkb").to_numpy())
        sides.append(geopandas.GeoDataFrame(rows, geometry=shapes, crs=4326))
    met = geopandas.sjoin(sides[0], sides[1], predicate="intersects", lsuffix="l", rsuffix="h")
    w = task.window_us
    near = met[(met["s_h"] - met["e_l"] <= w) & (met["s_l"] - met["e_h"] <= w)]
    lr, hr = near["k_l"].to_numpy(), near["k_h"].to_numpy()
    sums = [len(lr), int(lr.sum()), int(hr.sum()), int(np.sum(lr * hr % 1000003))]
    return sums, None


def _session(events: str | None = None) -> Any:
    from geosr_lake.lake.session import spark_session

    if events is None:
        return spark_session()
    log = {"enabled": "true", "dir": f"file:{events}", "compress": "false"}
    log |= {"rolling.enabled": "false"}
    return spark_session(extra={f"spark.eventLog.{key}": value for key, value in log.items()})


def sedona_range_join(task: Task) -> Found:
    spark = _session()
    for side in ("lr", "hr"):
        rows = spark.read.parquet(str(task.folder / f"{side}.parquet"))
        rows.selectExpr("k", "s", "e", "ST_GeomFromWKB(wkb) AS g").createOrReplaceTempView(side)
    near = NEAR.format(w=f"{task.window_us}L")
    query = f"SELECT {SUMS} FROM lr l JOIN hr h ON ST_Intersects(l.g, h.g) AND {near}"
    return [int(v or 0) for v in spark.sql(query).collect()[0]], None


class Laps:
    """Seconds of the steps that a stage tells of."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._step, self._since = "Begin", time.perf_counter()

    def start(self, label: str, total: int | None = None) -> None:  # noqa: ARG002
        now = time.perf_counter()
        self.seconds[self._step] = self.seconds.get(self._step, 0.0) + now - self._since
        self._step, self._since = label, now

    def advance(self, amount: int = 1) -> None:
        pass

    def note(self, text: str) -> None:
        pass


def ours(task: Task, engine: Literal["auto", "spark"] = "auto") -> Found:
    """`geosr pairs build`: tile pairs, pairs and overlaps, written to the lake."""
    from geosr_lake.lake import Lake, ledger
    from geosr_lake.pairs.build import build
    from geosr_lake.recipe import Recipe

    sides = {"lr": {"sensor": task.lr}, "hr": {"sensor": task.hr}}
    window = f"{task.window_us // 3_600_000_000} h"
    lake, laps = Lake.open(task.lake), Laps()
    recipe = Recipe.model_validate({"name": "bench", "pairs": {**sides, "window": window}})
    summary = build(lake, recipe, engine=engine, progress=laps)
    laps.start("End")
    last = max(ledger.read(task.lake, "runs").to_pylist(), key=lambda run: run["started_at"])
    detail = json.loads(last["detail"])
    OURS.update(
        steps=laps.seconds,
        task_seconds=detail["task_seconds"],
        layout={n: detail[n] for n in ("tasks", "groups", "bucket_us") if n in detail},
        tile_pairs=summary.tile_pairs,
        exact=summary.footprint_pairs_tested,
        **{name: detail[name] for name in ("median_task_us", "longest_task_us") if name in detail},
    )
    return [summary.pairs, -1, -1, -1], summary.scene_pairs_tested


def ours_in_spark(task: Task) -> Found:
    """The same with `--spark`."""
    return ours(task, "spark")


def ours_counted(task: Task) -> Found:
    """`geosr pairs build --dry-run`: the pairs counted, as the plain forms do."""
    from geosr_lake.lake import Lake
    from geosr_lake.pairs.count import count
    from geosr_lake.recipe import Recipe

    sides = {"lr": {"sensor": task.lr}, "hr": {"sensor": task.hr}}
    window = f"{task.window_us // 3_600_000_000} h"
    recipe = Recipe.model_validate({"name": "bench", "pairs": {**sides, "window": window}})
    found = count(Lake.open(task.lake), recipe)
    return [found.pairs, -1, -1, -1], found.scene_pairs_tested


OURS: dict[str, Any] = {}
"""What is said of our own way besides."""


def from_events(folder: str) -> dict[str, Any]:
    """Return what Spark's event log says: tasks of the longest stage, and bytes shuffled."""
    stages: dict[int, list[float]] = {}
    shuffled = 0
    for path in Path(folder).iterdir():
        for line in path.read_text().splitlines():
            event = json.loads(line)
            if event["Event"] != "SparkListenerTaskEnd" or "Task Metrics" not in event:
                continue
            info, metrics = event["Task Info"], event["Task Metrics"]
            took_s = (info["Finish Time"] - info["Launch Time"]) / 1e3
            stages.setdefault(event["Stage ID"], []).append(took_s)
            shuffled += metrics.get("Shuffle Write Metrics", {}).get("Shuffle Bytes Written", 0)
    longest = max(stages.values(), key=sum, default=[0.0])
    return {
        "shuffled_mb": shuffled / 1e6,
        "in_longest_stage": len(longest),
        "median_task_s": statistics.median(longest),
        "longest_task_s": max(longest),
    }


COUNTED = "geosr_lake, counting"
WAYS: dict[str, Callable[[Task], Found]] = {
    "geosr_lake": ours,
    "geosr_lake --spark": ours_in_spark,
    COUNTED: ours_counted,
    "DuckDB, our factorization": duckdb_factorized,
    "DuckDB, our factorization, our rows": duckdb_rows,
    "SedonaDB": sedonadb_plain,
    "SedonaDB, our rows": sedonadb_rows,
    "DuckDB": duckdb_plain,
    "GeoPandas": geopandas_plain,
    "Sedona range join": sedona_range_join,
}
OF_OURS = {"geosr_lake", "geosr_lake --spark"}
WITH_ROWS = OF_OURS | {"DuckDB, our factorization, our rows", "SedonaDB, our rows"}
"""What writes the pairs with gap and overlap; the others count them."""


IMPORTS = {
    **dict.fromkeys(OF_OURS, ("geosr_lake.pairs.build",)),
    COUNTED: ("geosr_lake.pairs.count",),
    **dict.fromkeys([n for n in WAYS if "DuckDB" in n], ("duckdb", "duckdb_extension_spatial")),
    **dict.fromkeys(
        [n for n in WAYS if "SedonaDB" in n], ("sedonadb", "pyarrow.parquet", "duckdb")
    ),
    "GeoPandas": ("geopandas", "pandas", "shapely"),
}
"""What each way imports before its time begins."""
THREADS = 2
IN_SPARK = {"geosr_lake --spark", "Sedona range join"}
"""What needs a session; its start is timed apart."""


def cpu_s() -> float:
    """Return the processor time of this process and all below it, the ended ones too."""
    me, total = psutil.Process(), 0.0
    for one in [me, *me.children(recursive=True)]:
        try:
            t = one.cpu_times()
        except psutil.Error:
            continue
        total += t.user + t.system + t.children_user + t.children_system
    return total


def run(name: str, task: Task) -> dict[str, Any]:
    """Run one way on two cores; return seconds, imports and session start apart, with its find."""
    os.environ.setdefault("GEOSR_MASTER", f"local[{THREADS}]")
    os.environ.setdefault("GEOSR_DRIVER_MEMORY", "10g")
    with tempfile.TemporaryDirectory() as events:
        in_spark = name in IN_SPARK
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:THREADS])
        begun = time.perf_counter()
        for module in IMPORTS.get(name, ()):
            importlib.import_module(module)
        if in_spark:
            _session(events)
        started, spent = time.perf_counter(), cpu_s()
        sums, tested = WAYS[name](task)
        seconds, cpu = time.perf_counter() - started, cpu_s() - spent
        more: dict[str, Any] = OURS
        if in_spark:
            _session().stop()
            more = OURS | from_events(events) if name in OF_OURS else {}
        tested = tested() if callable(tested) else tested
    return {"start_s": started - begun, "seconds": seconds, "cpu_s": cpu, "sums": sums,
            "tested": tested, **more}  # fmt: skip
