"""What runs in Spark's Python workers: Arrow rows in, Arrow rows out, no Spark."""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import shapely
from numpy.typing import NDArray

from geosr_lake.ids import site_id
from geosr_lake.manifest.blocks import block_of, blocks_within
from geosr_lake.manifest.cover import LandCover, stratum
from geosr_lake.manifest.select import draw_key, split_of
from geosr_lake.manifest.sites import (
    Cells,
    crosses_zone_edge,
    extents,
    lonlat,
    squares,
    whole_cells,
)
from geosr_lake.recipe import SelectRule, Split
from geosr_lake.sensors.tasks import Task

FOUND = pa.schema(
    [
        ("lr_tile", pa.string()),
        ("hr_tile", pa.string()),
        ("site_id", pa.string()),
        ("epsg", pa.int32()),
        ("x_m", pa.int64()),
        ("y_m", pa.int64()),
        ("drawn", pa.bool_()),
        ("hits", pa.list_(pa.int32())),
    ]
)
"""A site of a tile pair; `hits` holds the index of each pair of footprints that contains it."""

DESCRIBED = pa.schema(
    [
        ("site_id", pa.string()),
        ("size_m", pa.int32()),
        ("epsg", pa.int32()),
        ("x_m", pa.int64()),
        ("y_m", pa.int64()),
        *((name, pa.float64()) for name in ("lon", "lat", "xmin", "ymin", "xmax", "ymax")),
        ("footprint_wkb", pa.binary()),
        ("zone_edge", pa.bool_()),
        ("split_edge", pa.bool_()),
        ("block", pa.string()),
        ("split", pa.string()),
        ("stratum", pa.string()),
        ("cover", pa.list_(pa.struct([("class", pa.int32()), ("frac", pa.float64())]))),
    ]
)
"""A site with its geometry (columns as `sites` has them), block and split, land cover and stratum.

`split` is null where splits are not by blocks."""


def _distinct(names: list[str]) -> tuple[list[str], NDArray[np.int64]]:
    """Return the distinct names, sorted, and the position of each name among them."""
    distinct = sorted(set(names))
    place = {name: i for i, name in enumerate(distinct)}
    return distinct, np.array([place[name] for name in names], dtype=np.int64)


def found_in_tile_pair(
    meetings: pa.Table, shapes: pa.Table, task: Task, seed: int, most: int
) -> pa.Table:
    """Return the sites of one tile pair, and which of them it draws.

    Args:
        meetings: `lr_tile` and `hr_tile` (one value each), `fp_index`, `lr_footprint_id` and
            `hr_footprint_id`: the pairs of footprints.
        shapes: `footprint_id`, `footprint_wkb` of all of them.
        task: Gives the site grid.
        seed: Orders the draw.
        most: Sites to draw at most.

    Returns:
        Rows of `FOUND`.
    """
    if not meetings.num_rows:
        return FOUND.empty_table()
    names, wkb = (shapes[name].to_pylist() for name in ("footprint_id", "footprint_wkb"))
    geometry = dict(zip(names, shapely.from_wkb(wkb), strict=True))
    lr, lr_at = _distinct(meetings["lr_footprint_id"].to_pylist())
    hr, hr_at = _distinct(meetings["hr_footprint_id"].to_pylist())
    cells, hits = whole_cells(
        task,
        np.array([geometry[name] for name in lr]),
        np.array([geometry[name] for name in hr]),
        np.stack([lr_at, hr_at], axis=1),
    )
    size_m = int(task.site_size_m)
    sites = [
        site_id(size_m, int(epsg), int(x), int(y))
        for epsg, x, y in zip(cells.epsg, cells.x_m, cells.y_m, strict=True)
    ]
    drawn = set(sorted(sites, key=lambda site: draw_key(seed, site))[:most])
    index = meetings["fp_index"].to_numpy()
    return pa.table(
        [
            pa.repeat(meetings["lr_tile"][0], len(sites)),
            pa.repeat(meetings["hr_tile"][0], len(sites)),
            pa.array(sites, pa.string()),
            pa.array(cells.epsg, pa.int32()),
            cells.x_m,
            cells.y_m,
            pa.array([site in drawn for site in sites], pa.bool_()),
            pa.array([np.sort(index[hit]) for hit in hits.T], pa.list_(pa.int32())),
        ],
        schema=FOUND,
    )


class _Place(NamedTuple):
    block: str
    split: Split | None
    edge: bool


def _place(lon: float, lat: float, extent: list[float], rule: SelectRule) -> _Place:
    """Return block and split of a site, and whether another split is nearer than the buffer."""
    block = block_of(lon, lat, rule.block_deg)
    if rule.split.mode == "paper":
        return _Place(block, None, False)
    split = split_of(block, rule.split, rule.seed)
    if rule.buffer_m is None:
        return _Place(block, split, False)
    west, south, east, north = extent
    near = blocks_within((west, south, east, north), rule.buffer_m, rule.block_deg)
    others = {split_of(name, rule.split, rule.seed) for name in near - {block}}
    return _Place(block, split, not others <= {split})


def described(
    batch: pa.RecordBatch, size_m: float, layer: LandCover, rule: SelectRule
) -> pa.RecordBatch:
    """Return the geometry, block, split, land cover and stratum of sites.

    Args:
        batch: `site_id`, `epsg`, `x_m`, `y_m` of n sites.
        size_m: Their edge.
        layer: The land-cover raster.
        rule: Which classes make a site urban, and how blocks are cut and split.

    Returns:
        n rows of `DESCRIBED`, in order.
    """
    epsg, x_m, y_m = (batch[name].to_numpy().astype(np.int64) for name in ("epsg", "x_m", "y_m"))
    lon, lat = lonlat(epsg, x_m + size_m / 2, y_m + size_m / 2)
    cells = Cells(epsg, x_m, y_m, lon, lat)
    ground = squares(cells, size_m)
    covers = layer.sites(epsg, x_m, y_m, size_m)
    places = [
        _place(float(x), float(y), extent, rule)
        for x, y, extent in zip(lon, lat, extents(cells, size_m).tolist(), strict=True)
    ]
    shares = [[{"class": c, "frac": v} for c, v in sorted(cover.items())] for cover in covers]
    return pa.record_batch(
        [
            batch["site_id"],
            pa.array(np.full(len(cells), size_m), pa.int32()),
            batch["epsg"],
            x_m,
            y_m,
            lon,
            lat,
            *shapely.bounds(ground).T,
            pa.array(shapely.to_wkb(ground, byte_order=1), pa.binary()),
            crosses_zone_edge(cells, size_m),
            pa.array([one.edge for one in places], pa.bool_()),
            pa.array([one.block for one in places], pa.string()),
            pa.array([one.split for one in places], pa.string()),
            pa.array([stratum(cover, rule.urban) for cover in covers], pa.string()),
            pa.array(shares, DESCRIBED.field("cover").type),
        ],
        schema=DESCRIBED,
    )
