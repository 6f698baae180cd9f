"""Tables that Spark writes: made from their contracts, refused rows, versions only for changes."""

import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable
from pyspark.sql import DataFrame

from geosr_lake.errors import ContractError
from geosr_lake.lake import Lake, commits, ledger, tables
from geosr_lake.lake.contracts import contract, contracts

pytestmark = pytest.mark.spark


def draw(
    tile: str = "a", *, sites: int = 5, drawn: int = 2, manifest: str = "man-1"
) -> dict[str, Any]:
    return {
        "manifest_id": manifest,
        "subset": "sr",
        "lr_tile": tile,
        "hr_tile": "h",
        "n_sites": sites,
        "n_drawn": drawn,
    }


def frame(lake: Lake, table: str, rows: list[dict[str, Any]]) -> DataFrame:
    arrow = pa.Table.from_pylist(rows, schema=ledger.arrow_schema(table))
    return lake.spark.createDataFrame(arrow, tables.schema(table))


def draws(lake: Lake) -> list[tuple[str, str, int]]:
    rows = ledger.read(lake.root, "draws").to_pylist()
    return sorted((row["manifest_id"], row["lr_tile"], row["n_drawn"]) for row in rows)


def version(lake: Lake, table: str = "draws") -> int | None:
    return ledger.version_of(lake.root, table)


def test_a_table_is_what_its_contract_says(lake: Lake) -> None:
    for name in ("draws", "scenes", "pairs"):
        tables.create(lake.spark, lake.root, name)
        tables.create(lake.spark, lake.root, name)
        terms, made = contract(name), DeltaTable(str(tables.table_path(lake.root, name)))
        assert [f.name for f in made.schema().fields] == terms.names
        assert [f.nullable for f in made.schema().fields] == [c.nullable for c in terms.columns]
        held = made.metadata().configuration
        assert held["delta.enableDeletionVectors"] == "false"
        assert held["delta.columnMapping.mode"] == "none"
        assert {k for k in held if k.startswith("delta.constraints.")} == {
            f"delta.constraints.{name}" for name in terms.constraints
        }
        assert made.version() == 0
        assert made.metadata().description == terms.description
        detail = lake.spark.sql(f"DESCRIBE DETAIL delta.`{tables.table_path(lake.root, name)}`")
        assert detail.collect()[0]["clusteringColumns"] == list(terms.cluster_by)


def test_frames_that_do_not_fit_are_refused_before_anything_is_made(lake: Lake) -> None:
    good = frame(lake, "draws", [draw()])
    for bad, says in (
        (good.drop("n_drawn"), "column n_drawn is missing"),
        (good.withColumn("surprise", good.n_drawn), "column surprise is not in the contract"),
        (good.withColumn("n_drawn", good.n_drawn.cast("int")), "n_drawn is int, not bigint"),
    ):
        for put in (tables.append, tables.upsert):
            with pytest.raises(ContractError, match=says):
                put(lake.spark, lake.root, "draws", bad)
        with pytest.raises(ContractError, match=says):
            tables.replace(lake.spark, lake.root, "draws", bad, where={"manifest_id": "man-1"})
    assert draws(lake) == []


def test_rows_that_break_a_constraint_are_refused_in_words(lake: Lake) -> None:
    tables.append(lake.spark, lake.root, "draws", frame(lake, "draws", [draw()]))
    before = version(lake)
    bad = frame(lake, "draws", [draw("b"), draw("c", sites=1, drawn=2)])
    with pytest.raises(ContractError, match="drawn_among_sites"):
        tables.append(lake.spark, lake.root, "draws", bad)
    with pytest.raises(ContractError, match="drawn_among_sites"):
        tables.upsert(lake.spark, lake.root, "draws", bad)
    nameless = lake.spark.createDataFrame(
        [(None, "sr", "a", "h", 1, 1)],
        "manifest_id string, subset string, lr_tile string, hr_tile string, n_sites bigint, "
        "n_drawn bigint",
    )
    with pytest.raises(ContractError, match="manifest_id"):
        tables.append(lake.spark, lake.root, "draws", nameless)
    assert version(lake) == before
    assert draws(lake) == [("man-1", "a", 2)]


def test_a_transaction_appends_once(lake: Lake) -> None:
    rows = frame(lake, "draws", [draw()])
    for _ in range(2):
        tables.append(lake.spark, lake.root, "draws", rows, txn="run-1")
    assert draws(lake) == [("man-1", "a", 2)]
    tables.append(lake.spark, lake.root, "draws", frame(lake, "draws", [draw("b")]), txn="run-2")
    assert len(draws(lake)) == 2


def test_upsert_changes_what_differs_and_nothing_else(lake: Lake) -> None:
    def put(*rows: dict[str, Any], within: DataFrame | None = None) -> None:
        tables.upsert(
            lake.spark, lake.root, "draws", frame(lake, "draws", list(rows)), within=within
        )

    put(draw("a"), draw("b"))
    before = version(lake)
    put(draw("b"), draw("a"))
    assert version(lake) == before
    put(draw("b", drawn=3), draw("c"))
    assert draws(lake) == [("man-1", "a", 2), ("man-1", "b", 3), ("man-1", "c", 2)]
    put(draw("z", manifest="man-2"))
    within = lake.spark.createDataFrame([("man-1",)], "manifest_id string")
    put(draw("b", drawn=3), within=within)
    assert draws(lake) == [("man-1", "b", 3), ("man-2", "z", 2)]
    after = version(lake)
    put(draw("b", drawn=3), within=within)
    assert version(lake) == after


def test_a_map_that_is_equal_is_no_change(lake: Lake) -> None:
    def item(**assets: str) -> dict[str, Any]:
        now = datetime(2024, 1, 1, tzinfo=UTC)
        return {
            "archive": "a",
            "collection": "c",
            "item_id": "i",
            "content_hash": "h",
            "outcome": "unsupported",
            "reason": "r",
            "assets": list(assets.items()),
            "source_file": "f",
            "run_id": "run",
            "ingested_at": now,
        }

    for assets, changes in (({"B": "1"}, True), ({"B": "1"}, False), ({"B": "2"}, True)):
        before = version(lake, "items")
        rows = frame(lake, "items", [item(**assets)])
        tables.upsert(lake.spark, lake.root, "items", rows)
        assert (version(lake, "items") != before) == changes


def test_replace_takes_the_place_of_what_it_names_only(lake: Lake) -> None:
    both = [draw("a"), draw("b"), draw("a", manifest="man-2")]
    tables.append(lake.spark, lake.root, "draws", frame(lake, "draws", both))
    where = {"manifest_id": "man-1"}
    tables.replace(lake.spark, lake.root, "draws", frame(lake, "draws", [draw("c")]), where=where)
    assert draws(lake) == [("man-1", "c", 2), ("man-2", "a", 2)]
    with pytest.raises(ContractError, match="is not an id"):
        tables.replace(
            lake.spark,
            lake.root,
            "draws",
            frame(lake, "draws", []),
            where={"manifest_id": "x' OR '1' = '1"},
        )
    other = frame(lake, "draws", [draw("d", manifest="man-3")])
    with pytest.raises(ContractError):
        tables.replace(lake.spark, lake.root, "draws", other, where=where)
    assert len(draws(lake)) == 2


def good_row(table: str) -> dict[str, Any]:
    """A row that fits a table which deltalake writes."""
    now = datetime(2024, 1, 1, tzinfo=UTC)
    values = {
        "string": "x",
        "int": 1,
        "bigint": 1,
        "double": 0.5,
        "timestamp": now,
        "map<string,bigint>": [("a", 1)],
    }
    return {
        c.name: [] if c.type.startswith("array") else values[c.type]
        for c in contract(table).columns
        if not c.nullable
    } | GOOD.get(table, {})


GOOD: dict[str, dict[str, Any]] = {"slices": {"status": "done", "digest": "x"}}
"""What a constraint asks of a row besides."""

BAD: list[tuple[str, dict[str, Any]]] = [
    ("commits", {"seq": -1}),
    ("runs", {"started_at": datetime(2025, 1, 1, tzinfo=UTC)}),
    ("samples", {"index": -1}),
    ("samples", {"hr_clear_frac": 1.5}),
    ("shards", {"n_samples": 3, "n_slots": 2}),
    ("slices", {"status": "begun"}),
    ("slices", {"digest": None}),
    ("slices", {"status": "undone"}),
    ("slices", {"items": -1}),
]


def test_every_constraint_of_the_ledgers_is_tried() -> None:
    ledgers = [terms for terms in contracts().values() if terms.engine == "deltalake"]
    assert sum(len(t.constraints) for t in ledgers) == len(BAD)


@pytest.mark.parametrize(("table", "change"), BAD)
def test_both_engines_refuse_the_same_rows(lake: Lake, table: str, change: dict[str, Any]) -> None:
    good = good_row(table)
    ledger.append(lake.root, table, [good])
    with pytest.raises(ContractError):
        ledger.append(lake.root, table, [good | change])
    tables.append(lake.spark, lake.root, table, frame(lake, table, [good]))
    with pytest.raises(ContractError):
        tables.append(lake.spark, lake.root, table, frame(lake, table, [good | change]))
    assert ledger.read(lake.root, table).num_rows == 2
    assert lake.live(table).count() == 2


def test_what_spark_wrote_reads_the_same_without_it(lake: Lake) -> None:
    now = datetime(2024, 2, 29, 23, 59, 59, 999_999, tzinfo=UTC)
    scene = {c.name: None for c in contract("scenes").columns} | {
        "scene_id": "scn-1",
        "sensor": "landsat",
        "product": "p",
        "tile": "t",
        "group_key": "g",
        "standalone": False,
        "t_start": now,
        "t_end": now + timedelta(microseconds=1),
        "xmin": -1.0,
        "ymin": -2.0,
        "xmax": 0.1 + 0.2,
        "ymax": 2.0,
        "transform": [30.0, 0.0, 15.0, 0.0, -30.0, 15.0],
        "footprint_id": "f",
        "footprint_wkb": b"\x01\x00",
        "archive": "a",
        "collection": "c",
        "item_id": "i",
        "content_hash": "h",
        "assets": [("red", "https://example.com/red.tif")],
        "superseded": [
            {
                "archive": "a",
                "collection": "c",
                "item_id": "j",
                "content_hash": "k",
                "assets": [("red", "https://example.com/other.tif")],
            }
        ],
    }
    with lake.stage("scenes", "test"):
        tables.append(lake.spark, lake.root, "scenes", frame(lake, "scenes", [scene]))
    assert lake.arrow("scenes").to_pylist() == [scene]
    row = lake.df("scenes").collect()[0]
    assert (row["xmax"], row["assets"]) == (0.1 + 0.2, dict(scene["assets"]))


def test_readers_are_pinned_while_a_stage_writes(lake: Lake) -> None:
    def put(tile: str) -> None:
        tables.append(lake.spark, lake.root, "draws", frame(lake, "draws", [draw(tile)]))

    with lake.stage("manifest", "build"):
        put("a")
    reader = Lake.open(lake.root)
    with lake.stage("manifest", "build"):
        put("b")
        assert lake.df("draws").count() == Lake.open(lake.root).df("draws").count() == 1
        assert lake.live("draws").count() == 2
    assert reader.df("draws").count() == reader.arrow("draws").num_rows == 1
    reader.refresh()
    assert reader.df("draws").count() == reader.arrow("draws").num_rows == 2
    assert Lake.open(lake.root).df("sites").count() == 0


KILLED = """
import os, signal, sys
from pathlib import Path
from geosr_lake.lake import Lake, ledger

def draw(tile):
    return {"manifest_id": "man-1", "subset": "sr", "lr_tile": tile, "hr_tile": "h",
            "n_sites": 5, "n_drawn": 2}

lake = Lake.open(sys.argv[1])
with lake.stage("manifest", "build"):
    ledger.append(lake.root, "draws", [draw("b")])
    ledger.append(lake.root, "draws", [draw("c")])
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.fault
@pytest.mark.parametrize("committed_before", [True, False])
def test_after_a_kill_the_next_run_puts_it_right_in_words(
    lake: Lake, *, committed_before: bool
) -> None:
    if committed_before:
        with lake.stage("manifest", "build"):
            tables.append(lake.spark, lake.root, "draws", frame(lake, "draws", [draw("a")]))
    before = Lake.open(lake.root).arrow("draws").to_pylist()
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(lake.root)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        timeout=120,
    )
    assert done.returncode == -signal.SIGKILL
    assert (lake.root / "locks" / "manifest.lock").is_file()
    reader = Lake.open(lake.root)
    assert reader.arrow("draws").to_pylist() == before
    assert len(draws(lake)) == len(before) + 2
    assert list(commits.uncommitted(lake.root, "manifest")) == ["draws"]

    said: list[str] = []
    again = Lake.open(lake.root, tell=said.append)
    with again.stage("manifest", "build"):
        assert again.live("draws").count() == len(before)
    assert len(said) == 2
    assert "is broken" in said[0]
    assert "cut off" in said[1]
    assert again.arrow("draws").to_pylist() == before
    assert commits.uncommitted(lake.root, "manifest") == {}
    tables.append(lake.spark, lake.root, "draws", frame(lake, "draws", [draw("d")]))
    runs = Lake.open(lake.root).arrow("runs").to_pylist()
    assert all(json.loads(row["detail"]) == {} for row in runs)


def test_a_table_that_was_begun_but_not_made_is_made(lake: Lake) -> None:
    (Path(tables.table_path(lake.root, "draws")) / "_delta_log").mkdir(parents=True)
    assert lake.df("draws").count() == 0
    tables.append(lake.spark, lake.root, "draws", frame(lake, "draws", [draw()]))
    assert draws(lake) == [("man-1", "a", 2)]
