"""`geosr train` from its command line."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from catalog_world import LABELLED, CatalogWorld

pytest.importorskip("torch", reason="training needs torch")

pytestmark = pytest.mark.train

REPO = Path(__file__).parents[2]


def geosr(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "geosr_lake", *words],
        capture_output=True,
        text=True,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": str(REPO)},
    )


def test_it_trains_scores_and_saves(catalog_world: CatalogWorld, tmp_path: Path) -> None:
    words = ["train", "--catalog", str(catalog_world.catalog), "--task", "s2_naip"]
    words += ["--steps", "30", "--batch", "4", "--threads", "1", "--device", "cpu"]
    done = geosr(*words, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["train_crops"] == 48
    assert summary["test_samples"] == 2
    assert summary["fit"]["loss_last"] < summary["fit"]["loss_first"]
    for method in ("network", "bicubic"):
        assert 10 < summary[method]["psnr_db"] < 60
        assert 0 < summary[method]["ssim"] < 1
        assert summary[method]["psnr_fit_db"] >= summary[method]["psnr_db"]
    assert summary["protocol"].startswith("masked-1")
    weights = tmp_path / "geosr-s2_naip-x16.safetensors"
    assert summary["weights"] == weights.name
    from geosr_lake.train.weights import load_network

    _, about = load_network(weights)
    assert about["manifest_id"] == catalog_world.manifest_ids["s2_naip"]
    assert about["hr_bands"] == "R,G,B,N"


def test_a_subset_that_the_test_split_lacks_is_told_at_once(
    catalog_world: CatalogWorld, tmp_path: Path
) -> None:
    words = ["train", "--catalog", str(catalog_world.catalog), "--task", "s2_naip"]
    done = geosr(*words, "--steps", "100000", "--subset", LABELLED, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert f"No sample of this split is of the subset '{LABELLED}'" in done.stderr


@pytest.mark.slow
def test_people_see_the_network_beside_bicubic(catalog_world: CatalogWorld, tmp_path: Path) -> None:
    words = ["train", "--catalog", str(catalog_world.lake.root), "--task", "s2_naip"]
    words += ["--steps", "2", "--batch", "2", "--threads", "1", "--weights", "w/a.safetensors"]
    done = geosr(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for word in ("PSNR", "SSIM", "network", "bicubic", "masked-1", "2 samples"):
        assert word in done.stdout
    assert "Training (2)" in done.stderr
    assert (tmp_path / "w" / "a.safetensors").is_file()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--catalog", "nowhere", "--task", "s2_naip"], "There is no catalog here"),
        (["--catalog", "{catalog}", "--task", "s3"], "publishes nothing for s3"),
        (["--catalog", "{catalog}", "--task", "s2_naip", "--crop", "20"], "not 20"),
        (["--catalog", "{catalog}", "--task", "s2_naip", "--device", "warp"], "'warp'"),
    ],
)
def test_errors_have_words_and_codes(
    catalog_world: CatalogWorld, tmp_path: Path, words: list[str], said: str
) -> None:
    filled = [word.format(catalog=catalog_world.catalog) for word in words]
    done = geosr("train", *filled, cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.spark
@pytest.mark.slow
@pytest.mark.parametrize("task", ["s2_naip", "modis_landsat8"])
def test_it_trains_on_the_demo(demo_output: dict[str, Any], tmp_path: Path, task: str) -> None:
    words = ["train", "--catalog", demo_output["catalog"], "--task", task, "--steps", "40"]
    done = geosr(*words, "--threads", "1", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["test_samples"] > 0
    assert summary["network"]["psnr_fit_db"] is not None
    assert summary["bicubic"]["ssim"] is not None


@pytest.mark.spark
@pytest.mark.slow
@pytest.mark.parametrize(("task", "steps"), [("s2_naip", 300), ("modis_landsat8", 500)])
def test_four_crops_of_the_demo_are_learnt_two_decibels_beyond_bicubic(
    demo_output: dict[str, Any], task: str, steps: int
) -> None:
    """As many steps as leave room: how fast it goes depends on the processor's rounding."""
    import torch
    from torch.utils.data import Subset

    from geosr_lake.train import SRDataset
    from geosr_lake.train.dataset import collate
    from geosr_lake.train.fit import fit, jointly_valid
    from geosr_lake.train.metrics import fitted, psnr_db
    from geosr_lake.train.network import X16Network, bicubic

    data = SRDataset(demo_output["catalog"], task, "train", size="paper", crop=15)
    four = Subset(data, np.random.default_rng(0).choice(len(data), 4, replace=False).tolist())
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the same sums in the same order, and fast on a busy machine
    torch.manual_seed(0)
    try:
        network = X16Network(len(data.lr_bands), data.skip_bands)
        went = fit(network, four, steps=steps, batch_size=4, seed=0)
        batch = collate([four[i] for i in range(4)])
        with torch.inference_mode():
            learnt = network(batch["lr"])
    finally:
        torch.set_num_threads(threads)
    truth, valid = batch["hr"], jointly_valid(batch)
    assert valid.float().mean() > 0.9
    learnt_db, bicubic_db = (
        psnr_db(fitted(image, truth, valid), truth, valid)
        for image in (learnt, bicubic(batch["lr"], data.skip_bands, 256))
    )
    assert float((learnt_db - bicubic_db).mean()) >= 2.0
    assert went.loss_last < went.loss_first / 2
