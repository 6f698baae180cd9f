from base64 import b64decode
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from geosr_lake.report import png


def decoded(content: bytes) -> np.ndarray:
    """Red, green, blue, opacity of every pixel."""
    return np.asarray(Image.open(BytesIO(content)).convert("RGBA"))


def brute_mean(image: np.ndarray, valid: np.ndarray, size: int) -> np.ndarray:
    """Area means by cutting every pixel into as many pieces as make the grids meet."""
    n = image.shape[-1]
    fine = np.kron(image, np.ones((size, size)))
    weight = np.kron(valid, np.ones((size, size)))
    blocks = (size, n, size, n)
    cover = weight.reshape(blocks).sum(axis=(1, 3))
    total = (fine * weight).reshape(blocks).sum(axis=(1, 3))
    with np.errstate(invalid="ignore"):
        return np.where(cover >= 0.5 * n * n, total / cover, np.nan)


@pytest.mark.parametrize(("n", "size"), [(10, 5), (10, 3), (10, 10), (7, 4), (9, 1)])
def test_area_mean_is_exact_where_grids_do_not_meet(n: int, size: int) -> None:
    rng = np.random.default_rng(n * size)
    image = rng.normal(size=(2, n, n))
    whole = np.ones((n, n), dtype=bool)
    got = png.area_mean(image, whole, size)
    assert got.shape == (2, size, size)
    for band, mean in zip(image, got, strict=True):
        np.testing.assert_allclose(mean, brute_mean(band, whole, size), atol=1e-12)


@pytest.mark.parametrize(("n", "size"), [(10, 5), (10, 3), (8, 8)])
def test_area_mean_counts_valid_pixels_only(n: int, size: int) -> None:
    rng = np.random.default_rng(n + size)
    image, valid = rng.normal(size=(1, n, n)), rng.random((n, n)) > 0.45
    image[:, ~valid] = np.nan
    expected = brute_mean(np.nan_to_num(image[0]), valid, size)
    np.testing.assert_allclose(png.area_mean(image, valid, size)[0], expected, atol=1e-12)


def test_cells_with_less_than_half_valid_have_no_value() -> None:
    valid = np.zeros((4, 4), dtype=bool)
    valid[:2, :1] = True
    valid[2:, 2:] = True
    mean = png.area_mean(np.full((1, 4, 4), 7, dtype=np.uint8), valid, 2)[0]
    assert mean[0, 0] == 7  # just half
    assert np.isnan(mean[0, 1])
    assert mean[1, 1] == 7


def test_nearest_takes_flags_as_they_are() -> None:
    mask = np.arange(36, dtype=np.uint8).reshape(6, 6)
    assert png.nearest(mask, 2).tolist() == [[7, 10], [25, 28]]
    assert (png.nearest(mask, 6) == mask).all()


def test_limits_leave_out_the_extremes_and_what_is_missing() -> None:
    pixels = np.linspace(0, 100, 1001).reshape(1, 7, 143)
    pixels[0, 0, 0] = np.nan
    low, high = png.limits(pixels, 1, 99)
    assert (low, high) == pytest.approx((1, 99), abs=0.2)


@pytest.mark.parametrize("pixels", [np.full((3, 2, 2), np.nan), np.full((3, 2, 2), 5.0)])
def test_limits_always_span_something(pixels: np.ndarray) -> None:
    low, high = png.limits(pixels)
    assert high > low
    rgb, missing = png.to_rgb(pixels, (low, high))
    assert rgb.dtype == np.uint8
    assert missing.all() == np.isnan(pixels).all()


def test_to_rgb_is_monotone_and_marks_what_is_missing() -> None:
    pixels = np.stack([np.array([[0.0, 0.1, 0.2, 0.4, 9.0]])] * 3)
    pixels[1, 0, 1] = np.nan
    rgb, missing = png.to_rgb(pixels, (0.0, 0.4))
    assert rgb.shape == (1, 5, 3)
    assert rgb[0, :, 0].tolist() == sorted(rgb[0, :, 0])
    assert (rgb[0, 0, 0], rgb[0, 3, 0], rgb[0, 4, 0]) == (0, 255, 255)
    assert missing.tolist() == [[False, True, False, False, False]]


def test_a_picture_keeps_its_colours_and_its_holes() -> None:
    rng = np.random.default_rng(0)
    rgb = np.repeat(np.repeat(rng.integers(0, 255, (4, 4, 3)), 8, axis=0), 8, axis=1)
    rgb = rgb.astype(np.uint8)
    missing = np.zeros((32, 32), dtype=bool)
    missing[:5, :5] = True
    got = decoded(png.picture_png(rgb, missing))
    assert (got[..., 3] == np.where(missing, 0, 255)).all()
    assert np.abs(got[..., :3][~missing].astype(int) - rgb[~missing].astype(int)).max() <= 4


def test_a_picture_of_noise_stays_close_and_small() -> None:
    rgb = np.random.default_rng(1).integers(0, 255, (320, 320, 3)).astype(np.uint8)
    content = png.picture_png(rgb, np.zeros((320, 320), dtype=bool))
    error = decoded(content)[..., :3].astype(int) - rgb
    assert np.abs(error).mean() < 25
    assert len(content) < 320 * 320 + 2000


def test_the_same_picture_is_the_same_bytes() -> None:
    rgb = np.random.default_rng(2).integers(0, 255, (40, 40, 3)).astype(np.uint8)
    missing = np.zeros((40, 40), dtype=bool)
    assert png.picture_png(rgb, missing) == png.picture_png(rgb, missing)


def test_a_palette_has_opacities() -> None:
    palette = [(0, 0, 0, 0), (255, 0, 0, 128), (0, 0, 255, 255)]
    got = decoded(png.palette_png(np.array([[0, 1, 2]], dtype=np.uint8), palette))
    assert got[0, :, 3].tolist() == [0, 128, 255]
    assert got[0, 1, :3].tolist() == [255, 0, 0]


def test_a_data_uri_holds_the_bytes() -> None:
    uri = png.data_uri(b"\x89PNG\x00")
    assert uri.startswith("data:image/png;base64,")
    assert b64decode(uri.partition(",")[2]) == b"\x89PNG\x00"
