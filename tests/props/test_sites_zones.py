"""The site grid in all UTM zones, both hemispheres, at zone edges and over the antimeridian."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from manifest_world import boxed
from pyproj import Transformer
from site_cells import cell_at, site_epsg

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


def middles(cells: Cells, turn: float) -> dict[tuple[int, int, int], tuple[float, float]]:
    """Where the cells' centres lie, turned east by some degrees."""
    return dict(zip(keys(cells), zip(cells.lon + turn, cells.lat, strict=True), strict=True))


def size_of(task: Task) -> int:
    return int(task.site_size_m)


@settings(max_examples=300, deadline=None)
@given(task=TASK, zone=ZONE, along=ALONG, lat=LAT)
def test_a_point_has_exactly_one_cell_in_its_zone(
    task: Task, zone: int, along: float, lat: float
) -> None:
    """No gap and no overlap: of the cells around a point one holds it, that of arithmetic."""
    lon = zone * 6 - 186 + along
    epsg = site_epsg(task, lon, lat)
    southern = lat < 0 and not task.northern_zones_only
    assert epsg == (32700 if southern else 32600) + zone
    x, y = Transformer.from_crs(4326, epsg, always_xy=True).transform(lon, lat)
    size = task.site_size_m
    tall = 1.5 * size / 110_000
    wide = tall / np.cos(np.radians(lat))
    west, east = max(lon - wide, zone * 6 - 186), min(lon + wide, zone * 6 - 180)
    around = boxed(task, (west, max(lat - tall, -80.0), east, min(lat + tall, 84.0)))
    found = [
        key
        for key in keys(around)
        if key[0] == epsg and key[1] <= x < key[1] + size and key[2] <= y < key[2] + size
    ]
    cell = cell_at(task, x, y, epsg)
    centre = Transformer.from_crs(epsg, 4326, always_xy=True).transform(*cell.center_m)
    # Its centre may lie beyond the zone, or the ends of all zones: then the point has none.
    own = site_epsg(task, *centre) == epsg and -80 <= centre[1] <= 84
    assert found == [(epsg, int(cell.x_min_m), int(cell.y_min_m))] * own


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
        assert epsg == site_epsg(task, lon, y)
    for right, up in spots:
        lon, at = west + right * (east - west), lat + up * (north - lat)
        epsg = site_epsg(task, min(lon, 179.999999), at)
        x, y = Transformer.from_crs(4326, epsg, always_xy=True).transform(lon, at)
        cell = cell_at(task, x, y, epsg)
        middle = cell.bounds_m[0] + task.site_size_m / 2, cell.bounds_m[1] + task.site_size_m / 2
        back = Transformer.from_crs(epsg, 4326, always_xy=True).transform(*middle)
        held = west < back[0] < east and lat < back[1] < north
        if held and site_epsg(task, *back) == epsg:
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
    edges = ((180 - half, lat + 0.02), (-180 + half, lat + 0.02))
    for one, other, shift, turn, (edge, top) in zip(
        parts, plain, (29, -31), (174, -186), edges, strict=True
    ):
        there = {(epsg - shift, x, y): at for (epsg, x, y), at in middles(one, 0).items()}
        here = middles(other, turn)
        # A centre on the box's edge may be in or out by a rounding.
        for key in there.keys() ^ here.keys():
            lon, y = there.get(key) or here[key]
            assert min(abs(lon - edge), abs(y - lat), abs(y - top)) < 1e-9
        assert {epsg % 100 for epsg, _, _ in keys(one)} <= ({60} if shift == 29 else {1})


@settings(max_examples=100, deadline=None)
@given(task=TASK, zone=ZONE, along=ALONG, lat=st.floats(-79, 82))
def test_the_extent_of_a_cell_holds_its_corners(
    task: Task, zone: int, along: float, lat: float
) -> None:
    lon = zone * 6 - 186 + along
    epsg = site_epsg(task, lon, lat)
    x, y = Transformer.from_crs(4326, epsg, always_xy=True).transform(lon, lat)
    left, low = (round(v) for v in cell_at(task, x, y, epsg).bounds_m[:2])
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
