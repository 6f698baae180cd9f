"""What the peers read: one Parquet file a side, with the scenes numbered."""

from contextlib import ExitStack
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from geosr_lake.lake import Lake, ledger

COLUMNS = ["scene_id", "tile", "t_start", "t_end", "xmin", "ymin", "xmax", "ymax"]
COLUMNS += ["footprint_id", "footprint_wkb"]


def write_sides(lake: Path, folder: Path, lr: str, hr: str) -> None:
    """Write lr.parquet, hr.parquet and their tiles, from the lake's tables, batch by batch."""
    folder.mkdir(parents=True, exist_ok=True)
    version = Lake.open(lake).versions["scenes"]
    for side, sensor in (("lr", lr), ("hr", hr)):
        batches = ledger.batches(
            *(lake, "scenes", version), columns=COLUMNS, where=pc.field("sensor") == sensor,
            most=100_000,
        )  # fmt: skip
        with ExitStack() as open_files:
            writer, before = None, 0
            for batch in batches:
                rows = numbered(pa.Table.from_batches([batch]), before)
                before += len(rows)
                if writer is None:
                    writer = open_files.enter_context(
                        pq.ParquetWriter(folder / f"{side}.parquet", rows.schema,
                                         compression="zstd", dictionary_pagesize_limit=16 << 20)
                    )  # fmt: skip
                writer.write_table(rows)
        tiles = ["tile", "xmin", "ymin", "xmax", "ymax"]
        extents = ledger.read(lake, "tiles", columns=tiles, filters=[("sensor", "=", sensor)])
        pq.write_table(extents, folder / f"{side}_tiles.parquet")


def numbered(rows: pa.Table, before: int) -> pa.Table:
    """Return what the peers read of some scenes; `before` of them came before."""
    named = {"k": pa.array(range(before, before + len(rows)), pa.int64())}
    named |= {"scene_id": rows["scene_id"], "tile": rows["tile"]}
    named |= {"s": rows["t_start"].cast(pa.int64()), "e": rows["t_end"].cast(pa.int64())}
    named |= {name: rows[name] for name in ("xmin", "ymin", "xmax", "ymax")}
    return pa.table(named | {"shape": rows["footprint_id"], "wkb": rows["footprint_wkb"]})


def checksums(pairs: pa.Table, folder: Path) -> list[int]:
    """Return number and checksums of pairs (lr_scene_id, hr_scene_id), by the scenes' numbers."""
    numbers = []
    for side in ("lr", "hr"):
        names = pq.read_table(folder / f"{side}.parquet", columns=["scene_id"])["scene_id"]
        found = pc.index_in(pairs[f"{side}_scene_id"], value_set=names.combine_chunks())
        numbers.append(pc.cast(found, pa.int64()).to_numpy())
    lr, hr = numbers
    return [len(lr), int(lr.sum()), int(hr.sum()), int((lr * hr % 1000003).sum())]
