"""`geosr lake maintain`: fewer files, the same rows, and every version that something pins."""

import json
import shutil
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import lake_v1_world as world
import pyarrow as pa
import pytest
from deltalake import DeltaTable
from pairs_world import HOUR_US, NOON_2024_US, Scene, put, square
from pairs_world import recipe as pairs_recipe
from pyspark.sql import SparkSession
from typer.testing import CliRunner

from geosr_lake.cli.app import app
from geosr_lake.errors import IncompleteError, LockedError, UsageError
from geosr_lake.lake import Lake, arrow, commits, ledger, pins, tables
from geosr_lake.lake import maintain as maintain_module
from geosr_lake.lake.contracts import contract, contracts
from geosr_lake.lake.locks import lock
from geosr_lake.lake.maintain import maintain, upgrade_lake
from geosr_lake.pairs.build import build as build_pairs
from geosr_lake.scenes.ingest import ingest

pytestmark = pytest.mark.spark


@pytest.fixture(scope="module")
def changed(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake with a manifest, made by older code; since then its scenes and pairs have changed."""
    folder = tmp_path_factory.mktemp("old")
    lake = Lake.open(world.unpack(folder))
    ingest(lake, [world.sources(folder / "third", world.third())])
    build_pairs(lake, world.recipe())
    return lake.root


@pytest.fixture
def old(changed: Path, tmp_path: Path) -> Lake:
    """A copy of it."""
    return Lake.open(shutil.copytree(changed, tmp_path / "lake"))


def rows(lake: Lake, table: str, version: int | None = None) -> list[dict[str, Any]]:
    found = ledger.read(lake.root, table, version).to_pylist()
    return sorted(found, key=lambda row: [str(row[name]) for name in contract(table).key])


def data_tables(lake: Lake) -> list[str]:
    return [name for name in lake.versions if contract(name).stage != "lake"]


@pytest.mark.slow
def test_rows_stay_files_go_and_pinned_versions_are_read(old: Lake) -> None:
    (pinned,) = pins.manifest_pins(old.root, old.versions)
    assert pinned.versions["scenes"] < old.versions["scenes"]
    assert pinned.versions["pairs"] < old.versions["pairs"]
    then = {table: rows(old, table, v) for table, v in pinned.versions.items()}
    before = {table: rows(old, table) for table in data_tables(old)}
    listed = {table: pins.on_disk(old.root, table) for table in data_tables(old)}
    versions = old.versions

    planned = maintain(old, keep_days=0, dry_run=True)
    assert planned.pinned == {pinned.why: pinned.versions}
    assert old.versions == versions
    assert {table: pins.on_disk(old.root, table) for table in listed} == listed

    done = maintain(old, keep_days=0)
    work = {w.table: w for w in done.tables}
    assert work["items"].files_before > work["items"].files_after == 1
    assert work["items"].rows == len(before["items"])
    assert sum(w.files_removed for w in done.tables) > 0
    assert work["scenes"].versions_removed > 0
    newest = commits.latest(old.root)
    assert newest is not None
    assert done.commit == newest.seq
    assert newest.versions["items"] == old.versions["items"] == ledger.version_of(old.root, "items")
    for table, expected in before.items():
        assert rows(old, table) == expected, table
        assert old.df(table).count() == len(expected)
    for table, version in pinned.versions.items():
        assert rows(old, table, version) == then[table], "time travel to what a manifest pins"
        frame = old.spark.read.format("delta").option("versionAsOf", version)
        assert frame.load(str(tables.table_path(old.root, table))).count() == len(then[table])
    assert pins.unreadable(old.root, newest.versions) == []
    rows_of_commits = sorted(ledger.read(old.root, "commits").to_pylist(), key=lambda r: r["seq"])
    assert "scenes" in pins.unreadable(old.root, dict(rows_of_commits[0]["versions"]))
    for row in rows_of_commits[-2:]:  # who opened the lake before can go on
        assert pins.unreadable(old.root, dict(row["versions"])) == []
    for name in data_tables(old):
        files = ledger.files_of(old.root, name, old.versions[name]).keys()
        assert files <= pins.on_disk(old.root, name).keys()
    detail = old.spark.sql(f"DESCRIBE DETAIL delta.`{tables.table_path(old.root, 'scenes')}`")
    assert detail.collect()[0]["clusteringColumns"] == ["sensor", "tile", "t_start"]

    again = maintain(old, keep_days=0)
    assert again.commit is None, "the same again makes no version"
    last = maintain(old, keep_days=0, dry_run=True)
    assert sum(w.files_removed for w in last.tables) == 0
    run = next(row for row in rows(old, "runs") if row["run_id"] == done.run_id)
    assert (run["stage"], run["status"]) == ("lake maintain", "done")
    assert dict(run["versions_out"])["items"] == newest.versions["items"]
    appended = build_pairs(old, world.recipe())
    assert not appended.changed, "stages go on from compacted tables"


@pytest.mark.slow
def test_days_keep_commits_and_all_keeps_all(old: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seven days, if nothing else is said, from whatever moment on."""
    every = sorted(ledger.read(old.root, "commits").to_pylist(), key=lambda row: row["seq"])
    times = [row["committed_at"] for row in every]

    def unreadable(since: datetime, **options: Any) -> list[int]:
        """Maintain seven days after a moment; return the commits that are closed by it."""

        class Then(datetime):
            @classmethod
            def now(cls, _tz: Any = None) -> Any:
                return since + timedelta(days=7)

        monkeypatch.setattr(maintain_module, "datetime", Then)
        done = maintain(old, **options)
        assert done.kept_since in (None, since.isoformat(timespec="seconds"))
        closed = [pins.unreadable(old.root, dict(row["versions"])) != [] for row in every]
        return [row["seq"] for row, gone in zip(every, closed, strict=True) if gone]

    a_moment = timedelta(seconds=1)
    assert unreadable(times[-1] + a_moment, keep_all=True) == []
    assert unreadable(times[0] - a_moment) == []
    assert maintain(old, keep_days=10**9).kept_since is not None
    closed = unreadable(times[-1] + a_moment)
    assert every[0]["seq"] in closed
    assert every[-1]["seq"] not in closed
    with pytest.raises(UsageError):
        maintain(old, keep_days=float("nan"))


@pytest.mark.slow
def test_a_manifest_that_pins_nothing_known_is_in_the_way(old: Lake, tmp_path: Path) -> None:
    copy = pa.Table.from_pylist(
        [rows(old, "manifests")[0] | {"manifest_id": "man-unknown"}],
        schema=ledger.arrow_schema("manifests"),
    )
    with old.stage("manifest", "test"):
        frame = old.spark.createDataFrame(copy, tables.schema("manifests"))
        tables.append(old.spark, old.root, "manifests", frame)
    before = {table: pins.on_disk(old.root, table) for table in data_tables(old)}
    with pytest.raises(IncompleteError, match="man-unknown"):
        maintain(old, keep_days=0)
    assert {table: pins.on_disk(old.root, table) for table in before} == before
    assert all(w.files_removed == 0 for w in maintain(old, keep_all=True).tables)


@pytest.mark.slow
def test_rows_of_a_killed_run_are_left_to_its_stage(old: Lake) -> None:
    from pyspark.sql import functions as f

    waiting = rows(old, "scenes")
    frame = old.live("scenes").limit(1).withColumn("scene_id", f.lit("scn-cut-off"))
    tables.append(old.spark, old.root, "scenes", frame)
    version = ledger.version_of(old.root, "scenes")
    done = maintain(old, keep_days=0)
    assert ledger.version_of(old.root, "scenes") == version
    work = {w.table: w for w in done.tables}
    assert "killed run" in (work["scenes"].skipped or "")
    assert "killed run" in (work["items"].skipped or "")
    assert work["pairs"].skipped is None
    assert sorted(old.arrow("scenes")["scene_id"].to_pylist()) == [r["scene_id"] for r in waiting]


@pytest.mark.slow
def test_a_run_that_was_cut_off_is_taken_on(old: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compacted versions that no commit names hold the same rows: no stage puts them back."""
    before = rows(old, "pairs")
    upgrade_lake(old)  # commits too

    def cut_off(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(commits, "record", cut_off)
        with pytest.raises(KeyboardInterrupt):
            maintain(old, keep_days=0)
    ahead = ledger.version_of(old.root, "tile_pairs")
    assert "tile_pairs" in commits.uncommitted(old.root, "pairs")
    assert maintain(old, keep_days=0).commit is not None
    assert ledger.version_of(old.root, "tile_pairs") == ahead
    assert rows(old, "pairs") == before


def test_it_works_alone(lake: Lake) -> None:
    with lock(lake.root, "pairs"), pytest.raises(LockedError, match="pairs is being written by"):
        maintain(lake)
    with lake.stage("scenes", "test"):
        done = CliRunner().invoke(app, ["lake", "maintain", "--lake", str(lake.root)])
    assert done.exit_code == LockedError.exit_code
    assert "scenes is being written by process" in done.stderr


@pytest.mark.slow
def test_the_commands_print_and_upgrade_all_at_once(spark: SparkSession, tmp_path: Path) -> None:
    root = str(world.unpack(tmp_path))
    done = CliRunner().invoke(app, ["lake", "upgrade", "--lake", root, "--json"])
    assert done.exit_code == 0, done.stderr
    assert set(json.loads(done.stdout)) >= {"items", "pairs", "manifest"}
    assert upgrade_lake(Lake.open(root)) == {}
    for name in contracts():
        path = Path(tables.table_path(Path(root), name))
        if path.is_dir():
            held = DeltaTable(str(path)).metadata().configuration
            assert held["geosr.contract"] == contract(name).label
    done = CliRunner().invoke(app, ["lake", "maintain", "--lake", root, "--dry-run"])
    assert done.exit_code == 0, done.stderr
    assert "Kept for man-" in done.stderr
    done = CliRunner().invoke(app, ["lake", "maintain", "--lake", root, "--json"])
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    assert {w["table"] for w in told["tables"]} >= {"items", "scenes", "pairs"}
    assert commits.uncommitted(Path(root), "scenes") == {}


@pytest.mark.slow
def test_only_large_tables_are_clustered(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small one stays as deltalake can write it; of a large one Spark takes over the writing."""
    worlds = [
        Scene("landsat", "001001", square(1, 1), NOON_2024_US + i * HOUR_US) for i in range(4)
    ]
    coarse = Scene("modis", "h00v00", square(0, 0, 5), NOON_2024_US)
    rule = pairs_recipe(window="30 d")
    for count in (1, 2):  # two builds, two files
        put(lake, [coarse, *worlds[:count]])
        build_pairs(lake, rule)
    first = maintain(lake, keep_all=True)
    assert {w.table: w.files_after for w in first.tables}["pairs"] == 1
    assert not arrow.needs_spark(lake.root, "pairs")
    put(lake, [coarse, *worlds[:3]])
    build_pairs(lake, rule)
    monkeypatch.setattr(maintain_module, "CLUSTER_BYTES", 0)
    maintain(lake, keep_all=True)
    assert arrow.needs_spark(lake.root, "pairs")
    put(lake, [coarse, *worlds[1:]])
    summary = build_pairs(lake, rule)
    assert (summary.pairs, summary.pairs_new, summary.pairs_removed) == (3, 1, 1)
    assert not build_pairs(lake, rule, anew=True).changed
