"""Samples of files that others made, and what is said of files that are none."""

import shutil
from datetime import UTC, date, datetime
from pathlib import Path

import geopandas
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
from manifest_world import Built, recipe
from typer.testing import CliRunner

from geosr_lake.cli.app import app
from geosr_lake.errors import LeakError, UsageError
from geosr_lake.lake import Lake
from geosr_lake.manifest import build
from geosr_lake.manifest.audit import audit
from geosr_lake.manifest.samples import of_file

BOXES = [shapely.box(10 + i, 50, 10.01 + i, 50.01) for i in range(3)]


def written(folder: Path, crs: object = "OGC:CRS84", **columns: object) -> Path:
    frame = geopandas.GeoDataFrame(columns, geometry=BOXES, crs="EPSG:4326")
    if crs != "OGC:CRS84":
        frame = frame.to_crs(crs)
    path = folder / "samples.parquet"
    frame.to_parquet(path)
    return path


SPLITS = ["train", "val", "test"]


def test_what_geopandas_wrote(tmp_path: Path) -> None:
    times = pd.to_datetime(["2020-01-01", "2020-02-01 12:00", "2021-01-01"], format="mixed")
    path = written(
        tmp_path, id=[7, 8, 9], split=SPLITS, datetime=times, stratum=["a", "b", "a"],
        scene_id=["x", None, "y"],
    )  # fmt: skip
    found = of_file(path)
    assert list(found.ids) == ["7", "8", "9"]
    assert list(found.splits) == SPLITS
    assert list(found.strata) == ["a", "b", "a"]
    assert found.times[1] == datetime(2020, 2, 1, 12, tzinfo=UTC)
    assert list(found.scenes) == [("x",), (), ("y",)]
    assert shapely.equals(found.footprints, BOXES).all()
    assert len(set(found.grounds)) == 3


def test_footprints_on_a_map_are_turned_back(tmp_path: Path) -> None:
    found = of_file(written(tmp_path, "EPSG:32632", split=SPLITS))
    assert shapely.hausdorff_distance(found.footprints, BOXES).max() < 1e-8


def test_little_is_enough(tmp_path: Path) -> None:
    found = of_file(written(tmp_path, split=SPLITS))
    assert list(found.ids) == ["0", "1", "2"]
    assert list(found.strata) == list(found.times) == [None] * 3
    assert list(found.scenes) == [()] * 3


def test_the_same_ground_drawn_from_another_corner_is_the_same(tmp_path: Path) -> None:
    turned = shapely.Polygon([(10, 50), (10, 50.01), (10.01, 50.01), (10.01, 50)])
    frame = geopandas.GeoDataFrame(
        {"split": SPLITS[:2]}, geometry=[BOXES[0], turned], crs="EPSG:4326"
    )
    frame.to_parquet(tmp_path / "s.parquet")
    assert len(set(of_file(tmp_path / "s.parquet").grounds)) == 1


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"id": [1, 2, 3]}, "no split"),
        ({"split": ["train", None, "test"]}, "A sample has no split"),
    ],
)
def test_a_split_is_needed(tmp_path: Path, columns: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        of_file(written(tmp_path, **columns))


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        of_file(tmp_path / "none.parquet")
    (tmp_path / "text.parquet").write_text("split,geometry")
    with pytest.raises(UsageError, match="not a Parquet file"):
        of_file(tmp_path / "text.parquet")
    pq.write_table(pa.table({"split": SPLITS}), tmp_path / "plain.parquet")
    with pytest.raises(UsageError, match="of no column that it is a geometry"):
        of_file(tmp_path / "plain.parquet")


def test_crossed_rings_and_plain_dates_are_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bow_tie = shapely.Polygon([(10, 50), (10.01, 50.01), (10.01, 50), (10, 50.01)])
    frame = geopandas.GeoDataFrame(
        {"split": SPLITS[:2], "date": [date(2020, 1, 1), None], "label": [1.0, None]},
        geometry=[bow_tie, BOXES[0]],
        crs="EPSG:4326",
    )
    frame.to_parquet(tmp_path / "man-made.parquet")
    found = of_file(tmp_path / "man-made.parquet")
    assert shapely.is_valid(found.footprints).all()
    assert list(found.times) == [datetime(2020, 1, 1, tzinfo=UTC), None]
    assert found.strata[0] == "1.0"
    assert not audit(found).clean
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["manifest", "audit", "man-made.parquet"])
    assert done.exit_code == LeakError.exit_code


def test_points_are_no_footprints(tmp_path: Path) -> None:
    frame = geopandas.GeoDataFrame(
        {"split": SPLITS}, geometry=[BOXES[0], shapely.Point(1, 2), None], crs="EPSG:4326"
    )
    frame.to_parquet(tmp_path / "points.parquet")
    with pytest.raises(UsageError, match=r"Row 1 has no polygon for its footprint \(2 such rows\)"):
        of_file(tmp_path / "points.parquet")


def test_a_file_that_does_not_know_its_crs(tmp_path: Path) -> None:
    frame = geopandas.GeoDataFrame({"split": SPLITS}, geometry=BOXES)
    frame.to_parquet(tmp_path / "s.parquet")
    with pytest.raises(UsageError, match="in which CRS"):
        of_file(tmp_path / "s.parquet")


def test_nothing_is_not_told_to_be_clean(built: Built, tmp_path: Path) -> None:
    lake = Lake.open(shutil.copytree(built.lake.root, tmp_path / "lake"))
    nobody = {"rule": "platforms", "side": "lr", "platforms": ["none"], "unknown": "drop"}
    empty = build(lake, recipe(rules=[nobody]), built.land_cover)
    assert empty.samples == empty.reserves == 0
    file = tmp_path / "empty.parquet"
    columns = {"split": pd.Series(dtype="str")}
    geopandas.GeoDataFrame(columns, geometry=[], crs="EPSG:4326").to_parquet(file)
    whole = built.summary.manifest_id
    for words in (
        ["audit", empty.manifest_id],
        ["audit", str(file)],
        ["audit", whole, "--against", empty.manifest_id],
        ["audit", whole, "--against", str(file)],
        ["export", empty.manifest_id, "--to", str(tmp_path / "out.parquet")],
    ):
        done = CliRunner().invoke(app, ["manifest", *words, "--lake", str(lake.root)])
        assert done.exit_code == UsageError.exit_code, done.output
        assert "There is no sample" in done.stderr
        assert "clean" not in done.stdout
    assert not (tmp_path / "out.parquet").exists()
