"""The join against brute force over all real items: the same pairs, gaps and overlaps."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pairs_oracle import Truth, brute_force
from pairs_world import DAY_US, recipe
from pyspark.sql import SparkSession

from geosr_lake.lake import Lake
from geosr_lake.pairs.build import build
from geosr_lake.scenes.ingest import ingest

pytestmark = [pytest.mark.spark, pytest.mark.timeout(1200)]

WINDOWS_D = {
    ("landsat", "sentinel2"): (1, 5, 30),
    ("modis", "landsat"): (8, 16, 30, 365),
    ("sentinel2", "naip"): (730, 1096, 1461),
}
FILES = (
    "naip_colorado_2019_2022.parquet",
    "naip_alabama_florida_2011_2023.ndjson.gz",
    "sentinel2_colorado_2024.parquet",
    "landsat_colorado_100.parquet",
    "landsat_colorado_more.ndjson.gz",
    "modis_13q1_americas_2023.ndjson.gz",
    "dialects.ndjson.gz",
)


@pytest.fixture(scope="module")
def real_lake(
    spark: SparkSession, real_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Lake:
    """All real items, ingested."""
    lake = Lake.create(tmp_path_factory.mktemp("real") / "lake")
    ingest(lake, [real_data / "items" / name for name in FILES])
    return lake


@pytest.fixture(scope="module")
def scenes(real_lake: Lake) -> pa.Table:
    return real_lake.arrow("scenes")


def found_pairs(lake: Lake, rule_id: str) -> dict[tuple[str, str], tuple[int, float]]:
    """Return gap (microseconds) and overlap of the rule's pairs, each of which stands once."""
    table = lake.arrow("pairs", filters=[("rule_id", "=", rule_id)])
    keys = list(
        zip(table["lr_scene_id"].to_pylist(), table["hr_scene_id"].to_pylist(), strict=True)
    )
    assert len(set(keys)) == len(keys)
    gaps = np.rint(table["gap_s"].to_numpy() * 1e6).astype(np.int64).tolist()
    return dict(zip(keys, zip(gaps, table["overlap_frac"].to_pylist(), strict=True), strict=True))


@pytest.mark.parametrize(("lr", "hr"), WINDOWS_D)
def test_join_finds_what_brute_force_finds(
    real_lake: Lake, scenes: pa.Table, lr: str, hr: str
) -> None:
    truth: Truth = brute_force(
        *(scenes.filter(pc.equal(scenes["sensor"], sensor)) for sensor in (lr, hr))
    )
    overlap: dict[tuple[str, str], float] = {}
    # The widest window first: its pairs hold those of the others.
    for days in sorted(WINDOWS_D[lr, hr], reverse=True):
        rule = recipe(lr, hr, f"{days} d")
        summary = build(real_lake, rule)
        found = found_pairs(real_lake, rule.pairs.rule_id)
        wanted = truth.inside(days * DAY_US)
        outside = len(truth.gap_us) - len(wanted)
        print(f"{lr} with {hr}, {days} d: {len(wanted)} pairs inside, {outside} outside")  # noqa: T201 - shown by -rP
        assert wanted, "no pair inside the window: the oracle shows nothing"
        assert outside, "no pair outside the window: the oracle shows nothing"
        assert {key: gap for key, (gap, _) in found.items()} == wanted
        assert summary.pairs == len(wanted)
        overlap = overlap or truth.overlaps(wanted.keys())
        worst = max(abs(share - overlap[key]) for key, (_, share) in found.items())
        print(f"    worst overlap error {worst:.1e}")  # noqa: T201
        assert worst <= 1e-3


def test_a_build_again_writes_nothing(real_lake: Lake) -> None:
    rule = recipe("landsat", "sentinel2", "5 d")
    build(real_lake, rule)
    before = real_lake.versions
    summary = build(real_lake, rule)
    assert not summary.changed
    assert summary.tile_pairs_new == 0
    after = real_lake.versions
    assert {k: v for k, v in after.items() if k != "runs"} == {
        k: v for k, v in before.items() if k != "runs"
    }
    assert after["runs"] == before["runs"] + 2  # the row of its start, and that of its end
