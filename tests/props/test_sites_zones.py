"""The site grid in all UTM zones, both hemispheres, at zone edges and over the antimeridian."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from manifest_world import boxed
from pyproj import Transformer

from geosr_lake.ids import site_id
from geosr_lake.manifest.sites import Cells, extents
from geosr_lake.sensors.tasks import MODIS_LANDSAT8, S2_NAIP, Task

TASK = st.sampled_from([S2_NAIP, MODIS_LANDSAT8])
ZONE = st.integers(1, 60)
ALONG = st.one_of(st.floats(0, 5.999_999), st.sampled_from([0.0, 1e-9, 3.0, 5.999_999]))
"""Degrees from the zone's west edge."""
LAT = st.one_of(
    st.floats(-79.9, 83.9), st.sampled_from([0.0, -1e-9, 1e-9, -79.99, 83.99, 40.0, -33.3])
)


def keys(cells: Cells) -> list[tuple[int, int, int]]:
    columns = (cells.epsg.tolist(), cells.x_m.tolist(), cells.y_m.tolist())
    return list(zip(*columns, strict=True))


def size_of(task: Task) -> int:
    return int(task.site_size_m)


@settings(max_examples=300, deadline=None)
@given(task=TASK, zone=ZONE, along=ALONG, lat=LAT)
def test_a_point_has_exactly_one_cell_in_its_zone(
    task: Task, zone: int, along: float, lat: float
) -> None:
    lon = zone * 6 - 186 + along
    epsg = task.site_epsg(lon, lat)
    southern = lat < 0 and not task.northern_zones_only
    assert epsg == (32700 if southern else 32600) + zone
    x, y = Transformer.from_crs(4326, epsg, always_xy=True).transform(lon, lat)
    cell, size = task.cell_at(x, y, epsg), task.site_size_m
    west, south, east, north = cell.bounds_m
    assert west <= x < east
    assert south <= y < north
    # Its neighbours, one size away, do not hold the point: no gap and no overlap.
    for dx in (-size, 0, size):
        for dy in (-size, 0, size):
            other = task.cell_at(west + dx + size / 2, south + dy + size / 2, epsg)
            assert other.bounds_m[:2] == (west + dx, south + dy)
    origin = 10_000_000.0 if epsg > 32700 else 0.0
    assert (west - task.grid_offset_m) % size == 0
    assert (south - origin - task.grid_offset_m) % size == 0


@settings(max_examples=150, deadline=None)
@given(
    task=TASK,
    zone=ZONE,
    along=st.floats(0, 6),
    lat=st.floats(-79, 83),
    wide=st.floats(0.001, 1.5),
    tall=st.floats(0.001, 0.4),
    spots=st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=8),
)
def test_a_box_has_every_cell_whose_centre_it_holds_once(
    task: Task,
    zone: int,
    along: float,
    lat: float,
    wide: float,
    tall: float,
    spots: list[tuple[float, float]],
) -> None:
    west = zone * 6 - 186 + along
    scale = 1.0 if task is MODIS_LANDSAT8 else 0.05
    east, north = min(west + wide * scale, 180.0), min(lat + tall * scale, 83.9)
    cells = boxed(task, (west, lat, east, north))
    found = keys(cells)
    assert len(set(found)) == len(found)
    inside = (cells.lon >= west) & (cells.lon <= east) & (cells.lat >= lat) & (cells.lat <= north)
    assert inside.all()
    for epsg, lon, y in zip(cells.epsg, cells.lon, cells.lat, strict=True):
        assert epsg == task.site_epsg(lon, y)
    for right, up in spots:
        lon, at = west + right * (east - west), lat + up * (north - lat)
        epsg = task.site_epsg(min(lon, 179.999999), at)
        x, y = Transformer.from_crs(4326, epsg, always_xy=True).transform(lon, at)
        cell = task.cell_at(x, y, epsg)
        middle = cell.bounds_m[0] + task.site_size_m / 2, cell.bounds_m[1] + task.site_size_m / 2
        back = Transformer.from_crs(epsg, 4326, always_xy=True).transform(*middle)
        held = west < back[0] < east and lat < back[1] < north
        if held and task.site_epsg(*back) == epsg:
            assert (epsg, int(cell.bounds_m[0]), int(cell.bounds_m[1])) in found


@settings(max_examples=60, deadline=None)
@given(lat=st.floats(-79, 83), half=st.floats(0.003, 0.05))
def test_over_the_antimeridian_two_zones_meet(lat: float, half: float) -> None:
    """The last zone and the first are neighbours as any others: none of their cells is lost."""
    parts = [
        boxed(S2_NAIP, box)
        for box in ((180 - half, lat, 180.0, lat + 0.02), (-180.0, lat, -180 + half, lat + 0.02))
    ]
    plain = [
        boxed(S2_NAIP, box)
        for box in ((6 - half, lat, 6.0, lat + 0.02), (6.0, lat, 6 + half, lat + 0.02))
    ]
    # Zone 60 is to 180 degrees what zone 31 is to 6: the same cells, under another number.
    for one, other, shift in zip(parts, plain, (29, -31), strict=True):
        moved = {(epsg - shift, x, y) for epsg, x, y in keys(one)}
        assert len(moved ^ set(keys(other))) <= 2 * (1 + int(half / 0.002))
        assert {epsg % 100 for epsg, _, _ in keys(one)} <= ({60} if shift == 29 else {1})


@settings(max_examples=100, deadline=None)
@given(task=TASK, zone=ZONE, along=ALONG, lat=st.floats(-79, 82))
def test_the_extent_of_a_cell_holds_its_corners(
    task: Task, zone: int, along: float, lat: float
) -> None:
    lon = zone * 6 - 186 + along
    epsg = task.site_epsg(lon, lat)
    x, y = Transformer.from_crs(4326, epsg, always_xy=True).transform(lon, lat)
    left, low = (round(v) for v in task.cell_at(x, y, epsg).bounds_m[:2])
    back = Transformer.from_crs(epsg, 4326, always_xy=True)
    size = size_of(task)
    middle = back.transform(left + size / 2, low + size / 2)
    cell = Cells(*(np.array([v]) for v in (epsg, left, low, *middle)))
    west, south, east, north = extents(cell, task.site_size_m)[0]
    assert west < middle[0] < east
    assert south < middle[1] < north
    for dx in (0, size):
        for dy in (0, size):
            corner_lon, corner_lat = back.transform(left + dx, low + dy)
            turned = middle[0] + (corner_lon - middle[0] + 180) % 360 - 180
            assert west - 1e-9 <= turned <= east + 1e-9
            assert south - 1e-9 <= corner_lat <= north + 1e-9


@pytest.mark.parametrize(
    ("size_m", "epsg", "x_m", "y_m", "expected"),
    [
        (600, 32613, 480_000, 4_400_400, "sit-36aafbdb3aa5941d24a3fe2f"),
        (30_000, 32613, 450_015, 4_260_015, "sit-6c109f755d3ecd5a4886c544"),
        (600, 32760, 480_000, 8_800_000, "sit-c76f87c68bf2aef91619693a"),
    ],
)
def test_ids_stay_what_they_are(size_m: int, epsg: int, x_m: int, y_m: int, expected: str) -> None:
    """Written down once: manifests of other lakes name these."""
    assert site_id(size_m, epsg, x_m, y_m) == expected
