"""The prompt of `geosr sql`: lines in, statements out, with history and completion."""

import os
from collections.abc import Callable
from pathlib import Path

from geosr_lake.cli.console import err, say
from geosr_lake.cli.statements import split
from geosr_lake.errors import GeoSRError

HISTORY_LINES = 1000
HELP = r"""A statement ends with `;` and may have many lines. Tab completes names.
\d            the tables          \d TABLE   its columns
\q or Ctrl-D  leave               Ctrl-C     forget the statement, or stop the query"""
_KEYWORDS = (
    *("SELECT", "FROM", "WHERE", "GROUP BY", "ORDER BY", "HAVING", "LIMIT", "JOIN", "LEFT JOIN"),
    *("USING", "ON", "AS", "WITH", "UNION ALL", "DISTINCT", "COUNT", "CASE", "WHEN", "THEN"),
    *("ELSE", "END", "BETWEEN", "AND", "OR", "NOT", "IS NULL", "ST_GeomFromWKB", "ST_AsText"),
    *("ST_Intersects", "ST_Area", "ST_Contains", "ST_Point", "ST_Transform", "ST_Centroid"),
)


def history_file() -> Path:
    """Return the file of the lines typed before, in the user's folder for state."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "geosr" / "sql_history"


def _words() -> list[str]:
    from geosr_lake.lake.contracts import contracts

    names = {name for terms in contracts().values() for name in (terms.table, *terms.names)}
    return [*sorted(names), *_KEYWORDS]


def complete(words: list[str], begun: str, state: int) -> str | None:
    """Return the word number `state` of those that begin so, whatever their case."""
    found = [word for word in words if word.lower().startswith(begun.lower())]
    return found[state] if state < len(found) else None


def _edit_lines() -> Callable[[], None]:
    """Turn on history and completion where Python has them; return what saves the history."""
    try:
        import readline
    except ImportError:  # Python built without it: plain lines
        return lambda: None
    words, file = _words(), history_file()
    readline.set_completer(lambda begun, state: complete(words, begun, state))
    readline.set_completer_delims(" \t\n(),;=<>+-*/.'\"")
    libedit = "libedit" in (readline.__doc__ or "")
    readline.parse_and_bind("bind ^I rl_complete" if libedit else "tab: complete")
    readline.set_history_length(HISTORY_LINES)
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        file.touch(mode=0o600)
        readline.read_history_file(file)
    except OSError as error:
        say(f"The history is not kept: {error.strerror}.")
        return lambda: None
    return lambda: readline.write_history_file(file)


def _describe(word: str) -> None:
    from geosr_lake.cli.console import print_rows
    from geosr_lake.lake.contracts import contracts

    known = contracts()
    if word in known:
        rows = [[c.name, c.type, c.comment] for c in known[word].columns]
        print_rows(["column", "type", "what it is"], rows)
    else:
        print_rows(["table", "what it is"], [[n, c.description] for n, c in known.items()])


def _command(line: str) -> bool:
    r"""Do what a line that begins with ``\`` says; tell whether to go on."""
    name, _, word = line[1:].partition(" ")
    if name == "q":
        return False
    if name == "d":
        _describe(word.strip().rstrip(";"))
    else:
        say(HELP)
    return True


def prompt(run: Callable[[str], None]) -> None:
    r"""Read statements from the terminal and hand each to `run`, until ``\q`` or the end.

    An error of a statement is told and the prompt goes on; so it does after Ctrl-C.
    """
    save = _edit_lines()
    say(r"Statements end with ; and \? helps, \q leaves.")
    pending = ""
    try:
        while True:
            try:
                line = input("    -> " if pending else "geosr> ")
                if not pending and line.strip().startswith("\\"):
                    if not _command(line.strip()):
                        return
                    continue
                statements, pending = split(f"{pending}\n{line}")
                for statement in statements:
                    _run_one(run, statement)
            except KeyboardInterrupt as stopped:
                if stopped.args:  # SIGTERM ends the command
                    raise
                pending = ""
                err.print()
    except EOFError:
        err.print()
    finally:
        save()


def _run_one(run: Callable[[str], None], statement: str) -> None:
    try:
        run(statement)
    except GeoSRError as error:
        err.print("[bold red]Error:[/bold red]", end=" ")
        say(str(error))
