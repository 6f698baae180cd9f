"""From pairs to judged candidates, in Spark: each step is one function from frames to a frame."""

from collections.abc import Iterable, Iterator
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from geosr_lake.ids import SQL_DIGEST
from geosr_lake.manifest.select import SUBSET, keep_key_sql
from geosr_lake.recipe import SelectRule, SideLimits
from geosr_lake.sensors.tasks import TASKS, Task

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

TILES = ["lr_tile", "hr_tile"]
_SIDES = ("lr", "hr")
_FOUND = (
    "lr_tile string, hr_tile string, site_id string, epsg int, x_m bigint, y_m bigint, "
    "drawn boolean, hits array<int>"
)
_DESCRIBED = (
    "site_id string, size_m int, epsg int, x_m bigint, y_m bigint, lon double, lat double, "
    "xmin double, ymin double, xmax double, ymax double, footprint_wkb binary, "
    "zone_edge boolean, split_edge boolean, block string, split string, stratum string, "
    "cover array<struct<class:int,frac:double>>"
)
_SITES_AT_ONCE = 500
"""Sites whose land cover is asked at once: at 400 points each, 3 MB of coordinates."""
_GSD_SLACK = 1.001
"""Archives round pixel sizes (0.6 m as 0.6000001)."""


def zone_of(column: str) -> str:
    """Return the SQL of the WGS84/UTM zone that an EPSG code counts as: `grid.wgs84_utm`."""
    return (
        f"CASE WHEN {column} BETWEEN 32601 AND 32660 OR {column} BETWEEN 32701 AND 32760 "
        f"THEN {column} WHEN {column} BETWEEN 26901 AND 26923 THEN {column} + 5700 END"
    )


def served_pairs(pairs: "DataFrame", scenes: "DataFrame", rule_id: str) -> "DataFrame":
    """Return the rule's pairs with what the verdicts need of both scenes.

    Adds for both sides ``_footprint_id``, ``_zone`` (null where the pixels lie in no known zone),
    ``_cloud_frac``, ``_snow_frac`` and ``_gsd_m``, and `fp_index`, which numbers the distinct
    pairs of footprints within a tile pair.
    """
    from pyspark.sql import Window
    from pyspark.sql import functions as f

    frame = pairs.where(f.col("rule_id") == rule_id).select(
        "pair_id", "lr_scene_id", "hr_scene_id", *TILES, "gap_s", "overlap_frac"
    )
    for side in _SIDES:
        scene = scenes.select(
            f.col("scene_id").alias(f"{side}_scene_id"),
            f.col("footprint_id").alias(f"{side}_footprint_id"),
            f.expr(zone_of("epsg")).alias(f"{side}_zone"),
            *(f.col(n).alias(f"{side}_{n}") for n in ("cloud_frac", "snow_frac", "gsd_m")),
        )
        frame = frame.join(scene, f"{side}_scene_id")
    within = Window.partitionBy(*TILES).orderBy("lr_footprint_id", "hr_footprint_id")
    return frame.withColumn("fp_index", f.dense_rank().over(within) - 1)


def found_sites(
    served: "DataFrame", footprints: "DataFrame", task: Task, rule: SelectRule
) -> "DataFrame":
    """Return every site of every tile pair and whether it was drawn there: rows of `rows.FOUND`.

    Args:
        served: Of `served_pairs`.
        footprints: `footprint_id`, `footprint_wkb`, each id once.
        task: Its site grid is used.
        rule: Gives the seed and how many sites a tile pair may draw.
    """
    from pyspark.sql import functions as f

    meetings = served.select(*TILES, "fp_index", "lr_footprint_id", "hr_footprint_id").distinct()
    # Under other names: Spark cannot tell the columns of two frames of one origin apart.
    at = [f.col(tile).alias(f"at_{tile}") for tile in TILES]
    used = reduce(
        lambda a, b: a.union(b),
        (meetings.select(*at, f.col(f"{s}_footprint_id").alias("footprint_id")) for s in _SIDES),
    ).distinct()
    shapes = used.join(footprints, "footprint_id").groupBy(*(f"at_{tile}" for tile in TILES))
    name, seed, most = task.name, rule.seed, rule.sites_per_tile_pair

    def of_tile_pair(meeting: pa.Table, wkb: pa.Table) -> pa.Table:
        from geosr_lake.manifest.rows import found_in_tile_pair

        return found_in_tile_pair(meeting, wkb, TASKS[name], seed, most)

    return meetings.groupBy(*TILES).cogroup(shapes).applyInArrow(of_tile_pair, _FOUND)


def described_sites(
    found: "DataFrame", task: Task, land_cover: Path, rule: SelectRule
) -> "DataFrame":
    """Return each drawn site once, with its ground and land cover: rows of `rows.DESCRIBED`.

    The raster is opened where the rows are: on a cluster every worker must see it at its path.
    """
    path, size_m = str(land_cover), task.site_size_m

    def describe(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        from geosr_lake.manifest.cover import LandCover
        from geosr_lake.manifest.rows import described

        with LandCover(Path(path)) as layer:
            for batch in batches:
                for start in range(0, batch.num_rows, _SITES_AT_ONCE):
                    yield described(batch.slice(start, _SITES_AT_ONCE), size_m, layer, rule)

    drawn = found.where("drawn").select("site_id", "epsg", "x_m", "y_m")
    return drawn.dropDuplicates(["site_id"]).mapInArrow(describe, _DESCRIBED)


def judged(
    found: "DataFrame", sites: "DataFrame", served: "DataFrame", task: Task, rule: SelectRule
) -> "DataFrame":
    """Return a row for each drawn site with each pair that holds it.

    `dropped` is the first rule that drops the candidate, null if none of the rules that look at
    one candidate alone does; `place` counts the candidates of a site from the best, 1, on, those
    with `dropped` last. Best is the least |gap|, then the greatest overlap, then the least cloud
    on both sides together (unknown counts as 1), then the least `sample_id`.
    """
    from pyspark.sql import Window
    from pyspark.sql import functions as f

    ground = ("epsg", "x_m", "y_m", "size_m", "lon", "lat")
    site = sites.select("site_id", *ground, "zone_edge", "split_edge", "block", "split", "stratum")
    parts = ", ".join((f"'{SUBSET}'", "site_id", "lr_scene_id", "hr_scene_id"))
    frame = (
        found.select(*TILES, "site_id", f.explode("hits").alias("fp_index"))
        .join(served, [*TILES, "fp_index"])
        .join(site, "site_id")
        .withColumn("sample_id", f.concat(f.lit("smp-"), f.expr(SQL_DIGEST.format(parts=parts))))
        .withColumn("dropped", _first_rule(task, rule))
    )
    cloud = f.coalesce("lr_cloud_frac", f.lit(1.0)) + f.coalesce("hr_cloud_frac", f.lit(1.0))
    best_first = Window.partitionBy("site_id").orderBy(
        f.col("dropped").isNotNull(),
        f.abs("gap_s"),
        f.col("overlap_frac").desc(),
        cloud,
        "sample_id",
    )
    return frame.withColumn("place", f.row_number().over(best_first))


def _first_rule(task: Task, rule: SelectRule) -> "Column":
    """Return the name of the first rule that drops a candidate for what it is, else null."""
    from pyspark.sql import functions as f

    conditions = scene_conditions(task, rule) | {"cover_unknown": "stratum IS NULL"}
    return f.expr(
        "CASE " + " ".join(f"WHEN {sql} THEN '{name}'" for name, sql in conditions.items()) + " END"
    )


def scene_conditions(task: Task, rule: SelectRule) -> dict[str, str]:
    """Return the SQL condition under which each rule drops a candidate, in the order asked.

    A share without a limit is not asked. Conditions are never null.
    """
    zones = [s for s in _SIDES if getattr(task, f"{s}_sensor") != "modis"]
    conditions = {
        "zone_edge": "zone_edge",
        "split_edge": "split_edge",
        "zone_mismatch": " OR ".join(f"NOT ({s}_zone <=> epsg)" for s in zones),
    }
    for side in _SIDES:
        limits: SideLimits = getattr(rule, side)
        if limits.max_gsd_m is not None:
            most = f"{limits.max_gsd_m * _GSD_SLACK!r}D"
            conditions[f"{side}_gsd"] = f"coalesce({side}_gsd_m > {most}, true)"
    for name in ("cloud", "snow"):
        for side in _SIDES:
            limits = getattr(rule, side)
            limit: float | None = getattr(limits, f"max_{name}_frac")
            if limit is None:
                continue
            share = f"{side}_{name}_frac"
            if getattr(limits, f"unknown_{name}") == "drop":
                conditions[f"{side}_{name}_unknown"] = f"{share} IS NULL"
            conditions[f"{side}_{name}"] = f"coalesce({share} > {limit!r}D, false)"
    return conditions


def chosen(
    candidates: "DataFrame", rule: SelectRule, room: dict[str, tuple[int, int]]
) -> "DataFrame":
    """Return the best candidate of each site in the order of its stratum, as many as are asked for.

    Args:
        candidates: Of `judged`.
        rule: Gives the seed.
        room: Samples and reserves asked for, by stratum.

    Returns:
        The candidates' columns and `role`, ``sample`` or ``reserve``.
    """
    from pyspark.sql import Window
    from pyspark.sql import functions as f

    order = Window.partitionBy("stratum").orderBy(f.expr(keep_key_sql(rule.seed)))
    asked = f.create_map(*(f.lit(v) for name, (n, _) in room.items() for v in (name, n)))
    most = f.create_map(*(f.lit(v) for name, (n, r) in room.items() for v in (name, n + r)))
    return (
        candidates.where("dropped IS NULL AND place = 1")
        .withColumn("turn", f.row_number().over(order))
        # The constant lets Spark stop sorting early; the second condition is the rule.
        .where(f.col("turn") <= max(n + r for n, r in room.values()))
        .where(f.col("turn") <= most[f.col("stratum")])
        .withColumn(
            "role", f.when(f.col("turn") <= asked[f.col("stratum")], "sample").otherwise("reserve")
        )
    )


def with_verdicts(candidates: "DataFrame", roles: "DataFrame") -> "DataFrame":
    """Return the candidates with their one `verdict`.

    Args:
        candidates: Of `judged`.
        roles: `sample_id` and `role` of the chosen ones.
    """
    from pyspark.sql import functions as f

    verdict = (
        f.when(f.col("dropped").isNotNull(), f.col("dropped"))
        .when(f.col("place") > 1, "not_best")
        .when(f.col("role") == "sample", "kept")
        .when(f.col("role") == "reserve", "reserve")
        .otherwise("over_quota")
    )
    return candidates.join(f.broadcast(roles), "sample_id", "left").withColumn("verdict", verdict)
