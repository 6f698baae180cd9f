"""In this process, by Spark, into a table that only Spark can write: the same pairs."""

import json
from pathlib import Path
from typing import get_args

import pyarrow as pa
import pytest
from pairs_world import DAY_US, NOON_2024_US, Scene, pairs_of, put, recipe, square
from typer.testing import CliRunner

from geosr_lake.cli.app import app
from geosr_lake.errors import UsageError
from geosr_lake.lake import Lake, arrow, ledger, tables
from geosr_lake.pairs import count as counting
from geosr_lake.pairs import here, increment
from geosr_lake.pairs.build import Engine, build
from geosr_lake.pairs.count import count
from geosr_lake.pairs.match import Tested
from geosr_lake.recipe import PairRule

pytestmark = pytest.mark.spark

T = NOON_2024_US
RULE = recipe(window="3 d")


def scenes(days: int) -> list[Scene]:
    """A coarse tile every day, and finer ones that overlap two of them, every other day."""
    coarse = [
        Scene("modis", f"h{x:02}v00", square(5 * x, 0, 5), T + day * DAY_US, name=f"{day}")
        for x in range(3)
        for day in range(days)
    ]
    fine = [
        Scene("landsat", f"{x:03}001", square(1.7 * x + day / 50, 1, 2), T + day * DAY_US)
        for x in range(8)
        for day in range(0, days, 2)
    ]
    return coarse + fine


def rows(lake: Lake) -> list[dict[str, object]]:
    found: list[dict[str, object]] = lake.arrow("pairs").to_pylist()
    return sorted(found, key=lambda row: str(row["pair_id"]))


def test_both_engines_find_the_same_rows(lake: Lake, tmp_path: Path) -> None:
    put(lake, scenes(6))
    summary = build(lake, RULE)
    assert (summary.pairs, summary.from_nothing) == (len(rows(lake)), True)
    assert not build(lake, RULE, anew=True, engine="spark").changed
    other = Lake.create(tmp_path / "other")
    put(other, scenes(6))
    again = build(other, RULE, engine="spark")
    assert rows(other) == rows(lake) != []
    told = ("pairs", "pairs_new", "scene_pairs_tested", "lr_scenes", "hr_scenes", "tile_pairs")
    assert [getattr(again, name) for name in told] == [getattr(summary, name) for name in told]
    assert not build(other, RULE, anew=True).changed


@pytest.mark.parametrize("least", [0.0, 0.3])
@pytest.mark.parametrize("part", [50_000, 3])
def test_a_count_is_that_of_a_build_and_writes_nothing(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, least: float, part: int
) -> None:
    put(lake, scenes(6))
    rule = recipe(window="1 d", min_overlap_frac=least)
    monkeypatch.setattr(here, "ROWS_A_PART", part)
    files = sorted(path for path in lake.folder.rglob("*") if path.is_file())
    counted = count(lake, rule)
    assert sorted(path for path in lake.folder.rglob("*") if path.is_file()) == files
    built = build(lake, rule)
    same = ("rule_id", "pairs", "lr_scenes", "hr_scenes", "tile_pairs")
    same += ("scene_pairs_tested", "footprint_pairs_tested")
    assert [getattr(counted, name) for name in same] == [getattr(built, name) for name in same]
    assert counted.pairs > 0
    assert count(lake, rule) == counted


def test_a_count_without_scenes_says_what_is_lacking(lake: Lake) -> None:
    put(lake, scenes(1)[:1])
    with pytest.raises(UsageError, match="no scene of landsat"):
        count(lake, RULE)


def test_the_command_counts(lake: Lake, tmp_path: Path) -> None:
    put(lake, scenes(6))
    path = tmp_path / "rule.yaml"
    path.write_text(
        "name: made\npairs: {lr: {sensor: modis}, hr: {sensor: landsat}, window: 3 d}\n"
    )
    command = ["pairs", "build", "--recipe", str(path), "--lake", str(lake.root), "--dry-run"]
    done = CliRunner().invoke(app, [*command, "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["pairs"] == count(lake, RULE).pairs
    assert "Pairs that made would have" in CliRunner().invoke(app, command).stdout
    assert lake.arrow("pairs").num_rows == 0


@pytest.mark.slow
def test_pairs_that_differ_are_counted_alike(lake: Lake, tmp_path: Path) -> None:
    """A build from nothing over former pairs that are wrong in each of the three ways."""
    told = []
    for engine in get_args(Engine):
        put(lake := Lake.create(tmp_path / engine), scenes(4))
        build(lake, RULE)
        found = ledger.open_table(lake.root, "pairs")
        assert found is not None
        found.delete("lr_tile = 'h00v00'")
        found.update({"gap_s": "1.0"}, predicate="lr_tile = 'h02v00'")
        found.update({"lr_scene_id": "'x'"}, predicate="hr_tile = '004001'")
        done = build(lake, RULE, anew=True, engine=engine)
        told.append((done.pairs, done.pairs_new, done.pairs_changed, done.pairs_removed))
        assert all(told[0])
        assert not build(lake, RULE, anew=True).changed
    assert told[0] == told[1]


@pytest.mark.slow
def test_a_clustered_table_gets_its_rows_through_spark(lake: Lake) -> None:
    tables.create(lake.spark, lake.root, "pairs")
    tables.create(lake.spark, lake.root, "tile_pairs")
    assert arrow.needs_spark(lake.root, "pairs")
    put(lake, scenes(3))
    first = build(lake, RULE)
    assert first.pairs == first.pairs_new > 0
    put(lake, scenes(5)[2:])  # some go, some come
    second = build(lake, RULE)
    assert not second.from_nothing
    assert second.pairs_removed > 0
    assert second.pairs_new > 0
    assert not build(lake, RULE, anew=True).changed
    assert len(pairs_of(lake.arrow("pairs").to_pylist())) == second.pairs


@pytest.mark.parametrize("limit", ["tiles", "scenes"])
def test_limits_change_the_way_and_not_the_pairs(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    """Too many tiles to be named, and more changes than are looked at one by one."""
    put(lake, scenes(3))
    build(lake, RULE)
    put(lake, scenes(6)[1:])
    if limit == "tiles":
        monkeypatch.setattr(increment, "MAX_TILES_NAMED", 0)
        assert not build(lake, RULE).from_nothing
    else:
        monkeypatch.setattr(here, "MOST_SCENES", 2)
        told: list[str] = []
        assert build(Lake.open(lake.root, tell=told.append), RULE).from_nothing
        assert any(text.startswith("Spark does this: more than") for text in told)
        monkeypatch.undo()
    assert not build(lake, RULE, anew=True).changed


@pytest.mark.parametrize("most", [1, 60, 100])
def test_spans_change_the_way_and_not_the_pairs(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    """More scenes than are held at a time: span by span, and with Spark where none fits."""
    put(lake, scenes(20))
    build(lake, RULE)
    other = Lake.create(tmp_path / "spans")
    put(other, scenes(20))
    monkeypatch.setattr(here, "MOST_SCENES", most)
    told = count(other, RULE)
    summary = build(other, RULE)
    assert rows(other) == rows(lake)
    assert told.pairs == summary.pairs == summary.pairs_new > 0
    assert (summary.lr_scenes, summary.hr_scenes) == (told.lr_scenes, told.hr_scenes)
    assert summary.scenes_new == summary.lr_scenes + summary.hr_scenes
    run = max(other.arrow("runs").to_pylist(), key=lambda run: run["started_at"])
    cut = json.loads(run["detail"])
    assert cut.get("spans", 0) > 1 or (most == 1 and "groups" in cut)


def watched(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Return a list that fills with the LR scenes and the pairs of each part that is matched."""
    match, parts = here._match, list[tuple[int, int]]()

    def told(part: here._Part, rule: PairRule) -> tuple[pa.Table, Tested]:
        found = match(part, rule)
        parts.append((len(part.lr.rows), len(found[0])))
        return found

    monkeypatch.setattr(here, "_match", told)
    return parts


def test_a_crowded_tile_is_cut_by_time(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Into parts of about equal size, which find the same pairs."""
    crowded = [
        Scene("modis", "h00v00", square(0, 0, 5), T + hour * DAY_US // 24, name=f"hour {hour}")
        for hour in range(200)
    ]
    put(lake, [*scenes(6), *crowded])
    build(lake, RULE)
    whole = rows(lake)
    monkeypatch.setattr(here, "ROWS_A_PART", 10)
    parts = watched(monkeypatch)
    assert not build(lake, RULE, anew=True).changed
    assert rows(lake) == whole
    # 206 scenes of one tile at 20 to a part; a part is never much more.
    assert len(parts) > 11
    assert max(scenes for scenes, _ in parts) <= 20


def test_a_long_window_is_cut_by_its_pairs(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few scenes, but each is near nearly all others: what is held is bounded all the same."""
    rule = recipe(window="40 d")
    put(lake, scenes(40))
    build(lake, rule)
    whole = rows(lake)
    monkeypatch.setattr(here, "PAIRS_A_PART", 100)
    parts = watched(monkeypatch)
    assert not build(lake, rule, anew=True).changed
    assert rows(lake) == whole
    held = [pairs for _, pairs in parts]
    assert sum(held) == len(whole) > 2_000
    assert max(held) <= 3 * 100


@pytest.mark.slow
def test_more_new_pairs_than_are_held_are_all_found_again(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(lake, scenes(4))
    build(lake, RULE)
    monkeypatch.setattr(here, "MOST_SCENES", 100)
    put(lake, scenes(8))
    done = build(lake, RULE)
    assert done.from_nothing
    assert done.pairs > 100
    run = max(lake.arrow("runs").to_pylist(), key=lambda run: run["started_at"])
    assert "groups" in json.loads(run["detail"]), "by Spark"
    monkeypatch.undo()
    assert not build(lake, RULE, anew=True).changed


def test_a_new_scene_near_more_than_are_held_is_all_found_again(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One scene came, and what is near it is not held beside it."""
    many = [Scene("modis", "h00v00", square(0, 0, 5), T + n, name=f"at {n}") for n in range(30)]
    here_too = [Scene("landsat", "001001", square(9 * n, 0), T + n) for n in range(2)]
    put(lake, [*many, here_too[1]])
    assert build(lake, RULE).pairs == 0
    monkeypatch.setattr(here, "MOST_SCENES", 30)
    put(lake, [*many, *here_too])
    done = build(lake, RULE)
    assert (done.from_nothing, done.pairs) == (True, 30)
    monkeypatch.undo()
    assert not build(lake, RULE, anew=True).changed


def test_too_many_to_count_are_told(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    put(lake, scenes(4))
    monkeypatch.setattr(counting, "MOST", (1, 2))
    with pytest.raises(UsageError, match="More than 2 scenes are near each other in time"):
        count(lake, RULE)
