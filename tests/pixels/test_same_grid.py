"""Where grids coincide, the numbers are the source's own and the ground's own, to the last one."""

from datetime import timedelta

import numpy as np
import pytest
from demo_jobs import MODIS_LANDSAT8, S2_NAIP, Truth, hidden

from geosr_lake.demo import spectra
from geosr_lake.net.gdal_env import load_rasterio
from geosr_lake.sensors import landsat, sentinel2
from geosr_lake.sensors.quality import MaskBit

TEN = ("B02", "B03", "B04", "B08")
TWENTY = ("B05", "B06", "B07", "B8A", "B11", "B12")
SIXTY = ("B01", "B09")


def source_window(path: object, x_m: float, y_top_m: float, size_m: float) -> np.ndarray:
    """The file's own pixels under a square, by the plainest arithmetic."""
    rasterio = load_rasterio()
    with rasterio.open(path) as opened:
        a, _, c, _, _, f = tuple(opened.transform)[:6]
        column, row, count = round((x_m - c) / a), round((f - y_top_m) / a), round(size_m / a)
        return opened.read()[:, row : row + count, column : column + count]


def test_sentinel2_is_copied_and_repeated(truth: Truth) -> None:
    n_sites = n_clear = 0
    for job, scene, _ in truth.fine_jobs():
        lr = truth.read(S2_NAIP, "lr", job)
        top = job.y_m + 600
        for roles, times in ((TEN, 1), (TWENTY, 2), (SIXTY, 6)):
            clear = hidden(truth.cover(S2_NAIP, "lr", job, scene, 10.0 * times)) == 0
            expected = truth.reflectance(S2_NAIP, "lr", job, roles, 10.0 * times)
            for role, ground in zip(roles, expected, strict=True):
                found = lr.numbers[S2_NAIP.lr_bands.index(role)]
                source = source_window(scene.files[role], job.x_m, top, 600)[0]
                assert np.array_equal(found, np.kron(source, np.ones((times, times), np.uint16)))
                numbers = np.rint(ground / sentinel2.SCALE) + 1000
                assert np.array_equal(source[clear], np.clip(numbers, 1, None)[clear])
                n_clear += int(clear.sum())
        n_sites += 1
    assert n_sites >= 8
    assert n_clear > 100_000


def test_naip_is_copied(truth: Truth) -> None:
    n_sites = 0
    for job, _, scene in truth.fine_jobs():
        hr = truth.read(S2_NAIP, "hr", job)
        source = source_window(scene.files["image"], job.x_m, job.y_m + 600, 600)
        assert np.array_equal(hr.numbers, source)
        ground = truth.reflectance(S2_NAIP, "hr", job, S2_NAIP.hr_bands)
        gain = np.array([spectra.NAIP_GAIN[role] for role in S2_NAIP.hr_bands])[:, None, None]
        offset = np.array([spectra.NAIP_OFFSET[role] for role in S2_NAIP.hr_bands])[:, None, None]
        numbers = np.clip(np.rint(ground * gain + offset), 0, 255)
        assert np.mean(hr.numbers != numbers) < 1e-6, "but for rounding of exact halves"
        assert not hr.mask.any()
        n_sites += 1
    assert n_sites >= 8


def test_naip_half_a_pixel_off_is_area_weighted(truth: Truth) -> None:
    n_sites = 0
    for job, _, scene in truth.fine_jobs(on_grid=False):
        photo = next(p for p in truth.archive.plan.photos if p.name in scene.item_id)
        assert photo.shift_m == 0.3
        hr = truth.read(S2_NAIP, "hr", job)
        rasterio = load_rasterio()
        with rasterio.open(scene.files["image"]) as opened:
            pixels = opened.read().astype(float)
            column = (job.x_m - opened.transform.c) / 0.6 - 0.5
            row = (opened.transform.f - job.y_m - 600) / 0.6 - 0.5
        assert (round(column, 4), round(row, 4)) == (round(column), round(row))
        at = pixels[:, round(row) : round(row) + 1001, round(column) : round(column) + 1001]
        blend = (at[:, 1:, 1:] + at[:, 1:, :-1] + at[:, :-1, 1:] + at[:, :-1, :-1]) / 4
        assert np.array_equal(hr.numbers, np.rint(blend))
        assert not hr.mask.any()
        n_sites += 1
    assert n_sites >= 1


def test_landsat_is_copied(truth: Truth) -> None:
    n_sites = 0
    for job, _, scene in truth.coarse_jobs():
        hr = truth.read(MODIS_LANDSAT8, "hr", job)
        for k, role in enumerate(MODIS_LANDSAT8.hr_bands):
            source = source_window(scene.files[role], job.x_m, job.y_m + 30_000, 30_000)[0]
            assert np.array_equal(hr.numbers[k], source)
        clear = hidden(truth.cover(MODIS_LANDSAT8, "hr", job, scene)) == 0
        ground = truth.reflectance(MODIS_LANDSAT8, "hr", job, ("red", "nir08"))
        numbers = np.rint((ground - landsat.OFFSET) / landsat.SCALE)
        for role, expected in zip(("red", "nir08"), numbers, strict=True):
            found = hr.numbers[MODIS_LANDSAT8.hr_bands.index(role)]
            assert np.array_equal(found[clear], expected[clear])
        assert clear.mean() > 0.5
        n_sites += 1
    assert n_sites >= 4


def test_planted_clouds_are_masked_in_sentinel2(truth: Truth) -> None:
    """On SCL's grid of 20 m: what a cloud touches is flagged, what nothing touches is not."""
    passes = {p.item_id: p for p in truth.archive.plan.passes}
    flagged = untouched = 0
    bits: set[int] = set()
    for job, _, _ in truth.fine_jobs():
        for scene in truth.scenes("sentinel2"):
            if passes[scene.item_id].part != "all" or passes[scene.item_id].only is not None:
                continue
            side = truth.side(scene, passes[scene.item_id].strip_start)
            lr = truth.read(S2_NAIP, "lr", truth.job(job.x_m, job.y_m, side, job.hr))
            cover = truth.cover(S2_NAIP, "lr", job, scene, 20.0)
            covered = np.kron(cover.cloud > 0, np.ones((2, 2), bool))
            touched = np.kron(hidden(cover) > 0, np.ones((2, 2), bool))
            assert (lr.mask[covered] == MaskBit.CLOUD).all()
            assert (lr.mask[touched] != 0).all()
            assert (lr.mask[~touched] == 0).all()
            flagged += int(touched.sum())
            untouched += int((~touched).sum())
            bits |= set(np.unique(lr.mask).tolist())
    assert flagged > 5_000
    assert untouched > 50_000
    assert {0, MaskBit.CLOUD, MaskBit.CLOUD_SHADOW, MaskBit.SNOW_ICE} <= bits


def test_planted_clouds_are_masked_in_landsat(truth: Truth) -> None:
    flagged = 0
    for job, _, scene in truth.coarse_jobs():
        mask = truth.read(MODIS_LANDSAT8, "hr", job).mask
        cover = truth.cover(MODIS_LANDSAT8, "hr", job, scene)
        assert ((mask[cover.cloud > 0] & MaskBit.CLOUD) != 0).all()
        assert (mask[hidden(cover) > 0] != 0).all()
        # Beside a cloud QA_PIXEL dilates; away from any, nothing is flagged.
        assert np.mean(mask[hidden(cover) == 0] != 0) < 0.05
        if not hidden(cover).any():
            assert not mask[100:-100, 100:-100].any()
        flagged += int((mask != 0).sum())
    assert flagged > 10_000


def test_ground_that_a_strip_did_not_see_is_nodata(truth: Truth) -> None:
    """The two datastrips of 20 September cover complementary ground."""
    passes = {p.item_id: p for p in truth.archive.plan.passes}
    strips = [s for s in truth.scenes("sentinel2") if passes[s.item_id].part != "all"]
    assert len(strips) == 2
    seen = set()
    for job, _, _ in truth.fine_jobs():
        valid = []
        for scene in strips:
            side = truth.side(scene, passes[scene.item_id].strip_start)
            lr = truth.read(S2_NAIP, "lr", truth.job(job.x_m, job.y_m, side, job.hr))
            assert ((lr.mask & MaskBit.NODATA) != 0).all() or not (lr.mask & MaskBit.NODATA).any()
            nodata = bool((lr.mask & MaskBit.NODATA).all())
            assert not (nodata and lr.numbers.any())
            valid.append(not nodata)
        assert sum(valid) == 1
        seen.add(valid.index(True))
    assert seen, "some strip saw the sites"


@pytest.mark.parametrize("side", ["lr", "hr"])
def test_sites_at_the_edge_of_a_file_are_partly_nodata(truth: Truth, side: str) -> None:
    job, _, _ = next(iter(truth.fine_jobs()))
    photo = next(p for p in truth.archive.plan.photos if p.name in job.hr.scene_id)
    west = photo.corner_m[0] - 600
    if side == "lr":
        west = round((truth.archive.plan.crop[0] - 300) / 60) * 60
    edge = truth.job(west, job.y_m, job.lr, job.hr)
    pixels = truth.read(S2_NAIP, side, edge)
    gone = (pixels.mask & MaskBit.NODATA) != 0
    assert gone[:, 0].all(), "the first column lies outside the file"
    assert not pixels.numbers[:, gone].any()


def test_times_are_of_the_archive(truth: Truth) -> None:
    job, _, _ = next(iter(truth.fine_jobs()))
    assert job.hr.end_us - job.hr.start_us == timedelta(days=1) // timedelta(microseconds=1)
