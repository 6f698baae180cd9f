"""What the peers read: one Parquet file a side, with the scenes numbered."""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from geosr_lake.lake import ledger

COLUMNS = ["scene_id", "tile", "t_start", "t_end", "xmin", "ymin", "xmax", "ymax", "footprint_wkb"]


def write_sides(lake: Path, folder: Path, lr: str, hr: str) -> None:
    """Write lr.parquet, hr.parquet and their tiles, from the lake's tables."""
    folder.mkdir(parents=True, exist_ok=True)
    for side, sensor in (("lr", lr), ("hr", hr)):
        only = [("sensor", "=", sensor)]
        rows = ledger.read(lake, "scenes", columns=COLUMNS, filters=only)
        start, end = (rows[name].cast(pa.int64()) for name in ("t_start", "t_end"))
        named = {"k": pa.array(range(len(rows)), pa.int64()), "scene_id": rows["scene_id"]}
        named |= {"tile": rows["tile"], "s": start, "e": end}
        named |= {name: rows[name] for name in ("xmin", "ymin", "xmax", "ymax")}
        pq.write_table(pa.table(named | {"wkb": rows["footprint_wkb"]}), folder / f"{side}.parquet",
                       compression="zstd", dictionary_pagesize_limit=16 << 20)  # fmt: skip
        tiles = ["tile", "xmin", "ymin", "xmax", "ymax"]
        extents = ledger.read(lake, "tiles", columns=tiles, filters=only)
        pq.write_table(extents, folder / f"{side}_tiles.parquet")


def checksums(pairs: pa.Table, folder: Path) -> list[int]:
    """Return number and checksums of pairs (lr_scene_id, hr_scene_id), by the scenes' numbers."""
    numbers = []
    for side in ("lr", "hr"):
        names = pq.read_table(folder / f"{side}.parquet", columns=["scene_id"])["scene_id"]
        found = pc.index_in(pairs[f"{side}_scene_id"], value_set=names.combine_chunks())
        numbers.append(pc.cast(found, pa.int64()).to_numpy())
    lr, hr = numbers
    return [len(lr), int(lr.sum()), int(hr.sum()), int((lr * hr % 1000003).sum())]
