"""A signed href does not get into the tables, whoever writes it."""

from pathlib import Path

import pytest
from canary import CANARY, found_in, signed
from py4j.protocol import Py4JJavaError
from pyspark.sql import functions as f
from stac_items import naip, write_lines

from geosr_lake.lake import Lake, tables
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
    frame = (
        lake.spark.createDataFrame(rows, "href string, kind string")
        .withColumn("assets", f.create_map(f.lit("B01"), "href"))
        .withColumn("superseded", f.array(f.struct("assets")))
    )
    for table, name in GATES:
        passes = f.expr(contract(table).constraints[name])
        found = {tuple(row) for row in frame.select("kind", passes).distinct().collect()}
        assert found == {("signed", False), ("plain", True)}, (table, name)


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
