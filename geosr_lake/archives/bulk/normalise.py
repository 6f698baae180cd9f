"""Texts in, rows of the table `items` out, in columns where they are plain, else one by one."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from geosr_lake.archives.bulk.lines import read_lines
from geosr_lake.archives.bulk.rows import rows_of
from geosr_lake.archives.normalise import normalise
from geosr_lake.archives.record import Record, parse

Offered = bytes | Record
"""A line as it stands in a file, or what could not be read as one."""


def normalise_texts(
    offered: Sequence[Offered], schema: pa.Schema, *, folder: str
) -> list[tuple[pa.RecordBatch, NDArray[np.int64]]]:
    """Return one row for each line or record, in batches, each with its numbers in `offered`.

    The rows are those of `archives.normalise`, whichever way they came.
    """
    at = [i for i, one in enumerate(offered) if isinstance(one, bytes)]
    plain, numbers = plain_rows([one for one in offered if isinstance(one, bytes)], schema)
    numbers = np.asarray(at, dtype=np.int64)[numbers]
    rest = np.setdiff1d(np.arange(len(offered)), numbers)
    found = [(plain, numbers)] if len(numbers) else []
    if len(rest):
        records = [_record(offered[i]) for i in rest]
        found.append((normalise(records, schema, folder=folder), rest))
    return found


def plain_rows(
    texts: Sequence[bytes], schema: pa.Schema
) -> tuple[pa.RecordBatch, NDArray[np.int64]]:
    """Return the rows of the lines that are plain items, and their numbers among `texts`."""
    frame, numbers = read_lines(texts)
    batch, rows = rows_of(frame, schema)
    return batch, numbers[rows]


def _record(offered: Offered) -> Record:
    return parse(offered) if isinstance(offered, bytes) else offered
