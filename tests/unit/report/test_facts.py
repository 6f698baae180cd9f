"""Counts of the lake as a whole, and one manifest's members, against the rows they come from."""

from datetime import UTC, datetime
from typing import Any

import pytest

from geosr_lake.lake import Lake
from geosr_lake.report import facts, plates, shard_rows
from geosr_lake.report.members import MAX_SHAPES, footprints, members
from geosr_lake.report.rows import by_key, query


def manifest_of(world: Any, task: str) -> str:
    return next(r["manifest_id"] for r in world.rows["manifests"] if r["task"] == task)


def test_counts_equal_the_rows(full: tuple[Lake, Any]) -> None:
    lake, world = full
    found = facts.gather(lake)
    rows = world.rows
    assert found.n_items == len(rows["items"])
    assert found.n_scenes == len(rows["scenes"])
    assert found.n_pairs == len(rows["pairs"])
    assert found.n_candidates == len(rows["candidates"])
    assert found.n_samples == sum(r["role"] == "sample" for r in rows["manifest"])
    assert found.n_reserves == sum(r["role"] == "reserve" for r in rows["manifest"])
    assert found.n_materialized == len(rows["samples"])
    assert found.cube_bytes == sum(f["bytes"] for r in rows["shards"] for f in r["files"])
    assert found.commit == 3


def test_items_are_told_apart_by_outcome_and_reason(full: tuple[Lake, Any]) -> None:
    found = facts.gather(full[0]).outcomes
    others = ["unsupported", "quarantined", "withdrawn"]
    assert [o.outcome for o in found] == ["kept"] * 4 + others
    assert [(o.reason, o.n) for o in found[4:]] == [
        ("product_not_paired", 2), ("bad_footprint", 1), ("deprecated", 1),
    ]  # fmt: skip


def test_scenes_by_sensor(full: tuple[Lake, Any]) -> None:
    lake, world = full
    by_sensor = {row.sensor: row for row in facts.gather(lake).scenes}
    assert list(by_sensor) == ["landsat", "modis", "naip", "sentinel2"]
    starts = [r["t_start"] for r in world.rows["scenes"] if r["sensor"] == "modis"]
    assert by_sensor["modis"].n == len(starts)
    assert (by_sensor["modis"].first, by_sensor["modis"].last) == (min(starts), max(starts))
    assert by_sensor["naip"].cloud_unknown == 1
    assert by_sensor["modis"].superseded == 0


def test_pairs_by_rule_know_their_sensors(full: tuple[Lake, Any]) -> None:
    lake, world = full
    for row in facts.gather(lake).pairs:
        mine = [r for r in world.rows["pairs"] if r["rule_id"] == row.rule_id]
        assert row.n == row.lr_scenes == len(mine)
        assert row.hr_scenes == 1
        assert (row.gap_min_s, row.gap_max_s) == (
            min(r["gap_s"] for r in mine),
            max(r["gap_s"] for r in mine),
        )
        assert (row.lr_sensor, row.hr_sensor) in {("modis", "landsat"), ("sentinel2", "naip")}


def test_runs_are_listed_latest_first(full: tuple[Lake, Any]) -> None:
    found = facts.gather(full[0])
    assert [run.stage for run in found.runs] == [
        "cubes build", "manifest build", "pairs build", "scenes build",
    ]  # fmt: skip
    assert found.runs[0].seconds == 15.5
    assert found.runs[0].counts == (("rows", 7),)
    assert dict(found.seconds_by_stage)["scenes build"] == 12.5


def test_an_empty_lake_has_facts(tmp_path: Any) -> None:
    found = facts.gather(Lake.create(tmp_path / "lake"))
    assert (found.n_items, found.n_scenes, found.n_samples, found.cube_bytes) == (0, 0, 0, 0)
    assert found.commit is None
    assert found.runs == ()


def test_counts_keep_to_the_pinned_version(make_lake: Any) -> None:
    lake, _ = make_lake("s2_naip", n=2, cubes=False)
    before = facts.gather(lake)
    from geosr_lake.lake import ledger

    row = query(lake, "funnel", "SELECT * FROM funnel LIMIT 1")[0] | {"subset": "later", "step": 99}
    ledger.append(lake.root, "funnel", [row])
    assert query(lake, "funnel", "SELECT count(*) AS n FROM funnel WHERE subset = 'later'") == [
        {"n": 0}
    ]
    assert facts.gather(lake) == before


def test_rows_by_key(full: tuple[Lake, Any]) -> None:
    lake, world = full
    names = [row["site_id"] for row in world.rows["sites"][:3]]
    found = by_key(lake, "sites", "site_id", ["lon"], [*names, *names, "sit-none"])
    assert sorted(found) == sorted(names)
    assert list(found) == sorted(found)
    assert found[names[0]]["lon"] == world.rows["sites"][0]["lon"]
    assert by_key(lake, "sites", "site_id", ["lon"], []) == {}


def test_members_are_joined_with_all_that_is_known(full: tuple[Lake, Any]) -> None:
    lake, world = full
    manifest_id = manifest_of(world, "s2_naip")
    found = members(lake, manifest_id)
    rows = {r["sample_id"]: r for r in world.rows["manifest"] if r["manifest_id"] == manifest_id}
    assert {m.sample_id for m in found} == rows.keys()
    assert [m.role for m in found] == sorted((m.role for m in found), reverse=True)
    measured = {r["sample_id"]: r for r in world.rows["samples"]}
    candidates = {(r["site_id"], r["pair_id"]): r for r in world.rows["candidates"]}
    for m in found:
        row = rows[m.sample_id]
        assert (m.split, m.stratum, m.gap_s) == (row["split"], row["stratum"], row["gap_s"])
        assert m.lr is not None
        assert m.hr is not None
        assert (m.lr.sensor, m.hr.sensor) == ("sentinel2", "naip")
        assert m.lr_cloud_frac == candidates[row["site_id"], row["pair_id"]]["lr_cloud_frac"]
        assert m.hr_cloud_frac is None
        assert (m.measured is not None) == (m.role == "sample")
        if m.measured is not None:
            assert m.measured.index == measured[m.sample_id]["index"]
            assert m.measured.correlation == measured[m.sample_id].get("correlation")


def test_footprints_stand_once_and_are_bounded(full: tuple[Lake, Any]) -> None:
    lake, world = full
    ids = [r["scene_id"] for r in world.rows["scenes"] if r["sensor"] == "sentinel2"]
    assert len(ids) > 1
    assert len(footprints(lake, ids)) == 1
    assert len(footprints(lake, [f"scn-{i}" for i in range(10 * MAX_SHAPES)])) == 0


def test_the_funnel_adds_up(full: tuple[Lake, Any]) -> None:
    lake, world = full
    manifest_id = manifest_of(world, "s2_naip")
    rows = [r for r in world.rows["funnel"] if r["manifest_id"] == manifest_id]
    verdicts = facts.gather(lake).verdicts
    (funnel,) = plates.funnels(rows, verdicts)
    left = funnel.n_candidates
    for step in funnel.steps:
        assert step.n_in == left
        left -= step.n_dropped
        assert step.n_out == left
        assert step.out_share + step.dropped_share == pytest.approx(
            step.n_in / funnel.n_candidates, abs=1e-9
        )
    assert left == funnel.kept + funnel.reserve
    assert {s.rule for s in funnel.steps} | set(funnel.idle) == {r["rule"] for r in rows}


def test_bars_of_small_counts_can_be_seen() -> None:
    row = {"manifest_id": "m", "subset": "s", "rule": "lr_cloud", "step": 0}
    (funnel,) = plates.funnels(
        [row | {"n_in": 100_000, "n_dropped": 99_999, "n_out": 1}], {("m", "s", "kept"): (1, 1)}
    )
    step = funnel.steps[0]
    assert 0 < step.out_share < 0.01
    assert step.dropped_share <= 1
    (funnel,) = plates.funnels([row | {"n_in": 100_000, "n_dropped": 1, "n_out": 99_999}], {})
    step = funnel.steps[0]
    assert step.dropped_share >= plates.MIN_SHARE
    assert step.out_share + step.dropped_share <= 1


def test_no_candidates_no_division() -> None:
    row = {"manifest_id": "m", "subset": "s", "rule": "lr_cloud", "step": 0}
    (funnel,) = plates.funnels([row | {"n_in": 0, "n_dropped": 0, "n_out": 0}], {})
    assert (funnel.n_candidates, funnel.steps, funnel.idle) == (0, (), ("lr_cloud",))


def test_shards_are_summed_and_cut() -> None:
    rows = [
        {"split": "test", "shard": i, "n_slots": 4, "n_samples": 3, "bytes_read": 10,
         "seconds": 0.5, "files": [{"bytes": 7}, {"bytes": 1}],
         "rejected": [{"reason": "lr_not_clear"}]}
        for i in range(shard_rows.MAX_SHARDS + 5)
    ]  # fmt: skip
    rows.append({**rows[0], "split": "train", "rejected": []})
    found = shard_rows.shards(rows)
    assert found is not None
    assert (found.n, len(found.rows)) == (len(rows), shard_rows.MAX_SHARDS)
    assert found.rows[0].split == "train"
    assert (found.total.n_samples, found.total.n_bytes) == (3 * len(rows), 8 * len(rows))
    assert shard_rows.shards([]) is None


def test_what_is_tried_is_dropped_or_in_the_cubes(full: tuple[Lake, Any]) -> None:
    lake, world = full
    manifest_id = manifest_of(world, "modis_landsat8")
    rows = [r for r in world.rows["shards"] if r["manifest_id"] == manifest_id]
    found = plates.at_pixels(rows, members(lake, manifest_id))
    assert found is not None
    assert found.dropped == (("hr_not_clear", len(rows)),)
    assert found.tried == found.in_cubes + len(rows)
    assert found.in_cubes == sum(r["manifest_id"] == manifest_id for r in world.rows["samples"])
    assert plates.at_pixels([], []) is None


def test_times_are_utc(full: tuple[Lake, Any]) -> None:
    found = facts.gather(full[0])
    assert found.committed_at is not None
    assert found.committed_at.utcoffset() == datetime.now(UTC).utcoffset()
