"""Sources: files, folders and patterns of items, cut into units that can be read anywhere.

They lie on this machine or in a bucket (`archives.files`). Read are stac-geoparquet,
newline-delimited JSON (plain or gzip), and JSON files that hold an item or a feature collection.
What cannot be read becomes a record with a problem, not an error.
"""

import hashlib
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import IO, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from geosr_lake.archives import files, parquet
from geosr_lake.archives.parquet import Rows
from geosr_lake.archives.record import (
    MAX_ITEM_BYTES,
    Record,
    broken,
    parse,
    split_page,
)
from geosr_lake.errors import UsageError

Format = Literal["parquet", "lines", "json"]
Offered = bytes | Record | Rows
"""A text of JSON, what could not be read as one, or rows of a columnar file."""

SUFFIXES: dict[str, Format] = {
    ".parquet": "parquet",
    ".geoparquet": "parquet",
    ".ndjson": "lines",
    ".ndjson.gz": "lines",
    ".jsonl": "lines",
    ".jsonl.gz": "lines",
    ".ndgeojson": "lines",
    ".ndgeojson.gz": "lines",
    ".json": "json",
    ".json.gz": "json",
    ".geojson": "json",
    ".geojson.gz": "json",
}
"""What is read, by the end of the file's name."""

MAX_PAGE_BYTES = 64 * 2**20
"""Longest JSON file with a feature collection."""
UNIT_BYTES = 32 * 2**20
UNIT_ROWS = 8192
UNITS_A_FILE = 4
"""Row groups are cut only where a file has fewer: to read a part of one, all before is decoded."""
DAMAGED = (OSError, EOFError, zlib.error, pa.ArrowException)
"""What reading a file that is not whole raises."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A part of a file that is read in one go.

    Attributes:
        path: Absolute path of the file, or ``s3://bucket/key``.
        format: How it is read.
        part: Row group, for columnar files.
        start: First row of the row group, or first byte of the file.
        stop: One after the last; a line belongs to the unit in which it starts. 0: to the end.
        most: Records that are read of it; 0: all.
    """

    path: str
    format: Format
    part: int = 0
    start: int = 0
    stop: int = 0
    most: int = 0

    @property
    def folder(self) -> str:
        """Where relative hrefs of the file start."""
        return self.path.rpartition("/")[0] or "/"


def format_of(name: str | Path) -> Format | None:
    """Return how a file is read, by its name; None for a file that is not."""
    ending = str(name).rpartition("/")[2].lower()
    return next((kind for suffix, kind in SUFFIXES.items() if ending.endswith(suffix)), None)


def find_files(sources: Iterable[str | Path], *, but: str | Path | None = None) -> list[str]:
    """Return the files that `sources` name, folders searched to any depth, each once, sorted.

    Passed over are files in a folder that are of another kind, names that begin with a dot or an
    underscore, as writers use them for what is not finished, and Delta tables.

    Args:
        sources: Files, folders and patterns (`*`, `**`, `?`), on this machine or as
            ``s3://bucket/...``.
        but: A folder that is passed over where it lies in one of `sources`: the lake itself.

    Raises:
        UsageError: If a source does not exist, is a file of another kind, or a folder without any.
        EnvironmentProblemError: If an object store does not answer.
    """
    found: set[str] = set()
    for source in sources:
        found.update(_files_of(str(source), None if but is None else str(but)))
    if not found:
        raise UsageError("No source was named", next_step="Name a file or folder of STAC items.")
    return sorted(found)


def _files_of(source: str, but: str | None) -> list[str]:
    """Return the files of one source; at least one."""
    if Path(source).exists() or not files.is_pattern(source):
        named = [source]
    elif not (named := files.matching(source)):
        raise UsageError("No file matches this pattern", where=source)
    found = [file for name in named for file in _inside(name, but)]
    kept = [file for file in found if format_of(file) is not None]
    if not kept:
        raise UsageError(
            "This is no file of items" if found == named else "This holds no file of items",
            where=source,
            next_step=f"Read are files that end with {', '.join(SUFFIXES)}.",
        )
    return kept


def _inside(name: str, but: str | None) -> list[str]:
    """Return a file, or the files below a folder."""
    if files.is_url(name):
        inside = list(files.below(name, but=but))
        if inside or next(files.in_bucket(name), None) is not None:
            return inside
    elif (path := Path(name).absolute()).is_dir():
        return list(files.below(str(path), but=but))
    elif path.is_file():
        return [str(path)]
    raise UsageError(
        "There is no such file or folder",
        where=name,
        next_step="Name files or folders of this machine, or s3://BUCKET/PREFIX: nothing else is "
        "opened.",
    )


def plan_units(found: Sequence[str | Path]) -> list[Unit]:
    """Return the units of files, cut so that the cores share large files."""
    return [unit for file in found for unit in _units(str(file))]


def _units(path: str) -> Iterator[Unit]:
    kind = format_of(path) or "json"
    if kind == "parquet":
        try:
            footer = footer_of(path)
        except DAMAGED:
            yield Unit(path, kind)  # reading it says what is wrong
            return
        units_a_group = -(-UNITS_A_FILE // max(1, footer.num_row_groups))
        for group in range(footer.num_row_groups):
            rows = footer.row_group(group).num_rows
            step = max(UNIT_ROWS, -(-rows // units_a_group))
            for start in range(0, rows, step):
                yield Unit(path, kind, group, start, min(start + step, rows))
        return
    if kind == "lines" and not path.lower().endswith(".gz"):
        size = files.size_of(path)
        if size > UNIT_BYTES:
            for start in range(0, size, UNIT_BYTES):
                yield Unit(path, kind, start=start, stop=min(start + UNIT_BYTES, size))
            return
    yield Unit(path, kind)


@dataclass(frozen=True, slots=True)
class Survey:
    """What can be told of a file without reading it.

    Attributes:
        path: Its path, or ``s3://bucket/key``.
        format: How it is read.
        bytes: Its size as it lies there.
        items: Rows by the footer of a columnar file; None where nothing tells.
    """

    path: str
    format: Format
    bytes: int
    items: int | None


def survey(path: str) -> Survey:
    """Return what can be told of a file without reading it; a damaged footer tells nothing."""
    kind, items = format_of(path) or "json", None
    if kind == "parquet":
        with suppress(*DAMAGED):
            items = footer_of(path).num_rows
    return Survey(path, kind, files.size_of(path), items)


def footer_of(path: str) -> pq.FileMetaData:
    """Return the footer of a columnar file."""
    store, inside = files.place_of(path)
    return pq.read_metadata(inside, filesystem=store)


def first_records(units: Iterable[Unit], most: int) -> Iterator[Unit]:
    """Yield the units, or parts of them, that hold the first `most` records.

    What columnar files hold stands in their footers; of others, as much is read as is asked for.
    """
    left = most
    again = (_units(unit.path) if _unplanned(unit) else [unit] for unit in units)
    for unit in chain.from_iterable(again):
        if left <= 0:
            return
        if unit.format == "parquet" and unit.stop:
            number = min(left, unit.stop - unit.start)
            yield replace(unit, stop=unit.start + number)
        else:
            number = sum(1 for _ in islice(read_offered(unit), left))
            yield replace(unit, most=left)
        left -= number


def read_unit(unit: Unit) -> Iterator[Record]:
    """Yield the records of a unit; never raises for what is in the file.

    A file that breaks off gives the records before the break and one with the problem.
    """
    for offered in read_offered(unit):
        if isinstance(offered, Rows):
            yield from offered.records()
        else:
            yield parse(offered) if isinstance(offered, bytes) else offered


def read_offered(unit: Unit) -> Iterator[Offered]:
    """Yield what `read_unit` does, but texts of JSON and rows of columnar files as they stand.

    A file in a bucket is damaged where it fails twice at one place: once, the store may have.

    Raises:
        EnvironmentProblemError: If a store does not give a file that it has.
    """
    given, failed_at = 0, -1
    while True:
        try:
            for one in islice(_offered(unit), given, unit.most or None):
                yield one
                given += 1
        except DAMAGED as error:
            files.check_there(unit.path)
            if files.is_url(unit.path) and failed_at != given:
                failed_at = given
                continue
            files.check_given(unit.path, error)
            where = f"{type(error).__name__} in part {unit.part} of {unit.path}"
            yield broken(where.encode(), "file_unreadable")
        return


def _offered(unit: Unit) -> Iterator[Offered]:
    if unit.format == "parquet":
        return _read_rows(unit)
    return _read_lines(unit) if unit.format == "lines" else _read_page(unit)


def _unplanned(unit: Unit) -> bool:
    """Tell whether nothing was known of a columnar file when its unit was planned."""
    return unit.format == "parquet" and not unit.stop


def _read_rows(unit: Unit) -> Iterator[Rows]:
    if not _unplanned(unit):
        yield from parquet.read_rows(unit.path, unit.part, unit.start, unit.stop)
        return
    # Nothing is known of a file whose footer could not be read when the units were planned. That
    # may have been the store, or a copy that was not complete yet.
    footer = footer_of(unit.path)
    for group in range(footer.num_row_groups):
        rows = footer.row_group(group).num_rows
        yield from parquet.read_rows(unit.path, group, 0, rows)


_BOM = b"\xef\xbb\xbf"


def _read_page(unit: Unit) -> Iterator[bytes | Record]:
    with files.opened(unit.path) as file:
        text = file.read(MAX_PAGE_BYTES + 1)
    yield from split_page(text.removeprefix(_BOM), MAX_PAGE_BYTES)


def _read_lines(unit: Unit) -> Iterator[bytes | Record]:
    """Yield the lines that start in the unit but blank ones; a record for one that is too long."""
    with files.opened(unit.path) as file:
        if unit.start:
            # The line over the border belongs to the unit before, a line right after it to this.
            file.seek(unit.start - 1)
            _skip_line(file)
        while unit.stop == 0 or file.tell() < unit.stop:
            line = file.readline(MAX_ITEM_BYTES + 2)
            if not line:
                return
            if len(line) > MAX_ITEM_BYTES and not line.endswith(b"\n"):
                yield broken(line, "item_too_large", digest=_skip_line(file, line))
            elif line := line.removeprefix(_BOM).strip():
                yield line


def _skip_line(file: IO[bytes], begun: bytes = b"") -> str:
    """Move to the beginning of the next line, holding little of this one; return its SHA-256."""
    digest = hashlib.sha256(begun)
    while piece := file.readline(2**16):
        digest.update(piece)
        if piece.endswith(b"\n"):
            break
    return digest.hexdigest()
