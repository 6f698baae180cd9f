import numpy as np
import pyproj
import rasterio

from geosr_lake.demo import places
from geosr_lake.demo.landcover import NODATA, PIXEL_DEG, write_landcover
from geosr_lake.demo.terrain import IGBP_URBAN, build_landscape

AREA = (520_000.0, 4_318_000.0, 530_000.0, 4_330_000.0)


def test_pixels_have_the_class_of_the_zone_at_their_middle(tmp_path):
    ground = build_landscape(0, parts=[AREA])
    write_landcover(tmp_path / "landcover.tif", ground, AREA)
    with rasterio.open(tmp_path / "landcover.tif") as source:
        classes, transform = source.read(1), source.transform
        assert (source.crs.to_epsg(), source.nodata, source.dtypes) == (4326, NODATA, ("uint8",))
        assert source.res == (PIXEL_DEG, PIXEL_DEG)
    to_zone = pyproj.Transformer.from_crs(4326, places.EPSG, always_xy=True)
    rng = np.random.default_rng(0)
    agreed = checked = 0
    for row, column in rng.integers(0, classes.shape, (400, 2)):
        x, y = to_zone.transform(*(transform @ (column + 0.5, row + 0.5)))
        z = ground.zones
        at = np.flatnonzero((z[:, 0] <= x) & (z[:, 2] > x) & (z[:, 1] <= y) & (z[:, 3] > y))
        if not (AREA[0] <= x < AREA[2] and AREA[1] <= y < AREA[3]):
            assert classes[row, column] == NODATA
            continue
        expected = ground.zone_class[at[0]] if len(at) else 10
        agreed += classes[row, column] == expected
        checked += 1
    assert checked > 350
    assert agreed >= 0.96 * checked  # boundaries are true to 10 m


def test_urban_shares_agree_with_the_exact_ones(tmp_path):
    ground = build_landscape(0, parts=[AREA])
    write_landcover(tmp_path / "landcover.tif", ground, AREA)
    with rasterio.open(tmp_path / "landcover.tif") as source:
        classes = source.read(1)
    exact = ground.class_fraction([AREA[0], AREA[2]], [AREA[1], AREA[3]], IGBP_URBAN)[0, 0]
    assert abs((classes[classes != NODATA] == IGBP_URBAN).mean() - exact) < 0.01
