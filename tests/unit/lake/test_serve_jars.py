"""Which jars a Thrift server begins with, out of a folder that other sessions use too."""

from pathlib import Path

import pytest

from geosr_lake.errors import EnvironmentProblemError
from geosr_lake.lake import serve
from geosr_lake.lake.session import JARS

OTHERS = (
    "io.delta_delta-spark_2.13-4.0.0.jar",
    "io.delta_delta-storage-4.0.0.jar",
    "org.apache.sedona_sedona-spark-shaded-3.5_2.12-1.7.2.jar",
    "org.apache.parquet_parquet-hadoop-1.16.0.jar",
)


def test_other_versions_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "ivy_dir", lambda: tmp_path)
    (tmp_path / "jars").mkdir()
    for name in OTHERS:
        (tmp_path / "jars" / name).touch()
    with pytest.raises(EnvironmentProblemError, match="geosr doctor"):
        serve._class_path()
    parts = [jar.split(":") for jar in JARS]
    ours = {f"{group}_{name}-{version}.jar" for group, name, version in parts}
    ours.add(f"io.delta_delta-storage-{parts[0][2]}.jar")
    for name in ours:
        (tmp_path / "jars" / name).touch()
    assert {Path(path).name for path in serve._class_path().split(":")} == ours
