"""How far footprints cover each other: against GEOS, arithmetic and geodesic areas."""

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from pairs_oracle import geodesic_m2

from geosr_lake.pairs import overlap
from geosr_lake.pairs.area import area_m2
from geosr_lake.pairs.overlap import overlap_frac
from geosr_lake.pairs.rings import MOST_SIDES, Rings, half_planes


def array(*geometries: shapely.Geometry) -> np.ndarray:
    return np.array(geometries, dtype=object)


def shares(lr: np.ndarray, hr: np.ndarray) -> np.ndarray:
    """Each LR footprint with the HR footprint beside it."""
    return overlap_frac(lr, hr, np.arange(len(lr)), np.arange(len(hr)))


def by_geos(lr: np.ndarray, hr: np.ndarray) -> np.ndarray:
    return area_m2(shapely.intersection(lr, hr)) / area_m2(hr)


def test_overlap_of_edges_and_corners_is_zero() -> None:
    square = shapely.box(0, 0, 1, 1)
    edge, corner = shapely.box(1, 0, 2, 1), shapely.box(1, 1, 2, 2)
    assert shares(array(square, square), array(edge, corner)).tolist() == [0, 0]


def test_overlap_of_a_covered_footprint_is_exactly_one() -> None:
    rng = np.random.default_rng(3)
    corner = rng.uniform(-40, 40, (500, 2))
    hr = shapely.buffer(shapely.points(corner), rng.uniform(0.01, 3, 500), quad_segs=3)
    lr = shapely.buffer(hr, 0.5)
    assert set(shares(lr, hr)) == {1.0}
    assert set(shares(hr, hr)) == {1.0}


def test_overlap_is_the_share_of_the_hr_footprint() -> None:
    lr, hr = shapely.box(0, 0, 1, 1), shapely.box(0.5, 0, 4.5, 1)
    assert shares(array(lr), array(hr))[0] == pytest.approx(1 / 8, abs=1e-9)
    assert shares(array(hr), array(lr))[0] == pytest.approx(1 / 2, abs=1e-9)


def test_planar_degrees_would_be_wrong() -> None:
    """A scene that spans many latitudes: the northern half is less than half of it."""
    hr, north = shapely.box(0, 50, 10, 70), shapely.box(0, 60, 10, 70)
    share = shares(array(north), array(hr))[0]
    assert share == pytest.approx(geodesic_m2(north) / geodesic_m2(hr), abs=1e-6)
    assert share < 0.43


coordinate = st.integers(-6, 6).map(lambda n: n / 2)
few_points = st.lists(st.tuples(coordinate, coordinate), min_size=3, max_size=9)


def polygons(points: list[tuple[float, float]]) -> np.ndarray:
    """A polygon around the points, and what their ring encloses: often bent, apart, with holes."""
    ring = shapely.make_valid(shapely.Polygon(points))
    hull = shapely.MultiPoint(points).convex_hull
    corners = shapely.get_coordinates(hull)
    again = shapely.Polygon(corners.repeat(2, axis=0)) if len(corners) > 3 else hull
    found = array(hull, again, ring)
    return found[area_m2(found) > 0]


@given(few_points, few_points, st.booleans())
@settings(max_examples=300, deadline=None)
def test_shares_are_those_of_geos(
    lr_points: list[tuple[float, float]], hr_points: list[tuple[float, float]], reverse: bool
) -> None:
    """On a coarse grid: corners on edges, edges on edges, equal footprints, bent ones, holes."""
    lr, hr = polygons(lr_points), polygons(hr_points)
    at = np.divmod(np.arange(len(lr) * len(hr)), max(1, len(hr)))
    hr = shapely.reverse(hr) if reverse else hr
    expected = by_geos(lr[at[0]], hr[at[1]])
    assert overlap_frac(lr, hr, *at) == pytest.approx(expected, abs=2e-9)


def convex(*geometries: shapely.Geometry) -> list[bool]:
    found, planes = half_planes(Rings.of_polygons(array(*geometries)))
    assert planes[~found].any() == np.False_
    return found.tolist()


def test_which_polygons_are_convex() -> None:
    box, bent = shapely.box(0, 0, 1, 1), shapely.Polygon([(0, 0), (2, 0), (2, 2), (1, 0.5)])
    many = [shapely.Point(0, 0).buffer(1, quad_segs=n) for n in (MOST_SIDES // 4, MOST_SIDES)]
    holed = shapely.box(0, 0, 3, 3).difference(shapely.box(1, 1, 2, 2))
    halved = shapely.Polygon([(0, 0), (0.5, 0), (1, 0), (1, 1), (0, 1)])
    twice = shapely.Polygon([(0, 0), (0, 0), (1, 0), (1, 0), (1, 0), (1, 1), (0, 1), (0, 0)])
    assert convex(box, box.reverse(), many[0], halved, twice) == [True] * 5
    assert convex(bent, many[1], holed, shapely.union(box, shapely.box(5, 5, 6, 6))) == [False] * 4
    assert convex(shapely.Point(0, 0), bent, box) == [False, False, True]
    # Between a point and itself there is no turn: the one around both counts.
    bent_twice = shapely.Polygon([(0, 0), (2, 0), (2, 2), (1, 0.5), (1, 0.5), (0, 0)])
    assert bent_twice.is_valid
    assert convex(bent_twice) == [False]
    assert shares(array(shapely.box(-1, -1, 1.5, 3)), array(bent_twice)) == pytest.approx(
        by_geos(array(shapely.box(-1, -1, 1.5, 3)), array(bent)), abs=2e-9
    )


def test_geos_is_asked_where_the_hr_footprint_is_not_convex(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    box, bent = shapely.box(0, 0, 1, 1), shapely.Polygon([(0, 0), (2, 0), (2, 2), (1, 0.5)])
    asked: list[int] = []
    intersection = shapely.intersection
    monkeypatch.setattr(
        *(overlap.shapely, "intersection"),
        lambda lr, hr: asked.append(len(lr)) or intersection(lr, hr),
    )
    found = shares(array(bent, box, box), array(box, bent, box))
    assert asked == [1]
    assert found == pytest.approx(by_geos(array(bent, box, box), array(box, bent, box)), abs=2e-9)


@pytest.mark.parametrize("at_once", [1, 300])
def test_pieces_make_no_difference(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    lr = outlines(3, 9, 70)
    at, hr = around(lr, 4)
    whole = overlap_frac(lr, hr, at, np.arange(len(hr)))
    monkeypatch.setattr(overlap, "POINTS_AT_ONCE", at_once)
    assert overlap_frac(lr, hr, at, np.arange(len(hr))).tolist() == whole.tolist()


def outlines(seed: int, count: int, vertices: int) -> np.ndarray:
    """Rings around places of two tiles' size, and one of two parts."""
    rng = np.random.default_rng(seed)
    turn = np.linspace(0, 2 * np.pi, vertices, endpoint=False)
    middles = rng.uniform((-178, -60), (178, 60), (count, 1, 2)).round(1)
    reach = rng.uniform(0.5, 2, (count, 1, 1)) * rng.uniform(0.9, 1.1, (count, vertices, 1))
    rings = middles + reach * np.column_stack([np.cos(turn), np.sin(turn)])
    found = shapely.make_valid(shapely.polygons(rings))
    return np.append(found, shapely.union_all(found[:2]))


def around(lr: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Quads that cross the footprints' edges, touch whole degrees, or lie outside."""
    rng = np.random.default_rng(seed)
    at = rng.integers(0, len(lr), 200)
    west, south, east, north = shapely.bounds(lr[at]).T
    x, y = rng.uniform(west - 0.5, east), rng.uniform(south - 0.5, north)
    size = rng.uniform(0.1, 1.5, len(at))
    boxes = shapely.box(x, y, x + size, y + size)
    degrees = shapely.box(np.floor(x), np.floor(y), np.floor(x) + 1, np.floor(y) + 1)
    return at, np.where(rng.random(len(at)) < 0.3, degrees, boxes)


@pytest.mark.parametrize("seed", range(5))
def test_of_many_vertices_only_those_nearby_are_asked_to_the_same_share(seed: int) -> None:
    lr = outlines(seed, 9, 300)
    at, hr = around(lr, seed)
    hr_at = np.arange(len(hr))
    found = overlap_frac(lr, hr, at, hr_at)
    assert found == pytest.approx(by_geos(lr[at], hr), abs=2e-9)
    assert ((found > 0) & (found < 1)).sum() > 50
    cut, place = overlap._cut(lr, hr, at, hr_at)
    vertices = shapely.get_num_coordinates
    assert vertices(cut[place]).mean() < 0.8 * vertices(lr[at]).mean()


def test_a_share_is_the_same_to_the_last_bit_in_any_company() -> None:
    lr = outlines(7, 9, 300)
    at, hr = around(lr, 8)
    hr = np.where(np.arange(len(hr)) % 5, hr, shapely.buffer(hr, 0.1))
    together = overlap_frac(lr, hr, at, np.arange(len(hr)))
    for i, share in enumerate(together.tolist()):
        assert shares(lr[at[i : i + 1]], hr[i : i + 1])[0] == share
