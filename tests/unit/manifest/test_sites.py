"""Whole cells inside overlaps, against a brute force that is written apart from the module."""

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from manifest_world import SOUTH_M, WEST_M, lonlat_box
from pyproj import Transformer

from geosr_lake.manifest.sites import (
    Cells,
    cells_in_box,
    crosses_zone_edge,
    squares,
    whole_cells,
)
from geosr_lake.sensors.tasks import MODIS_LANDSAT8, S2_NAIP, Task

ONE = np.array([[0, 0]])


def geometries(*shapes: shapely.Geometry) -> np.ndarray:
    return np.array(shapes, dtype=object)


def keys(cells: Cells) -> set[tuple[int, int, int]]:
    columns = (cells.epsg, cells.x_m, cells.y_m)
    return {tuple(int(v) for v in key) for key in zip(*columns, strict=True)}


def brute_force(
    task: Task, lr: shapely.Geometry, hr: shapely.Geometry, epsgs: list[int]
) -> set[tuple[int, int, int]]:
    """Every cell of the zones near the overlap, one by one, its edges cut into many steps."""
    size, offset = int(task.site_size_m), int(task.grid_offset_m)
    found = set()
    for epsg in epsgs:
        south = 10_000_000 if 32700 < epsg < 32800 else 0
        to_utm = Transformer.from_crs(4326, epsg, always_xy=True)
        to_lonlat = Transformer.from_crs(epsg, 4326, always_xy=True)
        west_edge = (epsg % 100) * 6 - 186
        x, y = to_utm.transform(*shapely.segmentize(hr.envelope, 0.05).exterior.xy)
        for column in range(int(min(x)) // size - 2, int(max(x)) // size + 2):
            for row in range(int(min(y) - south) // size - 2, int(max(y) - south) // size + 2):
                left, low = column * size + offset, row * size + offset + south
                lon, lat = to_lonlat.transform(left + size / 2, low + size / 2)
                northern = lat >= 0 or task.northern_zones_only
                if not (west_edge <= lon < west_edge + 6 and northern == (south == 0)):
                    continue
                ring = shapely.segmentize(
                    shapely.box(left, low, left + size, low + size), size / 40
                )
                ground = shapely.transform(ring, to_lonlat.transform, interleaved=False)
                if lr.contains(ground) and hr.contains(ground):
                    found.add((epsg, left, low))
    return found


def test_a_rectangle_on_the_grid_holds_its_cells() -> None:
    lr = lonlat_box(WEST_M - 5_000, SOUTH_M - 5_000, WEST_M + 5_000, SOUTH_M + 5_000)
    hr = lonlat_box(WEST_M - 10, SOUTH_M - 10, WEST_M + 1_810, SOUTH_M + 1_210)
    cells, hits = whole_cells(S2_NAIP, geometries(lr), geometries(hr), ONE)
    expected = {(32613, WEST_M + 600 * i, SOUTH_M + 600 * j) for i in range(3) for j in range(2)}
    assert keys(cells) == expected
    assert hits.shape == (1, 6)
    assert hits.all()


def test_a_cell_that_reaches_out_by_a_metre_is_no_site() -> None:
    lr = lonlat_box(WEST_M - 5_000, SOUTH_M - 5_000, WEST_M + 5_000, SOUTH_M + 5_000)
    hr = lonlat_box(WEST_M + 1, SOUTH_M - 10, WEST_M + 1_810, SOUTH_M + 1_210)
    cells, _ = whole_cells(S2_NAIP, geometries(lr), geometries(hr), ONE)
    assert {x for _, x, _ in keys(cells)} == {WEST_M + 600, WEST_M + 1_200}


@settings(max_examples=25, deadline=None)
@given(
    angle=st.floats(0, 90),
    wide_m=st.floats(1_000, 5_000),
    high_m=st.floats(1_000, 5_000),
    lon=st.sampled_from([-105.3, -102.01, -108.0, 3.2]),
    lat=st.sampled_from([40.0, 0.0, -33.3, 0.01, 71.2]),
)
def test_cells_equal_brute_force(
    angle: float, wide_m: float, high_m: float, lon: float, lat: float
) -> None:
    metre = 1 / 111_000
    turned = shapely.affinity.rotate(
        shapely.box(-wide_m / 2, -high_m / 2, wide_m / 2, high_m / 2), angle
    )
    stretch = (metre / np.cos(np.radians(lat)), metre)
    hr = shapely.transform(turned, lambda p: p * stretch + (lon, lat))
    lr = shapely.box(lon - 0.02, lat - 0.02, lon + 1, lat + 1)
    cells, _ = whole_cells(S2_NAIP, geometries(lr), geometries(hr), ONE)
    zone = int((lon + 180) // 6) + 1
    epsgs = [base + z for base in (32600, 32700) for z in (zone - 1, zone, zone + 1)]
    assert keys(cells) == brute_force(S2_NAIP, lr, hr, epsgs)


@pytest.mark.parametrize("lat", [39.0, -12.0])
def test_the_landsat_grid_equals_brute_force_over_two_zones(lat: float) -> None:
    hr = shapely.Polygon(
        [(-103.2, lat + 1), (-100.9, lat + 0.7), (-101.4, lat - 1), (-103.7, lat - 0.7)]
    )
    lr = shapely.box(-103.4, lat - 3, -98, lat + 3)
    cells, _ = whole_cells(MODIS_LANDSAT8, geometries(lr), geometries(hr), ONE)
    assert len(cells) > 5
    assert {e for e, _, _ in keys(cells)} == {32613, 32614}
    assert keys(cells) == brute_force(MODIS_LANDSAT8, lr, hr, [32613, 32614])


def test_hits_say_which_pair_of_footprints_holds_a_cell() -> None:
    lr = [
        lonlat_box(WEST_M - 50, SOUTH_M - 50, WEST_M + 1_250, SOUTH_M + 650),
        lonlat_box(WEST_M + 550, SOUTH_M - 50, WEST_M + 2_450, SOUTH_M + 650),
    ]
    hr = [lonlat_box(WEST_M - 50, SOUTH_M - 50, WEST_M + 2_450, SOUTH_M + 650)]
    cells, hits = whole_cells(S2_NAIP, geometries(*lr), geometries(*hr), np.array([[0, 0], [1, 0]]))
    columns = ((cells.x_m - WEST_M) // 600).tolist()
    held = dict(zip(columns, hits.T.tolist(), strict=True))
    assert held == {0: [True, False], 1: [True, True], 2: [False, True], 3: [False, True]}


def test_a_site_held_by_no_one_pair_is_no_site() -> None:
    """Its halves lie in two LR footprints, but no scene shows it whole."""
    lr = [
        lonlat_box(WEST_M - 50, SOUTH_M - 50, WEST_M + 300, SOUTH_M + 650),
        lonlat_box(WEST_M + 300, SOUTH_M - 50, WEST_M + 650, SOUTH_M + 650),
    ]
    hr = lonlat_box(WEST_M - 50, SOUTH_M - 50, WEST_M + 650, SOUTH_M + 650)
    cells, hits = whole_cells(S2_NAIP, geometries(*lr), geometries(hr), np.array([[0, 0], [1, 0]]))
    assert len(cells) == 0
    assert hits.shape == (2, 0)


def test_over_the_antimeridian_each_half_of_a_split_footprint_counts() -> None:
    halves = [shapely.box(179.9, 10.0, 180.0, 10.1), shapely.box(-180.0, 10.0, -179.9, 10.1)]
    both = shapely.MultiPolygon(halves)
    cells, _ = whole_cells(S2_NAIP, geometries(both), geometries(both), ONE)
    assert set(cells.epsg.tolist()) == {32660, 32601}
    over = np.array([g.geom_type == "MultiPolygon" for g in squares(cells, 600.0)])
    assert over.any()
    assert crosses_zone_edge(cells, 600.0)[over].all()
    alone, _ = whole_cells(S2_NAIP, geometries(both), geometries(halves[0]), ONE)
    assert keys(alone) == {
        key for key, o in zip(sorted_keys(cells), over, strict=True) if not o and key[0] == 32660
    }


def sorted_keys(cells: Cells) -> list[tuple[int, int, int]]:
    columns = (cells.epsg, cells.x_m, cells.y_m)
    return [tuple(int(v) for v in key) for key in zip(*columns, strict=True)]


def test_crossing_a_zones_edge() -> None:
    strip = (-102.05, 40.0, -101.95, 40.05)
    cells = cells_in_box(S2_NAIP, strip)
    crossing = crosses_zone_edge(cells, 600.0)
    west, _, east, _ = shapely.bounds(squares(cells, 600.0)).T
    assert (crossing == ((west < -102) & (east > -102))).all()
    assert crossing.any()
    inside = cells.take(~crossing)
    ground = squares(inside, 600.0)
    tree = shapely.STRtree(ground)
    a, b = tree.query(ground, predicate="intersects")
    common = shapely.area(shapely.intersection(ground[a], ground[b]))
    # Neighbours on the grid share an edge, whose two curves differ by rounding only.
    assert common[a != b].max() < 1e-6 * shapely.area(ground).min()


def test_no_sites_beyond_utm() -> None:
    assert len(cells_in_box(S2_NAIP, (10.0, 84.5, 10.2, 85.0))) == 0
    assert len(cells_in_box(S2_NAIP, (10.0, -85.0, 10.2, -80.5))) == 0


def test_squares_follow_the_curve_of_their_edges() -> None:
    cells = cells_in_box(MODIS_LANDSAT8, (-105.0, 59.5, -104.0, 60.0))
    coarse = squares(cells, 30_000.0)
    to_utm = Transformer.from_crs(4326, 32613, always_xy=True)
    for polygon, x, y in zip(coarse, cells.x_m, cells.y_m, strict=True):
        fine = shapely.segmentize(polygon, 1e-3)
        back = shapely.transform(fine, to_utm.transform, interleaved=False)
        true = shapely.box(x, y, x + 30_000, y + 30_000)
        assert shapely.hausdorff_distance(back, true) < 0.1
