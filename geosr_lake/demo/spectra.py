"""What the demo's ground is made of: reflectance of materials, and who sees which band.

The numbers are of the size that such surfaces have in the field; they are made up, not measured.
Sensors that look at about the same wavelength see the same number, so that a low-resolution
pixel can be compared with the mean of the high-resolution pixels in it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

BANDS = (
    "coastal",
    "blue",
    "green",
    "red",
    "edge1",
    "edge2",
    "edge3",
    "nir",
    "nir_narrow",
    "vapour",
    "swir12",
    "swir16",
    "swir22",
)

_REFLECTANCE: dict[str, tuple[float, ...]] = {
    "lawn": (0.027, 0.036, 0.083, 0.056, 0.12, 0.27, 0.33, 0.36, 0.37, 0.37, 0.32, 0.21, 0.12),
    "alfalfa": (0.020, 0.027, 0.074, 0.035, 0.10, 0.34, 0.43, 0.46, 0.48, 0.48, 0.37, 0.22, 0.10),
    "corn": (0.022, 0.029, 0.066, 0.041, 0.10, 0.29, 0.37, 0.40, 0.42, 0.42, 0.33, 0.21, 0.11),
    "beet": (0.024, 0.034, 0.088, 0.044, 0.12, 0.36, 0.46, 0.49, 0.50, 0.50, 0.39, 0.24, 0.12),
    "pasture": (0.040, 0.052, 0.088, 0.092, 0.15, 0.23, 0.27, 0.29, 0.31, 0.31, 0.32, 0.27, 0.18),
    "prairie": (0.058, 0.073, 0.108, 0.136, 0.17, 0.20, 0.22, 0.24, 0.26, 0.27, 0.33, 0.32, 0.24),
    "wheat": (0.075, 0.098, 0.150, 0.198, 0.23, 0.26, 0.28, 0.30, 0.32, 0.33, 0.38, 0.38, 0.30),
    "stubble": (0.092, 0.118, 0.172, 0.222, 0.25, 0.27, 0.29, 0.31, 0.33, 0.34, 0.40, 0.41, 0.34),
    "soil": (0.050, 0.065, 0.094, 0.130, 0.15, 0.16, 0.17, 0.19, 0.20, 0.20, 0.25, 0.27, 0.23),
    "red_soil": (0.050, 0.062, 0.092, 0.158, 0.19, 0.21, 0.22, 0.24, 0.26, 0.26, 0.31, 0.33, 0.28),
    "wet_soil": (0.036, 0.045, 0.062, 0.080, 0.09, 0.10, 0.11, 0.12, 0.13, 0.13, 0.15, 0.16, 0.13),
    "sand": (0.125, 0.160, 0.222, 0.280, 0.30, 0.32, 0.33, 0.35, 0.36, 0.36, 0.42, 0.44, 0.40),
    "water": (
        0.034,
        0.040,
        0.042,
        0.024,
        0.018,
        0.013,
        0.012,
        0.011,
        0.010,
        0.009,
        0.005,
        0.003,
        0.002,
    ),
    "shallows": (
        0.046,
        0.064,
        0.080,
        0.056,
        0.046,
        0.030,
        0.028,
        0.025,
        0.022,
        0.02,
        0.01,
        0.006,
        0.004,
    ),
    "tree": (0.018, 0.024, 0.046, 0.029, 0.065, 0.19, 0.25, 0.27, 0.29, 0.29, 0.23, 0.13, 0.062),
    "shrub": (0.030, 0.038, 0.060, 0.058, 0.09, 0.15, 0.18, 0.20, 0.21, 0.21, 0.22, 0.18, 0.11),
    "asphalt": (
        0.072,
        0.082,
        0.093,
        0.102,
        0.106,
        0.110,
        0.113,
        0.117,
        0.12,
        0.12,
        0.136,
        0.146,
        0.142,
    ),
    "old_asphalt": (
        0.115,
        0.132,
        0.152,
        0.168,
        0.174,
        0.18,
        0.184,
        0.188,
        0.19,
        0.19,
        0.21,
        0.22,
        0.21,
    ),
    "concrete": (
        0.15,
        0.178,
        0.208,
        0.228,
        0.237,
        0.243,
        0.248,
        0.253,
        0.258,
        0.26,
        0.285,
        0.295,
        0.285,
    ),
    "gravel": (0.135, 0.160, 0.203, 0.238, 0.25, 0.26, 0.27, 0.28, 0.29, 0.29, 0.33, 0.35, 0.33),
    "roof_grey": (
        0.105,
        0.120,
        0.135,
        0.145,
        0.150,
        0.155,
        0.16,
        0.165,
        0.17,
        0.17,
        0.19,
        0.20,
        0.20,
    ),
    "roof_dark": (
        0.056,
        0.062,
        0.070,
        0.078,
        0.082,
        0.086,
        0.09,
        0.095,
        0.10,
        0.10,
        0.12,
        0.13,
        0.13,
    ),
    "roof_brown": (
        0.072,
        0.082,
        0.106,
        0.140,
        0.155,
        0.165,
        0.17,
        0.18,
        0.19,
        0.19,
        0.22,
        0.24,
        0.23,
    ),
    "roof_red": (0.062, 0.070, 0.090, 0.190, 0.225, 0.24, 0.25, 0.26, 0.27, 0.27, 0.29, 0.30, 0.27),
    "roof_tan": (0.135, 0.165, 0.215, 0.262, 0.28, 0.29, 0.30, 0.31, 0.32, 0.32, 0.35, 0.36, 0.33),
    "roof_white": (
        0.255,
        0.28,
        0.298,
        0.305,
        0.31,
        0.313,
        0.316,
        0.318,
        0.32,
        0.32,
        0.315,
        0.3,
        0.27,
    ),
    "metal_blue": (
        0.135,
        0.162,
        0.168,
        0.145,
        0.14,
        0.14,
        0.145,
        0.15,
        0.155,
        0.16,
        0.18,
        0.19,
        0.18,
    ),
    "pool": (0.180, 0.270, 0.300, 0.150, 0.08, 0.04, 0.03, 0.025, 0.02, 0.02, 0.01, 0.005, 0.003),
    "snow": (0.86, 0.88, 0.87, 0.86, 0.85, 0.84, 0.83, 0.81, 0.79, 0.75, 0.45, 0.10, 0.08),
    "cloud": (0.64, 0.62, 0.61, 0.62, 0.63, 0.64, 0.64, 0.64, 0.63, 0.60, 0.55, 0.45, 0.36),
    "cirrus": (
        0.10,
        0.095,
        0.09,
        0.088,
        0.087,
        0.086,
        0.086,
        0.085,
        0.084,
        0.08,
        0.07,
        0.05,
        0.035,
    ),
}

MATERIALS = tuple(_REFLECTANCE)
SPECTRA: NDArray[np.float64] = np.array(list(_REFLECTANCE.values()))
"""(material, band) reflectance, in the order of :data:`MATERIALS` and :data:`BANDS`."""

SEEN_AS: dict[str, dict[str, str]] = {
    "modis": {
        "sur_refl_b01": "red",
        "sur_refl_b02": "nir_narrow",
        "sur_refl_b03": "blue",
        "sur_refl_b04": "green",
        "sur_refl_b05": "swir12",
        "sur_refl_b06": "swir16",
        "sur_refl_b07": "swir22",
    },
    "landsat": {
        "coastal": "coastal",
        "blue": "blue",
        "green": "green",
        "red": "red",
        "nir08": "nir_narrow",
        "swir16": "swir16",
        "swir22": "swir22",
    },
    "sentinel2": {
        "B01": "coastal",
        "B02": "blue",
        "B03": "green",
        "B04": "red",
        "B05": "edge1",
        "B06": "edge2",
        "B07": "edge3",
        "B08": "nir",
        "B8A": "nir_narrow",
        "B09": "vapour",
        "B11": "swir16",
        "B12": "swir22",
    },
    "naip": {"R": "red", "G": "green", "B": "blue", "N": "nir"},
}
"""Sensor -> role of a band -> band of the landscape."""

NAIP_GAIN: dict[str, float] = {"R": 720.0, "G": 780.0, "B": 820.0, "N": 420.0}
NAIP_OFFSET: dict[str, float] = {"R": 24.0, "G": 26.0, "B": 28.0, "N": 14.0}
"""A photograph's byte is ``gain * reflectance + offset``, held within 0 to 255."""


def material(name: str) -> int:
    """Row of a material in :data:`SPECTRA`.

    Raises:
        ValueError: There is no such material.
    """
    if name not in _REFLECTANCE:
        raise ValueError(f"no material {name!r}")
    return MATERIALS.index(name)


def spectrum(name: str) -> NDArray[np.float64]:
    """Reflectance of a material in the order of :data:`BANDS`."""
    return np.asarray(SPECTRA[material(name)])


def seen_as(sensor: str, roles: Sequence[str]) -> list[str]:
    """Bands of the landscape that a sensor's bands see."""
    return [SEEN_AS[sensor][role] for role in roles]
