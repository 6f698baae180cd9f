"""The join beside its peers: same acquisitions, same pairs, each a cold process on two cores.

Scenes are generated (`join/sky.py`), written as a lake and, for the peers, as Parquet. Ours runs
`geosr pairs build` from nothing: tile pairs, pairs with their overlap, and the write to the lake;
the others count the pairs, and where it says "our rows" write them with gap and overlap, planar, to
Parquet. A process that takes longer than `--cut` or more memory than
`--memory-gb` is stopped, counts as the cut, and is not run again. "The same done" is beside what
ours takes to count pairs where the other counts, and to write them where it writes them.

    python benchmarks/bench_join.py [--pair modis-landsat sentinel2-naip] [--years 1] [--rounds 3]
        [--only geosr_lake] [--cut 60] [--hours 6] [--cells landsat] [--keep FOLDER]
        [--skew 50] [--skew-side lr]
"""

import argparse
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
from join.inputs import checksums, write_sides
from join.measure import machine, tree_rss
from join.peers import COUNTED, IN_SPARK, OF_OURS, WAYS, WITH_ROWS, Task, run
from join.tested import BY_BOXES, box_pairs
from join.write import write

from geosr_lake.lake import ledger

DAYS = {"modis-landsat": 1, "sentinel2-naip": 15}
HOUR_US = 3_600_000_000


def child(name: str, task: Task, cut_s: float, memory_gb: float) -> dict[str, Any]:
    """Run one way in a new process, watched; `seconds` is the cut where it was stopped."""
    asked = json.dumps([name, str(task.lake), str(task.folder), task.lr, task.hr, task.window_us])
    here = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as said:
        begun = time.monotonic()
        started = subprocess.Popen([sys.executable, __file__, "--child", asked], stdout=out,
                                   stderr=said, env=here)  # fmt: skip
        watched, peak, why = psutil.Process(started.pid), 0, None
        start_s = 60 if name in IN_SPARK else 10  # of a session, and of Python with its imports
        while started.poll() is None:
            peak = max(peak, tree_rss(watched))
            if time.monotonic() - begun > cut_s + start_s:
                why = f"cut at {cut_s:.0f} s"
            elif peak > memory_gb * 1e9:
                why = f"more than {memory_gb:.0f} GB"
            if why:
                for one in [*watched.children(recursive=True), watched]:
                    one.kill()
            time.sleep(0.2)
        out.seek(0)
        said.seek(0)
        lines, errors = out.read().strip().splitlines(), said.read().strip().splitlines()
    none = {"start_s": 0.0, "seconds": cut_s, "cpu_s": 0.0, "sums": None, "tested": None}
    if why is None and started.returncode:
        told = [line for line in errors if "Error" in line or "Exception" in line] or errors
        why = f"failed: {told[-1].strip()[:200] if told else started.returncode}"
        none["seconds"] = math.nan
    found = none if why else json.loads(lines[-1])
    if found["seconds"] > cut_s:
        found, why = none, f"cut at {cut_s:.0f} s"
    return {**found, "peak_gb": peak / 1e9, "why": why}


def lake_of(args: argparse.Namespace, pair: str, years: int, folder: Path) -> Path:
    """Return the lake that is asked for, generated if it is not there."""
    marks = [pair, str(years), *(f"cells-{name}" for name in args.cells)]
    marks += [f"skew-{args.skew}-{args.skew_side}"] if args.skew > 1 else []
    lake = folder / "-".join(marks)
    if not lake.exists():
        begun = time.monotonic()
        lr, hr = pair.split("-")
        crowd = {lr if args.skew_side == "lr" else hr: args.skew}
        total = write(lake, (lr, hr), years, cells=tuple(args.cells), crowd=crowd)
        print(f"{lake.name}: {total:,} scenes in {time.monotonic() - begun:.0f} s")
    return lake


def compare(args: argparse.Namespace, pair: str, years: int, folder: Path) -> None:
    """Run all that is asked for and print the tables."""
    lr, hr = pair.split("-")
    lake = lake_of(args, pair, years, folder)
    sides = lake.with_name(f"{lake.name}-sides")
    took: dict[str, list[dict[str, Any]]] = {name: [] for name in args.only or WAYS}
    beside = not took.keys() <= OF_OURS
    if beside and not sides.exists():
        write_sides(lake, sides, lr, hr)
    hours = DAYS[pair] * 24 if args.hours is None else args.hours
    task = Task(lake, sides, lr, hr, hours * HOUR_US)
    truth: list[int] | None = None
    for _ in range(args.rounds):
        for name, dids in took.items():
            if dids and dids[-1]["why"]:
                continue  # what was stopped once would be again
            # Ours gets a lake without pairs each time: the same files under other names.
            own = replace(task, lake=lake.with_name(f"{lake.name}-own"))
            shutil.rmtree(own.lake, ignore_errors=True)
            shutil.copytree(lake, own.lake, copy_function=os.link)
            did = child(name, own, args.cut, args.memory_gb)
            if name in OF_OURS and did["sums"] and beside:
                columns = ["lr_scene_id", "hr_scene_id"]
                did["sums"] = checksums(ledger.read(own.lake, "pairs", columns=columns), sides)
            shutil.rmtree(own.lake)
            if name == COUNTED and did["sums"]:
                if truth and did["sums"][0] != truth[0]:
                    sys.exit(f"{name} found {did['sums'][0]}, not {truth[0]}")
                did["sums"] = None
            if did["sums"]:
                truth = truth or did["sums"]
                if did["sums"] != truth:
                    sys.exit(f"{name} found {did['sums']}, not {truth}")
            dids.append(did)
            print(f"  {name}: {did['seconds']:.1f} s {did['why'] or ''}", file=sys.stderr)
    print(f"\n{lake.name}, within {hours} hours: {truth[0] if truth else 0:,} pairs\n")
    _print_ways(took, box_pairs(sides) if took.keys() & BY_BOXES else None)
    for name in OF_OURS:
        if (mine := took.get(name)) and mine[-1]["sums"]:
            _print_ours(name, mine[-1])


def _print_ways(took: dict[str, list[dict[str, Any]]], by_boxes: int | None) -> None:
    middle = {name: statistics.median(d["seconds"] for d in dids) for name, dids in took.items()}
    print("| how | runs | median s | times ours | times ours, the same done | processor s "
          "| scene pairs tested | peak GB | start s | |\n"
          "|---|---|---|---|---|---|---|---|---|---|")  # fmt: skip
    for name, dids in took.items():
        cpu, last = statistics.median(d["cpu_s"] for d in dids), dids[-1]
        whole, same = (
            f"{middle[name] / middle[ours]:.2f}" if ours in middle else ""
            for ours in ("geosr_lake", "geosr_lake" if name in WITH_ROWS else COUNTED)
        )
        print(
            f"| {name} | {len(dids)} | {middle[name]:.1f} | {whole} | {same} | {cpu:.0f} "
            f"| {_tested(name, last['tested'], by_boxes)} | {max(d['peak_gb'] for d in dids):.1f} "
            f"| {last['start_s']:.0f} | {last['why'] or ''} |"
        )
    if by_boxes is not None:
        print("\n(boxes): all scene pairs whose boxes meet, whatever their times, counted apart: a "
              "plan that looks boxes up in a tree brings these to the exact test.")  # fmt: skip


def _tested(name: str, told: int | None, by_boxes: int | None) -> str:
    """Return how many scene pairs a way tests exactly, in words where it is not its own count."""
    if told is not None:
        return f"{told:,}"
    return f"{by_boxes:,} (boxes)" if name in BY_BOXES and by_boxes is not None else "not told"


def _print_ours(way: str, did: dict[str, Any]) -> None:
    """Print the steps of our way, and how even its tasks are."""
    print(f"\n| {way}: step | s | share |\n|---|---|---|")
    for name, seconds in did["steps"].items():
        print(f"| {name} | {seconds:.1f} | {seconds / did['seconds']:.0%} |")
    whole = sum(did["task_seconds"].values()) or 1.0
    print("\n| in the tasks | processor s | share |\n|---|---|---|")
    for name, seconds in did["task_seconds"].items():
        print(f"| {name} | {seconds:.1f} | {seconds / whole:.0%} |")
    print(f"\n{did['tile_pairs']:,} tile pairs; {did['exact']:,} exact tests; {did['layout']}")
    if "shuffled_mb" in did:
        print(
            f"{did['shuffled_mb']:.0f} MB shuffled; {did['in_longest_stage']} tasks in the longest "
            f"stage, {_evenness(did['median_task_s'], did['longest_task_s'])}"
        )
    if "median_task_us" in did:
        median, longest = (did[f"{which}_task_us"] / 1e6 for which in ("median", "longest"))
        print(f"Of the parts, in processor time, {_evenness(median, longest)}")


def _evenness(median_s: float, longest_s: float) -> str:
    times = f", {longest_s / median_s:.1f} times as long" if median_s else ""
    return f"the median {median_s:.2f} s, the longest {longest_s:.2f} s{times}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pair", nargs="+", choices=list(DAYS), default=list(DAYS))
    parser.add_argument("--years", type=int, nargs="+", default=[1])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=list(WAYS))
    parser.add_argument("--cut", type=float, default=60)
    parser.add_argument("--memory-gb", type=float, default=12)
    parser.add_argument("--hours", type=int, help="another window")
    parser.add_argument(
        "--skew", type=int, default=1, help="one tile with so many times the scenes"
    )
    parser.add_argument("--skew-side", choices=["lr", "hr"], default="hr", help="whose tile it is")
    parser.add_argument("--cells", nargs="*", default=[], help="sensors with cells for tiles")
    parser.add_argument("--keep", type=Path, help="where lakes stay and are used again")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        name, lake, sides, lr, hr, window_us = json.loads(args.child)
        print(json.dumps(run(name, Task(Path(lake), Path(sides), lr, hr, window_us))))
        return
    print(f"Machine: {machine()}")
    with tempfile.TemporaryDirectory() as folder:
        for pair in args.pair:
            for years in args.years:
                compare(args, pair, years, args.keep or Path(folder))


if __name__ == "__main__":
    main()
