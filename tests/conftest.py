"""Fixtures that every test can use: the real data, the schemas, one Spark session, a new lake."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from catalog_world import CatalogWorld
    from pyspark.sql import SparkSession

    from geosr_lake.lake import Lake

REPO = Path(__file__).parent.parent
os.environ.setdefault("GEOSR_DRIVER_MEMORY", "2g")
# Every JVM here sees few rows and ends soon: compiling well would cost more than it brings. What
# is compiled so is more than the 48 MB it would get, and then nothing is compiled any more.
os.environ.setdefault(
    "JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=240m -XX:+UseSerialGC"
)
# Several processes run tests at a time. OpenMP's threads wait by spinning: on cores that others
# use, two took torch eight times the processor time of one.
for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(threads, "1")
# How long an example takes says more of what else runs on the machine than of the code.
settings.register_profile("no_deadline", deadline=None)
settings.load_profile("no_deadline")
FEW_ROWS = {
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.shuffle.partitions": "2",
}
"""Settings of the session that the tests share: what pays with many rows only is off. Commands in
processes of their own, and the demo, run as users run them."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Deal out folders of tests, and of unit tests files, when processes share the run (`-n`).

    A process that gets several folders that need Spark has one session for all of them: a JVM that
    is warm takes a third of the time. What looks at the demo stays together too.
    """
    from xdist.scheduler import LoadScopeScheduling

    class ByFolder(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.split("::", maxsplit=1)[0]
            folder = file.split("/")[1]
            return file if folder == "unit" else folder

    return ByFolder(config, log)


def _outside(variable: str, default: str) -> Path:
    return (REPO / os.environ.get(variable, default)).resolve()


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real archive items and rasters."""
    folder = _outside("GEOSR_REAL_DATA", "../shared/data")
    if not (folder / "items").is_dir():
        pytest.skip("no real data: set GEOSR_REAL_DATA to their folder")
    return folder


@pytest.fixture(scope="session")
def stac_schemas() -> Path:
    """The folder of STAC extension schemas for offline validation."""
    folder = _outside("GEOSR_STAC_SCHEMAS", "../shared/stac-schemas")
    if not folder.is_dir():
        pytest.skip("no STAC extension schemas: set GEOSR_STAC_SCHEMAS to their folder")
    return folder


@pytest.fixture(scope="session")
def catalog_world(tmp_path_factory: pytest.TempPathFactory) -> "CatalogWorld":
    """A small published lake of both tasks, made without Spark; to be read, not changed."""
    from catalog_world import make_world

    from geosr_lake.publish.publish import publish

    world = make_world(tmp_path_factory.mktemp("catalog") / "lake")
    publish(world.lake)
    return world


@pytest.fixture(scope="session")
def spark() -> "Iterator[SparkSession]":
    """The one Spark session of the test run."""
    from geosr_lake.lake.session import spark_session

    session = spark_session(extra=FEW_ROWS)
    yield session
    session.stop()


@pytest.fixture
def lake(spark: "SparkSession", tmp_path: Path) -> "Lake":
    """A new, empty lake."""
    from geosr_lake.lake import Lake

    return Lake.create(tmp_path / "lake")
