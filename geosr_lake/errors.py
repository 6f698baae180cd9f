"""The error tree: each error says what happened, where, and what to do next.

The class decides the exit code of the command line and whether a retry makes sense; nothing ever
looks at the text of a message.
"""


class GeoSRError(Exception):
    """Base of every error that this package raises on purpose.

    Args:
        what: What happened, one sentence, without a full stop.
        where: The file, table, row or option it happened at, if there is one.
        next_step: What the reader can do about it, as an imperative.
    """

    exit_code = 1

    def __init__(
        self, what: str, *, where: str | None = None, next_step: str | None = None
    ) -> None:
        self.what = what
        self.where = where
        self.next_step = next_step
        super().__init__(what, where, next_step)

    def __reduce__(self) -> tuple[object, ...]:
        # Workers send errors to the driver: keyword arguments would be lost on the way.
        return _rebuilt, (type(self), self.what, self.where, self.next_step)

    def __str__(self) -> str:
        text = self.what if self.where is None else f"{self.what} ({self.where})"
        return text if self.next_step is None else f"{text}. {self.next_step}"


def _rebuilt(
    kind: type[GeoSRError], what: str, where: str | None, next_step: str | None
) -> GeoSRError:
    error = kind.__new__(kind)
    GeoSRError.__init__(error, what, where=where, next_step=next_step)
    return error


class UsageError(GeoSRError):
    """The command or call was given something it cannot work with."""

    exit_code = 2


class RecipeError(UsageError):
    """A recipe is malformed or asks for something that makes no sense."""


class IncompleteError(GeoSRError):
    """The stage ended, but less than what was asked for could be had."""

    exit_code = 3


class EnvironmentProblemError(GeoSRError):
    """Java, jars, memory, disk or versions are not as they must be."""

    exit_code = 4


class ResourceError(EnvironmentProblemError):
    """A limit of memory, disk, time or requests was met."""


class SourceError(GeoSRError):
    """An archive or a file of pixels could not be read; items that cannot be are quarantined."""

    exit_code = 5


class TransientSourceError(SourceError):
    """The source may heal: the work stays undone and can be tried again."""


class PermanentSourceError(SourceError):
    """The source will not heal: the input is rejected with this reason."""


class CorruptDataError(PermanentSourceError):
    """Bytes are there but are not what they must be."""


class UnsafeInputError(PermanentSourceError):
    """Input from outside asked for something that the policy forbids."""


class ContractError(GeoSRError):
    """Rows do not fit the table's schema in `schemas/`, or the table not its contract."""

    exit_code = 6


class LockedError(GeoSRError):
    """Another live process holds the stage's lock."""

    exit_code = 7


class LeakError(GeoSRError):
    """The audit of a manifest found a leak: splits that share ground or come too close."""

    exit_code = 8
