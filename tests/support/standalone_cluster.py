"""A standalone Spark cluster on loopback: a master and workers from the pyspark wheel.

python tests/support/standalone_cluster.py FOLDER    # until Ctrl-C; logs lie in FOLDER
"""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pyspark

SPARK = Path(pyspark.__file__).parent
START_S = 90
HOST = "127.0.0.1"


def submit(
    master: str, folder: Path, *arguments: str, environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run `spark-submit` of the wheel, in a folder where there is no checkout."""
    from geosr_lake.lake.session import ivy_dir

    command = [
        str(SPARK / "bin" / "spark-submit"),
        *("--master", master, "--driver-memory", "1g"),
        *("--conf", "spark.executor.memory=768m", "--conf", "spark.driver.host=127.0.0.1"),
        *("--conf", "spark.driver.bindAddress=127.0.0.1", "--conf", "spark.ui.enabled=false"),
        *("--conf", "spark.sql.shuffle.partitions=2"),
        *("--conf", f"spark.jars.ivy={ivy_dir()}"),
        *arguments,
    ]
    return subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=540,
        check=False,
    )


@contextmanager
def standalone_cluster(folder: Path, *, workers: int = 2) -> Iterator[str]:
    """Start a master and `workers` of one core each; give the master's URL.

    The workers' processes know neither the checkout nor the caller's folder. All are stopped by
    their ids, the executors they started too.
    """
    away = folder / "elsewhere"
    away.mkdir(parents=True)
    outside = {k: v for k, v in os.environ.items() if k not in {"PYTHONPATH", "SPARK_HOME"}}
    environment = outside | {
        "SPARK_HOME": str(SPARK),
        "SPARK_LOCAL_IP": HOST,
        "SPARK_DAEMON_MEMORY": "256m",
        "SPARK_WORKER_DIR": str(folder / "work"),
        "PYSPARK_PYTHON": sys.executable,
    }
    started: list[subprocess.Popen[bytes]] = []

    def start(name: str, cls: str, *arguments: str) -> Path:
        log = folder / f"{name}.log"
        command = [str(SPARK / "bin" / "spark-class"), f"org.apache.spark.deploy.{cls}", *arguments]
        with log.open("wb") as file:
            started.append(
                subprocess.Popen(command, cwd=away, env=environment, stdout=file, stderr=file)
            )
        return log

    here = ("--host", HOST, "--port", "0", "--webui-port", "0")
    try:
        log = start("master", "master.Master", *here)
        master = _wait(log, re.compile(r"Starting Spark master at (spark://\S+)"))
        logs = [
            start(f"worker-{n}", "worker.Worker", *here, "--cores", "1", "--memory", "1g", master)
            for n in range(workers)
        ]
        for worker in logs:
            _wait(worker, re.compile("(Successfully registered) with master"))
        yield master
    finally:
        _stop(started)


def _wait(log: Path, pattern: re.Pattern[str]) -> str:
    """Return what the log says once it says it."""
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        if found := pattern.search(log.read_text(errors="replace")):
            return found[1]
        time.sleep(0.2)
    raise TimeoutError(f"{log} does not say {pattern.pattern}: {log.read_text()[-2000:]}")


def _stop(started: list[subprocess.Popen[bytes]]) -> None:
    processes = []
    for process in started:
        try:
            parent = psutil.Process(process.pid)
            processes += [*parent.children(recursive=True), parent]
        except psutil.NoSuchProcess:
            continue
    for one in processes:
        try:
            one.terminate()
        except psutil.NoSuchProcess:
            continue
    _, alive = psutil.wait_procs(processes, timeout=20)
    for one in alive:
        one.kill()


if __name__ == "__main__":
    with standalone_cluster(Path(sys.argv[1])) as url:
        sys.stdout.write(f"{url}\n")
        sys.stdout.flush()
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            pass
