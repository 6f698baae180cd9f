import pytest

from geosr_lake.demo.archive import DemoArchive, make_archive


@pytest.fixture(scope="session")
def small_archive(tmp_path_factory: pytest.TempPathFactory) -> DemoArchive:
    """A small archive of both tasks; tests only read it."""
    return make_archive(tmp_path_factory.mktemp("archive"), small=True)
