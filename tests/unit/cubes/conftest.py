"""One small archive and lake for all; each test works on a copy of the lake."""

import shutil
from pathlib import Path

import pytest
from cubes_world import s2_naip_lake

from geosr_lake.lake import Lake


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `archive` and `lake`: five samples and a reserve, two samples a shard."""
    folder = tmp_path_factory.mktemp("cubes")
    s2_naip_lake(folder, reserves=1)
    return folder


@pytest.fixture
def archive(template: Path) -> Path:
    """The archive: to be read only."""
    return template / "archive"


@pytest.fixture
def small_lake(template: Path, tmp_path: Path) -> Lake:
    """A lake of its own."""
    shutil.copytree(template / "lake", tmp_path / "lake")
    return Lake.open(tmp_path / "lake")
