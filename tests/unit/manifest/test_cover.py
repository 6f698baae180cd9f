"""Land-cover fractions against arithmetic on rasters made for the test."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from manifest_world import EPSG, FIELD, NODATA, SOUTH_M, URBAN, WEST_M, fractions, write_raster

from geosr_lake.manifest import cover
from geosr_lake.manifest.cover import class_fractions, site_points, stratum
from geosr_lake.manifest.layer import LandCover
from geosr_lake.recipe import UrbanRule

RULE = UrbanRule(layer="made", classes=(URBAN, 14), min_frac=0.25)


@pytest.mark.parametrize(
    ("shares", "expected"),
    [
        ({URBAN: 0.25, FIELD: 0.75}, "urban"),
        ({URBAN: 0.1, 14: 0.15, FIELD: 0.75}, "urban"),  # 0.1 + 0.15 < 0.25 in binary
        ({URBAN: 0.24, FIELD: 0.76}, "non_urban"),
        ({FIELD: 1.0}, "non_urban"),
        ({FIELD: 0.8}, "non_urban"),  # whatever the rest is, it is too small
        ({FIELD: 0.7}, None),  # the rest could make it urban
        ({URBAN: 0.2, FIELD: 0.75}, None),
        ({URBAN: 0.3}, "urban"),
        ({}, None),
    ],
)
def test_the_stratum(shares: dict[int, float], expected: str | None) -> None:
    assert stratum(shares, RULE) == expected


def test_points_are_centres_of_equal_parts() -> None:
    x, y = site_points(np.array([0]), np.array([600]), 600.0)
    assert x.shape == y.shape == (1, 400)
    assert (x.min(), x.max(), y.min(), y.max()) == (15.0, 585.0, 615.0, 1185.0)
    assert sorted(set(np.diff(np.unique(x)))) == [30.0]


def test_fractions_count_points_that_are_known() -> None:
    classes = np.array([1, 1, 2, 9])
    known = np.array([True, True, True, False])
    assert class_fractions(classes, known) == {1: 0.5, 2: 0.25}


def test_pixels_of_the_points_spacing_are_counted_exactly(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    classes = rng.choice([URBAN, FIELD, NODATA], size=(40, 40)).astype(np.uint8)
    path = write_raster(tmp_path / "lc.tif", classes, west=WEST_M, north=SOUTH_M + 1_200, pixel=30)
    for i, j in ((0, 0), (1, 0), (1, 1)):
        inside = classes[20 - 20 * j : 40 - 20 * j, 20 * i : 20 * i + 20]
        expected = {c: float((inside == c).mean()) for c in (URBAN, FIELD)}
        assert fractions(path, WEST_M + 600 * i, SOUTH_M + 600 * j) == expected


def test_half_a_site_outside_the_raster_is_unknown(tmp_path: Path) -> None:
    path = write_raster(
        tmp_path / "lc.tif",
        np.full((10, 10), FIELD, np.uint8),
        west=WEST_M + 300,
        north=SOUTH_M + 600,
        pixel=60,
    )
    assert fractions(path) == {FIELD: 0.5}
    assert fractions(path, WEST_M - 6_000) == {}


def test_a_raster_in_degrees_is_asked_at_the_same_ground(tmp_path: Path) -> None:
    """The zone's middle meridian parts town and fields: a site astride it has half of each."""
    classes = np.full((200, 400), FIELD, np.uint8)
    classes[:, :200] = URBAN
    path = write_raster(
        tmp_path / "lc.tif", classes, west=-105.2, north=39.8, pixel=0.001, crs="EPSG:4326"
    )
    assert fractions(path, 500_000 - 300, SOUTH_M) == {FIELD: 0.5, URBAN: 0.5}
    assert fractions(path, 500_000 - 450, SOUTH_M) == {FIELD: 0.25, URBAN: 0.75}


def test_a_big_window_is_read_in_strips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(4)
    classes = rng.integers(0, 9, size=(60, 60)).astype(np.uint8)
    path = write_raster(
        tmp_path / "lc.tif", classes, west=WEST_M - 600, north=SOUTH_M + 1_200, pixel=30
    )
    whole = fractions(path)
    monkeypatch.setattr(cover, "_AT_ONCE_PX", 50)
    assert fractions(path) == whole


def test_a_globe_from_0_to_360_degrees_is_asked_west_of_greenwich(tmp_path: Path) -> None:
    """Sites inside a pixel, over several, and of many pixels."""
    from pyproj import Transformer

    to_utm = Transformer.from_crs(4326, 32613, always_xy=True)
    x, y = to_utm.transform(-105.0, 40.0)
    x_m, y_m = (np.array([int(v) + d for d in (0, -300, 5_000)]) for v in (x, y))
    for pixel in (1.0, 0.1):
        size = int(360 / pixel)
        classes = np.full((size // 2, size), 7, np.uint8)
        path = write_raster(
            tmp_path / f"{size}.tif", classes, west=0, north=90, pixel=pixel, crs="EPSG:4326"
        )
        with LandCover(path) as layer:
            for size_m in (600.0, 30_000.0, 300_000.0):
                found = layer.sites(np.full(3, EPSG), x_m, y_m, size_m)
                assert found == [{7: pytest.approx(1.0)}] * 3


def test_a_large_coarse_raster_is_read_for_each_site(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Small ones are held in memory, to the same shares; sites inside one pixel or over several."""
    rng = np.random.default_rng(6)
    classes = rng.choice([URBAN, FIELD, NODATA], size=(30, 30)).astype(np.uint8)
    path = write_raster(
        tmp_path / "lc.tif", classes, west=WEST_M - 9_000, north=SOUTH_M + 9_000, pixel=700
    )
    spots = [(WEST_M + 600 * i, SOUTH_M + 600 * j) for i in range(-16, 24) for j in range(-24, 16)]
    x_m, y_m = np.array(spots).T
    found = []
    for most in (10_000, 0):
        monkeypatch.setattr(cover, "_HELD_PX", most)
        with LandCover(path) as layer:
            found.append(layer.sites(np.full(len(x_m), EPSG), x_m, y_m, 600.0))
    assert found[0] == found[1]
    assert {len(shares) for shares in found[0]} == {0, 1, 2}


def test_a_site_over_180_degrees_reads_both_ends_of_the_globe(tmp_path: Path) -> None:
    classes = np.full((180, 360), FIELD, np.uint8)
    classes[:, 0], classes[:, -1] = URBAN, 14
    path = write_raster(tmp_path / "lc.tif", classes, west=-180, north=90, pixel=1, crs="EPSG:4326")
    from pyproj import Transformer

    x, y = Transformer.from_crs(4326, 32660, always_xy=True).transform(180.0, 10.0)
    found = fractions(path, int(x) - 300, int(y) - 300, epsg=32660)
    assert set(found) == {URBAN, 14}
    assert found[14] == pytest.approx(0.5, abs=0.06)
    assert sum(found.values()) == pytest.approx(1.0)


def test_of_very_many_pixels_some_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same ones whichever site asks: those at multiples of the step in the whole raster."""
    rng = np.random.default_rng(5)
    classes = rng.integers(1, 9, size=(90, 90)).astype(np.uint8)
    path = write_raster(
        tmp_path / "lc.tif", classes, west=WEST_M - 300, north=SOUTH_M + 900, pixel=20, nodata=0
    )
    monkeypatch.setattr(cover, "MOST_PX", 100)  # of 900: every third
    # The site covers rows 15 to 44 and columns 15 to 44.
    counted = classes[0:90:3, 0:90:3][5:15, 5:15]
    assert fractions(path) == {c: float((counted == c).mean()) for c in np.unique(counted)}


def test_pixels_that_straddle_the_edge_count_by_their_centre(tmp_path: Path) -> None:
    classes = np.full((60, 60), FIELD, np.uint8)
    classes[:, 30:] = URBAN
    # Centres at 14, 34, ... 594 m from the site's west edge: 30 of them, 15 of either class.
    path = write_raster(
        tmp_path / "lc.tif", classes, west=WEST_M - 296, north=SOUTH_M + 900, pixel=20
    )
    assert fractions(path) == {FIELD: 0.5, URBAN: 0.5}


def by_brute_force(path: Path, x_m: int, y_m: int, size_m: float, epsg: int) -> dict[int, float]:
    """Every pixel of the raster whose centre, taken to UTM, lies in the square."""
    from pyproj import Transformer

    with rasterio.open(path) as source:
        classes, nodata = source.read(1), source.nodata
        a, b, c, d, e, f = tuple(source.transform)[:6]
        wkt = source.crs.to_wkt()
    # One way and its inverse: the other way may take another datum shift, metres apart.
    back = Transformer.from_crs(epsg, wkt, always_xy=True)
    x, y = back.transform(
        [x_m, x_m + size_m, x_m + size_m, x_m], [y_m, y_m, y_m + size_m, y_m + size_m]
    )
    col, row = (np.array(x) - c) / a, (np.array(y) - f) / e
    rows, cols = np.mgrid[
        int(row.min()) - 3 : int(row.max()) + 3, int(col.min()) - 3 : int(col.max()) + 3
    ]
    east, north = back.transform(
        a * (cols + 0.5) + b * (rows + 0.5) + c,
        d * (cols + 0.5) + e * (rows + 0.5) + f,
        direction="INVERSE",
    )
    inside = (east >= x_m) & (east < x_m + size_m) & (north >= y_m) & (north < y_m + size_m)
    known = inside & (rows >= 0) & (rows < classes.shape[0])
    known &= (cols >= 0) & (cols < classes.shape[1])
    found = classes[rows[known], cols[known]]
    found = found[found != nodata] if nodata is not None else found
    numbers, counts = np.unique(found, return_counts=True)
    return {int(k): n / int(inside.sum()) for k, n in zip(numbers, counts, strict=True)}


WORLDCOVER = "ESA_WorldCover_10m_2021_v200_N00E006"
LCMAP_CU = "LCMAP_CU_001004_1999_20220723"
LCMAP_CU_MAP = "LCMAP_CU_001004_1999_20220701_V13_LCPRI.tif"
LCMAP_HI = "LCMAP_HI_000000_2020_20211130"
LCMAP_HI_MAP = "LCMAP_HI_000000_2020_20210722_V10_LCPRI.tif"
JRC = "jrc_gsw/Aggregated/LATEST"


@pytest.mark.parametrize(
    ("name", "epsg", "inside"),
    [
        ("cdl/2021_30m_cdls.tif", 32614, (0.5, 0.5)),
        ("chesapeake/Baywide_13Class_20132014_E1300000_N1770000.tif", 32618, (0.9, 0.7)),
        ("drcog/DRCOG_2018_LULC_E3220000_N1710000.tif", 32613, (0.5, 0.5)),
        ("drcog/DRCOG_2020_LULC_E2880000_N1680000.tif", 32613, (0.5, 0.5)),  # pixels of a foot
        (f"worldcover/{WORLDCOVER}/{WORLDCOVER}_Map.tif", 32632, (0.2444, 0.1125)),
        (f"lcmap/CU/{LCMAP_CU}_V13_CCDC/{LCMAP_CU_MAP}", 32610, (0.962, 0.018)),
        (f"lcmap/HI/{LCMAP_HI}_V10_CCDC/{LCMAP_HI_MAP}", 32604, (0.742, 0.458)),
        (f"{JRC}/transitions/tiles/transitions-0000360000-0000480000.tif", 32721, (0.5, 0.5)),
        (f"{JRC}/occurrence/tiles/occurrence-0000360000-0000480000.tif", 32721, (0.3, 0.6)),
    ],
)
@pytest.mark.parametrize("where", ["inside", "edge"])
def test_real_layers_are_counted_as_by_brute_force(
    real_data: Path,
    name: str,
    epsg: int,
    inside: tuple[float, float],
    where: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from pyproj import Transformer

    path = real_data / "labels" / name
    with rasterio.open(path) as source:
        west, south, east, north = source.bounds
        to_utm = Transformer.from_crs(source.crs.to_wkt(), epsg, always_xy=True)
    along, up = inside if where == "inside" else (0.0, 0.5)
    x, y = to_utm.transform(west + along * (east - west), south + up * (north - south))
    monkeypatch.setattr(cover, "MOST_PX", 10_000_000)
    x_m, y_m = int(x // 600 * 600), int(y // 600 * 600)
    found = fractions(path, x_m, y_m, epsg=epsg)
    expected = by_brute_force(path, x_m, y_m, 600.0, epsg)
    assert found or where == "edge"
    # A pixel whose centre lies on the edge to a rounding may count or not: one of four million.
    assert found == pytest.approx(expected, abs=1e-6)


def test_real_land_cover_knows_denver_from_the_plains(real_data: Path) -> None:
    path = real_data / "strata" / "MCD12C1.A2019001.006.2020220162300.tif"
    urban = UrbanRule(layer="mcd12c1", classes=(13,), min_frac=0.25)
    from pyproj import Transformer

    to_utm = Transformer.from_crs(4326, 32613, always_xy=True)
    found = {}
    for name, lon, lat in (("denver", -104.98, 39.74), ("plains", -102.6, 38.9)):
        x, y = to_utm.transform(lon, lat)
        shares = fractions(path, int(x // 600 * 600), int(y // 600 * 600))
        assert sum(shares.values()) == pytest.approx(1.0)
        found[name] = stratum(shares, urban)
    assert found == {"denver": "urban", "plains": "non_urban"}


def at_points(
    classes: np.ndarray, source: rasterio.DatasetReader, spot: tuple[int, int, int], size_m: float
) -> dict[int, float]:
    """The pixels of a globe in degrees under the middles of 20 by 20 parts of a square."""
    from pyproj import Transformer

    epsg, x_m, y_m = spot
    west, _, _, north = source.bounds
    wide, tall = source.res
    along = (np.arange(20) + 0.5) * size_m / 20
    x, y = np.meshgrid(x_m + along, y_m + along)
    lon, lat = Transformer.from_crs(epsg, source.crs.to_wkt(), always_xy=True).transform(x, y)
    rows = np.floor((north - lat) / tall).astype(int)
    cols = np.floor((lon - west) / wide).astype(int) % source.width
    found = classes[rows, cols]
    numbers, counts = np.unique(found[found != source.nodata], return_counts=True)
    return {int(k): n / 400 for k, n in zip(numbers, counts, strict=True)}


def test_a_real_globe_is_counted_as_by_brute_force(
    real_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sites of few of its pixels, 5 km wide at the equator, at points; of many, by the pixels."""
    from pyproj import Transformer

    path = real_data / "strata" / "MCD12C1.A2019001.006.2020220162300.tif"
    monkeypatch.setattr(cover, "MOST_PX", 10_000_000)
    rng = np.random.default_rng(8)
    places = [(-104.98, 39.74), (151.2, -33.87), (36.8, 0.01), (179.999, -16.8), (15.6, 78.2)]
    lons, lats = rng.uniform(-180, 180, 30), rng.uniform(-60, 72, 30)
    places += zip(lons.tolist(), lats.tolist(), strict=True)
    kinds, several = set(), 0
    with rasterio.open(path) as source, LandCover(path) as layer:
        classes = source.read(1)
        for lon, lat in places:
            epsg = (32600 if lat >= 0 else 32700) + int((lon + 180) // 6) + 1
            there = Transformer.from_crs(4326, epsg, always_xy=True).transform(lon, lat)
            for size_m in (600.0, 30_000.0):
                x_m, y_m = (int(v - size_m / 2) for v in there)
                found = layer.sites(np.array([epsg]), np.array([x_m]), np.array([y_m]), size_m)[0]
                px_m = 111_320 * source.res[0]
                by_pixels = size_m**2 / (px_m**2 * np.cos(np.radians(lat))) >= cover.FEWEST_PX
                if by_pixels:
                    expected = by_brute_force(path, x_m, y_m, size_m, epsg)
                else:
                    expected = at_points(classes, source, (epsg, x_m, y_m), size_m)
                assert found == pytest.approx(expected, abs=1e-9), (lon, lat, size_m)
                kinds.add((by_pixels, size_m))
                several += len(found) > 1
    assert kinds == {(False, 600.0), (False, 30_000.0), (True, 30_000.0)}
    assert several > 10
