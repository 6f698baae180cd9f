"""Command lines of `geosr`, parsed against the real commands but not run."""

import contextlib
import shlex
from collections.abc import Iterator
from typing import Any

import typer

from geosr_lake.cli.app import app

ROOT: Any = typer.main.get_command(app)
UsageError: Any = typer.BadParameter.__bases__[0]
"""What parsing raises: typer does not name it, but its own errors derive from it."""


def leaves(command: Any = ROOT, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the path of every command that does something, as ("pairs", "build")."""
    below = getattr(command, "commands", None)
    if below is None:
        yield path
        return
    for name in sorted(below):
        yield from leaves(below[name], (*path, name))


def find(path: tuple[str, ...]) -> Any:
    """Return the command at `path`."""
    command = ROOT
    for name in path:
        command = command.commands[name]
    return command


def parses(line: str) -> tuple[str, ...]:
    """Parse a command line without running it; return the path of its command.

    Raises:
        UsageError: If a command, option or argument of it does not exist, or one lacks.
    """
    words = shlex.split(line, comments=True)[1:]
    command, path = ROOT, []
    while words and not words[0].startswith("-") and (below := getattr(command, "commands", None)):
        name = words.pop(0)
        if name not in below:
            raise UsageError(f"no command {name!r} in {line!r}")
        command = below[name]
        path.append(name)
    for parameter in command.params:
        # The files of an example need not be there.
        vars(parameter)["type_descriptor"].parameter_info.exists = False
    with contextlib.suppress(typer.Exit):  # --help and --version end the parsing
        command.make_context("geosr", words)
    return tuple(path)
