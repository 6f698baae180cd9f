"""Arrow tables and Parquet files into Spark."""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

import pyarrow as pa

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.types import StructType

_PATTERN = re.compile(r"[\\{}\[\]*?]")
"""What Hadoop takes for a part of a pattern."""


def from_arrow(
    spark: "SparkSession", rows: pa.Table, schema: "StructType | None" = None
) -> "DataFrame":
    """Return `rows` as a Spark frame.

    Made one chunk first: Spark 4.0 stops reading at the first chunk without rows and loses in
    silence those that follow, and joins and concatenations of Arrow tables leave such chunks.

    Args:
        spark: The session.
        rows: Any Arrow table.
        schema: Its columns for Spark; None: from Arrow's.
    """
    whole = rows.combine_chunks()
    return spark.createDataFrame(whole) if schema is None else spark.createDataFrame(whole, schema)


def from_parquet(
    spark: "SparkSession", paths: Iterable[str], schema: "StructType | str"
) -> "DataFrame":
    """Return the rows of Parquet files, whose paths are taken as they are.

    Spark takes a path for a pattern by itself: a folder `lake[1]` would then not be there.

    Args:
        spark: The session.
        paths: Paths or URLs, one at least.
        schema: The columns that are read; as text, DDL.
    """
    plain = (_PATTERN.sub(r"\\\g<0>", path) for path in paths)
    return spark.read.schema(schema).parquet(*plain)
