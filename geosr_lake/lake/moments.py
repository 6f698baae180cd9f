"""Which commit is meant: by its number, or by a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from geosr_lake.errors import ContractError, UsageError
from geosr_lake.lake.contracts import LAKE_VERSION


@dataclass(frozen=True)
class Commit:
    """One row of `commits`; `versions` maps every table that exists to its Delta version."""

    seq: int
    versions: dict[str, int]
    committed_at: datetime


def check_layout(lake_version: int, root: object) -> None:
    """Raise unless this code knows the lake's layout; older ones it knows.

    Raises:
        ContractError: If the layout is newer.
    """
    if lake_version > LAKE_VERSION:
        raise ContractError(
            f"This lake has layout {lake_version}, this geosr_lake knows layout {LAKE_VERSION}",
            where=str(root),
            next_step="Install the geosr_lake that wrote it, or a newer one.",
        )


def parse_when(when: int | str | datetime) -> int | datetime:
    """Return a commit's number or a time in UTC.

    Args:
        when: A number; a time (UTC where it names no zone); a text that is one of both, a time as
            ISO 8601 has it. A date alone is its first moment.

    Raises:
        UsageError: If a text is neither.
    """
    if isinstance(when, str):
        text = when.strip()
        if text.isascii() and text.isdigit():
            return int(text)
        try:
            when = datetime.fromisoformat(text)
        except ValueError as error:
            raise UsageError(
                f"{text[:80]!r} is neither a commit's number nor a time",
                next_step="Write 12, 2026-03-01, or 2026-03-01T12:00:00Z.",
            ) from error
    if isinstance(when, datetime):
        return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
    return when


def choose(commits: Sequence[Commit], when: int | str | datetime) -> Commit:
    """Return the commit of a number, or the newest that is not after a time.

    Raises:
        UsageError: If there is no such commit.
    """
    wanted = parse_when(when)
    ordered = sorted(commits, key=lambda commit: commit.seq)
    if not ordered:
        raise UsageError("Nothing has been committed to this lake")
    first, last = ordered[0], ordered[-1]
    if isinstance(wanted, datetime):
        before = [commit for commit in ordered if commit.committed_at <= wanted]
        if not before:
            raise UsageError(
                f"The lake's first commit is later than {wanted.isoformat()}",
                next_step=f"Name a time from {first.committed_at.isoformat()} on.",
            )
        return before[-1]
    for commit in ordered:
        if commit.seq == wanted:
            return commit
    raise UsageError(
        f"There is no commit {wanted}",
        next_step=f"They are numbered from {first.seq} to {last.seq}; see the view `commits`.",
    )
