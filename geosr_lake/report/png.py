"""Small pictures: exact area means, stretches, and palette PNGs as data URIs."""

from base64 import b64encode
from collections.abc import Sequence
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from geosr_lake.arrays import Floats

Bytes = NDArray[np.uint8]
Flags = NDArray[np.bool_]

COLOURS = 160
"""Colours of a true-colour picture's palette; one more is kept for what is not there."""


def _sums(rows: Floats, size: int) -> Floats:
    """Return (..., size): sums over even pieces of the last axis, cut pixels shared by length."""
    n = rows.shape[-1]
    edges = np.linspace(0.0, n, size + 1)
    whole = np.minimum(edges.astype(np.int64), n - 1)
    before = np.zeros((*rows.shape[:-1], n + 1))
    np.cumsum(rows, axis=-1, out=before[..., 1:])
    at_edges = before[..., whole] + (edges - whole) * rows[..., whole]
    sums: Floats = np.diff(at_edges)
    return sums


def _cell_sums(image: Floats, size: int) -> Floats:
    """Return (..., size, size): sums over the cells of a coarser grid of the same square."""
    return _sums(_sums(image, size).swapaxes(-1, -2), size).swapaxes(-1, -2)


def area_mean(image: NDArray[np.generic], valid: Flags, size: int) -> Floats:
    """Average an image over the cells of a coarser grid, weighted by area, over valid pixels only.

    Args:
        image: (bands, n, n), any numeric type.
        valid: (n, n); False pixels do not count.
        size: Edge of the result in pixels, at most n.

    Returns:
        (bands, size, size) float64; NaN where less than half of a cell's area is valid.
    """
    cell = (valid.shape[0] / size) ** 2
    numbers = np.asarray(image, dtype=np.float64)
    if valid.all():
        plain: Floats = _cell_sums(numbers, size) / cell
        return plain
    cover = _cell_sums(valid.astype(np.float64), size)
    total = _cell_sums(np.where(valid, numbers, 0.0), size)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean: Floats = np.where(cover >= 0.5 * cell, total / cover, np.nan)
    return mean


def nearest(mask: Bytes, size: int) -> Bytes:
    """Return (size, size): the pixel of `mask` under the centre of each cell; flags do not mix."""
    at = np.floor((np.arange(size) + 0.5) * mask.shape[0] / size).astype(int)
    return mask[np.ix_(at, at)]


def limits(pixels: Floats, low: float = 1.0, high: float = 99.0) -> tuple[float, float]:
    """Return two percentiles over all finite values, one pair for all bands: hues stay.

    Where nothing is finite or nothing differs the pair still spans something.
    """
    finite = pixels[np.isfinite(pixels)]
    if finite.size == 0:
        return 0.0, 1.0
    bottom, top = (float(v) for v in np.percentile(finite, (low, high)))
    return (bottom, top) if top > bottom else (bottom - 0.5, bottom + 0.5)


def to_rgb(pixels: Floats, span: tuple[float, float], gamma: float = 1.25) -> tuple[Bytes, Flags]:
    """Stretch three bands to bytes.

    Args:
        pixels: (3, n, n), NaN where there is nothing.
        span: Values that become 0 and 255.
        gamma: The result is raised to 1 / gamma: above 1 lifts the shadows.

    Returns:
        (n, n, 3) bytes and (n, n) flags that are True where any band is NaN.
    """
    missing: Flags = np.asarray(np.isnan(pixels).any(axis=0))
    scaled = np.clip((np.nan_to_num(pixels) - span[0]) / (span[1] - span[0]), 0.0, 1.0)
    rgb = np.rint(255 * scaled ** (1 / gamma)).astype(np.uint8)
    return np.ascontiguousarray(np.moveaxis(rgb, 0, -1)), missing


def picture_png(rgb: Bytes, missing: Flags, colours: int = COLOURS) -> bytes:
    """Write an RGB picture as a PNG of a palette chosen for it; missing pixels are transparent."""
    quantised = Image.fromarray(rgb, "RGB").quantize(
        colours, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE
    )
    palette = (quantised.getpalette() or [])[: 3 * colours]
    palette += [0] * (3 * (colours + 1) - len(palette))
    indices = np.where(missing, colours, np.asarray(quantised)).astype(np.uint8)
    return _png(indices, palette, colours)


def palette_png(indices: Bytes, palette: Sequence[tuple[int, int, int, int]]) -> bytes:
    """Write indices into a palette of (red, green, blue, opacity) as a PNG."""
    colours = [value for entry in palette for value in entry[:3]]
    return _png(indices, colours, bytes(entry[3] for entry in palette))


def _png(indices: Bytes, palette: list[int], transparency: int | bytes) -> bytes:
    image = Image.fromarray(indices, "P")
    image.putpalette(palette)
    out = BytesIO()
    image.save(out, format="PNG", optimize=True, transparency=transparency)
    return out.getvalue()


def data_uri(png: bytes) -> str:
    """Return a PNG as a ``data:`` address."""
    return "data:image/png;base64," + b64encode(png).decode("ascii")
