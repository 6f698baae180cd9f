"""Pairs that Spark found beside those that the lake has: whether they differ, in how many rows."""

from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

from geosr_lake.lake.contracts import contract

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


@dataclass(frozen=True)
class Digest:
    """Number and checksums of rows, whatever their order; equal for equal rows."""

    rows: int = 0
    xor: int = 0
    total: str = "0"


def digests(*tables: "DataFrame") -> list[Digest]:
    """Return the digest of each of some tables of the same columns, in one Spark job.

    Two checksums of 64-bit hashes with different seeds: different rows that agree in both are
    as likely as a collision of 128-bit hashes.
    """
    from pyspark.sql import functions as f

    columns = ", ".join(f"`{name}`" for name in sorted(tables[0].columns))
    hashed = [
        table.selectExpr(
            f"{i} AS which",
            f"xxhash64({columns}) AS first",
            f"xxhash64('second', {columns}) AS second",
        )
        for i, table in enumerate(tables)
    ]
    rows = (
        reduce(lambda a, b: a.unionAll(b), hashed)
        .groupBy("which")
        .agg(
            f.count("*").alias("rows"),
            f.expr("bit_xor(first)").alias("xor"),
            # As decimal: the sum of two hashes need not fit into 64 bits.
            f.expr("string(sum(CAST(second AS DECIMAL(38, 0))))").alias("total"),
        )
        .collect()
    )
    found = {row["which"]: Digest(row["rows"], row["xor"], row["total"]) for row in rows}
    return [found.get(i, Digest()) for i in range(len(tables))]


def compared(found: "DataFrame", former: "DataFrame") -> dict[str, int]:
    """Return how many pairs are `new`, `changed` and `removed`; a kind that none is of is left out.

    Args:
        found: All pairs of a rule, as the table `pairs` has them.
        former: Those that the lake has.
    """
    from pyspark.sql import functions as f

    terms = contract("pairs")
    key = list(terms.key)
    values = [name for name in terms.names if name not in key]
    both = found.alias("n").join(
        former.withColumn("_held", f.lit(True)).alias("o"), key, "full_outer"
    )
    equal = reduce(
        lambda a, b: a & b, (f.col(f"n.{v}").eqNullSafe(f.col(f"o.{v}")) for v in values)
    )
    kind = (
        f.when(f.col("n.pair_id").isNull(), "removed")
        .when(f.col("o._held").isNull(), "new")
        .when(~equal, "changed")
        .alias("kind")
    )
    counted = both.select(kind).where("kind IS NOT NULL").groupBy("kind").count().collect()
    return {row["kind"]: row["count"] for row in counted}
