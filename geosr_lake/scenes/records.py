"""The records that are read, by their keys: which are new items, and the counts of each file.

Held as numbers and in parts (`scenes.parted`), so that memory does not grow with the records, but
for a byte that says of each whether its row is kept.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from geosr_lake.scenes.accounts import LEFT_OUT, READ, REPEATED, Tally
from geosr_lake.scenes.parted import Marks, Mask, Parted, Rows
from geosr_lake.scenes.staging import Digests, Keys

_RECORD = np.dtype(
    [
        *(("high", np.uint64), ("low", np.uint64)),  # the digest of the key
        *(("position", np.int64), ("what", np.int32)),
        *(("file", np.int32), ("row", np.int32)),
    ]
)
_HELD = -1
"""`what` of an item that the lake has."""


@dataclass(frozen=True)
class Decided:
    """What becomes of the records.

    Attributes:
        keep: Of each data file with records, by name, which of its rows are new items.
        tallies: How many records of each file became what, and why.
        name: A text that names the new items by their keys, in whatever order they came.
    """

    keep: Mapping[str, Mask]
    tallies: tuple[Tally, ...]
    name: str


class Records:
    """All records that may become items."""

    def __init__(self) -> None:
        self._keys = Parted(_RECORD, by="high")
        self._whats: dict[tuple[str, str, str | None], int] = {}
        self._files: dict[str, int] = {}
        self._rows: list[int] = []
        self._read: Counter[str] = Counter()
        self._left_out: Counter[str] = Counter()
        self._marks: Marks | None = None
        self.days: frozenset[int] = frozenset()
        """The days since 1970 of those that have a time."""
        self.timeless = False
        """Whether there are some that have none."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._keys.__exit__()

    def add(self, keys: Keys) -> None:
        """Add the records of a unit, or of a part of it; those of a data file in its order."""
        self._read[keys.path] += keys.records
        self._left_out[keys.path] += keys.left_out
        count = len(keys.rows)
        if not count:
            return
        self.timeless |= keys.timeless
        self.days |= keys.days
        file = self._files.setdefault(keys.staged, len(self._files))
        if file == len(self._rows):
            self._rows.append(0)
        whats = [
            self._whats.setdefault((keys.path, *kind), len(self._whats)) for kind in keys.kinds
        ]
        rows = np.empty(count, _RECORD)
        for name in ("high", "low", "position"):
            rows[name] = keys.rows[name]
        rows["what"] = np.array(whats, np.int32)[keys.rows["kind"]]
        rows["file"] = file
        rows["row"] = np.arange(self._rows[file], self._rows[file] + count)
        self._rows[file] += count
        self._keys.add(rows)

    def add_held(self, digests: Digests) -> None:
        """Add items that the lake has; no records may come after them."""
        if self._marks is None:
            self._marks = Marks()
            for rows in self._keys.parts():
                self._marks.add(rows["high"])
        asked = digests[self._marks.may_hold(digests[:, 0])]
        held = np.zeros(len(asked), _RECORD)
        held["high"], held["low"], held["what"] = asked[:, 0], asked[:, 1], _HELD
        self._keys.add(held)

    def decided(self) -> Decided:
        """Return what becomes of the records.

        Of equal items of one run the first counts, by path and position in the file: which of them
        is read first does not matter. What the lake has comes before all.
        """
        ranks = self._ranks()
        starts = np.r_[0, np.cumsum(self._rows, dtype=np.int64)]
        keep = np.zeros(starts[-1], bool)
        seen, new = (np.zeros(len(self._whats), np.int64) for _ in range(2))
        digest = hashlib.sha256()
        for part in self._keys.parts():
            rows, first = _sorted(part, ranks)
            ours = rows["what"] != _HELD
            come = rows[first & ours]
            seen += np.bincount(rows["what"][ours], minlength=len(seen))
            new += np.bincount(come["what"], minlength=len(new))
            keep[starts[come["file"]] + come["row"]] = True
            digest.update(np.stack([come["high"], come["low"]], axis=1).astype(">u8").tobytes())
        return Decided(
            {file: keep[starts[i] : starts[i + 1]] for file, i in self._files.items()},
            (*self._tallies(seen, new), *self._counted()),
            f"scenes-ingest-{int(new.sum())}-{digest.hexdigest()[:32]}",
        )

    def _ranks(self) -> NDArray[np.int64]:
        """Return the place of the path of each `what` among all paths, in their order.

        The last is that of `_HELD`, which numpy counts from the end.
        """
        place = {path: i for i, path in enumerate(sorted({path for path, _, _ in self._whats}))}
        return np.array([*(place[path] for path, _, _ in self._whats), _HELD], np.int64)

    def _tallies(self, seen: NDArray[np.int64], new: NDArray[np.int64]) -> list[Tally]:
        counts = zip(self._whats, seen.tolist(), new.tolist(), strict=True)
        return [
            Tally(path, status, reason, rows)
            for (path, outcome, reason), total, kept in counts
            for status, rows in ((outcome, kept), (REPEATED, total - kept))
            if rows
        ]

    def _counted(self) -> list[Tally]:
        """Return what the readers counted, and what was not asked for."""
        read = [Tally(path, READ, None, rows) for path, rows in self._read.items()]
        left = [Tally(path, LEFT_OUT, None, rows) for path, rows in self._left_out.items() if rows]
        return read + left


def _sorted(rows: Rows, ranks: NDArray[np.int64]) -> tuple[Rows, Mask]:
    """Return rows by key, path and position, and which are the first with their key."""
    by = (rows["position"], ranks[rows["what"]], rows["low"], rows["high"])
    rows = rows[np.lexsort(by)]
    first = np.ones(len(rows), bool)
    first[1:] = rows["high"][1:] != rows["high"][:-1]
    first[1:] |= rows["low"][1:] != rows["low"][:-1]
    return rows, first
