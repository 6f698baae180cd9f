"""Columns of values as columns of other values: strings, times, numbers, JSON texts."""

from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import chain
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from geosr_lake.archives.times import EARLIEST, LATEST

Mask = NDArray[np.bool_]
US_A_DAY = 86_400_000_000
EARLIEST_US = int(EARLIEST.timestamp()) * 1_000_000
LATEST_US = int(LATEST.timestamp()) * 1_000_000

_TIME = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|\+00:00)$"
_ZONE = r"(Z|\+00:00)$"


def mask(array: pa.Array) -> Mask:
    """Return booleans as numpy; null counts as False."""
    return np.asarray(pc.fill_null(array, False).to_numpy(zero_copy_only=False), dtype=bool)


def valid(array: pa.Array) -> Mask:
    """Tell which values are not null."""
    return np.asarray(array.is_valid().to_numpy(zero_copy_only=False), dtype=bool)


def matches(array: pa.Array, pattern: str) -> Mask:
    """Tell which strings hold a match of `pattern`; null does not."""
    return mask(pc.match_substring_regex(array, pattern))


def whole(pattern: str) -> str:
    """Return a pattern that must match a whole text."""
    return f"^(?:{pattern})$"


def nulls(count: int, kind: pa.DataType | None = None) -> pa.Array:
    """Return `count` nulls, of text if nothing else is said."""
    return pa.nulls(count, kind or pa.string())


def same(value: str, count: int) -> pa.Array:
    """Return one text `count` times."""
    return pa.repeat(pa.scalar(value, pa.string()), count)


def where(condition: Mask, one: pa.Array, other: pa.Array) -> pa.Array:
    """Return `one` where the condition holds, else `other`."""
    return pc.if_else(pa.array(condition), one, other)


def only(condition: Mask, array: pa.Array) -> pa.Array:
    """Return the values where the condition holds, else null."""
    return pc.if_else(pa.array(condition), array, pa.scalar(None, array.type))


def joined(*parts: pa.Array | str) -> pa.Array:
    """Return texts put together; null where one of them is."""
    return pc.binary_join_element_wise(*parts, "")


def each_distinct(
    array: pa.Array, function: Callable[[Any], Any], kind: pa.DataType | None = None
) -> pa.Array:
    """Return what a function of Python gives for each value, called once a distinct one.

    Null stays null. For columns with few distinct values.
    """
    encoded = array.dictionary_encode()
    answers = pa.array(
        [None if v is None else function(v) for v in encoded.dictionary.to_pylist()],
        type=kind or pa.string(),
    )
    return answers.take(encoded.indices)


_PLAIN_TYPES: dict[pa.DataType, set[type]] = {
    pa.string(): {str},
    pa.float64(): {float, int},
    pa.bool_(): {bool},
}


def of_python(found: Sequence[Any], kind: pa.DataType, ok: Mask) -> pa.Array:
    """Return values of Python as a column; of what does not fit, the mark `ok` is cleared."""
    column = _converted(found, kind)
    if column is None:
        each = [_converted([value], kind) for value in found]
        ok &= np.array([one is not None for one in each], bool)
        column = pa.concat_arrays([pa.nulls(1, kind) if one is None else one for one in each])
    return column


def _converted(found: Sequence[Any], kind: pa.DataType) -> pa.Array | None:
    """Return values as a column, None if one does not fit: Arrow takes truth values for numbers."""
    if not _fit(found, kind):
        return None
    try:
        return pa.array(found, kind)
    except pa.ArrowInvalid:  # an integer that is no double
        return None


def _fit(found: Sequence[Any], kind: pa.DataType) -> bool:
    types = set(map(type, found)) - {type(None)}
    if not pa.types.is_list(kind):
        return types <= _PLAIN_TYPES[kind]
    if not types <= {list}:
        return False
    inner = list(chain.from_iterable(filter(None, found)))
    return type(None) not in set(map(type, inner)) and _fit(inner, kind.value_type)


def parse_times(texts: pa.Array) -> tuple[NDArray[np.int64], Mask]:
    """Return microseconds since 1970 and which texts were plain times from 1972 to 2099."""
    sound = matches(texts, _TIME)
    if not sound.any():
        return np.zeros(len(texts), np.int64), sound
    # Digits beyond microseconds are cut off.
    if (mask(pc.ends_with(texts, "Z")) | ~sound).all():
        core = pc.utf8_slice_codeunits(texts, 0, -1)
    else:
        core = pc.replace_substring_regex(texts, _ZONE, "")
    core = only(sound, pc.utf8_slice_codeunits(core, 0, 26))
    try:
        moments = core.cast(pa.timestamp("us"))
    except pa.ArrowInvalid:  # the 30th of February somewhere
        moments = each_distinct(core, _moment, pa.timestamp("us"))
        sound &= valid(moments)
    return in_range(moments, sound)


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def in_range(moments: pa.Array, sound: Mask) -> tuple[NDArray[np.int64], Mask]:
    """Return microseconds since 1970 of times, and which lie in the years that are read."""
    us = pc.fill_null(moments.cast(pa.int64()), 0).to_numpy()
    return us, sound & (us >= EARLIEST_US) & (us < LATEST_US)


def timestamps(us: NDArray[np.int64]) -> pa.Array:
    """Return microseconds since 1970 as times in UTC."""
    return pa.array(us, pa.int64()).cast(pa.timestamp("us", tz="UTC"))


def json_numbers(numbers: NDArray[Any]) -> pa.Array:
    """Return each number as orjson writes it; null for NaN."""
    if len(numbers) == 0:
        return pa.array([], pa.string())
    text = orjson.dumps(np.ascontiguousarray(numbers), option=orjson.OPT_SERIALIZE_NUMPY)
    return pc.split_pattern(pa.array([text[1:-1].decode()]), ",").flatten()
