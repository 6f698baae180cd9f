"""Pairs by brute force: shapely, numpy and pyproj, and nothing of the join.

All pairs of footprints that intersect, the gap of each, and the overlap by geodesic areas. Time
plays no part in the search, so every pair outside a window is known as well.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import shapely
from numpy.typing import NDArray
from pyproj import Geod

DENSE_DEG = 0.01
_WGS84 = Geod(ellps="WGS84")


@dataclass(frozen=True)
class Truth:
    """Every pair of scenes whose footprints intersect, whatever lies between them in time."""

    lr_ids: NDArray[np.object_]
    hr_ids: NDArray[np.object_]
    gap_us: NDArray[np.int64]
    lr_wkb: list[bytes]
    hr_wkb: list[bytes]

    def inside(self, window_us: int) -> dict[tuple[str, str], int]:
        """Return the gaps of the pairs within the window, by the two scene ids."""
        near = np.flatnonzero(np.abs(self.gap_us) <= window_us)
        return {(self.lr_ids[i], self.hr_ids[i]): int(self.gap_us[i]) for i in near}

    def overlaps(self, wanted: set[tuple[str, str]]) -> dict[tuple[str, str], float]:
        """Return the share of the HR footprint that the LR one covers, for some pairs."""
        known: dict[tuple[bytes, bytes], float] = {}
        whole: dict[bytes, float] = {}
        found = {}
        rows = zip(self.lr_ids, self.hr_ids, self.lr_wkb, self.hr_wkb, strict=True)
        for lr_id, hr_id, lr, hr in rows:
            if (lr_id, hr_id) not in wanted:
                continue
            if (lr, hr) not in known:
                shared = shapely.intersection(shapely.from_wkb(lr), shapely.from_wkb(hr))
                if hr not in whole:
                    whole[hr] = geodesic_m2(shapely.from_wkb(hr))
                known[lr, hr] = geodesic_m2(shared) / whole[hr]
            found[lr_id, hr_id] = known[lr, hr]
        return found


def geodesic_m2(geometry: shapely.Geometry) -> float:
    """Area by pyproj; edges straight in lon/lat, so densified."""
    polygons = [g for g in shapely.get_parts(geometry) if g.geom_type == "Polygon"]
    area = 0.0
    for polygon in polygons:
        dense = shapely.segmentize(polygon, DENSE_DEG)
        for sign, ring in [(1, dense.exterior), *((-1, hole) for hole in dense.interiors)]:
            lon, lat = shapely.get_coordinates(ring).T
            area += sign * abs(_WGS84.polygon_area_perimeter(lon, lat)[0])
    return area


def _micros(column: pa.ChunkedArray) -> NDArray[np.int64]:
    return column.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_numpy()


def brute_force(lr: pa.Table, hr: pa.Table) -> Truth:
    """Compare every scene of `lr` with every one of `hr`, by their footprints."""
    lr_wkb, hr_wkb = (side["footprint_wkb"].to_pylist() for side in (lr, hr))
    tree = shapely.STRtree(shapely.from_wkb(hr_wkb))
    i, j = tree.query(shapely.from_wkb(lr_wkb), predicate="intersects")
    lr_start, lr_end = _micros(lr["t_start"])[i], _micros(lr["t_end"])[i]
    hr_start, hr_end = _micros(hr["t_start"])[j], _micros(hr["t_end"])[j]
    gap = np.zeros(len(i), np.int64)
    later, earlier = hr_start > lr_end, lr_start > hr_end
    gap[later] = (hr_start - lr_end)[later]
    gap[earlier] = -(lr_start - hr_end)[earlier]
    return Truth(
        lr["scene_id"].to_numpy(zero_copy_only=False)[i],
        hr["scene_id"].to_numpy(zero_copy_only=False)[j],
        gap,
        [lr_wkb[k] for k in i],
        [hr_wkb[k] for k in j],
    )
