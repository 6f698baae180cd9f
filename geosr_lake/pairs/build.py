"""`geosr pairs build`: find the pairs of a recipe and put them in the place of its former ones."""

from dataclasses import asdict, dataclass
from functools import reduce
from typing import TYPE_CHECKING

from geosr_lake.lake import Lake, Progress
from geosr_lake.lake.progress import Silent
from geosr_lake.lake.tables import replace
from geosr_lake.pairs.find import find
from geosr_lake.pairs.tiles import grow
from geosr_lake.recipe import Recipe

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


@dataclass(frozen=True)
class PairsSummary:
    """What a build did.

    Attributes:
        rule_id: The rule that keys the pairs.
        lr_sensor: Sensor of low resolution.
        hr_sensor: Sensor of high resolution.
        lr_scenes: Scenes of the LR sensor that pass the rule's filter.
        hr_scenes: Scenes of the HR sensor that pass it.
        tile_pairs: Tiles of the two sensors whose extents meet.
        tile_pairs_new: Those that met in this run.
        scene_pairs_tested: Scene pairs within the window whose boxes meet.
        footprint_pairs_tested: The distinct footprint pairs among them, each tested exactly once.
        pairs: Pairs of the rule.
        changed: Whether the pairs differ from those that the lake had.
    """

    rule_id: str
    lr_sensor: str
    hr_sensor: str
    lr_scenes: int
    hr_scenes: int
    tile_pairs: int
    tile_pairs_new: int
    scene_pairs_tested: int
    footprint_pairs_tested: int
    pairs: int
    changed: bool


@dataclass(frozen=True)
class Digest:
    """Number and checksums of rows, whatever their order; equal for equal rows."""

    rows: int = 0
    xor: int = 0
    total: str = "0"


def digests(*tables: "DataFrame") -> list[Digest]:
    """Return the digest of each of some tables of the same columns, in one Spark job.

    Two checksums of 64-bit hashes with different seeds: different rows that agree in both are
    as likely as a collision of 128-bit hashes.
    """
    from pyspark.sql import functions as f

    columns = ", ".join(f"`{name}`" for name in sorted(tables[0].columns))
    hashed = [
        table.selectExpr(
            f"{i} AS which",
            f"xxhash64({columns}) AS first",
            f"xxhash64('second', {columns}) AS second",
        )
        for i, table in enumerate(tables)
    ]
    rows = (
        reduce(lambda a, b: a.unionAll(b), hashed)
        .groupBy("which")
        .agg(
            f.count("*").alias("rows"),
            f.expr("bit_xor(first)").alias("xor"),
            # As decimal: the sum of two hashes need not fit into 64 bits.
            f.expr("string(sum(CAST(second AS DECIMAL(38, 0))))").alias("total"),
        )
        .collect()
    )
    found = {row["which"]: Digest(row["rows"], row["xor"], row["total"]) for row in rows}
    return [found.get(i, Digest()) for i in range(len(tables))]


def build(lake: Lake, recipe: Recipe, *, progress: Progress | None = None) -> PairsSummary:
    """Find the pairs of `recipe` and make the lake hold them under the rule's id.

    Pairs of other rules stay. Where the lake holds the same pairs already nothing is written.

    Raises:
        UsageError: If the lake has no scene of one of the sensors.
        RecipeError: If it has some, but none passes the recipe's filter.
        LockedError: If another process builds pairs in this lake.
    """
    rule, steps = recipe.pairs, progress or Silent()
    with lake.stage("pairs", "build") as run:
        run.rule_id, run.recipe = rule.rule_id, recipe.canonical()
        steps.start("Tiles that meet")
        met = grow(lake, rule.lr.sensor, rule.hr.sensor)
        scenes = lake.df("scenes")
        with find(scenes, scenes, met.rows, rule, progress=steps) as found:
            former = lake.live("pairs").where(f"rule_id = '{rule.rule_id}'")
            after, before = digests(found.rows, former)
            steps.advance(found.distinct)
            changed = after != before
            if changed:
                steps.start("Writing pairs")
                replace(lake.spark, lake.root, "pairs", found.rows, where={"rule_id": rule.rule_id})
        summary = PairsSummary(
            rule_id=rule.rule_id,
            lr_sensor=rule.lr.sensor,
            hr_sensor=rule.hr.sensor,
            lr_scenes=found.lr_scenes,
            hr_scenes=found.hr_scenes,
            tile_pairs=len(met.rows),
            tile_pairs_new=met.new,
            scene_pairs_tested=found.tested,
            footprint_pairs_tested=found.distinct,
            pairs=after.rows,
            changed=changed,
        )
        run.counts = {k: v for k, v in asdict(summary).items() if type(v) is int}
        run.detail = {
            "recipe": recipe.name,
            "rule": rule.canonical(),
            "bucket_us": found.layout.bucket_us,
            "exploded": found.layout.exploded,
            "scenes_version": lake.versions.get("scenes"),
        }
    return summary
