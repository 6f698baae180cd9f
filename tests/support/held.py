"""A lock that another holder has for a while."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from geosr_lake.lake.locks import lock
from geosr_lake.lake.place import Root


@contextmanager
def held(root: Root, stage: str, seconds: float) -> Iterator[None]:
    """Hold a stage's lock from now on for `seconds`, in another thread."""
    taken = threading.Event()

    def hold() -> None:
        with lock(root, stage):
            taken.set()
            threading.Event().wait(seconds)

    holder = threading.Thread(target=hold)
    holder.start()
    assert taken.wait(30)
    yield
    holder.join()
