"""Rows of numbers in parts by a hash of theirs: memory holds one part, whatever their number.

What is compared over all items, their keys and their groups, goes through here. A few rows stay in
memory; more of them lie in a temporary file, which ends with this process.
"""

import tempfile
from collections.abc import Iterator
from contextlib import suppress
from typing import IO, Any, Self

import numpy as np
from numpy.typing import NDArray

from geosr_lake.errors import GeoSRError

PARTS = 256
"""So many that a part of 100 million rows is as long as what waits in memory."""
MOST_ROWS = 2**18
"""Rows that wait in memory."""
_HASH_BITS, _PART_BITS, _MARK_BITS = 64, 8, 24
Rows = NDArray[Any]
"""Rows of a structured type."""
Hashes = NDArray[np.uint64]
Mask = NDArray[np.bool_]


class Parted:
    """Rows that are read back in parts; all rows with one hash are in one part.

    Args:
        kind: The type of the rows.
        by: The field with the hash: 64 bits, without a sign.
        most: Rows that wait in memory.
    """

    def __init__(self, kind: np.dtype[Any], by: str, most: int = MOST_ROWS) -> None:
        self._kind, self._by, self._most = kind, by, most
        self._waiting: list[Rows] = []
        self._count = 0
        self._file: IO[bytes] | None = None
        self._written = 0
        self._bounds: list[NDArray[np.int64]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            with suppress(OSError):  # of what had no room: nobody reads it any more
                self._file.close()

    def add(self, rows: Rows) -> None:
        """Add rows."""
        self._waiting.append(rows)
        self._count += len(rows)
        if self._count > self._most:
            self._flush()

    def parts(self) -> Iterator[Rows]:
        """Yield the rows in parts, by the hash: those of a later part have greater ones.

        In a part they stand as they came. Again from the start at every call; nothing may be added
        in between.
        """
        if self._file is None:
            if self._count:
                yield np.concatenate(self._waiting)
            return
        self._flush()
        for part in range(PARTS):
            found = [self._read(bounds, part) for bounds in self._bounds]
            rows = np.concatenate(found)
            if len(rows):
                yield rows

    def _flush(self) -> None:
        """Write the rows that wait, sorted by part."""
        if not self._count:
            return
        rows = np.concatenate(self._waiting)
        of_part = (rows[self._by] >> np.uint64(_HASH_BITS - _PART_BITS)).astype(np.uint8)
        counts = np.bincount(of_part, minlength=PARTS)
        self._bounds.append(self._written + np.r_[0, np.cumsum(counts)])
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `__exit__`
            self._file.seek(self._written * self._kind.itemsize)
            self._file.write(rows[np.argsort(of_part, kind="stable")].tobytes())
            self._file.flush()  # not later, where nobody expects an error
        except OSError as error:
            raise GeoSRError(
                f"What is compared over all items cannot be written: {error}",
                where=tempfile.tempdir,
                next_step="Make room there, or name another folder in TMPDIR.",
            ) from error
        self._written += len(rows)
        self._waiting, self._count = [], 0

    def _read(self, bounds: NDArray[np.int64], part: int) -> Rows:
        if self._file is None or bounds[part] == bounds[part + 1]:
            return np.empty(0, self._kind)
        first, stop = (int(at) * self._kind.itemsize for at in bounds[part : part + 2])
        self._file.seek(first)
        return np.frombuffer(self._file.read(stop - first), self._kind)


class Marks:
    """Tells which hashes are certainly not among some others, of which it holds none: 16 MB."""

    def __init__(self) -> None:
        self._found = np.zeros(1 << _MARK_BITS, bool)

    def add(self, hashes: Hashes) -> None:
        """Add hashes."""
        self._found[self._places(hashes)] = True

    def may_hold(self, hashes: Hashes) -> Mask:
        """Tell which of these may have been added; all that were are among them."""
        found: Mask = self._found[self._places(hashes)]
        return found

    @staticmethod
    def _places(hashes: Hashes) -> NDArray[np.int64]:
        return (hashes >> np.uint64(_HASH_BITS - _MARK_BITS)).astype(np.int64)
