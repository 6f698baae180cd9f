"""A day's new scenes against a build from nothing: seconds and bytes of `pairs build`.

Two lakes get the same scenes: tiles of one degree seen every five days, and photographs of 0.06
degree, one a year, in summer. The last day is one in summer too, so that its scenes have pairs. One
lake is built at once, the other before its last day came, then again. Both must hold equally many
pairs. The first turn warms up.

    python benchmarks/bench_upkeep.py [--years 10] [--tiles 20] [--rounds 3]
"""

import argparse
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "tests" / "support"))

import numpy as np
import table_rows
from join.measure import machine
from pairs_world import DAY_US, Scene, put, recipe, scene_table, square, tile_table

from geosr_lake.lake import Lake
from geosr_lake.pairs.build import PairsSummary, build

RULE = recipe("sentinel2", "naip", "10 d")
START_US = 1_546_300_800_000_000
"""2019-01-01T00:00:00Z."""


def archive(years: int, tiles: int) -> list[Scene]:
    """Return the scenes of `tiles` by `tiles` tiles, with 25 photographs in each."""
    rng = np.random.default_rng(0)
    scenes, last = [], 365 * (years - 1) + 240
    for i in range(tiles * tiles):
        lon, lat = -110 + i % tiles, 35 + i // tiles
        tile = f"13S{chr(65 + i // tiles)}{chr(65 + i % tiles)}"
        shape, starts = square(lon, lat, 1.05), range(i % 5, last, 5)
        scenes += [Scene("sentinel2", tile, shape, START_US + day * DAY_US) for day in starts]
        for quad in range(25):
            x, y = lon + quad % 5 / 5, lat + quad // 5 / 5
            days = 365 * np.arange(years) + rng.integers(150, 270, years)
            starts = [START_US + int(day) * DAY_US for day in days if day < last]
            shape = square(x, y, 0.06)
            scenes += [Scene("naip", f"{tile}{quad}", shape, t, t + DAY_US) for t in starts]
    return scenes


def bytes_of(lake: Lake) -> int:
    """Return the bytes of all files that the pairs' tables ever had."""
    tables = [lake.root / "tables" / name for name in ("pairs", "tile_pairs")]
    return sum(file.stat().st_size for table in tables for file in table.rglob("*.parquet"))


def timed(lake: Lake) -> tuple[float, int, PairsSummary]:
    """Build, and return seconds, bytes written and the summary."""
    before, begun = bytes_of(lake), time.perf_counter()
    summary = build(lake, RULE)
    return time.perf_counter() - begun, bytes_of(lake) - before, summary


def add(lake: Lake, new: list[Scene], known: list[Scene]) -> None:
    """Bring `new` into a lake that has `known`, in one commit."""
    with lake.stage("scenes", "bench"):
        table_rows.add(lake, "scenes", scene_table(new))
        table_rows.put(lake, "tiles", tile_table([*known, *new]))


def main() -> None:
    """Time both in turns and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--years", type=int, default=10)
    parser.add_argument("--tiles", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    scenes = archive(asked.years, asked.tiles)
    last = max(s.start_us for s in scenes) - DAY_US
    old, new = ([s for s in scenes if (s.start_us > last) == late] for late in (False, True))
    took: dict[str, list[tuple[float, int]]] = {"from nothing": [], "increment": []}
    for turn in range(asked.rounds + 1):
        with tempfile.TemporaryDirectory() as folder:
            whole, grown = (Lake.create(Path(folder) / name) for name in ("whole", "grown"))
            put(whole, scenes)
            put(grown, old)
            build(grown, RULE)
            add(grown, new, old)
            results = {"from nothing": timed(whole), "increment": timed(grown)}
        pairs = {summary.pairs for _, _, summary in results.values()}
        if len(pairs) != 1 or results["increment"][2].from_nothing:
            sys.exit(f"The two do not agree: {sorted(pairs)} pairs")
        if turn:
            for name, (seconds, size, _) in results.items():
                took[name].append((seconds, size))
    peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"Machine: {machine()}; peak memory {peak_gb:.1f} GB, both lakes and the scenes in it\n")
    print(f"{len(scenes):,} scenes, {len(new):,} of them new; {min(pairs):,} pairs\n")
    print("| build | median s | written KiB | of from nothing |\n|---|---|---|---|")
    medians = {
        name: [statistics.median(column) for column in zip(*turns, strict=True)]
        for name, turns in took.items()
    }
    whole_s, whole_bytes = medians["from nothing"]
    for name, (seconds, size) in medians.items():
        share = f"{seconds / whole_s:.3f} of s, {size / whole_bytes:.4f} of bytes"
        print(f"| {name} | {seconds:.2f} | {size / 1024:,.1f} | {share} |")


if __name__ == "__main__":
    main()
