"""Opening rasters: the format, the limits, what was never written; from files and from a host."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from cubes_world import write_tif
from range_server import Host, serving

from geosr_lake.errors import CorruptDataError, SourceError, TransientSourceError, UnsafeInputError
from geosr_lake.net import SourcePolicy, open_raster, raster, retry
from geosr_lake.net.errors import MissingSourceError, failure_code
from geosr_lake.net.gdal_env import GDAL_OPTIONS, load_rasterio

GRID = {"crs": 32613, "west": 500_000.0, "north": 4_400_000.0, "gsd_m": 10.0}
PIXELS = np.arange(2 * 600 * 700, dtype=np.uint16).reshape(2, 600, 700)


@pytest.fixture
def policy(tmp_path: Path) -> SourcePolicy:
    return SourcePolicy.of([tmp_path])


def test_reads_windows_as_they_are(tmp_path: Path, policy: SourcePolicy) -> None:
    path = write_tif(tmp_path / "a.tif", PIXELS, **GRID, nodata=7)
    with open_raster(str(path), policy) as opened:
        assert (opened.height, opened.width, opened.count) == (600, 700, 2)
        assert opened.transform == (10.0, 0.0, 500_000.0, 0.0, -10.0, 4_400_000.0)
        assert (opened.dtype, opened.nodata, opened.crs.to_epsg()) == ("uint16", 7.0, 32613)
        window = (250, 300, 500, 520)
        assert np.array_equal(opened.read((2, 1), window), PIXELS[::-1, 250:300, 500:520])
        assert not opened.missing((1, 2), window).any()


@pytest.mark.parametrize("interleave", ["pixel", "band"])
def test_blocks_that_were_never_written_are_missing(
    tmp_path: Path, policy: SourcePolicy, interleave: str
) -> None:
    rasterio = load_rasterio()
    path = tmp_path / "sparse.tif"
    profile = {
        "driver": "GTiff", "count": 2, "height": 600, "width": 700, "dtype": "uint16",
        "tiled": True, "blockxsize": 256, "blockysize": 256, "sparse_ok": True,
        "interleave": interleave, "crs": "EPSG:32613",
        "transform": rasterio.Affine(10, 0, 0, 0, -10, 0),
    }  # fmt: skip
    with rasterio.open(path, "w", **profile) as made:
        made.write(PIXELS[:, 256:512, :256], window=((256, 512), (0, 256)))
    with open_raster(str(path), policy) as opened:
        missing = opened.missing((1, 2), (200, 600, 100, 400))
        expected = np.ones((400, 300), dtype=bool)
        expected[56:312, :156] = False
        assert np.array_equal(missing, expected)


def test_the_files_own_mask_is_heeded(tmp_path: Path, policy: SourcePolicy) -> None:
    rasterio = load_rasterio()
    path = tmp_path / "masked.tif"
    mask = np.full((600, 700), 255, dtype=np.uint8)
    mask[10:20, 30:50] = 0
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        write_tif(path, PIXELS, **GRID)
        with rasterio.open(path, "r+") as opened:
            opened.write_mask(mask)
    with open_raster(str(path), policy) as opened:
        assert np.array_equal(opened.missing((1,), (0, 600, 0, 700)), mask == 0)


def test_near_infrared_tagged_as_alpha_is_no_mask(tmp_path: Path, policy: SourcePolicy) -> None:
    photo = np.zeros((4, 64, 64), dtype=np.uint8)
    path = write_tif(tmp_path / "photo.tif", photo, **GRID, photometric="RGB", alpha="YES")
    with open_raster(str(path), policy) as opened:
        assert not opened.missing((1, 2, 3, 4), (0, 64, 0, 64)).any()
        assert opened.missing((1, 2, 3), (0, 64, 0, 64)).all()


VRT = (
    '<VRTDataset rasterXSize="600" rasterYSize="600"><VRTRasterBand dataType="UInt16" band="1">'
    '<SimpleSource><SourceFilename relativeToVRT="0">{path}</SourceFilename>'
    "<SourceBand>1</SourceBand></SimpleSource></VRTRasterBand></VRTDataset>"
)


@pytest.mark.parametrize(
    "content",
    [
        VRT.encode(),
        b"<GDAL_WMS><Service name='TMS'/></GDAL_WMS>",
        b"%PDF-1.4 ",
        b"CDF\x01 netcdf",
        b"PK\x03\x04 zip",
        b"\x89HDF\r\n\x1a\n",
        b"<!DOCTYPE html><html>Please log in</html>",
        b"",
        b"II*\x00 and then nonsense",
        b"MM\x00*" + bytes(64),
    ],
)
def test_what_is_no_geotiff_is_refused_whatever_its_name(
    tmp_path: Path, policy: SourcePolicy, content: bytes
) -> None:
    write_tif(tmp_path / "real.tif", PIXELS, **GRID)
    evil = tmp_path / "evil.tif"
    evil.write_bytes(content.replace(b"{path}", str(tmp_path / "real.tif").encode()))
    with pytest.raises(CorruptDataError), open_raster(str(evil), policy):
        pass


def _python(code: str) -> list[str]:
    """Run `code` in a Python of its own, without this one's GDAL settings."""
    clean = {name: value for name, value in os.environ.items() if name not in GDAL_OPTIONS}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, env=clean
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_the_driver_holds_even_where_gdal_was_loaded_before(tmp_path: Path) -> None:
    """A process that imported rasterio first has the VRT driver; it still opens no VRT."""
    write_tif(tmp_path / "real.tif", PIXELS, **GRID)
    evil = tmp_path / "evil.tif"
    evil.write_text(VRT.format(path=tmp_path / "real.tif"))
    code = (
        "import rasterio\n"
        f"assert rasterio.open({str(evil)!r}).read().any(), 'the bait works'\n"
        "from geosr_lake.net import raster\n"
        f"from pathlib import Path\n"
        "from geosr_lake.errors import CorruptDataError\n"
        "try:\n"
        f"    raster._dataset({str(evil)!r}, 'x').__enter__()\n"
        "except CorruptDataError: print('refused')\n"
    )
    assert _python(code) == ["refused"]


def test_the_pinned_settings_hold_in_a_worker(tmp_path: Path) -> None:
    evil = tmp_path / "evil.tif"
    write_tif(tmp_path / "real.tif", PIXELS, **GRID)
    evil.write_text(VRT.format(path=tmp_path / "real.tif"))
    code = (
        "from geosr_lake.net.gdal_env import load_rasterio, GDAL_OPTIONS\n"
        "rasterio = load_rasterio()\n"
        "from rasterio.env import get_gdal_config\n"
        "with rasterio.Env() as env:\n"
        "    print({name: str(get_gdal_config(name, normalize=False)) for name in GDAL_OPTIONS})\n"
        "    print('VRT' in env.drivers())\n"
        "try:\n"
        f"    rasterio.open({str(evil)!r})\n"
        "except rasterio.errors.RasterioIOError: print('refused')\n"
    )
    options, has_vrt, last = _python(code)
    assert ast.literal_eval(options) == GDAL_OPTIONS | {"GDAL_CACHEMAX": str(128 << 20)}
    assert (has_vrt, last) == ("False", "refused")


def test_siblings_are_not_believed(tmp_path: Path, policy: SourcePolicy) -> None:
    path = write_tif(tmp_path / "a.tif", PIXELS, **GRID)
    (tmp_path / "a.tif.aux.xml").write_text(
        "<PAMDataset><PAMRasterBand band='1'><NoDataValue>5</NoDataValue></PAMRasterBand>"
        "</PAMDataset>"
    )
    write_tif(tmp_path / "a.tif.msk", np.zeros((1, 600, 700), dtype=np.uint8), **GRID)
    with open_raster(str(path), policy) as opened:
        assert opened.nodata is None
        assert not opened.missing((1,), (0, 600, 0, 700)).any()


def test_a_missing_file_is_permanent(tmp_path: Path, policy: SourcePolicy) -> None:
    with pytest.raises(MissingSourceError), open_raster("nowhere.tif", policy):
        pass
    (tmp_path / "file").write_text("x")
    with pytest.raises(MissingSourceError), open_raster("file/below.tif", policy):
        pass
    (tmp_path / "folder.tif").mkdir()
    with pytest.raises(CorruptDataError), open_raster("folder.tif", policy):
        pass


def test_a_fifo_does_not_hang(tmp_path: Path, policy: SourcePolicy) -> None:
    os.mkfifo(tmp_path / "pipe.tif")
    with pytest.raises(CorruptDataError, match="regular"), open_raster("pipe.tif", policy):
        pass


def test_truncated_pixels_are_corrupt(tmp_path: Path, policy: SourcePolicy) -> None:
    noise = np.random.default_rng(0).integers(0, 60000, (1, 600, 700), dtype=np.uint16)
    path = write_tif(tmp_path / "a.tif", noise, **GRID)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CorruptDataError), open_raster("a.tif", policy) as opened:
        opened.read((1,), (0, 600, 0, 700))


def test_claims_of_great_size_are_refused_before_decoding(
    tmp_path: Path, policy: SourcePolicy, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tif(tmp_path / "a.tif", PIXELS, **GRID)
    monkeypatch.setattr(raster, "MAX_BLOCK_BYTES", 100_000)
    with pytest.raises(CorruptDataError, match="more than is read"), open_raster("a.tif", policy):
        pass


def test_each_failure_has_its_code() -> None:
    assert failure_code(MissingSourceError("x")) == "source_missing"
    assert failure_code(CorruptDataError("x")) == "source_corrupt"
    assert failure_code(UnsafeInputError("x")) == "source_refused"


@pytest.fixture
def remote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Host, SourcePolicy]]:
    monkeypatch.setattr(retry, "FIRST_WAIT_S", 0.0)
    noise = np.random.default_rng(0).integers(0, 60000, (2, 600, 700), dtype=np.uint16)
    content = write_tif(tmp_path / "r.tif", noise, **GRID).read_bytes()
    with serving(content) as host:
        yield host, SourcePolicy(hosts=frozenset({host.name}))


def test_an_object_of_a_host_reads_like_a_file(
    tmp_path: Path, remote: tuple[Host, SourcePolicy]
) -> None:
    host, policy = remote
    window = (100, 130, 200, 260)
    with open_raster(host.url, policy) as opened:
        found = opened.read((1, 2), window)
    with open_raster(str(tmp_path / "r.tif"), SourcePolicy.of([tmp_path])) as local:
        assert np.array_equal(found, local.read((1, 2), window))
    assert {path for path, _ in host.requests} == {"/archive/x.tif"}, "no sibling was asked for"
    assert len(host.requests) <= 4


@pytest.mark.parametrize(
    ("fault", "kind"), [("404", MissingSourceError), ("503", TransientSourceError)]
)
def test_a_failure_of_the_host_is_told_as_what_it_is(
    remote: tuple[Host, SourcePolicy], fault: str, kind: type[SourceError]
) -> None:
    host, policy = remote
    with open_raster(host.url, policy) as opened:
        host.script = [fault] * 99
        with pytest.raises(kind):
            opened.read((1, 2), (500, 600, 600, 700))


def test_a_login_page_is_no_geotiff() -> None:
    with serving(b"<!DOCTYPE html><html>log in</html>") as host:
        policy = SourcePolicy(hosts=frozenset({host.name}))
        with pytest.raises(CorruptDataError), open_raster(host.url, policy):
            pass
