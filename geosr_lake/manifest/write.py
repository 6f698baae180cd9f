"""Writes a manifest with all that explains it, or nothing if the lake holds the same already."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from geosr_lake.lake import Lake, tables
from geosr_lake.lake.contracts import contract
from geosr_lake.manifest.select import SUBSET
from geosr_lake.manifest.summary import FunnelStep
from geosr_lake.recipe import Recipe

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


@dataclass(frozen=True)
class Draft:
    """A manifest that is ready to be written.

    Attributes:
        manifest_id: Its id.
        content_hash: Hash over `rows`.
        recipe: What it was built by.
        layer_version: Hash of the land-cover file.
        rows: Its rows, without the id.
        funnel: The funnel's steps in order.
        draws: Tile pairs with `n_sites` and `n_drawn`.
        sites: Drawn sites with `cover`, as `rows.DESCRIBED`.
        candidates: Candidates with `verdict`.
    """

    manifest_id: str
    content_hash: str
    recipe: Recipe
    layer_version: str
    rows: list[dict[str, Any]]
    funnel: tuple[FunnelStep, ...]
    draws: "DataFrame"
    sites: "DataFrame"
    candidates: "DataFrame"


def write(lake: Lake, draft: Draft) -> bool:
    """Write the tables of `draft` that differ from what is committed; return whether any did."""
    from pyspark.sql import functions as f

    name = {"manifest_id": f.lit(draft.manifest_id), "subset": f.lit(SUBSET)}
    large = {
        "candidates": draft.candidates.withColumns(name).select(*contract("candidates").names),
        "draws": draft.draws.withColumns(name).select(*contract("draws").names),
    }
    small = {
        "funnel": _funnel_rows(draft),
        "manifest": [row | {"manifest_id": draft.manifest_id} for row in draft.rows],
        # Last: who sees a manifest's row here can read the rest of it.
        "manifests": [_manifests_row(draft)],
    }
    new = not _committed_rows(lake, draft, "manifests")
    changed = {t: frame for t, frame in large.items() if new or not _same(lake, draft, t, frame)}
    changed |= {
        table: _frame(lake, table, rows)
        for table, rows in small.items()
        if new or _in_order(table, _committed_rows(lake, draft, table)) != _in_order(table, rows)
    }
    if not changed:
        return False
    _write_sites(lake, draft)
    for table, frame in changed.items():
        if new:
            tables.append(lake.spark, lake.root, table, frame)
        else:
            where = {"manifest_id": draft.manifest_id}
            tables.replace(lake.spark, lake.root, table, frame, where=where)
    return True


def _write_sites(lake: Lake, draft: Draft) -> None:
    from pyspark.sql import functions as f

    sites = draft.sites.select(*contract("sites").names)
    cover = draft.sites.select(
        "site_id",
        f.lit(draft.recipe.selection[1].urban.layer).alias("layer"),
        f.lit(draft.layer_version).alias("layer_version"),
        f.inline("cover"),
    )
    tables.insert_missing(lake.spark, lake.root, "sites", sites)
    tables.insert_missing(lake.spark, lake.root, "site_cover", cover)


def _frame(lake: Lake, table: str, rows: list[dict[str, Any]]) -> "DataFrame":
    names = contract(table).names
    values = [tuple(row[name] for name in names) for row in rows]
    return lake.spark.createDataFrame(values, tables.schema(table))


def _committed_rows(lake: Lake, draft: Draft, table: str) -> list[dict[str, Any]]:
    wanted = [("manifest_id", "=", draft.manifest_id)]
    rows: list[dict[str, Any]] = lake.arrow(table, filters=wanted).to_pylist()
    return rows


def _in_order(table: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: tuple(row[name] for name in contract(table).key))


def _funnel_rows(draft: Draft) -> list[dict[str, Any]]:
    return [
        {
            "manifest_id": draft.manifest_id,
            "subset": SUBSET,
            "step": number,
            "rule": step.rule,
            "n_in": step.n_in,
            "n_dropped": step.n_dropped,
            "n_out": step.n_out,
        }
        for number, step in enumerate(draft.funnel)
    ]


def _manifests_row(draft: Draft) -> dict[str, Any]:
    task, rule = draft.recipe.selection
    samples = sum(row["role"] == "sample" for row in draft.rows)
    return {
        "manifest_id": draft.manifest_id,
        "task": task,
        "name": draft.recipe.name,
        "pair_rule_id": draft.recipe.pairs.rule_id,
        "select_rule_id": rule.rule_id,
        "layer": rule.urban.layer,
        "layer_version": draft.layer_version,
        "content_hash": draft.content_hash,
        "sample_count": samples,
        "reserve_count": len(draft.rows) - samples,
        "recipe": draft.recipe.canonical(),
    }


def _same(lake: Lake, draft: Draft, table: str, frame: "DataFrame") -> bool:
    """Tell whether the committed rows of this manifest are those of `frame`.

    Compares the number of rows and the sum of a 64-bit hash of each, in one pass over either side.
    """
    from pyspark.sql import functions as f

    def fingerprint(rows: "DataFrame") -> tuple[int, int]:
        each = f.xxhash64(*contract(table).names).cast("decimal(38,0)")
        found = rows.agg(f.count(f.lit(1)).alias("n"), f.sum(each).alias("sum")).collect()[0]
        return int(found["n"]), int(found["sum"] or 0)

    committed = lake.df(table).where(f.col("manifest_id") == draft.manifest_id)
    found, wanted = fingerprint(committed), fingerprint(frame)
    return found == wanted
