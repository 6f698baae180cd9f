"""Which engine an ingest runs on: this process, or Spark."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from geosr_lake.archives import Survey, files, survey
from geosr_lake.archives.sources import DAMAGED
from geosr_lake.errors import UsageError
from geosr_lake.lake import Lake, arrow
from geosr_lake.lake.contracts import stage_tables
from geosr_lake.scenes.pool import cores

Engine = Literal["auto", "here", "spark"]
"""`auto` chooses; `here` is this process, with others of its own for large files."""

MAX_ITEMS_HERE = 4_000_000
"""Items that this process takes by itself: twice what was tried. Time bounds it, not memory. What
is compared over all of them is 0.3 GB in the temporary folder, and a byte an item in memory; up to
half of the items that the lake has of the same times are there too, at 61 bytes each."""
ITEM_BYTES = 4_000
"""Bytes of an item as JSON, where nothing tells: as many as those of NAIP have."""
SAMPLED_FILES, SAMPLED_BYTES = 4, 2**18
"""What is looked at to tell how long items are."""
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


def items_about(surveys: Sequence[Survey]) -> int:
    """Return about how many items files have; of texts by the length of the first lines."""
    known = sum(found.items for found in surveys if found.items is not None)
    texts = [found for found in surveys if found.items is None]
    return known + sum(map(_text_bytes, texts)) // _item_bytes(texts)


def _text_bytes(found: Survey) -> int:
    """Return about how many bytes of JSON a file of texts has, unpacked."""
    return found.bytes * (TIMES_PACKED if found.path.lower().endswith(".gz") else 1)


def _item_bytes(texts: Sequence[Survey]) -> int:
    """Return the bytes of an item, by the beginnings of the largest files of lines."""
    by_size = sorted((found for found in texts if found.format == "lines"), key=_text_bytes)
    read = lines = 0
    for found in by_size[-SAMPLED_FILES:]:
        with suppress(*DAMAGED), files.opened(found.path) as file:
            text = file.read(SAMPLED_BYTES)
            read, lines = read + len(text), lines + text.count(b"\n")
    return max(1, read // lines) if lines else ITEM_BYTES


def clustered(lake: Lake) -> list[str]:
    """Return those of the stage's tables that only Spark can write."""
    return [t for t in stage_tables("scenes") if arrow.needs_spark(lake.root, t)]


def choose(lake: Lake, named: Sequence[str], engine: Engine) -> Choice:
    """Return the engine for an ingest of files.

    Spark where the user asks for it, where only Spark can write the tables (`geosr lake maintain`
    clusters large ones), and where there are more than about `MAX_ITEMS_HERE` items.

    Args:
        lake: The lake.
        named: The files.
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
    surveys = [survey(file) for file in named]
    items = items_about(surveys)
    if engine == "auto" and items > MAX_ITEMS_HERE:
        why = f"about {items:,} items are more than {MAX_ITEMS_HERE:,}"
        return Choice(spark=True, why=why)
    rows = sum(found.items for found in surveys if found.items is not None)
    texts = sum(_text_bytes(found) for found in surveys if found.items is None)
    large = rows / PARALLEL_ROWS + texts / PARALLEL_BYTES >= 1
    return Choice(spark=False, processes=min(cores(), MAX_PROCESSES) if large else 1)
