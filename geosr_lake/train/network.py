"""A small network that enlarges sixteen times, over a bicubic skip connection.

The network learns what bicubic interpolation misses: with the skip a few hundred steps are enough
to see whether data and loss are sound, without it none of the usual networks passes bicubic in
that time. It is a residual dense network of the kind of Wang et al. 2018 (ESRGAN, arXiv
1809.00219), without normalisation layers, with pixel shuffles (Shi et al. 2016, arXiv 1609.05158)
instead of enlarged feature maps, so that a step costs a fraction of a second on a processor.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

FACTOR = 16


def bicubic(image: Tensor, bands: Sequence[int], size_px: int) -> Tensor:
    """The baseline: the LR bands that match the HR bands, bicubic (``align_corners=False``).

    Args:
        image: Float (sample, LR band, y, x).
        bands: Index of the LR band for each HR band.
        size_px: Pixels along an edge of the result.

    Returns:
        Float (sample, HR band, size_px, size_px).
    """
    return functional.interpolate(
        image[:, list(bands)], size=(size_px, size_px), mode="bicubic", align_corners=False
    )


class _DenseBlock(nn.Module):
    """Three convolutions that each see all features before them, scaled into the identity."""

    def __init__(self, features: int) -> None:
        super().__init__()
        grow = features // 2
        self.first = nn.Conv2d(features, grow, 3, padding=1)
        self.second = nn.Conv2d(features + grow, grow, 3, padding=1)
        self.last = nn.Conv2d(features + 2 * grow, features, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        first = functional.leaky_relu(self.first(x), 0.2)
        second = functional.leaky_relu(self.second(torch.cat((x, first), 1)), 0.2)
        out: Tensor = x + 0.2 * self.last(torch.cat((x, first, second), 1))
        return out


class X16Network(nn.Module):
    """LR bands in, HR bands out, sixteen times as many pixels along an edge.

    Args:
        in_bands: LR bands.
        skip_bands: Index of the LR band that each HR band's skip connection starts from; its
            length is the number of HR bands.
        features: Channels at low resolution.
        blocks: Dense blocks at low resolution.
    """

    def __init__(
        self, in_bands: int, skip_bands: Sequence[int], *, features: int = 64, blocks: int = 3
    ) -> None:
        super().__init__()
        out_bands = len(skip_bands)
        self.config = {
            "in_bands": in_bands,
            "skip_bands": list(skip_bands),
            "features": features,
            "blocks": blocks,
        }
        self.skip_bands = tuple(skip_bands)
        self.gain = nn.Parameter(torch.ones(1, out_bands, 1, 1))
        self.bias = nn.Parameter(torch.zeros(1, out_bands, 1, 1))
        self.head = nn.Conv2d(in_bands, features, 3, padding=1)
        self.body = nn.Sequential(*(_DenseBlock(features) for _ in range(blocks)))
        # Two shuffles by 4 are FACTOR; the dear convolutions stay at low resolution.
        middle = features // 2
        self.up = nn.Sequential(
            nn.Conv2d(features, middle * 16, 3, padding=1),
            nn.PixelShuffle(4),
            nn.LeakyReLU(0.2),
            nn.Conv2d(middle, out_bands * 16, 3, padding=1),
            nn.PixelShuffle(4),
        )

    def start_from(self, gain: Tensor, bias: Tensor) -> None:
        """Set the skip connection's gain and bias, one number an HR band."""
        with torch.no_grad():
            self.gain.copy_(gain.reshape(self.gain.shape))
            self.bias.copy_(bias.reshape(self.bias.shape))

    def forward(self, x: Tensor) -> Tensor:
        """Enlarge float (sample, LR band, h, w) to (sample, HR band, 16 h, 16 w)."""
        skip = bicubic(x, self.skip_bands, FACTOR * x.shape[-1])
        features = self.head(x)
        features = features + self.body(features)
        out: Tensor = self.gain * skip + self.bias + self.up(features)
        return out


def parameter_count(network: nn.Module) -> int:
    """How many numbers the network learns."""
    return sum(p.numel() for p in network.parameters())
