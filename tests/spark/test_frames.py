"""Arrow tables come into Spark whole, whatever their chunks."""

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession
from pyspark.sql.types import StructType

from geosr_lake.lake.frames import from_arrow

pytestmark = pytest.mark.spark


def test_rows_after_an_empty_chunk_are_not_lost(spark: SparkSession) -> None:
    part = pa.table({"a": ["x", "y"]})
    rows = pa.concat_tables([part, part.slice(0, 0), part])
    assert rows["a"].num_chunks == 3
    assert [row["a"] for row in from_arrow(spark, rows).collect()] == ["x", "y", "x", "y"]


def test_a_table_without_rows_keeps_its_columns(spark: SparkSession) -> None:
    none = pa.table({"a": pa.array([], pa.string())})
    assert from_arrow(spark, none).count() == 0
    wanted = StructType.fromDDL("a string")
    assert from_arrow(spark, none, wanted).schema == wanted
