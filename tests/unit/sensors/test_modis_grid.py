import gzip
import json
import math
from datetime import date

import numpy as np
import pyogrio
import pyproj
import pytest
import rasterio
import shapely

from geosr_lake.sensors import modis


def test_the_tile_size_is_a_36th_of_the_planes_width():
    assert math.pi * modis.SPHERE_RADIUS_M / 18 - modis.TILE_SIZE_M == pytest.approx(0, abs=2e-4)


def test_bounds_of_real_granules():
    # proj:transform and proj:geometry of MOD09A1.A2022033.h19v10.061 and MOD13Q1...h12v04.061.
    assert modis.tile_bounds_m(19, 10) == pytest.approx(
        (1111950.519667, -2223901.039333, 2223901.039333, -1111950.519667), abs=1e-3
    )
    assert modis.tile_bounds_m(12, 4) == pytest.approx(
        (-6671703.118, 4447802.078667, -5559752.598333, 5559752.598333), abs=1e-3
    )
    assert abs(modis.PIXEL_500M - 463.3127165274999) < 1e-6
    with pytest.raises(ValueError, match="no MODIS tile"):
        modis.tile_bounds_m(36, 0)


def test_corners_agree_with_pyproj():
    to_degrees = pyproj.Transformer.from_crs(
        modis.SINUSOIDAL,
        pyproj.CRS("+proj=longlat +R=6371007.181 +no_defs"),
        always_xy=True,
    )
    west, south, east, north = modis.tile_bounds_m(9, 4)
    ring = np.asarray(modis.tile_polygon(9, 4).exterior.coords)
    for x, y in [(west, south), (east, south), (east, north), (west, north)]:
        corner = np.array(to_degrees.transform(x, y))
        assert np.abs(ring - corner).sum(axis=1).min() < 1e-7


def test_tiles_cover_the_sphere_once():
    polygons, area = [], 0.0
    for h in range(36):
        for v in range(18):
            try:
                polygons.append(modis.tile_polygon(h, v))
            except ValueError:
                continue
            area += polygons[-1].area
    assert len(polygons) == 460
    assert all(p.is_valid for p in polygons)
    assert area == pytest.approx(360.0 * 180.0, rel=1e-4)
    assert shapely.union_all(polygons).area == pytest.approx(360.0 * 180.0, rel=1e-4)
    bounds = np.array([p.bounds for p in polygons])
    assert bounds.min() == -180.0
    assert bounds.max() == 180.0


def test_a_tile_beyond_the_domain_is_refused():
    with pytest.raises(ValueError, match="h00v00 lies outside"):
        modis.tile_polygon(0, 0)


def test_a_tile_cut_by_the_domain_ends_at_the_antimeridian():
    # The bbox of item MYD09A1.A2025057.h35v10: 172.4793, -19.1807, 180.1436, -9.9753.
    polygon = modis.tile_polygon(35, 10)
    assert polygon.bounds == pytest.approx((172.62, -19.188, 180.0, -10.0), abs=0.01)


def test_edges_follow_the_curve():
    coarse, fine = modis.tile_polygon(9, 4), modis.tile_polygon(9, 4, step_deg=0.01)
    assert coarse.symmetric_difference(fine).area / fine.area < 2e-5


def test_tiles_agree_with_the_public_tile_polygons(real_data):
    # Their rings have straight sides and stand on corners that are up to 35 km off: a
    # rough oracle, but one for most tiles.
    path = real_data / "grids" / "modis_tiles" / "modis_latlonWGS84_grid_world.shp"
    _, _, geometry, (columns, rows) = pyogrio.raw.read(path, columns=["h", "v"])
    compared = 0
    for wkb, h, v in zip(geometry, columns, rows, strict=True):
        theirs = shapely.from_wkb(wkb)
        if not 5 <= v <= 12 or theirs.bounds[0] < -170 or theirs.bounds[2] > 170:
            continue  # the sides curve too much near the poles, and the rings wrap at 180
        ours = modis.tile_polygon(int(h), int(v))
        iou = ours.intersection(theirs).area / ours.union(theirs).area
        assert iou > 0.84, (h, v, iou)
        compared += 1
    assert compared > 200


def test_bounds_are_those_of_real_items(real_data):
    path = real_data / "items" / "modis_13q1_americas_2023.ndjson.gz"
    with gzip.open(path, "rt") as lines:
        items = [json.loads(line) for line in lines]
    assert len(items) == 425
    for item in items:
        granule = modis.parse_granule_id(item["id"])
        properties = item["properties"]
        assert granule is not None
        assert granule.h == properties["modis:horizontal-tile"]
        assert granule.v == properties["modis:vertical-tile"]
        assert properties["start_datetime"].startswith(granule.day.isoformat())
        theirs = shapely.geometry.shape(properties["proj:geometry"]).bounds
        assert theirs == pytest.approx(modis.tile_bounds_m(granule.h, granule.v), abs=1e-3)


def test_pixels_are_those_of_a_real_file(real_data):
    path = next((real_data / "pixels" / "modis_cogs").glob("MOD10A2*Maximum_Snow_Extent.tif"))
    with rasterio.open(path) as source:
        assert source.shape == (modis.PIXELS_500M, modis.PIXELS_500M)
        assert source.res == pytest.approx((modis.PIXEL_500M, modis.PIXEL_500M), abs=1e-6)
        assert tuple(source.bounds) == pytest.approx(modis.tile_bounds_m(9, 5), abs=1e-3)
        ours = pyproj.CRS(modis.SINUSOIDAL)
        to_theirs = pyproj.Transformer.from_crs(ours, source.crs.to_wkt(), always_xy=True)
    assert to_theirs.transform(-9e6, 4e6) == pytest.approx((-9e6, 4e6), abs=1e-6)


def test_days_of_a_composite_over_new_year():
    days = np.array([361, 365, 1, 3, modis.FILL_UINT16, 0], dtype=np.uint16)
    dates = modis.composite_dates(days, date(2021, 12, 27))
    expected = ["2021-12-27", "2021-12-31", "2022-01-01", "2022-01-03", "NaT", "NaT"]
    assert dates.astype(str).tolist() == expected
    assert dates.dtype == np.dtype("datetime64[D]")


def test_days_of_a_composite_in_a_leap_year():
    dates = modis.composite_dates(np.array([[366, 2]]), date(2020, 12, 26))
    assert dates.astype(str).tolist() == [["2020-12-31", "2021-01-02"]]
