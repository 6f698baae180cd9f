"""Dask: maps the one function over the plan, with a bounded number of shards in flight."""

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import islice
from tempfile import TemporaryDirectory
from typing import Any

from geosr_lake.cubes.jobs import ShardResult
from geosr_lake.cubes.shard import ShardTask, write_shard

IN_FLIGHT_PER_WORKER = 2
"""Shards handed out for each thread or process: one it works on, one that waits for it."""

_LOOPBACK = "127.0.0.1"


@contextmanager
def local_client(workers: int, *, processes: bool) -> Iterator[Any]:
    """Start Dask on this machine and give its client; nothing listens beyond the machine.

    Args:
        workers: Threads, or processes of one thread each.
        processes: Use processes: for sources whose decoding holds Python's lock.
    """
    import dask
    import distributed

    dask_types: Any = distributed  # they carry none
    # No page and no route is served; what still listens, listens on this machine only.
    routes = ("distributed.scheduler.http.routes", "distributed.worker.http.routes")
    with (
        TemporaryDirectory(prefix="geosr-cubes-") as scratch,
        dask.config.set({route: [] for route in routes}),
        dask_types.LocalCluster(
            n_workers=workers if processes else 1,
            threads_per_worker=1 if processes else workers,
            processes=processes,
            host=_LOOPBACK if processes else None,
            dashboard_address=f"{_LOOPBACK}:0",
            worker_dashboard_address=f"{_LOOPBACK}:0",
            scheduler_kwargs={"dashboard": False},
            memory_limit=0,
            local_directory=scratch,
            silence_logs=logging.CRITICAL,
        ) as cluster,
        dask_types.Client(cluster, set_as_default=False) as client,
    ):
        yield client


def run_tasks(
    tasks: list[ShardTask], *, workers: int, processes: bool, client: Any | None = None
) -> Iterator[ShardResult]:
    """Yield each shard's result as it comes, in any order.

    Args:
        tasks: What to write.
        workers: Threads or processes, for a cluster on this machine.
        processes: Which of the two.
        client: A Dask client of a cluster elsewhere that sees the same folders; None: one is
            started here, and stopped at the end.
    """
    if not tasks:
        return
    import distributed

    as_completed: Any = distributed.as_completed

    with ExitStack() as stack:
        if client is None:
            client = stack.enter_context(local_client(workers, processes=processes))
        waiting = iter(tasks)
        threads = sum(client.nthreads().values()) or workers
        first = islice(waiting, threads * IN_FLIGHT_PER_WORKER)
        futures = as_completed([_submit(client, task) for task in first], loop=client.loop)
        # Left early, by an error or Ctrl-C: what has not begun is not begun.
        stack.callback(lambda: client.cancel(list(futures.futures)))
        for future in futures:
            yield future.result()
            # Dask keeps a result as long as its future lives.
            future.release()
            for task in islice(waiting, 1):
                futures.add(_submit(client, task))


def _submit(client: Any, task: ShardTask) -> Any:
    key = f"shard-{task.plan.plan_hash}-{task.plan.split}-{task.plan.shard}"
    return client.submit(write_shard, task, key=key, pure=False, retries=0)
