"""Rows into the place of others in a table that was born without Spark: what differs, and files."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from geosr_lake.lake import datafiles
from geosr_lake.lake.datafiles import DataFile, key_texts
from geosr_lake.lake.ledger import arrow_schema
from geosr_lake.lake.place import Root
from geosr_lake.scenes.pool import Pool

Held = Sequence[tuple[str, pa.Table]]
"""Files of a table, and the rows of each that are to be replaced."""


def difference(made: pa.Table, held: pa.Table, table: str) -> tuple[pa.Table, pa.Array]:
    """Return what has to come for `made` to stand in the place of `held`, and the keys that go.

    Rows that are in both neither come nor go; one that changed does both.

    Args:
        made: Rows of the table, each key once.
        held: Rows of the table, each key once.
        table: The table.
    """
    new_keys, old_keys = key_texts(made, table), key_texts(held, table)
    if not held.num_rows:
        return made, pa.array([], pa.string())
    at = pc.index_in(old_keys, value_set=new_keys.combine_chunks())
    places = at.to_numpy(zero_copy_only=False)
    known = (
        np.flatnonzero(~np.isnan(places)) if places.dtype.kind == "f" else np.arange(len(places))
    )
    there = places[known].astype(np.int64)
    equal = _equal(made.take(pa.array(there)), held.take(pa.array(known)))
    comes = np.ones(made.num_rows, bool)
    comes[there[equal]] = False
    goes = np.ones(held.num_rows, bool)
    goes[known[equal]] = False
    return made.filter(pa.array(comes)), old_keys.filter(pa.array(goes)).combine_chunks()


def _equal(one: pa.Table, other: pa.Table) -> NDArray[np.bool_]:
    """Tell which rows of two tables of one schema are equal; null equals null."""
    same = np.ones(one.num_rows, bool)
    for name in one.column_names:
        mine, theirs = one[name], other[name]
        if mine.equals(theirs):
            continue
        if pa.types.is_nested(mine.type):
            pairs = zip(mine.to_pylist(), theirs.to_pylist(), strict=True)
            same &= np.fromiter((a == b for a, b in pairs), bool, len(same))
            continue
        both = pc.and_(pc.is_null(mine), pc.is_null(theirs))
        equal = pc.or_(pc.fill_null(pc.equal(mine, theirs), False), both)
        same &= equal.to_numpy(zero_copy_only=False)
    return same


def replaced(
    root: Root, table: str, made: pa.Table, held: Held, pool: Pool, token: str
) -> tuple[list[DataFile], list[str]]:
    """Return the data files that come and those that go for `made` to take the place of `held`.

    Rows that are there and equal are left alone, and so are files in which nothing differs.

    Args:
        root: The lake.
        table: The table.
        made: Rows of the table.
        held: The rows whose place they take.
        pool: What writes files anew.
        token: Part of the names of new files.
    """
    old = pa.concat_tables([arrow_schema(table).empty_table(), *(rows for _, rows in held)])
    come, leaving = difference(made, old, table)
    tasks = [
        (root, table, path, leaving, token)
        for path, rows in held
        if pc.any(pc.is_in(key_texts(rows, table), value_set=leaving)).as_py()
    ]
    files = datafiles.write(root, table, come, token)
    return [*files, *pool.run(datafiles.without, tasks)], [task[2] for task in tasks]
