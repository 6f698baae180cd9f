"""Scores the network beside bicubic interpolation on whole frames of a split.

Both take the same path, that of GeoSR-Bench (arXiv 2605.00310): LR frames of 60 pixels are resized
to 64, enlarged to 1024, and resized to the stored 1000, where they meet the truth. A pixel counts
if it is valid in the HR frame and in the LR frame. The measures are those of
`geosr_lake.train.metrics`, as they are and after the per-band fit of each prediction to the truth.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from geosr_lake.train.dataset import SampleSource
from geosr_lake.train.fit import Progress
from geosr_lake.train.metrics import fitted, psnr_db, ssim
from geosr_lake.train.network import X16Network, bicubic
from geosr_lake.train.resize import PAPER_PX, enlarge_valid, resize_image

PROTOCOL = (
    "masked-1: 60 px resized to 64, enlarged to 1024, resized to 1000 (bilinear); values clamped "
    "to 0..1; over pixels valid in both frames; bands averaged, then samples; `fit`: after the "
    "least-squares gain and bias of each sample and band"
)


@dataclass(frozen=True, slots=True)
class Scores:
    """Means over the samples; None where no sample has a valid pixel (SSIM: window)."""

    psnr_db: float | None
    ssim: float | None
    psnr_fit_db: float | None
    ssim_fit: float | None


def evaluate(
    network: X16Network,
    dataset: SampleSource,
    *,
    device: str = "cpu",
    progress: Progress | None = None,
) -> tuple[Scores, Scores]:
    """Return the scores of the network and those of bicubic interpolation.

    Args:
        network: Trained.
        dataset: Whole frames at native size.
        device: Of torch.
        progress: Told of every sample.
    """
    network.to(device).eval()
    rows: tuple[list[list[float]], list[list[float]]] = ([], [])
    if progress is not None:
        progress.start("Scoring the test split", total=len(dataset))

    def enlarge_by_bicubic(lr: Tensor) -> Tensor:
        return bicubic(lr, network.skip_bands, PAPER_PX[1])

    methods: Sequence[Callable[[Tensor], Tensor]] = (network, enlarge_by_bicubic)
    with torch.inference_mode():
        for i in range(len(dataset)):
            sample = dataset[i]
            lr = resize_image(sample["lr"].unsqueeze(0).to(device), PAPER_PX[0])
            truth = sample["hr"].unsqueeze(0).to(device)
            px = truth.shape[-1]
            valid = sample["hr_valid"].unsqueeze(0).to(device)
            valid &= enlarge_valid(sample["lr_valid"].unsqueeze(0).to(device), px)
            for method, into in zip(methods, rows, strict=True):
                into.append(_measured(resize_image(method(lr), px), truth, valid))
            if progress is not None:
                progress.advance()
    return _mean(rows[0]), _mean(rows[1])


def _measured(predicted: Tensor, truth: Tensor, valid: Tensor) -> list[float]:
    after = fitted(predicted, truth, valid)
    return [
        float(psnr_db(predicted, truth, valid)),
        float(ssim(predicted, truth, valid)),
        float(psnr_db(after, truth, valid)),
        float(ssim(after, truth, valid)),
    ]


def _mean(rows: list[list[float]]) -> Scores:
    def mean(values: Sequence[float]) -> float | None:
        known = [value for value in values if not math.isnan(value)]
        return sum(known) / len(known) if known else None

    columns = list(zip(*rows, strict=True)) or [()] * 4
    return Scores(*(mean(column) for column in columns))
