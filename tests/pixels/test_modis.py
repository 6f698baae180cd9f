"""MODIS on UTM cells against the ground itself, and against exact area-weighting of its pixels."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import numpy as np
import pytest
from demo_jobs import MODIS_LANDSAT8, Truth, exact_shares, hidden, modis_tile

from geosr_lake.cubes.grids import sample_grid
from geosr_lake.cubes.jobs import SampleJob
from geosr_lake.cubes.read import AGE_UNKNOWN, SidePixels, day_window
from geosr_lake.cubes.sinusoidal import scattered
from geosr_lake.demo.scenes import MadeScene
from geosr_lake.net.gdal_env import load_rasterio
from geosr_lake.sensors import modis
from geosr_lake.sensors.quality import MaskBit, decode_modis_state

DAY_US = 86_400_000_000


@dataclass
class Cell:
    """One site: what was read, the exact shares, and the pixels under it."""

    job: SampleJob
    scene: MadeScene
    found: SidePixels
    shares: np.ndarray
    window: tuple[int, int, int, int]

    def pixels(self, role: str) -> np.ndarray:
        """The file's pixels of the window, flat."""
        rasterio = load_rasterio()
        top, bottom, left, right = self.window
        with rasterio.open(self.scene.files[role]) as opened:
            return opened.read(1, window=((top, bottom), (left, right))).ravel()

    def exact(self, values: np.ndarray) -> np.ndarray:
        return (self.shares @ values.astype(float)).reshape(60, 60)


@pytest.fixture(scope="module")
def cells(truth: Truth) -> list[Cell]:
    """A site of one composite and the two most clouded of all; exact shares take seconds each."""

    def clouded(entry: tuple[SampleJob, MadeScene, MadeScene]) -> float:
        return float(truth.cover(MODIS_LANDSAT8, "lr", entry[0], entry[1]).cloud.sum())

    first, second = (list(truth.coarse_jobs(composite=number)) for number in (1, 2))
    chosen = [first[0], *sorted(first[1:] + second, key=clouded, reverse=True)[:2]]
    result = []
    for job, scene, _ in chosen:
        grid = sample_grid(MODIS_LANDSAT8, "lr", job.x_m, job.y_m)
        window = scattered(modis_tile(), grid, job.epsg).window
        result.append(
            Cell(
                job,
                scene,
                truth.read(MODIS_LANDSAT8, "lr", job, window_us=30 * DAY_US),
                exact_shares(modis_tile(), grid, job.epsg, window),
                window,
            )
        )
    return result


def test_rmse_and_bias_are_those_of_exact_area_weighting(
    truth: Truth, cells: list[Cell], record_property: Callable[[str, object], None]
) -> None:
    """The bound: RMSE at most 1.05 times that of exact weighting, bias at most 0.001."""
    ours, exact = [], []
    for cell in cells:
        ground = truth.reflectance(MODIS_LANDSAT8, "lr", cell.job, MODIS_LANDSAT8.lr_bands)
        # Ground that nothing hid, three pixels around: the landscape knows of no clouds.
        clear = hidden(truth.cover(MODIS_LANDSAT8, "lr", cell.job, cell.scene)) == 0
        grown = clear.copy()
        for rows in range(-2, 3):
            for columns in range(-2, 3):
                grown &= np.roll(clear, (rows, columns), axis=(0, 1))
        assert grown.mean() > 0.5
        for k, role in enumerate(MODIS_LANDSAT8.lr_bands):
            weighted = cell.exact(cell.pixels(role)) * 1e-4
            ours.append((cell.found.numbers[k] * 1e-4 - ground[k])[grown])
            exact.append((weighted - ground[k])[grown])
    ratios, biases = [], []
    for k in range(len(MODIS_LANDSAT8.lr_bands)):
        mine = np.concatenate(ours[k :: len(MODIS_LANDSAT8.lr_bands)])
        best = np.concatenate(exact[k :: len(MODIS_LANDSAT8.lr_bands)])
        ratios.append(np.sqrt(np.mean(mine**2) / np.mean(best**2)))
        biases.append(abs(float(mine.mean())))
    record_property("RMSE ratio of each band", np.round(ratios, 4).tolist())
    record_property("bias of each band, reflectance", np.round(biases, 6).tolist())
    assert max(ratios) <= 1.05
    assert max(biases) <= 0.001


def test_numbers_are_within_rounding_of_the_weighted_mean(cells: list[Cell]) -> None:
    for cell in cells:
        for k, role in enumerate(MODIS_LANDSAT8.lr_bands):
            weighted = cell.exact(cell.pixels(role))
            spread = weighted.std()
            assert np.sqrt(np.mean((cell.found.numbers[k] - weighted) ** 2)) < 0.04 * spread


def test_flags_follow_the_share_of_the_area(cells: list[Cell]) -> None:
    flagged = dict.fromkeys((MaskBit.CLOUD, MaskBit.CLOUD_SHADOW), 0)
    for cell in cells:
        state = decode_modis_state(cell.pixels("state"))
        for bit in flagged:
            share = cell.exact((state & bit) != 0)
            certain = np.abs(share - 0.1) > 0.05
            found = (cell.found.mask & bit) != 0
            assert np.array_equal(found[certain], (share > 0.1)[certain])
            flagged[bit] += int(found.sum())
    assert min(flagged.values()) > 20


def test_planted_clouds_are_masked(truth: Truth, cells: list[Cell]) -> None:
    hit = 0
    for cell in cells:
        cover = truth.cover(MODIS_LANDSAT8, "lr", cell.job, cell.scene)
        assert ((cell.found.mask[cover.cloud > 0.2] & MaskBit.CLOUD) != 0).all()
        assert (cell.found.mask[cover.shadow > 0.2] != 0).all()
        hit += int((cover.cloud > 0.2).sum())
        far = hidden(cover) == 0
        for rows in range(-2, 3):
            for columns in range(-2, 3):
                far &= np.roll(hidden(cover) == 0, (rows, columns), axis=(0, 1))
        far[:2] = far[-2:] = far[:, :2] = far[:, -2:] = False
        assert not cell.found.mask[far].any()
    assert hit > 10


def test_every_pixel_has_the_age_of_the_day_it_was_seen(cells: list[Cell]) -> None:
    for cell in cells:
        ages = cell.found.age_days
        assert ages is not None
        days = cell.pixels("day_of_year").astype(int)
        best = np.argmax(cell.shares, axis=1)
        # Two pixels may have nearly the same share; where one clearly has most, it is that one's.
        ranked = np.sort(cell.shares, axis=1)
        clearly = (ranked[:, -1] - ranked[:, -2]) > 0.1
        hr_day = np.datetime64(cell.job.hr.start_us, "us").astype("datetime64[D]")
        of_year = (hr_day - np.datetime64("2021-01-01")).astype(int) + 1
        expected = (days[best] - of_year)[clearly]
        assert np.array_equal(ages.ravel()[clearly], expected)
        assert len(np.unique(ages)) > 2, "a composite holds pixels of several days"


@pytest.mark.parametrize("window_days", [4, 6, 8])
def test_pixels_beyond_the_window_are_flagged(truth: Truth, window_days: int) -> None:
    job, scene, _ = next(iter(truth.coarse_jobs(composite=2)))
    found = truth.read(MODIS_LANDSAT8, "lr", job, window_us=window_days * DAY_US)
    first, last = day_window(job.hr.start_us, job.hr.end_us, window_days * DAY_US)
    grid = sample_grid(MODIS_LANDSAT8, "lr", job.x_m, job.y_m)
    how = scattered(modis_tile(), grid, job.epsg)
    cell = Cell(
        job, scene, found, exact_shares(modis_tile(), grid, job.epsg, how.window), how.window
    )
    seen = np.datetime64("2021-01-01") + (cell.pixels("day_of_year").astype(int) - 1)
    outside = (seen < np.datetime64(first)) | (seen > np.datetime64(last))
    share = cell.exact(outside)
    certain = np.abs(share - 0.1) > 0.05
    flags = (found.mask & MaskBit.OUTSIDE_WINDOW) != 0
    assert np.array_equal(flags[certain], (share > 0.1)[certain])


def test_the_window_of_days_is_the_rule_of_pairs() -> None:
    """A day is an interval of 24 hours: the gap counts from its nearer end."""
    noon = 100 * DAY_US + DAY_US // 2
    day = np.datetime64("1970-01-01") + 100
    for window_us, before, after in (
        (0, 0, 0),
        (DAY_US // 2 - 1, 0, 0),
        (DAY_US // 2, 1, 1),  # yesterday ended, tomorrow begins, half a day away exactly
        (DAY_US, 1, 1),
        (3 * DAY_US // 2, 2, 2),
        (8 * DAY_US, 8, 8),
    ):
        first, last = day_window(noon, noon, window_us)
        assert (np.datetime64(first), np.datetime64(last)) == (day - before, day + after), window_us
    first, last = day_window(100 * DAY_US, 101 * DAY_US, 0)
    assert (np.datetime64(first), np.datetime64(last)) == (day - 1, day + 1), "touching counts"


def test_days_of_the_next_year_belong_to_it(truth: Truth) -> None:
    """Days 1 to 3 in the composite of day 361."""
    days = np.array([361, 365, 1, 3, modis.FILL_UINT16], dtype=np.uint16)
    dates = modis.composite_dates(days, date(2021, 12, 27))
    hr_day = np.datetime64("2021-12-30")
    ages = (dates - hr_day).astype(int)
    assert list(ages[:4]) == [-3, 1, 2, 4]
    assert np.isnat(dates[4])


def test_beyond_the_tile_is_nodata(truth: Truth) -> None:
    """The demo's tile holds ground around its sites only: the rest is fill, and never a number."""
    job, _, _ = next(iter(truth.coarse_jobs()))
    far = truth.job(job.x_m + 300_000, job.y_m, job.lr, job.hr)
    found = truth.read(MODIS_LANDSAT8, "lr", far)
    assert ((found.mask & MaskBit.NODATA) != 0).all()
    assert (found.numbers == modis.FILL_REFLECTANCE).all()
    assert found.age_days is not None
    assert (found.age_days == AGE_UNKNOWN).all()
