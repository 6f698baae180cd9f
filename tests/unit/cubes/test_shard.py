"""One shard group: read, judged, replaced, written; and what each failure leads to."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cubes_world import EPSG, X_M, Y_M, ground_pixels, naip_numbers, s2_numbers, write_tif

from geosr_lake.cubes import store
from geosr_lake.cubes.jobs import SampleJob, ShardPlan, ShardResult, Side, SourceItem
from geosr_lake.cubes.layout import coordinate_arrays, pixel_arrays
from geosr_lake.cubes.shard import ShardTask, write_shard
from geosr_lake.net import SourcePolicy
from geosr_lake.recipe import CubeRule
from geosr_lake.sensors import SENSORS
from geosr_lake.sensors.tasks import S2_NAIP

WINDOW_US = 10 * 86_400_000_000


class World:
    """Jobs over the shared archive, and shards written to a folder of their own."""

    def __init__(self, archive: Path, folder: Path) -> None:
        self.archive, self.folder = archive, folder
        self.s2 = {b.role: str(archive / f"s2/{b.role}.tif") for b in SENSORS["sentinel2"].bands}
        self.naip = {"image": str(archive / "naip/naip.tif")}

    def job(
        self,
        name: str,
        column: int = 0,
        row: int = 0,
        *,
        lr: list[dict[str, str]] | None = None,
        hr: list[dict[str, str]] | None = None,
        **changes: object,
    ) -> SampleJob:
        sides = [
            Side(scene, 0, 0, tuple(SourceItem(f"{scene}/{n}", a, -n) for n, a in enumerate(found)))
            for scene, found in (("s2", lr or [self.s2]), ("naip", hr or [self.naip]))
        ]
        x_m, y_m = X_M + 600 * column, Y_M + 600 * row
        job = SampleJob(name, "sr", "urban", "sit", EPSG, x_m, y_m, 0.0, *sides)
        return replace(job, **changes)

    def write(
        self,
        jobs: list[SampleJob],
        reserves: list[SampleJob] | None = None,
        roots: list[Path] | None = None,
        **rule: float,
    ) -> ShardResult:
        self.plan = ShardPlan(
            "s2_naip", "train", 0, 0, tuple(jobs), tuple(reserves or []), WINDOW_US,
            CubeRule(shard_samples=len(jobs), **rule),
        )  # fmt: skip
        path = self.folder / "train.zarr"
        shutil.rmtree(path, ignore_errors=True)
        arrays = pixel_arrays(S2_NAIP, len(jobs), len(jobs), "train")
        store.create(path, [*arrays, *coordinate_arrays(S2_NAIP, len(jobs))], {})
        policy = SourcePolicy.of(roots or [self.archive, self.folder])
        return write_shard(ShardTask(self.plan, path, len(jobs), policy))

    def read(self, name: str) -> np.ndarray:
        return np.asarray(store.open_group(self.folder / "train.zarr")[name][...])


@pytest.fixture
def world(archive: Path, tmp_path: Path) -> World:
    return World(archive, tmp_path)


def ground(column: int, row: int, gsd_m: float, side: str) -> np.ndarray:
    west, south = X_M + 600 * column, Y_M + 600 * row
    numbers, bands, dtype = {
        "lr": (s2_numbers, range(12), "uint16"),
        "hr": (naip_numbers, range(4), "uint8"),
    }[side]
    return ground_pixels(numbers, bands, (west, south, west + 600, south + 600), gsd_m, dtype)


def test_the_numbers_are_the_sources_own(world: World) -> None:
    result = world.write([world.job("a", 0, 0), world.job("b", 2, 1)])
    assert result.status == "done"
    assert [(p.index, p.sample_id, p.replaces) for p in result.placed] == [
        (0, "a", None),
        (1, "b", None),
    ]
    hr, lr = world.read("hr"), world.read("lr")
    ten = [
        i for i, role in enumerate(S2_NAIP.lr_bands) if SENSORS["sentinel2"].band(role).gsd_m == 10
    ]
    for slot, place in enumerate([(0, 0), (2, 1)]):
        assert np.array_equal(hr[slot], ground(*place, 0.6, "hr"))
        assert np.array_equal(lr[slot][ten], ground(*place, 10.0, "lr")[ten])
        for gsd_m, times in ((20.0, 2), (60.0, 6)):
            for i, role in enumerate(S2_NAIP.lr_bands):
                if SENSORS["sentinel2"].band(role).gsd_m == gsd_m:
                    coarse = ground(*place, gsd_m, "lr")[i]
                    assert np.array_equal(lr[slot][i], np.kron(coarse, np.ones((times, times))))
    assert not world.read("lr_mask").any()
    assert not world.read("hr_mask").any()
    assert {f.path for f in result.files} == {
        "lr/c/0/0/0/0", "hr/c/0/0/0/0", "lr_mask/c/0/0/0", "hr_mask/c/0/0/0",
    }  # fmt: skip
    assert result.bytes_read > 2 * 4_000_000


def test_a_failed_sample_gives_its_slot_to_a_reserve_of_its_stratum(world: World) -> None:
    lost = [{"image": str(world.folder / "nowhere.tif")}]
    reserves = [
        world.job("r-other", 1, 0, stratum="non_urban"),
        world.job("r-broken", 1, 0, hr=lost),
        world.job("r-good", 1, 1),
    ]
    result = world.write([world.job("a"), world.job("b", hr=lost)], reserves)
    assert [(p.index, p.sample_id, p.replaces) for p in result.placed] == [
        (0, "a", None),
        (1, "r-good", "b"),
    ]
    assert [(r.sample_id, r.reason) for r in result.rejected] == [
        ("b", "hr_source_missing"),
        ("r-broken", "hr_source_missing"),
    ]
    assert np.array_equal(world.read("hr")[1], ground(1, 1, 0.6, "hr"))


def test_another_stratum_serves_before_the_slot_stays_empty(world: World) -> None:
    lost = [{"image": str(world.folder / "nowhere.tif")}]
    reserves = [
        world.job("r-labels", 1, 0, subset="labels"),
        world.job("r-other", 1, 0, stratum="non_urban"),
    ]
    result = world.write([world.job("a", hr=lost)], reserves)
    assert [p.sample_id for p in result.placed] == ["r-other"]


def test_a_slot_without_a_reserve_stays_unknown(world: World) -> None:
    lost = [{"image": str(world.folder / "nowhere.tif")}]
    result = world.write([world.job("a", hr=lost), world.job("b", 1, 0)])
    assert [p.index for p in result.placed] == [1]
    assert (world.read("hr_mask")[0] == 255).all()
    assert (world.read("lr_mask")[0] == 255).all()
    assert not world.read("hr")[0].any()
    assert np.array_equal(world.read("hr")[1], ground(1, 0, 0.6, "hr"))


def test_superseded_items_serve_when_the_winners_fail(world: World) -> None:
    broken = world.folder / "broken.tif"
    broken.write_bytes(b"II*\x00 and no more")
    winner = {**world.s2, "B11": str(broken)}
    result = world.write([world.job("a", lr=[winner, world.s2])])
    assert result.placed[0].lr_item == "s2/1"
    assert result.placed[0].lr_dn_offset == -1, "the offset is that of the item that was read"
    assert not result.rejected


def damaged(world: World, kind: str) -> dict[str, str]:
    """An HR asset that fails in some way."""
    path = world.folder / "x.tif"
    pixels = np.full((4, 1000, 1000), 9, dtype=np.uint8)
    place = {"crs": 26913, "west": float(X_M), "north": Y_M + 600.0, "gsd_m": 0.6}
    if kind == "outside":
        return {"image": "/etc/hostname"}
    if kind == "no asset":
        return {}
    if kind == "vrt":
        path.write_text("<VRTDataset rasterXSize='9' rasterYSize='9'></VRTDataset>")
        return {"image": str(path)}
    if kind == "three bands":
        write_tif(path, pixels[:3], **place)
    elif kind == "other type":
        write_tif(path, pixels.astype(np.uint16), **place)
    elif kind == "other zone":
        write_tif(path, pixels, **{**place, "crs": 26912})
    elif kind == "degrees":
        write_tif(path, pixels, **{**place, "crs": 4326, "gsd_m": 1e-5, "west": -105, "north": 40})
    elif kind == "no crs":
        write_tif(path, pixels, **{**place, "crs": None})
    elif kind == "elsewhere":
        write_tif(path, pixels, **{**place, "west": X_M + 5000.0})
    elif kind == "half":
        write_tif(path, pixels, **{**place, "west": X_M + 300.0})
    elif kind == "truncated":
        noise = np.random.default_rng(0).integers(0, 255, pixels.shape, dtype=np.uint8)
        write_tif(path, noise, **place)
        path.write_bytes(path.read_bytes()[:2_000_000])
    return {"image": str(path)}


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("outside", "hr_source_refused"),
        ("no asset", "hr_asset_missing"),
        ("vrt", "hr_source_corrupt"),
        ("truncated", "hr_source_corrupt"),
        ("three bands", "hr_grid_mismatch"),
        ("other type", "hr_grid_mismatch"),
        ("other zone", "hr_grid_mismatch"),
        ("degrees", "hr_grid_mismatch"),
        ("no crs", "hr_grid_mismatch"),
        ("elsewhere", "hr_nodata"),
        ("half", "hr_nodata"),
    ],
)
def test_every_permanent_failure_has_its_reason(world: World, kind: str, reason: str) -> None:
    result = world.write([world.job("a", hr=[damaged(world, kind)])])
    assert result.status == "done"
    assert [r.reason for r in result.rejected] == [reason]
    assert result.placed == ()


def with_scl(world: World, code: int, cells: int) -> list[dict[str, str]]:
    """Sentinel-2 assets whose SCL holds `code` in the first `cells` pixels of site (0, 0)."""
    scl = np.full(900, 4, dtype=np.uint8)
    scl[:cells] = code
    path = write_tif(
        world.folder / "SCL.tif", scl.reshape(1, 30, 30), crs=EPSG, west=X_M, north=Y_M + 600.0,
        gsd_m=20.0,
    )  # fmt: skip
    return [{**world.s2, "SCL": str(path)}]


@pytest.mark.parametrize(
    ("code", "cells", "reasons"),
    [
        (9, 9, []),
        (9, 10, ["lr_not_clear"]),
        (3, 900, ["lr_not_clear"]),
        (11, 90, ["lr_not_clear"]),
        (0, 9, []),
        (0, 10, ["lr_nodata"]),
        (5, 900, []),
    ],
)
def test_the_recipes_limits_are_kept(
    world: World, code: int, cells: int, reasons: list[str]
) -> None:
    result = world.write([world.job("a", lr=with_scl(world, code, cells))])
    assert [r.reason for r in result.rejected] == reasons
    if not reasons:
        measured = result.placed[0].measured
        flagged = cells / 900 if code in (0, 9) else 0.0
        assert measured.lr_clear_frac == pytest.approx(1 - flagged)
        assert measured.lr_valid_frac == pytest.approx(1 - flagged if code == 0 else 1.0)


def test_looser_limits_keep_more(world: World) -> None:
    cloudy = with_scl(world, 9, 450)
    result = world.write([world.job("a", lr=cloudy)], min_lr_clear_frac=0.5)
    assert not result.rejected
    assert np.array_equal(world.read("lr_mask")[0, :30], np.full((30, 60), 2))
    assert not world.read("lr_mask")[0, 30:].any()


def test_a_photographs_edge_and_glare_are_flagged(world: World) -> None:
    pixels = np.full((4, 1000, 1000), 90, dtype=np.uint8)
    pixels[:, 0, :500] = 0  # outside the photo
    pixels[0, 1, :] = 0  # dark in one band only: seen
    pixels[:, 2, :300] = 255
    path = write_tif(
        world.folder / "edge.tif", pixels, crs=26913, west=X_M, north=Y_M + 600.0, gsd_m=0.6
    )
    result = world.write([world.job("a", hr=[{"image": str(path)}])])
    mask = world.read("hr_mask")[0]
    expected = np.zeros((1000, 1000), dtype=np.uint8)
    expected[0, :500], expected[2, :300] = 1, 32
    assert np.array_equal(mask, expected)
    assert result.placed[0].measured.hr_valid_frac == pytest.approx(1 - 500e-6)
    assert result.placed[0].measured.hr_clear_frac == pytest.approx(1 - 800e-6)


def test_a_transient_failure_leaves_the_shard_undone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = world.folder / "locked.tif"
    shutil.copy(world.naip["image"], path)
    real_open = os.open

    def busy(name: str, *arguments: int) -> int:
        if str(name) == str(path):
            raise OSError(5, "Input/output error")
        return real_open(name, *arguments)

    monkeypatch.setattr(os, "open", busy)
    result = world.write([world.job("a"), world.job("b", hr=[{"image": str(path)}, world.naip])])
    assert result.status == "undone"
    assert "Input/output error" in result.message
    assert not result.files
    assert not list((world.folder / "train.zarr").rglob("c/0/*")), "nothing was written"


def test_the_same_task_gives_the_same_bytes(world: World) -> None:
    jobs = [world.job("a"), world.job("b", 1, 1)]
    first, second = world.write(jobs), world.write(jobs)
    assert first.files == second.files
    assert first.placed == second.placed
