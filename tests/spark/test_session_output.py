"""What the JVM says of itself stays out of stdout, where commands print JSON and CSV."""

import os
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.spark, pytest.mark.slow]

SCRIPT = """
from geosr_lake.lake.session import spark_session
session = spark_session()
for number in range(8):
    session.sql(f"SELECT sum(id) FROM range({number + 1000}) GROUP BY id % 7").collect()
print("{}")
"""


def test_a_jvm_that_cannot_compile_any_more_says_so_elsewhere() -> None:
    small = "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=4m -XX:-UseCodeCacheFlushing"
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env=os.environ | {"JAVA_TOOL_OPTIONS": small},
        capture_output=True,
        text=True,
        timeout=500,
        check=True,
    )
    assert done.stdout == "{}\n"
