"""The gate before a host: so many requests a second for the whole run, none before it said so."""

import threading
import time
from collections.abc import Callable

from geosr_lake.net.retry import BusySourceError


class Gate:
    """Lets requests of all threads through, evenly spaced.

    A bucket that holds one token: over any time of T seconds no more than ``rate * T + 1`` requests
    are let through, tries again included.

    Args:
        rate: Requests a second, above zero.
        longest_wait_s: A host that asks for a longer wait is not waited for.
        clock: Seconds that never go back.
        sleep: Waits for so many seconds.
    """

    def __init__(
        self,
        rate: float,
        *,
        longest_wait_s: float = 300.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._spacing_s = 1.0 / rate
        self._longest_wait_s = longest_wait_s
        self._clock = clock
        self._sleep = sleep
        self._mutex = threading.Lock()
        self._next = clock()
        self._held_until = self._next
        self.passed = 0

    def enter(self) -> None:
        """Wait until the next request may be sent.

        Raises:
            BusySourceError: If the host asked for a wait beyond the longest.
        """
        while True:
            with self._mutex:
                now = self._clock()
                held_s = self._held_until - now
                if held_s > self._longest_wait_s:
                    raise BusySourceError(
                        f"The host asked not to be asked for {held_s:.0f} seconds", wait_s=held_s
                    )
                if held_s <= 0 and now >= self._next:
                    # From the slot, not from now: a late thread must not lower the rate. After an
                    # idle time from now: what was not used is not saved up.
                    late = now - self._next
                    self._next = (now if late > self._spacing_s else self._next) + self._spacing_s
                    self.passed += 1
                    return
                wait_s = max(held_s, self._next - now)
            self._sleep(wait_s)

    def hold(self, wait_s: float) -> None:
        """Let nothing through for `wait_s` seconds from now: the host asked for it."""
        with self._mutex:
            self._held_until = max(self._held_until, self._clock() + wait_s)
