"""Which scenes of tiles that meet are near in time: plain functions over arrays.

All arithmetic is on integer microseconds since 1970 in UTC. An interval is [start, end); an
instant has end = start. The gap of two intervals is the distance of their closures, so 0 when
they overlap and when one ends where the other starts.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from geosr_lake.arrays import Ints

CANDIDATES_AT_ONCE = 1_000_000


@dataclass(frozen=True)
class Intervals:
    """Scenes with a key of equality and an interval; every array has a value for each.

    Attributes:
        key: What must be equal: a tile in a slot, numbered from 0.
        start: Microseconds.
        end: Microseconds, not before `start`.
    """

    key: Ints
    start: Ints
    end: Ints


def gap_us(lr_start: Ints, lr_end: Ints, hr_start: Ints, hr_end: Ints) -> Ints:
    """Return HR minus LR in microseconds; at most one of the two terms is not 0."""
    gap: Ints = np.maximum(hr_start - lr_end, 0) - np.maximum(lr_start - hr_end, 0)
    return gap


def near(lr: Intervals, hr: Intervals, window_us: int) -> Iterator[tuple[Ints, Ints, Ints]]:
    """Find the rows of equal key whose gap is at most the window; each pair once.

    The LR rows are sorted by key and start, so what is near an HR row lies side by side. Long
    intervals reach far: rows are looked through by length, each class at most 4 times as long as
    its shortest, so that one long interval does not widen the search for the others.

    Yields:
        Rows of `lr`, rows of `hr` and their gap, at most about `CANDIDATES_AT_ONCE` at a time, or
        what one HR row meets.
    """
    if not len(lr.key) or not len(hr.key):
        return
    length = lr.end - lr.start
    # Half the bit length: 0 for instants, then one class for each factor of 4.
    kind = (np.frexp(length.astype(np.float64))[1] + 1) // 2
    for one in np.unique(kind):
        rows = np.flatnonzero(kind == one)
        yield from _near(lr, rows, hr, window_us, int(length[rows].max()))


def _near(
    lr: Intervals, rows: Ints, hr: Intervals, window_us: int, longest_us: int
) -> Iterator[tuple[Ints, Ints, Ints]]:
    starts = np.unique(lr.start[rows])
    # Rank of the start instead of the start: with the key it then fits into 64 bits.
    place = (lr.key[rows] << 32) | np.searchsorted(starts, lr.start[rows])
    order = np.argsort(place, kind="stable")
    rows, place = rows[order], place[order]
    earliest = np.searchsorted(starts, hr.start - window_us - longest_us, "left")
    latest = np.searchsorted(starts, hr.end + window_us, "right")
    first = np.searchsorted(place, (hr.key << 32) | earliest)
    count = np.searchsorted(place, (hr.key << 32) | latest) - first
    some = np.flatnonzero(count)
    ends = np.cumsum(count[some])
    done = 0
    while done < len(some):
        before = ends[done - 1] if done else 0
        stop = max(done + 1, int(np.searchsorted(ends, before + CANDIDATES_AT_ONCE, "right")))
        h, times = some[done:stop], count[some[done:stop]]
        hr_rows = np.repeat(h, times)
        offset = np.arange(len(hr_rows)) - np.repeat(ends[done:stop] - times - before, times)
        lr_rows = rows[np.repeat(first[h], times) + offset]
        gap = gap_us(lr.start[lr_rows], lr.end[lr_rows], hr.start[hr_rows], hr.end[hr_rows])
        inside = np.abs(gap) <= window_us
        yield lr_rows[inside], hr_rows[inside], gap[inside]
        done = stop
