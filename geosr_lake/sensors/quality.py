"""Quality bits of four sensors, decoded into one set of flags.

Sources: ESA, Sentinel-2 Level-2A Algorithm Theoretical Basis Document (scene classification);
USGS, Landsat 8-9 Collection 2 Level 2 Science Product Guide (QA_PIXEL, QA_RADSAT); MODIS Surface
Reflectance User's Guide, collection 6.1 (500 m state flags).
"""

from __future__ import annotations

from datetime import date
from enum import IntFlag

import numpy as np
from numpy.typing import NDArray

from geosr_lake.sensors import modis

Mask = NDArray[np.uint8]


class MaskBit(IntFlag):
    """What can be wrong with a pixel; 0 is nothing flagged."""

    NODATA = 1
    CLOUD = 2
    CLOUD_SHADOW = 4
    CIRRUS = 8
    SNOW_ICE = 16
    DEFECTIVE = 32
    """Saturated, defective or occluded by terrain."""
    OUTSIDE_WINDOW = 64
    """Seen on a day that lies outside the recipe's time window."""


MASK_UNKNOWN = 255
"""Nobody looked at this pixel: never written, or the source carries no quality information."""

MASK_MEANINGS: dict[int, str] = {
    MaskBit.NODATA: "no data",
    MaskBit.CLOUD: "cloud",
    MaskBit.CLOUD_SHADOW: "cloud shadow",
    MaskBit.CIRRUS: "cirrus",
    MaskBit.SNOW_ICE: "snow or ice",
    MaskBit.DEFECTIVE: "saturated, defective or occluded",
    MaskBit.OUTSIDE_WINDOW: "outside the time window",
}
"""Bit value -> words, for attributes and legends."""

SCL_CLOUDY = (8, 9, 10)
"""Classes whose share of the valid pixels is the item's ``eo:cloud_cover``."""

_SCL_TABLE = np.full(256, MaskBit.DEFECTIVE, dtype=np.uint8)
_SCL_TABLE[:12] = (
    MaskBit.NODATA,
    MaskBit.DEFECTIVE,
    0,  # dark area or topographic shadow: ground that was seen
    MaskBit.CLOUD_SHADOW,
    0,  # vegetation
    0,  # not vegetated
    0,  # water
    0,  # unclassified
    MaskBit.CLOUD,  # medium probability
    MaskBit.CLOUD,  # high probability
    MaskBit.CIRRUS,
    MaskBit.SNOW_ICE,
)


def decode_scl(scl: NDArray[np.integer]) -> Mask:
    """Flags of Sentinel-2 scene classes; numbers above 11 are not defined and count as defective.

    Args:
        scl: Scene classes 0 to 255, any shape.

    Returns:
        uint8 :class:`MaskBit` of the same shape.

    Raises:
        IndexError: A number outside 0 to 255.
    """
    return np.take(_SCL_TABLE, scl)


def decode_qa_pixel(qa: NDArray[np.integer]) -> Mask:
    """Flags of Landsat QA_PIXEL.

    Bit 0 fill, 1 dilated cloud, 2 cirrus (high confidence), 3 cloud (high confidence), 4 cloud
    shadow, 5 snow. Dilated cloud counts as cloud: its pixels touch one.

    Args:
        qa: uint16, any shape.

    Returns:
        uint8 :class:`MaskBit` of the same shape; fill carries ``NODATA`` alone.
    """
    mask = (
        _flag(qa, 0b1010, MaskBit.CLOUD)
        | _flag(qa, 1 << 2, MaskBit.CIRRUS)
        | _flag(qa, 1 << 4, MaskBit.CLOUD_SHADOW)
        | _flag(qa, 1 << 5, MaskBit.SNOW_ICE)
    )
    return np.where((qa & 1) != 0, np.uint8(MaskBit.NODATA), mask)


def decode_qa_radsat(qa: NDArray[np.integer]) -> Mask:
    """Flags of Landsat QA_RADSAT: bits 0 to 6 saturation of bands 1 to 7, bit 11 occlusion.

    Bit 8 (band 9, cirrus) is left out: Level 2 does not carry the band.

    Args:
        qa: uint16, any shape.

    Returns:
        uint8, ``DEFECTIVE`` or 0.
    """
    return _flag(qa, 0b1000_0111_1111, MaskBit.DEFECTIVE)


def decode_modis_state(state: NDArray[np.integer]) -> Mask:
    """Flags of MOD09A1 ``sur_refl_state_500m``.

    Bits 0-1 cloud state (1 cloudy, 2 mixed; 3 is "not set, assumed clear"), 2 cloud shadow, 8-9
    cirrus (0 none, 1 small, 2 average, 3 high; average and high are flagged), 10 internal cloud
    flag, 12 snow or ice of MOD35, 15 internal snow mask. 65535 is fill.

    Args:
        state: uint16, any shape.

    Returns:
        uint8 :class:`MaskBit` of the same shape; fill carries ``NODATA`` alone.
    """
    cloud_state = state & 0b11
    cloudy = (cloud_state == 1) | (cloud_state == 2) | ((state & (1 << 10)) != 0)
    mask = (
        np.where(cloudy, np.uint8(MaskBit.CLOUD), np.uint8(0))
        | _flag(state, 1 << 2, MaskBit.CLOUD_SHADOW)
        | _flag(state, 1 << 9, MaskBit.CIRRUS)
        | _flag(state, 1 << 12 | 1 << 15, MaskBit.SNOW_ICE)
    )
    return np.where(state == modis.FILL_UINT16, np.uint8(MaskBit.NODATA), mask)


def decode_modis_day(
    day_of_year: NDArray[np.integer], composite_start: date, first: date, last: date
) -> Mask:
    """Flags of the days on which the pixels of a composite were seen.

    Args:
        day_of_year: ``sur_refl_day_of_year``, any shape.
        composite_start: First day of the composite.
        first: First day of the time window.
        last: Last day of it, itself included.

    Returns:
        uint8: ``OUTSIDE_WINDOW``, ``NODATA`` for fill, or 0.
    """
    dates = modis.composite_dates(day_of_year, composite_start)
    outside = (dates < np.datetime64(first)) | (dates > np.datetime64(last))
    mask = np.where(outside, np.uint8(MaskBit.OUTSIDE_WINDOW), np.uint8(0))
    return np.where(np.isnat(dates), np.uint8(MaskBit.NODATA), mask)


def decode_nodata(dn: NDArray[np.generic], nodata: int | None) -> Mask:
    """``NODATA`` where any band holds its nodata number.

    Args:
        dn: Digital numbers, bands first: (band, ...).
        nodata: The number; None flags nothing.

    Returns:
        uint8 of shape (...): one flag for all bands.
    """
    if nodata is None:
        return np.zeros(dn.shape[1:], dtype=np.uint8)
    missing: NDArray[np.bool_] = np.any(dn == nodata, axis=0)
    return np.where(missing, np.uint8(MaskBit.NODATA), np.uint8(0))


def _flag(qa: NDArray[np.integer], bits: int, flag: MaskBit) -> Mask:
    """``flag`` where any of ``bits`` is set."""
    return np.where((qa & bits) != 0, np.uint8(flag), np.uint8(0))
