"""The CHECK constraints of a contract over Arrow rows, as Spark would judge them.

deltalake cannot evaluate all of them (patterns, maps, JSON), and files that are written by pyarrow
are checked by nobody: here the same texts are evaluated that stand in the table's configuration,
where Spark finds them. What is read is the part of SQL that contracts use; anything else is an
error, so that no rule is passed over.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from geosr_lake.errors import ContractError
from geosr_lake.lake.contracts import Contract

_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^'\\]|\\.)*')|(?P<number>-?\d+(?:\.\d+)?)"
    r"|(?P<name>[A-Za-z_][A-Za-z_0-9]*)|(?P<sign><>|<=|>=|=|<|>|\(|\)|,))"
)
_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "=": pc.equal,
    "<>": pc.not_equal,
    "<": pc.less,
    "<=": pc.less_equal,
    ">": pc.greater,
    ">=": pc.greater_equal,
}


def broken(rows: pa.Table, terms: Contract) -> str | None:
    """Return the first rule of a contract that one of `rows` breaks; None if all hold.

    As Delta has it, a rule must be true: one that is null is broken.
    """
    if not rows.num_rows:
        return None
    for name, expression in terms.constraints.items():
        verdict = holds(rows, expression)
        if not pc.all(pc.fill_null(verdict, False)).as_py():
            return f"{name}: {expression}"
    return None


def check(rows: pa.Table, terms: Contract) -> None:
    """Check rows that are to be written.

    Raises:
        ContractError: If a row breaks a rule of the table.
    """
    if rule := broken(rows, terms):
        raise ContractError(
            f"A row does not fit the table {terms.table}: CHECK constraint {rule[:200]}",
            next_step=f"See schemas/{terms.table}.json.",
        )


def holds(rows: pa.Table, expression: str) -> Any:
    """Return for each row whether an expression is true, false or null.

    Raises:
        ContractError: If the expression is not of the part of SQL that is known here.
    """
    reader = _Reader(rows, expression)
    found = reader.either()
    reader.end()
    return found


@lru_cache
def _tokens(expression: str) -> tuple[tuple[str, str], ...]:
    found, at = [], 0
    while expression[at:].strip():
        match = _TOKEN.match(expression, at)
        if match is None:
            raise ContractError(f"No such rule can be checked: {expression[at : at + 60]!r}")
        kind = str(match.lastgroup)
        found.append((kind, match[kind]))
        at = match.end()
    return tuple(found)


class _Reader:
    """Reads an expression from left to right and evaluates it on the way."""

    def __init__(self, rows: pa.Table, expression: str) -> None:
        self._rows, self._tokens, self._at = rows, _tokens(expression), 0
        self._whole = expression

    def _is(self, *words: str) -> bool:
        """Go past the next words if they are these."""
        there = self._tokens[self._at : self._at + len(words)]
        if [text.upper() for kind, text in there if kind != "text"] != list(words):
            return False
        self._at += len(words)
        return True

    def _must(self, *words: str) -> None:
        if not self._is(*words):
            raise ContractError(f"No such rule can be checked: {self._whole[:80]!r}")

    def end(self) -> None:
        """See that all was read."""
        if self._at < len(self._tokens):
            raise ContractError(f"No such rule can be checked: {self._whole[:80]!r}")

    def either(self) -> Any:
        found = self._both()
        while self._is("OR"):
            found = pc.or_kleene(found, self._both())
        return found

    def _both(self) -> Any:
        found = self._not()
        while self._is("AND"):
            found = pc.and_kleene(found, self._not())
        return found

    def _not(self) -> Any:
        if self._is("NOT"):
            return pc.invert(self._not())
        if self._is("("):
            found = self.either()
            self._must(")")
            return found
        return self._predicate()

    def _predicate(self) -> Any:
        texts = self._texts()
        if texts is not None:
            self._must("RLIKE")
            return _any_matches(*texts, self._literal())
        left = self._value()
        if self._is("IS", "NULL"):
            return pc.is_null(left)
        if self._is("IS", "NOT", "NULL"):
            return pc.is_valid(left)
        if self._is("IN", "("):
            values = [self._literal()]
            while self._is(","):
                values.append(self._literal())
            self._must(")")
            known = pc.is_in(left, value_set=pa.array(values, left.type))
            return pc.if_else(pc.is_valid(left), known, None)
        if self._is("BETWEEN"):
            low = self._value()
            self._must("AND")
            return pc.and_kleene(pc.greater_equal(left, low), pc.less_equal(left, self._value()))
        for sign, compare in _COMPARE.items():
            if self._is(sign):
                return compare(left, self._value())
        raise ContractError(f"No such rule can be checked: {self._whole[:80]!r}")

    def _next(self) -> tuple[str, str]:
        self._at += 1
        return self._tokens[self._at - 1] if self._at <= len(self._tokens) else ("", "")

    def _literal(self) -> Any:
        kind, text = self._next()
        if kind == "text":
            return re.sub(r"\\(.)", r"\1", text[1:-1])
        if kind == "number":
            return float(text)
        raise ContractError(f"No such rule can be checked: {self._whole[:80]!r}")

    def _value(self) -> Any:
        kind, text = self._tokens[self._at] if self._at < len(self._tokens) else ("", "")
        if kind != "name":
            return pa.scalar(self._literal())
        self._at += 1
        if text not in self._rows.column_names:
            raise ContractError(f"There is no column {text} to be checked")
        return self._rows[text]

    def _texts(self) -> "tuple[pa.ChunkedArray, pa.DataType] | None":
        """Return the column whose texts are looked through together, if this is one."""
        if self._is("ARRAY_JOIN", "(", "MAP_VALUES", "("):
            column = self._value()
            self._must(")", ",")
            self._literal()  # no pattern of a contract matches over the sign between two values
            self._must(")")
            return column, pa.null()
        if self._is("TO_JSON", "("):
            column = self._value()
            self._must(")")
            return column, pa.string()
        return None


def _any_matches(column: pa.ChunkedArray, keys: pa.DataType, pattern: str) -> pa.ChunkedArray:
    """Return for each row whether one of its texts matches; null where the column is.

    Args:
        column: Maps, lists or structs with texts in them.
        keys: `pa.null()` where the keys of maps do not count.
        pattern: For all texts by itself: what stands between two texts is not looked at.
    """
    chunks = []
    for chunk in column.chunks:
        found = _leaves_match(chunk, pattern, with_keys=not pa.types.is_null(keys))
        chunks.append(pc.if_else(chunk.is_valid(), found, None))
    return pa.chunked_array(chunks, pa.bool_())


def _leaves_match(array: pa.Array, pattern: str, *, with_keys: bool) -> pa.Array:
    kind, length = array.type, len(array)
    if pa.types.is_map(kind) or pa.types.is_list(kind):
        offsets = array.offsets
        first, last = offsets[0].as_py(), offsets[-1].as_py()
        parts = [array.items, array.keys] if pa.types.is_map(kind) else [array.values]
        if pa.types.is_map(kind) and not with_keys:
            parts = parts[:1]
        inner = None
        for part in parts:
            found = _leaves_match(part.slice(first, last - first), pattern, with_keys=with_keys)
            inner = found if inner is None else pc.or_(inner, found)
        if inner is None or not pc.any(inner).as_py():
            return pa.repeat(pa.scalar(False), length)
        hits = pa.ListArray.from_arrays(pc.subtract(offsets, first), inner).to_pylist()
        return pa.array([any(one) for one in hits], pa.bool_())
    if pa.types.is_struct(kind):
        found = pa.repeat(pa.scalar(False), length)
        for field in array.flatten():
            found = pc.or_(found, _leaves_match(field, pattern, with_keys=with_keys))
        return found
    # Bytes are matched as Latin-1, where case folding is that of ASCII, as Java's is.
    found = pc.match_substring_regex(array.cast(pa.binary()), pattern)
    return pc.fill_null(found, False)
