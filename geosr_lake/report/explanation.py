"""What all explanations are made of: the rows of one id, and tables of what hangs on them."""

import math
from dataclasses import dataclass
from typing import Any

from geosr_lake.lake import Lake
from geosr_lake.recipe import Rule
from geosr_lake.report.limits import reason
from geosr_lake.report.sections import Section, interval
from geosr_lake.verdicts import in_words

Row = dict[str, Any]
Rules = dict[str, tuple[Rule, ...]]
"""The rules of recipes, by manifest."""

CANDIDATE = (
    *("manifest_id", "subset", "site_id", "pair_id", "lr_scene_id", "hr_scene_id", "verdict"),
    *(
        "lr_tile",
        "hr_tile",
        "stratum",
        "gap_s",
        "lr_cloud_frac",
        "hr_cloud_frac",
        "lr_snow_frac",
        "hr_snow_frac",
    ),
)
"""Columns of `candidates` that explanations read."""
SCENE = (
    *("scene_id", "sensor", "product", "platform", "tile", "group_key", "t_start", "t_end"),
    *("cloud_frac", "snow_frac", "gsd_m", "sun_elevation_deg", "tier", "epsg"),
    *(
        "xmin",
        "ymin",
        "xmax",
        "ymax",
        "archive",
        "collection",
        "item_id",
        "content_hash",
        "licence",
        "assets",
        "superseded",
        "standalone",
        "footprint_wkb",
    ),
)
"""Columns of `scenes` that explanations read."""


@dataclass(frozen=True)
class Explanation:
    """What one id stands for.

    Attributes:
        id: The id.
        kind: scene, pair, site, sample or manifest.
        says: What it is and why, in sentences.
        facts: Its values by name; None is unknown.
        sections: What hangs on it.
    """

    id: str
    kind: str
    says: tuple[str, ...]
    facts: dict[str, Any]
    sections: tuple[Section, ...]


def rows_of(
    lake: Lake, table: str, equal: Row, columns: tuple[str, ...] | None = None
) -> list[Row]:
    """Return the rows of `table` whose columns equal `equal`; ids stay data, not SQL."""
    filters = [(column, "=", value) for column, value in equal.items()]
    wanted = None if columns is None else list(columns)
    rows: list[Row] = lake.arrow(table, columns=wanted, filters=filters).to_pylist()
    return rows


def share(value: float | None) -> str:
    """Return a fraction as text; None is unknown."""
    return "unknown" if value is None else f"{value:.1%}"


def by_verdict(candidates: list[Row], rules: Rules) -> list[Row]:
    """Count candidates by manifest, subset and verdict, and say what the verdict means.

    The value and its limit are said where they are the same for all that are counted.

    Args:
        candidates: Rows of `candidates`.
        rules: Those of the recipes, by manifest.
    """
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in candidates:
        groups.setdefault((row["manifest_id"], row["subset"], row["verdict"]), []).append(row)
    told = []
    for (manifest, subset, verdict), rows in sorted(groups.items()):
        whys = {reason(row, rules.get(manifest, ())) for row in rows}
        why = whys.pop() if len(whys) == 1 else in_words(verdict)
        counted = {"manifest": manifest, "subset": subset, "verdict": verdict}
        told.append(counted | {"candidates": len(rows), "why": why})
    return told


def places(rows: list[Row]) -> list[Row]:
    """Return where rows of `manifest` stand."""
    names = ("manifest_id", "subset", "sample_id", "role", "split", "stratum", "rank", "block")
    ordered = sorted(rows, key=lambda row: (row["manifest_id"], row["sample_id"]))
    return [{name: row[name] for name in names} for row in ordered]


def two_scenes(lake: Lake, row: Row) -> list[Row]:
    """Return both scenes of a row with `lr_scene_id` and `hr_scene_id`."""
    return [
        {
            "side": side,
            "scene": scene["scene_id"],
            "tile": scene["tile"],
            "time": interval(scene["t_start"], scene["t_end"]),
            "cloud": share(scene["cloud_frac"]),
            "snow": share(scene["snow_frac"]),
            "item": f"{scene['archive']}/{scene['collection']}/{scene['item_id']}",
            "superseded": len(scene["superseded"]),
        }
        for side in ("lr", "hr")
        for scene in rows_of(lake, "scenes", {"scene_id": row[f"{side}_scene_id"]}, SCENE)
    ]


def gap_in_words(gap_s: float) -> str:
    """Return what a gap means: which scene comes first and by how much."""
    if gap_s == 0:
        return "their times overlap or touch"
    order = "after" if gap_s > 0 else "before"
    return f"HR lies {abs(gap_s) / 86_400:.3f} days {order} LR"


def cover(rows: list[Row]) -> list[Row]:
    """Return the shares of a site's classes, layer by layer, and what is unknown."""
    layers: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        layers.setdefault((row["layer"], row["layer_version"]), []).append(row)
    told = []
    for (layer, version), classes in sorted(layers.items()):
        name = {"layer": layer, "version": version[:12]}
        classes.sort(key=lambda row: (-row["frac"], row["class"]))
        told += [name | {"class": row["class"], "share": share(row["frac"])} for row in classes]
        unknown = 1 - math.fsum(row["frac"] for row in classes)
        if unknown > 1e-9:
            told.append(name | {"class": "unknown", "share": share(unknown)})
    return told
