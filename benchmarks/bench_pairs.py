"""The pairs join beside its peers: one spatial join in Sedona, and a script with shapely.

All three read the same Parquet file of generated scenes, in one run and in turns, and must find
equally many pairs. Printed are medians and their ratio to the script's. The archive: tiles of one
degree seen every five days, and photographs of 0.06 degree, one a year.

    python benchmarks/bench_pairs.py [--years 1 4] [--tiles 5] [--rounds 5]
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import shapely
from pyspark.sql import SparkSession

sys.path.append(str(Path(__file__).parents[1] / "tests" / "support"))

from pairs_world import DAY_US, Scene, recipe, scene_table, square, tile_table

from geosr_lake.lake.frames import from_arrow
from geosr_lake.lake.session import spark_session
from geosr_lake.pairs.find import find
from geosr_lake.pairs.space import meet

WINDOW_D = 10
RULE = recipe("sentinel2", "naip", f"{WINDOW_D} d").pairs
START_US = 1_546_300_800_000_000
"""2019-01-01T00:00:00Z."""


def archive(years: int, tiles: int) -> list[Scene]:
    """Return the scenes of `tiles` by `tiles` tiles, with 25 photographs in each."""
    rng = np.random.default_rng(0)
    scenes = []
    for i in range(tiles * tiles):
        lon, lat = -110 + i % tiles, 35 + i // tiles
        tile = f"13S{chr(65 + i // tiles)}{chr(65 + i % tiles)}"
        shape, starts = square(lon, lat, 1.05), range(i % 5, 365 * years, 5)
        scenes += [Scene("sentinel2", tile, shape, START_US + day * DAY_US) for day in starts]
        for quad in range(25):
            x, y = lon + quad % 5 / 5, lat + quad // 5 / 5
            days = 365 * np.arange(years) + rng.integers(150, 270, years)
            starts = [START_US + int(day) * DAY_US for day in days]
            shape = square(x, y, 0.06)
            scenes += [Scene("naip", f"{tile}{quad}", shape, t, t + DAY_US) for t in starts]
    return scenes


def factorized(spark: SparkSession, path: Path, tiles: pa.Table) -> int:
    """The package's join: tiles meet, then scenes by tile and time, then geometry."""
    held = from_arrow(spark, tiles)
    lr, hr = (held.where(held["sensor"] == name) for name in ("sentinel2", "naip"))
    met = meet(lr, hr).toArrow()
    scenes = spark.read.parquet(str(path))
    with find(scenes, scenes, met, RULE) as found:
        return found.rows.count()


def one_join(spark: SparkSession, path: Path) -> int:
    """Space and time in the condition of one join."""
    spark.read.parquet(str(path)).createOrReplaceTempView("bench_scenes")
    query = """
        WITH s AS (SELECT *, ST_GeomFromWKB(footprint_wkb) AS shape FROM bench_scenes)
        SELECT count(*) AS n FROM s l JOIN s h
        ON l.sensor = 'sentinel2' AND h.sensor = 'naip' AND ST_Intersects(l.shape, h.shape)
        AND unix_micros(h.t_start) - unix_micros(l.t_end) <= :window
        AND unix_micros(l.t_start) - unix_micros(h.t_end) <= :window
    """
    return int(spark.sql(query, args={"window": WINDOW_D * DAY_US}).collect()[0]["n"])


def script(path: Path) -> int:
    """A tree of shapely's, then the window in numpy."""
    table = pq.read_table(path, columns=["sensor", "t_start", "t_end", "footprint_wkb"])
    sensor = table["sensor"].to_numpy(zero_copy_only=False)
    begin, end = (table[n].cast(pa.int64()).to_numpy() for n in ("t_start", "t_end"))
    shapes = shapely.from_wkb(table["footprint_wkb"].to_numpy(zero_copy_only=False))
    lr, hr = (np.flatnonzero(sensor == name) for name in ("sentinel2", "naip"))
    a, b = shapely.STRtree(shapes[lr]).query(shapes[hr], predicate="intersects")
    h, s = hr[a], lr[b]
    gap = np.maximum(begin[h] - end[s], begin[s] - end[h])
    return int((gap <= WINDOW_D * DAY_US).sum())


def main() -> None:
    """Time the three in turns and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--years", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--tiles", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    spark = spark_session(tell=print)
    print(
        "| years | scenes | pairs | how | median s | times the script |\n|---|---|---|---|---|---|"
    )
    for years in asked.years:
        with tempfile.TemporaryDirectory() as folder:
            scenes = archive(years, asked.tiles)
            path = Path(folder) / "scenes.parquet"
            pq.write_table(scene_table(scenes), path)
            tiles = tile_table(scenes)
            ways: dict[str, Callable[[], int]] = {
                "geosr_lake": lambda p=path, t=tiles: factorized(spark, p, t),
                "one join in Sedona": lambda p=path: one_join(spark, p),
                "script with shapely": lambda p=path: script(p),
            }
            took: dict[str, list[float]] = {name: [] for name in ways}
            pairs = set()
            for turn in range(asked.rounds + 1):
                for name, way in ways.items():
                    begun = time.perf_counter()
                    pairs.add(way())
                    if turn:  # the first turn warms up
                        took[name].append(time.perf_counter() - begun)
            if len(pairs) != 1:
                sys.exit(f"The three do not agree: {sorted(pairs)} pairs")
        medians = {name: statistics.median(seconds) for name, seconds in took.items()}
        for name, median in medians.items():
            ratio = median / medians["script with shapely"]
            said = (years, f"{len(scenes):,}", f"{min(pairs):,}", name, f"{median:.2f}")
            print(f"| {' | '.join(map(str, said))} | {ratio:.1f} |")
    spark.stop()


if __name__ == "__main__":
    main()
