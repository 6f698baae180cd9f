"""A process that brings days of an API into a lake and is killed at a chosen point."""

import os
import signal
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

REPO = Path(__file__).parents[2]
COLLECTION = "landsat-c2-l2"
DAYS = (date(2024, 7, 25), date(2024, 8, 8))


def killed(
    lake: Path | str,
    url: str,
    point: str,
    *,
    after: int = 0,
    batch: int = 2**29,
    days: tuple[date, date] = DAYS,
) -> None:
    """Run the process, and see that it dies.

    Args:
        lake: The lake.
        url: The API.
        point: Where it is killed, one of the keys in `_main`.
        after: So many times it lives through that point.
        batch: Bytes of spooled items that are ingested at once.
        days: First and last day.
    """
    env = {**os.environ, "PYTHONPATH": str(REPO)}
    first, last = (day.isoformat() for day in days)
    words = [str(lake), url, point, str(after), str(batch), first, last]
    done = subprocess.run(
        [sys.executable, __file__, *words], env=env, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == -signal.SIGKILL, done.stderr[-2000:]


def _kill_at(where: Any, name: str, after: int, *, before: bool) -> None:
    """Let a function of `where` kill this process, before or after it did its work."""
    real, left = getattr(where, name), after

    def call(*args: Any, **options: Any) -> Any:
        nonlocal left
        left -= 1
        if before and left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        result = real(*args, **options)
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(where, name, call)


def _main(lake: str, url: str, point: str, after: str, batch: str, first: str, last: str) -> None:
    from geosr_lake.lake import Lake
    from geosr_lake.net.apis import api_of
    from geosr_lake.scenes import live, spool

    points = {
        "page": (spool.Draft, "add", False),
        "spooled": (spool.Draft, "finish", False),
        "derived": (live._Run, "_write_rows", True),
        "rows": (live._Run, "_write_rows", False),
        "committed": (spool, "remove", True),
    }
    where, name, before = points[point]
    _kill_at(where, name, int(after), before=before)
    live.BATCH_BYTES = int(batch)
    days = (date.fromisoformat(first), date.fromisoformat(last))
    asked = live.Wanted(api_of(url), (COLLECTION,), days, rate=100.0)
    live.ingest_api(Lake.create(lake), asked)


if __name__ == "__main__":
    _main(*sys.argv[1:])
