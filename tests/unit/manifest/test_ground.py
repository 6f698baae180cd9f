"""Distances and overlaps of ground, against pyproj's geodesics and planes, and brute force."""

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from manifest_world import lonlat_box
from pyproj import Geod, Transformer

from geosr_lake.manifest.ground import Ground, compared, earth_centred, least_distance, within

WGS84 = Geod(ellps="WGS84")


def squares(*corners: tuple[float, float], size_m: float = 600.0, epsg: int = 32613) -> Ground:
    shapes = [lonlat_box(x, y, x + size_m, y + size_m, epsg) for x, y in corners]
    return Ground(np.array(shapes, dtype=object))


def turned(shape: shapely.Geometry, by: float) -> shapely.Geometry:
    """The shape moved east by some degrees, split where that takes it over 180 degrees."""
    moved = shapely.transform(shape, lambda c: c + np.array([by, 0.0]))
    parts = [shapely.intersection(moved, shapely.box(-180, -90, 180, 90))]
    beyond = shapely.intersection(moved, shapely.box(180, -90, 540, 90))
    if not beyond.is_empty:
        parts.append(shapely.transform(beyond, lambda c: c - np.array([360.0, 0.0])))
    return shapely.union_all([p for p in parts if not p.is_empty])


def in_pyprojs_plane(a: shapely.Geometry, b: shapely.Geometry) -> tuple[float, float]:
    """Distance and shared area in an azimuthal plane between the two; neither crosses 180."""
    middle = shapely.union_all([a, b]).centroid
    plane = f"+proj=aeqd +lat_0={middle.y} +lon_0={middle.x} +ellps=WGS84"
    there = Transformer.from_crs(4326, plane, always_xy=True).transform
    a, b = (shapely.transform(g, there, interleaved=False) for g in (a, b))
    return shapely.distance(a, b), shapely.area(shapely.intersection(a, b))


def test_the_ellipsoid_is_that_of_pyproj() -> None:
    lon, lat = np.array([-105.0, 0.0, 179.5, 12.0]), np.array([40.0, -89.9, 0.0, 71.2])
    there = Transformer.from_crs(4979, 4978, always_xy=True)
    expected = np.stack(there.transform(lon, lat, np.zeros(4)), axis=1)
    np.testing.assert_allclose(earth_centred(lon, lat), expected, atol=1e-6)


@pytest.mark.parametrize("lat", [-65.0, 0.0, 40.0, 83.0])
@pytest.mark.parametrize("gap_m", [0.5, 60.0, 5_000.0, 90_000.0])
def test_a_gap_is_as_long_as_the_geodesic(lat: float, gap_m: float) -> None:
    lon, south, _ = WGS84.fwd(10.0, lat, 0.0, gap_m)
    assert lon == pytest.approx(10.0)
    below = shapely.box(9.99, lat - 0.005, 10.01, lat)
    above = shapely.box(9.99, south, 10.01, south + 0.005)
    metres, overlap = compared(
        Ground(np.array([below])), Ground(np.array([above])), np.array([0]), np.array([0])
    )
    # An edge along a parallel bulges towards the pole against a straight line: 0.7 m over 1.5 km.
    assert metres[0] == pytest.approx(gap_m, rel=1e-3, abs=1.0)
    assert not overlap[0]


def test_neighbours_touch_and_do_not_overlap() -> None:
    ground = squares((480_000, 4_400_400), (480_600, 4_400_400), (480_599, 4_401_000))
    metres, overlap = compared(ground, ground, np.array([0, 0, 1]), np.array([1, 2, 2]))
    np.testing.assert_allclose(metres, 0.0, atol=1e-3)
    assert overlap.tolist() == [False, False, False]


def test_a_strip_of_a_centimetre_is_an_overlap() -> None:
    ground = squares((480_000, 4_400_400), (480_599.99, 4_400_400))
    _, overlap = compared(ground, ground, np.array([0]), np.array([1]))
    assert overlap[0]


@pytest.mark.parametrize(
    "middle", [*(pytest.param(n, marks=pytest.mark.slow) for n in (0.0, 179.9999)), 180.0]
)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_pieces_are_found_wherever_they_lie(middle: float, data: st.DataObject) -> None:
    """The same pieces at Greenwich, where pyproj compares them, and over the antimeridian."""
    lat = data.draw(st.floats(-78, 82))
    away = st.tuples(st.floats(-0.05, 0.05), st.floats(-0.03, 0.03), st.floats(0.001, 0.02))
    spots = data.draw(st.lists(away, min_size=2, max_size=7))
    plain = [shapely.box(x - r, lat + y - r, x + r, lat + y + r) for x, y, r in spots]
    ground = Ground(np.array([turned(shape, middle) for shape in plain], dtype=object))
    most_m = data.draw(st.floats(0, 4_000))
    seen = {}
    for i, j in within(ground, ground, most_m):
        metres, overlap = compared(ground, ground, i, j)
        seen |= {(int(a), int(b)): (m, o) for a, b, m, o in zip(i, j, metres, overlap, strict=True)}
    for a in range(len(plain)):
        for b in range(a + 1, len(plain)):
            expected, shared = in_pyprojs_plane(plain[a], plain[b])
            if expected <= most_m:
                assert (a, b) in seen
            if (a, b) in seen:
                metres, overlap = seen[a, b]
                assert metres == pytest.approx(expected, rel=1e-4, abs=0.2)
                smaller = min(in_pyprojs_plane(g, g)[1] for g in (plain[a], plain[b]))
                if not 1e-7 < shared / smaller < 1e-5:
                    assert overlap == (shared > 1e-6 * smaller)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 300), st.integers(0, 300)), min_size=1, max_size=12),
    st.lists(st.tuples(st.integers(0, 300), st.integers(0, 300)), min_size=1, max_size=12),
)
def test_the_least_distance_is_that_of_brute_force(
    one: list[tuple[int, int]], two: list[tuple[int, int]]
) -> None:
    a, b = (
        squares(*((300_000 + 600 * x, 4_000_200 + 600 * y) for x, y in spots))
        for spots in (one, two)
    )
    i, j = (g.ravel() for g in np.indices((len(a), len(b))))
    every, _ = compared(a, b, i, j)
    found = least_distance(a, b)
    assert found is not None
    metres, at_a, at_b = found
    assert metres == pytest.approx(every.min(), abs=1e-6)
    assert every[at_a * len(b) + at_b] == metres


def test_nothing_is_no_distance() -> None:
    none = Ground(np.array([], dtype=object))
    assert least_distance(none, squares((480_000, 4_400_400))) is None
    assert list(within(none, none, 100.0)) == []


def test_pieces_at_a_pole_are_compared() -> None:
    cap = shapely.box(-180, 89.9, 180, 90)
    ring = shapely.box(10, 89.5, 20, 89.8)
    ground = Ground(np.array([shapely.segmentize(cap, 1.0), shapely.segmentize(ring, 1.0)]))
    least = least_distance(Ground(ground.footprints[:1]), Ground(ground.footprints[1:]))
    assert least is not None
    assert least[0] == pytest.approx(0.1 * 111_694, rel=1e-3)
