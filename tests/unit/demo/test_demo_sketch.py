import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from geosr_lake.demo import spectra
from geosr_lake.demo.sketch import (
    Sketch,
    blend,
    choose,
    clipped,
    cut,
    cut_all,
    disjoint,
    grid_in,
    inset,
    scatter,
    sprinkle,
    touches,
    uniform,
)

boxes_of = st.lists(
    st.tuples(*(st.integers(0, 20) for _ in range(2)), *(st.integers(1, 12) for _ in range(2))),
    min_size=1,
    max_size=8,
).map(lambda rows: [(float(x), float(y), float(x + w), float(y + h)) for x, y, w, h in rows])


def union_area(boxes):
    return shapely.union_all([shapely.box(*box) for box in boxes]).area


def test_noise_hangs_on_places_alone():
    boxes = np.random.default_rng(0).uniform(0, 1e6, (5000, 4)).round(1)
    numbers = uniform(boxes, 7, 3)
    np.testing.assert_array_equal(numbers[::-1], uniform(boxes[::-1], 7, 3))
    assert 0 <= numbers.min() < 0.01
    assert 0.99 < numbers.max() < 1
    assert numbers.mean() == pytest.approx(0.5, abs=0.02)
    for other in (uniform(boxes, 8, 3), uniform(boxes, 7, 4), uniform(boxes + 0.1, 7, 3)):
        assert abs(np.corrcoef(numbers, other)[0, 1]) < 0.05


def test_noise_is_the_same_on_every_machine():
    boxes = np.array([[0.0, 0.0, 10.0, 20.0], [500_000.5, 4_300_000.0, 500_600.5, 4_300_600.0]])
    expected = [0.7639615230407779, 0.11736575361256851]
    np.testing.assert_allclose(uniform(boxes, 0, 1), expected, rtol=0, atol=0)


@given(boxes=boxes_of)
def test_disjoint_rectangles_cover_the_same_ground_once(boxes):
    parts = disjoint(boxes)
    assert sum(shapely.box(*p).area for p in parts) == pytest.approx(union_area(boxes))
    assert union_area(parts) == pytest.approx(union_area(boxes))


@given(boxes=boxes_of)
def test_cutting_leaves_what_the_holes_do_not_cover(boxes):
    whole, *holes = boxes
    left = cut(whole, holes)
    expected = shapely.box(*whole)
    for hole in holes:
        expected = expected.difference(shapely.box(*hole))
    assert sum(shapely.box(*p).area for p in left) == pytest.approx(expected.area)


def test_cutting_many_names_the_origin_of_each_piece():
    boxes = np.array([[0.0, 0.0, 10.0, 10.0], [20.0, 0.0, 30.0, 10.0], [40.0, 0.0, 41.0, 1.0]])
    holes = np.array([[22.0, 2.0, 24.0, 4.0], [39.0, -1.0, 42.0, 2.0]])
    pieces, origin = cut_all(boxes, holes)
    assert sorted(set(origin.tolist())) == [0, 1]
    areas = [shapely.area(shapely.box(*pieces[origin == k].T)).sum() for k in (0, 1)]
    assert areas == [100.0, 96.0]


def test_insets_never_turn_inside_out():
    boxes = np.array([[0.0, 0.0, 10.0, 4.0]])
    assert inset(boxes, 1.0).tolist() == [[1.0, 1.0, 9.0, 3.0]]
    assert inset(boxes, 5.0).tolist() == [[2.0, 2.0, 8.0, 2.0]]


def test_a_grid_fills_its_rectangle():
    boxes = np.array([[0.0, 0.0, 100.0, 30.0], [200.0, 0.0, 205.0, 5.0]])
    cells, owner = grid_in(boxes, np.array([24.0, 50.0]), np.array([np.inf, 50.0]))
    assert owner.tolist() == [0, 0, 0, 0, 1]
    assert cells[:4, 0].tolist() == [0.0, 25.0, 50.0, 75.0]
    assert cells[4].tolist() == boxes[1].tolist()


def test_sprinkled_squares_meet_neither_each_other_nor_the_edge():
    boxes = np.array([[0.0, 0.0, 80.0, 60.0], [100.0, 0.0, 103.0, 3.0]])
    squares, owner = sprinkle(boxes, 10.0, (2.0, 8.0), 0, 1, 0.8)
    assert 20 < len(squares) <= 48 + 1
    union = shapely.union_all(shapely.box(*squares.T))
    assert union.area == pytest.approx(shapely.area(shapely.box(*squares.T)).sum())
    assert (squares[:, :2] >= boxes[owner, :2]).all()
    assert (squares[:, 2:] <= boxes[owner, 2:]).all()


def test_scattered_rectangles_stay_within():
    boxes = np.array([[0.0, 0.0, 50.0, 8.0]])
    spots, owner = scatter(boxes, np.array([200]), 2.0, 30.0, 1, 5)
    assert len(spots) == len(owner) == 200
    assert (spots[:, :2] >= boxes[0, :2]).all()
    assert (spots[:, 2:] <= boxes[0, 2:] + 1e-9).all()


def test_clipping_to_windows():
    boxes = np.array([[0.0, 0.0, 10.0, 10.0], [20.0, 20.0, 30.0, 30.0]])
    parts, owner = clipped(boxes, np.array([[5.0, 5.0, 25.0, 25.0]]))
    assert parts.tolist() == [[5.0, 5.0, 10.0, 10.0], [20.0, 20.0, 25.0, 25.0]]
    assert owner.tolist() == [0, 1]
    assert len(clipped(boxes, np.empty((0, 4)))[0]) == 0
    assert touches(boxes, np.array([[10.0, 0.0, 12.0, 5.0]])).tolist() == [False, False]


def test_painting_covers_and_tinting_scales():
    sketch = Sketch()
    soil, water = spectra.spectrum("soil"), spectra.spectrum("water")
    sketch.paint(np.array([[0.0, 0.0, 10.0, 10.0]]), soil, np.zeros_like(soil))
    sketch.paint(np.array([[0.0, 0.0, 5.0, 10.0]]), water, soil)
    sketch.tint(np.array([[5.0, 0.0, 10.0, 10.0]]), soil, np.array([0.5]))
    sketch.zone(np.array([[0.0, 0.0, 10.0, 10.0]]), 12)
    land = sketch.landscape((0.0, 0.0, 10.0, 10.0))
    seen = land.mean([0.0, 5.0, 10.0], [0.0, 10.0], spectra.BANDS)[:, 0]
    np.testing.assert_allclose(seen[:, 0], water, atol=1e-7)
    np.testing.assert_allclose(seen[:, 1], 0.5 * soil, atol=1e-7)


def test_blends_and_choices():
    half = blend(spectra.material("soil"), spectra.material("corn"), 0.5, 2.0)
    both = spectra.spectrum("soil") + spectra.spectrum("corn")
    np.testing.assert_allclose(half, both[None])
    rows = choose(np.array([0.0, 0.29, 0.31, 0.99]), ("soil", "corn"), (0.3, 0.7))
    assert [spectra.MATERIALS[row] for row in rows] == ["soil", "soil", "corn", "corn"]
