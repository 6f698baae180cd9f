"""The ways to read a file of items, each run in a process of its own; `run` returns what it did."""

import contextlib
import json
import multiprocessing
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Did = tuple[int, float]
"""Items, and seconds without what a session takes to start."""


def ours(file: Path, folder: Path, *options: str) -> tuple[Did, float]:
    """`geosr scenes ingest FILE`, as the command line runs it, into a lake that is new."""
    import io

    started = time.perf_counter()
    from geosr_lake.cli.app import app

    words = ["scenes", "ingest", str(file), "--lake", str(folder / "lake"), "--json", *options]
    with contextlib.redirect_stdout(io.StringIO()) as out:
        app(words, standalone_mode=False)
    seconds = time.perf_counter() - started
    did = json.loads(out.getvalue())
    became = ("kept", "repeated", "unsupported", "quarantined", "withdrawn")
    if did["read"] != sum(did[name] for name in became) or did["scenes"] != did["kept"]:
        raise SystemExit(f"The accounts do not add up: {did}")
    return (did["read"], seconds), 0.0


def ours_with_spark(file: Path, folder: Path) -> tuple[Did, float]:
    """The same with `--spark`; the start of the session is apart."""
    from geosr_lake.lake.session import spark_session

    os.environ.setdefault("GEOSR_MASTER", "local[2]")
    begun = time.perf_counter()
    spark_session()
    start_s = time.perf_counter() - begun
    return ours(file, folder, "--spark")[0], start_s


def stac_geoparquet(file: Path, folder: Path) -> tuple[Did, float]:
    """stac-geoparquet: NDJSON to one file of GeoParquet."""
    import pyarrow.parquet as pq
    from stac_geoparquet.arrow import parse_stac_ndjson_to_parquet

    begun = time.perf_counter()
    parse_stac_ndjson_to_parquet(file, folder / "items.parquet")
    seconds = time.perf_counter() - begun
    return (pq.read_metadata(folder / "items.parquet").num_rows, seconds), 0.0


def rustac(file: Path, folder: Path) -> tuple[Did, float]:
    """rustac: read NDJSON, write GeoParquet."""
    import rustac as library

    begun = time.perf_counter()
    found = library.read_sync(str(file))
    library.write_sync(str(folder / "items.parquet"), found)
    return (len(found["features"]), time.perf_counter() - begun), 0.0


def _parse(file: Path, start: int, stop: int) -> int:
    import orjson

    number = 0
    with file.open("rb") as lines:
        if start:
            lines.seek(start - 1)
            lines.readline()
        while lines.tell() < stop and (line := lines.readline()):
            with contextlib.suppress(orjson.JSONDecodeError):
                orjson.loads(line)
            number += 1
    return number


def orjson_alone(file: Path, folder: Path) -> tuple[Did, float]:  # noqa: ARG001
    """orjson parses every line and drops it, on two cores: what cannot be beaten."""
    size = file.stat().st_size
    with multiprocessing.Pool(2) as pool:
        pool.map(str, range(2))
        begun = time.perf_counter()
        parts = [(file, 0, size // 2), (file, size // 2, size)]
        numbers = pool.starmap(_parse, parts)
        return (sum(numbers), time.perf_counter() - begun), 0.0


def pyarrow_alone(file: Path, folder: Path) -> tuple[Did, float]:  # noqa: ARG001
    """pyarrow reads all of a Parquet file, batch by batch, and drops it."""
    import pyarrow.parquet as pq

    begun = time.perf_counter()
    rows = sum(len(batch) for batch in pq.ParquetFile(file).iter_batches(8192))
    return (rows, time.perf_counter() - begun), 0.0


WAYS: dict[str, Callable[[Path, Path], tuple[Did, float]]] = {
    "geosr scenes ingest": ours,
    "geosr scenes ingest --spark": ours_with_spark,
    "stac-geoparquet": stac_geoparquet,
    "rustac": rustac,
    "orjson alone": orjson_alone,
    "pyarrow alone": pyarrow_alone,
}


def run(name: str, file: Path, folder: Path) -> dict[str, Any]:
    """Run one way; return items, seconds, and the seconds of the session's start."""
    (items, seconds), start_s = WAYS[name](file, folder)
    return {"items": items, "seconds": seconds, "start_s": start_s}
