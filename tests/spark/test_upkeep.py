"""New items cost what they cost: what is read, written and remembered; items that are withdrawn."""

import json
from pathlib import Path
from typing import Any

import pytest
import table_rows
from pairs_world import DAY_US, HOUR_US, NOON_2024_US, Scene, put, recipe, scene_table, square
from stac_items import box, landsat, naip, row, sentinel2, write_lines
from typer.testing import CliRunner

from geosr_lake.cli.app import app
from geosr_lake.lake import Lake, changes, ledger, tables
from geosr_lake.manifest.build import _outdated
from geosr_lake.pairs.build import build
from geosr_lake.scenes import settle_spread
from geosr_lake.scenes.ingest import ingest
from geosr_lake.scenes.withdraw import withdraw

pytestmark = pytest.mark.spark

T = NOON_2024_US


def files(lake: Lake, table: str) -> set[str]:
    found = ledger.open_table(lake.root, table)
    assert found is not None
    return set(found.file_uris())


def test_only_what_changed_is_found_and_written(lake: Lake) -> None:
    rule = recipe(window="30 d")
    coarse = Scene("modis", "h00v00", square(0, 0, 5), T)
    fine = [Scene("landsat", "001001", square(1, 1), T + i * HOUR_US) for i in range(3)]
    put(lake, [coarse, *fine[:2]])
    first = build(lake, rule)
    assert (first.from_nothing, first.pairs, first.pairs_new) == (True, 2, 2)
    written = files(lake, "pairs")
    put(lake, [coarse, *fine])
    second = build(lake, rule)
    assert (second.from_nothing, second.scenes_new, second.scenes_gone) == (False, 1, 0)
    assert (second.scene_pairs_tested, second.pairs, second.pairs_new) == (1, 3, 1)
    assert written < files(lake, "pairs"), "a file of before was written anew"
    # A scene goes, another lies elsewhere now.
    moved = Scene("landsat", "001001", square(4.5, 1), T)
    put(lake, [coarse, moved, fine[2]])
    third = build(lake, rule)
    assert (third.pairs, third.pairs_new, third.pairs_changed, third.pairs_removed) == (2, 0, 1, 1)
    assert build(lake, rule, anew=True).changed is False
    # All scenes of a side go: so do the pairs.
    put(lake, [coarse])
    assert (build(lake, rule).pairs, len(lake.arrow("pairs"))) == (0, 0)


def test_what_compaction_moves_did_not_change(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    scenes = [Scene("landsat", "001001", square(1, 1), T + i * DAY_US) for i in range(4)]
    with lake.stage("scenes", "test"):  # in three files, for compaction to have work
        table_rows.put(lake, "scenes", scene_table(scenes[:3]), files=3)
    since = lake.versions["scenes"]
    with lake.stage("scenes", "test"):
        path = tables.table_path(lake.root, "scenes")
        lake.spark.sql(f"OPTIMIZE delta.`{path}`")
    now = lake.versions["scenes"]
    assert now > since
    assert changes.between(lake.root, "scenes", since, now) == {}
    assert changes.between(lake.root, "scenes", now, since) is None
    put(lake, scenes[1:])
    moved = {(scenes[0].scene_id, changes.GONE), (scenes[3].scene_id, changes.CAME)}
    for most in (changes.MOST_BYTES, 0):  # in this process, and by Spark
        monkeypatch.setattr(changes, "MOST_BYTES", most)
        rows = changes.rows_between(
            *(lambda: lake.spark, lake.root, "scenes", since, lake.versions["scenes"]),
            columns=["scene_id", "platform"],
            along="footprint_wkb",
            most=99,
        )
        assert rows is not None
        found = {(r["scene_id"], r["change"]): r["footprint_wkb"] for r in rows.to_pylist()}
        assert found == {one: scenes[3].wkb if one[1] > 0 else None for one in moved}
        few = changes.rows_between(
            *(lambda: lake.spark, lake.root, "scenes", since, lake.versions["scenes"]),
            columns=["scene_id", "platform"],
            along="footprint_wkb",
            most=1,
        )
        assert few is None
    # A log that does not reach back is no answer.
    log = Path(str(lake.root)) / "tables" / "scenes" / "_delta_log"
    (log / f"{now:020}.json").unlink()
    assert changes.between(lake.root, "scenes", since, now) is None


def test_a_manifest_knows_that_its_pairs_are_older_than_the_scenes(lake: Lake) -> None:
    rule = recipe(window="30 d")
    scenes = [Scene("modis", "h00v00", square(0, 0, 5), T), Scene("landsat", "1", square(1, 1), T)]
    put(lake, scenes)
    build(lake, rule)
    assert not _outdated(lake, rule)
    put(lake, [*scenes, Scene("landsat", "1", square(1, 1), T + HOUR_US)])
    assert _outdated(lake, rule)
    build(lake, rule)
    assert not _outdated(lake, rule)


def test_a_deprecated_item_is_a_withdrawal() -> None:
    doc = naip()
    kept = row(doc)
    doc["properties"]["deprecated"] = True
    gone = row(doc)
    assert (gone["outcome"], gone["reason"]) == ("withdrawn", "deprecated")
    assert gone["content_hash"] != kept["content_hash"]
    assert gone["version_key"] == kept["version_key"]
    doc["properties"]["deprecated"] = "yes"
    assert row(doc) == kept


def test_withdrawn_items_fall_back_or_go_and_the_sums_hold(lake: Lake, tmp_path: Path) -> None:
    one, other, third = naip(state="co"), naip(state="ne"), landsat()
    ingest(lake, [write_lines(tmp_path / "a.ndjson", [one, other, third])])
    (scene,) = lake.arrow("scenes", filters=[("sensor", "=", "naip")]).to_pylist()
    loser = other if scene["item_id"] == one["id"] else one
    args = ["scenes", "withdraw", scene["item_id"], "--lake", str(lake.root), "--json"]
    done = CliRunner().invoke(app, args)
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert (said["withdrawn"], said["scenes_before"], said["scenes"]) == (1, 2, 2)
    lake.refresh()
    (now,) = lake.arrow("scenes", filters=[("sensor", "=", "naip")]).to_pylist()
    assert (now["item_id"], now["scene_id"]) == (loser["id"], scene["scene_id"])
    again = json.loads(CliRunner().invoke(app, args).stdout)
    assert (again["withdrawn"], again["already"]) == (0, 1)
    # The archive takes the other one back: the scene goes, and its tile.
    loser["properties"]["deprecated"] = True
    summary = ingest(lake, [write_lines(tmp_path / "b.ndjson", [loser, one])])
    assert (summary.read, summary.withdrawn, summary.scenes, summary.tiles) == (2, 1, 1, 1)
    assert summary.taken_out == 2
    # A newer version of it comes back.
    loser["properties"] |= {"deprecated": False, "updated": "2030-01-01T00:00:00Z"}
    loser["geometry"] = box(-102.131, 40.995, -102.05, 41.067)
    assert ingest(lake, [write_lines(tmp_path / "c.ndjson", [loser])]).scenes == 2
    unknown = CliRunner().invoke(app, ["scenes", "withdraw", "none", "--lake", str(lake.root)])
    assert unknown.exit_code == 2
    assert "keeps no such item: 'none'" in " ".join(unknown.stderr.split())


@pytest.mark.slow
def test_tiles_after_a_withdrawal_by_spark_that_was_killed(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When its scenes were gone and its tiles not yet; the next run needs no Spark."""
    kept = sentinel2(geometry=box(-106.2, 40.5, -105.9, 40.6))
    wide = sentinel2(sensed="20240813T180011", strip="20240813T180500")
    alone = naip()
    first = write_lines(tmp_path / "a.ndjson", [kept, wide, alone])
    later = write_lines(tmp_path / "b.ndjson", [landsat()])
    other = Lake.create(tmp_path / "other")
    for one in (lake, other):
        ingest(one, [first])

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(settle_spread, "_derive_tiles", killed)
        with pytest.raises(KeyboardInterrupt):
            withdraw(lake, [wide["id"], alone["id"]], engine="spark")
    again = Lake.open(lake.root)
    ingest(again, [later], engine="here")
    withdraw(other, [wide["id"], alone["id"]])
    ingest(other, [later])
    tiles = [
        sorted(one.arrow("tiles").to_pylist(), key=lambda row: str(row["tile"]))
        for one in (Lake.open(lake.root), Lake.open(other.root))
    ]
    assert tiles[0] == tiles[1]
    assert [row["scene_count"] for row in tiles[0]] == [1, 1]
