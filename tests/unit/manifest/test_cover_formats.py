"""Which files are land cover: formats count alike, and what is refused is told why."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
import xarray
from manifest_world import EPSG, FIELD, SOUTH_M, URBAN, WEST_M, fractions, write_raster
from rasterio.shutil import copy
from rasterio.transform import from_origin

from geosr_lake.errors import CorruptDataError, UsageError
from geosr_lake.manifest.layer import LandCover
from geosr_lake.net.convert import as_geotiff


@pytest.mark.parametrize(
    ("driver", "ending", "how"),
    [
        ("HFA", "img", {"compressed": "YES"}),
        ("HFA", "img", {"use_spill": "YES"}),
        ("JP2OpenJPEG", "jp2", {"reversible": "YES", "quality": "100"}),
    ],
)
def test_a_real_layer_counts_the_same_in_other_formats(
    real_data: Path, tmp_path: Path, driver: str, ending: str, how: dict[str, str]
) -> None:
    from pyproj import Transformer

    path = real_data / "labels" / "cdl" / "2021_30m_cdls.tif"
    with rasterio.open(path) as source:
        lon, lat = source.lnglat()
        copy(source, tmp_path / f"cdl.{ending}", driver=driver, **how)
    x, y = Transformer.from_crs(4326, 32614, always_xy=True).transform(lon, lat)
    x_m, y_m = int(x // 600 * 600), int(y // 600 * 600)
    expected = fractions(path, x_m, y_m, epsg=32614)
    assert len(expected) > 3
    for named in (tmp_path / f"cdl.{ending}", tmp_path):
        assert fractions(named, x_m, y_m, epsg=32614) == pytest.approx(expected)


def test_the_version_is_that_of_the_bytes(tmp_path: Path) -> None:
    classes = np.full((4, 4), FIELD, np.uint8)
    ground = {"west": WEST_M, "north": SOUTH_M, "pixel": 60}
    paths = [write_raster(tmp_path / name, classes, **ground) for name in ("a.tif", "b.tif")]
    classes[0, 0] = URBAN
    paths.append(write_raster(tmp_path / "c.tif", classes, **ground))
    versions = []
    for path in paths:
        with LandCover(path) as layer:
            versions.append(layer.version)
    assert versions[0] == versions[1] != versions[2]


def vrt(member: str) -> str:
    with rasterio.Env():
        wkt = rasterio.crs.CRS.from_epsg(EPSG).to_wkt()
    return f"""<VRTDataset rasterXSize="4" rasterYSize="4"><SRS>{wkt}</SRS>
      <GeoTransform>{WEST_M}, 60, 0, {SOUTH_M}, 0, -60</GeoTransform>
      <VRTRasterBand dataType="Byte" band="1"><SimpleSource>
        <SourceFilename relativeToVRT="0">{member}</SourceFilename><SourceBand>1</SourceBand>
        <SrcRect xOff="0" yOff="0" xSize="4" ySize="4"/>
        <DstRect xOff="0" yOff="0" xSize="4" ySize="4"/>
      </SimpleSource></VRTRasterBand></VRTDataset>"""


def classes_file(path: Path, seed: int = 5) -> Path:
    classes = np.random.default_rng(seed).choice([URBAN, FIELD], size=(60, 60)).astype(np.uint8)
    return write_raster(path, classes, west=WEST_M, north=SOUTH_M + 900, pixel=15, nodata=None)


def as_format(tif: Path, name: str, driver: str) -> Path:
    """Write a raster anew, with what GDAL puts beside it."""
    with rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="FALSE", GDAL_PAM_ENABLED="YES"):
        copy(tif, tif.with_name(name), driver=driver)
    return tif.with_name(name)


@pytest.mark.parametrize("name", ["all.vrt", "all.tif"])
def test_a_mosaic_is_refused_unread(tmp_path: Path, name: str) -> None:
    mosaic = tmp_path / name
    mosaic.write_text(vrt(str(classes_file(tmp_path / "member.tif"))))
    with pytest.raises(UsageError, match="cannot be read: It is neither GeoTIFF"):
        LandCover(mosaic)


@pytest.mark.parametrize(
    ("name", "driver"), [("c.mrf", "MRF"), ("c.ers", "ERS"), ("c.pix", "PCIDSK")]
)
def test_formats_that_can_name_other_files_are_refused(
    tmp_path: Path, name: str, driver: str
) -> None:
    path = as_format(classes_file(tmp_path / "c.tif"), name, driver)
    with rasterio.open(path) as bait:
        assert bait.read().any()
    with pytest.raises(UsageError, match="cannot be read: It is neither GeoTIFF"):
        LandCover(path)


@pytest.mark.parametrize(
    ("name", "driver"), [("c.mrf", "MRF"), ("c.ers", "ERS"), ("c.pix", "PCIDSK")]
)
def test_a_driver_that_the_user_names_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, driver: str
) -> None:
    tif = classes_file(tmp_path / "c.tif")
    path = as_format(tif, name, driver)
    monkeypatch.setenv("GEOSR_RASTER_DRIVERS", f" {driver}, HDF5")
    sites = (np.array([EPSG]), np.array([WEST_M]), np.array([SOUTH_M]), 600.0)
    with LandCover(tif) as here, LandCover(path) as there:
        assert here.sites(*sites) == there.sites(*sites)


def test_a_mosaic_is_read_where_the_user_names_its_driver(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    member, mosaic = classes_file(tmp_path / "member.tif"), tmp_path / "all.vrt"
    mosaic.write_text(vrt(str(member)))
    monkeypatch.setenv("GEOSR_RASTER_DRIVERS", "VRT")
    made = as_geotiff(mosaic)
    with rasterio.open(made.path) as whole, rasterio.open(member) as part:
        assert (whole.read(1) == part.read(1)[:4, :4]).all()
    classes_file(member, seed=6)
    os.utime(mosaic)
    assert as_geotiff(mosaic).version != made.version, "the pixels of its members count"


FORMATS = {
    "c.nc": "netCDF",  # with its header inside
    "c.gpkg": "GPKG",
    "c.rst": "RST",  # the rest with headers or projections beside them
    "c.bil": "EHdr",
    "c.dat": "ENVI",
    "c.sdat": "SAGA",
    "c.asc": "AAIGrid",
}


@pytest.mark.parametrize("name", FORMATS)
def test_other_formats_count_the_same(tmp_path: Path, name: str) -> None:
    tif = classes_file(tmp_path / "c.tif")
    sites = (np.array([EPSG]), np.array([WEST_M]), np.array([SOUTH_M]), 600.0)
    with LandCover(tif) as here, LandCover(as_format(tif, name, FORMATS[name])) as there:
        assert here.sites(*sites) == there.sites(*sites)
        assert set(here.sites(*sites)[0]) == {URBAN, FIELD}
        assert here.version != there.version


def test_a_version_is_that_of_pixels_and_header(tmp_path: Path) -> None:
    path = as_format(classes_file(tmp_path / "c.tif"), "c.dat", "ENVI")
    header = path.with_suffix(".hdr")
    other = as_format(classes_file(tmp_path / "d.tif", seed=6), "d.dat", "ENVI")
    assert header.is_file()
    found = [as_geotiff(path).version, as_geotiff(other).version]
    header.write_text(header.read_text().replace("map info", "; no map info"))
    os.utime(path)
    found.append(as_geotiff(path).version)
    assert len(set(found)) == 3
    assert as_geotiff(path).path == as_geotiff(path).path, "made once"


def test_a_file_of_several_rasters_names_them(tmp_path: Path) -> None:
    several = xarray.Dataset(
        {name: (("y", "x"), np.ones((4, 4), np.uint8)) for name in ("lccs_class", "flags")}
    )
    several.to_netcdf(tmp_path / "cci.nc")
    with pytest.raises(UsageError, match=r"holds several rasters: .*lccs_class"):
        LandCover(tmp_path / "cci.nc")


def test_numbers_with_fractions_are_not_copied_first(tmp_path: Path) -> None:
    heights = xarray.DataArray(np.zeros((4, 4), np.float32), dims=("y", "x"), name="height")
    heights.to_netcdf(tmp_path / "h.nc")
    with pytest.raises(UsageError, match="not one band of whole numbers"):
        LandCover(tmp_path / "h.nc")


@pytest.mark.parametrize(
    ("code", "says"),
    [("sys.exit(3)", "GDAL fails at it"),
     ("raise MemoryError", "GDAL fails at it"),
     ("os.abort()", "GDAL fails at it"), ("sys.stderr.write('so'); sys.exit(3)", "so")],
)  # fmt: skip
def test_a_process_that_fails_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, says: str
) -> None:
    (tmp_path / "c.bin").write_bytes(b"no format")
    run = subprocess.run
    failing = [sys.executable, "-c", f"import os, sys\n{code}"]
    monkeypatch.setattr(subprocess, "run", lambda _, **options: run(failing, **options))
    with pytest.raises(CorruptDataError, match=says):
        as_geotiff(tmp_path / "c.bin")


def test_what_is_no_land_cover_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no land-cover raster here"):
        LandCover(tmp_path / "none.tif")
    (tmp_path / "text.tif").write_text("not a raster")
    with pytest.raises(UsageError, match="cannot be read: It is neither GeoTIFF"):
        LandCover(tmp_path / "text.tif")
    heights = np.zeros((4, 4), np.float32)
    path = write_raster(
        tmp_path / "h.tif", heights, west=WEST_M, north=SOUTH_M, pixel=60, nodata=None
    )
    with pytest.raises(UsageError, match="whole numbers"):
        LandCover(path)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_raster_without_a_place_is_refused(tmp_path: Path) -> None:
    profile = {"driver": "GTiff", "width": 4, "height": 4, "count": 1, "dtype": "uint8"}
    with rasterio.open(tmp_path / "a.tif", "w", **profile) as target:
        target.write(np.zeros((1, 4, 4), np.uint8))
    with pytest.raises(UsageError, match="no coordinate system"):
        LandCover(tmp_path / "a.tif")
    placed = profile | {"count": 2, "crs": "EPSG:4326", "transform": from_origin(0, 0, 1, 1)}
    with rasterio.open(tmp_path / "b.tif", "w", **placed) as target:
        target.write(np.zeros((2, 4, 4), np.uint8))
    with pytest.raises(UsageError, match="one band"):
        LandCover(tmp_path / "b.tif")
