"""The ingest beside its peers: real-shaped Sentinel-2 items, each way a cold process on two cores.

Ours is `geosr scenes ingest` as a user runs it: reading, quarantine, de-duplication, scenes, tiles
and the commit to Delta, from the import of the package on. With Spark it is run for the least of
the numbers. The peers turn a tenth of the items (without those that are broken, which
they do not read) into GeoParquet, and no more. The floor is orjson, which parses every line and
drops it. Peak memory is that of all processes of a run together; pages that processes share count
for each. Processor seconds are of the whole process, its start and that of the session too. With
`--growth` only ours is run, for each number of items, to show what grows with them.

    python benchmarks/bench_ingest.py [--items 200000 50000] [--data ../shared/data] [--rounds 3]
        [--only "geosr scenes ingest"] [--keep FOLDER] [--growth]
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
from ingest.items import write
from ingest.ways import run
from join.measure import machine, tree_rss

ITEMS = "items/sentinel2_colorado_2024.parquet"
OURS = "geosr scenes ingest"
LINES = (OURS, "stac-geoparquet", "rustac", "orjson alone")
LARGE = (OURS, "orjson alone")
SMALL = (*LARGE, "geosr scenes ingest --spark")
"""Of the least of the numbers of items that are asked for."""
COLUMNAR = (OURS, "pyarrow alone")


def child(name: str, file: Path) -> dict[str, Any]:
    """Run one way in a new process, and watch its memory."""
    here = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    with tempfile.TemporaryDirectory(dir=file.parent) as folder, tempfile.TemporaryFile() as out:
        asked = json.dumps([name, str(file), folder])
        words = [sys.executable, __file__, "--child", asked]
        started = subprocess.Popen(words, stdout=out, env=here)
        watched, peak, spent = psutil.Process(started.pid), 0, {}
        while started.poll() is None:
            peak = max(peak, tree_rss(watched))
            spent |= cpu_seconds(watched)
            time.sleep(0.2)
        if started.returncode:
            sys.exit(f"{name} failed")
        out.seek(0)
        return {**json.loads(out.read().splitlines()[-1]), "peak_gb": peak / 1e9,
                "cpu_s": sum(spent.values())}  # fmt: skip


def cpu_seconds(process: psutil.Process) -> dict[int, float]:
    """Return what a process and all below it have had of the processors, by process id."""
    spent = {}
    for one in [process, *process.children(recursive=True)]:
        try:
            times = one.cpu_times()
        except psutil.Error:
            continue
        spent[one.pid] = times.user + times.system
    return spent


def table(title: str, file: Path, took: dict[str, list[dict[str, Any]]], base: str) -> None:
    """Print medians; `base` is the way that the others are compared with."""
    rate = {
        name: dids[0]["items"] / statistics.median(did["seconds"] for did in dids)
        for name, dids in took.items()
    }
    print(f"\n{title} ({file.stat().st_size / 1e9:.2f} GB)\n")
    print(f"| how | items | s | items/s | of {base} | CPU s | peak GB | session start s |")
    print("|---|---|---|---|---|---|---|---|")
    for name, dids in took.items():
        seconds = statistics.median(did["seconds"] for did in dids)
        share = f"{rate[name] / rate[base]:.2f}" if base in rate else ""
        print(
            f"| {name} | {dids[0]['items']:,} | {seconds:.1f} | {rate[name]:,.0f} | {share} "
            f"| {statistics.median(did['cpu_s'] for did in dids):.0f} "
            f"| {max(did['peak_gb'] for did in dids):.2f} | {dids[-1]['start_s']:.0f} |",
            flush=True,
        )


def compare(
    title: str, file: Path, ways: tuple[str, ...], base: str, args: argparse.Namespace
) -> None:
    asked = [name for name in ways if not args.only or name in args.only]
    took: dict[str, list[dict[str, Any]]] = {name: [] for name in asked}
    for _ in range(args.rounds):
        for name in asked:
            did = child(name, file)
            took[name].append(did)
            print(f"  {name}: {did['items']:,} in {did['seconds']:.1f} s", file=sys.stderr)
    table(title, file, took, base)


def made(data: Path, file: Path, count: int, *, odd: bool = True) -> Path:
    """Return the file of so many items, written where it is not there."""
    if not file.exists():
        write(data / ITEMS, file, count, odd=odd)
    return file


def growth(folder: Path, args: argparse.Namespace) -> None:
    """Print what ours takes for each of some numbers of items."""
    print(f"\n{OURS}, NDJSON\n\n| items | GB | s | items/s | peak GB |\n|---|---|---|---|---|")
    for count in sorted(args.items):
        file = made(args.data, folder / f"sentinel2-{count}.ndjson", count)
        dids = [child(OURS, file) for _ in range(args.rounds)]
        seconds = statistics.median(did["seconds"] for did in dids)
        peak, size = max(did["peak_gb"] for did in dids), file.stat().st_size / 1e9
        rate = count / seconds
        print(f"| {count:,} | {size:.1f} | {seconds:.1f} | {rate:,.0f} | {peak:.2f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, nargs="+", default=[200_000, 50_000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--growth", action="store_true")
    parser.add_argument("--keep", type=Path, help="where files of items stay and are used again")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        name, file, folder = json.loads(args.child)
        print(json.dumps(run(name, Path(file), Path(folder))))
        return
    if not (args.data / ITEMS).is_file():
        sys.exit(
            f"The real items are not here: {args.data / ITEMS} (name their folder with --data)"
        )
    print(f"Machine: {machine()}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        if args.growth:
            growth(folder, args)
            return
        for count in args.items:
            file = made(args.data, folder / f"sentinel2-{count}.ndjson", count)
            ways = SMALL if count == min(args.items) else LARGE
            compare(f"NDJSON, {count:,} items", file, ways, "orjson alone", args)
        tenth = max(args.items) // 10
        sound = made(args.data, folder / f"sentinel2-{tenth}-sound.ndjson", tenth, odd=False)
        compare(f"NDJSON, {tenth:,} sound items", sound, LINES, "orjson alone", args)
        columnar = folder / f"sentinel2-{tenth}.parquet"
        if not columnar.exists():
            print("  writing GeoParquet", file=sys.stderr)
            from ingest.ways import stac_geoparquet

            with tempfile.TemporaryDirectory(dir=folder) as other:
                stac_geoparquet(sound, Path(other))
                shutil.move(Path(other) / "items.parquet", columnar)
        compare(f"stac-geoparquet, {tenth:,} items", columnar, COLUMNAR, "pyarrow alone", args)


if __name__ == "__main__":
    main()
