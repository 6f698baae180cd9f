"""Where files of items lie: on this machine, or in a bucket of an object store that a user names.

A file is named by its absolute path or as ``s3://bucket/key``. Where the store is, and who asks,
stands in the environment (`AWS_ENDPOINT_URL`, `AWS_REGION`, `AWS_ACCESS_KEY_ID`, ...), as for a
lake in a bucket. Of a file in a bucket only the ranges that a unit needs are fetched.
"""

import fnmatch
import glob
import gzip
import io
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

from pyarrow.fs import FileSelector, FileSystem, FileType, LocalFileSystem, S3FileSystem

from geosr_lake import s3_env
from geosr_lake.errors import EnvironmentProblemError

_URL = re.compile(r"s3a?://(?P<place>[^/]+(?:/.*)?)")
_PATTERN = re.compile(r"[*?\[]")
_STORE_SAYS = "AWS Error"
READ_AHEAD_BYTES = 2**18
"""What is read at once, from disk or a bucket: several lines of items."""


def is_url(name: str) -> bool:
    """Tell whether a file is in a bucket."""
    return _URL.fullmatch(name) is not None


def is_pattern(name: str) -> bool:
    """Tell whether a name stands for those that match it (``*``, ``**``, ``?``, ``[a-z]``)."""
    return _PATTERN.search(name) is not None


@lru_cache(maxsize=4)
def _store(endpoint: str | None, region: str) -> FileSystem:
    return S3FileSystem(endpoint_override=endpoint, region=region)


def place_of(name: str) -> tuple[FileSystem, str]:
    """Return Arrow's file system that a file is in, and its name there."""
    found = _URL.fullmatch(name)
    if found is None:
        return LocalFileSystem(), name
    return _store(s3_env.endpoint(), s3_env.region()), found["place"].rstrip("/")


def size_of(name: str) -> int:
    """Return the bytes of a file."""
    if not is_url(name):
        return Path(name).stat().st_size
    store, place = place_of(name)
    return int(store.get_file_info(place).size)


@contextmanager
def opened(name: str) -> Iterator[IO[bytes]]:
    """Open a file for reading, what is packed with gzip unpacked."""
    with ExitStack() as open_files:
        if is_url(name):
            store, place = place_of(name)
            ranges: Any = open_files.enter_context(store.open_input_file(place))
            raw: Any = open_files.enter_context(io.BufferedReader(ranges, READ_AHEAD_BYTES))
        else:
            raw = open_files.enter_context(Path(name).open("rb", buffering=READ_AHEAD_BYTES))
        if name.lower().endswith(".gz"):
            raw = open_files.enter_context(gzip.GzipFile(fileobj=raw))
        yield raw


def check_there(name: str) -> None:
    """Check that a file in a bucket can be reached: what failed then was not the store.

    Raises:
        EnvironmentProblemError: If not.
    """
    if is_url(name) and list(in_bucket(name)) != [f"s3://{place_of(name)[1]}"]:
        raise EnvironmentProblemError("A file is no longer there", where=name)


def check_given(name: str, error: Exception) -> None:
    """Check that it was not the store that failed: Arrow says what AWS's client told it.

    Raises:
        EnvironmentProblemError: If it was.
    """
    if is_url(name) and _STORE_SAYS in str(error):
        raise s3_env.refused(error, name) from error


def matching(pattern: str) -> list[str]:
    """Return files and folders that a pattern names, on this machine or in a bucket.

    Of a folder that it names, nothing that lies inside is named again.
    """
    if not is_url(pattern):
        every = {os.path.abspath(name) for name in glob.glob(pattern, recursive=True)}  # noqa: PTH100, PTH207 - the pattern may be absolute
        return sorted(n for n in every if every.isdisjoint(map(str, Path(n).parents)))
    fixed = _PATTERN.split(pattern)[0]
    expression = re.compile(_translated(pattern))
    found: dict[str, None] = {}
    for name in in_bucket(fixed.rpartition("/")[0]):
        # What a pattern names may be a folder, and folders are the beginnings of names here.
        ends = [at.start() for at in re.finditer("/", name)] + [len(name)]
        if named := next((name[:end] for end in ends if expression.fullmatch(name[:end])), None):
            found[named] = None
    return [*found]


def _translated(pattern: str) -> str:
    """Return a pattern of names in a bucket as a regular expression.

    As on disk, `*` stays in its folder and finds no name that begins with a dot.
    """
    parts = re.split(r"(\*\*/|/\*\*$|\*|\?)", pattern)
    visible = r"(?!(?<=/)\.)"
    made = {
        "**/": rf"(?:{visible}[^/]+/)*",
        "/**": rf"(?:/{visible}[^/]+)*",
        "*": f"{visible}[^/]*",
        "?": f"{visible}[^/]",
    }
    return "".join(made.get(part) or fnmatch.translate(part)[4:-3] for part in parts if part)


def in_bucket(prefix: str) -> Iterator[str]:
    """Yield the files below a prefix of a bucket; the file itself where it is one.

    Raises:
        EnvironmentProblemError: If the store does not answer, or refuses.
    """
    store, place = place_of(prefix)
    try:
        found = store.get_file_info(place)
        if found.type == FileType.File:
            yield f"s3://{place}"
        elif found.type == FileType.Directory:
            for inside in store.get_file_info(FileSelector(place, recursive=True)):
                if inside.type == FileType.File:
                    yield f"s3://{inside.path}"
    except OSError as error:
        raise s3_env.refused(error, prefix) from error


def below(root: str, *, but: str | None = None) -> Iterator[str]:
    """Yield the files below a folder or prefix that are neither hidden, unfinished nor a table's.

    Hidden and unfinished are names that begin with a dot or an underscore, as writers use them;
    a table is a folder with Delta's log in it.

    Args:
        root: The folder or prefix.
        but: A folder or prefix that is passed over.
    """
    if is_url(root):
        names = list(in_bucket(root))
        tables = {name.partition("/_delta_log/")[0] for name in names if "/_delta_log/" in name}
        yield from (name for name in names if not _passed_over(name, root, but, tables))
        return
    for folder, folders, files in os.walk(root):
        if folder == but or "_delta_log" in folders:
            folders.clear()
            continue
        folders[:] = [name for name in folders if not name.startswith((".", "_"))]
        for name in files:
            path = Path(folder, name)
            if not name.startswith((".", "_")) and path.is_file():
                yield str(path)


def _passed_over(name: str, root: str, but: str | None, tables: Iterable[str]) -> bool:
    inside = name.removeprefix(root.rstrip("/")).split("/")
    hidden = any(part.startswith((".", "_")) for part in inside)
    others = [*tables, *([but.rstrip("/")] if but else [])]
    return hidden or any(name.startswith(f"{other}/") for other in others)
