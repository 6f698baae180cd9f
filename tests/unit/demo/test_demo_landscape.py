import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from geosr_lake.demo.landscape import (
    Landscape,
    box_means,
    overlap_areas,
    polygon_areas,
    polygon_means,
)

BANDS = ("red", "nir")


def some_landscape(seed: int = 0, count: int = 60) -> Landscape:
    rng = np.random.default_rng(seed)
    low = rng.uniform(-20, 110, (count, 2))
    bounds = np.concatenate([low, low + rng.uniform(0.1, 60, (count, 2))], axis=1)
    return Landscape(
        bounds=bounds,
        delta=rng.normal(0, 0.1, (count, len(BANDS))),
        band_names=BANDS,
        zones=np.array([[0.0, 0.0, 50.0, 100.0], [50.0, 0.0, 100.0, 100.0]]),
        zone_class=np.array([12, 13], dtype=np.uint8),
        extent=(0.0, 0.0, 100.0, 100.0),
    )


def shared_area(landscape: Landscape, shape: shapely.Polygon, band: int) -> float:
    boxes = shapely.box(*landscape.bounds.T)
    return float(
        (shapely.area(shapely.intersection(boxes, shape)) * landscape.delta[:, band]).sum()
    )


def test_cells_agree_with_areas_that_shapely_measures():
    land = some_landscape()
    x, y = np.linspace(0, 100, 8), np.linspace(10, 90, 6)
    means = land.mean(x, y, BANDS)
    for row in range(5):
        for column in range(7):
            cell = shapely.box(x[column], y[row], x[column + 1], y[row + 1])
            for band in range(2):
                expected = shared_area(land, cell, band) / cell.area
                assert means[band, row, column] == pytest.approx(expected, abs=1e-12)


def test_cells_agree_with_brute_force_sampling():
    land = some_landscape(3, 25)
    edges = np.linspace(0, 100, 5)
    points = (np.arange(2000) + 0.5) / 20.0
    value = np.zeros((2000, 2000))
    for (x0, y0, x1, y1), delta in zip(land.bounds, land.delta[:, 0], strict=True):
        inside_x, inside_y = (points >= x0) & (points < x1), (points >= y0) & (points < y1)
        value += delta * inside_y[:, None] * inside_x[None, :]
    sampled = value.reshape(4, 500, 4, 500).mean(axis=(1, 3))
    assert np.abs(land.mean(edges, edges, ("red",))[0] - sampled).max() < 2e-3


def test_edges_that_run_down_give_rows_from_the_north():
    land = some_landscape(1)
    x, y = np.linspace(0, 100, 11), np.linspace(0, 100, 21)
    up, down = land.mean(x, y, BANDS), land.mean(x, y[::-1], BANDS)
    np.testing.assert_array_equal(up[:, ::-1], down)


def test_large_cells_are_the_mean_of_small_ones():
    land = some_landscape(2)
    fine = land.mean(np.linspace(0, 100, 41), np.linspace(0, 100, 41), BANDS)
    coarse = land.mean(np.linspace(0, 100, 11), np.linspace(0, 100, 11), BANDS)
    np.testing.assert_allclose(
        fine.reshape(2, 10, 4, 10, 4).mean(axis=(2, 4)), coarse, rtol=0, atol=1e-12
    )


def test_uneven_cells_and_edges_on_rectangles():
    bounds, weights = np.array([[2.0, 1.0, 6.0, 3.0]]), np.array([[0.5]])
    means = box_means(bounds, weights, np.array([0.0, 2.0, 3.0, 8.0]), np.array([1.0, 2.0, 5.0]))
    expected = [[0.0, 0.5, 0.5 * 3 / 5], [0.0, 0.5 / 3, 0.5 * 3 / 5 / 3]]
    np.testing.assert_allclose(means[0], expected, atol=1e-15)


def test_more_rows_than_one_strip(monkeypatch):
    land = some_landscape(4)
    x, y = np.linspace(0, 100, 7), np.linspace(0, 100, 101)
    whole = land.mean(x, y, BANDS)
    monkeypatch.setattr("geosr_lake.demo.landscape._STRIP_CELLS", 1)
    np.testing.assert_allclose(land.mean(x, y, BANDS), whole, atol=1e-13)


@given(seed=st.integers(0, 10_000), corners=st.integers(3, 6))
def test_convex_polygons_agree_with_shapely(seed, corners):
    rng = np.random.default_rng(seed)
    turn = np.sort(rng.uniform(0, 2 * np.pi, corners))
    ring = np.stack([np.cos(turn), np.sin(turn)], axis=1) * rng.uniform(1, 40) + rng.uniform(
        -20, 20, 2
    )
    low = rng.uniform(-40, 30, 2)
    box = np.concatenate([low, low + rng.uniform(0.5, 50, 2)])
    expected = shapely.Polygon(ring).intersection(shapely.box(*box)).area
    for way in (ring, ring[::-1]):
        area = overlap_areas(way[None], box[None])[0]
        assert area == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    "ring",
    [
        [(0, 0), (4, 0), (4, 4), (0, 4)],  # the rectangle itself
        [(1, 1), (3, 1), (3, 3), (1, 3)],  # within
        [(-9, -9), (9, -9), (9, 9), (-9, 9)],  # around
        [(4, 0), (8, 0), (8, 4), (4, 4)],  # touching
        [(2, -3), (7, 2), (2, 7), (-3, 2)],  # a lozenge through the corners
        [(0, 0), (4, 0), (4, 4), (4, 4)],  # a corner twice
    ],
)
def test_polygons_that_share_edges_with_a_rectangle(ring):
    expected = shapely.Polygon(ring).buffer(0).intersection(shapely.box(0, 0, 4, 4)).area
    area = overlap_areas(np.array([ring], dtype=float), np.array([[0.0, 0.0, 4.0, 4.0]]))
    assert area[0] == pytest.approx(expected, abs=1e-12)


def test_polygon_means_at_large_coordinates():
    move = np.array([5e5, 4.3e6])
    land = some_landscape(5).shifted(*move)
    ring = np.array([[10.0, 12.0], [70.0, 20.0], [85.0, 66.0], [25.0, 60.0]]) + move
    expected = shared_area(land, shapely.Polygon(ring), 1) / shapely.Polygon(ring).area
    assert land.mean_over_polygons(ring[None], ("nir",))[0, 0] == pytest.approx(expected, abs=1e-10)
    assert polygon_areas(ring[None])[0] == pytest.approx(shapely.Polygon(ring).area, rel=1e-9)


def test_polygons_that_are_cells_agree_with_cells():
    land = some_landscape(6)
    edges = np.linspace(0, 100, 6)
    x, y = np.meshgrid(edges, edges)
    nodes = np.stack([x, y], axis=-1)
    rings = np.stack([nodes[:-1, :-1], nodes[:-1, 1:], nodes[1:, 1:], nodes[1:, :-1]], axis=2)
    means = polygon_means(land.bounds, land.delta, rings.reshape(-1, 4, 2)).reshape(2, 5, 5)
    np.testing.assert_allclose(means, land.mean(edges, edges, BANDS), atol=1e-12)


def test_within_changes_nothing_inside():
    land = some_landscape(7, 200)
    part = land.within((20.0, 30.0, 60.0, 70.0))
    assert len(part.bounds) < len(land.bounds)
    x, y = np.linspace(20, 60, 9), np.linspace(30, 70, 5)
    np.testing.assert_allclose(part.mean(x, y, BANDS), land.mean(x, y, BANDS), atol=1e-13)


def test_a_shift_moves_the_ground_east_and_north():
    land = some_landscape(8)
    x, y = np.linspace(0, 100, 11), np.linspace(0, 100, 11)
    moved = land.shifted(10.0, -20.0)
    np.testing.assert_allclose(
        moved.mean(x + 10, y - 20, BANDS), land.mean(x, y, BANDS), atol=1e-12
    )
    assert moved.extent == (10.0, -20.0, 110.0, 80.0)


def test_class_fractions():
    fraction = some_landscape().class_fraction([0.0, 40.0, 80.0], [0.0, 10.0], 13)
    np.testing.assert_allclose(fraction, [[0.0, 0.75]], atol=1e-15)


def test_an_unknown_band_is_refused():
    with pytest.raises(ValueError, match="thermal"):
        some_landscape().mean([0.0, 1.0], [0.0, 1.0], ("thermal",))
