import numpy as np
import pytest
import shapely

from geosr_lake.demo import lots, places, urban
from geosr_lake.demo.sketch import Sketch
from geosr_lake.demo.spectra import BANDS, spectrum


def quarters(count=12, x0=520_000.0, y0=4_318_000.0):
    x, y = np.meshgrid(x0 + 800 * np.arange(count), y0 + 800 * np.arange(count))
    corner = np.stack([x.ravel(), y.ravel()], axis=1)
    return np.concatenate([corner, corner + 791.0], axis=1)


def drawn(pieces, close=()):
    sketch = Sketch()
    prairie = spectrum("prairie")
    outer = np.concatenate([pieces[:, :2].min(0), pieces[:, 2:].max(0)])
    sketch.paint(outer[None], prairie, np.zeros_like(prairie))
    urban.draw(sketch, pieces, np.array(close).reshape(-1, 4), 0)
    sketch.zone(pieces, 13)
    return sketch.landscape(tuple(outer))


def test_a_town_has_homes_halls_a_centre_and_parks():
    kinds = urban._kinds(quarters(30, 514_500, 4_312_000), 0)
    share = np.bincount(kinds, minlength=4) / len(kinds)
    assert share[urban._HOMES] > 0.5
    assert (share > 0.005).all()


def test_the_centre_lies_in_the_middle():
    pieces = quarters(30, 514_500, 4_312_000)
    centre = pieces[urban._kinds(pieces, 0) == urban._CENTRE]
    town = places.TOWNS[0]
    away = np.abs(centre[:, :2] + 395 - [town.x_m, town.y_m])
    assert (away[:, 0] < town.reach_x_m / 2).all()
    assert (away[:, 1] < town.reach_y_m / 2).all()


def test_towns_are_built_up_inside_and_open_outside():
    x = np.array([town.x_m for town in places.TOWNS])
    y = np.array([town.y_m for town in places.TOWNS])
    assert (places.built_up(x, y) == 1.0).all()
    assert places.built_up(np.array([475_000.0]), np.array([4_340_000.0]))[0] < 0


def test_reflectance_stays_physical_in_a_town():
    pieces = quarters(4)
    close = [(520_300.0, 4_318_300.0, 521_500.0, 4_319_500.0)]
    land = drawn(pieces, close)
    x, y = np.arange(520_000.0, 523_100.0, 3.0), np.arange(4_318_000.0, 4_321_100.0, 3.0)
    assert land.mean(x, y, BANDS).min() > 0
    x, y = np.arange(520_300.0, 521_500.0, 0.6), np.arange(4_318_300.0, 4_319_500.0, 0.6)
    seen = land.mean(x, y, ("blue", "red", "nir", "swir22"))
    assert seen.min() > 0
    # Roofs, streets, lawns and trees: much texture where houses are drawn.
    assert seen[1].std() > 0.03


def test_small_pieces_become_parks():
    kinds = urban._kinds(np.array([[520_000.0, 4_318_000.0, 520_090.0, 4_318_700.0]]), 0)
    assert kinds.tolist() == [urban._PARK]


def test_houses_seen_from_afar_stay_in_their_block():
    blocks = np.array([[0.0, 0.0, 190.0, 68.0], [300.0, 0.0, 368.0, 190.0]])
    turned = np.array([False, True])
    strips = urban._houses_of(blocks, turned, 0)
    assert (strips[:, :2] >= blocks[:, :2]).all()
    assert (strips[:, 2:] <= blocks[:, 2:]).all()
    assert (strips[0, 2] - strips[0, 0], strips[1, 3] - strips[1, 1]) == (190.0, 190.0)


@pytest.mark.parametrize(
    ("turned", "upper", "expected"),
    [
        (False, False, (102.0, 203.0, 106.0, 208.0)),
        (False, True, (102.0, 222.0, 106.0, 227.0)),
        (True, False, (103.0, 202.0, 108.0, 206.0)),
        (True, True, (112.0, 202.0, 117.0, 206.0)),
    ],
)
def test_lots_turn_and_mirror_what_stands_on_them(turned, upper, expected):
    box = np.array([[100.0, 200.0, 120.0, 230.0]])
    lot = lots._Lots(box, np.array([turned]), np.array([upper]))
    assert lot.along[0] == (30.0 if turned else 20.0)
    placed = lot.place(*(np.array([value]) for value in (2.0, 3.0, 4.0, 5.0)))
    assert tuple(placed[0]) == expected


def test_what_stands_on_lots_stays_within_them():
    box = np.array([[100.0, 200.0, 120.0, 230.0]])
    lot = lots._Lots(box, np.array([False]), np.array([False]))
    placed = lot.place(np.array([15.0]), np.array([-4.0]), np.array([50.0]), np.array([99.0]))
    assert tuple(placed[0]) == (115.0, 200.0, 120.0, 230.0)


def test_a_block_of_houses_changes_nothing_around_it():
    block = np.array([[0.0, 0.0, 190.0, 68.0]])
    yard, sketch = spectrum("lawn")[None], Sketch()
    sketch.zone(block, 13)
    sketch.paint(np.array([[-100.0, -100.0, 300.0, 200.0]]), yard, np.zeros_like(yard))
    lots.draw_lots(sketch, block, yard, np.array([False]), 0)
    land = sketch.landscape((-100.0, -100.0, 300.0, 200.0))
    ground = shapely.box(*block[0]).buffer(1e-6)
    assert all(ground.contains(shapely.box(*box)) for box in land.bounds[1:])
    assert len(land.bounds) > 200
    houses = land.mean(np.arange(0, 191, 1.0), np.arange(0, 69, 1.0), ("red",))[0]
    assert houses.min() > 0
    assert houses.std() > 0.04


def test_no_blocks_draw_nothing():
    sketch = Sketch()
    lots.draw_lots(sketch, np.empty((0, 4)), np.empty((0, 13)), np.empty(0, dtype=bool), 0)
    assert sketch._bounds == []
