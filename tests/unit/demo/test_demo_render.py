import numpy as np
import pyproj
import pytest
import rasterio
import shapely
from rasterio.enums import MaskFlags

from geosr_lake.demo import places, spectra
from geosr_lake.demo.raster import write_cog
from geosr_lake.demo.render import (
    Grid,
    landsat_bands,
    landsat_quality,
    modis_composite,
    modis_pixels,
    photograph,
    sentinel2_classes,
    sentinel2_dn,
    sentinel2_patch,
)
from geosr_lake.demo.terrain import build_landscape
from geosr_lake.demo.weather import Cover, Weather
from geosr_lake.sensors import landsat, modis, naip, quality
from geosr_lake.sensors.quality import MaskBit

BOX = (522_015.0, 4_321_215.0, 525_015.0, 4_324_215.0)
CLOUD = Weather.of([(522_515.0, 4_321_715.0, 523_000.0, 4_322_300.0)], shadow_shift_m=(-300, 250))


@pytest.fixture(scope="module")
def ground():
    return build_landscape(0, parts=[BOX], close_ups=[(522_300, 4_321_500, 522_900, 4_322_100)])


def brute_force(ground, cell, name):
    """Mean over a polygon by shapely's areas, apart from the code under test."""
    boxes = shapely.box(*ground.bounds.T)
    areas = shapely.area(shapely.intersection(boxes, cell))
    return float((areas * ground.delta[:, ground.band_names.index(name)]).sum() / cell.area)


def test_a_grid_knows_its_edges_and_windows():
    grid = Grid.over((100.0, 200.0, 220.0, 260.0), 20.0, "EPSG:32613")
    assert (grid.width, grid.height) == (6, 3)
    assert grid.bounds == (100.0, 200.0, 220.0, 260.0)
    assert grid.x_edges(4).tolist() == [180.0, 200.0, 220.0]
    assert grid.y_edges().tolist() == [260.0, 240.0, 220.0, 200.0]
    assert grid.window((140.0, 0.0, 180.0, 240.0)) == (slice(1, 3), slice(2, 4))
    assert grid.transform @ (1, 1) == (120.0, 240.0)
    assert [s.stop - s.start for s in grid.strips(slice(1, 3))] == [2]


def test_landsat_numbers_are_the_rounded_means_of_the_ground(ground):
    grid = Grid.over((BOX[0] - 60, BOX[1] - 60, BOX[2] + 60, BOX[3] + 60), 30.0, "EPSG:32613")
    part = ground.within(BOX)
    bands = landsat_bands(part, Weather(), grid, ("red", "swir16"))
    assert bands.dtype == np.uint16
    assert (bands[:, 0] == 0).all()
    assert (bands[:, :, -2:] == 0).all()
    assert (bands[:, 2:-2, 2:-2] > 0).all()
    for row, column in [(2, 2), (40, 17), (81, 99)]:
        x, y = grid.west + 30 * column, grid.north - 30 * row
        cell = shapely.box(x, y - 30, x + 30, y)
        for band, name in zip(bands, ("red", "swir16"), strict=True):
            expected = (brute_force(part, cell, name) - landsat.OFFSET) / landsat.SCALE
            assert abs(int(band[row, column]) - expected) <= 0.5 + 1e-6


def test_landsat_flags_clouds_shadows_water_and_what_lies_beside_clouds(ground):
    part = ground.within(BOX)
    grid = Grid.over(BOX, 30.0, "EPSG:32613")
    flags = landsat_quality(part, CLOUD, grid)
    mask = quality.decode_qa_pixel(flags)
    rows, columns = grid.window((522_545, 4_321_745, 522_985, 4_322_285))
    assert (mask[rows, columns] == MaskBit.CLOUD).all()
    # Every pixel that the cloud touches is flagged as cloud, and a ring as dilated.
    cloudy = (flags & 1 << 3) != 0
    touched_rows, touched_columns = grid.window((522_495, 4_321_695, 523_005, 4_322_325))
    assert cloudy.sum() == cloudy[touched_rows, touched_columns].sum()
    dilated = (flags & 1 << 1) != 0
    assert 0 < dilated.sum() < cloudy.sum()
    assert ((mask & MaskBit.CLOUD_SHADOW) != 0).sum() > 100
    assert (mask == 0).sum() > 5_000


def test_sentinel2_numbers_and_offsets(ground):
    box = (522_060.0, 4_321_260.0, 524_940.0, 4_324_140.0)
    grid = Grid.over((521_940.0, 4_321_140.0, 525_060.0, 4_324_260.0), 60.0, "EPSG:32613")
    patch = sentinel2_patch(ground.within(box), Weather(), grid, ("B01", "B09"))
    assert (patch.rows, patch.columns) == (slice(2, 50), slice(2, 50))
    cell = shapely.box(522_060.0, 4_324_080.0, 522_120.0, 4_324_140.0)
    assert patch.seen[0, 0, 0] == pytest.approx(brute_force(ground, cell, "coastal"), abs=1e-10)
    old, new = sentinel2_dn(patch.seen, 0), sentinel2_dn(patch.seen, -1000)
    assert (new == old + 1000).all()
    assert sentinel2_dn(np.array([-0.2, 0.0, 0.5, 9.0]), 0).tolist() == [1, 1, 5000, 65535]
    assert sentinel2_dn(np.array([-0.2, -0.05]), -1000).tolist() == [1, 500]


def test_sentinel2_classes():
    red = np.array([0.04, 0.2, 0.03, 0.2, 0.2, 0.2, 0.2, 0.2])
    nir = np.array([0.4, 0.3, 0.01, 0.3, 0.3, 0.3, 0.3, 0.3])
    hide = dict.fromkeys(("cloud", "shadow", "cirrus", "snow"), np.zeros(8)) | {
        "cloud": np.array([0, 0, 0, 1, 0.3, 0, 0, 0]),
        "shadow": np.array([0, 0, 0, 1, 0, 0.1, 0, 0]),
        "cirrus": np.array([0, 0, 0, 0, 0, 0, 0.2, 0]),
        "snow": np.array([0, 0, 0, 0, 0, 0, 0.5, 0.5]),
    }
    assert sentinel2_classes(red, nir, Cover(**hide)).tolist() == [4, 5, 6, 9, 8, 3, 10, 11]


def test_a_photograph_holds_bytes_of_the_mean(ground):
    grid = Grid.over((522_600.0, 4_321_800.0, 522_660.0, 4_321_830.0), 0.6, "EPSG:26913")
    image = photograph(ground, grid)
    assert (image.shape, image.dtype) == ((4, 50, 100), np.uint8)
    for row, column in [(0, 0), (21, 77), (49, 99)]:
        x, y = grid.west + 0.6 * column, grid.north - 0.6 * row
        cell = shapely.box(x, y - 0.6, x + 0.6, y)
        for band, role in zip(image, naip.SENSOR.data_roles, strict=True):
            mean = brute_force(ground, cell, spectra.SEEN_AS["naip"][role])
            expected = mean * spectra.NAIP_GAIN[role] + spectra.NAIP_OFFSET[role]
            assert abs(int(band[row, column]) - min(expected, 255)) <= 0.5 + 1e-6


def test_modis_pixels_lie_on_the_grid_and_average_their_quadrilaterals(ground):
    pixels = modis_pixels(ground, (9, 5), BOX)
    assert 5 < len(pixels.row) < 40
    west, _, _, north = modis.tile_bounds_m(9, 5)
    to_zone = pyproj.Transformer.from_crs(modis.SINUSOIDAL, places.EPSG, always_xy=True)
    k = len(pixels.row) // 2
    x = west + modis.PIXEL_500M * np.array([0, 1, 1, 0]) + pixels.column[k] * modis.PIXEL_500M
    y = north - modis.PIXEL_500M * np.array([0, 0, 1, 1]) - pixels.row[k] * modis.PIXEL_500M
    corners = np.stack(to_zone.transform(x, y), axis=1)
    np.testing.assert_allclose(pixels.corners_m[k], corners, atol=1e-6)
    expected = brute_force(ground, shapely.Polygon(corners), "red")
    assert pixels.ground[0, k] == pytest.approx(expected, abs=1e-9)


def test_a_composite_has_fill_flags_and_days(ground):
    pixels = modis_pixels(ground, (9, 5), BOX)
    day = np.full(len(pixels.row), 259, dtype=np.uint16)
    files = modis_composite(pixels, CLOUD, day)
    assert set(files) == {band.role for band in modis.SENSOR.bands}
    red, state = files["sur_refl_b01"], files["state"]
    assert (red.dtype, red.shape) == (np.dtype(np.int16), (2400, 2400))
    valid = red != modis.FILL_REFLECTANCE
    assert valid.sum() == len(pixels.row)
    assert (valid == (state != modis.FILL_UINT16)).all()
    mask = quality.decode_modis_state(state)
    assert (mask[~valid] == MaskBit.NODATA).all()
    cloudy = (mask & MaskBit.CLOUD) != 0
    assert 0 < cloudy[valid].sum() < valid.sum()
    clear = valid & (mask == 0)
    rows = {(r, c): v for r, c, v in zip(pixels.row, pixels.column, pixels.ground[0], strict=True)}
    for row, column in zip(*np.nonzero(clear), strict=True):
        assert abs(int(red[row, column]) - rows[row, column] * 1e4) <= 0.5 + 1e-6
    assert (files["day_of_year"][valid] == 259).all()


def test_files_are_cloud_optimised_sparse_and_always_the_same(tmp_path):
    grid = Grid("EPSG:32613", 499_980.0, 4_400_040.0, 10.0, 1500, 1400)
    image = np.zeros((1400, 1500), dtype=np.uint16)
    image[600:700, 900:1000] = np.arange(100, dtype=np.uint16) + 1000
    for name in ("a", "b"):
        write_cog(tmp_path / name / "x.tif", image, grid, nodata=0)
    assert (tmp_path / "a/x.tif").read_bytes() == (tmp_path / "b/x.tif").read_bytes()
    with rasterio.open(tmp_path / "a/x.tif") as source:
        assert source.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert source.overviews(1)
        assert source.block_shapes == [(512, 512)]
        assert (source.nodata, source.dtypes, source.crs.to_epsg()) == (0, ("uint16",), 32613)
        assert source.transform == grid.transform
        np.testing.assert_array_equal(source.read(1), image)
    assert (tmp_path / "a/x.tif").stat().st_size < 20_000


def test_four_bands_are_colours_and_not_a_mask(tmp_path):
    grid = Grid("EPSG:26913", 0.0, 60.0, 0.6, 100, 100)
    image = np.arange(40_000, dtype=np.uint8).reshape(4, 100, 100)
    write_cog(tmp_path / "x.tif", image, grid, nodata=None)
    with rasterio.open(tmp_path / "x.tif") as source:
        assert source.count == 4
        assert source.mask_flag_enums == ([MaskFlags.all_valid],) * 4
        np.testing.assert_array_equal(source.read(), image)
