"""Carrying pixels between parallel grids: copied where they coincide, else weighted by area."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geosr_lake.cubes.grids import Grid, raster_grid, sample_grid
from geosr_lake.cubes.resample import (
    MAX_FLAGGED_SHARE,
    axis,
    parallel,
    resample_flags,
    resample_numbers,
)
from geosr_lake.net.errors import GridMismatchError
from geosr_lake.sensors.tasks import MODIS_LANDSAT8, S2_NAIP


def brute_mean(source: np.ndarray, start: float, step: float, count: int) -> np.ndarray:
    """Mean over intervals of a step function, summed piece by piece."""
    result = []
    for n in range(count):
        low, high = start + n * step, start + (n + 1) * step
        total = 0.0
        for k in range(len(source)):
            total += max(0.0, min(high, k + 1) - max(low, k)) * source[k]
        result.append(total / step)
    return np.array(result)


@given(
    start=st.floats(0, 3),
    step=st.floats(0.05, 7),
    count=st.integers(1, 12),
    data=st.data(),
)
def test_an_axis_weighs_by_length(
    start: float, step: float, count: int, data: st.DataObject
) -> None:
    found = axis(start, step, count)
    assert np.allclose(found.share.sum(axis=1), 1.0)
    assert found.index.min() >= 0
    assert found.index.max() < found.stop - found.first
    size = int(np.ceil(start + step * count)) + 1
    source = np.array(data.draw(st.lists(st.integers(0, 255), min_size=size, max_size=size)), float)
    window = source[found.first : found.stop]
    mean = (window[found.index] * found.share).sum(axis=1)
    assert np.allclose(mean, brute_mean(source, start, step, count), atol=1e-3)


@given(st.integers(-500, 500), st.integers(1, 40), st.floats(-0.9e-6, 0.9e-6))
def test_coinciding_pixels_are_one_to_one(start: int, count: int, off: float) -> None:
    found = axis(start + off, 1.0, count)
    assert found.index.shape == (count, 1)
    assert (found.first, found.stop) == (start, start + count)
    assert np.array_equal(found.index[:, 0], np.arange(count))
    assert np.array_equal(found.share, np.ones((count, 1)))


@given(st.floats(2e-6, 0.5), st.integers(2, 40))
def test_pixels_that_are_off_by_more_are_mixed(off: float, count: int) -> None:
    assert axis(off, 1.0, count).index.shape == (count, 2)


@given(st.integers(0, 11), st.sampled_from([2, 6]), st.integers(1, 60))
def test_coarser_pixels_are_repeated(start: int, times: int, count: int) -> None:
    found = axis(start / times, 1 / times, count)
    assert found.index.shape == (count, 1)
    assert np.array_equal(found.index[:, 0] + found.first, (start + np.arange(count)) // times)


def test_a_source_far_too_fine_is_refused() -> None:
    with pytest.raises(GridMismatchError, match="source pixels"):
        axis(0.0, 1000.0, 10)


def grids(shift_px: float, ratio: float = 1.0) -> tuple[Grid, Grid]:
    target = Grid(600.0, 1200.0, 0.6, 0.6, 40, 30)
    gsd = 0.6 / ratio
    source = Grid(600.0 - 5 * gsd - shift_px * gsd, 1200.0 + 5 * gsd, gsd, gsd, 200, 200)
    return source, target


def test_a_window_may_begin_before_the_source() -> None:
    target = Grid(0.0, 100.0, 10.0, 10.0, 10, 10)
    source = Grid(30.0, 80.0, 10.0, 10.0, 4, 4)
    assert parallel(source, target).window == (-2, 8, -3, 7)


def test_equal_grids_copy_every_number() -> None:
    source, target = grids(0.0)
    how = parallel(source, target)
    assert how.exact
    assert how.window == (5, 45, 5, 35)
    numbers = np.random.default_rng(0).integers(0, 65535, (3, 40, 30), dtype=np.uint16)
    missing = np.zeros(numbers.shape, dtype=bool)
    missing[1, 2, 3] = True
    copied = resample_numbers(numbers, missing, how, 9)
    expected = numbers.copy()
    expected[1, 2, 3] = 9
    assert copied.dtype == np.uint16
    assert np.array_equal(copied, expected)
    flags = np.random.default_rng(0).integers(0, 128, (40, 30), dtype=np.uint8)
    assert np.array_equal(resample_flags(flags, how), flags)


def test_half_a_pixel_off_blends_two_neighbours() -> None:
    source, target = grids(0.5)
    how = parallel(source, target)
    assert not how.exact
    top, bottom, left, right = how.window
    ramp = np.broadcast_to(np.arange(left, right) * 10.0, (bottom - top, right - left))
    numbers = ramp.astype(np.int16)[None]
    result = resample_numbers(numbers, np.zeros(numbers.shape, bool), how, -1)
    assert np.array_equal(result[0, 0], 10 * (left + np.arange(30)) + 5)


def test_finer_pixels_are_averaged() -> None:
    source, target = grids(0.0, ratio=2.0)
    how = parallel(source, target)
    top, bottom, left, right = how.window
    assert (bottom - top, right - left) == (80, 60)
    numbers = np.random.default_rng(1).integers(0, 255, (2, 80, 60), dtype=np.uint8)
    result = resample_numbers(numbers, np.zeros(numbers.shape, bool), how, 0)
    blocks = numbers.reshape(2, 40, 2, 30, 2).astype(float).mean(axis=(2, 4))
    assert np.array_equal(result, np.rint(blocks).astype(np.uint8))


def test_missing_pixels_never_enter_a_mean() -> None:
    source, target = grids(0.0, ratio=4.0)
    how = parallel(source, target)
    numbers = np.full((1, 160, 120), 100, dtype=np.uint8)
    missing = np.zeros(numbers.shape, dtype=bool)
    # One of the sixteen pixels below target (0, 0), two of those below (0, 1): 6 and 12 %.
    for row, column in ((0, 0), (0, 4), (1, 4)):
        numbers[0, row, column] = 0
        missing[0, row, column] = True
    result = resample_numbers(numbers, missing, how, 0)
    assert result[0, 0, 0] == 100
    assert result[0, 0, 1] == 0
    assert (result[0, 1:] == 100).all()


@given(st.integers(0, 16))
def test_a_bit_needs_more_than_its_share(n_flagged: int) -> None:
    source, target = grids(0.0, ratio=4.0)
    how = parallel(source, target)
    flags = np.zeros((160, 120), dtype=np.uint8)
    flags[:4, :4].flat[:n_flagged] = 2
    flags[0, 0] |= 64
    result = resample_flags(flags, how)
    assert (result[0, 0] == 2) == (n_flagged / 16 > MAX_FLAGGED_SHARE)
    assert result[0, 0] in (0, 2), "one pixel of sixteen does not set bit 64"
    assert not result[1:].any()


def test_numbers_and_nodata_flags_agree_at_the_limit() -> None:
    """Exactly a tenth of the area: neither flagged nor nodata, whatever the rounding."""
    target = Grid(0.0, 10.0, 1.0, 1.0, 10, 10)
    source = Grid(0.0, 10.0, 0.1, 1.0, 10, 100)
    how = parallel(source, target)
    missing = np.zeros((1, 10, 100), dtype=bool)
    missing[0, :, ::10] = True
    numbers = np.where(missing, 0, 50).astype(np.uint8)
    assert (resample_numbers(numbers, missing, how, 0) == 50).all()
    assert not resample_flags(missing[0].astype(np.uint8), how).any()


def test_the_greatest_share_is_picked() -> None:
    source, target = grids(0.3)
    how = parallel(source, target)
    top, bottom, left, right = how.window
    columns = np.broadcast_to(np.arange(left, right), (bottom - top, right - left))
    assert np.array_equal(how.pick(columns)[0], np.arange(5, 35))


def test_a_sample_has_two_grids_over_one_square() -> None:
    for task in (S2_NAIP, MODIS_LANDSAT8):
        lr, hr = (sample_grid(task, side, 600_000, 4_200_000) for side in ("lr", "hr"))
        assert (lr.height, hr.height) == (60, 1000)
        for grid in (lr, hr):
            a, b, c, d, e, f = grid.transform
            assert (b, d, c, f) == (0.0, 0.0, 600_000.0, 4_200_000.0 + task.site_size_m)
            assert a == -e == task.site_size_m / grid.width


@pytest.mark.parametrize(
    "transform",
    [(10, 1, 0, 0, -10, 0), (10, 0, 0, 2, -10, 0), (10, 0, 0, 0, 10, 0), (-10, 0, 0, 0, -10, 0),
     (0, 0, 0, 0, -10, 0), (float("nan"), 0, 0, 0, -10, 0)],
)  # fmt: skip
def test_rasters_that_are_not_north_up_are_refused(transform: tuple[float, ...]) -> None:
    with pytest.raises(GridMismatchError, match="north up"):
        raster_grid(transform, 10, 10)
