"""A lock that another holder has until it is told to let go."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from geosr_lake.lake.locks import lock
from geosr_lake.lake.place import Root


@contextmanager
def held(root: Root, stage: str) -> Iterator[Callable[[], None]]:
    """Hold a stage's lock in another thread; what it yields lets it go in three seconds."""
    taken, free = threading.Event(), threading.Event()

    def hold() -> None:
        with lock(root, stage):
            taken.set()
            free.wait()

    def let_go() -> None:
        timer = threading.Timer(3, free.set)
        timer.daemon = True
        timer.start()

    holder = threading.Thread(target=hold)
    holder.start()
    try:
        assert taken.wait(30)
        yield let_go
    finally:
        free.set()
        holder.join()
