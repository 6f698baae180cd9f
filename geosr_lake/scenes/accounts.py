"""The accounts of an ingest: every record that was read is somewhere, and the sums must hold."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from geosr_lake.archives.reasons import KEPT, QUARANTINED, UNSUPPORTED, WITHDRAWN
from geosr_lake.errors import GeoSRError

REPEATED = "repeated"
LEFT_OUT = "left_out"
READ = "read"
STATUSES = (KEPT, REPEATED, UNSUPPORTED, QUARANTINED, WITHDRAWN, LEFT_OUT)
NOT_STORED = (REPEATED, LEFT_OUT, READ)
"""Statuses of records that become no row of `items`; `READ` is none of a record."""


@dataclass(frozen=True)
class FileCounts:
    """What became of the records of one file.

    Attributes:
        path: The file.
        read: Records as the reader counted them: lines, rows or features.
        kept: Items that are new and part of a scene.
        repeated: Items that the lake had, or that came before in the same run; not stored again.
        unsupported: New items that are sound but of no use here.
        quarantined: New items with something wrong.
        reasons: Unsupported, quarantined and withdrawn items by reason.
        withdrawn: New items that are deprecated: they take out their older versions.
        left_out: Items outside of the box or the days that were asked for; not stored.
    """

    path: str
    read: int
    kept: int
    repeated: int
    unsupported: int
    quarantined: int
    reasons: Mapping[str, int] = field(default_factory=dict)
    withdrawn: int = 0
    left_out: int = 0


@dataclass(frozen=True)
class Tally:
    """One line of the count over the records: a file, a status, a reason."""

    path: str
    status: str
    reason: str | None
    rows: int


def by_file(tallies: Iterable[Tally]) -> tuple[FileCounts, ...]:
    """Return the counts of each file, by path.

    Raises:
        GeoSRError: If the records of a file do not add up: a bug, not bad input.
    """
    counts: dict[str, dict[str, int]] = {}
    reasons: dict[str, dict[str, int]] = {}
    for tally in tallies:
        of_file = counts.setdefault(tally.path, dict.fromkeys((READ, *STATUSES), 0))
        of_file[tally.status] += tally.rows
        if tally.status not in (KEPT, *NOT_STORED) and tally.reason:
            of_reason = reasons.setdefault(tally.path, {})
            of_reason[tally.reason] = of_reason.get(tally.reason, 0) + tally.rows
    files = tuple(
        FileCounts(path, **counts[path], reasons=dict(sorted(reasons.get(path, {}).items())))
        for path in sorted(counts)
    )
    for of in files:
        became = sum(getattr(of, status) for status in STATUSES)
        _must_hold(of.read, became, "records read and records accounted for", of.path)
    return files


def check_lake(kept: int, scenes: int, superseded: int, where: str, *, taken_out: int = 0) -> None:
    """Check that every kept item is a scene's best, one of its others, or was withdrawn.

    Raises:
        GeoSRError: If not: a bug, not bad input.
    """
    what = "kept items and items in scenes" + (" or withdrawn" if taken_out else "")
    _must_hold(kept, scenes + superseded + taken_out, what, where)


def _must_hold(left: int, right: int, what: str, where: str) -> None:
    if left != right:
        raise GeoSRError(
            f"The accounts do not add up: {what} are {left} and {right}",
            where=where,
            next_step="This is a bug of geosr_lake: report it with this line and the file.",
        )
