"""The shape of a sensor's facts: bands and the roles under which their files are known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Band:
    """One band of a sensor's product, as it lies in the product's files.

    A stored digital number becomes a physical value as ``dn * scale + offset`` (reflectance for
    reflective bands). Quality bands have scale 1 and offset 0.

    Attributes:
        role: The key of the band within its sensor, the same whatever an archive calls it.
        name: What it shows, for people.
        gsd_m: Nominal ground sample distance, metres.
        wavelength_um: Centre wavelength, micrometres; None where it has none.
        scale: Factor from digital number to physical value.
        offset: Added after scaling.
        nodata: The digital number that means "no data"; None where the product has none.
        dtype: NumPy name of the stored type.
        asset: Role of the asset whose file holds the band; differs from ``role`` where one file
            holds several bands.
        index: 1-based index of the band within that file.
    """

    role: str
    name: str
    gsd_m: float
    wavelength_um: float | None
    scale: float
    offset: float
    nodata: int | None
    dtype: str
    asset: str
    index: int = 1

    def to_physical(self, dn: float) -> float:
        """Scale one digital number; ``nodata`` is not looked at."""
        return dn * self.scale + self.offset


@dataclass(frozen=True, slots=True)
class Sensor:
    """A sensor and the product of it that this package reads.

    Attributes:
        name: ``modis``, ``landsat``, ``sentinel2`` or ``naip``.
        bands: Every band, reflective ones first, quality bands after them.
        quality_roles: Roles of the bands that describe the others.
    """

    name: str
    bands: tuple[Band, ...]
    quality_roles: tuple[str, ...]

    def band(self, role: str) -> Band:
        """Return the band of a role.

        Raises:
            KeyError: The sensor has no such band; the message lists those that it has.
        """
        for band in self.bands:
            if band.role == role:
                return band
        known = ", ".join(b.role for b in self.bands)
        raise KeyError(f"{self.name} has no band {role!r}; it has {known}")

    @property
    def data_bands(self) -> tuple[Band, ...]:
        """The bands that are not quality bands, in the product's order."""
        return tuple(b for b in self.bands if b.role not in self.quality_roles)

    @property
    def data_roles(self) -> tuple[str, ...]:
        """Roles of :attr:`data_bands`."""
        return tuple(b.role for b in self.data_bands)

    @property
    def asset_roles(self) -> tuple[str, ...]:
        """The assets that hold the bands, each once, in the order of :attr:`bands`."""
        return tuple(dict.fromkeys(b.asset for b in self.bands))


def quality_band(role: str, name: str, gsd_m: float, nodata: int | None, dtype: str) -> Band:
    """Make a band of flags or counts: no wavelength, no scale, a file of its own."""
    return Band(role, name, gsd_m, None, 1.0, 0.0, nodata, dtype, asset=role)


def one_file_each(
    rows: Iterable[tuple[str, str, float, float]],
    *,
    scale: float,
    offset: float,
    nodata: int,
    dtype: str,
) -> tuple[Band, ...]:
    """Make reflective bands that lie in one file each.

    Args:
        rows: (role, name, gsd_m, wavelength_um) of each band.
        scale: Shared factor from digital number to reflectance.
        offset: Shared offset, reflectance.
        nodata: Shared nodata number.
        dtype: Shared stored type.
    """
    return tuple(
        Band(role, name, gsd_m, wavelength_um, scale, offset, nodata, dtype, asset=role)
        for role, name, gsd_m, wavelength_um in rows
    )
