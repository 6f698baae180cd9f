import pytest
from manifest_world import boxed

from geosr_lake.sensors import SENSORS, landsat, modis, naip, sentinel2
from geosr_lake.sensors.tasks import MODIS_LANDSAT8, S2_NAIP, TASKS


def test_every_sensor_is_known_by_its_name():
    assert set(SENSORS) == {"modis", "landsat", "sentinel2", "naip"}
    for name, sensor in SENSORS.items():
        assert sensor.name == name


@pytest.mark.parametrize("sensor", SENSORS.values(), ids=lambda s: s.name)
def test_roles_are_unique_and_quality_roles_come_last(sensor):
    roles = [b.role for b in sensor.bands]
    assert len(set(roles)) == len(roles)
    assert tuple(roles[len(sensor.data_bands) :]) == sensor.quality_roles
    for band in sensor.data_bands:
        assert band.wavelength_um is not None
        assert 0.4 < band.wavelength_um < 2.5


def test_band_counts_are_those_of_the_benchmark():
    assert len(modis.SENSOR.data_bands) == 7
    assert len(landsat.SENSOR.data_bands) == 7
    assert len(sentinel2.SENSOR.data_bands) == 12
    assert len(naip.SENSOR.data_bands) == 4


def test_an_unknown_role_names_those_that_exist():
    with pytest.raises(KeyError, match=r"sentinel2 has no band 'B10'.*B8A"):
        sentinel2.SENSOR.band("B10")


def test_known_digital_numbers_become_known_reflectances():
    red = landsat.SENSOR.band("red")
    assert red.to_physical(7273) == pytest.approx(0.0, abs=2e-5)
    assert red.to_physical(43636) == pytest.approx(1.0, abs=2e-5)
    assert modis.SENSOR.band("sur_refl_b01").to_physical(2500) == pytest.approx(0.25)


def test_naip_bands_share_one_file():
    assert naip.SENSOR.asset_roles == ("image",)
    assert [b.index for b in naip.SENSOR.bands] == [1, 2, 3, 4]
    assert sentinel2.SENSOR.asset_roles == (*sentinel2.SENSOR.data_roles, "SCL")


def test_landsat_file_names_follow_the_band_numbers():
    assert landsat.FILE_SUFFIX["coastal"] == "SR_B1"
    assert landsat.FILE_SUFFIX["swir22"] == "SR_B7"
    assert landsat.FILE_SUFFIX["qa_pixel"] == "QA_PIXEL"


@pytest.mark.parametrize(
    ("task", "gsds"),
    [(MODIS_LANDSAT8, (500.0, 30.0)), (S2_NAIP, (10.0, 0.6))],
    ids=str,
)
def test_a_site_is_a_whole_number_of_pixels_of_both_sides(task, gsds):
    assert (task.lr_gsd_m, task.hr_gsd_m) == gsds
    assert task.lr_px * 50 == task.hr_px * 3
    assert task.lr_sensor == task.lr.name
    assert task.hr_sensor == task.hr.name
    assert TASKS[task.name] is task


def test_sites_of_both_tasks_fall_on_the_pixel_grids():
    box = (-105.5, 39.5, -104.5, 40.5)
    for task, pixel_m, edge_m in ((MODIS_LANDSAT8, 30, 15), (S2_NAIP, 60, 0)):
        cells = boxed(task, box)
        # Landsat's pixel edges lie at odd multiples of 15 m.
        assert set((cells.x_m - edge_m) % pixel_m) == {0}
        assert set((cells.y_m - edge_m) % pixel_m) == {0}


def test_landsat_sites_use_northern_zones_south_of_the_equator():
    box = (-65.5, -3.5, -64.5, -2.5)
    assert set(boxed(MODIS_LANDSAT8, box).epsg) == {32620}
    assert set(boxed(S2_NAIP, box).epsg) == {32720}
