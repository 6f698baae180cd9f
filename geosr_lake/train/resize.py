"""The declared resize: bilinear, pixel edges aligned with pixel edges (``align_corners=False``).

The cubes hold 60 low-resolution and 1000 high-resolution pixels along an edge, a ratio of 50 to 3.
Networks that enlarge sixteen times see 64 and 1024, as in GeoSR-Bench (arXiv 2605.00310), or the
same share of a crop: 15 and 250 become 16 and 256. A crop is cut first and resized after, so that
no pixel from beyond its edge enters it.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

NATIVE_PX = (60, 1000)
PAPER_PX = (64, 1024)


def paper_px(native_px: int, side: int) -> int:
    """Pixels that `native_px` become: 15 -> 16 on the LR side (0), 250 -> 256 on the HR side (1).

    Raises:
        ValueError: The crop does not come to a whole number of pixels.
    """
    whole, rest = divmod(native_px * PAPER_PX[side], NATIVE_PX[side])
    if rest:
        raise ValueError(f"{native_px} pixels of {NATIVE_PX[side]} are no whole paper-size crop")
    return whole


def resize_image(image: Tensor, size_px: int) -> Tensor:
    """Resize (band, y, x) or (sample, band, y, x) float to `size_px` along each edge."""
    if image.shape[-1] == size_px and image.shape[-2] == size_px:
        return image
    batched = image if image.dim() == 4 else image.unsqueeze(0)
    out = functional.interpolate(
        batched, size=(size_px, size_px), mode="bilinear", align_corners=False
    )
    return out if image.dim() == 4 else out.squeeze(0)


def resize_valid(valid: Tensor, size_px: int) -> Tensor:
    """Resize a bool (y, x) mask: a pixel is valid if every pixel that it is made of is."""
    if valid.shape[-1] == size_px and valid.shape[-2] == size_px:
        return valid
    invalid = (~valid).to(torch.float32).unsqueeze(0)
    return resize_image(invalid, size_px).squeeze(0) == 0


def enlarge_valid(valid: Tensor, size_px: int) -> Tensor:
    """Enlarge a bool (sample, y, x) mask to the pixels of another grid over the same ground."""
    grown = functional.interpolate(
        valid.unsqueeze(1).to(torch.float32), size=(size_px, size_px), mode="nearest-exact"
    )
    return grown.squeeze(1) > 0
