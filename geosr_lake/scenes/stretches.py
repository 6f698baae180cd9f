"""The days of many rows as few stretches: what lies in none of them need not be read.

One stretch from first to last would do too, but then a late arrival of another year, among those of
today, would have all that lies between read.
"""

from collections.abc import Collection
from datetime import date, timedelta
from functools import reduce
from operator import or_
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

DAY_US = 86_400_000_000
EPOCH = date(1970, 1, 1)
DAY = "unix_seconds(t_start) div 86400"
"""The day since 1970 of a row in Spark SQL; scenes are of 1972 and later."""
MOST = 32
"""Stretches of a condition, at most: each is looked at for each file and part of one."""


def days_of(times: pa.Array | pa.ChunkedArray) -> frozenset[int]:
    """Return the days since 1970 that some times lie in.

    Args:
        times: timestamp[us, UTC]; null is no day.
    """
    us = times.cast(pa.int64()).drop_null().to_numpy()
    return frozenset(np.unique(us // DAY_US).tolist())


def stretches(
    days: Collection[int], *, spread_days: int = 0, most: int = MOST
) -> list[tuple[int, int]]:
    """Return first and last day of the stretches that hold some days, in order.

    Args:
        days: Days since 1970.
        spread_days: Each stretch reaches so many days further to both sides.
        most: So many stretches at most: of the gaps between days the widest stay.
    """
    if not days:
        return []
    ordered = np.array(sorted(days), np.int64)
    gaps = ordered[1:] - ordered[:-1]
    apart = np.flatnonzero(gaps > 2 * spread_days + 1)
    widest = apart[np.argsort(-gaps[apart], kind="stable")][: most - 1]
    ends = np.sort(widest)
    first = ordered[np.r_[0, ends + 1]] - spread_days
    last = ordered[np.r_[ends, len(ordered) - 1]] + spread_days
    return list(zip(first.tolist(), last.tolist(), strict=True))


def within(days: Collection[int], *, spread_days: int = 0) -> Any:
    """Return an Arrow expression that holds for all rows whose `t_start` lies near some days.

    It may hold for others; without days it holds for none.
    """
    time = pc.field("t_start")
    conditions = [
        (time >= _midnight(first)) & (time < _midnight(last + 1))
        for first, last in stretches(days, spread_days=spread_days)
    ]
    return reduce(or_, conditions) if conditions else pc.scalar(False)


def within_sql(days: Collection[int], *, spread_days: int = 0, prefix: str = "") -> str:
    """Return the same condition in Spark SQL; `prefix` stands before the column's name.

    Times are literals, none is calculated: only by those Delta tells which files a merge needs.
    """
    column = f"{prefix}t_start"
    conditions = [
        f"({column} >= {_midnight_sql(first)} AND {column} < {_midnight_sql(last + 1)})"
        for first, last in stretches(days, spread_days=spread_days)
    ]
    return f"({' OR '.join(conditions)})" if conditions else "false"


def _midnight(day: int) -> pa.Scalar:
    return pa.scalar(day * DAY_US, pa.int64()).cast(pa.timestamp("us", tz="UTC"))


def _midnight_sql(day: int) -> str:
    return f"TIMESTAMP '{EPOCH + timedelta(days=day)} 00:00:00Z'"
