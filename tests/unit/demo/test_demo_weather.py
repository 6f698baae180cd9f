import numpy as np
import pytest
import shapely

from geosr_lake.demo.spectra import spectrum
from geosr_lake.demo.weather import (
    Cover,
    Weather,
    bank,
    cover_of_cells,
    cover_of_polygons,
    overlay,
    scattered,
)

X, Y = np.arange(0.0, 41.0, 10.0), np.arange(0.0, 31.0, 10.0)
BANDS = ("red", "nir")


def test_shares_of_cells_are_exact_and_overlaps_count_once():
    weather = Weather.of([(0.0, 0.0, 15.0, 10.0), (5.0, 0.0, 15.0, 10.0)], snow=[(30, 20, 40, 25)])
    cover = cover_of_cells(weather, X, Y)
    np.testing.assert_allclose(cover.cloud[0], [1.0, 0.5, 0.0, 0.0])
    np.testing.assert_allclose(cover.snow[2], [0.0, 0.0, 0.0, 0.5])
    assert not cover.shadow.any()
    assert cover.cirrus.shape == (3, 4)


def test_shares_of_polygons_agree_with_cells():
    weather = Weather.of([(3.0, 4.0, 22.0, 17.0)])
    cell = np.array([[[10.0, 10.0], [20.0, 10.0], [20.0, 20.0], [10.0, 20.0]]])
    cover = cover_of_polygons(weather, cell)
    assert cover.cloud[0] == pytest.approx(cover_of_cells(weather, X, Y).cloud[1, 1])


def test_shadows_are_clouds_moved():
    weather = Weather.of([(10.0, 10.0, 20.0, 20.0)], shadow_shift_m=(-5.0, 5.0))
    assert weather.shadows == ((5.0, 15.0, 15.0, 25.0),)


def test_a_clear_sky_changes_nothing():
    ground = np.full((2, 3, 4), 0.2)
    np.testing.assert_array_equal(overlay(ground, cover_of_cells(Weather(), X, Y), BANDS), ground)


def test_a_thick_cloud_hides_the_ground_and_half_a_cloud_half_of_it():
    ground = np.full((1, 2), 0.1)
    cover = Cover(np.array([1.0, 0.5]), *(np.zeros(2) for _ in range(3)))
    cloud = spectrum("cloud")[3]
    np.testing.assert_allclose(overlay(ground, cover, ("red",))[0], [cloud, (cloud + 0.1) / 2])


def test_shadow_darkens_cirrus_brightens_snow_whitens():
    ground, one, none = np.full((2, 1), 0.2), np.ones(1), np.zeros(1)
    shadow = overlay(ground, Cover(none, one, none, none), BANDS)
    cirrus = overlay(ground, Cover(none, none, one, none), BANDS)
    snow = overlay(ground, Cover(none, none, none, one), BANDS)
    assert (shadow < 0.1).all()
    assert (cirrus > 0.2).all()
    assert (snow > 0.8).all()


def test_a_bank_fills_most_of_its_box():
    box = (1_000.0, 2_000.0, 5_000.0, 4_000.0)
    clouds = shapely.union_all([shapely.box(*part) for part in bank(box, 0)])
    assert shapely.box(*box).buffer(1e-6).contains(clouds)
    assert clouds.area > 0.5 * shapely.box(*box).area
    assert bank(box, 0) == bank(box, 0)
    assert bank(box, 0) != bank(box, 1)


def test_small_clouds_stand_at_the_multiples_of_their_step_inside_the_box():
    assert scattered((-1.0, 90.0, 140.0, 240.0), 100.0, 40.0) == [
        (0.0, 100.0, 40.0, 140.0),
        (0.0, 200.0, 40.0, 240.0),
        (100.0, 100.0, 140.0, 140.0),
        (100.0, 200.0, 140.0, 240.0),
    ]
    assert scattered((10.0, 10.0, 90.0, 90.0), 100.0, 40.0) == []
