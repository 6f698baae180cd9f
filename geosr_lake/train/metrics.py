"""Masked fidelity: PSNR and SSIM of images against their truth, over the valid pixels alone.

Definition (``masked-1``):

- Values are clamped to 0..1 first, after scaling; the range is 1.
- PSNR: ``10 log10(1 / MSE)`` for each sample and band over the valid pixels; an MSE below
  ``MSE_FLOOR`` counts as that, so that a perfect band gives 100 dB and not infinity.
- SSIM (Wang et al. 2004) for each sample and band: uniform windows of 7 by 7 pixels, sample
  covariance, K1 = 0.01, K2 = 0.03; the mean over the windows that lie inside the image and hold
  valid pixels only. Where every pixel is valid this is scikit-image's default.
- Bands are averaged within a sample, then samples. A sample without a valid pixel (SSIM: window)
  gives NaN and is left out of the mean.

With a fit, the prediction is first replaced by ``gain * prediction + bias``, the least-squares fit
to the truth over the valid pixels of each sample and band: two sensors differ in radiometry, and
the fit takes out what a gain and a bias can explain.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

MSE_FLOOR = 1e-10
SSIM_WINDOW_PX = 7
_C1 = 0.01**2
_C2 = 0.03**2


def psnr_db(predicted: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
    """PSNR of each sample, dB.

    Args:
        predicted: Float (sample, band, y, x), scaled.
        truth: The same shape.
        valid: Bool (sample, y, x).

    Returns:
        float64 (sample,); NaN where a sample has no valid pixel.
    """
    difference = _unit(predicted) - _unit(truth)
    weight = valid.unsqueeze(1).to(torch.float64)
    mse = (difference.square() * weight).sum((-2, -1)) / weight.sum((-2, -1))
    return (-10 * torch.log10(mse.clamp(min=MSE_FLOOR))).mean(1)


def ssim(predicted: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
    """SSIM of each sample; arguments and shape as in :func:`psnr_db`.

    NaN where no window of a sample is wholly valid.
    """
    x, y = _unit(predicted), _unit(truth)
    count = SSIM_WINDOW_PX**2
    mean_x, mean_y = _window_mean(x), _window_mean(y)
    unbiased = count / (count - 1)
    var_x = unbiased * (_window_mean(x * x) - mean_x * mean_x)
    var_y = unbiased * (_window_mean(y * y) - mean_y * mean_y)
    cov = unbiased * (_window_mean(x * y) - mean_x * mean_y)
    index = ((2 * mean_x * mean_y + _C1) * (2 * cov + _C2)) / (
        (mean_x.square() + mean_y.square() + _C1) * (var_x + var_y + _C2)
    )
    # Windows with any invalid pixel are out; min-pooling as max-pooling of the complement.
    invalid = (~valid).unsqueeze(1).to(torch.float32)
    whole = functional.max_pool2d(invalid, SSIM_WINDOW_PX, stride=1) == 0
    weight = whole.to(torch.float64)
    return ((index * weight).sum((-2, -1)) / weight.sum((-2, -1))).mean(1)


def fit_per_band(predicted: Tensor, truth: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """Least-squares ``gain`` and ``bias`` from prediction to truth, per sample and band.

    A band without variance over the valid pixels gets gain 0 and the truth's mean as bias.

    Returns:
        Two float64 tensors of shape (sample, band, 1, 1).
    """
    x, y = predicted.to(torch.float64), truth.to(torch.float64)
    weight = valid.unsqueeze(1).to(torch.float64)
    total = weight.sum((-2, -1), keepdim=True).clamp(min=1)
    mean_x = (x * weight).sum((-2, -1), keepdim=True) / total
    mean_y = (y * weight).sum((-2, -1), keepdim=True) / total
    spread = ((x - mean_x).square() * weight).sum((-2, -1), keepdim=True)
    joint = ((x - mean_x) * (y - mean_y) * weight).sum((-2, -1), keepdim=True)
    flat = spread <= torch.finfo(torch.float64).eps * total
    gain = torch.where(flat, 0.0, joint / torch.where(flat, 1.0, spread))
    return gain, mean_y - gain * mean_x


def fitted(predicted: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
    """``predicted`` after the per-band fit to ``truth``, float64."""
    gain, bias = fit_per_band(predicted, truth, valid)
    return gain * predicted + bias


def _unit(image: Tensor) -> Tensor:
    return image.to(torch.float64).clamp(0, 1)


def _window_mean(image: Tensor) -> Tensor:
    return functional.avg_pool2d(image, SSIM_WINDOW_PX, stride=1)
