import pytest

from geosr_lake.demo import spectra
from geosr_lake.sensors import SENSORS


def test_reflectances_are_fractions():
    assert spectra.SPECTRA.shape == (len(spectra.MATERIALS), len(spectra.BANDS))
    assert spectra.SPECTRA.min() > 0
    assert spectra.SPECTRA.max() < 1


@pytest.mark.parametrize("sensor", list(SENSORS))
def test_every_band_of_every_sensor_sees_something(sensor):
    roles = SENSORS[sensor].data_roles
    assert tuple(spectra.SEEN_AS[sensor]) == roles
    assert set(spectra.seen_as(sensor, roles)) <= set(spectra.BANDS)


def test_sensors_agree_where_wavelengths_do():
    assert spectra.seen_as("modis", ["sur_refl_b01"]) == spectra.seen_as("landsat", ["red"])
    assert spectra.seen_as("sentinel2", ["B04"]) == spectra.seen_as("naip", ["R"])


def test_plants_are_green_and_water_is_dark():
    red, nir = spectra.BANDS.index("red"), spectra.BANDS.index("nir")
    alfalfa, water = spectra.spectrum("alfalfa"), spectra.spectrum("water")
    assert alfalfa[nir] > 5 * alfalfa[red]
    assert water.max() < 0.05
    with pytest.raises(ValueError, match="no material"):
        spectra.material("unobtainium")


def test_the_darkest_ground_gives_a_byte_above_zero():
    for role, offset in spectra.NAIP_OFFSET.items():
        assert offset > 1
        assert spectra.NAIP_GAIN[role] * 0.3 + offset < 275
