"""A recipe's YAML as its writer sees it: lines, and what the comments say of each value."""

from dataclasses import dataclass
from typing import Any, Literal, get_args

import yaml

Mark = Literal["paper", "code", "ours"]
"""Who says that a value is so: GeoSR-Bench (arXiv 2605.00310), its released code or data, or this
project where both are silent. A comment begins with one of them and a colon, or is one of them."""

Path = tuple[str | int, ...]
"""Keys and positions from the top, as pydantic gives the place of an error."""


class OneOfEachKey(yaml.SafeLoader):
    """YAML in which a key that stands twice in one mapping is an error, not the last one's."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Return the mapping.

        Raises:
            yaml.constructor.ConstructorError: If a key stands twice, or is no name.
        """
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(
                    None, None, "a key must be a name", key.start_mark
                )
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value} stands twice", key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


@dataclass(frozen=True, slots=True)
class Stated:
    """What a recipe's writer says of one value.

    Attributes:
        line: Where its key stands, from 1.
        mark: Who says that it is so; None: the comment does not tell.
        why: The rest of the comment; that of the nearest key above where it has none.
    """

    line: int
    mark: Mark | None
    why: str


def stated(text: str) -> dict[Path, Stated]:
    """Return line, mark and comment of every key and list member of a YAML text that parses."""
    lines = text.splitlines()
    found: dict[Path, Stated] = {}

    def visit(node: yaml.Node, path: Path, above: tuple[Mark | None, str]) -> None:
        told = above
        if path:
            line = found[path].line
            told = _split(_comment(lines[line - 1])) or above
            found[path] = Stated(line, *told)
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                below = (*path, str(key.value))
                found[below] = Stated(key.start_mark.line + 1, None, "")
                visit(value, below, told)
        elif isinstance(node, yaml.SequenceNode):
            for number, value in enumerate(node.value):
                found[*path, number] = Stated(value.start_mark.line + 1, None, "")
                visit(value, (*path, number), told)

    root = yaml.compose(text, Loader=OneOfEachKey)
    if root is not None:
        visit(root, (), (None, ""))
    return found


def line_of(places: dict[Path, Stated], path: Path) -> int | None:
    """Return the line of a key, or of the nearest key above it that is written."""
    for length in range(len(path), 0, -1):
        if (found := places.get(path[:length])) is not None:
            return found.line
    return None


def _comment(line: str) -> str:
    """Return what follows a ``#`` that begins a comment: at the start or after a space."""
    quote = ""
    for at, char in enumerate(line):
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char == "#" and (at == 0 or line[at - 1].isspace()):
            return line[at + 1 :].strip()
    return ""


def _split(comment: str) -> tuple[Mark | None, str] | None:
    if not comment:
        return None
    first, colon, rest = comment.partition(":")
    for mark in get_args(Mark):
        if first.strip() == mark:
            return mark, rest.strip() if colon else ""
    return None, comment
