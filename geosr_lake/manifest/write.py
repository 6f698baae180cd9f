"""Writes a manifest with all that explains it, or nothing if the lake holds the same already."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from geosr_lake.lake import Lake, arrow, ledger
from geosr_lake.lake.contracts import contract
from geosr_lake.manifest.summary import CellCount, FunnelStep
from geosr_lake.recipe import Recipe


@dataclass(frozen=True)
class Draft:
    """A manifest that is ready to be written.

    Attributes:
        manifest_id: Its id.
        content_hash: Hash over `rows`.
        recipe: What it was built by.
        layer_version: Hash of the land-cover file.
        rows: Its rows, without the id.
        funnels: The steps of each subset's funnel in order.
        quotas: What each cell of the quotas asked for and got.
        files: SHA-256 of the files of chips, extents and regions.
        draws: Rows of `draws`.
        sites: Drawn sites, as `describe.SITES`.
        candidates: Rows of `candidates`.
    """

    manifest_id: str
    content_hash: str
    recipe: Recipe
    layer_version: str
    rows: list[dict[str, Any]]
    funnels: Mapping[str, tuple[FunnelStep, ...]]
    quotas: tuple[CellCount, ...]
    files: Mapping[str, str]
    draws: pa.Table
    sites: pa.Table
    candidates: pa.Table


def write(lake: Lake, draft: Draft) -> bool:
    """Write the tables of `draft` that differ from what is committed; return whether any did."""
    tables = {
        "candidates": draft.candidates,
        "draws": draft.draws,
        "funnel": ledger.rows_table("funnel", _funnel_rows(draft)),
        "manifest": ledger.rows_table(
            "manifest", [row | {"manifest_id": draft.manifest_id} for row in draft.rows]
        ),
        "quotas": ledger.rows_table("quotas", _quota_rows(draft)),
        # Last: who sees a manifest's row here can read the rest of it.
        "manifests": ledger.rows_table("manifests", [_manifests_row(draft)]),
    }
    changed = {
        name: rows
        for name, rows in tables.items()
        if not _same(name, rows, _committed(lake, draft, name))
    }
    if not changed:
        return False
    new = not _committed(lake, draft, "manifests").num_rows
    _write_sites(lake, draft)
    for name, rows in changed.items():
        if new:
            arrow.append(lake, name, rows)
        else:
            arrow.replace(lake, name, rows, where={"manifest_id": draft.manifest_id})
    return True


def _committed(lake: Lake, draft: Draft, table: str) -> pa.Table:
    return lake.arrow(table, filters=[("manifest_id", "=", draft.manifest_id)])


def _same(table: str, rows: pa.Table, committed: pa.Table) -> bool:
    if rows.num_rows != committed.num_rows:
        return False
    return bool(_in_order(table, rows).equals(_in_order(table, committed)))


def _in_order(table: str, rows: pa.Table) -> pa.Table:
    """Return rows by their key, in one piece and of the contract's types, so that they compare."""
    fitting = arrow.checked(rows, table).combine_chunks()
    return fitting.sort_by([(name, "ascending") for name in contract(table).key])


def _write_sites(lake: Lake, draft: Draft) -> None:
    """Write the drawn sites and their land cover, those that the lake does not hold yet."""
    # A site may be drawn for several subsets, as the same chip of two lists.
    _, first = np.unique(draft.sites["site_id"].to_numpy(zero_copy_only=False), return_index=True)
    sites = draft.sites.take(pa.array(np.sort(first)))
    # As they are now, committed or not: a run that was cut off may have left some of its sites.
    known = ledger.read(lake.root, "sites", columns=["site_id"])["site_id"]
    fresh = sites.filter(pc.invert(pc.is_in(sites["site_id"], value_set=known)))
    if fresh.num_rows:
        arrow.append(lake, "sites", fresh.select(contract("sites").names))
    layer = draft.recipe.selection[1].urban.layer
    wanted = [("layer", "=", layer), ("layer_version", "=", draft.layer_version)]
    known = ledger.read(lake.root, "site_cover", columns=["site_id"], filters=wanted)["site_id"]
    fresh = sites.filter(pc.invert(pc.is_in(sites["site_id"], value_set=known)))
    cover = fresh["cover"].combine_chunks()
    owner, each = pc.list_parent_indices(cover), pc.list_flatten(cover)
    if len(each):
        rows = pa.table(
            {
                "site_id": fresh["site_id"].take(owner),
                "layer": pa.repeat(layer, len(each)),
                "layer_version": pa.repeat(draft.layer_version, len(each)),
                "class": pc.struct_field(each, "class"),
                "frac": pc.struct_field(each, "frac"),
            }
        )
        arrow.append(lake, "site_cover", rows)


def _funnel_rows(draft: Draft) -> list[dict[str, Any]]:
    return [
        {
            "manifest_id": draft.manifest_id,
            "subset": subset,
            "step": number,
            "rule": step.rule,
            "n_in": step.n_in,
            "n_dropped": step.n_dropped,
            "n_out": step.n_out,
        }
        for subset, steps in draft.funnels.items()
        for number, step in enumerate(steps)
    ]


def _quota_rows(draft: Draft) -> list[dict[str, Any]]:
    return [
        asdict(cell) | {"manifest_id": draft.manifest_id, "band": cell.band or ""}
        for cell in draft.quotas
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
        "files": json.dumps(draft.files, sort_keys=True) if draft.files else None,
    }
