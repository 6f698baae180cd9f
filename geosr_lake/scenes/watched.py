"""How far the reading of files is, while Spark's tasks do it."""

import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from geosr_lake.archives import Unit
from geosr_lake.lake import Progress

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

POLL_S = 0.5
Done = Mapping[str, tuple[int, int]]
"""File -> its units that were read, and the records in them."""


class DoneParam:
    """How Spark adds up what its tasks have read."""

    def zero(self, value: Done) -> Done:  # noqa: ARG002 - Spark's interface
        """Return nothing."""
        return {}

    def addInPlace(self, one: Done, other: Done) -> Done:  # noqa: N802 - Spark's interface
        """Return the sum."""
        added = dict(one)
        for path, (units, records) in other.items():
            before = added.get(path, (0, 0))
            added[path] = (before[0] + units, before[1] + records)
        return added


def spoken(done: Done, units: Mapping[str, int], seconds: float) -> str:
    """Return how far the reading is: files, items, items a second, and what is left.

    Args:
        done: What was read.
        units: How many units each file has.
        seconds: Since the reading began.
    """
    read = sum(number for number, _ in done.values())
    items = sum(records for _, records in done.values())
    whole = sum(done.get(path, (0, 0))[0] >= number for path, number in units.items())
    left_s = seconds * (sum(units.values()) - read) / read if read else 0.0
    return (
        f"{whole:,} of {len(units):,} files, {items:,} items, "
        f"{items / max(seconds, 1e-3):,.0f} a second, about {left_s:,.0f} s left"
    )


@contextmanager
def watched(spark: "SparkSession", steps: Progress, units: Sequence[Unit]) -> Iterator[Any]:
    """Tell `steps` how far the reading of `units` is, for the length of the block.

    Yields:
        The accumulator that tasks add `Done` to.
    """
    by_file = Counter(unit.path for unit in units)
    param: Any = DoneParam()
    total = spark.sparkContext.accumulator({}, param)
    steps.start(f"Reading {len(by_file):,} files of items, by parts", len(units) or None)
    begun, ended = time.monotonic(), threading.Event()

    def tell() -> None:
        told = 0
        while True:
            last = ended.wait(POLL_S)
            done: Done = dict(total.value)
            read = sum(number for number, _ in done.values())
            if read > told:
                steps.advance(read - told)
                steps.note(spoken(done, by_file, time.monotonic() - begun))
                told = read
            if last:
                return

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield total
    finally:
        ended.set()
        teller.join()
