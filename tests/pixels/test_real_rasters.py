"""Real rasters of the four sensors: opened, windowed, masked; refused where they are not COGs."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from pyproj import Transformer

from geosr_lake.cubes.grids import Grid, raster_grid
from geosr_lake.cubes.read import Sources
from geosr_lake.cubes.resample import parallel, resample_numbers
from geosr_lake.cubes.sinusoidal import is_sinusoidal, scattered
from geosr_lake.errors import CorruptDataError
from geosr_lake.net import SourcePolicy, open_raster
from geosr_lake.sensors.grid import same_zone
from geosr_lake.sensors.quality import MaskBit, decode_qa_pixel, decode_scl


@pytest.fixture
def policy(real_pixels: Path) -> SourcePolicy:
    return SourcePolicy.of([real_pixels])


def test_every_geotiff_opens_and_jpeg2000_under_that_name_does_not(
    real_pixels: Path, policy: SourcePolicy
) -> None:
    opened = refused = 0
    for path in sorted(p for p in real_pixels.rglob("*") if p.suffix.lower() in (".tif", ".tiff")):
        is_tiff = path.read_bytes()[:4] in (b"II*\x00", b"MM\x00*")
        if is_tiff:
            with open_raster(str(path), policy) as raster:
                rows, columns = min(raster.height, 40), min(raster.width, 40)
                pixels = raster.read((1,), (0, rows, 0, columns))
                assert pixels.shape == (1, rows, columns)
                assert not raster.missing((1,), (0, rows, 0, columns)).all()
            opened += 1
        else:
            with pytest.raises(CorruptDataError), open_raster(str(path), policy):
                pass
            refused += 1
    assert opened >= 30
    assert refused >= 10, "Sentinel-2 products whose .tif is JPEG 2000 inside"


def test_a_share_of_scl_is_the_items_cloud_cover(real_pixels: Path, policy: SourcePolicy) -> None:
    scl = next(real_pixels.glob("rio_tiler_pds/**/S2A_29RKH*/SCL.tif"))
    item = json.loads(next(scl.parent.glob("*.json")).read_text())
    with open_raster(str(scl), policy) as raster:
        classes = raster.read((1,), (0, raster.height, 0, raster.width))[0]
    mask = decode_scl(classes)
    valid = (mask & MaskBit.NODATA) == 0
    cloudy = (mask & (MaskBit.CLOUD | MaskBit.CIRRUS)) != 0
    assert 100 * cloudy[valid].mean() == pytest.approx(item["properties"]["eo:cloud_cover"], abs=2)


def test_a_share_of_qa_pixel_is_the_scenes_cloud_cover(
    real_pixels: Path, policy: SourcePolicy
) -> None:
    path = next(real_pixels.glob("landsat8_008059/*QA_PIXEL.TIF"))
    with open_raster(str(path), policy) as raster:
        qa = raster.read((1,), (0, raster.height, 0, raster.width))[0]
    valid = (decode_qa_pixel(qa) & MaskBit.NODATA) == 0
    assert 100 * ((qa[valid] & 8) != 0).mean() == pytest.approx(81.0, abs=0.5)
    flagged = (decode_qa_pixel(qa)[valid] & MaskBit.CLOUD) != 0
    assert flagged.mean() >= 0.81, "dilated cloud counts as well"


def test_a_window_over_the_edge_is_the_file_and_nothing(
    real_pixels: Path, policy: SourcePolicy
) -> None:
    path = real_pixels / "LC08_B7_Memphis_COG.tiff"
    with Sources(policy) as sources:
        raster = sources.raster(str(path))
        whole, _ = sources.pixels(raster, (1,), (0, raster.height, 0, raster.width))
        part, gone = sources.pixels(raster, (1,), (-50, 60, raster.width - 30, raster.width + 20))
    assert np.array_equal(part[0, 50:, :30], whole[0, :60, -30:])
    assert gone[:50].all()
    assert gone[:, 30:].all()
    assert not gone[50:, :30].any()
    assert not part[0, gone].any()


def test_real_naip_lies_in_nad83_zones(real_pixels: Path, policy: SourcePolicy) -> None:
    found = set()
    for path in sorted(real_pixels.glob("naip*/*.tif")):
        with open_raster(str(path), policy) as raster:
            epsg = raster.crs.to_epsg()
            assert same_zone(epsg, epsg - 26900 + 32600)
            found.add(epsg)
    assert len(found) >= 4


@pytest.mark.parametrize("name", ["m_3211605_ne_11_060_20200415", "m_4208701_ne_16_060_20200902"])
def test_true_sixty_centimetre_crops_carry_over(
    real_pixels: Path, policy: SourcePolicy, name: str
) -> None:
    """Their pixels are 0.5985 to 0.6008 m: no copy, but means that keep the picture."""
    path = next(real_pixels.glob(f"naip_crops/{name}.tif"))
    with Sources(policy) as sources:
        raster = sources.raster(str(path))
        source = raster_grid(raster.transform, raster.height, raster.width)
        west = math.ceil(source.west_m / 0.6 + 3) * 0.6
        north = math.floor(source.north_m / 0.6 - 3) * 0.6
        how = parallel(source, Grid(west, north, 0.6, 0.6, 100, 120))
        assert not how.exact
        numbers, gone = sources.pixels(raster, (1, 2, 3, 4), how.window)
    assert not gone.any(), "near infrared tagged as alpha is no mask"
    carried = resample_numbers(numbers, np.zeros(numbers.shape, bool), how, 0)
    assert carried.shape == (4, 100, 120)
    for band in range(4):
        assert carried[band].mean() == pytest.approx(numbers[band].mean(), rel=0.02)
        assert numbers[band].min() <= carried[band].min()
        assert carried[band].max() <= numbers[band].max()


def test_real_modis_is_carried_to_utm(real_pixels: Path, policy: SourcePolicy) -> None:
    """A 30 km square of Colorado in the 500 m snow COGs: every value there is one of the file's."""
    path = next(real_pixels.glob("modis_cogs/*h09v05*Maximum_Snow_Extent.tif"))
    x, y = Transformer.from_crs(4326, 32613, always_xy=True).transform(-105.5, 39.6)
    target = Grid(round(x), round(y), 500.0, 500.0, 60, 60)
    with Sources(policy) as sources:
        raster = sources.raster(str(path))
        assert is_sinusoidal(raster.crs.to_wkt())
        how = scattered(raster_grid(raster.transform, 2400, 2400), target, 32613)
        numbers, gone = sources.pixels(raster, (1,), how.window)
    assert not gone.any()
    picked = how.pick(numbers[0])
    assert set(np.unique(picked)) <= set(np.unique(numbers))
    tall, wide = numbers.shape[1:]
    assert 60 < tall < 80
    assert 100 < wide < 160, "the grid is sheared here: rows of cells run across columns of pixels"
    snow = how.sums((numbers[0] == 200).astype(float))
    assert snow.mean() == pytest.approx(np.mean(picked == 200), abs=0.02)


def test_sentinel2_bands_share_their_corner(real_pixels: Path, policy: SourcePolicy) -> None:
    folder = next(real_pixels.glob("rio_tiler_pds/**/S2A_29RKH*/"))
    corners = set()
    for role in ("B02", "B08", "B11", "SCL"):
        with open_raster(str(folder / f"{role}.tif"), policy) as raster:
            grid = raster_grid(raster.transform, raster.height, raster.width)
            corners.add((grid.west_m, grid.north_m))
            assert grid.west_m % 60 == 0
            assert grid.north_m % 60 == 0
    assert len(corners) == 1
