import numpy as np
import pytest
import shapely

from geosr_lake.demo import rural
from geosr_lake.demo.sketch import Sketch
from geosr_lake.demo.spectra import BANDS, spectrum

SECTION = np.array([[500_000.0, 4_300_000.0, 501_580.0, 4_301_580.0]])
SLIVER = np.array([[510_000.0, 4_300_000.0, 511_580.0, 4_300_030.0]])


def drawn(pieces, close=()):
    sketch = Sketch()
    prairie = spectrum("prairie")
    outer = np.array([pieces[:, :2].min(0), pieces[:, 2:].max(0)]).ravel()
    sketch.paint(outer[None] + [-50, -50, 50, 50], prairie, np.zeros_like(prairie))
    rural.draw(sketch, pieces, np.array(close).reshape(-1, 4), 0)
    return sketch.landscape(tuple(outer))


@pytest.mark.parametrize("piece", [SECTION, SLIVER], ids=["section", "sliver"])
def test_fields_fill_their_piece_without_overlap(piece):
    fields = rural._divide(piece, 0)
    boxes = shapely.box(*fields.T)
    assert shapely.area(boxes).sum() == pytest.approx(shapely.box(*piece[0]).area)
    assert shapely.union_all(boxes).area == pytest.approx(shapely.box(*piece[0]).area)


def test_fields_of_many_sections_differ_in_size():
    west = np.arange(60) * 1_600.0
    sections = np.stack([west, west * 0, west + 1_580, west * 0 + 1_580], axis=1)
    fields = rural._divide(sections, 0)
    width, height = fields[:, 2] - fields[:, 0], fields[:, 3] - fields[:, 1]
    longer = np.maximum(width, height)
    assert len(fields) > 400
    assert longer.max() <= 1_000
    assert np.minimum(width, height).min() > 40
    assert longer.std() > 100


def test_watered_ground_comes_in_regions():
    rng = np.random.default_rng(0)
    corner = rng.uniform((450_000, 4_260_000), (570_000, 4_380_000), (4_000, 2))
    watered = rural._watered(np.concatenate([corner, corner], axis=1))
    assert -1.3 < watered.min() < -0.6
    assert 0.6 < watered.max() < 1.3
    beside = rural._watered(np.concatenate([corner + 200, corner + 200], axis=1))
    assert np.corrcoef(watered, beside)[0, 1] > 0.95


def test_every_field_has_a_class_and_its_margin_stays_prairie():
    land = drawn(SECTION)
    assert set(np.unique(land.zone_class)) <= {rural.IGBP_GRASS, rural.IGBP_CROPS}
    assert shapely.area(shapely.box(*land.zones.T)).sum() == pytest.approx(1_580.0**2)
    x0, y0 = SECTION[0, :2]
    corner = land.mean([x0, x0 + 0.5], [y0, y0 + 0.5], BANDS)[:, 0, 0]
    np.testing.assert_allclose(corner, spectrum("prairie"), atol=1e-6)


def test_small_things_are_drawn_close_up_only():
    near = (500_200.0, 4_300_200.0, 500_500.0, 4_300_500.0)
    far, close = drawn(SECTION), drawn(SECTION, [near])
    extra = close.bounds[len(far.bounds) - len(close.bounds) :]
    assert len(extra) > 100
    x = np.arange(SECTION[0, 0], SECTION[0, 2], 20.0)
    y = np.arange(SECTION[0, 1], SECTION[0, 3], 20.0)
    difference = np.abs(close.mean(x, y, ("red",)) - far.mean(x, y, ("red",)))[0]
    inside = ((x[:-1] >= near[0] - 20) & (x[:-1] < near[2] + 20))[None, :] & (
        (y[:-1] >= near[1] - 20) & (y[:-1] < near[3] + 20)
    )[:, None]
    assert difference[inside].max() > 1e-3
    assert difference[~inside].max() < 1e-12


def test_reflectance_stays_physical_on_fields():
    land = drawn(SECTION, [tuple(SECTION[0])])
    x = np.arange(SECTION[0, 0], SECTION[0, 2], 1.2)
    y = np.arange(SECTION[0, 1], SECTION[0, 3], 1.2)
    seen = land.mean(x, y, ("blue", "red", "nir", "swir22"))
    assert seen.min() > 0
    assert seen.max() < 0.7
