"""The network: shapes, its skip connection, and the baseline."""

import pytest

torch = pytest.importorskip("torch", reason="training needs torch")

from torch.nn import functional  # noqa: E402

from geosr_lake.train.network import X16Network, bicubic, parameter_count  # noqa: E402

pytestmark = pytest.mark.train


@pytest.mark.parametrize("px", [15, 16, 64])
def test_sixteen_times_as_many_pixels_and_the_hr_bands(px: int) -> None:
    torch.manual_seed(0)
    network = X16Network(12, [3, 2, 1, 7], features=8, blocks=1)
    assert network(torch.rand(2, 12, px, px)).shape == (2, 4, 16 * px, 16 * px)


def test_the_baseline_takes_the_matched_bands() -> None:
    image = torch.rand(1, 12, 16, 16)
    out = bicubic(image, [3, 2, 1, 7], 256)
    for band, matched in enumerate([3, 2, 1, 7]):
        alone = functional.interpolate(
            image[:, matched : matched + 1], size=256, mode="bicubic", align_corners=False
        )
        assert torch.equal(out[:, band], alone[:, 0])


def test_without_what_it_learnt_the_network_is_its_skip_connection() -> None:
    network = X16Network(7, [2, 0], features=8, blocks=1)
    with torch.no_grad():
        for parameter in network.up.parameters():
            parameter.zero_()
    network.start_from(torch.tensor([2.0, 0.5]), torch.tensor([0.1, -0.1]))
    image = torch.rand(1, 7, 16, 16)
    skip = bicubic(image, [2, 0], 256)
    wanted = torch.stack([2 * skip[:, 0] + 0.1, 0.5 * skip[:, 1] - 0.1], 1)
    assert torch.allclose(network(image), wanted)


def test_the_same_seed_gives_the_same_weights() -> None:
    networks = []
    for _ in range(2):
        torch.manual_seed(3)
        networks.append(X16Network(7, [0, 1], features=8, blocks=2))
    first, second = (n.state_dict() for n in networks)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_it_is_small() -> None:
    assert parameter_count(X16Network(12, [3, 2, 1, 7])) < 1_000_000
