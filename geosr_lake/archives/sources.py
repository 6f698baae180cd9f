"""Sources: files and folders of items, cut into units of work that can be read anywhere.

Read are stac-geoparquet, newline-delimited JSON (plain or gzip), and JSON files that hold an item
or a feature collection. What cannot be read becomes a record with a problem, not an error.
"""

import gzip
import hashlib
import os
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, cast

import pyarrow as pa
import pyarrow.parquet as pq

from geosr_lake.archives import parquet
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
READ_AHEAD_BYTES = 2**18
UNIT_ROWS = 8192
UNITS_A_FILE = 4
"""Row groups are cut only where a file has fewer: to read a part of one, all before is decoded."""
_DAMAGED = (OSError, EOFError, zlib.error, pa.ArrowException)


@dataclass(frozen=True, slots=True)
class Unit:
    """A part of a file that is read in one go.

    Attributes:
        path: Absolute path of the file.
        format: How it is read.
        part: Row group, for columnar files.
        start: First row of the row group, or first byte of the file.
        stop: One after the last; a line belongs to the unit in which it starts. 0: to the end.
    """

    path: str
    format: Format
    part: int = 0
    start: int = 0
    stop: int = 0

    @property
    def folder(self) -> str:
        """Where relative hrefs of the file start."""
        return str(Path(self.path).parent)


def format_of(path: Path) -> Format | None:
    """Return how a file is read, by its name; None for a file that is not."""
    name = path.name.lower()
    return next((kind for suffix, kind in SUFFIXES.items() if name.endswith(suffix)), None)


def find_files(sources: Iterable[str | Path], *, but: Path | None = None) -> list[Path]:
    """Return the files that `sources` name, folders searched to any depth, each once, sorted.

    Passed over are files in a folder that are of another kind, names that begin with a dot or an
    underscore, as writers use them for what is not finished, and Delta tables.

    Args:
        sources: Files and folders.
        but: A folder that is passed over where it lies in one of `sources`: the lake itself.

    Raises:
        UsageError: If a source does not exist, is a file of another kind, or a folder without any.
    """
    found: set[Path] = set()
    for source in sources:
        path = Path(source).absolute()
        if path.is_dir():
            inside = list(_files_below(path, but))
            if not inside:
                raise UsageError(
                    "This folder holds no file of items",
                    where=str(path),
                    next_step=f"Read are files that end with {', '.join(SUFFIXES)}.",
                )
            found.update(inside)
        elif not path.is_file():
            raise UsageError(
                "There is no such file or folder",
                where=str(source),
                next_step="Name files or folders of this machine: nothing is downloaded.",
            )
        elif format_of(path) is None:
            raise UsageError(
                "This is no file of items",
                where=str(path),
                next_step=f"Read are files that end with {', '.join(SUFFIXES)}.",
            )
        else:
            found.add(path)
    if not found:
        raise UsageError("No source was named", next_step="Name a file or folder of STAC items.")
    return sorted(found)


def _files_below(root: Path, but: Path | None) -> Iterator[Path]:
    for folder, folders, names in os.walk(root):
        here = Path(folder)
        if here == but or "_delta_log" in folders:
            folders.clear()
            continue
        folders[:] = [name for name in folders if not name.startswith((".", "_"))]
        for name in names:
            path = here / name
            if not name.startswith((".", "_")) and format_of(path) and path.is_file():
                yield path


def plan_units(files: Sequence[Path]) -> list[Unit]:
    """Return the units of `files`, cut so that the cores share large files."""
    return [unit for file in files for unit in _units(file)]


def _units(file: Path) -> Iterator[Unit]:
    kind = format_of(file) or "json"
    path = str(file)
    if kind == "parquet":
        try:
            footer = pq.read_metadata(file)
        except _DAMAGED:
            yield Unit(path, kind)  # reading it says what is wrong
            return
        units_a_group = -(-UNITS_A_FILE // max(1, footer.num_row_groups))
        for group in range(footer.num_row_groups):
            rows = footer.row_group(group).num_rows
            step = max(UNIT_ROWS, -(-rows // units_a_group))
            for start in range(0, rows, step):
                yield Unit(path, kind, group, start, min(start + step, rows))
        return
    size = file.stat().st_size
    if kind == "lines" and not path.lower().endswith(".gz") and size > UNIT_BYTES:
        for start in range(0, size, UNIT_BYTES):
            yield Unit(path, kind, start=start, stop=min(start + UNIT_BYTES, size))
        return
    yield Unit(path, kind)


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
    """Yield what `read_unit` does, but texts of JSON and rows of columnar files as they stand."""
    try:
        if unit.format == "parquet":
            yield from parquet.read_rows(unit.path, unit.part, unit.start, unit.stop)
        elif unit.format == "lines":
            yield from _read_lines(unit)
        else:
            with _opened(unit.path) as file:
                text = file.read(MAX_PAGE_BYTES + 1)
            yield from split_page(text.removeprefix(_BOM), MAX_PAGE_BYTES)
    except _DAMAGED as error:
        where = f"{type(error).__name__} in part {unit.part} of {unit.path}"
        yield broken(where.encode(), "file_unreadable")


_BOM = b"\xef\xbb\xbf"


def _opened(path: str) -> IO[bytes]:
    if path.lower().endswith(".gz"):
        return cast("IO[bytes]", gzip.open(path))
    return Path(path).open("rb", buffering=READ_AHEAD_BYTES)


def _read_lines(unit: Unit) -> Iterator[bytes | Record]:
    """Yield the lines that start in the unit but blank ones; a record for one that is too long."""
    with _opened(unit.path) as file:
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
