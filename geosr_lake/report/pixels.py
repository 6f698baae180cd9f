"""The pixels of one sample, read from its Zarr store and scaled for the eye."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from geosr_lake.arrays import Floats
from geosr_lake.errors import CorruptDataError
from geosr_lake.report import png
from geosr_lake.report.members import Measured
from geosr_lake.sensors.model import Band
from geosr_lake.sensors.quality import MaskBit
from geosr_lake.sensors.tasks import Task

TRUE_COLOUR = {
    "modis": ("sur_refl_b01", "sur_refl_b04", "sur_refl_b03"),
    "landsat": ("red", "green", "blue"),
    "sentinel2": ("B04", "B03", "B02"),
    "naip": ("R", "G", "B"),
}
"""Roles of the bands that stand for red, green and blue."""

DARK = 0.6
"""Black is this share of the way from 0 to the first percentile: some haze stays, hues do too."""


@dataclass(frozen=True)
class Pixels:
    """Red, green and blue of both sides of one sample, with its masks.

    Attributes:
        task: Its SR task.
        lr: (3, n, n) in the band's unit (reflectance, or bytes for NAIP); NaN where there is no
            measurement.
        hr: (3, m, m), as stored there and scaled; pixels without a measurement hold anything.
        lr_mask: (n, n) flags.
        hr_mask: (m, m) flags.
    """

    task: Task
    lr: Floats
    hr: Floats
    lr_mask: png.Bytes
    hr_mask: png.Bytes

    def hr_mean(self, size: int) -> Floats:
        """Return (3, size, size): HR averaged by area over measured pixels; NaN where too few."""
        return png.area_mean(self.hr, measured(self.hr_mask), size)

    @cached_property
    def spans(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Values of LR and HR that become black and white.

        One pair for both sides where both are reflectance; else each its own.
        """
        size = min(250, self.hr_mask.shape[0])
        hr = _span(self.hr_mean(size), png.nearest(self.hr_mask, size))
        if shares_unit(self.task):
            return hr, hr
        return _span(self.lr, self.lr_mask), hr

    def difference(self) -> Floats:
        """Return (n, n): LR minus HR averaged to LR's pixels, in LR's unit; NaN where unknown.

        HR is first fitted to LR band by band with a gain and an offset (least squares over pixels
        that are clear on both sides), since the sensors differ; then the bands are averaged.
        """
        size = self.lr_mask.shape[0]
        clear = (self.lr_mask == 0) & (np.abs(self._hr_flagged(size)) < 1e-9)
        mean = png.area_mean(self.hr, self.hr_mask == 0, size)
        out = np.full(self.lr.shape, np.nan)
        for i, (lr, hr) in enumerate(zip(self.lr, mean, strict=True)):
            good = clear & np.isfinite(lr) & np.isfinite(hr)
            if good.sum() < 3:
                continue
            x, y = hr[good], lr[good]
            spread = float(np.var(x))
            gain = float(np.mean((x - x.mean()) * (y - y.mean()))) / spread if spread > 0 else 0.0
            out[i][good] = y - (y.mean() + gain * (x - x.mean()))
        result: Floats = out.mean(axis=0)
        return result

    def _hr_flagged(self, size: int) -> Floats:
        flagged = (self.hr_mask != 0).astype(float)[None]
        everywhere = np.ones(self.hr_mask.shape, dtype=bool)
        share: Floats = png.area_mean(flagged, everywhere, size)[0]
        return share


def measured(mask: png.Bytes) -> png.Flags:
    """Tell which pixels hold a measurement; unwritten ones (255) do not."""
    there: png.Flags = (mask & MaskBit.NODATA) == 0
    return there


def shares_unit(task: Task) -> bool:
    """Tell whether both sides are reflectance, so that one stretch serves both."""
    return all(s.band(TRUE_COLOUR[s.name][0]).scale < 1 for s in (task.lr, task.hr))


def _span(pixels: Floats, mask: png.Bytes) -> tuple[float, float]:
    """Return black and white from clear pixels, or from all if few are clear."""
    good = mask == 0
    low, high = png.limits(pixels[:, good] if good.mean() > 0.05 else pixels, 1.0, 99.5)
    return max(DARK * low, 0.0), high


def read(root: Path, task: Task, where: Measured) -> Pixels:
    """Read one materialized sample.

    Args:
        root: The lake.
        task: Gives the bands of the cube.
        where: Store, index, and the offset of LR's digital numbers.

    Raises:
        CorruptDataError: If the store is not there, lies outside the lake, or lacks an array.
    """
    group, at = _store(root, where.cube), where.index
    lr_mask: png.Bytes = np.asarray(_array(group, "lr_mask")[at])
    hr_mask: png.Bytes = np.asarray(_array(group, "hr_mask")[at])
    lr_bands = [task.lr.band(role) for role in TRUE_COLOUR[task.lr_sensor]]
    hr_bands = [task.hr.band(role) for role in TRUE_COLOUR[task.hr_sensor]]
    lr = _read(_array(group, "lr"), at, lr_bands, task.lr_bands, where.lr_dn_offset or 0)
    hr = _read(_array(group, "hr"), at, hr_bands, task.hr_bands, 0)
    return Pixels(task, np.where(measured(lr_mask), lr, np.nan), hr, lr_mask, hr_mask)


def _read(
    array: zarr.Array[Any], at: int, bands: Sequence[Band], order: Sequence[str], dn_offset: int
) -> Floats:
    """Read three bands of one sample as (DN + offset of the scene) * scale + offset."""
    # Chunks hold all bands: one plain read is many times faster than picking three.
    numbers = np.asarray(array[at])[[order.index(band.role) for band in bands]]
    scaled: Floats = (numbers + float(dn_offset)) * bands[0].scale + bands[0].offset
    return scaled


def _store(root: Path, cube: str) -> zarr.Group:
    path = (root / cube).resolve()
    if not path.is_relative_to(root.resolve()):
        raise CorruptDataError("A cube's path leads out of the lake", where=cube[:80])
    try:
        return zarr.open_group(str(path), mode="r", use_consolidated=False)
    except FileNotFoundError as error:
        raise CorruptDataError(
            "The ledger names a cube that is not there",
            where=str(path),
            next_step="Run `geosr cubes verify`.",
        ) from error


def _array(group: zarr.Group, name: str) -> zarr.Array[Any]:
    found = group.get(name)
    if not isinstance(found, zarr.Array):
        raise CorruptDataError(f"The cube has no array {name}", where=str(group.store_path))
    return found
