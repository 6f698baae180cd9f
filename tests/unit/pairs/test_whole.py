"""Footprints of scenes in one list, whatever dictionaries they come with."""

import pyarrow as pa
import pytest

from geosr_lake.pairs import here


def scenes(footprints: pa.ChunkedArray) -> pa.Table:
    n = len(footprints)
    times = pa.array([0] * n, pa.timestamp("us", tz="UTC"))
    columns = [pa.array(["t"] * n), pa.array([str(i) for i in range(n)]), times, times, footprints]
    return pa.table(columns, names=list(here.NEEDED))


@pytest.mark.parametrize("kind", [pa.binary(), pa.dictionary(pa.int32(), pa.binary())])
def test_only_what_is_used_is_held(kind: pa.DataType) -> None:
    """A filter leaves a dictionary whole, and slices of a chunk all have the same one."""
    values = [bytes([i]) * 1000 for i in range(200)]
    column = pa.array(values, pa.binary()).cast(kind)
    chunks = [column.slice(start, 1) for start in (3, 150, 3, 7)]
    chunks.insert(2, column.slice(0, 0))
    whole = here._whole(scenes(pa.chunked_array(chunks, kind)))
    held = whole["footprint_wkb"].chunk(0).dictionary.to_pylist()
    assert len(held) == len(set(held)), "each once, however many parts they come in"
    assert whole["footprint_wkb"].to_pylist() == [values[i] for i in (3, 150, 3, 7)]
    (chunk,) = whole["footprint_wkb"].chunks
    assert len(chunk.dictionary) <= 4
    assert whole.nbytes < 6_000


def test_no_scene() -> None:
    whole = here._whole(scenes(pa.chunked_array([], pa.binary())))
    assert whole.num_rows == 0
