"""The members of one manifest, joined with their sites, scenes and what their pixels measured."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from geosr_lake.lake import Lake
from geosr_lake.report.rows import by_key

_SCENE = ["sensor", "tile", "t_start", "t_end", "cloud_frac", "item_id"]
_SITE = ["lon", "lat", "footprint_wkb"]
_CANDIDATE = ["site_id", "pair_id", "lr_cloud_frac", "hr_cloud_frac"]

MAX_SHAPES, MAX_TILES = 200, 1500
"""Footprints of scenes that the map draws for one side; of more scenes it draws the tiles."""


@dataclass(frozen=True)
class Scene:
    """One scene of a member; times are UTC, `t_end` is exclusive."""

    sensor: str
    tile: str
    t_start: datetime
    t_end: datetime
    cloud_frac: float | None
    item_id: str


@dataclass(frozen=True)
class Measured:
    """What was found at the pixels of a materialized member.

    Attributes:
        cube: Zarr store, relative to the lake.
        index: Index along the store's first dimension.
        replaces: Sample whose place this reserve took.
        shift_px: Estimated shift of LR against HR, east and south positive, LR pixels; None
            where it cannot be told.
        lr_dn_offset: To be added to LR's digital numbers before scaling; None: not said.
    """

    cube: str
    index: int
    replaces: str | None
    lr_valid_frac: float
    hr_valid_frac: float
    lr_clear_frac: float
    hr_clear_frac: float
    shift_px: tuple[float, float] | None
    correlation: float | None
    lr_item: str
    hr_item: str
    lr_dn_offset: int | None


@dataclass(frozen=True)
class Member:
    """One sample or reserve of a manifest.

    Attributes:
        lon: Longitude of the site's centre, degrees.
        lat: Latitude of the site's centre, degrees.
        footprint_wkb: The site in lon/lat.
        gap_s: HR minus LR, seconds.
        lr: Scene of low resolution; None if the lake does not hold it any more.
        hr: Scene of high resolution; as `lr`.
        lr_cloud_frac: Cloud of the LR scene when it was chosen; None is unknown.
        hr_cloud_frac: As `lr_cloud_frac`.
        measured: None until it is materialized.
        subset: The subset of the manifest that holds it.
        site_id: Its site; samples of several subsets may share one.
    """

    sample_id: str
    role: str
    rank: int
    stratum: str
    split: str
    size_m: int
    lon: float
    lat: float
    footprint_wkb: bytes
    gap_s: float
    lr_scene_id: str
    hr_scene_id: str
    lr: Scene | None
    hr: Scene | None
    lr_cloud_frac: float | None
    hr_cloud_frac: float | None
    measured: Measured | None
    subset: str = "sr"
    site_id: str = ""


def _measured(row: dict[str, Any]) -> Measured:
    shift = (row["shift_x_px"], row["shift_y_px"])
    return Measured(
        shift_px=None if None in shift else (float(shift[0]), float(shift[1])),
        **{name: row[name] for name in Measured.__dataclass_fields__ if name != "shift_px"},
    )


def _scene(row: dict[str, Any] | None) -> Scene | None:
    return None if row is None else Scene(**{name: row[name] for name in _SCENE})


def members(lake: Lake, manifest_id: str) -> list[Member]:
    """Read the members of a manifest, samples before reserves, by split and rank.

    Members whose site the lake does not hold are left out: they have no place on the ground.
    """
    mine = [("manifest_id", "=", manifest_id)]
    rows = lake.arrow("manifest", filters=mine).to_pylist()
    sites = by_key(lake, "sites", "site_id", _SITE, (row["site_id"] for row in rows))
    scenes = by_key(
        lake,
        "scenes",
        "scene_id",
        _SCENE,
        (row[side] for row in rows for side in ("lr_scene_id", "hr_scene_id")),
    )
    chosen = [*mine, ("verdict", "in", ["kept", "reserve"])]
    clouds = {
        (row["site_id"], row["pair_id"]): row
        for row in lake.arrow("candidates", columns=_CANDIDATE, filters=chosen).to_pylist()
    }
    measured = {
        row["sample_id"]: _measured(row) for row in lake.arrow("samples", filters=mine).to_pylist()
    }
    out = []
    for row in rows:
        site = sites.get(row["site_id"])
        if site is None:
            continue
        cloud = clouds.get((row["site_id"], row["pair_id"]), {})
        out.append(
            Member(
                sample_id=row["sample_id"],
                role=row["role"],
                rank=row["rank"],
                stratum=row["stratum"],
                split=row["split"],
                size_m=row["size_m"],
                lon=site["lon"],
                lat=site["lat"],
                footprint_wkb=site["footprint_wkb"],
                gap_s=row["gap_s"],
                lr_scene_id=row["lr_scene_id"],
                hr_scene_id=row["hr_scene_id"],
                lr=_scene(scenes.get(row["lr_scene_id"])),
                hr=_scene(scenes.get(row["hr_scene_id"])),
                lr_cloud_frac=cloud.get("lr_cloud_frac"),
                hr_cloud_frac=cloud.get("hr_cloud_frac"),
                measured=measured.get(row["sample_id"]),
                subset=row["subset"],
                site_id=row["site_id"],
            )
        )
    splits = {"train": 0, "val": 1, "test": 2}
    out.sort(key=lambda m: (m.role == "reserve", splits[m.split], m.rank, m.sample_id))
    return out


def footprints(lake: Lake, scene_ids: Iterable[str]) -> list[bytes]:
    """Return the distinct footprints of some scenes as WKB in lon/lat, at most `MAX_SHAPES`."""
    some = sorted(set(scene_ids))[: 4 * MAX_SHAPES]
    found = by_key(lake, "scenes", "scene_id", ["footprint_id", "footprint_wkb"], some)
    distinct = {row["footprint_id"]: row["footprint_wkb"] for row in found.values()}
    return [distinct[name] for name in sorted(distinct)][:MAX_SHAPES]


@dataclass(frozen=True)
class Outlines:
    """What the map draws of one side's scenes.

    Attributes:
        kind: scene, or tile where the scenes are too many to draw.
        n: How many there are.
        shapes: Their outlines as WKB in lon/lat; empty where they are too many.
    """

    kind: str
    n: int
    shapes: list[bytes]


def outlines(lake: Lake, found: Iterable[Member], side: str, sensor: str) -> Outlines:
    """Return the outlines of the scenes of one side, or of their tiles.

    Args:
        lake: Where they lie.
        found: Members.
        side: lr or hr.
        sensor: The sensor of that side.
    """
    scenes: dict[str, Scene | None] = {
        getattr(m, f"{side}_scene_id"): getattr(m, side) for m in found
    }
    if len(scenes) <= MAX_SHAPES:
        return Outlines("scene", len(scenes), footprints(lake, scenes))
    tiles = sorted({scene.tile for scene in scenes.values() if scene is not None})
    if len(tiles) > MAX_TILES:
        return Outlines("tile", len(tiles), [])
    mine = [("sensor", "=", sensor), ("tile", "in", tiles)]
    table = (
        lake.arrow("tiles", columns=["extent_id", "extent_wkb"], filters=mine) if tiles else None
    )
    boxes = (
        {} if table is None else {row["extent_id"]: row["extent_wkb"] for row in table.to_pylist()}
    )
    return Outlines("tile", len(tiles), [boxes[name] for name in sorted(boxes)])
