"""`geosr train`: a small network, trained and scored on a published catalog."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from geosr_lake.cli.console import (
    JsonOption,
    exit_codes,
    out,
    print_counts,
    print_rows,
    progress_bar,
    report,
    say,
)
from geosr_lake.errors import EnvironmentProblemError

if TYPE_CHECKING:
    from geosr_lake.train.evaluate import Scores
    from geosr_lake.train.run import TrainSummary


def _check_torch() -> None:
    from importlib.util import find_spec

    if find_spec("torch") is None or find_spec("safetensors") is None:
        raise EnvironmentProblemError(
            "Training needs torch, which is not installed",
            next_step="Run `make demo-train`, or `pip install 'geosr_lake[train]'`.",
        )


def _row(name: str, scores: "Scores") -> list[str]:
    values = (scores.psnr_db, scores.ssim, scores.psnr_fit_db, scores.ssim_fit)
    digits = (2, 4, 2, 4)
    return [name] + [
        "none" if v is None else f"{v:.{n}f}" for v, n in zip(values, digits, strict=True)
    ]


def _show(summary: "TrainSummary") -> None:
    print_counts(
        f"Trained on {summary.collection}",
        {
            "device": summary.device,
            "parameters": summary.parameters,
            "crops to learn from": summary.train_crops,
            "steps": summary.fit.steps,
            "loss at the start": f"{summary.fit.loss_first:.4f}",
            "loss at the end": f"{summary.fit.loss_last:.4f}",
            "seconds": f"{summary.fit.seconds:.1f}",
        },
    )
    print_rows(
        ["", "PSNR [dB]", "SSIM", "PSNR after fit [dB]", "SSIM after fit"],
        [_row("network", summary.network), _row("bicubic", summary.bicubic)],
        title=f"Test split, {summary.test_samples} samples",
    )
    say("The two sensors differ in radiometry: compare the columns after the fit.")
    out.print(f"How it is measured: {summary.protocol}", markup=False)
    say(f"Weights: {summary.weights}")


def train(
    catalog: Annotated[
        Path, typer.Option("--catalog", help="catalog.json, its folder, or the lake's.")
    ],
    task: Annotated[str, typer.Option("--task", help="modis_landsat8 or s2_naip.")],
    steps: Annotated[int, typer.Option(min=1, help="Batches to learn from.")] = 300,
    batch: Annotated[int, typer.Option(min=1, help="Crops a batch.")] = 8,
    crop: Annotated[int, typer.Option(help="LR pixels of a crop: 15, 30 or 60.")] = 15,
    learning_rate: Annotated[float, typer.Option(help="Of Adam.")] = 2e-3,
    scaling: Annotated[str, typer.Option(help="reflectance or paper.")] = "reflectance",
    seed: Annotated[int, typer.Option(help="Start weights and order of the crops.")] = 0,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Processor threads; torch's own choice if left out.")
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, or auto.")] = "auto",
    weights: Annotated[
        Path | None, typer.Option(help="Where to; geosr-TASK-x16.safetensors if left out.")
    ] = None,
    subset: Annotated[
        str | None, typer.Option(help="Learn and score on this subset alone; all if left out.")
    ] = None,
    manifest: Annotated[
        str | None, typer.Option("--manifest", help="Where the catalog holds several of the task.")
    ] = None,
    allow_outside: Annotated[
        bool, typer.Option("--allow-outside", help="Read stores outside the catalog's lake.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Train a small x16 network on a catalog and print its scores beside bicubic's.

    Example: `geosr train --catalog geosr-demo/lake/catalog/catalog.json --task s2_naip`
    """
    with exit_codes():
        _check_torch()
        from geosr_lake.train.run import TrainOptions
        from geosr_lake.train.run import train as train_network

        options = TrainOptions(
            steps=steps,
            batch_size=batch,
            crop=crop,
            learning_rate=learning_rate,
            scaling=scaling,
            seed=seed,
            threads=threads,
            device=device,
            subset=subset,
            manifest_id=manifest,
            allow_outside=allow_outside,
        )
        target = weights or Path(f"geosr-{task}-x16.safetensors")
        with progress_bar() as bar:
            summary = train_network(catalog, task, target, options, progress=bar)
        report(summary, as_json=as_json, show=lambda: _show(summary))
