"""Tables of a few rows, as `geosr explain` and `geosr inspect` print them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class Section:
    """A titled table.

    Attributes:
        title: What the rows are.
        columns: Names of the columns.
        rows: Values, one tuple a row.
        more: Rows that were left out.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    more: int = 0

    @property
    def records(self) -> list[dict[str, Any]]:
        """The rows as mappings from column to value."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


def section(title: str, rows: list[dict[str, Any]], *, most: int = 50) -> Section:
    """Return `rows`, which have the same keys, as a section of at most `most` of them."""
    columns = tuple(rows[0]) if rows else ()
    kept = tuple(tuple(row[name] for name in columns) for row in rows[:most])
    return Section(title, columns, kept, max(0, len(rows) - most))


def moment(value: datetime) -> str:
    """Return a time as text, to the second, or finer where it is."""
    text = value.strftime("%Y-%m-%d %H:%M:%S.%f").rstrip("0").rstrip(".")
    return text.removesuffix(" 00:00:00")


def interval(start: datetime, end: datetime) -> str:
    """Return an interval in UTC as text; one time for an instant."""
    return f"{moment(start)} UTC" if start == end else f"{moment(start)} to {moment(end)} UTC"


def days(seconds: float) -> str:
    """Return a signed length of time in days as text."""
    return f"{seconds / 86_400:+.3f} d"
