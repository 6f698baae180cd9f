"""A manifest as jobs: read from the lake's committed tables, without a JVM."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from geosr_lake.cubes.jobs import SampleJob, Side, SourceItem
from geosr_lake.errors import ContractError, UsageError
from geosr_lake.lake import Lake
from geosr_lake.recipe import CubeRule, parse_canonical
from geosr_lake.sensors.tasks import TASKS, Task

_ITEM_COLUMNS = ("archive", "collection", "item_id", "content_hash", "dn_offset")

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class CubeInputs:
    """All that the cubes of one manifest are made from.

    Attributes:
        manifest_id: The manifest.
        name: Its recipe's name.
        task: Its SR task.
        rule: The recipe's rule of cubes.
        window_us: The recipe's window, microseconds.
        samples: Split -> samples in the order of the cube.
        reserves: Split -> reserves in the order in which they are used.
    """

    manifest_id: str
    name: str
    task: Task
    rule: CubeRule
    window_us: int
    samples: dict[str, list[SampleJob]]
    reserves: dict[str, list[SampleJob]]

    @property
    def jobs(self) -> dict[str, SampleJob]:
        """Every sample and reserve by its id."""
        both = (self.samples, self.reserves)
        return {job.sample_id: job for jobs in both for side in jobs.values() for job in side}


def choose_manifest(lake: Lake, manifest_id: str | None = None, task: str | None = None) -> str:
    """Return the manifest that is meant.

    Args:
        lake: Where it is.
        manifest_id: Its id; None: the lake's only one.
        task: Only among manifests of this SR task.

    Raises:
        UsageError: If there is no such manifest, or several.
    """
    rows = lake.arrow("manifests").to_pylist()
    if manifest_id is not None:
        rows = [row for row in rows if row["manifest_id"] == manifest_id]
    if task is not None:
        rows = [row for row in rows if row["task"] == task]
    if not rows:
        raise UsageError(
            "The lake holds no such manifest",
            where=manifest_id or task or str(lake.root),
            next_step="`geosr manifest build` makes one.",
        )
    if len(rows) > 1:
        known = ", ".join(sorted(f"{row['manifest_id']} ({row['name']})" for row in rows))
        raise UsageError(
            f"The lake holds {len(rows)} manifests: {known}", next_step="Name one with --manifest."
        )
    return str(rows[0]["manifest_id"])


def read_inputs(lake: Lake, manifest_id: str) -> CubeInputs:
    """Return the manifest's samples and reserves with the scenes that serve them.

    Raises:
        UsageError: If the lake holds no such manifest.
        ContractError: If the manifest names a scene that the lake does not hold.
    """
    choose_manifest(lake, manifest_id)
    head = lake.arrow("manifests", filters=[("manifest_id", "=", manifest_id)]).to_pylist()[0]
    rows = lake.arrow("manifest", filters=[("manifest_id", "=", manifest_id)]).to_pylist()
    wanted = {row[f"{side}_scene_id"] for row in rows for side in ("lr", "hr")}
    scenes = _scenes(lake, wanted)
    recipe = parse_canonical(head["recipe"])
    samples: dict[str, list[SampleJob]] = {split: [] for split in SPLITS}
    reserves: dict[str, list[SampleJob]] = {split: [] for split in SPLITS}
    for row in sorted(rows, key=lambda r: (r["subset"], r["rank"], r["sample_id"])):
        (samples if row["role"] == "sample" else reserves)[row["split"]].append(_job(row, scenes))
    return CubeInputs(
        manifest_id=manifest_id,
        name=head["name"],
        task=TASKS[head["task"]],
        rule=recipe.cubes,
        window_us=recipe.pairs.window_us,
        samples=samples,
        reserves=reserves,
    )


def _job(row: dict[str, Any], scenes: dict[str, Side]) -> SampleJob:
    missing = [side for side in ("lr", "hr") if row[f"{side}_scene_id"] not in scenes]
    if missing:
        raise ContractError(
            f"The {missing[0]} scene of {row['sample_id']} is not in the lake",
            where=row[f"{missing[0]}_scene_id"],
            next_step="Build the manifest again: the scene was withdrawn since.",
        )
    return SampleJob(
        sample_id=row["sample_id"],
        subset=row["subset"],
        stratum=row["stratum"],
        site_id=row["site_id"],
        epsg=row["epsg"],
        x_m=row["x_m"],
        y_m=row["y_m"],
        gap_s=row["gap_s"],
        lr=scenes[row["lr_scene_id"]],
        hr=scenes[row["hr_scene_id"]],
    )


def _scenes(lake: Lake, wanted: set[str]) -> dict[str, Side]:
    if not wanted:
        return {}
    table = lake.arrow("scenes", filters=[("scene_id", "in", sorted(wanted))])
    # As whole microseconds: a datetime would be slower and say no more.
    starts, ends = (_microseconds(table[name]) for name in ("t_start", "t_end"))
    rows = table.select([*_ITEM_COLUMNS, "scene_id", "sensor", "assets", "superseded"]).to_pylist()
    offsets = _superseded_offsets(lake, rows)
    return {
        row["scene_id"]: Side(row["scene_id"], start, end, _items(row, offsets))
        for row, start, end in zip(rows, starts, ends, strict=True)
    }


def _microseconds(column: pa.ChunkedArray) -> list[int]:
    values: list[int] = pc.cast(column, pa.int64()).to_pylist()
    return values


def _items(
    row: dict[str, Any], offsets: dict[tuple[str, str, str, str], int | None]
) -> tuple[SourceItem, ...]:
    """Return the winner and then the superseded items."""
    stored = row["sensor"] == "sentinel2"
    winner = SourceItem(_label(row), dict(row["assets"]), row["dn_offset"] if stored else 0)
    others = (
        SourceItem(_label(s), dict(s["assets"]), offsets.get(_item_key(s)) if stored else 0)
        for s in row["superseded"]
    )
    return (winner, *others)


def _label(item: dict[str, Any]) -> str:
    return f"{item['archive']}/{item['collection']}/{item['item_id']}"


def _item_key(item: dict[str, Any]) -> tuple[str, str, str, str]:
    return (item["archive"], item["collection"], item["item_id"], item["content_hash"])


def _superseded_offsets(
    lake: Lake, rows: Iterable[dict[str, Any]]
) -> dict[tuple[str, str, str, str], int | None]:
    """Return the offsets of superseded Sentinel-2 items, which stand with the items only.

    A scene's items may be of different processing baselines: the winner's offset is not theirs.
    """
    hashes = sorted(
        {s["content_hash"] for r in rows if r["sensor"] == "sentinel2" for s in r["superseded"]}
    )
    if not hashes:
        return {}
    items = lake.arrow("items", filters=[("content_hash", "in", hashes)]).select(
        list(_ITEM_COLUMNS)
    )
    return {_item_key(item): item["dn_offset"] for item in items.to_pylist()}
