"""Columns of text looked at as the bytes that they are: faster than patterns where all is plain."""

import string
from hashlib import sha256

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from geosr_lake.archives.bulk import values
from geosr_lake.archives.bulk.values import Mask
from geosr_lake.archives.item import MAX_HREF_CHARACTERS, MAX_TEXT_CHARACTERS

_PRINTABLE = bytes(range(0x21, 0x7F))
# What `unsigned`, `absolute` and JSON leave as it is.
_HREF_BYTES = bytes(set(_PRINTABLE) - set(b'"\\?@#&;') | {ord(" "), *range(0x80, 0x100)})
_PLAIN_HREF = r'^(?:[A-Za-z][A-Za-z0-9+.-]*:|/)[^\x00-\x1f\x7f"\\?@#&;]*$'
_ABSOLUTE = r"^(?:[A-Za-z][A-Za-z0-9+.-]*:|/)"
_TEXT_BYTES = bytes(set(_PRINTABLE) - set(b'"\\'))
_PLAIN_TEXT = r"^[!#-\[\]-~](?:[ !#-\[\]-~]*[!#-\[\]-~])?$"
_ID_BYTES = (string.ascii_letters + string.digits + "_.-").encode()
_PLAIN_ID = r"^[A-Za-z0-9_.-]+$"

TIME_WIDTH = 26
"""Characters of ``2024-08-03 18:00:11.024000``."""
_DATE_WIDTH = 10
_SECOND_WIDTH = 19


def is_plain_href(href: pa.Array) -> Mask:
    """Tell which links are short, absolute and unsigned: the reference leaves these as they are."""
    if not _holds_only(href, _HREF_BYTES):
        return _within(href, MAX_HREF_CHARACTERS) & values.matches(href, _PLAIN_HREF)
    absolute = values.mask(pc.starts_with(href, "https://"))
    if not (absolute | ~values.valid(href)).all():
        absolute = has_scheme(href)
    return absolute & _within(href, MAX_HREF_CHARACTERS)


def has_scheme(href: pa.Array) -> Mask:
    """Tell which links are absolute."""
    return values.matches(href, _ABSOLUTE)


def is_plain_text(column: pa.Array) -> Mask:
    """Tell which texts are short, and need no strip and no escape."""
    short = _within(column, MAX_TEXT_CHARACTERS)
    if _holds_only(column, _TEXT_BYTES):
        return short & (_sizes(column) > 0)
    return short & values.matches(column, _PLAIN_TEXT)


def is_plain_id(column: pa.Array, characters: int) -> Mask:
    """Tell which texts are ids of letters, digits and few signs, at most so long."""
    if _holds_only(column, _ID_BYTES):
        return _within(column, characters) & (_sizes(column) > 0)
    return _within(column, characters) & values.matches(column, _PLAIN_ID)


def _within(column: pa.Array, limit: int) -> Mask:
    return values.valid(column) & (_sizes(column) <= limit)


def _offsets(column: pa.Array) -> NDArray[np.int32]:
    if not len(column):
        return np.zeros(1, np.int32)
    every = np.frombuffer(column.buffers()[1], np.int32)
    return every[column.offset : column.offset + len(column) + 1]


def _sizes(column: pa.Array) -> NDArray[np.int32]:
    """Return the bytes of each text; what it says of nulls means nothing."""
    return np.diff(_offsets(column))


def _bytes(column: pa.Array) -> memoryview:
    """Return the texts one after the other."""
    data, ends = column.buffers()[2], _offsets(column)
    return memoryview(data)[ends[0] : ends[-1]] if data is not None else memoryview(b"")


def _holds_only(column: pa.Array, good: bytes) -> bool:
    """Tell whether all texts together hold no other bytes."""
    return not bytes(_bytes(column)).translate(None, good)


def digests(column: pa.Array) -> list[str | None]:
    """Return the SHA-256 of each text; null of null."""
    whole, ends = _bytes(column), (_offsets(column) - _offsets(column)[0]).tolist()
    there = values.valid(column).tolist()
    return [
        sha256(whole[start:end]).hexdigest() if is_there else None
        for start, end, is_there in zip(ends[:-1], ends[1:], there, strict=True)
    ]


def of_bytes(data: bytes, sizes: NDArray[np.int32]) -> pa.Array:
    """Return the texts of these sizes that stand one after the other in UTF-8."""
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
    return pa.StringArray.from_buffers(len(sizes), pa.py_buffer(offsets), pa.py_buffer(data))


def _of_matrix(characters: NDArray[np.uint8]) -> pa.Array:
    count, width = characters.shape
    return of_bytes(characters.tobytes(), np.full(count, width, np.int32))


def _times(us: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return the characters of times, `TIME_WIDTH` each; of years that are not read, any."""
    held = np.clip(us, values.EARLIEST_US, values.LATEST_US)
    written = pa.array(held, pa.timestamp("us")).cast(pa.string())
    return np.frombuffer(bytes(_bytes(written)), np.uint8).reshape(-1, TIME_WIDTH)


def iso_days(us: NDArray[np.int64]) -> pa.Array:
    """Return the days of times as ``2024-08-03``."""
    return _of_matrix(_times(us)[:, :_DATE_WIDTH])


def stamps(us: NDArray[np.int64]) -> pa.Array:
    """Return times as ``20240803T180011.024000``."""
    characters = _times(us).copy()
    characters[:, _DATE_WIDTH] = ord("T")
    signs = [4, 7, 13, 16]
    return _of_matrix(np.delete(characters, signs, axis=1))


def json_times(us: NDArray[np.int64]) -> pa.Array:
    """Return times as orjson writes them: without a fraction where it is zero."""
    characters = _times(us).copy()
    characters[:, _DATE_WIDTH] = ord("T")
    whole = us % 1_000_000 == 0
    ends = np.frombuffer(b'+00:00"', np.uint8)
    written = [
        _of_matrix(np.column_stack([_column(b'"', len(us)), part, np.tile(ends, (len(us), 1))]))
        for part in (characters[:, :_SECOND_WIDTH], characters)
    ]
    return values.where(whole, *written)


def _column(sign: bytes, count: int) -> NDArray[np.uint8]:
    return np.full((count, 1), ord(sign), np.uint8)
