"""Texts and rows of files in, rows of `items` out: in columns if plain, else one by one."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from geosr_lake.archives.bulk.lines import read_lines
from geosr_lake.archives.bulk.rows import rows_of
from geosr_lake.archives.bulk.tables import read_batch
from geosr_lake.archives.normalise import normalise
from geosr_lake.archives.parquet import Rows
from geosr_lake.archives.record import Record, parse

Numbered = tuple[pa.RecordBatch, NDArray[np.int64]]
"""Rows of `items`, and the numbers of what they were made from among what was offered."""


def normalise_texts(
    offered: Sequence[bytes | Record], schema: pa.Schema, *, folder: str
) -> list[Numbered]:
    """Return one row for each text of JSON or record, in batches.

    The rows are those of `archives.normalise`, whichever way they came.
    """
    at = [i for i, one in enumerate(offered) if isinstance(one, bytes)]
    batch, plain = plain_texts([one for one in offered if isinstance(one, bytes)], schema)
    plain = np.asarray(at, dtype=np.int64)[plain]
    rest = np.setdiff1d(np.arange(len(offered)), plain)
    records = [_record(offered[i]) for i in rest]
    return _with_rest((batch, plain), records, rest, folder)


def normalise_rows(rows: Rows, schema: pa.Schema, *, folder: str) -> list[Numbered]:
    """Return one row for each row of a columnar file, in batches, as `normalise_texts` does."""
    batch, plain = plain_rows(rows, schema)
    rest = np.setdiff1d(np.arange(len(rows)), plain)
    return _with_rest((batch, plain), list(rows.records(rest.tolist())), rest, folder)


def _with_rest(
    plain: Numbered, records: Sequence[Record], numbers: NDArray[np.int64], folder: str
) -> list[Numbered]:
    """Return the plain rows and those of the records, where there are any."""
    found = [plain] if len(plain[1]) else []
    if records:
        found.append((normalise(records, plain[0].schema, folder=folder), numbers))
    return found


def plain_texts(texts: Sequence[bytes], schema: pa.Schema) -> Numbered:
    """Return the rows of the texts that are plain items, and their numbers among `texts`."""
    frame, numbers = read_lines(texts)
    batch, rows = rows_of(frame, schema)
    return batch, numbers[rows]


def plain_rows(rows: Rows, schema: pa.Schema) -> Numbered:
    """Return the rows of those that are plain items, and their numbers among `rows`."""
    frame = read_batch(rows.batch)
    if frame is None:
        return pa.RecordBatch.from_pylist([], schema=schema), np.zeros(0, np.int64)
    return rows_of(frame, schema)


def _record(offered: bytes | Record) -> Record:
    return parse(offered) if isinstance(offered, bytes) else offered
