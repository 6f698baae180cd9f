"""Arrow tables and Parquet files come into Spark whole, whatever their chunks and names."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.errors import AnalysisException
from pyspark.sql import SparkSession
from pyspark.sql.types import StructType

from geosr_lake.lake.frames import from_arrow, from_parquet

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


def test_paths_are_no_patterns(spark: SparkSession, tmp_path: Path) -> None:
    """A folder `lake[1]` is there as it is, whatever else a pattern would match."""
    for name in ("lake[1]", "lake1", "lake{1,2}"):
        (tmp_path / name).mkdir()
        pq.write_table(pa.table({"name": [name]}), tmp_path / name / "part.parquet")
    for name in ("lake[1]", "lake{1,2}"):
        paths = [str(tmp_path / name / "part.parquet")]
        assert [row["name"] for row in from_parquet(spark, paths, "name string").collect()] == [
            name
        ]
    with pytest.raises(AnalysisException, match="PATH_NOT_FOUND"):
        from_parquet(spark, [str(tmp_path / "lake[2]" / "part.parquet")], "name string")
