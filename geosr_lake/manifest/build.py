"""The manifest stage: from a rule's pairs to a manifest that is committed."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geosr_lake.errors import IncompleteError
from geosr_lake.lake import Lake, Progress, changes
from geosr_lake.lake.contracts import contract
from geosr_lake.lake.progress import Silent
from geosr_lake.manifest import candidates as steps
from geosr_lake.manifest.cover import LandCover
from geosr_lake.manifest.select import content_hash, manifest_id, manifest_rows, room
from geosr_lake.manifest.summary import ManifestSummary, by_split, by_stratum, funnel
from geosr_lake.manifest.write import Draft, write
from geosr_lake.recipe import Recipe
from geosr_lake.sensors.tasks import TASKS

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def build(
    lake: Lake, recipe: Recipe, land_cover: Path, *, progress: Progress | None = None
) -> ManifestSummary:
    """Choose the samples of a recipe among the sites inside its pairs' overlaps, and commit them.

    The same recipe, seed and tables give the same manifest, whatever Spark's partitions; if the
    lake holds it already, nothing is written but the row of `runs`.

    Args:
        lake: Holds the pairs of `recipe.pairs`.
        recipe: With `task` and `select`.
        land_cover: Raster of one band of class numbers, the layer that `select.urban` names. On
            a cluster every worker must see it at this path.
        progress: Told about each step.

    Raises:
        RecipeError: If the recipe ends at pairs.
        UsageError: If the raster cannot be used.
        IncompleteError: If the lake has no pairs of this rule, or one names a scene that is gone.
    """
    task_name, rule = recipe.selection
    task, told = TASKS[task_name], progress or Silent()
    land_cover = land_cover.absolute()
    with LandCover(land_cover) as layer:
        layer_version = layer.version
    with lake.stage("manifest", "build") as run, _kept() as keep:
        run.rule_id, run.recipe = rule.rule_id, recipe.canonical()
        run.detail = {"recipe": recipe.name, "pairs_rule": recipe.pairs.rule_id}
        told.start("Reading pairs and scenes")
        served = keep(_served(lake, recipe))
        footprints = lake.df("scenes").select("footprint_id", "footprint_wkb")
        told.start("Finding sites inside the overlaps")
        found = keep(
            steps.found_sites(served, footprints.dropDuplicates(["footprint_id"]), task, rule)
        )
        draws = keep(_draws(served, found))
        tile_pairs, sites_found = _totals(draws)
        told.start("Reading land cover")
        sites = keep(steps.described_sites(found, task, land_cover, rule))
        sites_drawn = sites.count()
        told.start("Judging candidates")
        candidates = keep(steps.judged(found, sites, served, task, rule))
        asked = room(rule.quotas, rule.reserve_frac)
        rows = manifest_rows(_collect(steps.chosen(candidates, rule, asked)), rule)
        roles = lake.spark.createDataFrame(
            [(row["sample_id"], row["role"]) for row in rows], "sample_id string, role string"
        )
        verdicts = keep(steps.with_verdicts(candidates, roles))
        counts = {r["verdict"]: r["n"] for r in _collect(verdicts.groupBy("verdict").agg(_count()))}
        rows_hash = content_hash(rows, _hashed_columns())
        draft = Draft(
            manifest_id=manifest_id(task.name, rule.rule_id, rows_hash),
            content_hash=rows_hash,
            recipe=recipe,
            layer_version=layer_version,
            rows=rows,
            funnel=funnel(counts),
            draws=draws,
            sites=sites,
            candidates=verdicts,
        )
        told.start("Writing the manifest")
        unchanged = not write(lake, draft)
        roles_found = Counter(row["role"] for row in rows)
        summary = ManifestSummary(
            manifest_id=draft.manifest_id,
            content_hash=rows_hash,
            task=task.name,
            unchanged=unchanged,
            tile_pairs=tile_pairs,
            sites_found=sites_found,
            sites_drawn=sites_drawn,
            pairs=served.count(),
            candidates=sum(counts.values()),
            samples=roles_found["sample"],
            reserves=roles_found["reserve"],
            funnel=draft.funnel,
            strata=by_stratum(rows, asked),
            splits=by_split(rows),
            pairs_outdated=_outdated(lake, recipe),
        )
        run.counts = summary.counts
        run.reasons = {step.rule: step.n_dropped for step in summary.funnel if step.n_dropped}
        run.detail |= {"manifest_id": summary.manifest_id, "unchanged": unchanged}
    return summary


@contextmanager
def _kept() -> "Iterator[Callable[[DataFrame], DataFrame]]":
    """Give a function that persists frames, on disk where memory ends, until the block ends."""
    from pyspark import StorageLevel

    frames: list[DataFrame] = []

    def keep(frame: "DataFrame") -> "DataFrame":
        frames.append(frame.persist(StorageLevel.MEMORY_AND_DISK))
        return frames[-1]

    try:
        yield keep
    finally:
        for frame in frames:
            frame.unpersist()


def _collect(frame: "DataFrame") -> list[dict[str, Any]]:
    return [row.asDict() for row in frame.collect()]


def _count() -> Any:
    from pyspark.sql import functions as f

    return f.count(f.lit(1)).alias("n")


def _served(lake: Lake, recipe: Recipe) -> "DataFrame":
    """Return the rule's pairs with their scenes.

    Raises:
        IncompleteError: If there are none, or if one names a scene that is gone.
    """
    rule_id = recipe.pairs.rule_id
    pairs = lake.df("pairs")
    served = steps.served_pairs(pairs, lake.df("scenes"), rule_id)
    expected = pairs.where(pairs.rule_id == rule_id).count()
    if expected and expected == served.count():
        return served
    what = "are older than the lake's scenes" if expected else "are not in the lake"
    raise IncompleteError(
        f"Pairs of the rule {rule_id} {what}",
        where=str(lake.root),
        next_step="Run `geosr pairs build --recipe RECIPE` with the same recipe first.",
    )


def _outdated(lake: Lake, recipe: Recipe) -> bool:
    """Tell whether scenes came, changed or went since the pairs were made, if that is known."""
    pairs, scenes = (lake.versions.get(table) for table in ("pairs", "scenes"))
    what = changes.pairs_of(recipe.pairs.rule_id)
    since = changes.made_from(lake.root, "pairs", "scenes", what, pairs)
    if since is None or scenes is None:
        return False
    return changes.between(lake.root, "scenes", since, scenes) != {}


def _draws(served: "DataFrame", found: "DataFrame") -> "DataFrame":
    """Return how many sites each tile pair holds and how many of them it drew."""
    from pyspark.sql import functions as f

    per_pair = found.groupBy(*steps.TILES).agg(
        f.count(f.lit(1)).alias("n_sites"), f.count_if("drawn").alias("n_drawn")
    )
    tile_pairs = served.select(*steps.TILES).distinct()
    return tile_pairs.join(per_pair, steps.TILES, "left").fillna(0, ["n_sites", "n_drawn"])


def _totals(draws: "DataFrame") -> tuple[int, int]:
    from pyspark.sql import functions as f

    row = draws.agg(f.count(f.lit(1)).alias("n"), f.sum("n_sites").alias("sites")).collect()[0]
    return int(row["n"]), int(row["sites"] or 0)


def _hashed_columns() -> list[str]:
    return [name for name in contract("manifest").names if name != "manifest_id"]
