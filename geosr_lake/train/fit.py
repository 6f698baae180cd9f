"""Trains the network on a catalog's train split: masked L1, Adam, an order that the seed gives."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from geosr_lake.errors import UsageError
from geosr_lake.train.dataset import Batch, SampleSource, batches
from geosr_lake.train.metrics import fit_per_band
from geosr_lake.train.network import X16Network, bicubic
from geosr_lake.train.resize import enlarge_valid

FIT_CROPS = 16
"""Crops over which the skip connection's gain and bias are fitted before the first step."""
CLIP_NORM = 1.0


class Progress(Protocol):
    """What is told how far training is."""

    def start(self, label: str, total: int | None = None) -> None:
        """Begin a step with `total` units of work, or an unknown number."""

    def advance(self, amount: int = 1) -> None:
        """Say that `amount` units of the step are done."""


@dataclass(frozen=True, slots=True)
class FitSummary:
    """How training went: mean loss of the first and the last tenth of the steps, and seconds."""

    steps: int
    loss_first: float
    loss_last: float
    seconds: float


def jointly_valid(batch: Batch) -> Tensor:
    """Bool (sample, y, x) at high resolution: valid there and in the LR pixel over it."""
    return batch["hr_valid"] & enlarge_valid(batch["lr_valid"], batch["hr_valid"].shape[-1])


def masked_l1(predicted: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
    """Mean absolute difference over the valid pixels of all bands; 0 where there are none."""
    weight = valid.unsqueeze(1).to(predicted.dtype)
    total = weight.sum() * predicted.shape[1]
    out: Tensor = ((predicted - truth).abs() * weight).sum() / total.clamp(min=1)
    return out


def start_skip(network: X16Network, batch: Batch) -> None:
    """Start the skip connection from the per-band fit of bicubic to truth over `batch`."""
    truth, valid = batch["hr"], jointly_valid(batch)
    baseline = bicubic(batch["lr"], network.skip_bands, truth.shape[-1])
    bands, width = truth.shape[1], truth.shape[-1]

    def pooled(images: Tensor) -> Tensor:
        return images.transpose(0, 1).reshape(1, bands, -1, width)

    gain, bias = fit_per_band(pooled(baseline), pooled(truth), valid.reshape(1, -1, width))
    network.start_from(gain.to(torch.float32), bias.to(torch.float32))


def fit(
    network: X16Network,
    dataset: SampleSource,
    *,
    steps: int,
    batch_size: int = 8,
    learning_rate: float = 2e-3,
    seed: int = 0,
    threads: int = 2,
    device: str = "cpu",
    progress: Progress | None = None,
) -> FitSummary:
    """Train `network` in place.

    Args:
        network: On any device; it is moved to `device`.
        dataset: Pairs at a factor of sixteen: `SRDataset` with ``size="paper"``.
        steps: Batches to learn from; epochs follow on one another.
        batch_size: Crops a batch.
        learning_rate: Of Adam (betas 0.9, 0.99), with gradients clipped to a norm of 1.
        seed: Gives the order of the crops.
        threads: Read ahead.
        device: Of torch.
        progress: Told of every step.

    Raises:
        UsageError: If there is nothing to learn from.
    """
    if len(dataset) == 0:
        raise UsageError("There is no sample to train on")
    started = time.monotonic()
    network.to(device).train()
    start_skip(network, _moved(_first(dataset, seed, threads), device))
    optimiser = torch.optim.Adam(network.parameters(), lr=learning_rate, betas=(0.9, 0.99))
    if progress is not None:
        progress.start("Training", total=steps)
    losses = []
    for batch in itertools.islice(_endless(dataset, batch_size, seed, threads), steps):
        here = _moved(batch, device)
        loss = masked_l1(network(here["lr"]), here["hr"], jointly_valid(here))
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), CLIP_NORM)
        optimiser.step()
        losses.append(float(loss.detach()))
        if progress is not None:
            progress.advance()
    tenth = max(1, steps // 10)
    return FitSummary(
        steps=len(losses),
        loss_first=sum(losses[:tenth]) / tenth,
        loss_last=sum(losses[-tenth:]) / tenth,
        seconds=time.monotonic() - started,
    )


def _first(dataset: SampleSource, seed: int, threads: int) -> Batch:
    return next(batches(dataset, min(FIT_CROPS, len(dataset)), seed=seed, threads=threads))


def _endless(dataset: SampleSource, batch_size: int, seed: int, threads: int) -> Iterator[Batch]:
    for epoch in itertools.count():
        yield from batches(dataset, batch_size, seed=seed, epoch=epoch, threads=threads)


def _moved(batch: Batch, device: str) -> Batch:
    return Batch(
        lr=batch["lr"].to(device),
        hr=batch["hr"].to(device),
        lr_valid=batch["lr_valid"].to(device),
        hr_valid=batch["hr_valid"].to(device),
        sample_id=batch["sample_id"],
    )
