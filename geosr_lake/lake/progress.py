"""How a stage tells how far it is, without knowing who listens."""

from typing import Protocol


class Progress(Protocol):
    """What a stage calls while it works; the command line draws it, tests ignore it."""

    def start(self, label: str, total: int | None = None) -> None:
        """Begin a step with `total` units of work, or an unknown number."""

    def advance(self, amount: int = 1) -> None:
        """Say that `amount` units of the step are done."""

    def note(self, text: str) -> None:
        """Say in words how far the step is."""


class Silent:
    """A listener that says nothing."""

    def start(self, label: str, total: int | None = None) -> None:
        """Ignore the step."""

    def advance(self, amount: int = 1) -> None:
        """Ignore the units."""

    def note(self, text: str) -> None:
        """Ignore the words."""


class Within:
    """A listener for a part of the work, whose name stands before its steps.

    Args:
        progress: Is told.
        part: The name.
    """

    def __init__(self, progress: Progress, part: str) -> None:
        self._progress, self._part = progress, part

    def start(self, label: str, total: int | None = None) -> None:
        """Begin a step."""
        self._progress.start(f"{self._part}: {label[:1].lower()}{label[1:]}", total)

    def advance(self, amount: int = 1) -> None:
        """Say that units of the step are done."""
        self._progress.advance(amount)

    def note(self, text: str) -> None:
        """Say in words how far the step is."""
        self._progress.note(text)
