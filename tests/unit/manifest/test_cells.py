"""Cells whose centre lies in boxes, against a brute force that is written apart from the module."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from manifest_world import boxed
from pyproj import Transformer

from geosr_lake.manifest import cells as cells_module
from geosr_lake.manifest.cells import OneIn, cells_in_boxes
from geosr_lake.manifest.sites import Cells
from geosr_lake.sensors.tasks import MODIS_LANDSAT8, S2_NAIP, Task

Box = tuple[float, float, float, float]
Key = tuple[int, int, int]


def keys(cells: Cells) -> list[Key]:
    columns = (cells.epsg.tolist(), cells.x_m.tolist(), cells.y_m.tolist())
    return list(zip(*columns, strict=True))


def brute_force(task: Task, box: Box) -> set[Key]:
    """Every cell of the zones near the box, one by one."""
    size, offset = int(task.site_size_m), int(task.grid_offset_m)
    west, south, east, north = box
    found = set()
    zones = range(int((west + 180) // 6), int((min(east, 179.99) + 180) // 6) + 2)
    for epsg in (base + zone for base in (32600, 32700) for zone in zones if 1 <= zone <= 60):
        low = 10_000_000 if epsg > 32700 else 0
        to_utm = Transformer.from_crs(4326, epsg, always_xy=True)
        to_lonlat = Transformer.from_crs(epsg, 4326, always_xy=True)
        along = np.linspace(0, 1, 60)
        lons, lats = west + along * (east - west), south + along * (north - south)
        x, y = to_utm.transform(
            [*lons, *lons, *[west] * 60, *[east] * 60], [*[south] * 60, *[north] * 60, *lats, *lats]
        )
        for column in range(int(min(x)) // size - 2, int(max(x)) // size + 3):
            for row in range(int(min(y) - low) // size - 2, int(max(y) - low) // size + 3):
                left, bottom = column * size + offset, row * size + offset + low
                lon, lat = to_lonlat.transform(left + size / 2, bottom + size / 2)
                zone_west = (epsg % 100) * 6 - 186
                northern = lat >= 0 or task.northern_zones_only
                own = zone_west <= lon < zone_west + 6 and northern == (low == 0)
                if own and west <= lon <= east and south <= lat <= north:
                    found.add((epsg, left, bottom))
    return found


@settings(max_examples=40, deadline=None)
@given(
    lon=st.sampled_from([-105.3, -102.01, -108.0, 3.2, 179.97, -180.0]),
    lat=st.sampled_from([40.0, 0.0, -33.3, -0.01, 71.2, 83.97, -80.0]),
    wide=st.floats(0.001, 0.04),
    tall=st.floats(0.001, 0.03),
)
def test_cells_of_a_box_equal_brute_force(lon: float, lat: float, wide: float, tall: float) -> None:
    box = (lon, lat, min(lon + wide, 180.0), min(lat + tall, 84.0))
    found = keys(boxed(S2_NAIP, box))
    assert len(set(found)) == len(found)
    assert set(found) == brute_force(S2_NAIP, box)


@pytest.mark.parametrize("lat", [39.0, -12.0, 62.0])
def test_the_landsat_grid_equals_brute_force_over_two_zones(lat: float) -> None:
    box = (-103.7, lat - 1, -100.9, lat + 1)
    found = keys(boxed(MODIS_LANDSAT8, box))
    assert {epsg for epsg, _, _ in found} == {32613, 32614}
    assert sorted(found) == sorted(brute_force(MODIS_LANDSAT8, box))


def test_no_cells_beyond_utm() -> None:
    assert len(boxed(S2_NAIP, (10.0, 84.5, 10.2, 85.0))) == 0
    assert len(boxed(S2_NAIP, (10.0, -85.0, 10.2, -80.5))) == 0


@settings(max_examples=20, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(-104, -100), st.floats(-1, 1), st.floats(0, 0.1), st.floats(0, 0.1)),
        max_size=8,
    )
)
def test_many_boxes_at_once_are_as_each_alone(spots: list[tuple[float, ...]]) -> None:
    boxes = [(lon, lat, lon + wide, lat + tall) for lon, lat, wide, tall in spots]
    owners = np.arange(len(boxes)) * 10
    found: dict[int, list[Key]] = {}
    for owner, some in cells_in_boxes(S2_NAIP, np.array(boxes).reshape(-1, 4), owners):
        for number, key in zip(owner.tolist(), keys(some), strict=True):
            found.setdefault(number, []).append(key)
    for number, box in zip(owners.tolist(), boxes, strict=True):
        assert sorted(found.get(number, [])) == sorted(keys(boxed(S2_NAIP, box)))


@settings(max_examples=30, deadline=None)
@given(
    lon=st.sampled_from([-105.3, -102.01, 179.97]),
    lat=st.sampled_from([40.0, -0.01, -33.3]),
    n=st.integers(1, 60),
)
def test_one_in_n_cells_are_a_part_of_all(lon: float, lat: float, n: int) -> None:
    """The n sets share no cell, are all cells together, and do not depend on the box."""
    box = (lon, lat, lon + 0.03, lat + 0.04)
    wide = np.array([box, (lon - 0.02, lat - 0.01, lon + 0.03, lat + 0.05)])
    parts = []
    for start in range(n):
        found = dict[int, list[Key]]({0: [], 1: []})
        for owner, some in cells_in_boxes(S2_NAIP, wide, np.arange(2), OneIn(n, start)):
            for number, key in zip(owner.tolist(), keys(some), strict=True):
                found[number].append(key)
        parts.append(found[0])
        assert set(found[0]) <= set(found[1])
    assert sorted(key for part in parts for key in part) == sorted(keys(boxed(S2_NAIP, box)))


@pytest.mark.parametrize("n", [2, 3, 7, 8, 11, 50, 333])
def test_one_in_n_cells_are_spread_evenly(n: int) -> None:
    """Every square of 30 km holds its share, give or take 3 % or three cells."""
    box = (-105.0, 40.0, -103.5, 41.0)
    whole = boxed(S2_NAIP, box)
    ((_, some),) = cells_in_boxes(S2_NAIP, np.array([box]), np.zeros(1, np.int64), OneIn(n, 5))
    west, south = whole.x_m.min(), whole.y_m.min()

    def counted(cells: Cells) -> np.ndarray:
        square = (cells.x_m - west) // 30_000 * 100 + (cells.y_m - south) // 30_000
        return np.bincount(square, minlength=1_000)

    all_, part = counted(whole), counted(some)
    inner = all_ == 2_500
    assert inner.sum() >= 6
    assert abs(part - all_ / n)[inner].max() <= max(3, 0.03 * 2_500 / n)


def test_boxes_come_in_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    boxes = [(-105 + 0.05 * i, 40.0, -104.98 + 0.05 * i, 40.02) for i in range(30)]
    whole = keys(boxed(S2_NAIP, *boxes))
    monkeypatch.setattr(cells_module, "_CELLS_AT_ONCE", 100)
    assert keys(boxed(S2_NAIP, *boxes)) == whole
