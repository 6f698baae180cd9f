"""The table of tile pairs, which grows with new tiles and changed extents only.

There are as many tiles as native cells on the ground, whatever the years of the archive, so what
is to be done is decided on the driver, in Arrow. Only where very many have to meet, Spark joins.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from geosr_lake.lake import Lake, arrow, ledger
from geosr_lake.lake.frames import from_arrow
from geosr_lake.pairs.space import meet, meet_here

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

EXTENT = ["tile", "extent_id"]
TILE = [*EXTENT, "extent_wkb"]
FEW = 1_000_000
"""Tiles for which a tree in this process is faster than to plan a join."""
TILE_PAIR = ["lr_tile", "hr_tile", "lr_extent_id", "hr_extent_id"]


@dataclass(frozen=True)
class Meeting:
    """What is known of the tile pairs of two sensors, and who has to meet.

    Attributes:
        kept: Tile pairs that still stand, `TILE_PAIR`.
        asked: Pairs of tables of tiles, each to be joined in space with the other.
    """

    kept: pa.Table
    asked: tuple[tuple[pa.Table, pa.Table], ...]


@dataclass(frozen=True)
class TilePairs:
    """The tile pairs of two sensors.

    Attributes:
        rows: Columns lr_tile, hr_tile; each pair once.
        new: How many of them met in this run.
    """

    rows: pa.Table
    new: int


def _present(met: pa.Table, tiles: pa.Table, side: str) -> pa.Table:
    """Return the rows of `met` whose tile of one side still has the extent that met."""
    keys = [f"{side}_tile", f"{side}_extent_id"]
    return met.join(tiles.select(EXTENT), keys, EXTENT, join_type="left semi")


def _split(met: pa.Table, tiles: pa.Table, side: str) -> tuple[pa.Table, pa.Table]:
    """Split `tiles` into those whose present extent stands in no row of `met`, and the others.

    The first are the new ones, those whose extent changed, and those without a partner, which
    are tried again each time: a tile without partners leaves no row to tell.
    """
    known = [f"{side}_tile", f"{side}_extent_id"]
    new, old = (
        tiles.join(met.select(known), EXTENT, known, join_type=kind)
        for kind in ("left anti", "left semi")
    )
    return new, old


def plan(met: pa.Table, lr: pa.Table, hr: pa.Table) -> Meeting:
    """Decide which tiles have to meet.

    Every tile that has not met is to be joined with all tiles of the other side; two tiles that
    both have met need not meet again.

    Args:
        met: The tile pairs so far, `TILE_PAIR`.
        lr: The LR sensor's tiles, `TILE`, each once.
        hr: The HR sensor's tiles.
    """
    lr_new, lr_old = _split(met, lr, "lr")
    hr_new, _ = _split(met, hr, "hr")
    kept = _present(_present(met, lr, "lr"), hr, "hr")
    asked = tuple((a, b) for a, b in ((lr_new, hr), (lr_old, hr_new)) if len(a) and len(b))
    return Meeting(kept, asked)


def _meet(
    spark: "Callable[[], SparkSession]", asked: tuple[tuple[pa.Table, pa.Table], ...]
) -> pa.Table:
    """Return the tile pairs that are found when `asked` is joined."""
    none = pa.schema([(name, pa.string()) for name in TILE_PAIR]).empty_table()
    found = [
        (
            meet_here(lr, hr)
            if len(lr) + len(hr) <= FEW
            else meet(from_arrow(spark(), lr), from_arrow(spark(), hr)).toArrow()
        ).select(TILE_PAIR)
        for lr, hr in asked
    ]
    return pa.concat_tables([none, *(table.cast(none.schema) for table in found)])


def present(lake: Lake, lr_sensor: str, hr_sensor: str) -> pa.Table:
    """Return the tile pairs that `grow` would return, as `TilePairs.rows`; nothing is written."""
    sides = (
        lake.arrow("tiles", columns=TILE, filters=[("sensor", "=", sensor)])
        for sensor in (lr_sensor, hr_sensor)
    )
    return _meet(lambda: lake.spark, (tuple(sides),)).select(["lr_tile", "hr_tile"])


def grow(lake: Lake, lr_sensor: str, hr_sensor: str) -> TilePairs:
    """Bring the tile pairs of two sensors up to date and return them.

    The stage's lock must be held. Nothing is written where nothing changed.
    """
    lr, hr = (
        lake.arrow("tiles", columns=TILE, filters=[("sensor", "=", sensor)])
        for sensor in (lr_sensor, hr_sensor)
    )
    sensors = {"lr_sensor": lr_sensor, "hr_sensor": hr_sensor}
    # The newest version, not the pinned one: what a killed run added stands and is taken on.
    met = ledger.read(
        lake.root,
        "tile_pairs",
        columns=TILE_PAIR,
        filters=[(name, "=", value) for name, value in sensors.items()],
    )
    meeting = plan(met, lr, hr)
    new = _meet(lambda: lake.spark, meeting.asked)
    rows = pa.concat_tables([meeting.kept.select(TILE_PAIR), new])
    outdated = len(meeting.kept) < len(met)
    if len(new) or outdated:
        named = rows if outdated else new
        for name, value in sensors.items():
            named = named.append_column(name, pa.repeat(pa.scalar(value), len(named)))
        if outdated:
            arrow.replace(lake, "tile_pairs", named, where=sensors)
        else:
            arrow.append(lake, "tile_pairs", named)
    return TilePairs(rows.select(["lr_tile", "hr_tile"]), len(new))
