"""Items from outside, mutated: nothing raises, nothing is lost, unknown is never zero."""

import copy
import json
import math
from typing import Any

import pyarrow as pa
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stac_items import (
    FOLDER,
    SCENES,
    TILES,
    box,
    earth_search,
    landsat,
    linked,
    modis,
    naip,
    records,
    sentinel2,
)

from geosr_lake.archives import Record, normalise, normalise_texts
from geosr_lake.archives.reasons import REASONS
from geosr_lake.archives.record import parse
from geosr_lake.lake.contracts import contract
from geosr_lake.scenes import derive, tiles
from geosr_lake.scenes.reading import item_schema

GOOD = [
    *(naip(), landsat(), landsat(usgs=True), modis(), sentinel2(), earth_search(sentinel2())),
    *map(linked, (naip(), landsat(), modis(), sentinel2())),
    *({**item, "stac_version": "0.9.0"} for item in (naip(), landsat(), modis(), sentinel2())),
]
"""Those with links say who serves them, and can be read in columns."""
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=30),
    st.sampled_from(
        [
            *("", "NaN", "null", "2024-01-01", "0000-00-00T00:00:00Z", "../../etc/passwd"),
            *("'; DROP TABLE items; --", "<script>alert(1)</script>", "\x00", "\x1b[31m", "h09v05"),
            *("EPSG:4326", "13TDE", "S2A_MSIL2A_", "-1", "1e400", "😀" * 8, "1.0.0", "Feature"),
        ]
    ),
    st.lists(st.integers(), max_size=3),
    st.dictionaries(st.text(max_size=5), st.integers(), max_size=2),
)


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every node below `value`."""
    if isinstance(value, dict):
        children: Any = value.items()
    elif isinstance(value, list):
        children = enumerate(value)
    else:
        return [path]
    return [path, *(found for key, child in children for found in paths(child, (*path, key)))]


@st.composite
def mutated(draw: st.DrawFn) -> Any:
    """A good item with up to four nodes changed, dropped or added."""
    item = copy.deepcopy(draw(st.sampled_from(GOOD)))
    for _ in range(draw(st.integers(0, 4))):
        path = draw(st.sampled_from(paths(item)))
        if not path:
            return draw(ODD)
        parent = item
        for key in path[:-1]:
            parent = parent[key]
        if isinstance(parent, dict) and draw(st.booleans()):
            del parent[path[-1]]
            if draw(st.booleans()):
                parent[draw(st.text(max_size=8))] = draw(ODD)
        else:
            parent[path[-1]] = draw(ODD)
    return item


def check_row(row: dict[str, Any]) -> None:
    """What holds for every row of `items`: the table's constraints, in words of this test."""
    assert row["outcome"] in ("kept", "unsupported", "quarantined")
    assert len(row["content_hash"]) == 64
    for name in ("archive", "collection", "item_id"):
        assert isinstance(row[name], str)
    if row["outcome"] != "kept":
        assert REASONS[row["reason"]].outcome == row["outcome"]
        assert row["evidence"]
        assert len(row["evidence"]) <= 2048
        return
    needed = ("sensor", "product", "tile", "group_key", "version_key", "t_start", "t_end")
    assert all(row[name] is not None for name in needed)
    assert row["t_start"] <= row["t_end"]
    assert row["t_start"].utcoffset().total_seconds() == 0
    for name in ("cloud_frac", "snow_frac"):
        assert row[name] is None or 0 <= row[name] <= 1
    assert -180 <= row["xmin"] <= row["xmax"] <= 180
    assert -90 <= row["ymin"] <= row["ymax"] <= 90
    footprint = shapely.from_wkb(row["footprint_wkb"])
    assert footprint.is_valid
    assert footprint.bounds == (row["xmin"], row["ymin"], row["xmax"], row["ymax"])
    widths = shapely.bounds(shapely.get_parts(footprint))
    assert (widths[:, 2] - widths[:, 0]).max() <= 180
    for _, href in row["assets"]:
        assert href.startswith(("/", *(f"{href.partition(':')[0]}:",)))


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.lists(mutated(), max_size=6))
def test_whatever_comes_every_record_is_a_row(docs: list[Any]) -> None:
    offered = [parse(json.dumps(doc, ensure_ascii=False).encode()) for doc in docs]
    batch = normalise(offered, item_schema(), folder=FOLDER)
    assert batch.num_rows == len(docs)
    for row in batch.to_pylist():
        check_row(row)
    texts = [json.dumps(doc, ensure_ascii=False).encode() for doc in docs]
    for rows, numbers in normalise_texts(texts, item_schema(), folder=FOLDER):
        assert rows.equals(batch.take(pa.array(numbers)))
    kept = pa.Table.from_batches([batch.filter(pa.compute.equal(batch["outcome"], "kept"))])
    scenes = derive.derive(kept, SCENES)
    superseded = sum(len(losers) for losers in scenes["superseded"].to_pylist())
    assert scenes.num_rows + superseded == kept.num_rows
    wide = pa.compute.subtract(scenes["xmax"], scenes["xmin"])
    assert tiles.derive(scenes, TILES).num_rows <= scenes.num_rows
    assert all(width <= 360 for width in wide.to_pylist())


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_whatever_the_bytes(text: bytes) -> None:
    (row,) = normalise([parse(text)], item_schema(), folder=FOLDER).to_pylist()
    assert row["outcome"] in ("unsupported", "quarantined")


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(GOOD), st.randoms(use_true_random=False))
def test_the_order_of_keys_changes_nothing(item: dict[str, Any], random: Any) -> None:
    def shuffled(value: Any) -> Any:
        if isinstance(value, dict):
            keys = list(value)
            random.shuffle(keys)
            return {key: shuffled(value[key]) for key in keys}
        return [shuffled(v) for v in value] if isinstance(value, list) else value

    for doc in (item, {**item, "stac_version": "0.9.0"}, {**item, "geometry": None}):
        one, other = normalise(
            records([doc, shuffled(doc)]), item_schema(), folder=FOLDER
        ).to_pylist()
        assert one == other


@pytest.mark.parametrize("item", GOOD, ids=lambda item: item["id"])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("eo:cloud_cover", None),
        ("eo:cloud_cover", "17.5"),
        ("new:field", {"deep": [1, 2]}),
        ("proj:epsg", "32613"),
        ("platform", None),
        ("created", "no time"),
        ("gsd", "0.6"),
        ("instruments", 3),
    ],
)
def test_drift_of_the_source_changes_neither_schema_nor_identity(
    item: dict[str, Any], name: str, value: Any
) -> None:
    drifted = {**item, "bbox": [-1, 0, 0, 1, 0, 0]}
    drifted["properties"] = {**item["properties"], name: value}
    drifted["assets"] = {**item["assets"], "new-band": {"href": "x.tif", "gsd": "ten"}}
    batch = normalise(records([item, drifted]), item_schema(), folder=FOLDER)
    assert batch.schema == item_schema()
    before, after = batch.to_pylist()
    for column in ("outcome", "identity", "group_key", "tile", "t_start", "footprint_id"):
        assert before[column] == after[column]
    if name == "eo:cloud_cover":
        assert after["cloud_frac"] == (None if value is None else 0.175)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.builds(
            sentinel2,
            unit=st.sampled_from("AB"),
            strip=st.sampled_from([None, "20240803T180459", "20240803T180512"]),
            generated=st.sampled_from(["20240804T000000", "20240901T000000"]),
            baseline=st.sampled_from(["02.12", "05.11"]),
            geometry=st.sampled_from(
                [box(0, 0, 1, 1), box(0, 0, 1, 0.95), box(0, 0.05, 1, 1), box(0, 0, 1, 0.5)]
            ),
        ),
        min_size=1,
        max_size=8,
    ),
    st.randoms(use_true_random=False),
)
def test_scenes_do_not_depend_on_order(items: list[Any], random: Any) -> None:
    batch = normalise(records(items), item_schema(), folder=FOLDER)
    rows = pa.Table.from_batches([batch])
    order = list(range(len(items)))
    random.shuffle(order)
    one, other = derive.derive(rows, SCENES), derive.derive(rows.take(pa.array(order)), SCENES)
    assert one.equals(other)
    ids = one["scene_id"].to_pylist()
    assert len(set(ids)) == len(ids)
    # A scene of a datastrip is never standalone, a standalone one has no datastrip in its group
    # that shows the same ground.
    named = {row["identity"] for row in rows.to_pylist() if row["identity"]}
    assert one["standalone"].to_pylist().count(False) == len(named)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_numbers_that_are_none_in_a_column_file(value: float) -> None:
    doc = {**naip(), "properties": {**naip()["properties"], "gsd": value, "eo:cloud_cover": value}}
    (row,) = normalise([Record(doc=doc)], item_schema(), folder=FOLDER).to_pylist()
    assert row["reason"] == "cloud_out_of_range"


def test_the_columns_are_the_contracts() -> None:
    names = [c.name for c in contract("items").columns]
    assert names[: len(item_schema().names)] == item_schema().names
