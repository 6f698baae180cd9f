"""A lake with something of everything that the shipped queries ask for."""

import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import table_rows
from cookbook import Rows
from manifest_world import Built, Scene, recipe

from geosr_lake.lake import Lake, ledger
from geosr_lake.manifest import build

ITEMS = [
    ("made", "naip", "kept", None, 3),
    ("made", "naip", "unsupported", "product_not_paired", 1),
    ("made", "naip", "quarantined", "bad_footprint", 2),
    ("other", "naip", "unsupported", "product_not_paired", 1),
    ("other", "naip", "kept", None, 1),
]
"""Archive, collection, outcome, reason, how many."""

TOO_MANY = 1_000
"""Urban samples that are asked for where there are fewer sites."""


def items() -> Rows:
    names = ("archive", "collection", "outcome", "reason")
    common = {"source_file": "f", "run_id": "r", "ingested_at": datetime(2024, 1, 1, tzinfo=UTC)}
    return [
        common | dict(zip(names, told, strict=True)) | {"item_id": str(i), "content_hash": str(i)}
        for *told, n in ITEMS
        for i in range(n)
    ]


def superseded(scene: Scene, count: int) -> Rows:
    """Items that stand behind a scene's winner."""
    return [
        {"archive": "other", "collection": scene.sensor, "item_id": f"{scene.tile}_v{n}",
         "content_hash": str(n), "assets": []}
        for n in range(count)
    ]  # fmt: skip


def pixels(place: dict[str, Any], n: int) -> dict[str, Any]:
    """What was measured of the n-th sample; of some nothing could be."""
    return {
        **{name: place[name] for name in ("manifest_id", "sample_id", "subset", "split")},
        "task": "s2_naip", "shard": 0, "cube": f"cubes/made/{place['split']}.zarr", "index": n,
        "lr_item": "a/b/c", "hr_item": "d/e/f", "lr_valid_frac": 1.0, "hr_valid_frac": 1.0,
        "lr_clear_frac": 0.991 + n / 1000, "hr_clear_frac": 0.999 - n / 1000,
        "shift_x_px": None if n == 3 else 0.03 * n, "shift_y_px": None if n == 3 else -0.04 * n,
        "correlation": None if n in (2, 3, 5) else 0.9 + (n % 3) / 100,
    }  # fmt: skip


def photograph(n: int, row: dict[str, Any]) -> dict[str, Any]:
    """A scene as of one of two states, half of them of another month; some keep their name."""
    if row["sensor"] != "naip":
        return row
    named = row | {"item_id": (f"co_m_{n}", f"ne_m_{n}", row["item_id"])[n % 3]}
    later = timedelta(days=160 if n % 2 else 0)
    return named | {key: row[key] + later for key in ("t_start", "t_end")}


def make_rich(built: Built, root: Path) -> Built:
    """A copy with items, scenes of several items, cubes with two reserves, a manifest that is split
    by order, one that asks for too many, sites in both hemispheres and of two subsets."""
    lake = Lake.open(shutil.copytree(built.lake.root, root))
    build(lake, recipe(split={"mode": "paper"}), built.land_cover)
    build(lake, recipe(quotas={"urban": TOO_MANY, "non_urban": 10}), built.land_cover)
    lake.refresh()
    scenes = [
        photograph(n, scene.row()) | {"superseded": superseded(scene, n % 3)}
        for n, scene in enumerate([*built.scenes, replace(built.scenes[0], day=400)])
    ]
    with lake.stage("scenes", "test"):
        table_rows.put(lake, "scenes", scenes)
        table_rows.add(lake, "items", items())
    twice = [row | {"subset": "river"} for row in lake.arrow("candidates").to_pylist()[::2]]
    sites = lake.arrow("sites").to_pylist()
    with lake.stage("manifest", "test"):
        table_rows.add(lake, "candidates", twice)
        mirrored = [s | {"lat": s["lat"] * (-1) ** n} for n, s in enumerate(sites)]
        table_rows.put(lake, "sites", mirrored)
    role: dict[str, Rows] = {"sample": [], "reserve": []}
    for row in lake.arrow("manifest").to_pylist():
        role[row["role"]].append(row)
    written = [pixels(row, n) for n, row in enumerate(role["sample"][:7])]
    written += [
        pixels(row, n) | {"replaces": role["sample"][n]["sample_id"]}
        for n, row in enumerate(role["reserve"][:2], start=7)
    ]
    with lake.stage("cubes", "test"):
        ledger.append(lake.root, "samples", written)
    return replace(built, lake=Lake.open(root))
