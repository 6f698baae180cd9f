"""Shift, correlation and shares, on images made for it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geosr_lake.cubes.jobs import SourceItem
from geosr_lake.cubes.measure import average, correlation, estimate_shift, measure, valid_frac
from geosr_lake.cubes.read import SidePixels
from geosr_lake.sensors.tasks import MODIS_LANDSAT8, S2_NAIP, Task

LR, HR = (60, 60), (1000, 1000)


def boxes(edges_x: np.ndarray, edges_y: np.ndarray, n: int = 400, seed: int = 3) -> np.ndarray:
    """Exact means of a sum of random rectangles over a grid's cells; the square is 0 to 60."""
    rng = np.random.default_rng(seed)
    corner = rng.uniform(-12, 70, (n, 2))
    size = rng.uniform(0.8, 9, (n, 2))
    tone = rng.normal(0, 1, n)

    def covered(edges: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        inside = np.clip(edges[None, :], low[:, None], high[:, None])
        return np.diff(inside, axis=1) / np.diff(edges)

    across = covered(edges_x, corner[:, 0], corner[:, 0] + size[:, 0])
    down = covered(edges_y, corner[:, 1], corner[:, 1] + size[:, 1])
    return np.einsum("n,ny,nx->yx", tone, down, across, optimize=True)


def pair(x: float, y: float, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """LR as it is seen when its grid lies (x, y) pixels off, and HR: LR shows the ground moved."""
    lr_edges, hr_edges = np.linspace(0, 60, 61), np.linspace(0, 60, 1001)
    return boxes(lr_edges - x, lr_edges - y, seed=seed), boxes(hr_edges, hr_edges, seed=seed)


CLEAR = np.ones(LR, dtype=bool), np.ones(HR, dtype=bool)


@pytest.mark.parametrize(
    ("x", "y"), [(0, 0), (1, 0), (0, -1), (-1, 1), (0.3, 0.2), (0.5, -0.5), (2.4, -3.1)]
)
def test_a_planted_shift_is_found(x: float, y: float) -> None:
    for seed in range(3):
        lr, hr = pair(x, y, seed)
        found = estimate_shift(lr, CLEAR[0], hr, CLEAR[1])
        assert found == pytest.approx((x, y), abs=0.05)


def test_units_and_contrast_do_not_matter() -> None:
    lr, hr = pair(1, -1)
    found = estimate_shift(3000 + 900 * lr, CLEAR[0], 120 - 0 + 5 * hr, CLEAR[1])
    assert found == pytest.approx((1, -1), abs=0.05)


def test_noise_costs_little() -> None:
    lr, hr = pair(0, 0)
    noise = np.random.default_rng(0).normal(0, 0.2 * lr.std(), LR)
    assert estimate_shift(lr + noise, CLEAR[0], hr, CLEAR[1]) == pytest.approx((0, 0), abs=0.1)


def test_clouds_do_not_pull() -> None:
    lr, hr = pair(1, 0)
    lr_clear, hr_clear = CLEAR[0].copy(), CLEAR[1].copy()
    lr_clear[5:25, 30:50] = False
    lr = np.where(lr_clear, lr, 99.0)
    hr_clear[700:900, 100:400] = False
    hr = np.where(hr_clear, hr, -99.0)
    assert estimate_shift(lr, lr_clear, hr, hr_clear) == pytest.approx((1, 0), abs=0.1)


def test_what_cannot_be_told_is_not_told() -> None:
    lr, hr = pair(0, 0)
    _, other = pair(0, 0, seed=9)
    half = CLEAR[0].copy()
    half[:31] = False
    flat = np.full(LR, 7.0)
    assert estimate_shift(flat, CLEAR[0], hr, CLEAR[1]) is None, "no texture in LR"
    assert estimate_shift(lr, CLEAR[0], np.zeros(HR), CLEAR[1]) is None, "none in HR"
    assert estimate_shift(lr, half, hr, CLEAR[1]) is None, "too little is clear"
    assert estimate_shift(lr, ~CLEAR[0], hr, CLEAR[1]) is None, "nothing is clear"
    assert estimate_shift(lr, CLEAR[0], other, CLEAR[1]) is None, "two places"
    assert estimate_shift(lr, CLEAR[0], -hr, CLEAR[1]) is None, "a negative"


def test_a_shift_beyond_the_search_is_not_told() -> None:
    lr, hr = pair(9, 0)
    assert estimate_shift(lr, CLEAR[0], hr, CLEAR[1]) is None


@given(st.integers(2, 40), st.integers(1, 7), st.integers(0, 99))
@settings(max_examples=30)
def test_averages_keep_the_mean(coarse: int, times: int, seed: int) -> None:
    image = np.random.default_rng(seed).uniform(0, 9, (coarse * times + times // 2,) * 2)
    mean, known = average(image, np.ones(image.shape, bool), (coarse, coarse))
    assert known.all()
    assert mean.mean() == pytest.approx(image.mean())


def test_averages_leave_out_what_is_not_clear() -> None:
    image = np.full(HR, 50.0)
    clear = np.ones(HR, dtype=bool)
    image[:100, :100], clear[:100, :100] = 9999.0, False
    mean, known = average(image, clear, LR)
    assert not known[:5, :5].any()
    assert known[6:].all()
    assert np.allclose(mean[known], 50.0)


def test_a_moved_average_is_that_of_the_moved_image() -> None:
    image = np.arange(100.0)[None, :] * np.ones((100, 1))
    mean, known = average(image, np.ones((100, 100), bool), (10, 10), (1.0, 0.0))
    plain, _ = average(image, np.ones((100, 100), bool), (10, 10))
    assert np.allclose(mean[:, 1:], plain[:, :-1])
    assert not known[:, 0].any()
    _, down = average(image, np.ones((100, 100), bool), (10, 10), (0.0, -2.0))
    assert not down[-2:].any()
    assert down[:-2].all()


def test_correlation() -> None:
    a = np.random.default_rng(0).normal(size=LR)
    everywhere = CLEAR[0]
    assert correlation(a, 2 * a + 5, everywhere) == pytest.approx(1.0)
    assert correlation(a, -a, everywhere) == pytest.approx(-1.0)
    assert correlation(a, np.full(LR, 0.1), everywhere) is None
    two = np.zeros(LR, dtype=bool)
    two[0, :2] = True
    assert correlation(a, a, two) is None
    part = everywhere.copy()
    part[:10] = False
    b = np.where(part, a, 1e6)
    assert correlation(a, b, part) == pytest.approx(1.0)


@pytest.mark.parametrize("task", [S2_NAIP, MODIS_LANDSAT8], ids=lambda task: task.name)
def test_all_is_measured_at_the_matched_band(task: Task) -> None:
    item = SourceItem("a/b/c", {}, 0)
    lr_image, hr_image = pair(1, 0)
    bands = {"s2_naip": (7, 3), "modis_landsat8": (1, 4)}[task.name]
    lr = np.zeros((len(task.lr_bands), *LR), dtype=np.int16)
    hr = np.zeros((len(task.hr_bands), *HR), dtype=np.int16)
    lr[bands[0]] = np.rint(2000 + 300 * lr_image)
    hr[bands[1]] = np.rint(3000 + 300 * hr_image)
    lr_mask, hr_mask = np.zeros(LR, dtype=np.uint8), np.zeros(HR, dtype=np.uint8)
    lr_mask[0, :6], lr_mask[1, :12], hr_mask[0, :100] = 1, 2, 255
    found = measure(task, SidePixels(lr, lr_mask, None, item), SidePixels(hr, hr_mask, None, item))
    assert found.lr_valid_frac == pytest.approx(1 - 6 / 3600)
    assert found.lr_clear_frac == pytest.approx(1 - 18 / 3600)
    assert found.hr_valid_frac == found.hr_clear_frac == pytest.approx(1 - 100 / 1e6)
    assert (found.shift_x_px, found.shift_y_px) == pytest.approx((1, 0), abs=0.1)
    assert found.correlation is not None
    assert 0.2 < found.correlation < 0.95, "a pixel off, the images agree in part"


def test_unknown_pixels_are_not_valid() -> None:
    assert valid_frac(np.array([[0, 1], [255, 2]], dtype=np.uint8)) == 0.5
