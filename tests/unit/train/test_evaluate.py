"""Scores: the network and bicubic take one path, over whole frames."""

import pytest

torch = pytest.importorskip("torch", reason="training needs torch")

from catalog_world import CatalogWorld  # noqa: E402
from torch.nn import functional  # noqa: E402
from torch.utils.data import Subset  # noqa: E402

from geosr_lake.train import SRDataset  # noqa: E402
from geosr_lake.train.evaluate import evaluate  # noqa: E402
from geosr_lake.train.metrics import fitted, psnr_db, ssim  # noqa: E402
from geosr_lake.train.network import X16Network  # noqa: E402

pytestmark = pytest.mark.train


def untrained(data: SRDataset) -> X16Network:
    """A network that is its skip connection: bicubic, by another way through the code."""
    network = X16Network(len(data.lr_bands), data.skip_bands, features=8, blocks=1)
    with torch.no_grad():
        for parameter in network.up.parameters():
            parameter.zero_()
    return network


def test_bicubic_is_worked_out_as_the_protocol_says(catalog_world: CatalogWorld) -> None:
    data = SRDataset(catalog_world.catalog, "s2_naip", "test", hr_bands=["N", "G"])
    network, baseline = evaluate(untrained(data), data)
    assert network == baseline
    rows = []
    for i in range(len(data)):
        sample = data[i]
        lr = functional.interpolate(sample["lr"][None], size=64, mode="bilinear")
        big = functional.interpolate(lr[:, data.skip_bands], size=1024, mode="bicubic")
        back = functional.interpolate(big, size=1000, mode="bilinear")
        truth, valid = sample["hr"][None], sample["hr_valid"][None]
        after = fitted(back, truth, valid)
        rows.append([float(f(p, truth, valid)) for p in (back, after) for f in (psnr_db, ssim)])
    wanted = torch.tensor(rows, dtype=torch.float64).mean(0).tolist()
    found = [baseline.psnr_db, baseline.ssim, baseline.psnr_fit_db, baseline.ssim_fit]
    assert found == pytest.approx(wanted, abs=1e-6)
    assert baseline.psnr_fit_db is not None
    assert baseline.psnr_fit_db > baseline.psnr_db


def test_clouds_and_holes_do_not_count(catalog_world: CatalogWorld) -> None:
    data = SRDataset(catalog_world.catalog, "s2_naip", "train", hr_bands=["R"])
    network = untrained(data)
    (with_holes, _) = evaluate(network, Subset(data, [0]))
    assert with_holes.psnr_fit_db is not None
    # The 100 rows without data hold the mean of the rest: scored, they would change the mean.
    let_through = SRDataset(catalog_world.catalog, "s2_naip", "train", hr_bands=["R"], reject=0)
    (without, _) = evaluate(network, Subset(let_through, [0]))
    assert without.psnr_db != with_holes.psnr_db


def test_no_sample_gives_no_score(catalog_world: CatalogWorld) -> None:
    data = SRDataset(catalog_world.catalog, "s2_naip", "test")
    network, baseline = evaluate(untrained(data), Subset(data, []))
    assert (network.psnr_db, network.ssim, baseline.psnr_fit_db) == (None, None, None)
