"""Training: repeatable, and from valid pixels only."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch")

from catalog_world import CatalogWorld  # noqa: E402
from torch.utils.data import Subset  # noqa: E402

from geosr_lake.errors import UsageError  # noqa: E402
from geosr_lake.train import SRDataset  # noqa: E402
from geosr_lake.train.dataset import collate  # noqa: E402
from geosr_lake.train.fit import fit, jointly_valid, masked_l1, start_skip  # noqa: E402
from geosr_lake.train.network import X16Network, bicubic  # noqa: E402

pytestmark = pytest.mark.train


@pytest.fixture(autouse=True)
def one_thread():
    """One thread: the same sums in the same order, and fast on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def crops(world: CatalogWorld, task: str) -> SRDataset:
    return SRDataset(world.catalog, task, "train", size="paper", crop=15)


def test_the_same_seed_gives_the_same_weights(catalog_world: CatalogWorld) -> None:
    data = crops(catalog_world, "s2_naip")
    states = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        network = X16Network(12, data.skip_bands, features=8, blocks=1)
        fit(network, data, steps=3, batch_size=4, seed=seed, threads=1 + len(states))
        states.append(network.state_dict())
    first, again, other = states
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_the_loss_sees_valid_pixels_only() -> None:
    truth = torch.rand(2, 3, 8, 8)
    predicted = truth + 0.25
    valid = torch.ones(2, 8, 8, dtype=torch.bool)
    valid[:, 2:5] = False
    spoilt = predicted.clone()
    spoilt[:, :, 2:5] = 50.0
    assert float(masked_l1(spoilt, truth, valid)) == pytest.approx(0.25, abs=1e-6)
    assert float(masked_l1(spoilt, truth, torch.zeros_like(valid))) == 0.0
    spoilt.requires_grad_(True)
    masked_l1(spoilt, truth, valid).backward()
    assert spoilt.grad is not None
    assert not spoilt.grad[:, :, 2:5].any()
    assert bool(spoilt.grad[:, :, :2].any())


def test_a_cloud_over_the_lr_side_hides_the_hr_pixels_below(catalog_world: CatalogWorld) -> None:
    batch = collate([crops(catalog_world, "s2_naip")[0]])
    assert bool(batch["hr_valid"].all())
    valid = jointly_valid(batch)
    assert not valid[0, :80, :80].any()
    assert bool(valid[0, 96:].all())


def test_the_skip_connection_starts_from_the_fit(catalog_world: CatalogWorld) -> None:
    data = crops(catalog_world, "s2_naip")
    network = X16Network(12, data.skip_bands, features=8, blocks=1)
    start_skip(network, collate([data[i] for i in range(16, 32)]))
    batch = collate([data[i] for i in range(16, 32)])
    baseline = bicubic(batch["lr"], data.skip_bands, 256)
    for band in range(4):
        x, y = (image[:, band].flatten().numpy() for image in (baseline, batch["hr"]))
        gain, bias = np.polyfit(x, y, 1)
        assert float(network.gain.detach()[0, band]) == pytest.approx(gain, rel=1e-4)
        assert float(network.bias.detach()[0, band]) == pytest.approx(bias, abs=1e-4)


def test_there_must_be_something_to_learn_from(catalog_world: CatalogWorld) -> None:
    data = crops(catalog_world, "s2_naip")
    with pytest.raises(UsageError, match="no sample to train on"):
        fit(X16Network(12, data.skip_bands), Subset(data, []), steps=1)
