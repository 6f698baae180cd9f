"""Which items of files are wanted: where they lie, and when they were taken."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely
from numpy.typing import NDArray

from geosr_lake.scenes.tiles import WIDE_DEG

if TYPE_CHECKING:
    from pyspark.sql import Column

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Selection:
    """What is taken in of what files hold.

    Attributes:
        bbox: Only items whose bounds meet this box: west, south, east, north, degrees; with
            west > east it lies over the antimeridian.
        days: Only items of these days (UTC), first and last included.
        max_items: No more than the first so many records are read, by file and place in it.
    """

    bbox: Box | None = None
    days: tuple[date, date] | None = None
    max_items: int | None = None

    @property
    def crosses(self) -> bool:
        """Tell whether the box lies over the antimeridian: an item is east of it, or west."""
        return self.bbox is not None and self.bbox[0] > self.bbox[2]

    def outside(self) -> "Column":
        """Return the column that tells which items are left out.

        An item that says neither where nor when it is (one that is not kept) is not left out: it
        stands in `items` with its reason.
        """
        from pyspark.sql import functions as f

        wanted = f.lit(True)
        if self.bbox is not None:
            west, south, east, north = (f.lit(float(side)) for side in self.bbox)
            begins, ends = f.col("xmin") <= east, f.col("xmax") >= west
            wanted &= (begins | ends) if self.crosses else (begins & ends)
            wanted &= (f.col("ymin") <= north) & (f.col("ymax") >= south)
            wide = f.col("xmax") - f.col("xmin") > f.lit(WIDE_DEG)
            box = self.bbox
            parts_meet = f.udf(
                lambda wkb: None if wkb is None else meets(bytes(wkb), box), "boolean"
            )
            of_wide = parts_meet(f.when(wide, f.col("footprint_wkb")))
            wanted &= f.coalesce(of_wide, f.lit(True))
        if self.days is not None:
            first, last = self.days
            after = last + timedelta(days=1)
            begin, end = (f.lit(f"{day} 00:00:00").cast("timestamp") for day in (first, after))
            wanted &= f.col("t_start") < end
            wanted &= (f.col("t_start") >= begin) | (f.col("t_end") > begin)
        return f.coalesce(~wanted, f.lit(False))

    def outside_of(self, rows: pa.Table) -> NDArray[np.bool_] | None:
        """Tell which of some rows are left out, as `outside` does; None where none can be."""
        if self.bbox is None and self.days is None:
            return None
        wanted: Any = pa.repeat(pa.scalar(True), rows.num_rows)
        if self.bbox is not None:
            west, south, east, north = (float(side) for side in self.bbox)
            begins, ends = pc.less_equal(rows["xmin"], east), pc.greater_equal(rows["xmax"], west)
            for one in (
                pc.or_kleene(begins, ends) if self.crosses else pc.and_kleene(begins, ends),
                pc.less_equal(rows["ymin"], north),
                pc.greater_equal(rows["ymax"], south),
            ):
                wanted = pc.and_kleene(wanted, one)
            wanted = pc.and_kleene(wanted, pc.invert(beyond(rows, self.bbox)))
        if self.days is not None:
            first, last = self.days
            begin, end = (
                pa.scalar(datetime.combine(day, time(), UTC), pa.timestamp("us", tz="UTC"))
                for day in (first, last + timedelta(days=1))
            )
            since = pc.or_kleene(
                pc.greater_equal(rows["t_start"], begin), pc.greater(rows["t_end"], begin)
            )
            wanted = pc.and_kleene(pc.and_kleene(wanted, pc.less(rows["t_start"], end)), since)
        return np.asarray(pc.fill_null(pc.invert(wanted), False))


EVERYTHING = Selection()


def meets(wkb: bytes, box: Box) -> bool:
    """Tell whether the bounds of a part of a footprint meet a box.

    Args:
        wkb: The footprint, cut at the antimeridian.
        box: West, south, east, north in degrees; west > east lies over the antimeridian.
    """
    west, south, east, north = box
    xmin, ymin, xmax, ymax = shapely.bounds(shapely.get_parts(shapely.from_wkb(wkb))).T
    begins, ends = xmin <= east, xmax >= west
    along = begins | ends if west > east else begins & ends
    return bool(np.any(along & (ymin <= north) & (ymax >= south)))


def beyond(rows: pa.Table | pa.RecordBatch, box: Box) -> pa.Array:
    """Tell which rows lie on both sides of the antimeridian, and with neither side in a box.

    Their bounds are those of the whole earth, which meet any box between their latitudes.

    Args:
        rows: Columns xmin, xmax and footprint_wkb; nulls lie nowhere.
        box: As at `meets`.
    """
    wide = pc.fill_null(pc.greater(pc.subtract(rows["xmax"], rows["xmin"]), WIDE_DEG), False)
    found = np.array(wide, dtype=bool)
    wkb = rows["footprint_wkb"].filter(wide).to_pylist()
    found[found] = [text is not None and not meets(text, box) for text in wkb]
    return pa.array(found)
