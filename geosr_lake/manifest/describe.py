"""Sites with all that is known of them before any time: ground, land cover, block and split."""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import shapely

from geosr_lake.ids import site_id
from geosr_lake.manifest.blocks import block_of, blocks_within
from geosr_lake.manifest.cover import stratum
from geosr_lake.manifest.layer import LandCover
from geosr_lake.manifest.select import split_of
from geosr_lake.manifest.sites import Cells, crosses_zone_edge, extents, squares
from geosr_lake.recipe import SelectRule, Split
from geosr_lake.sensors.tasks import Task

SITES = pa.schema(
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

`split` is null where splits are not by blocks; `stratum` where land cover does not tell."""


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


def described(cells: Cells, task: Task, layer: LandCover, rule: SelectRule) -> pa.Table:
    """Return n sites as rows of `SITES`, in order.

    Args:
        cells: Where they are.
        task: Gives their size.
        layer: The land-cover raster.
        rule: Which classes make a site urban, and how blocks are cut and split.
    """
    size_m = task.site_size_m
    ground = squares(cells, size_m)
    covers = layer.sites(cells.epsg, cells.x_m, cells.y_m, size_m)
    places = [
        _place(lon, lat, extent, rule)
        for lon, lat, extent in zip(
            cells.lon.tolist(), cells.lat.tolist(), extents(cells, size_m).tolist(), strict=True
        )
    ]
    corners = zip(cells.epsg.tolist(), cells.x_m.tolist(), cells.y_m.tolist(), strict=True)
    shares = [[{"class": c, "frac": v} for c, v in sorted(cover.items())] for cover in covers]
    return pa.table(
        [
            pa.array([site_id(int(size_m), *corner) for corner in corners], pa.string()),
            pa.array(np.full(len(cells), size_m), pa.int32()),
            pa.array(cells.epsg, pa.int32()),
            cells.x_m,
            cells.y_m,
            cells.lon,
            cells.lat,
            *(shapely.bounds(ground).reshape(-1, 4).T),
            pa.array(shapely.to_wkb(ground, byte_order=1), pa.binary()),
            crosses_zone_edge(cells, size_m),
            pa.array([one.edge for one in places], pa.bool_()),
            pa.array([one.block for one in places], pa.string()),
            pa.array([one.split for one in places], pa.string()),
            pa.array([stratum(cover, rule.urban) for cover in covers], pa.string()),
            pa.array(shares, SITES.field("cover").type),
        ],
        schema=SITES,
    )
