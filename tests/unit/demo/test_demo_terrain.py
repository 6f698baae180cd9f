import numpy as np
import pytest
import shapely

from geosr_lake.demo import places, spectra
from geosr_lake.demo.plan import CELL_COLUMNS, CELL_ROWS, cells_box
from geosr_lake.demo.schedule import PHOTOS
from geosr_lake.demo.terrain import IGBP_CROPS, IGBP_GRASS, IGBP_URBAN, IGBP_WATER, build_landscape

TOWN, FIELDS = PHOTOS[9].box, PHOTOS[2].box


@pytest.fixture(scope="module")
def ground():
    return build_landscape(0, close_ups=[photo.box for photo in PHOTOS])


def edges(box, step):
    return np.arange(box[0], box[2] + 1e-6, step), np.arange(box[1], box[3] + 1e-6, step)


@pytest.mark.parametrize("box", [TOWN, FIELDS, PHOTOS[4].box], ids=["town", "fields", "mixed"])
def test_close_up_reflectance_is_never_negative_nor_above_one(ground, box):
    seen = ground.within(box).mean(*edges(box, 0.6), ("blue", "red", "nir", "swir22"))
    assert seen.min() > 0
    assert seen.max() < 0.75


def test_reflectance_from_afar(ground):
    seen = ground.mean(*edges(places.EXTENT, 500.0), spectra.BANDS)
    assert seen.min() > 0
    assert seen.max() < 0.6
    # Fields, towns and water differ: there is something to learn.
    assert seen[spectra.BANDS.index("nir")].std() > 0.03


def test_places_look_the_same_whatever_is_drawn_around_them(ground):
    part = build_landscape(0, parts=[TOWN], close_ups=[photo.box for photo in PHOTOS])
    assert len(part.bounds) < len(ground.bounds) / 4
    x, y = edges(TOWN, 5.0)
    np.testing.assert_allclose(
        part.mean(x, y, ("red", "nir")), ground.mean(x, y, ("red", "nir")), atol=1e-9
    )


def test_another_seed_is_another_landscape(ground):
    x, y = edges(FIELDS, 60.0)
    other = build_landscape(1, parts=[FIELDS])
    assert np.abs(other.mean(x, y, ("red",)) - ground.mean(x, y, ("red",))).max() > 0.02


def test_land_cover_zones_do_not_overlap(ground):
    assert set(np.unique(ground.zone_class)) == {IGBP_GRASS, IGBP_CROPS, IGBP_URBAN, IGBP_WATER}
    part = ground.within(cells_box((17, 17), (144, 144)))
    boxes = shapely.box(*part.zones.T)
    assert shapely.union_all(boxes).area == pytest.approx(shapely.area(boxes).sum(), rel=1e-9)


def test_both_strata_exist_among_the_sites_of_both_tasks(ground):
    west, south, east, north = cells_box(CELL_COLUMNS, CELL_ROWS)
    large = ground.class_fraction(
        np.arange(west, east + 1, 30_000.0), np.arange(south, north + 1, 30_000.0), IGBP_URBAN
    )
    assert large.shape == (4, 4)
    assert (large >= 0.1).sum() == 8
    urban = 0
    for photo in PHOTOS:
        x, y = photo.corner_m
        sites = np.arange(photo.sites + 1) * 600.0
        urban += (ground.class_fraction(x + sites, y + sites, IGBP_URBAN) >= 0.25).sum()
    assert 60 <= urban <= 16 * len(PHOTOS) - 60


def test_fields_are_of_the_size_that_modis_half_sees(ground):
    crops = ground.zones[ground.zone_class == IGBP_CROPS]
    longer = np.maximum(crops[:, 2] - crops[:, 0], crops[:, 3] - crops[:, 1])
    assert np.median(longer) > 100
    assert longer.max() < 1_610
    assert ((longer > 100) & (longer < 1_000)).mean() > 0.95


def test_rivers_lie_within_their_strips():
    wet, strips = places.rivers()
    wet_ground = shapely.union_all([shapely.box(*box) for box in wet])
    strip_ground = shapely.union_all([shapely.box(*box) for box in strips])
    assert wet_ground.difference(strip_ground).area == pytest.approx(0, abs=1e-3)
    assert wet_ground.geom_type == "MultiPolygon"
    assert len(wet_ground.geoms) == 2


@pytest.mark.parametrize("boxes", [places.lakes(), places.highways()], ids=["lakes", "highways"])
def test_waters_and_highways_cover_each_place_once(boxes):
    area = sum(shapely.box(*box).area for box in boxes)
    assert shapely.union_all([shapely.box(*box) for box in boxes]).area == pytest.approx(area)
