"""What processes of a pool run in tests: they must be able to import it."""

import os
from collections.abc import Iterator


def squares(count: int) -> Iterator[int]:
    """Say squares, and fail in one of several ways after some of them."""
    for i in range(count):
        yield i * i
    if count == 3:
        from geosr_lake.errors import UsageError

        raise UsageError("three", where="here")
    if count == 4:
        raise ValueError("four")
    if count == 5:
        os._exit(1)
