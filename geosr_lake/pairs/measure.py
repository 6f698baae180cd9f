"""What is known of the scenes of two sides before they are cut into tasks."""

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from geosr_lake.pairs.layout import DAY_US, Side

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def measure(lr: "DataFrame", hr: "DataFrame") -> tuple[Side, Side]:
    """Look at the scenes of both sides, in one Spark job: by tile, and by the day they start.

    Args:
        lr: Columns tile, start_us, end_us (microseconds since 1970, UTC), footprint_id.
        hr: The same of the other side.
    """
    from pyspark.sql import functions as f

    day = f.expr(f"int((start_us - pmod(start_us, {DAY_US}L)) div {DAY_US}L)").alias("day")
    both = lr.withColumn("hr", f.lit(False)).unionAll(hr.withColumn("hr", f.lit(True)))
    of_tile, of_day = [f.col("hr"), f.col("tile")], [f.col("hr"), f.col("day")]
    table = (
        both.select("hr", "tile", day, "start_us", "end_us", "footprint_id")
        .groupingSets([of_tile, of_day], "hr", "tile", "day")
        .agg(
            f.count("*").alias("scenes"),
            # As double: the sum of many long intervals does not fit into 64 bits.
            f.expr("sum(double(end_us - start_us))").alias("length_us"),
            f.min("start_us").alias("start_us"),
            f.max("end_us").alias("end_us"),
            f.approx_count_distinct("footprint_id", 0.1).alias("footprints"),
        )
        .toArrow()
        .combine_chunks()
    )
    return _side(table.filter(pc.invert(table["hr"]))), _side(table.filter(table["hr"]))


def _side(measured: pa.Table) -> Side:
    """Sum up what was measured of the tiles and days of one side."""
    tiles, days = (measured.filter(pc.is_valid(measured[name])) for name in ("tile", "day"))
    days = days.select(["day", "scenes"])
    if not len(tiles):
        return Side(0, 0.0, 0, 0, 0, tiles.select(["tile", "scenes"]), days)
    return Side(
        pc.sum(tiles["scenes"]).as_py(),
        pc.sum(tiles["length_us"]).as_py(),
        pc.min(tiles["start_us"]).as_py(),
        pc.max(tiles["end_us"]).as_py(),
        pc.sum(tiles["footprints"]).as_py(),
        tiles.select(["tile", "scenes"]).sort_by("tile"),
        days,
    )
