"""Archives of many years a span of time after the other, so that what is held has a bound."""

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from geosr_lake.arrays import Ints

MOST_SPANS = 64
"""Where more would be needed, a window is so long that each reads most of the HR scenes anew."""


class Times(NamedTuple):
    """When the scenes of a side begin and end; microseconds since 1970, shape (scenes,)."""

    start_us: Ints
    end_us: Ints

    @classmethod
    def of(cls, scenes: pa.Table) -> "Times":
        """Take the columns t_start and t_end."""
        return cls(*(scenes[n].cast(pa.int64()).to_numpy() for n in ("t_start", "t_end")))


class Span(NamedTuple):
    """LR scenes that begin in a span of time, and the HR scenes that may be near one of them.

    Attributes:
        lr: Condition on LR scenes; None: all.
        hr: Condition on HR scenes; None: all.
    """

    lr: pc.Expression | None = None
    hr: pc.Expression | None = None


WHOLE = Span()


def spans(lr: Times, hr: Times, window_us: int, most: int) -> list[Span] | None:
    """Cut the time of the LR scenes so that a span has at most so many scenes of both sides.

    Every LR scene is in one span, every HR scene in each whose scenes it may be near. None where
    that cannot be, because too many begin at one instant or the window holds too many.
    """
    if len(lr.start_us) + len(hr.start_us) <= most:
        return [WHOLE]
    if not len(lr.start_us):
        return [Span(hr=pc.scalar(False))]
    starts = np.sort(lr.start_us)
    found: list[Span] = []
    todo = [(0, len(starts))]  # of the starts; between two spans these differ
    while todo:
        first, stop = todo.pop()
        begin, before = int(starts[first]), int(starts[stop - 1]) + 1
        inside = (lr.start_us >= begin) & (lr.start_us < before)
        since, until = begin - window_us, int(lr.end_us[inside].max()) + window_us
        near = (hr.end_us >= since) & (hr.start_us <= until)
        if inside.sum() + near.sum() <= most:
            t_start, t_end = pc.field("t_start"), pc.field("t_end")
            found.append(
                Span(
                    (t_start >= _instant(begin)) & (t_start < _instant(before)),
                    (t_end >= _instant(since)) & (t_start <= _instant(until)),
                )
            )
            continue
        middle = int(np.searchsorted(starts, starts[(first + stop) // 2]))
        if middle == first:
            middle = int(np.searchsorted(starts, starts[first], side="right"))
        if middle == stop or len(found) + len(todo) + 2 > MOST_SPANS:
            return None
        todo += [(middle, stop), (first, middle)]
    return found


def _instant(us: int) -> Any:
    return pa.scalar(us, pa.timestamp("us", tz="UTC"))
