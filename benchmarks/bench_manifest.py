"""A manifest of full size from archives of growing length: quotas fixed, seconds by step.

Sentinel-2 and NAIP over the conterminous US are generated (`join/sky.py`) and paired within a
window. All subsets of the shipped recipe `s2_naip` are chosen, 22,000 samples with 2,200 reserves:
from the grid, from Vermont alone, and from chips, which are generated as the land cover is (towns
on one in twenty pixels of a kilometre; `--finer 36` writes them in pixels of 30 m). Each build is
a process of its own, and so is the dry run before it, whose numbers are held against what is built.

    python benchmarks/bench_manifest.py [--years 1 3 10] [--days 26] [--scale 1] [--finer 1]
        [--keep FOLDER]
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import yaml
from join.measure import machine, tree_rss
from join.write import write

URBAN = 1
CHIPS = {
    "chesapeakersc": (30_000, 512.0, (-77.5, 37.9, -75.1, 39.7)),
    "chm_naip": (20_000, 256.0, (-120.0, 30.0, -75.0, 47.0)),
    "treefinder": (20_000, 134.4, (-120.0, 30.0, -75.0, 47.0)),
}
"""Number of chips, edge in metres, and where they lie."""


def land_cover(path: Path, finer: int = 1) -> Path:
    """Write towns of the US, 0.01 degree wide or more, among patches of three other classes.

    Args:
        path: The new GeoTIFF.
        finer: Pixels along 0.01 degree; 36: 30 m, as the layers of the shipped recipes have them.
    """
    import rasterio
    from rasterio.transform import from_origin
    from rasterio.windows import Window

    rng = np.random.default_rng(1)
    rows, cols = 2_600, 6_000
    towns = np.zeros((rows, cols), bool)
    for row, col in zip(rng.integers(0, rows, 12_000), rng.integers(0, cols, 12_000), strict=True):
        reach = int(rng.gamma(1.5, 2.5)) + 1
        towns[max(0, row - reach) : row + reach, max(0, col - reach) : col + reach] = True
    edge = 0.01 / finer
    profile = {"driver": "GTiff", "width": cols * finer, "height": rows * finer, "count": 1}
    profile |= {
        "dtype": "uint8",
        "crs": "EPSG:4326",
        "transform": from_origin(-126, 50, edge, edge),
    }
    profile |= {"tiled": True, "blockxsize": 512, "blockysize": 512, "bigtiff": "if_safer"}
    profile |= {"compress": "deflate", "zlevel": 1, "num_threads": 2}
    # Patches of eight pixels; 128 rows of 0.01 degree are whole rows of blocks.
    tall = 128
    patches = rng.integers(2, 5, (tall * finer // 8 + 1, cols * finer // 8 + 1), dtype=np.uint8)
    fields = _wider(patches, 8)[: tall * finer, : cols * finer]
    with rasterio.open(path, "w", **profile) as target:
        for top in range(0, rows, tall):
            part = _wider(towns[top : top + tall], finer)
            classes = np.where(part, np.uint8(URBAN), fields[: len(part)])
            target.write(classes, 1, window=Window(0, top * finer, *classes.shape[::-1]))
    return path


def _wider(pixels: Any, by: int) -> Any:
    return np.repeat(np.repeat(pixels, by, axis=0), by, axis=1)


def chips(folder: Path) -> dict[str, Path]:
    """Write the chips of each product, squares at random."""
    import geopandas
    import shapely

    files = {}
    for number, (name, (count, size_m, (west, south, east, north))) in enumerate(CHIPS.items()):
        rng = np.random.default_rng(number)
        lon, lat = rng.uniform(west, east, count), rng.uniform(south, north, count)
        tall = size_m / 111_000 / 2
        wide = tall / np.cos(np.radians(lat))
        shapes = shapely.box(lon - wide, lat - tall, lon + wide, lat + tall)
        files[name] = folder / f"{name}.parquet"
        geopandas.GeoDataFrame(geometry=shapes, crs=4326).to_parquet(files[name])
    return files


def recipe(days: int, scale: float = 1.0) -> Any:
    from geosr_lake.recipe import parse_recipe, recipe_text

    text, _ = recipe_text("s2_naip")
    told = yaml.safe_load(text)
    told["pairs"] = {
        "lr": {"sensor": "sentinel2"},
        "hr": {"sensor": "naip"},
        "window": f"{days} d",
    }
    told["select"]["urban"] = {"layer": "made", "classes": [URBAN], "min_frac": 0.25}
    told["select"]["scale"] = scale
    return parse_recipe(yaml.safe_dump(told))


def dry(lake: str, cover: str, files: dict[str, str], days: int, scale: float) -> dict[str, Any]:
    """Predict the manifest in this process."""
    from geosr_lake.lake import Lake
    from geosr_lake.manifest import Files
    from geosr_lake.manifest.predict import predict

    given = Files({name: Path(path) for name, path in files.items()})
    found = predict(Lake.open(lake), recipe(days, scale), Path(cover), files=given)
    return {
        "seconds": found.seconds,
        "cpu_s": sum(os.times()[:2]),
        "frac": found.frac,
        "cells": [
            [cell.subset, cell.stratum, cell.asked, cell.samples, cell.plus_minus, cell.met]
            for cell in found.cells
        ],
    }


def child(lake: str, cover: str, files: dict[str, str], days: int, scale: float) -> dict[str, Any]:
    """Build the manifest in this process."""
    from join.peers import Laps

    from geosr_lake.lake import Lake
    from geosr_lake.manifest import Files, build

    laps, begun = Laps(), time.perf_counter()
    given = Files({name: Path(path) for name, path in files.items()})
    summary = build(Lake.open(lake), recipe(days, scale), Path(cover), files=given, progress=laps)
    for cell in summary.quotas:
        if cell.reason:
            print(f"{cell.subset}: {cell.samples} of {cell.asked}: {cell.reason}", file=sys.stderr)
    laps.start("End")
    return {
        "seconds": time.perf_counter() - begun,
        "cpu_s": sum(os.times()[:2]),
        "steps": laps.seconds,
        "pairs": summary.pairs,
        "tile_pairs": summary.tile_pairs,
        "sites": summary.sites_found,
        "drawn": summary.sites_drawn,
        "candidates": summary.candidates,
        "samples": summary.samples,
        "reserves": summary.reserves,
        "per_tile_pair": summary.sites_per_tile_pair,
        "manifest": summary.manifest_id,
        "cells": [cell.samples for cell in summary.quotas],
    }


def lake_of(folder: Path, years: int, days: int) -> Path:
    """Return the lake of so many years with its pairs, made if it is not there."""
    from geosr_lake.lake import Lake
    from geosr_lake.pairs.build import build

    lake = folder / f"manifest-{years}-{days}"
    if not lake.exists():
        begun = time.monotonic()
        scenes = write(lake, ("sentinel2", "naip"), years)
        pairs = build(Lake.open(lake), recipe(days)).pairs
        took = time.monotonic() - begun
        print(f"{years} years: {scenes:,} scenes, {pairs:,} pairs, made in {took:.0f} s")
    return lake


def measured(what: str, *given: Any) -> dict[str, Any]:
    """Build, or predict, in a new process, and return what it says with its peak memory."""
    asked = json.dumps([what, *given], default=str)
    here = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    with tempfile.TemporaryFile("w+") as out:
        started = subprocess.Popen(
            [sys.executable, __file__, "--child", asked], stdout=out, env=here
        )
        watched, peak = psutil.Process(started.pid), 0
        while started.poll() is None:
            peak = max(peak, tree_rss(watched))
            time.sleep(0.2)
        if started.returncode:
            sys.exit(started.returncode)
        out.seek(0)
        return json.loads(out.read().splitlines()[-1]) | {"peak_gb": peak / 1e9}


def show_predictions(
    years: list[int], told: list[dict[str, Any]], found: list[dict[str, Any]]
) -> None:
    """Print what dry runs took of the builds' time, and what they said beside what was built."""
    print("\n| dry run, years | share of the sites | s | of the build's | cpu s | of the build's |")
    print(f"|{'---|' * 6}")
    for n, dry_run, built in zip(years, told, found, strict=True):
        shares = (
            f"{dry_run[name]:.1f} | {dry_run[name] / built[name]:.0%}"
            for name in ("seconds", "cpu_s")
        )
        print(f"| {n} | {dry_run['frac']:.1%} | {' | '.join(shares)} |")
    print("\n| years | subset | stratum | asked | predicted | plus or minus | built |")
    print(f"|{'---|' * 7}")
    for n, dry_run, built in zip(years, told, found, strict=True):
        for (*cell, error, met), samples in zip(dry_run["cells"], built["cells"], strict=True):
            row = [n, *cell, "met" if met else error, samples]
            print(f"| {' | '.join(map(str, row))} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--years", type=int, nargs="+", default=[1, 3, 10])
    parser.add_argument("--days", type=int, default=26, help="the window; 26: 15 million pairs")
    parser.add_argument("--scale", type=float, default=1.0, help="factor on every quota")
    parser.add_argument("--finer", type=int, default=1, help="land cover's pixels in 0.01 degree")
    parser.add_argument("--keep", type=Path, help="where lakes stay and are used again")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        what, *given = json.loads(args.child)
        print(json.dumps((dry if what == "dry" else child)(*given)))
        return
    print(f"Machine: {machine()}")
    with tempfile.TemporaryDirectory() as made:
        folder = args.keep or Path(made)
        cover = land_cover(Path(made) / "land_cover.tif", args.finer)
        files = chips(Path(made))
        found, told = [], []
        for n in args.years:
            given = (lake_of(folder, n, args.days), cover, files, args.days, args.scale)
            told.append(measured("dry", *given))
            found.append(measured("build", *given))
    names = ["years", *(key for key in found[0] if key not in ("steps", "manifest", "cells"))]
    print(f"\n| {' | '.join(names)} |\n|{'---|' * len(names)}")
    for years, row in zip(args.years, found, strict=True):
        cells = [f"{v:,.1f}" if isinstance(v, float) else f"{v:,}" for k, v in row.items()
                 if k in names]  # fmt: skip
        print(f"| {years} | {' | '.join(cells)} |")
    steps = list(dict.fromkeys(step for row in found for step in row["steps"]))
    print(f"\n| step, s | {' | '.join(str(n) for n in args.years)} |\n|{'---|' * (len(found) + 1)}")
    for step in steps:
        seconds = (f"{row['steps'].get(step, 0.0):.1f}" for row in found)
        print(f"| {step} | {' | '.join(seconds)} |")
    show_predictions(args.years, told, found)


if __name__ == "__main__":
    main()
