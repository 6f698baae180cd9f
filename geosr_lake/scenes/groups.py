"""Which groups of items are brought together and which items are scenes as they are, by numbers.

Groups and scenes are known by a hash each. Where two are one by their hashes, both are brought
together, and what is derived from them then goes by their names: nothing but time is lost.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from geosr_lake.scenes.parted import Hashes, Mask, Rows

MEMBER = np.dtype(
    [
        *(("group", np.uint64), ("scene", np.uint64)),
        *(("file", np.int32), ("row", np.int32), ("flags", np.uint8)),
    ]
)
"""An item or a scene of a group; where the item may be a scene as it is, its file and row there."""
TOUCHES, ALIVE, HERE, NAMELESS, OLDER, HELD = (1 << i for i in range(6))
"""Flags: a row beyond the commit, by which the group is touched; an item that counts; one that
may be a scene where it lies; one that does not name its scene; an item of before; a scene."""
ASIDE, ALONE, SHARED = range(3)
"""What becomes of an item where it lies: nothing, a scene, or it is brought to the others."""
Becomes = NDArray[np.uint8]
_HASHED = 65_536
"""Texts that are Python's at a time."""


@dataclass(frozen=True)
class Judged:
    """What becomes of some groups.

    Attributes:
        groups: How many of them are touched.
        together: Those whose items share a scene or lack its name, or that have older items or
            scenes: their hashes.
        brought: Items and scenes of these.
        file: Of each item that lies `HERE` in a touched group, the file;
        row: its row;
        becomes: and `ALONE` or `SHARED`.
    """

    groups: int
    together: Hashes
    brought: int
    file: NDArray[np.int32]
    row: NDArray[np.int32]
    becomes: Becomes


def hashes(texts: pa.ChunkedArray) -> Hashes:
    """Return a hash of each text; another process has others."""
    found = np.empty(len(texts), np.int64)
    for at in range(0, len(texts), _HASHED):
        some = texts.slice(at, _HASHED).to_pylist()
        found[at : at + len(some)] = np.fromiter(map(hash, some), np.int64, len(some))
    return found.view(np.uint64)


def members(rows: pa.Table, flags: NDArray[np.uint8], file: int = 0, at: int = 0) -> Rows:
    """Return a `MEMBER` for each row that has a flag.

    Args:
        rows: Rows with `group_key`, and `identity` if they are items.
        flags: Their flags; `NAMELESS` is added.
        file: The number of the file that they lie in.
        at: The first one's row there.
    """
    some = np.flatnonzero(flags)
    if len(some) < rows.num_rows:
        rows = rows.take(pa.array(some))
    found = np.zeros(len(some), MEMBER)
    found["group"] = hashes(rows["group_key"])
    found["file"], found["row"], found["flags"] = file, at + some, flags[some]
    if "identity" in rows.column_names:
        found["scene"] = hashes(rows["identity"])
        found["flags"] |= np.where(np.asarray(pc.is_null(rows["identity"])), NAMELESS, 0).astype(
            np.uint8
        )
    return found


def judged(part: Rows) -> Judged:
    """Return what becomes of the groups of some members: all members of each."""
    rows = part[np.lexsort((part["scene"], part["group"]))]
    number = np.cumsum(_differs(rows["group"])) - 1
    touched = _of_groups(number, _has(rows, TOUCHES))
    inside = touched[number]
    rows, number = rows[inside], number[inside]
    alive = _has(rows, ALIVE)
    shares = np.zeros(len(rows), bool)
    shares[np.flatnonzero(alive)[_repeats(rows["scene"][alive], number[alive])]] = True
    shares |= alive & _has(rows, NAMELESS)
    together = _of_groups(number, shares | _has(rows, OLDER | HELD), len(touched))
    brought = together[number] & (alive | _has(rows, HELD))
    here = alive & _has(rows, HERE)
    return Judged(
        groups=int(touched.sum()),
        together=np.unique(rows["group"][together[number]]),
        brought=int(brought.sum()),
        file=rows["file"][here],
        row=rows["row"][here],
        becomes=np.where(together[number[here]], SHARED, ALONE).astype(np.uint8),
    )


def _has(rows: Rows, flags: int) -> Mask:
    found: Mask = (rows["flags"] & np.uint8(flags)) != 0
    return found


def _differs(sorted_values: Hashes) -> Mask:
    """Tell which values differ from the one before."""
    found = np.ones(len(sorted_values), bool)
    found[1:] = sorted_values[1:] != sorted_values[:-1]
    return found


def _repeats(scenes: Hashes, number: NDArray[np.int64]) -> Mask:
    """Tell which scenes, sorted by group, are the one before in the same group."""
    return ~(_differs(scenes) | _differs(number.view(np.uint64)))


def _of_groups(number: NDArray[np.int64], rows: Mask, count: int = 0) -> Mask:
    """Tell of each group, by its number, whether one of some rows is in it."""
    length = max(count, int(number[-1]) + 1 if len(number) else 0)
    return np.bincount(number[rows], minlength=length) > 0
