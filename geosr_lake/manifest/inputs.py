"""What a manifest is chosen from: a rule's pairs with their scenes, as columns of numbers."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely
from numpy.typing import NDArray

from geosr_lake.arrays import Bools, Floats, Ints
from geosr_lake.errors import IncompleteError
from geosr_lake.lake import Lake
from geosr_lake.recipe import Recipe
from geosr_lake.sensors.grid import wgs84_utm

Geometries = NDArray[np.object_]

_OF_SCENES = [
    *("scene_id", "epsg", "cloud_frac", "snow_frac", "gsd_m", "sun_elevation_deg", "t_start"),
    *("platform", "tier", "tile"),
]
_BOUNDS = ["xmin", "ymin", "xmax", "ymax"]


@dataclass(frozen=True)
class Scenes:
    """Scenes of one side that are in a pair, as columns of one length n.

    Attributes:
        ids: Their ids.
        zone: WGS84/UTM zone that their pixels count as lying in, an EPSG code; 0: in none known.
        cloud_frac: 0 to 1; nan: unknown.
        snow_frac: 0 to 1; nan: unknown.
        gsd_m: Edge of their pixels; nan: unknown.
        sun_elevation_deg: Of the sun above the horizon; nan: unknown.
        month: Month of their start in UTC, 1 to 12.
        platform: As `scenes.platform` has it, coded; null: unknown.
        tier: Quality tier of Landsat, coded; null: unknown.
        bounds: West, south, east, north in degrees, shape (n, 4).
        wkb: Their footprints.
    """

    ids: pa.Array
    zone: Ints
    cloud_frac: Floats
    snow_frac: Floats
    gsd_m: Floats
    sun_elevation_deg: Floats
    month: Ints
    platform: pa.DictionaryArray
    tier: pa.DictionaryArray
    bounds: Floats
    wkb: pa.Array

    @cached_property
    def _parsed(self) -> Geometries:
        return np.full(len(self.ids), None, dtype=object)

    def footprints(self, which: Ints) -> Geometries:
        """Return footprints of scenes, prepared, each parsed once.

        Args:
            which: Numbers of scenes, shape (m,).
        """
        parsed = self._parsed
        wanted = np.unique(which)
        lacking = wanted[shapely.is_missing(parsed[wanted])]
        if lacking.size:
            shapes = shapely.from_wkb(self.wkb.take(pa.array(lacking)).to_pylist())
            shapely.prepare(shapes)
            parsed[lacking] = shapes
        found: Geometries = parsed[which]
        return found


@dataclass(frozen=True)
class TilePairs:
    """The tile pairs that have pairs, as columns of one length t.

    Attributes:
        lr_tile: Names of the LR tiles.
        hr_tile: Names of the HR tiles.
        boxes: Where the extents of both meet: west, south, east, north in degrees, shape (b, 4).
        of_box: The tile pair of each box, shape (b,); over 180 degrees a pair has several.
    """

    lr_tile: pa.Array
    hr_tile: pa.Array
    boxes: Floats
    of_box: Ints

    def __len__(self) -> int:
        return len(self.lr_tile)


@dataclass(frozen=True)
class Pairs:
    """The pairs of one rule, sorted by tile pair, as columns of one length n.

    Attributes:
        lr: Number of each pair's LR scene.
        hr: Number of its HR scene.
        gap_s: HR minus LR.
        overlap_frac: Share of the HR footprint that the LR footprint covers.
        first: First pair of each tile pair, and the number of pairs, shape (t + 1,).
        tiles: The tile pairs.
        lr_scenes: What `lr` counts.
        hr_scenes: What `hr` counts.
        rule_id: The rule.
        ranked: Whether gap and overlap are known; else the best pair of a site is not.
    """

    lr: Ints
    hr: Ints
    gap_s: Floats
    overlap_frac: Floats
    first: Ints
    tiles: TilePairs
    lr_scenes: Scenes
    hr_scenes: Scenes
    rule_id: str
    ranked: bool = True

    def __len__(self) -> int:
        return len(self.lr)


Fitting = Callable[[Scenes, Scenes], tuple[Bools, Bools]]
"""Tells which LR and which HR scenes may be in a sample at all."""


def read(
    lake: Lake, recipe: Recipe, *, fitting: Fitting | None = None, ranked: bool = True
) -> Pairs:
    """Return the rule's pairs.

    Args:
        lake: Holds them.
        recipe: Names the rule.
        fitting: Pairs of other scenes are left out, their tile pairs are not; None: all pairs.
        ranked: Whether gap and overlap are read too.

    Raises:
        IncompleteError: If there are none, or if one names a scene that is gone.
    """
    rule_id = recipe.pairs.rule_id
    keys = ["lr_scene_id", "hr_scene_id"]
    rows = lake.arrow(
        "pairs",
        columns=[*keys, *(("gap_s", "overlap_frac") if ranked else ())],
        filters=[("rule_id", "=", rule_id)],
        coded=keys,
    )
    if not rows.num_rows:
        raise _unfit(lake, rule_id, "are not in the lake")
    sides = []
    for key, sensor in zip(keys, (recipe.pairs.lr.sensor, recipe.pairs.hr.sensor), strict=True):
        scene, ids = _coded(rows[key])
        side = _side(lake, sensor, ids, scene)
        if side is None:
            raise _unfit(lake, rule_id, "are older than the lake's scenes")
        sides.append(side)
    lr, hr = sides
    both = lr.tile[lr.scene] * len(hr.tiles) + hr.tile[hr.scene]
    kept = np.argsort(both, kind="stable")
    met = both[kept]
    met = met[np.append(True, met[1:] != met[:-1])]
    lr_of, hr_of = met // len(hr.tiles), met % len(hr.tiles)
    boxes, of_box = _meetings(_tile_boxes(lr), lr_of, _tile_boxes(hr), hr_of)
    if fitting is not None:
        lr_fits, hr_fits = fitting(lr.scenes, hr.scenes)
        kept = kept[(lr_fits[lr.scene] & hr_fits[hr.scene])[kept]]
    unread = np.broadcast_to(np.nan, len(kept))
    gap_s, overlap_frac = (
        rows[name].to_numpy()[kept] if ranked else unread for name in ("gap_s", "overlap_frac")
    )
    return Pairs(
        lr=lr.scene[kept],
        hr=hr.scene[kept],
        gap_s=gap_s,
        overlap_frac=overlap_frac,
        first=np.append(np.searchsorted(both[kept], met), len(kept)),
        tiles=TilePairs(
            lr.tiles.take(pa.array(lr_of)), hr.tiles.take(pa.array(hr_of)), boxes, of_box
        ),
        lr_scenes=lr.scenes,
        hr_scenes=hr.scenes,
        rule_id=rule_id,
        ranked=ranked,
    )


def _unfit(lake: Lake, rule_id: str, what: str) -> IncompleteError:
    return IncompleteError(
        f"Pairs of the rule {rule_id} {what}",
        where=str(lake.root),
        next_step="Run `geosr pairs build --recipe RECIPE` with the same recipe first.",
    )


def _coded(column: pa.ChunkedArray) -> tuple[Ints, pa.Array]:
    """Return the number of each value among the distinct ones, and these, sorted."""
    one = column.unify_dictionaries().combine_chunks()
    if isinstance(one, pa.ChunkedArray):  # what Arrow makes of no chunk, or of too many bytes
        one = pa.concat_arrays(one.chunks)
    code = one.indices.to_numpy().astype(np.int64)
    # A file's dictionary holds values of rows that a filter removed, and in the file's order.
    used = np.flatnonzero(np.bincount(code, minlength=len(one.dictionary)))
    values = one.dictionary.take(pa.array(used))
    order = pc.sort_indices(values)
    number = np.zeros(len(one.dictionary), dtype=np.int64)
    number[used[order.to_numpy()]] = np.arange(len(used))
    return number[code], values.take(order)


@dataclass(frozen=True)
class _Side:
    """One side of the pairs.

    Attributes:
        scene: Number of each pair's scene.
        scenes: The scenes.
        tile: Number of each scene's tile.
        tiles: Names of the tiles, sorted.
    """

    scene: Ints
    scenes: Scenes
    tile: Ints
    tiles: pa.Array


def _side(lake: Lake, sensor: str, ids: pa.Array, scene: Ints) -> _Side | None:
    """Return the side whose scenes have these ids; None if one is not there."""
    rows = lake.arrow(
        "scenes",
        columns=[*_OF_SCENES, *_BOUNDS, "footprint_wkb"],
        filters=[("sensor", "=", sensor)],
    )
    at = pc.index_in(ids, value_set=rows["scene_id"].combine_chunks())
    if at.null_count:
        return None
    rows = rows.take(at).combine_chunks()
    codes = pc.fill_null(rows["epsg"], 0).to_numpy().astype(np.int64)
    tile, tiles = _coded(rows["tile"].dictionary_encode())
    zones = {code: wgs84_utm(int(code)) or 0 for code in np.unique(codes)}
    scenes = Scenes(
        ids,
        np.array([zones[code] for code in codes], dtype=np.int64),
        _floats(rows["cloud_frac"]),
        _floats(rows["snow_frac"]),
        _floats(rows["gsd_m"]),
        _floats(rows["sun_elevation_deg"]),
        _months(rows["t_start"]),
        rows["platform"].combine_chunks().dictionary_encode(),
        rows["tier"].combine_chunks().dictionary_encode(),
        np.stack([rows[edge].to_numpy() for edge in _BOUNDS], axis=1),
        rows["footprint_wkb"].combine_chunks(),
    )
    return _Side(scene, scenes, tile, tiles)


def _floats(column: pa.ChunkedArray) -> Floats:
    found: Floats = pc.fill_null(column, float("nan")).to_numpy().astype(np.float64)
    return found


def _months(times: pa.ChunkedArray) -> Ints:
    """Return the months of instants, 1 to 12, in UTC, as numpy's times are."""
    months: Ints = times.to_numpy().astype("datetime64[M]").astype(np.int64) % 12 + 1
    return months


@dataclass(frozen=True)
class _Boxes:
    """Boxes of tiles, sorted by tile: `first` is that of each tile, and their number."""

    bounds: Floats
    first: Ints


def _tile_boxes(side: _Side) -> _Boxes:
    """Return the box around each tile's scenes, or two where they lie on both sides of 180."""
    of_scene, scenes, n_tiles = side.tile, side.scenes, len(side.tiles)
    bounds, owner = scenes.bounds, of_scene
    across = np.flatnonzero(bounds[:, 2] - bounds[:, 0] > 180.0)
    if across.size:
        parts, whose = shapely.get_parts(scenes.footprints(across), return_index=True)
        keep = np.ones(len(bounds), dtype=bool)
        keep[across] = False
        bounds = np.concatenate([bounds[keep], shapely.bounds(parts)])
        owner = np.concatenate([of_scene[keep], of_scene[across][whose]])
    # Only tiles that go over 180 degrees have scenes, or parts of them, so far apart.
    west, east = np.full(n_tiles, np.inf), np.full(n_tiles, -np.inf)
    np.minimum.at(west, owner, bounds[:, 0])
    np.maximum.at(east, owner, bounds[:, 2])
    apart = (east - west > 180.0)[owner] & (bounds[:, 0] + bounds[:, 2] >= 0)
    key = owner * 2 + apart
    keys, at = np.unique(key, return_inverse=True)
    found = np.tile([np.inf, np.inf, -np.inf, -np.inf], (len(keys), 1))
    for column, take in ((0, np.minimum), (1, np.minimum), (2, np.maximum), (3, np.maximum)):
        take.at(found[:, column], at, bounds[:, column])
    return _Boxes(found, np.searchsorted(keys // 2, np.arange(n_tiles + 1)))


def _meetings(lr: _Boxes, lr_of: Ints, hr: _Boxes, hr_of: Ints) -> tuple[Floats, Ints]:
    """Return where the boxes of tile pairs meet, and the tile pair of each meeting."""
    boxes, owners = [], []
    most = [int(np.diff(side.first).max(initial=0)) for side in (lr, hr)]
    for i in range(most[0]):
        for j in range(most[1]):
            there = (lr.first[lr_of] + i < lr.first[lr_of + 1]) & (
                hr.first[hr_of] + j < hr.first[hr_of + 1]
            )
            which = np.flatnonzero(there)
            a, b = lr.bounds[lr.first[lr_of[which]] + i], hr.bounds[hr.first[hr_of[which]] + j]
            met = np.concatenate(
                [np.maximum(a[:, :2], b[:, :2]), np.minimum(a[:, 2:], b[:, 2:])], axis=1
            )
            real = (met[:, 0] <= met[:, 2]) & (met[:, 1] <= met[:, 3])
            boxes.append(met[real])
            owners.append(which[real])
    return np.concatenate(boxes), np.concatenate(owners)
