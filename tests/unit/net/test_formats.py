"""Formats besides GeoTIFF: read alike, only where they are asked for, and never by a link."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from range_server import serving
from rasterio.transform import from_origin

from geosr_lake.errors import CorruptDataError, UnsafeInputError
from geosr_lake.net import FORMATS, SourcePolicy, identity, open_raster
from geosr_lake.net.formats import GEOTIFF, IMAGINE, JPEG2000, Format

CLASSES = np.random.default_rng(5).integers(0, 200, (300, 400), np.uint8)
WRITTEN: dict[str, tuple[Format, dict[str, Any]]] = {
    "plain.tif": (GEOTIFF, {}),
    "plain.img": (IMAGINE, {}),
    "packed.img": (IMAGINE, {"compressed": "YES"}),
    "apart.img": (IMAGINE, {"use_spill": "YES"}),
    "plain.jp2": (JPEG2000, {"reversible": "YES", "quality": "100"}),
}


@pytest.fixture
def policy(tmp_path: Path) -> SourcePolicy:
    return SourcePolicy.of([tmp_path])


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    return {name: write(tmp_path / name, *how) for name, how in WRITTEN.items()}


def write(path: Path, form: Format, options: dict[str, Any]) -> Path:
    profile = {
        "width": 400, "height": 300, "count": 1, "dtype": "uint8", "crs": "EPSG:32613",
        "transform": from_origin(500_000, 4_400_000, 30, 30),
    }  # fmt: skip
    with rasterio.open(path, "w", driver=form.driver, **profile, **options) as made:
        made.write(CLASSES, 1)
    path.with_name(path.name + ".aux.xml").unlink(missing_ok=True)
    return path


def read(href: str, policy: SourcePolicy) -> np.ndarray:
    with open_raster(href, policy, FORMATS) as raster:
        assert raster.transform == (30.0, 0.0, 500_000.0, 0.0, -30.0, 4_400_000.0)
        assert (raster.height, raster.width, raster.count) == (300, 400, 1)
        assert raster.crs.to_epsg() == 32613
        assert not raster.missing((1,), (0, 300, 0, 400)).any()
        return raster.read((1,), (10, 200, 30, 400))


@pytest.mark.parametrize("name", WRITTEN)
def test_a_file_is_read_as_it_was_written(
    files: dict[str, Path], policy: SourcePolicy, name: str
) -> None:
    assert np.array_equal(read(str(files[name]), policy)[0], CLASSES[10:200, 30:])


@pytest.mark.parametrize("name", [name for name in WRITTEN if name != "apart.img"])
def test_so_is_an_object_of_a_host(files: dict[str, Path], name: str) -> None:
    with serving(files[name].read_bytes()) as host:
        policy = SourcePolicy(hosts=frozenset({host.name}))
        assert np.array_equal(read(host.url, policy)[0], CLASSES[10:200, 30:])


@pytest.mark.parametrize("name", [name for name in WRITTEN if name != "plain.tif"])
def test_where_only_geotiff_is_asked_for_no_other_is_opened(
    files: dict[str, Path], policy: SourcePolicy, tmp_path: Path, name: str
) -> None:
    disguised = files[name].rename(tmp_path / "scene.tif")
    with (
        pytest.raises(CorruptDataError, match="This is not a GeoTIFF"),
        open_raster(str(disguised), policy),
    ):
        pass


def test_what_is_of_no_format_is_told(tmp_path: Path, policy: SourcePolicy) -> None:
    (tmp_path / "a.img").write_bytes(b"\x89HDF\r\n\x1a\n")
    with (
        pytest.raises(CorruptDataError, match=r"neither a GeoTIFF, .* nor a JPEG 2000 file"),
        open_raster(str(tmp_path / "a.img"), policy, FORMATS),
    ):
        pass


@pytest.mark.parametrize("form", [IMAGINE, JPEG2000])
def test_what_only_begins_like_a_format_is_told(
    tmp_path: Path, policy: SourcePolicy, form: Format
) -> None:
    (tmp_path / "a").write_bytes(form.starts[0] + b"and then nonsense")
    with (
        pytest.raises(CorruptDataError, match=f"not {form.said} that can be opened"),
        open_raster(str(tmp_path / "a"), policy, FORMATS),
    ):
        pass


def test_pixels_beside_an_imagine_file_are_looked_for_nowhere_else(
    files: dict[str, Path], policy: SourcePolicy, tmp_path: Path
) -> None:
    """The file names the one that holds its pixels; only its namesake in its folder is opened."""
    named = files["apart.img"]
    linked = named.read_bytes().replace(b"apart.ige", b"other.ige")
    assert b"apart.ige" in named.read_bytes()
    other = tmp_path / "apart.ige"
    other.rename(tmp_path / "other.ige")
    named.write_bytes(linked)
    assert rasterio.open(named).read().any(), "the bait works"
    with (
        pytest.raises(CorruptDataError, match=r"lie in a \.ige file"),
        open_raster(str(named), policy, FORMATS),
    ):
        pass


def test_a_file_and_its_pixels_may_be_renamed_together(
    files: dict[str, Path], policy: SourcePolicy, tmp_path: Path
) -> None:
    renamed = files["apart.img"].rename(tmp_path / "nlcd 2019.img")
    (tmp_path / "apart.ige").rename(tmp_path / "nlcd 2019.ige")
    assert np.array_equal(read(str(renamed), policy)[0], CLASSES[10:200, 30:])


def test_a_link_in_place_of_the_pixels_is_not_followed(
    files: dict[str, Path], policy: SourcePolicy, tmp_path: Path
) -> None:
    pixels = tmp_path / "apart.ige"
    pixels.rename(tmp_path / "secret")
    pixels.symlink_to(tmp_path / "secret")
    with (
        pytest.raises(CorruptDataError, match=r"lie in a \.ige file"),
        open_raster(str(files["apart.img"]), policy, FORMATS),
    ):
        pass


def test_pixels_beside_an_object_of_a_host_are_told_to_be_missing(files: dict[str, Path]) -> None:
    with serving(files["apart.img"].read_bytes()) as host:
        policy = SourcePolicy(hosts=frozenset({host.name}))
        with (
            pytest.raises(CorruptDataError, match=r"lie in a \.ige file"),
            open_raster(host.url, policy, FORMATS),
        ):
            pass


def test_another_folder_is_as_forbidden_as_for_a_geotiff(files: dict[str, Path]) -> None:
    inner = files["plain.img"].parent / "inner"
    inner.mkdir()
    policy = SourcePolicy.of([inner])
    with (
        pytest.raises(UnsafeInputError),
        open_raster(str(files["plain.img"]), policy, FORMATS),
    ):
        pass


def test_the_identity_is_that_of_all_bytes(
    files: dict[str, Path], policy: SourcePolicy, tmp_path: Path
) -> None:
    whole = {name: identity(str(path), policy) for name, path in files.items()}
    assert len(set(whole.values())) == len(whole)
    pixels = tmp_path / "apart.ige"
    data = bytearray(pixels.read_bytes())
    data[-1] ^= 1
    pixels.write_bytes(data)
    assert identity(str(files["apart.img"]), policy) != whole["apart.img"]
    assert identity(str(files["plain.img"]), policy) == whole["plain.img"]
