"""The whole stage on a small lake: once, again, in parts, after damage, by several workers."""

import json
import os
import shutil
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import xarray as xr
from cubes_world import X_M, Y_M, ground_pixels, naip_numbers

from geosr_lake.cubes import materialize as module
from geosr_lake.cubes import store
from geosr_lake.cubes.inputs import read_inputs
from geosr_lake.cubes.materialize import CubesSummary, materialize
from geosr_lake.cubes.workers import local_client
from geosr_lake.errors import LockedError, ResourceError, UnsafeInputError, UsageError
from geosr_lake.lake import Lake, ledger
from geosr_lake.lake.locks import lock


def run(lake: Lake, archive: Path, **options: Any) -> CubesSummary:
    return materialize(lake, "man-0", source_roots=[archive], **options)


def listening() -> set[Any]:
    """Return where this process and those below it listen."""
    me = psutil.Process()
    return {
        connection.laddr
        for process in (me, *me.children(recursive=True))
        for connection in process.net_connections()
        if connection.status == psutil.CONN_LISTEN
    }


def cube(lake: Lake) -> Path:
    return lake.root / "cubes/man-0/train.zarr"


def prints(lake: Lake) -> dict[str, tuple[int, int]]:
    """Inode and time of change of every file of the cubes."""
    files = [f for f in (lake.root / "cubes").rglob("*") if f.is_file()]
    return {str(f.relative_to(lake.root)): (f.stat().st_ino, f.stat().st_mtime_ns) for f in files}


def contents(lake: Lake) -> dict[str, bytes]:
    files = [f for f in (lake.root / "cubes").rglob("*") if f.is_file()]
    return {str(f.relative_to(lake.root)): f.read_bytes() for f in files}


def test_a_manifest_becomes_a_cube(small_lake: Lake, archive: Path) -> None:
    summary = run(small_lake, archive)
    assert summary.complete
    assert (summary.shards, summary.shards_written, summary.shards_kept) == (3, 3, 0)
    assert (summary.samples, summary.replaced, summary.empty_slots) == (5, 0, 0)
    assert summary.stores == ("cubes/man-0/train.zarr",)
    opened = xr.open_zarr(cube(small_lake), chunks=None)
    assert opened.sizes["sample"] == 5
    assert opened.attrs["geosr:state"] == "complete"
    for n in range(5):
        x_m, y_m = X_M + 600 * (n % 3), Y_M + 600 * (n // 3)
        sample = opened.isel(sample=n)
        assert str(sample["sample_id"].values) == f"smp-sample-train-{n:03d}"
        assert list(sample["bbox"].values) == [x_m, y_m, x_m + 600, y_m + 600]
        assert list(sample["hr_transform"].values) == [0.6, 0, x_m, 0, -0.6, y_m + 600]
        assert list(sample["lr_transform"].values) == [10, 0, x_m, 0, -10, y_m + 600]
        assert (int(sample["epsg"]), float(sample["gap_s"])) == (32613, 3600.0)
        assert int(sample["lr_dn_offset"]) == -1000
        assert float(sample["lon"]) == pytest.approx(-105.0, abs=0.05)
        photo = ground_pixels(
            naip_numbers, range(4), (x_m, y_m, x_m + 600, y_m + 600), 0.6, "uint8"
        )
        assert np.array_equal(sample["hr"].values, photo)


def test_the_ledger_says_what_stands(small_lake: Lake, archive: Path) -> None:
    run(small_lake, archive)
    shards = small_lake.arrow("shards").to_pylist()
    assert sorted(row["shard"] for row in shards) == [0, 1, 2]
    for row in shards:
        assert row["n_slots"] == row["n_samples"] == (1 if row["shard"] == 2 else 2)
        assert row["first_index"] == 2 * row["shard"]
        assert row["bytes_read"] > 4_000_000
        for file in row["files"]:
            found = store.hashed(cube(small_lake), file["path"])
            assert (found.bytes, found.sha256) == (file["bytes"], file["sha256"])
    samples = small_lake.arrow("samples").to_pylist()
    assert sorted(row["index"] for row in samples) == [0, 1, 2, 3, 4]
    assert {row["cube"] for row in samples} == {"cubes/man-0/train.zarr"}
    assert {row["lr_item"] for row in samples} == {"test/sentinel2/scn-s2"}
    assert {row["hr_clear_frac"] for row in samples} == {1.0}
    run_row = next(
        r for r in small_lake.arrow("runs").to_pylist() if r["stage"].startswith("cubes")
    )
    assert (run_row["status"], dict(run_row["counts"])["shards_written"]) == ("done", 3)
    assert json.loads(run_row["detail"])["written"] == ["train/0", "train/1", "train/2"]


def test_again_rewrites_no_byte_and_adds_a_run(small_lake: Lake, archive: Path) -> None:
    run(small_lake, archive)
    files, versions = prints(small_lake), small_lake.versions
    rows = {name: small_lake.arrow(name).num_rows for name in ("shards", "samples", "commits")}
    n_runs = small_lake.arrow("runs").num_rows
    summary = run(small_lake, archive)
    assert (summary.shards_written, summary.shards_kept, summary.bytes_read) == (0, 3, 0)
    assert summary.complete
    assert prints(small_lake) == files
    assert {name: small_lake.arrow(name).num_rows for name in rows} == rows
    assert small_lake.arrow("runs").num_rows == n_runs + 1
    after = small_lake.versions
    assert {n: v for n, v in after.items() if n != "runs"} == {
        n: v for n, v in versions.items() if n != "runs"
    }


@pytest.mark.parametrize(
    ("workers", "processes"),
    [(1, False), (3, False), pytest.param(2, True, marks=pytest.mark.slow)],
)
def test_workers_change_no_byte(
    small_lake: Lake, archive: Path, tmp_path: Path, workers: int, processes: bool
) -> None:
    shutil.copytree(small_lake.root, tmp_path / "other")
    other = Lake.open(tmp_path / "other")
    run(small_lake, archive)
    run(other, archive, workers=workers, processes=processes)
    assert contents(small_lake) == contents(other)
    tables = [
        sorted(
            (json.dumps({k: v for k, v in row.items() if k not in ("seconds", "run_id")}))
            for row in each.arrow("shards").to_pylist()
        )
        for each in (small_lake, other)
    ]
    assert tables[0] == tables[1]


def test_a_client_of_another_cluster_can_be_given(small_lake: Lake, archive: Path) -> None:
    with local_client(1, processes=False) as client:
        assert run(small_lake, archive, client=client).complete
        assert client.status == "running", "it belongs to the caller"


def test_parts_add_up_to_the_whole(small_lake: Lake, archive: Path, tmp_path: Path) -> None:
    shutil.copytree(small_lake.root, tmp_path / "other")
    other = Lake.open(tmp_path / "other")
    run(other, archive)
    second = run(small_lake, archive, part=(2, 2))
    assert (second.shards_written, second.shards_elsewhere) == (1, 2)
    assert not second.complete
    assert store.state(cube(small_lake)) == store.BUILDING
    first = run(small_lake, archive, part=(1, 2))
    assert (first.shards_written, first.shards_kept, first.shards_elsewhere) == (2, 1, 0)
    assert first.complete
    assert contents(small_lake) == contents(other)


@pytest.mark.parametrize("part", [(0, 2), (3, 2), (1, 0)])
def test_a_part_that_is_none_is_refused(
    small_lake: Lake, archive: Path, part: tuple[int, int]
) -> None:
    with pytest.raises(UsageError, match="no part"):
        run(small_lake, archive, part=part)


def test_a_lost_file_is_written_again_and_nothing_else(small_lake: Lake, archive: Path) -> None:
    run(small_lake, archive)
    before, files = contents(small_lake), prints(small_lake)
    lost = cube(small_lake) / "hr/c/1/0/0/0"
    lost.unlink()
    summary = run(small_lake, archive)
    assert (summary.shards_written, summary.shards_kept) == (1, 2)
    assert summary.complete
    assert contents(small_lake) == before
    pixels = ("/lr/", "/hr/", "/lr_mask/", "/hr_mask/")
    kept = {n for n in files if any(p in n for p in pixels) and "/c/1/" not in n}
    assert len(kept) == 4 * 3
    assert {n: prints(small_lake)[n] for n in kept} == {n: files[n] for n in kept}
    assert small_lake.arrow("shards").num_rows == 3
    assert small_lake.arrow("samples").num_rows == 5


def test_a_failed_sample_is_replaced_and_counted(
    small_lake: Lake, template: Path, tmp_path: Path
) -> None:
    """One site loses its ground: a reserve takes the place; with two lost, one slot is empty."""
    shutil.copytree(template / "archive", tmp_path / "archive")
    lake = Lake.open(small_lake.root)
    for row in lake.arrow("scenes").to_pylist():
        assert "/archive/" in dict(row["assets"]).popitem()[1]
    clipped = ground_pixels(
        naip_numbers, range(4), (X_M + 600, Y_M, X_M + 1800, Y_M + 1200), 0.6, "uint8"
    )
    original = template / "archive/naip/naip.tif"
    moved = template / "archive/naip/kept.tif"
    from cubes_world import write_tif

    original.rename(moved)
    try:
        write_tif(original, clipped, crs=26913, west=X_M + 600.0, north=Y_M + 1200.0, gsd_m=0.6)
        summary = run(lake, template / "archive")
    finally:
        moved.rename(original)
    # Sites 0 and 3 lie in the first column; the reserve, site 5, was dealt to shard 0.
    assert summary.rejected == {"hr_nodata": 2}
    assert (summary.samples, summary.replaced, summary.empty_slots) == (4, 1, 1)
    assert summary.complete
    opened = xr.open_zarr(cube(lake), chunks=None)
    assert list(opened["valid"].values) == [True, True, True, False, True]
    assert str(opened["sample_id"].values[0]) == "smp-reserve-train-000"
    assert str(opened["sample_id"].values[3]) == ""
    assert (opened["hr_mask"].values[3] == 255).all()
    assert np.isnat(opened["lr_time"].values[3]).all()
    (replaced,) = [r for r in lake.arrow("samples").to_pylist() if r["replaces"]]
    assert (replaced["sample_id"], replaced["replaces"]) == (
        "smp-reserve-train-000",
        "smp-sample-train-000",
    )


def test_undone_shards_are_told_and_done_later(
    small_lake: Lake, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_open, photo = os.open, str(archive / "naip/naip.tif")
    calls: list[str] = []

    def busy(name: str, *arguments: Any, **named: Any) -> int:
        if str(name) == photo:
            calls.append(photo)
            if len(calls) == 2:
                raise OSError(5, "Input/output error")
        return real_open(name, *arguments, **named)

    monkeypatch.setattr(os, "open", busy)
    summary = run(small_lake, archive, workers=1)
    assert (summary.shards_written, summary.shards_undone) == (2, 1)
    assert not summary.complete
    assert "Input/output error" in summary.problems[0]
    assert store.state(cube(small_lake)) == store.BUILDING
    assert small_lake.arrow("shards").num_rows == 2
    monkeypatch.undo()
    again = run(small_lake, archive)
    assert (again.shards_written, again.shards_kept, again.complete) == (1, 2, True)


def test_a_wrong_root_is_refused_before_anything_is_rejected(
    small_lake: Lake, archive: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="not a folder"):
        materialize(small_lake, "man-0", source_roots=[tmp_path / "nowhere"])
    with pytest.raises(UnsafeInputError, match="--source-root"):
        materialize(small_lake, "man-0")
    with pytest.raises(UnsafeInputError, match="outside the source roots"):
        materialize(small_lake, "man-0", source_roots=[tmp_path])
    assert small_lake.arrow("shards").num_rows == 0


def test_an_archive_that_is_gone_rejects_nothing(
    small_lake: Lake, archive: Path, tmp_path: Path
) -> None:
    hidden = tmp_path / "hidden"
    archive.rename(hidden)
    archive.mkdir()
    try:
        with pytest.raises(UsageError, match="None of the first"):
            run(small_lake, archive)
    finally:
        archive.rmdir()
        hidden.rename(archive)


def test_too_little_disk_is_said_before_the_first_byte(
    small_lake: Lake, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "DISK_RESERVE", 1e9)
    with pytest.raises(ResourceError, match="GB of disk are needed"):
        run(small_lake, archive)
    assert not list(cube(small_lake).rglob("c/*"))


def test_a_refused_run_leaves_a_complete_store_complete(
    small_lake: Lake, archive: Path, tmp_path: Path
) -> None:
    run(small_lake, archive)
    (cube(small_lake) / "hr/c/1/0/0/0").unlink()
    with pytest.raises(UnsafeInputError):
        materialize(small_lake, "man-0", source_roots=[tmp_path])
    assert store.state(cube(small_lake)) == store.COMPLETE, "nothing was written"


def test_workers_are_as_many_as_memory_holds(
    small_lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = read_inputs(small_lake, "man-0")
    assert 1 <= module.default_workers(inputs) <= (os.cpu_count() or 1)
    monkeypatch.setattr(module, "SHARD_MEMORY", 10**9)
    assert module.default_workers(inputs) == 1


def test_one_run_at_a_time(small_lake: Lake, archive: Path) -> None:
    with lock(small_lake.root, "cubes"), pytest.raises(LockedError):
        run(small_lake, archive)


def test_an_unknown_manifest_is_refused(small_lake: Lake, archive: Path) -> None:
    with pytest.raises(UsageError, match="no such manifest"):
        materialize(small_lake, "man-9", source_roots=[archive])
    with pytest.raises(UsageError, match="no such manifest"):
        materialize(small_lake, "../../x", source_roots=[archive])


def test_a_worker_that_meets_a_full_disk_stops_the_run(
    small_lake: Lake, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store, "_open_array", full)
    with pytest.raises(ResourceError, match="Free some disk"):
        run(small_lake, archive)
    small_lake.refresh()
    (row,) = [r for r in small_lake.arrow("runs").to_pylist() if r["status"] == "failed"]
    assert "Free some disk" in row["message"]
    monkeypatch.undo()
    assert run(small_lake, archive).complete


def test_an_interrupted_run_keeps_what_it_finished(small_lake: Lake, archive: Path) -> None:
    class Impatient:
        def start(self, label: str, total: int | None = None) -> None:
            pass

        def advance(self, amount: int = 1) -> None:
            raise KeyboardInterrupt(amount)

    with pytest.raises(KeyboardInterrupt):
        run(small_lake, archive, workers=1, progress=Impatient())
    standing = {row["shard"] for row in ledger.read(small_lake.root, "shards").to_pylist()}
    assert len(standing) == 1
    summary = run(small_lake, archive)
    assert summary.shards_kept == 1
    assert summary.complete


@pytest.mark.parametrize("processes", [False, True])
def test_dask_listens_on_this_machine_only(processes: bool) -> None:
    before = listening()
    with local_client(2, processes=processes) as client:
        client.submit(sum, [1, 2]).result()
        found = listening() - before
    assert all(ip_address(ip.removeprefix("::ffff:")).is_loopback for ip, *_ in found)
