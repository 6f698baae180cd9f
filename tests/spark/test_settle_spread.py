"""Scenes made where their items lie are those that the pure function makes of all items."""

import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession
from stac_items import box, earth_search, landsat, naip, sentinel2, table

from geosr_lake.lake import tables
from geosr_lake.lake.contracts import contract
from geosr_lake.lake.ledger import arrow_schema
from geosr_lake.scenes import derive, settle_spread
from geosr_lake.scenes.stretches import DAY, DAY_US, days_of, within, within_sql

pytestmark = pytest.mark.spark


def sorted_rows(scenes: pa.Table) -> list[dict[str, Any]]:
    return scenes.sort_by("scene_id").to_pylist()


@pytest.mark.parametrize("seed", range(3))
def test_alone_and_shared(spark: SparkSession, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(seed)
    docs = [
        *(naip(quarter=q, state=s) for q in ("nw", "ne") for s in ("co", "ne")),
        naip(quarter="se"),
        landsat(),
        landsat(usgs=True),
        sentinel2(),
        sentinel2(tile="13TEE"),
        sentinel2(strip="20240803T180459", generated="20240804T111111"),
        sentinel2(
            sensed="20240805T180011", strip="20240805T180500", geometry=box(-106, 40, -105, 41)
        ),
        earth_search(sentinel2(strip=None)),
        earth_search(sentinel2(tile="13TEE", strip=None)),
    ]
    docs = rng.sample(docs, rng.randint(3, len(docs)))
    monkeypatch.setattr(settle_spread, "MAX_KEYS_SENT", rng.choice([0, 1, 500_000]))
    items = table(*docs)
    expected = derive.derive(items.select(derive.ITEM_COLUMNS), arrow_schema("scenes"))
    frame = spark.createDataFrame(items)
    found = settle_spread._scenes(frame, settle_spread._shared(frame))
    tables.checked(found, contract("scenes"))
    assert sorted_rows(found.toArrow().cast(expected.schema)) == sorted_rows(expected)


@pytest.mark.parametrize("zone", ["UTC", "America/Denver", "Pacific/Kiritimati"])
def test_stretches_of_days_in_sql(spark: SparkSession, zone: str) -> None:
    """They hold for the same rows as the Arrow expression, whatever the session's zone."""
    days = frozenset({731, 17_000, 17_001, 19_900, 47_000})
    edges = [(day + at) * DAY_US + us for day in days for at in (-1, 0, 1, 2) for us in (-1, 0, 1)]
    times = pa.array([*edges, None], pa.int64()).cast(pa.timestamp("us", tz="UTC"))
    rows = pa.table({"t_start": times, "at": range(len(times))})
    session = spark.newSession()
    session.conf.set("spark.sql.session.timeZone", zone)
    frame = session.createDataFrame(rows)
    for spread in (0, 1):
        found = frame.where(within_sql(days, spread_days=spread)).select("at").toArrow()
        expected = rows.filter(within(days, spread_days=spread))
        assert sorted(found["at"].to_pylist()) == expected["at"].to_pylist()
    told = {row[0] for row in frame.selectExpr(DAY).distinct().collect()}
    assert told == days_of(times) | {None}


def test_a_late_arrival_has_no_file_between_read(spark: SparkSession, tmp_path: Path) -> None:
    starts = [datetime(year, 6, 1, 18, tzinfo=UTC) for year in (2015, 2019, 2024)]
    for start in starts:
        times = pa.table({"t_start": pa.array([start], pa.timestamp("us", tz="UTC"))})
        frame = spark.createDataFrame(times).coalesce(1)
        frame.write.format("delta").mode("append").save(str(tmp_path))
    table = spark.read.format("delta").load(str(tmp_path))
    by_year = table.selectExpr("year(t_start)", "input_file_name()").collect()
    first, between, last = (file for _, file in sorted(tuple(row) for row in by_year))
    days = days_of(pa.array([starts[0], starts[2]], pa.timestamp("us", tz="UTC")))
    near = table.where(within_sql(days, spread_days=settle_spread.GROUP_SPREAD_DAYS))
    assert set(near.inputFiles()) == {first, last}
    assert set(table.inputFiles()) == {first, between, last}
