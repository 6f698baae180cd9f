"""The demo's archive, generated once: rasters in true formats whose every mean is known exactly."""

from pathlib import Path

import pytest
from demo_jobs import Truth

from geosr_lake.demo.archive import make_archive


@pytest.fixture(scope="session")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Truth:
    """A few sites of both tasks."""
    return Truth(make_archive(tmp_path_factory.mktemp("archive"), small=True))


@pytest.fixture(scope="session")
def moved_s2(tmp_path_factory: pytest.TempPathFactory) -> Truth:
    """Sentinel-2 sees the ground one pixel further to the east and the south than it lies."""
    folder = tmp_path_factory.mktemp("moved_s2")
    return Truth(make_archive(folder, small=True, tasks=("s2_naip",), lr_shift_m=(10.0, -10.0)))


@pytest.fixture(scope="session")
def moved_modis(tmp_path_factory: pytest.TempPathFactory) -> Truth:
    """MODIS sees the ground one pixel further to the west than it lies."""
    folder = tmp_path_factory.mktemp("moved_modis")
    shift = (-500.0, 0.0)
    return Truth(make_archive(folder, small=True, tasks=("modis_landsat8",), lr_shift_m=shift))


@pytest.fixture
def real_pixels(real_data: Path) -> Path:
    """The folder of real rasters."""
    return real_data / "pixels"
