"""What can be measured at a sample's pixels: shares, the shift of LR against HR, correlation.

HR is averaged over LR's pixels and the peak of the cross-correlation with LR is found, in near
infrared, which both sides of both tasks have (Guizar-Sicairos, Thurman and Fienup, Optics Letters
33, 2008, as in scikit-image). Pixels as coarse as these alias, which draws the peak of two images
towards no shift; so HR is averaged anew over pixels moved by what was found, until nothing is left
to find.
"""

from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.filters import gaussian
from skimage.registration import phase_cross_correlation

from geosr_lake.cubes.jobs import Measured
from geosr_lake.cubes.read import SidePixels
from geosr_lake.cubes.resample import ParallelResampler, axis
from geosr_lake.sensors.quality import MaskBit
from geosr_lake.sensors.tasks import Task

MATCHED_BANDS: dict[str, tuple[str, str]] = {
    "s2_naip": ("B08", "N"),
    "modis_landsat8": ("sur_refl_b02", "nir08"),
}
"""Task -> the LR and HR bands of one wavelength, near infrared."""

MIN_JOINT_FRAC = 0.5
"""Share of LR pixels that must be clear on both sides for a shift to be told."""
MIN_PIXEL_FRAC = 0.5
"""Share of an LR pixel's HR pixels that must be clear for their mean to count."""
MIN_CORRELATION = 0.3
"""Once the shift is undone the images must agree by this much, else it is chance."""
MAX_SHIFT_PX = 5.0
SUBPIXELS = 100
ROUNDS = 6
SMOOTH_PX = 4.0
"""What is smoother than this is taken off both images first: it says little about position."""


def measure(task: Task, lr: SidePixels, hr: SidePixels) -> Measured:
    """Return all that is measured at one sample."""
    lr_band, hr_band = MATCHED_BANDS[task.name]
    lr_image = lr.numbers[task.lr_bands.index(lr_band)].astype(np.float64)
    hr_image = hr.numbers[task.hr_bands.index(hr_band)].astype(np.float64)
    hr_clear = hr.mask == 0
    mean, known = average(hr_image, hr_clear, lr_image.shape)
    shift = estimate_shift(lr_image, lr.mask == 0, hr_image, hr_clear)
    return Measured(
        lr_valid_frac=valid_frac(lr.mask),
        hr_valid_frac=valid_frac(hr.mask),
        lr_clear_frac=float(np.mean(lr.mask == 0)),
        hr_clear_frac=float(np.mean(hr.mask == 0)),
        shift_x_px=None if shift is None else shift[0],
        shift_y_px=None if shift is None else shift[1],
        correlation=correlation(lr_image, mean, known & (lr.mask == 0)),
    )


def valid_frac(mask: NDArray[np.uint8]) -> float:
    """Return the share of pixels that are not nodata; unknown ones (255) are."""
    return float(np.mean((mask & MaskBit.NODATA) == 0))


def average(
    image: NDArray[np.float64],
    clear: NDArray[np.bool_],
    shape: tuple[int, ...],
    shift: tuple[float, float] = (0.0, 0.0),
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the mean of the clear pixels under each pixel of a coarser grid of the same square.

    Args:
        image: (rows, columns).
        clear: Which of them count.
        shape: Of the coarser grid; need not divide the image's.
        shift: (x, y) in coarse pixels: what the image shows is taken to lie this much further to
            the east and south.

    Returns:
        The means, 0 where there is none, and where more than half of the pixels are clear.
    """
    step = image.shape[0] / shape[0], image.shape[1] / shape[1]
    margin = [ceil(abs(moved) * by) for moved, by in zip(reversed(shift), step, strict=True)]
    around = [(width, width) for width in margin]
    image, clear = np.pad(image, around), np.pad(clear, around)
    how = ParallelResampler(
        *(
            axis(width - moved * by, by, count)
            for width, moved, by, count in zip(margin, reversed(shift), step, shape, strict=True)
        )
    )
    top, bottom, left, right = how.window
    seen = clear[top:bottom, left:right]
    share = how.sums(seen.astype(np.float64))
    total = how.sums(np.where(seen, image[top:bottom, left:right], 0.0))
    known = share > MIN_PIXEL_FRAC
    return np.where(known, total / np.where(known, share, 1.0), 0.0), known


def correlation(
    first: NDArray[np.float64], second: NDArray[np.float64], joint: NDArray[np.bool_]
) -> float | None:
    """Return Pearson's correlation over `joint`; None below 3 pixels or where one is constant."""
    if np.count_nonzero(joint) < 3:
        return None
    first, second = first[joint], second[joint]
    a, b = first - first.mean(), second - second.mean()
    spread = float(np.sqrt((a @ a) * (b @ b)))
    # The mean of equal numbers may be off in its last digit: that is no texture.
    if spread <= 1e-9 * float(np.sqrt((first @ first) * (second @ second))):
        return None
    return float(np.clip((a @ b) / spread, -1.0, 1.0))


def estimate_shift(
    lr: NDArray[np.float64],
    lr_clear: NDArray[np.bool_],
    hr: NDArray[np.float64],
    hr_clear: NDArray[np.bool_],
) -> tuple[float, float] | None:
    """Return how far LR lies to the east and south of HR, in LR pixels.

    Args:
        lr: (rows, columns).
        lr_clear: Which of its pixels count.
        hr: (rows, columns) of the same square, finer.
        hr_clear: Which of its pixels count.

    Returns:
        (x, y), or None where it cannot be told: less than half of the pixels are jointly clear,
        one image has no texture, the search does not settle, or the two images do not agree at
        the shift that it finds.
    """
    x = y = 0.0
    for _ in range(ROUNDS):
        mean, known = average(hr, hr_clear, lr.shape, (x, y))
        joint = known & lr_clear
        agreed = correlation(lr, mean, joint)
        if agreed is None or np.mean(joint) < MIN_JOINT_FRAC:
            return None
        more_y, more_x = _peak(_prepared(lr, joint), _prepared(mean, joint))
        if max(abs(more_x), abs(more_y)) <= 1.0 / SUBPIXELS:
            return (x, y) if agreed >= MIN_CORRELATION else None
        x, y = round(x + more_x, 6), round(y + more_y, 6)
        if max(abs(x), abs(y)) > MAX_SHIFT_PX:
            return None
    return None


def _peak(lr: NDArray[np.float64], hr: NDArray[np.float64]) -> tuple[float, float]:
    """Return how far LR lies below and to the right of HR, in pixels, by cross-correlation."""
    found: Any = phase_cross_correlation  # scikit-image carries no types
    (y, x), _, _ = found(lr, hr, upsample_factor=SUBPIXELS, normalization=None)
    return float(y), float(x)


def _prepared(image: NDArray[np.float64], joint: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Take off what is smooth, put 0, the mean, where it is not clear, and fade out the edges."""
    centred = np.where(joint, image - image[joint].mean(), 0.0)
    # Normalised by the weight of what is clear, so that holes leave no dent around them.
    weight = _smoothed(joint.astype(np.float64))
    smooth = _smoothed(centred) / np.maximum(weight, 1e-6)
    fade = np.outer(*(np.hanning(size + 2)[1:-1] for size in image.shape))
    result: NDArray[np.float64] = np.where(joint, centred - smooth, 0.0) * fade
    return result


def _smoothed(image: NDArray[np.float64]) -> NDArray[np.float64]:
    blur: Any = gaussian  # scikit-image carries no types
    result: NDArray[np.float64] = blur(image, SMOOTH_PX, mode="nearest")
    return result
