"""Files that commands are given: texts, and the sources of `geosr scenes ingest`."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from geosr_lake.cli.console import print_json, print_rows
from geosr_lake.cli.extents import parse_bbox, parse_days
from geosr_lake.errors import UsageError

if TYPE_CHECKING:
    from geosr_lake.archives import Survey
    from geosr_lake.scenes.selection import Selection

MAX_FILES_SHOWN = 20


def read_text(file: Path) -> str:
    """Return the text of a file, without the mark that some editors put before it.

    Raises:
        UsageError: If it is no UTF-8.
    """
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(
            "This is no UTF-8 text", where=str(file), next_step="Save it as UTF-8."
        ) from error


def selected(interval: str | None, bbox: str | None, max_items: int | None) -> "Selection":
    """Return what the options ask of files.

    Raises:
        UsageError: If one makes no sense.
    """
    from geosr_lake.scenes.selection import Selection

    days = None if interval is None else parse_days(interval)
    return Selection(bbox=parse_bbox(bbox), days=days, max_items=max_items)


def surveyed(files: Iterable[str], most: int | None) -> "list[Survey]":
    """Survey the files that hold the first `most` items, as far as footers tell; None: all.

    Of a file that does not tell its number, and of those after it, there may be less to read.
    """
    from geosr_lake.archives import survey

    found: list[Survey] = []
    left = most
    for file in files:
        if left is not None and left <= 0:
            break
        one = survey(file)
        if left is not None and one.items is not None:
            one = replace(one, items=min(one.items, left))
            left -= one.items or 0
        found.append(one)
    return found


def show_surveys(
    surveys: "Sequence[Survey]", *, most: int | None = None, as_json: bool = False
) -> None:
    """Print what would be read; `most`: the items that are asked for."""
    if as_json:
        print_json(list(surveys))
        return
    rows = [[s.path, s.format, f"{s.bytes:,}", _number(s.items)] for s in surveys]
    shown = rows[:MAX_FILES_SHOWN]
    if len(rows) > len(shown):
        shown.append([f"... and {len(rows) - len(shown):,} files more", "", "", ""])
    known = [s.items for s in surveys if s.items is not None]
    total = f"{sum(known):,}" + ("" if len(known) == len(rows) else " and more")
    total = total if most is None else f"at most {most:,}"
    shown.append(
        ["in all", "", f"{sum(s.bytes for s in surveys):,}", total if known or most else ""]
    )
    print_rows(["file", "format", "bytes", "items"], shown, title="Would be read")


def _number(items: int | None) -> str:
    return "" if items is None else f"{items:,}"
