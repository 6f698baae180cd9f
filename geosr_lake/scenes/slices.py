"""Slices of an API: one day of one collection, which is had wholly or not at all.

The table `slices` remembers what was had. A slice that is there is asked for again only where it
can have changed: its day was younger than the archive takes to settle when it was fetched, and that
was more than an hour ago; or the user says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from geosr_lake.errors import UsageError
from geosr_lake.ids import digest
from geosr_lake.lake import ledger
from geosr_lake.lake.place import Root

DAY = timedelta(days=1)
JUST_FETCHED = timedelta(hours=1)
MAX_SLICES = 100_000
DONE, UNDONE = "done", "undone"
_NEVER = datetime.min.replace(tzinfo=UTC)

Bbox = tuple[float, float, float, float]


@dataclass(frozen=True, order=True)
class Slice:
    """One day of one collection of one API, within a box or everywhere."""

    api: str
    collection: str
    day: date
    area: str = ""

    @property
    def slice_id(self) -> str:
        """Name of its files."""
        return "slc-" + digest((self.api, self.collection, self.day.isoformat(), self.area))

    @property
    def source(self) -> str:
        """What its items have as `source_file`."""
        where = f"?bbox={self.area}" if self.area else ""
        return f"api:{self.api}/{self.collection}/{self.day}{where}"

    @property
    def bbox(self) -> Bbox | None:
        """Its box in degrees, None for everywhere."""
        if not self.area:
            return None
        west, south, east, north = (float(value) for value in self.area.split(","))
        return west, south, east, north


def area_of(bbox: Bbox | None) -> str:
    """Return a box as a text: equal boxes, equal texts."""
    return ",".join(f"{value + 0.0:.12g}" for value in bbox) if bbox else ""


def plan(
    api: str, collections: Sequence[str], days: tuple[date, date], bbox: Bbox | None
) -> list[Slice]:
    """Return the slices of an interval, oldest day first.

    Raises:
        UsageError: If there are more than `MAX_SLICES`.
    """
    first, last = days
    number = ((last - first).days + 1) * len(set(collections))
    if number > MAX_SLICES:
        raise UsageError(
            f"These are {number:,} slices, more than {MAX_SLICES:,}",
            next_step="Ask for a shorter interval, or take the archive's bulk files.",
        )
    area = area_of(bbox)
    return [
        Slice(api, collection, first + i * DAY, area)
        for i in range((last - first).days + 1)
        for collection in sorted(set(collections))
    ]


Asked = dict[Slice, dict[str, list[datetime]]]
"""When slices were asked for, by what became of it: `DONE` or `UNDONE`."""


def asked(root: Root) -> Asked:
    """Return when each slice was asked for, as rows say it, committed or not.

    A row is written after the slice's items, so an uncommitted one is true as well.
    """
    columns = ["api", "collection", "day", "area", "status", "fetched_at"]
    found: Asked = {}
    for row in ledger.read(root, "slices", columns=columns).to_pylist():
        day = date.fromisoformat(row["day"])
        part = Slice(row["api"], row["collection"], day, row["area"])
        found.setdefault(part, {DONE: [], UNDONE: []})[row["status"]].append(row["fetched_at"])
    return found


def held(before: Asked) -> dict[Slice, datetime]:
    """Return when each slice was last fetched that is in the lake."""
    return {part: max(times[DONE]) for part, times in before.items() if times[DONE]}


def undone(before: Asked) -> set[Slice]:
    """Return the slices that could not be had when they were last asked for."""
    return {
        part
        for part, times in before.items()
        if times[UNDONE] and max(times[UNDONE]) > max(times[DONE], default=_NEVER)
    }


def can_have_changed(day: date, fetched_at: datetime, settled_after_d: int, now: datetime) -> bool:
    """Tell whether a slice that was had may have more by now."""
    settled = datetime.combine(day, time(), UTC) + DAY * (1 + settled_after_d)
    return fetched_at < settled and now - fetched_at > JUST_FETCHED
