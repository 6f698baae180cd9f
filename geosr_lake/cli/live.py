"""What `geosr scenes ingest --api` does with its options, and what it prints at the end."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from geosr_lake.cli.console import print_counts, print_rows
from geosr_lake.cli.extents import parse_bbox, parse_days
from geosr_lake.errors import UsageError

if TYPE_CHECKING:
    from geosr_lake.scenes.live import LiveSummary, Wanted

MAX_UNDONE_SHOWN = 20


def wanted(
    api: str,
    collections: Sequence[str],
    interval: str | None,
    bbox: str | None,
    *,
    rate: float | None,
    workers: int,
    again: bool,
) -> "Wanted":
    """Return what the options ask of an API.

    Raises:
        UsageError: If something is missing or makes no sense.
    """
    from geosr_lake.net.apis import api_of
    from geosr_lake.scenes.live import Wanted

    known, box = api_of(api), parse_bbox(bbox)
    if box is not None and box[0] > box[2]:
        raise UsageError(
            "APIs differ in what a box over the antimeridian is to them",
            where=f"--bbox {bbox}"[:200],
            next_step="Ask twice: for the box up to 180, and for the one from -180 on.",
        )
    if not collections or interval is None:
        names = ", ".join(known.collections) or "as the API calls it"
        raise UsageError(
            "An API is asked for the days of a collection",
            where=f"--api {api}"[:200],
            next_step=f"Add --collection ({names}) and --datetime 2024-07-01/2024-07-31.",
        )
    return Wanted(
        api=known,
        collections=tuple(known.collections.get(name, name) for name in collections),
        days=parse_days(interval),
        bbox=box,
        rate=rate,
        workers=workers,
        again=again,
    )


def show(summary: "LiveSummary") -> None:
    """Print what became of the slices and their items."""
    from geosr_lake.net.paging import FAULTS

    print_counts(
        "Slices",
        {
            "asked for": summary.slices,
            "held, and settled": summary.held,
            "fetched before, ingested now": summary.resumed,
            "fetched": summary.fetched,
            "undone": len(summary.undone),
            "not asked for": summary.not_asked,
            "requests": summary.requests,
        },
    )
    if summary.faults:
        seen = [[code, f"{number:,}", FAULTS[code]] for code, number in summary.faults.items()]
        print_rows(["fault", "times", "what it means"], seen, title="Faults of paging")
    if summary.undone:
        undone = list(summary.undone.items())[:MAX_UNDONE_SHOWN]
        print_rows(["slice", "why"], [list(row) for row in undone], title="Undone")
    if summary.counts:
        print_counts("Items", summary.counts)
        if summary.reasons:
            print_counts("Not kept", summary.reasons)
        held = {f"{sensor} scenes": n for sensor, n in summary.scenes_by_sensor.items()}
        print_counts("The lake holds", held | {"tiles": summary.tiles})
