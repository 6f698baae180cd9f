"""Which engine an ingest runs on: this process, or Spark."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from geosr_lake.archives import Survey, survey
from geosr_lake.errors import UsageError
from geosr_lake.lake import Lake, arrow
from geosr_lake.lake.contracts import stage_tables
from geosr_lake.scenes.pool import cores

Engine = Literal["auto", "here", "spark"]
"""`auto` chooses; `here` is this process, with others of its own for large files."""

MAX_ITEMS_HERE = 2_000_000
"""Items that this process takes by itself: their keys, which it holds, are half a gigabyte."""
ITEM_BYTES = 4_000
"""Bytes of an item as JSON, at least about: those of NAIP have so many, of Sentinel-2 15,000."""
TIMES_PACKED = 8
"""Times that gzip makes items smaller, at most about."""
PARALLEL_BYTES = 48 * 2**20
"""Bytes of JSON from which on processes are started: to start one takes as long as to read 5 MB,
and one is loaded with what it reads with."""
PARALLEL_ROWS = 20_000
MAX_PROCESSES = 16


@dataclass(frozen=True)
class Choice:
    """An engine.

    Attributes:
        spark: Whether it is Spark.
        processes: Else how many processes read.
        why: Why it was chosen, in words; empty where nothing was to be decided.
    """

    spark: bool
    processes: int = 1
    why: str = ""


def items_about(found: Survey) -> int:
    """Return how many items a file has; of texts by its size, rather too many than too few."""
    return found.items if found.items is not None else _json_bytes(found) // ITEM_BYTES


def _json_bytes(found: Survey) -> int:
    """Return about how many bytes of JSON are to be read; of rows as if they were texts."""
    if found.items is not None:
        return found.items * PARALLEL_BYTES // PARALLEL_ROWS
    return found.bytes * (TIMES_PACKED if found.path.lower().endswith(".gz") else 1)


def clustered(lake: Lake) -> list[str]:
    """Return those of the stage's tables that only Spark can write."""
    return [t for t in stage_tables("scenes") if arrow.needs_spark(lake.root, t)]


def choose(lake: Lake, files: Sequence[str], engine: Engine) -> Choice:
    """Return the engine for an ingest of `files`.

    Spark where the user asks for it, where only Spark can write the tables (`geosr lake maintain`
    clusters large ones), and where there are more than about `MAX_ITEMS_HERE` items.

    Args:
        lake: The lake.
        files: The files.
        engine: What the user asks for.

    Raises:
        UsageError: If `here` is asked for and only Spark can write the tables.
    """
    if engine == "spark":
        return Choice(spark=True)
    if found := clustered(lake):
        why = f"only Spark can write {', '.join(found)}: clustered tables"
        if engine == "here":
            raise UsageError(why[0].upper() + why[1:], where=str(lake.root))
        return Choice(spark=True, why=why)
    surveys = [survey(file) for file in files]
    items = sum(map(items_about, surveys))
    if engine == "auto" and items > MAX_ITEMS_HERE:
        why = f"about {items:,} items are more than {MAX_ITEMS_HERE:,}"
        return Choice(spark=True, why=why)
    large = sum(map(_json_bytes, surveys)) >= PARALLEL_BYTES
    return Choice(spark=False, processes=min(cores(), MAX_PROCESSES) if large else 1)
