"""A manifest as jobs, from the lake's tables."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cubes_world import DAY, X_M, Y_M, Scene, make_lake, manifest_row, recipe
from table_rows import add

from geosr_lake.cubes.inputs import choose_manifest, read_inputs
from geosr_lake.errors import ContractError, UsageError
from geosr_lake.lake import Lake

OLD = {
    "archive": "other",
    "collection": "c",
    "item_id": "old",
    "content_hash": "old-hash",
    "assets": {"B02": "/old/B02.tif"},
}


def scenes(**changes: Any) -> list[Scene]:
    return [
        Scene("scn-s2", "sentinel2", {"B02": "/x/B02.tif"}, dn_offset=-1000, superseded=[OLD]),
        Scene("scn-naip", "naip", {"image": "/x/n.tif"}, end=DAY + timedelta(days=1), **changes),
    ]


def row(number: int, **changes: Any) -> dict[str, Any]:
    return {
        **manifest_row("man-0", number, x_m=X_M, y_m=Y_M, lr="scn-s2", hr="scn-naip"),
        **changes,
    }


def item_row(dn_offset: int | None) -> dict[str, Any]:
    return {
        **{k: OLD[k] for k in ("archive", "collection", "item_id", "content_hash")},
        "outcome": "kept",
        "sensor": "sentinel2",
        "dn_offset": dn_offset,
        "source_file": "f",
        "run_id": "r",
        "ingested_at": datetime(2024, 1, 1, tzinfo=UTC),
    }


def test_jobs_carry_all_that_a_worker_needs(tmp_path: Path) -> None:
    lake = make_lake(tmp_path / "lake", scenes(), [row(0)], items=[item_row(0)])
    inputs = read_inputs(lake, "man-0")
    (job,) = inputs.samples["train"]
    assert (job.epsg, job.x_m, job.y_m, job.gap_s) == (32613, X_M, Y_M, 3600.0)
    assert job.lr.start_us == job.lr.end_us == int(DAY.timestamp() * 1e6)
    assert job.hr.end_us - job.hr.start_us == 86_400_000_000
    assert [item.label for item in job.lr.items] == ["test/sentinel2/scn-s2", "other/c/old"]
    assert [item.dn_offset for item in job.lr.items] == [-1000, 0], "each item has its own"
    assert job.lr.items[1].assets == {"B02": "/old/B02.tif"}
    assert job.hr.items[0].dn_offset == 0
    assert inputs.task.name == "s2_naip"
    assert inputs.window_us == 10 * 86_400_000_000
    assert inputs.jobs == {job.sample_id: job}


def test_an_offset_that_nobody_knows_stays_unknown(tmp_path: Path) -> None:
    lake = make_lake(tmp_path / "lake", scenes(), [row(0)])
    (job,) = read_inputs(lake, "man-0").samples["train"]
    assert job.lr.items[1].dn_offset is None


def test_samples_come_in_the_manifests_order(tmp_path: Path) -> None:
    rows = [
        row(3), row(0), row(11), row(2, subset="labels"),
        row(1, role="reserve", sample_id="smp-r1"), row(0, role="reserve", sample_id="smp-r0"),
        row(0, split="test", sample_id="smp-t"),
    ]  # fmt: skip
    lake = make_lake(tmp_path / "lake", scenes(), rows)
    inputs = read_inputs(lake, "man-0")
    assert [j.sample_id[-3:] for j in inputs.samples["train"]] == ["002", "000", "003", "011"]
    assert [j.sample_id for j in inputs.reserves["train"]] == ["smp-r0", "smp-r1"]
    assert [j.sample_id for j in inputs.samples["test"]] == ["smp-t"]
    assert inputs.samples["val"] == []


def test_the_recipes_rule_of_cubes_is_kept(tmp_path: Path) -> None:
    rule = recipe(shard_samples=7, codec="archive", min_hr_clear_frac=0.5)
    lake = make_lake(tmp_path / "lake", scenes(), [row(0)], rule=rule)
    assert read_inputs(lake, "man-0").rule == rule.cubes


def test_a_withdrawn_scene_is_said_in_words(tmp_path: Path) -> None:
    lake = make_lake(tmp_path / "lake", scenes()[:1], [row(0)])
    with pytest.raises(ContractError, match="hr scene"):
        read_inputs(lake, "man-0")


def with_second_manifest(lake: Lake) -> Lake:
    head = lake.arrow("manifests").to_pylist()[0]
    with lake.stage("manifest", "build"):
        add(lake, "manifests", [{**head, "manifest_id": "man-1", "name": "two"}])
    return lake


def test_the_only_manifest_needs_no_name(tmp_path: Path) -> None:
    lake = make_lake(tmp_path / "lake", scenes(), [row(0)])
    assert choose_manifest(lake) == choose_manifest(lake, task="s2_naip") == "man-0"
    for wrong in ({"manifest_id": "man-9"}, {"task": "modis_landsat8"}):
        with pytest.raises(UsageError, match="no such manifest"):
            choose_manifest(lake, **wrong)
    with_second_manifest(lake)
    assert choose_manifest(lake, "man-1") == "man-1"
    with pytest.raises(UsageError, match=r"man-0 \(tiny\), man-1 \(two\)"):
        choose_manifest(lake)


def test_a_lake_without_manifests_says_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="manifest build"):
        choose_manifest(Lake.create(tmp_path / "lake"))


def test_landsat_and_modis_have_no_offset(tmp_path: Path) -> None:
    pair = [
        replace(scenes()[0], scene_id="scn-s2", sensor="modis", dn_offset=None),
        scenes()[1],
    ]
    lake = make_lake(tmp_path / "lake", pair, [row(0)])
    (job,) = read_inputs(lake, "man-0").samples["train"]
    assert [item.dn_offset for item in job.lr.items] == [0, 0]
