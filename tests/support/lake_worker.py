"""A process that has Spark ready and runs stages as it is told, a line of JSON each.

Started as a script. Says ``ready``; takes ``{"lake": ..., "sources": [...], "wait_s": ...,
"land_cover": ..., "stages": ["ingest", "pairs", "manifest"]}``; answers ``{"error": null}`` or
the class and text of what stopped it.
"""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil

SUPPORT = Path(__file__).parent


class Worker:
    """The process, as a test holds it."""

    def __init__(self) -> None:
        settings = {"GEOSR_MASTER": "local[2]", "GEOSR_DRIVER_MEMORY": "700m"}
        # It lives for seconds: compiling well would cost more than it brings.
        settings["JAVA_TOOL_OPTIONS"] = (
            "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=240m -XX:+UseSerialGC"
        )
        paths = [str(SUPPORT), str(SUPPORT.parents[1]), os.environ.get("PYTHONPATH", "")]
        self.process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=os.environ | settings | {"PYTHONPATH": os.pathsep.join(paths)},
        )

    def ready(self) -> "Worker":
        """Wait until Spark is there."""
        assert self._line() == "ready"
        return self

    def begin(self, lake: Path, stages: list[str], **more: Any) -> None:
        """Send a job."""
        asked = {"lake": str(lake), "stages": stages} | more
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(asked, default=str) + "\n")
        self.process.stdin.flush()

    def answer(self) -> str | None:
        """Wait for the end of the job; return its error."""
        found: str | None = json.loads(self._line())["error"]
        return found

    def run(self, lake: Path, stages: list[str], **more: Any) -> None:
        """Run a job that must end well."""
        self.begin(lake, stages, **more)
        assert (error := self.answer()) is None, error

    def kill(self, *, whole: bool = False) -> None:
        """Kill it with SIGKILL, with all that it has started; else these notice by themselves."""
        children = psutil.Process(self.process.pid).children(recursive=True) if whole else []
        for one in children:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()


def _do(asked: dict[str, Any]) -> None:
    import lake_v1_world as world

    from geosr_lake.lake import Lake
    from geosr_lake.manifest import build as build_manifest
    from geosr_lake.pairs.build import build as build_pairs
    from geosr_lake.scenes.ingest import ingest

    lake = Lake.create(asked["lake"], wait_s=asked.get("wait_s", 0.0))
    engine = asked.get("engine", "auto")
    for stage in asked["stages"]:
        if stage == "ingest":
            ingest(lake, asked["sources"], engine=engine)
        elif stage == "pairs":
            lake.refresh()
            build_pairs(lake, world.recipe(), engine=engine)
        else:
            build_manifest(lake, world.recipe(), Path(asked["land_cover"]))


def main() -> None:
    from geosr_lake.lake.session import spark_session

    spark_session().conf.set("spark.sql.shuffle.partitions", 2)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # nothing else may print where the answers go
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        try:
            _do(json.loads(line))
            error = None
        except Exception as problem:  # noqa: BLE001 - told to the test
            error = f"{type(problem).__name__}: {problem}"
        print(json.dumps({"error": error}), file=answers, flush=True)


if __name__ == "__main__":
    main()
