"""From sinusoidal pixels to UTM cells, against polygons clipped exactly."""

import numpy as np
import pytest
from clipped import exact_shares, sinusoidal_of
from pyproj import CRS, Transformer
from site_cells import cell_at

from geosr_lake.cubes.grids import Grid, sample_grid
from geosr_lake.cubes.resample import resample_flags, resample_numbers
from geosr_lake.cubes.sinusoidal import is_sinusoidal, project, scattered
from geosr_lake.net.errors import GridMismatchError
from geosr_lake.sensors import modis
from geosr_lake.sensors.tasks import MODIS_LANDSAT8

PLACES = {
    "Denver": (32613, -105.2, 40.1),
    "near the prime meridian": (32631, 1.0, 5.0),
    "south of the equator, northern zone": (32619, -70.0, -33.0),
    "far north and east": (32660, 178.0, 65.0),
    "on the equator": (32636, 33.0, 0.05),
}


def grids_at(epsg: int, lon: float, lat: float) -> tuple[Grid, Grid]:
    """A whole MODIS tile and the LR grid of a site near a point."""
    x, y = Transformer.from_crs(4326, epsg, always_xy=True).transform(lon, lat)
    cell = cell_at(MODIS_LANDSAT8, x, y, epsg)
    target = sample_grid(MODIS_LANDSAT8, "lr", cell.x_min_m, cell.y_min_m)
    east, north = sinusoidal_of(*cell.center_m, epsg)
    h = int(np.floor(east / modis.TILE_SIZE_M)) + 18
    v = 8 - int(np.floor(north / modis.TILE_SIZE_M))
    west, _, _, top = modis.tile_bounds_m(h, v)
    return Grid(west, top, modis.PIXEL_500M, modis.PIXEL_500M, 2400, 2400), target


@pytest.mark.parametrize("place", PLACES)
def test_shares_are_those_of_clipped_polygons(place: str) -> None:
    epsg = PLACES[place][0]
    source, target = grids_at(*PLACES[place])
    how = scattered(source, target, epsg)
    exact = exact_shares(source, target, epsg, how.window)
    found = np.zeros_like(exact)
    cells = np.arange(len(exact))
    for k in range(how.index.shape[2]):
        np.add.at(found, (cells, how.index[..., k].ravel()), how.share[..., k].ravel())
    assert np.allclose(found.sum(axis=1), 1.0)
    assert np.allclose(exact.sum(axis=1), 1.0), "the window holds every pixel under the cells"
    assert np.abs(found - exact).max() < 0.06
    # The hardest image is white noise: no neighbour is like another.
    noise = np.random.default_rng(0).normal(size=exact.shape[1])
    assert np.std((found - exact) @ noise) < 0.05 * np.std(exact @ noise)


def test_a_smooth_field_keeps_its_values() -> None:
    epsg = 32613
    source, target = grids_at(*PLACES["Denver"])
    how = scattered(source, target, epsg)
    top, bottom, left, right = how.window
    column, row = np.meshgrid(np.arange(left, right) + 0.5, np.arange(top, bottom) + 0.5)
    plane = 3000 + 7.0 * (column - left) - 4.0 * (row - top)
    result = resample_numbers(
        np.rint(plane).astype(np.int16)[None], np.zeros((1, *plane.shape), bool), how, -1
    )
    x = target.west_m + 500 * (np.arange(60) + 0.5)
    y = target.north_m - 500 * (np.arange(60) + 0.5)
    east, north = sinusoidal_of(*np.meshgrid(x, y), epsg)
    expected = 3000 + 7.0 * ((east - source.west_m) / source.x_m - left)
    expected -= 4.0 * ((source.north_m - north) / source.y_m - top)
    assert np.abs(result[0] - expected).max() < 1.0
    assert abs(float(np.mean(result[0] - expected))) < 0.05


def test_flags_follow_the_area() -> None:
    epsg = 32613
    source, target = grids_at(*PLACES["Denver"])
    how = scattered(source, target, epsg)
    top, bottom, left, right = how.window
    flags = np.zeros((bottom - top, right - left), dtype=np.uint8)
    flags[30:40, 50:70] = 2
    exact = exact_shares(source, target, epsg, how.window) @ (flags.ravel() != 0)
    found = resample_flags(flags, how).ravel() != 0
    clearly = np.abs(exact - 0.1) > 0.03
    assert np.array_equal(found[clearly], (exact > 0.1)[clearly])
    assert found.sum() > 100


def test_the_projection_is_projs() -> None:
    """Written out here, so that no datum shift can creep in; PROJ's own agrees to a millimetre."""
    x = np.linspace(400_000, 600_000, 50)
    y = np.linspace(4_000_000, 4_900_000, 50)
    for epsg in (32613, 32655):
        assert np.allclose(project(x, y, epsg), sinusoidal_of(x, y, epsg), atol=1e-3)


def test_the_sinusoidal_crs_is_known_however_it_is_spelled() -> None:
    unnamed = (
        'PROJCS["unnamed",GEOGCS["Unknown datum based upon the custom spheroid",'
        'DATUM["Not specified (based on custom spheroid)",SPHEROID["Custom spheroid",6371007.181,'
        '0]],PRIMEM["Greenwich",0],UNIT["degree",0.0174532925199433]],PROJECTION["Sinusoidal"],'
        'PARAMETER["longitude_of_center",0],PARAMETER["false_easting",0],'
        'PARAMETER["false_northing",0],UNIT["Meter",1]]'
    )
    assert is_sinusoidal(unnamed)
    assert is_sinusoidal(CRS.from_user_input(modis.SINUSOIDAL).to_wkt())
    for other in (
        "EPSG:32613",
        "EPSG:4326",
        "+proj=sinu +lon_0=10 +R=6371007.181",
        "+proj=sinu +lon_0=0 +R=6378137",
        "+proj=sinu +lon_0=0 +ellps=WGS84",
        "+proj=sinu +lon_0=0 +R=6371007.181 +x_0=500",
        "+proj=sinu +lon_0=0 +R=6371007.181 +units=km",
    ):
        assert not is_sinusoidal(CRS.from_user_input(other).to_wkt()), other


def test_pixels_far_too_fine_are_refused() -> None:
    _, target = grids_at(*PLACES["Denver"])
    fine = Grid(-9_000_000.0, 4_500_000.0, 20.0, 20.0, 9000, 9000)
    with pytest.raises(GridMismatchError, match="source pixels"):
        scattered(fine, target, 32613)
