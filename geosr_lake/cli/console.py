"""What the commands print: results on stdout, progress and words on stderr, one exit code."""

import dataclasses
import json
import shlex
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from geosr_lake.errors import EnvironmentProblemError, GeoSRError
from geosr_lake.redact import redact

INTERRUPTED = 130
NOTE_EVERY_S = 10.0
"""Where stderr is no terminal: seconds between two lines that say how far a step is."""
WIDEST = 1000
"""Characters that a line of a table may have where no terminal bounds it."""

LakeOption = Annotated[
    str,
    typer.Option(
        "--lake",
        envvar="GEOSR_LAKE",
        help="Folder of the lake, or s3://bucket/prefix.",
        metavar="DIR",
    ),
]
WaitOption = Annotated[
    float,
    typer.Option(
        "--wait", min=0, help="Seconds to wait for another run that holds the lock.", metavar="S"
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the summary as JSON on stdout.")]

err = Console(stderr=True, highlight=False)
out = Console(highlight=False)


def say(sentence: str) -> None:
    """Print a sentence on stderr; text from outside is never read as markup."""
    err.print(escape(sentence), soft_wrap=True)


@dataclass
class Bar:
    """Draws a stage's progress on stderr; plain lines where stderr is no terminal."""

    progress: Progress
    task: TaskID | None = None
    label: str = ""
    noted_at: float = 0.0

    def start(self, label: str, total: int | None = None) -> None:
        """Begin a step; the step before counts as done."""
        self._finish()
        self.label, self.noted_at = label, time.monotonic()
        if err.is_terminal:
            self.task = self.progress.add_task(escape(label), total=total)
        else:
            say(f"{label} ..." if total is None else f"{label} ({total}) ...")

    def advance(self, amount: int = 1) -> None:
        """Move the bar."""
        if self.task is not None:
            self.progress.advance(self.task, amount)

    def note(self, text: str) -> None:
        """Show words beside the bar; without a terminal, a line now and then."""
        if self.task is not None:
            self.progress.update(self.task, description=escape(f"{self.label}: {text}"))
        elif not err.is_terminal and time.monotonic() - self.noted_at >= NOTE_EVERY_S:
            say(f"  {text}")
            self.noted_at = time.monotonic()

    def _finish(self) -> None:
        if self.task is not None:
            task = self.progress.tasks[-1]
            self.progress.update(
                self.task, total=task.completed or 1, completed=task.completed or 1
            )
            self.task = None


@contextmanager
def progress_bar() -> Iterator[Bar]:
    """Show progress on stderr for the length of the block."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=28),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err, disable=not err.is_terminal) as progress:
        yield Bar(progress)


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {k: _plain(v) for k, v in dataclasses.asdict(value).items()}
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def print_json(value: Any) -> None:
    """Print a summary (dataclass, mapping or list) as JSON on stdout."""
    sys.stdout.write(json.dumps(_plain(value), indent=2, ensure_ascii=False) + "\n")


def _print_table(table: Table) -> bool:
    """Print a table as wide as it needs to be; a terminal that is narrower gets none.

    Returns:
        Whether it was printed.
    """
    if not out.is_terminal:
        Console(file=out.file, highlight=False, width=WIDEST).print(table)
        return True
    wanted = Measurement.get(out, out.options.update(max_width=WIDEST), table).maximum
    if wanted > out.width:
        return False
    out.print(table)
    return True


def _print_folded(table: Table) -> None:
    """Print a table, its cells folded, never cut, where the terminal is too narrow."""
    if not _print_table(table):
        for column in table.columns:
            column.overflow = "fold"
        out.print(table)


def print_counts(title: str, counts: Mapping[str, int | float | str]) -> None:
    """Print names and values as a table on stdout."""
    table = Table(title=escape(title), title_justify="left", show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for name, value in counts.items():
        text = f"{value:,}" if isinstance(value, int) else str(value)
        table.add_row(escape(name.replace("_", " ")), escape(text))
    _print_folded(table)


def print_rows(columns: list[str], rows: list[list[Any]], *, title: str | None = None) -> None:
    """Print rows as a table on stdout; upright, name beside value, where it would not fit."""
    title = escape(title) if title else None
    cells = [["" if v is None else escape(str(v)) for v in row] for row in rows]
    table = Table(*(escape(c) for c in columns), title=title)
    for row in cells:
        table.add_row(*row)
    if _print_table(table):
        return
    upright = Table(title=title, show_header=False)
    for row in cells:
        for name, cell in zip(columns, row, strict=True):
            upright.add_row(escape(name), cell)
        upright.add_section()
    _print_folded(upright)


def next_command(command: str) -> None:
    """Print the command that comes next, on stderr."""
    err.print(f"Next: [bold]{escape(command)}[/bold]", soft_wrap=True)


def _terminate(signum: int, _frame: object) -> None:
    raise KeyboardInterrupt(signum)


def _told(error: GeoSRError) -> typer.Exit:
    """Print an error and return the exit that carries its code."""
    err.print(f"[bold red]Error:[/bold red] {escape(str(error))}", soft_wrap=True)
    return typer.Exit(error.exit_code)


def typed(*, but: str | None = None) -> str:
    """Return the command as it was typed, without the flag `but`."""
    words = [word for word in sys.argv[1:] if word != but]
    return redact(shlex.join(["geosr", *words]))


@contextmanager
def exit_codes() -> Iterator[None]:
    """Turn errors into a sentence and an exit code; Ctrl-C and SIGTERM into 130."""
    signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    except GeoSRError as error:
        raise _told(error) from error
    except BrokenPipeError:  # who reads our output has seen enough; typer ends quietly
        raise
    except OSError as error:
        problem = EnvironmentProblemError(
            f"The system refused: {error.strerror or error}",
            where=str(error.filename) if error.filename is not None else None,
            next_step="Look at the path, who may write there, and the free disk (`geosr doctor`).",
        )
        raise _told(problem) from error
    except KeyboardInterrupt as error:
        say(f"Interrupted; what was committed stays. Go on with: {typed()}")
        raise typer.Exit(INTERRUPTED) from error


def report(
    summary: Any, *, as_json: bool, show: Callable[[], None], next_step: str | None = None
) -> None:
    """Print `summary` as JSON, or by `show` with the next command after it."""
    if as_json:
        print_json(summary)
        return
    show()
    if next_step is not None:
        next_command(next_step)
