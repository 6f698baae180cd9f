"""A signed href does not get into the tables, whoever writes it."""

import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from canary import CANARY, found_in, signed
from py4j.protocol import Py4JJavaError
from pyspark.sql import functions as f
from stac_items import naip, write_lines

from geosr_lake.lake import Lake, rules, tables
from geosr_lake.lake.contracts import contract
from geosr_lake.redact import SECRET_PARAMETERS, SECRET_PREFIXES, unsigned
from geosr_lake.scenes.ingest import ingest

pytestmark = pytest.mark.spark

GATES = [
    ("items", "hrefs_unsigned"),
    ("scenes", "hrefs_unsigned"),
    ("scenes", "other_hrefs_unsigned"),
]
PARAMETERS = [
    name.upper() if i % 2 else name
    for i, name in enumerate(sorted({*SECRET_PARAMETERS, *(f"{p}a-b" for p in SECRET_PREFIXES)}))
]


def test_the_gates_know_all_that_is_taken_off(lake: Lake) -> None:
    """Each parameter in each place of a link, through the tables' own expressions in Spark."""
    hrefs = [
        f"https://h/a.tif{mark}{name}={CANARY}"
        for name in PARAMETERS
        for mark in ("?", "?x=1&", "?x=1;", "#")
    ]
    rows = [(href, "signed") for href in hrefs] + [(unsigned(href), "plain") for href in hrefs]
    # Letters that are the same as those of ASCII in another case, for some who compare.
    rows += [(f"https://h/a.tif?{name}=x", "plain") for name in ("\u017fig", "to\u212aen")]
    frame = (
        lake.spark.createDataFrame(rows, "href string, kind string")
        .withColumn("assets", f.create_map(f.lit("B01"), "href"))
        .withColumn("superseded", f.array(f.struct("assets")))
    )
    for table, name in GATES:
        passes = f.expr(contract(table).constraints[name])
        found = {tuple(row) for row in frame.select("kind", passes).distinct().collect()}
        assert found == {("signed", False), ("plain", True)}, (table, name)
        # And without Spark.
        arrow = pa.table(frame.toArrow())
        verdicts = rules.holds(arrow, contract(table).constraints[name]).to_pylist()
        assert verdicts == [kind == "plain" for kind in arrow["kind"].to_pylist()]


def test_rules_are_judged_alike(lake: Lake) -> None:
    """By Spark and by Arrow, on values at and beyond the limits, and on nulls."""
    rng = random.Random(4)
    values: dict[str, list[Any]] = {
        "double": [None, -180.5, -180.0, -90.0, 0.0, 0.5, 1.0, 1.5, 90.0, 180.0, 181.0],
        "string": [None, "kept", "withdrawn", "other", ""],
        "timestamp": [None, datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 2, tzinfo=UTC)],
        "binary": [None, b"x"],
    }
    for table in ("items", "scenes", "tiles"):
        terms = contract(table)
        asked = " ".join(terms.constraints.values())
        named = [c for c in terms.columns if c.name in asked and c.type in values]
        rows = [tuple(rng.choice(values[c.type]) for c in named) for _ in range(300)]
        frame = lake.spark.createDataFrame(rows, ", ".join(f"{c.name} {c.type}" for c in named))
        frame = frame.cache()
        arrow = pa.table(frame.toArrow())
        for name, expression in terms.constraints.items():
            if "RLIKE" in expression:
                continue
            by_spark = [row[0] for row in frame.select(f.expr(expression)).collect()]
            assert rules.holds(arrow, expression).to_pylist() == by_spark, (table, name)
            assert len(set(by_spark)) > 1
        frame.unpersist()


@pytest.mark.parametrize("table", ["items", "scenes"])
def test_a_direct_append_of_a_signed_href_is_refused(
    lake: Lake, tmp_path: Path, table: str
) -> None:
    ingest(lake, [write_lines(tmp_path / "a.ndjson", [signed(naip())])])
    assert found_in(lake.root) == []
    late = f.lit(f"?sv=2021&sig={CANARY}")
    signing = f.transform_values("assets", lambda _, href: f.concat(href, late))
    rows = lake.live(table).withColumn("assets", signing)
    with pytest.raises(Py4JJavaError, match="hrefs_unsigned"):
        rows.write.format("delta").mode("append").save(str(tables.table_path(lake.root, table)))
    assert lake.live(table).count() == 1
