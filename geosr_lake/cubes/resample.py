"""From a source's pixels to a sample's: copied where the grids coincide, else area-weighted.

One rule for every sensor: a target pixel is the mean of the source pixels under it, each weighted
by the area it has in common. Where source edges fall on target edges this is no arithmetic at all:
the numbers are the source's own, copied (equal pixels) or repeated (coarser ones, the 20 and 60 m
bands of Sentinel-2). Missing pixels never enter a mean. Flags are weighted one by one: a target
pixel is flagged where more than `MAX_FLAGGED_SHARE` of its area is.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from geosr_lake.cubes.grids import Grid
from geosr_lake.net.errors import GridMismatchError
from geosr_lake.net.raster import Window

SNAP_PX = 1e-6
"""Edges closer than this to one another, in source pixels, are one."""
MAX_FLAGGED_SHARE = 0.1
MAX_SOURCE_PX = 64
"""A target pixel is the mean of at most this many source pixels along an axis."""

_SHARE_TOLERANCE = 1e-9


class Resampler(Protocol):
    """Carries source pixels of one window to the target grid."""

    @property
    def window(self) -> Window:
        """Rows and columns of the source that are needed; may reach beyond its edges."""

    @property
    def exact(self) -> bool:
        """Whether every target pixel is one source pixel: numbers are copied."""

    def pick(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return, for each target pixel, the value of the source pixel with the greatest share."""

    def sums(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the sum of share times value for each target pixel; shares add up to 1."""


@dataclass(frozen=True)
class Axis:
    """One axis of two grids that are parallel.

    Attributes:
        first: First source pixel that is needed.
        stop: Source pixel after the last.
        index: (n, m): source pixels under each target pixel, counted from `first`.
        share: (n, m): share of the target pixel's length; 0 where fewer than m lie under it.
    """

    first: int
    stop: int
    index: NDArray[np.int64]
    share: NDArray[np.float64]


def axis(start: float, step: float, count: int) -> Axis:
    """Return which source pixels lie under `count` target pixels, and with what share.

    Args:
        start: Edge of the first target pixel, in source pixels from the source's first edge.
        step: Length of a target pixel in source pixels.
        count: Target pixels.

    Raises:
        GridMismatchError: If the source is finer than can be averaged.
    """
    if step > MAX_SOURCE_PX:
        raise GridMismatchError(f"{step:.0f} source pixels lie along one pixel of the sample")
    edges = start + step * np.arange(count + 1)
    whole = np.rint(edges)
    # Kept to a millionth of a pixel, so that half a pixel is a half: coordinates of millions of
    # metres divided by 0.6 leave rounding behind, which would decide every tie of a mean.
    edges = np.where(np.abs(edges - whole) < SNAP_PX, whole, np.round(edges, 6))
    low, high = edges[:-1], edges[1:]
    first = np.floor(low).astype(np.int64)
    stop = np.ceil(high).astype(np.int64)
    index = first[:, None] + np.arange(int((stop - first).max()))
    overlap = np.minimum(index + 1, high[:, None]) - np.maximum(index, low[:, None])
    share = np.clip(overlap, 0.0, None) / (high - low)[:, None]
    begin = int(first[0])
    # A pixel without a share may lie beyond the window: any other stands in for it.
    index = np.minimum(index, stop[:, None] - 1) - begin
    return Axis(begin, int(stop[-1]), index, share)


@dataclass(frozen=True)
class ParallelResampler:
    """Between grids of one CRS whose axes are parallel."""

    rows: Axis
    columns: Axis

    @property
    def window(self) -> Window:
        """Rows and columns of the source that are needed."""
        return (self.rows.first, self.rows.stop, self.columns.first, self.columns.stop)

    @property
    def exact(self) -> bool:
        """Whether every target pixel lies within one source pixel."""
        return bool(self.rows.index.shape[1] == 1 and self.columns.index.shape[1] == 1)

    def pick(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the source pixel with the greatest share; the north-western of equal ones."""
        rows, columns = (
            _selector(np.take_along_axis(a.index, np.argmax(a.share, axis=1)[:, None], axis=1))
            for a in (self.rows, self.columns)
        )
        picked: NDArray[Any] = values[..., rows, :][..., columns]
        return picked

    def sums(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the sum of share times value, rows first, then columns."""
        rows, columns = self.rows, self.columns
        down = sum(
            values[..., rows.index[:, k], :] * rows.share[:, k, None]
            for k in range(rows.index.shape[1])
        )
        across: NDArray[np.float64] = sum(  # type: ignore[assignment]
            np.asarray(down)[..., columns.index[:, k]] * columns.share[:, k]
            for k in range(columns.index.shape[1])
        )
        return across


def _selector(index: NDArray[np.int64]) -> slice | NDArray[np.int64]:
    """Return (n, 1) positions as a slice where they follow one another: no pixel is moved."""
    flat = index[:, 0]
    if np.array_equal(flat, np.arange(flat[0], flat[0] + len(flat))):
        return slice(int(flat[0]), int(flat[-1]) + 1)
    return flat


def parallel(source: Grid, target: Grid) -> ParallelResampler:
    """Return how `source` is carried to `target`, both in the same CRS.

    Raises:
        GridMismatchError: If the source is finer than can be averaged.
    """
    return ParallelResampler(
        rows=axis(
            (source.north_m - target.north_m) / source.y_m, target.y_m / source.y_m, target.height
        ),
        columns=axis(
            (target.west_m - source.west_m) / source.x_m, target.x_m / source.x_m, target.width
        ),
    )


@dataclass(frozen=True)
class ScatterResampler:
    """Between grids of two CRSs: each target pixel has source pixels of its own.

    Attributes:
        window: Rows and columns of the source that are needed.
        index: (height, width, m): source pixels of each target pixel, as positions in the
            flattened window.
        share: (height, width, m): their shares, which add up to 1.
    """

    window: Window
    index: NDArray[np.int64]
    share: NDArray[np.float64]

    @property
    def exact(self) -> bool:
        """Never: the pixels of two CRSs do not coincide."""
        return False

    def pick(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the source pixel with the greatest share; the first of equal ones."""
        best = np.argmax(self.share, axis=2)[..., None]
        where = np.take_along_axis(self.index, best, axis=2)[..., 0]
        picked: NDArray[Any] = self._flat(values)[..., where]
        return picked

    def sums(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the sum of share times value."""
        flat = self._flat(values)
        total = np.zeros((*flat.shape[:-1], *self.index.shape[:2]))
        for k in range(self.index.shape[2]):
            total += flat[..., self.index[..., k]] * self.share[..., k]
        return total

    def _flat(self, values: NDArray[Any]) -> NDArray[Any]:
        return values.reshape(*values.shape[:-2], -1)


def resample_numbers(
    values: NDArray[Any], missing: NDArray[np.bool_], how: Resampler, nodata: int
) -> NDArray[Any]:
    """Carry digital numbers to the target grid.

    Args:
        values: (band, row, column) of `how.window`, integers.
        missing: Where a number is no data; same shape.
        how: Between which grids.
        nodata: Written where more than `MAX_FLAGGED_SHARE` of a target pixel is missing.

    Returns:
        (band, height, width) of the same type: copies where `how` is exact, else means over what
        is not missing, rounded to the nearest integer (halves to even).
    """
    if how.exact:
        copied: NDArray[Any] = np.where(
            how.pick(missing), np.array(nodata, dtype=values.dtype), how.pick(values)
        )
        return copied
    there = how.sums((~missing).astype(np.float64))
    total = how.sums(np.where(missing, 0.0, values.astype(np.float64)))
    enough = there >= 1.0 - MAX_FLAGGED_SHARE - _SHARE_TOLERANCE
    mean = np.rint(total / np.where(enough, there, 1.0))
    return np.where(enough, mean, nodata).astype(values.dtype)


def resample_flags(flags: NDArray[np.uint8], how: Resampler) -> NDArray[np.uint8]:
    """Carry flags to the target grid, bit by bit.

    Args:
        flags: (row, column) of `how.window`: any sum of bits.
        how: Between which grids.

    Returns:
        (height, width): a bit is set where more than `MAX_FLAGGED_SHARE` of the pixel has it.
    """
    if how.exact:
        picked: NDArray[np.uint8] = how.pick(flags)
        return picked
    present = [bit for bit in (1 << n for n in range(8)) if (flags & bit).any()]
    result = np.zeros(how.pick(flags).shape, dtype=np.uint8)
    for bit in present:
        share = how.sums(((flags & bit) != 0).astype(np.float64))
        result |= np.where(share > MAX_FLAGGED_SHARE + _SHARE_TOLERANCE, np.uint8(bit), np.uint8(0))
    return result
