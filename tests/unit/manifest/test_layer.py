"""A layer of one raster or of tiles beside each other, of files or of a host."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from manifest_world import FIELD, NODATA, SOUTH_M, URBAN, WEST_M, write_raster
from range_server import serving

from geosr_lake.errors import UsageError
from geosr_lake.manifest import layer as layer_module
from geosr_lake.manifest.layer import LandCover, open_layer

SIZE_PX, PIXEL_M = 40, 30
CORNERS = [(x, y) for x in (-600, 0, 150, 600, 900) for y in (0, 300, 600)]


def classes(seed: int = 3) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.choice([URBAN, FIELD, 7, NODATA], size=(SIZE_PX, SIZE_PX)).astype(np.uint8)


def write(path: Path, part: Any, *, east_px: int = 0) -> Path:
    west, north = WEST_M + east_px * PIXEL_M, SOUTH_M + SIZE_PX * PIXEL_M
    return write_raster(path, part, west=west, north=north, pixel=PIXEL_M)


def told(layer: LandCover) -> list[dict[int, float]]:
    x, y = (np.array([corner[i] for corner in CORNERS]) for i in (0, 1))
    return layer.sites(np.full(len(x), 32613), WEST_M + x, SOUTH_M + y, 600.0)


def test_tiles_beside_each_other_are_one_layer(tmp_path: Path) -> None:
    every = classes()
    whole = write(tmp_path / "whole.tif", every)
    parts = [
        write(tmp_path / "a.tif", every[:, :15]),
        write(tmp_path / "b.tif", every[:, 15:], east_px=15),
    ]
    with open_layer(whole) as one, open_layer(parts) as two, open_layer(parts[::-1]) as turned:
        expected = told(one)
        assert any(0 < sum(cover.values()) < 1 for cover in expected)
        for layer in (two, turned):
            for cover, other in zip(told(layer), expected, strict=True):
                assert cover == pytest.approx(other)
        assert two.version == turned.version != one.version


def test_many_tiles_are_named_at_once_and_opened_when_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layer_module, "_OPEN", 2)
    every = classes()
    whole = write(tmp_path / "whole.tif", every)
    folder = tmp_path / "tiles"
    folder.mkdir()
    parts = [
        write(folder / f"{i}.tif", every[:, i * 10 : i * 10 + 10], east_px=i * 10) for i in range(4)
    ]
    (folder / "0.tif.aux.xml").write_text("not a raster")
    names = tmp_path / "names.txt"
    with serving(parts[3].read_bytes()) as host:
        names.write_text("\n".join([*map(str, parts[:3]), "", host.url]) + "\n")
        with open_layer(whole) as one:
            expected = told(one)
        for named in (folder, str(folder / "*.tif"), names):
            with open_layer(named) as layer:
                for _ in range(2):
                    for cover, other in zip(told(layer), expected, strict=True):
                        assert cover == pytest.approx(other)
                assert layer.version
                assert len(layer._shelf._open) == 2
            assert not layer._shelf._open


@pytest.mark.parametrize("name", ["empty", "none-*.tif", "empty.txt"])
def test_names_that_stand_for_no_raster(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty.txt").write_text("\n")
    with pytest.raises(UsageError, match="No land-cover raster is here"):
        open_layer(tmp_path / name)


def test_ground_that_two_tiles_hold_counts_once(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", np.full((SIZE_PX, SIZE_PX), URBAN, np.uint8))
    with open_layer([path, path]) as twice, open_layer(path) as once:
        whole = [i for i, cover in enumerate(told(once)) if sum(cover.values()) == 1]
        assert len(whole) > 3
        assert [told(twice)[i] for i in whole] == [told(once)[i] for i in whole]


def test_tiles_on_both_sides_of_180_degrees(tmp_path: Path) -> None:
    west = write_raster(tmp_path / "w.tif", np.full((100, 100), URBAN, np.uint8), west=-180.0,
                        north=1.0, pixel=0.01, crs="EPSG:4326")  # fmt: skip
    east = write_raster(tmp_path / "e.tif", np.full((100, 100), FIELD, np.uint8), west=179.0,
                        north=1.0, pixel=0.01, crs="EPSG:4326")  # fmt: skip
    from pyproj import Transformer

    x, y = Transformer.from_crs(4326, 32660, always_xy=True).transform(180.0, 0.5)
    with open_layer([west, east]) as layer:
        corner = np.array([int(x) - 15_000]), np.array([int(y)])
        (cover,) = layer.sites(np.array([32660]), *corner, 30_000.0)
    assert cover == pytest.approx({URBAN: 0.5, FIELD: 0.5}, abs=0.02)


def test_a_layer_of_a_host_is_read_by_ranges(tmp_path: Path) -> None:
    path = write(tmp_path / "lc.tif", classes())
    with open_layer(path) as here, serving(path.read_bytes()) as host:
        with open_layer(host.url) as there:
            assert told(there) == told(here)
            first = there.version
        assert len(first) == 64
        assert first != here.version
        with open_layer(host.url) as again:
            assert again.version == first
        host.content = write(tmp_path / "other.tif", classes(4)[:20]).read_bytes()
        with open_layer(host.url) as changed:
            assert changed.version != first


def test_a_host_that_has_none_is_told_without_the_query() -> None:
    with serving(b"no raster at all") as host, pytest.raises(UsageError) as caught:
        open_layer(f"{host.url}?token=secret")
    assert "secret" not in str(caught.value)
    with serving(b"no raster at all") as host, pytest.raises(UsageError, match="neither a GeoTIFF"):
        open_layer(host.url)
    with pytest.raises(UsageError, match="https"):
        open_layer("http://example.com/lc.tif")


def test_no_raster_is_refused() -> None:
    with pytest.raises(UsageError, match="No land-cover raster"):
        open_layer([])


@pytest.mark.parametrize(
    ("crs", "pixel", "metres"), [("EPSG:32613", 30.0, 30.0), ("EPSG:4326", 0.05, 5_566.0)]
)
def test_how_wide_a_pixel_is(tmp_path: Path, crs: str, pixel: float, metres: float) -> None:
    part = np.full((4, 4), FIELD, np.uint8)
    path = write_raster(tmp_path / "a.tif", part, west=10, north=50, pixel=pixel, crs=crs)
    with open_layer(path) as layer:
        assert layer.pixel_m == pytest.approx(metres)
    with rasterio.open(path) as raster:
        assert raster.count == 1
