"""Worlds of scenes made by hand, as rows of `scenes` and `tiles`, for the tests of pairs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import shapely
import table_rows
from pyspark.sql import DataFrame, Row, SparkSession
from shapely.geometry.base import BaseGeometry

from geosr_lake import ids
from geosr_lake.lake import Lake, ledger, tables
from geosr_lake.lake.frames import from_arrow
from geosr_lake.pairs import here
from geosr_lake.pairs.find import find
from geosr_lake.pairs.scenes import SIDES, passes
from geosr_lake.pairs.space import meet
from geosr_lake.recipe import PairRule, Recipe

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
SENSORS = ("modis", "landsat", "sentinel2", "naip")
NOON_2024_US = 1_717_243_200_000_000
"""2024-06-01T12:00:00Z."""


def at(us: int) -> datetime:
    return EPOCH + timedelta(microseconds=us)


@dataclass(frozen=True)
class Scene:
    """One acquisition; `end_us` None is an instant."""

    sensor: str
    tile: str
    footprint: BaseGeometry
    start_us: int
    end_us: int | None = None
    name: str = ""
    product: str = "P.1"
    platform: str | None = "p"

    @property
    def until_us(self) -> int:
        return self.start_us if self.end_us is None else self.end_us

    @property
    def scene_id(self) -> str:
        return ids.scene_id(self.sensor, self.tile, str(self.start_us), self.name)

    @property
    def wkb(self) -> bytes:
        return shapely.to_wkb(shapely.normalize(self.footprint), byte_order=1)

    def row(self) -> dict[str, Any]:
        west, south, east, north = self.footprint.bounds
        return {
            "scene_id": self.scene_id,
            "sensor": self.sensor,
            "product": self.product,
            "platform": self.platform,
            "tile": self.tile,
            "group_key": self.tile,
            "standalone": False,
            "t_start": at(self.start_us),
            "t_end": at(self.until_us),
            "xmin": west,
            "ymin": south,
            "xmax": east,
            "ymax": north,
            "footprint_id": ids.footprint_id(self.wkb),
            "footprint_wkb": self.wkb,
            "archive": "made",
            "collection": "made",
            "item_id": self.name,
            "content_hash": "",
            "assets": [],
            "superseded": [],
        }


def square(lon: float, lat: float, size: float = 1.0) -> shapely.Polygon:
    return shapely.box(lon, lat, lon + size, lat + size)


def _extent(scenes: list[Scene]) -> BaseGeometry:
    """The union of the scenes' bounds: one box, or one on each side of the antimeridian."""
    halves = []
    for west, east in ((-180.0, 0.0), (0.0, 180.0)):
        parts = [
            part
            for scene in scenes
            for part in shapely.get_parts(scene.footprint)
            if west <= part.centroid.x <= east
        ]
        if parts:
            halves.append(shapely.box(*shapely.total_bounds(parts)))
    if len(halves) == 2 and not any(s.footprint.geom_type == "MultiPolygon" for s in scenes):
        return shapely.box(*shapely.total_bounds(halves))
    return shapely.union_all(halves) if len(halves) == 1 else shapely.MultiPolygon(halves)


def scene_table(scenes: Iterable[Scene]) -> pa.Table:
    schema = ledger.arrow_schema("scenes")
    return pa.Table.from_pylist([scene.row() for scene in scenes], schema=schema)


def tile_table(scenes: Iterable[Scene]) -> pa.Table:
    by_tile: dict[tuple[str, str], list[Scene]] = {}
    for scene in scenes:
        by_tile.setdefault((scene.sensor, scene.tile), []).append(scene)
    rows = []
    for (sensor, tile), members in by_tile.items():
        extent = shapely.normalize(_extent(members))
        west, south, east, north = extent.bounds
        wkb = shapely.to_wkb(extent, byte_order=1)
        rows.append(
            {
                "sensor": sensor,
                "tile": tile,
                "scene_count": len(members),
                "xmin": west,
                "ymin": south,
                "xmax": east,
                "ymax": north,
                "extent_id": ids.footprint_id(wkb),
                "extent_wkb": wkb,
            }
        )
    return pa.Table.from_pylist(rows, schema=ledger.arrow_schema("tiles"))


def put(lake: Lake, scenes: list[Scene]) -> None:
    """Make `scenes` the whole content of the lake, in one commit."""
    with lake.stage("scenes", "test"):
        table_rows.put(lake, "scenes", scene_table(scenes))
        table_rows.put(lake, "tiles", tile_table(scenes))


def recipe(
    lr: str = "modis",
    hr: str = "landsat",
    window: str = "1 d",
    *,
    lr_filter: dict[str, Any] | None = None,
    hr_filter: dict[str, Any] | None = None,
    **more: Any,
) -> Recipe:
    sides = {"lr": {"sensor": lr, **(lr_filter or {})}, "hr": {"sensor": hr, **(hr_filter or {})}}
    return Recipe.model_validate({"name": "test", "pairs": {**sides, "window": window, **more}})


def frames(spark: SparkSession, scenes: list[Scene]) -> tuple[DataFrame, DataFrame]:
    """Return `scenes` and their `tiles` as frames, without a lake."""
    return (
        from_arrow(spark, scene_table(scenes), tables.schema("scenes")),
        from_arrow(spark, tile_table(scenes), tables.schema("tiles")),
    )


def tile_pairs(tiles: DataFrame, rule: PairRule) -> pa.Table:
    lr, hr = (tiles.where(tiles["sensor"] == side.sensor) for side in (rule.lr, rule.hr))
    return meet(lr, hr).toArrow()


def pairs_of(rows: Sequence[Row | dict[str, Any]]) -> dict[tuple[str, str], tuple[int, float]]:
    """Return gap in microseconds and overlap by scene ids; a pair that stands twice is an error."""
    found = {
        (row["lr_scene_id"], row["hr_scene_id"]): (
            round(row["gap_s"] * 1_000_000),
            row["overlap_frac"],
        )
        for row in rows
    }
    assert len(found) == len(rows), "a pair stands twice"
    return found


def join(
    spark: SparkSession,
    scenes: list[Scene],
    rule: PairRule,
    *,
    partitions: int = 2,
    tasks: int | None = 2,
) -> dict[tuple[str, str], tuple[int, float]]:
    """Find the pairs of `rule` with the join, with so many partitions in, and so many tasks.

    Without `tasks` the scenes are matched in this process.
    """
    if tasks is None:
        table, tiles = scene_table(scenes), frames(spark, scenes)[1]
        lr, hr = (table.filter(passes(rule, side)) for side in SIDES)
        parts = here.find(lr, hr, tile_pairs(tiles, rule), rule, lambda _: None)
        return pairs_of(pa.concat_tables(parts).to_pylist())
    key = "spark.sql.shuffle.partitions"
    before = spark.conf.get(key)
    spark.conf.set(key, partitions)
    try:
        all_scenes, tiles = (frame.repartition(partitions) for frame in frames(spark, scenes))
        with find(all_scenes, all_scenes, tile_pairs(tiles, rule), rule, tasks=tasks) as found:
            return pairs_of(found.rows.collect())
    finally:
        spark.conf.set(key, before)
