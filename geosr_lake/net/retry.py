"""Trying again, by the type of the error: only what may heal, a bounded number of times."""

import random
import time
from collections.abc import Callable
from typing import TypeVar

from geosr_lake.errors import TransientSourceError

Result = TypeVar("Result")

ATTEMPTS = 4
FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 30.0


class BusySourceError(TransientSourceError):
    """The source asked to wait; `wait_s` is how long, None where it did not say."""

    def __init__(
        self,
        what: str,
        *,
        where: str | None = None,
        next_step: str | None = "Run the same command again later.",
        wait_s: float | None = None,
    ) -> None:
        super().__init__(what, where=where, next_step=next_step)
        self.wait_s = wait_s


def retrying(
    action: Callable[[], Result],
    *,
    attempts: int = ATTEMPTS,
    longest_wait_s: float = LONGEST_WAIT_S,
    sleep: Callable[[float], None] = time.sleep,
    chance: Callable[[], float] = random.random,
) -> Result:
    """Return what `action` returns, trying again after a `TransientSourceError`.

    Waits double from half a second, each between half and the whole of its length by chance, so
    that workers do not come back in step. A wait that the source asked for is never cut short; one
    beyond `longest_wait_s` is not waited for.

    Raises:
        TransientSourceError: The last one, after `attempts` tries.
    """
    for attempt in range(attempts - 1):
        try:
            return action()
        except TransientSourceError as error:
            asked = getattr(error, "wait_s", None) or 0.0
            if asked > longest_wait_s:
                raise
            sleep(max(asked, FIRST_WAIT_S * 2**attempt * (0.5 + chance() / 2)))
    return action()
