"""The whole of `geosr train`: dataset, training, scores, weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from geosr_lake import __version__
from geosr_lake.errors import UsageError
from geosr_lake.train.dataset import SRDataset
from geosr_lake.train.evaluate import PROTOCOL, Scores, evaluate
from geosr_lake.train.fit import FitSummary, Progress, fit
from geosr_lake.train.network import X16Network, parameter_count
from geosr_lake.train.weights import save_network


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """What can be chosen.

    Attributes:
        steps: Batches to learn from.
        batch_size: Crops a batch.
        crop: LR pixels along an edge of a crop: 15, 30 or 60.
        learning_rate: Of Adam.
        scaling: A scaling that the catalog declares.
        seed: Gives the weights at the start and the order of the crops.
        threads: Processor threads; None: as many as torch takes by itself.
        device: Of torch; ``auto`` is a GPU if there is one.
        subset: Learn and score on samples of this subset alone; None: all.
        manifest_id: Needed where the catalog publishes several manifests of the task.
        allow_outside: Read stores outside the catalog's lake as well.
    """

    steps: int = 300
    batch_size: int = 8
    crop: int = 15
    learning_rate: float = 2e-3
    scaling: str = "reflectance"
    seed: int = 0
    threads: int | None = None
    device: str = "auto"
    subset: str | None = None
    manifest_id: str | None = None
    allow_outside: bool = False


@dataclass(frozen=True, slots=True)
class TrainSummary:
    """What `geosr train` did. `network` and `bicubic` are the scores on the test split."""

    task: str
    collection: str
    manifest_id: str
    device: str
    parameters: int
    train_crops: int
    fit: FitSummary
    test_samples: int
    network: Scores
    bicubic: Scores
    protocol: str
    weights: str


def train(
    catalog: Path,
    task: str,
    weights: Path,
    options: TrainOptions | None = None,
    progress: Progress | None = None,
) -> TrainSummary:
    """Train on the train split, score on the test split, write the weights.

    Raises:
        UsageError: If the catalog has no such task, or no sample to train on.
    """
    chosen = options or TrainOptions()
    if chosen.threads is not None:
        torch.set_num_threads(chosen.threads)
    device = _device(chosen.device)
    torch.manual_seed(chosen.seed)
    learn = _dataset(catalog, task, "train", chosen, paper=True)
    test = _dataset(catalog, task, "test", chosen, paper=False)
    len(test)  # opened before hours go into the training
    network = X16Network(len(learn.lr_bands), learn.skip_bands)
    went = fit(
        network,
        learn,
        steps=chosen.steps,
        batch_size=chosen.batch_size,
        learning_rate=chosen.learning_rate,
        seed=chosen.seed,
        device=device,
        progress=progress,
    )
    by_network, by_bicubic = evaluate(network, test, device=device, progress=progress)
    about = {
        "task": task,
        "collection": learn.release.collection_id,
        "manifest_id": learn.release.manifest_id,
        "lr_bands": ",".join(learn.lr_bands),
        "hr_bands": ",".join(learn.hr_bands),
        "scaling": chosen.scaling,
        "steps": str(chosen.steps),
        "seed": str(chosen.seed),
        "subset": chosen.subset or "all",
        "geosr_lake": __version__,
    }
    save_network(network, weights, about)
    return TrainSummary(
        task=task,
        collection=learn.release.collection_id,
        manifest_id=learn.release.manifest_id,
        device=device,
        parameters=parameter_count(network),
        train_crops=len(learn),
        fit=went,
        test_samples=len(test),
        network=by_network,
        bicubic=by_bicubic,
        protocol=PROTOCOL,
        weights=str(weights),
    )


def _dataset(
    catalog: Path, task: str, split: str, options: TrainOptions, *, paper: bool
) -> SRDataset:
    return SRDataset(
        catalog,
        task,
        split,
        size="paper" if paper else "native",
        crop=options.crop if paper else None,
        scaling=options.scaling,
        subset=options.subset,
        manifest_id=options.manifest_id,
        allow_outside=options.allow_outside,
    )


def _device(wanted: str) -> str:
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=wanted)
    except (RuntimeError, AssertionError) as error:
        raise UsageError(
            f"torch cannot compute on {wanted!r}", next_step="Leave --device out, or name cpu."
        ) from error
    return wanted
