"""Rebuild GeoSR-Bench, or a variant of it, from public satellite archives."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from geosr_lake.lake.opened import OpenedLake

__version__ = "0.1.0"


def open_lake(
    spark: "SparkSession", root: str, *, prefix: str = "", replace: bool = False
) -> "OpenedLake":
    """Make every table of a lake a temporary view of `spark`; see `lake.opened.open_lake`."""
    from geosr_lake.lake import opened

    return opened.open_lake(spark, root, prefix=prefix, replace=replace)
