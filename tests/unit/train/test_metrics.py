"""Masked PSNR and SSIM against scikit-image, and what the masks must do."""

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

torch = pytest.importorskip("torch", reason="training needs torch")

from geosr_lake.train.metrics import fit_per_band, fitted, psnr_db, ssim  # noqa: E402

pytestmark = pytest.mark.train


def images(seed: int = 0, samples: int = 2, bands: int = 3, px: int = 40) -> tuple:
    """A truth, a noisy copy and a mask without holes."""
    draw = torch.Generator().manual_seed(seed)
    truth = torch.rand(samples, bands, px, px, generator=draw, dtype=torch.float64) * 0.8 + 0.1
    noise = torch.randn(truth.shape, generator=draw, dtype=torch.float64) * 0.05
    return (truth + noise).clamp(0, 1), truth, torch.ones(samples, px, px, dtype=torch.bool)


def test_without_holes_psnr_is_that_of_scikit_image() -> None:
    predicted, truth, valid = images()
    expected = [
        np.mean([peak_signal_noise_ratio(t.numpy(), p.numpy(), data_range=1) for p, t in pair])
        for pair in (zip(p, t, strict=True) for p, t in zip(predicted, truth, strict=True))
    ]
    assert psnr_db(predicted, truth, valid).tolist() == pytest.approx(expected, abs=1e-9)


def test_without_holes_ssim_is_that_of_scikit_image() -> None:
    predicted, truth, valid = images()
    expected = [
        structural_similarity(t.numpy(), p.numpy(), data_range=1.0, channel_axis=0)
        for p, t in zip(predicted, truth, strict=True)
    ]
    assert ssim(predicted, truth, valid).tolist() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("measure", [psnr_db, ssim])
def test_invalid_pixels_do_not_count(measure) -> None:
    predicted, truth, valid = images()
    valid[:, 5:20, 8:30] = False
    spoilt = predicted.clone()
    spoilt[:, :, 5:20, 8:30] = 7.0
    assert torch.equal(measure(predicted, truth, valid), measure(spoilt, truth, valid))
    assert not torch.equal(
        measure(predicted, truth, torch.ones_like(valid)),
        measure(spoilt, truth, torch.ones_like(valid)),
    )


def test_only_whole_windows_count_for_ssim() -> None:
    predicted, truth, valid = images()
    valid[:] = False
    valid[:, :, :6] = True  # a window is 7 wide
    assert ssim(predicted, truth, valid).isnan().all()
    valid[:, :, 6] = True
    wanted = [
        structural_similarity(t[:, :, :7].numpy(), p[:, :, :7].numpy(), data_range=1.0,
                              channel_axis=0)
        for p, t in zip(predicted, truth, strict=True)
    ]  # fmt: skip
    assert ssim(predicted, truth, valid).tolist() == pytest.approx(wanted, abs=1e-9)


def test_nothing_valid_gives_nan_and_perfection_a_hundred() -> None:
    _, truth, valid = images()
    assert psnr_db(truth, truth, valid).tolist() == [100.0, 100.0]
    assert ssim(truth, truth, valid).tolist() == pytest.approx([1.0, 1.0])
    assert psnr_db(truth, truth, ~valid).isnan().all()


def test_values_are_clamped_first() -> None:
    _, truth, valid = images()
    truth = truth.clone()
    truth[:] = 1.0
    assert psnr_db(truth + 3, truth, valid).tolist() == [100.0, 100.0]


def test_the_fit_finds_gain_and_bias_of_each_sample_and_band() -> None:
    predicted, _, valid = images(samples=2, bands=2)
    gains = torch.tensor([[0.5, 2.0], [1.5, -1.0]], dtype=torch.float64)[:, :, None, None]
    biases = torch.tensor([[0.1, -0.2], [0.0, 0.3]], dtype=torch.float64)[:, :, None, None]
    truth = gains * predicted + biases
    valid[:, :10] = False
    truth[:, :, :10] = 9.0  # the fit must not see these
    gain, bias = fit_per_band(predicted, truth, valid)
    assert torch.allclose(gain, gains)
    assert torch.allclose(bias, biases)
    assert torch.allclose(fitted(predicted, truth, valid)[:, :, 10:], truth[:, :, 10:])


def test_the_fit_never_makes_the_squared_error_larger() -> None:
    for seed in range(20):
        predicted, truth, valid = images(seed)
        before = (predicted - truth).square().mean((-2, -1))
        after = (fitted(predicted, truth, valid) - truth).square().mean((-2, -1))
        assert bool((after <= before + 1e-15).all())


def test_a_flat_prediction_is_fitted_by_its_bias() -> None:
    _, truth, valid = images()
    gain, bias = fit_per_band(torch.full_like(truth, 0.3), truth, valid)
    assert torch.equal(gain, torch.zeros_like(gain))
    assert torch.allclose(bias, truth.mean((-2, -1), keepdim=True))
