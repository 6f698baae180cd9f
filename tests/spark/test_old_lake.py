"""A lake of the first layout, as its code left it: it is read, added to, and brought up to date."""

from pathlib import Path
from typing import Any

import lake_v1_world as world
import pytest
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from geosr_lake.errors import ContractError
from geosr_lake.lake import Lake, commits, ledger, tables, upgrade
from geosr_lake.lake.contracts import LAKE_VERSION, Column, contract, contracts
from geosr_lake.lake.differences import difference
from geosr_lake.manifest import build as build_manifest
from geosr_lake.pairs.build import build as build_pairs
from geosr_lake.report.inspect import NOUNS, inspect
from geosr_lake.scenes.ingest import ingest
from geosr_lake.scenes.withdraw import withdraw

pytestmark = pytest.mark.spark

ROWS = {
    "items": 8,
    "scenes": 5,
    "tiles": 4,
    "tile_pairs": 2,
    "pairs": 4,
    "draws": 2,
    "funnel": 15,
    "sites": 12,
    "site_cover": 12,
    "candidates": 24,
    "manifest": 10,
    "manifests": 1,
    "commits": 4,
    "runs": 4,
}
"""What the code that made it counted."""
LATER = ("sun_elevation_deg", "tier")
"""Columns of items that came later: what an old lake holds has none in them."""


@pytest.fixture
def old(spark: SparkSession, tmp_path: Path) -> Lake:
    return Lake.open(world.unpack(tmp_path))


def versions(lake: Lake) -> dict[str, int | None]:
    return {name: ledger.version_of(lake.root, name) for name in contracts()}


def test_every_table_of_the_old_lake_is_read_and_left_alone(old: Lake) -> None:
    before = versions(old)
    for name, number in ROWS.items():
        arrow = old.arrow(name)
        assert arrow.num_rows == number, name
        assert arrow.schema == ledger.arrow_schema(name)
        frame = old.df(name)
        assert frame.columns == contract(name).names
        assert frame.count() == number, name
    assert all(inspect(old, noun) for noun in NOUNS)
    assert old.sql("SELECT count(*) AS n FROM scenes JOIN tiles USING (sensor, tile)").count() == 1
    assert versions(old) == before
    assert not (old.root / "locks").exists() or not list((old.root / "locks").glob("*.lock"))


@pytest.mark.slow
def test_the_old_lake_is_added_to_and_brought_up_to_date(old: Lake, tmp_path: Path) -> None:
    said: list[str] = []
    older = {row["scene_id"] for row in in_order(old, "scenes")}
    lake = Lake.open(old.root, tell=said.append)
    summary = ingest(lake, [world.sources(tmp_path / "third", world.third())])
    assert (summary.read, summary.kept, summary.scenes) == (2, 2, 7)
    pairs = build_pairs(lake, world.recipe())
    assert pairs.pairs == 9
    again = build_manifest(lake, world.recipe(), world.land_cover(tmp_path / "land.tif"))
    assert lake.arrow("manifests").num_rows == 2
    assert again.samples == 8
    for name in contracts():
        assert upgrade.changes(lake.root, name) == (), name
    assert any("is of an older geosr_lake" in sentence for sentence in said)
    newest = commits.latest(lake.root)
    assert newest is not None
    assert max(row["lake_version"] for row in lake.arrow("commits").to_pylist()) == LAKE_VERSION
    assert newest.versions == {k: v for k, v in lake.versions.items() if k in newest.versions}
    control = Lake.create(tmp_path / "control")
    for name in ("first", "second", "third"):
        ingest(control, [world.sources(tmp_path / name, getattr(world, name)())])
    build_pairs(control, world.recipe())
    for table in ("scenes", "tiles", "tile_pairs", "pairs"):
        expected = [
            row | (dict.fromkeys(LATER) if row.get("scene_id") in older else {})
            for row in in_order(control, table)
        ]
        assert in_order(lake, table) == expected, table


@pytest.mark.slow
def test_an_item_of_the_old_lake_is_withdrawn(old: Lake) -> None:
    """What its runs did not write down is counted."""
    named = old.sql("SELECT item_id FROM scenes ORDER BY scene_id LIMIT 1").collect()[0][0]
    assert withdraw(old, [named]).withdrawn == 1
    assert named not in old.arrow("scenes")["item_id"].to_pylist()
    assert withdraw(old, [named]).withdrawn == 0


def in_order(lake: Lake, table: str) -> list[dict[str, Any]]:
    rows = lake.arrow(table).to_pylist()
    return sorted(rows, key=lambda row: [row[name] for name in contract(table).key])


@pytest.mark.slow
def test_spark_tables_get_columns_and_rules_that_came_later(
    old: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = Column(name="later", type="double", nullable=True, description="It's new", unit="m")
    terms = contract("tiles")
    rules = {**terms.constraints, "counted": "scene_count > 0", "box_ordered": "xmin<=xmax"}
    newer = terms.model_copy(
        update={"version": 99, "columns": (*terms.columns, later), "constraints": rules}
    )
    all_of_them = contracts() | {"tiles": newer}
    monkeypatch.setattr("geosr_lake.lake.contracts.contracts", lambda: all_of_them)
    before = [row | {"later": None} for row in in_order(old, "tiles")]
    assert before[0].keys() == set(newer.names)
    with old.stage("scenes", "test"):
        assert commits.uncommitted(old.root, "scenes") == {}, "the new versions are committed"
    found = DeltaTable(str(tables.table_path(old.root, "tiles")))
    assert difference(found, newer, ledger.arrow_schema("tiles")) == ()
    assert in_order(old, "tiles") == before
    assert old.df("tiles").count() == len(before)

    broken = newer.model_copy(
        update={"version": 100, "constraints": rules | {"many": "scene_count > 100"}}
    )
    all_of_them["tiles"] = broken
    with pytest.raises(ContractError, match="break the rule many"), old.stage("scenes", "test"):
        pytest.fail("the stage must not begin")
    assert in_order(Lake.open(old.root), "tiles") == before


def test_a_lake_of_newer_code_is_refused(old: Lake) -> None:
    row = ledger.read(old.root, "commits").to_pylist()[-1]
    newer = row | {"seq": 99, "lake_version": LAKE_VERSION + 1}
    ledger.append(old.root, "commits", [newer])
    with pytest.raises(ContractError, match=f"has layout {LAKE_VERSION + 1}"):
        Lake.open(old.root)
