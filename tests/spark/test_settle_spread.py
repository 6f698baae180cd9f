"""Scenes made where their items lie are those that the pure function makes of all items."""

import random
from typing import Any

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession
from stac_items import box, earth_search, landsat, naip, sentinel2, table

from geosr_lake.lake import tables
from geosr_lake.lake.contracts import contract
from geosr_lake.lake.ledger import arrow_schema
from geosr_lake.scenes import derive, settle_spread

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
