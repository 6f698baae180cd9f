"""The outcome of every item of `dialects`, against a table written from their ids by hand.

The table says for each line: the outcome, its reason, and which scene it is, in words that the
code does not use: ``LC08 028030 2020-01-14``, ``S2A 33TWL 20230815T095630`` (the datastrip's
start), ``alone`` for a Sentinel-2 item without datastrip that no other scene takes in. Kept are
products with surface reflectance: MODIS 09A1, 09Q1, 13A1, 13Q1 and 43A4, of which recipes choose.
"""

import csv
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from stac_items import SCENES, file_table

from geosr_lake.scenes.derive import derive, scene_ids

EXPECTED = Path(__file__).parent / "dialects_expected.csv"


@pytest.fixture(scope="module")
def items(real_data: Path) -> pa.Table:
    return file_table(real_data / "items" / "dialects.ndjson.gz")


@pytest.fixture(scope="module")
def expected() -> list[dict[str, str]]:
    with EXPECTED.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def kept(items: pa.Table) -> pa.Table:
    return items.filter(pc.equal(items["outcome"], "kept"))


def of_line(items: pa.Table, line: int) -> dict[str, Any]:
    found: dict[str, Any] = items.slice(line - 1, 1).to_pylist()[0]
    return found


def test_every_item_has_its_outcome(items: pa.Table, expected: list[dict[str, str]]) -> None:
    names = ("item_id", "outcome", "reason")
    found = [tuple(row[name] or "" for name in names) for row in items.to_pylist()]
    assert found == [tuple(row[name] for name in names) for row in expected]
    assert len(found) == 400


def test_what_is_not_kept_has_evidence(items: pa.Table) -> None:
    for row in items.to_pylist():
        assert (row["outcome"] == "kept") == (row["evidence"] is None)
        assert row["evidence"] is None or row["item_id"] in row["evidence"]


def test_items_share_a_scene_exactly_where_they_should(
    kept: pa.Table, expected: list[dict[str, str]]
) -> None:
    names = [row["scene"] for row in expected if row["outcome"] == "kept"]
    names = [f"alone {n}" if name == "alone" else name for n, name in enumerate(names)]
    ids, standalone = scene_ids(kept)
    by_scene, by_name = defaultdict(set), defaultdict(set)
    for scene, name in zip(ids, names, strict=True):
        by_scene[scene].add(name)
        by_name[name].add(scene)
    assert all(len(found) == 1 for found in by_scene.values())
    assert all(len(found) == 1 for found in by_name.values())
    assert standalone == [name.startswith("alone ") for name in names]


def test_the_sums(kept: pa.Table, expected: list[dict[str, str]]) -> None:
    scenes = derive(kept, SCENES)
    superseded = pc.sum(pc.list_value_length(scenes["superseded"])).as_py()
    assert scenes.num_rows + superseded == kept.num_rows
    assert Counter(row["outcome"] for row in expected) == {
        "kept": kept.num_rows,
        "unsupported": 110,
        "quarantined": 3,
    }


def test_two_43a4_items_of_one_tile_and_day(kept: pa.Table) -> None:
    # Their datetimes are the day of the id and the noon of the first of its 16 days.
    scenes = derive(kept, SCENES).to_pylist()
    (scene,) = (s for s in scenes if s["product"] == "MCD43A4.006" and s["tile"] == "h10v04")
    assert [str(scene["t_start"])[:10], str(scene["t_end"])[:10]] == ["2022-01-11", "2022-01-27"]
    assert len(scene["superseded"]) == 1


def test_a_polar_landsat_scene_keeps_its_crs(items: pa.Table) -> None:
    found = of_line(items, 28)
    assert (found["item_id"], found["epsg"]) == ("LC09_L2SR_081122_20221130_02_T2", 3031)
    assert (found["tile"], found["assets"]) == ("081122", [])


def test_an_item_without_datastrip_joins_the_scene_of_its_pass(items: pa.Table) -> None:
    lone, strip = of_line(items, 295), of_line(items, 300)
    assert lone["identity"] is None
    assert lone["group_key"] == strip["group_key"]
    # Its neighbour, one tile south, has no such scene.
    assert of_line(items, 294)["group_key"] != lone["group_key"]


def test_two_passes_of_one_utc_date_are_two_groups(items: pa.Table) -> None:
    early, late = of_line(items, 285), of_line(items, 287)
    assert (early["tile"], early["platform"]) == (late["tile"], late["platform"])
    assert early["t_start"].date() == late["t_start"].date()
    assert early["group_key"] != late["group_key"]


def test_footprints_over_the_antimeridian(items: pa.Table) -> None:
    for line in (230, 232, 233, 285, 286, 288, 289, 291, 297, 392, 394, 395, 396):
        found = of_line(items, line)
        assert (found["xmin"], found["xmax"]) == (-180.0, 180.0), found["item_id"]


def test_a_box_that_is_another_items_is_not_looked_at(items: pa.Table) -> None:
    found = of_line(items, 317)
    assert (found["tile"], found["outcome"]) == ("17QLA", "kept")
    assert -83 < found["xmin"] < found["xmax"] < -81.8


def test_earth_search_adds_the_offset_itself(items: pa.Table) -> None:
    assert (of_line(items, 203)["processing_baseline"], of_line(items, 203)["dn_offset"]) == (
        "04.00",
        0,
    )
    assert of_line(items, 336)["dn_offset"] == -1000
    assert of_line(items, 318)["dn_offset"] == 0


def test_relative_hrefs_became_absolute(items: pa.Table, real_data: Path) -> None:
    for row in items.to_pylist():
        for _, href in row["assets"] or ():
            assert href.startswith(("https://", "s3://", "/")), href
    folder = str(real_data / "items")
    assert dict(of_line(items, 194)["assets"])["B02"] == f"{folder}/B02.tif"
