"""Reading Landsat and MODIS: quality bits, fill, unwritten blocks, days, zones."""

from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest
from clipped import sinusoidal_of
from cubes_world import write_tif

from geosr_lake.cubes.jobs import SampleJob, Side, SourceItem
from geosr_lake.cubes.read import AGE_UNKNOWN, SidePixels, Sources, read_side
from geosr_lake.errors import PermanentSourceError
from geosr_lake.net import SourcePolicy
from geosr_lake.net.errors import GridMismatchError, MissingAssetError, MissingSourceError
from geosr_lake.net.gdal_env import load_rasterio
from geosr_lake.sensors import SENSORS, modis
from geosr_lake.sensors.quality import MaskBit
from geosr_lake.sensors.tasks import MODIS_LANDSAT8

DAY_US = 86_400_000_000
X_M, Y_M = 480_015, 4_410_015
SIZE = 30_000


def micros(*when: int) -> int:
    return int(datetime(*when, tzinfo=UTC).timestamp() * 1_000_000)


class Files:
    """Writes the rasters of one side and makes a job of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.assets: dict[str, str] = {}

    def landsat(self, role: str, pixels: np.ndarray, **changes: object) -> None:
        place = {"crs": 32613, "west": X_M, "north": Y_M + SIZE, "gsd_m": 30.0, **changes}
        path = write_tif(self.folder / f"{role}.tif", pixels[None], **place)
        self.assets[role] = str(path)

    def all_landsat(self, **changes: object) -> None:
        for band in SENSORS["landsat"].bands:
            value = {"qa_pixel": 1 << 6, "qa_radsat": 0}.get(band.role, 9000)
            self.landsat(band.role, np.full((1000, 1000), value, np.uint16), **changes)

    def modis(self, role: str, pixels: np.ndarray, **options: object) -> None:
        """Write a crop of tile h09v05 around the site."""
        path = write_tif(
            self.folder / f"{role}.tif", pixels[None], crs=modis.SINUSOIDAL, west=self.west,
            north=self.north, gsd_m=modis.PIXEL_500M, **options,
        )  # fmt: skip
        self.assets[role] = str(path)

    @property
    def corner(self) -> tuple[int, int]:
        """Column and row, in the tile, of the crop's first pixel."""
        east, north = sinusoidal_of(np.array([X_M + SIZE / 2]), np.array([Y_M + SIZE / 2]), 32613)
        tile_west, _, _, tile_north = modis.tile_bounds_m(9, 5)
        column = int((east[0] - tile_west) / modis.PIXEL_500M)
        row = int((tile_north - north[0]) / modis.PIXEL_500M)
        return column - 128, row - 64

    @property
    def west(self) -> float:
        return modis.tile_bounds_m(9, 5)[0] + self.corner[0] * modis.PIXEL_500M

    @property
    def north(self) -> float:
        return modis.tile_bounds_m(9, 5)[3] - self.corner[1] * modis.PIXEL_500M

    def all_modis(self, day: int = 263) -> None:
        for band in SENSORS["modis"].bands:
            value = {"state": 8, "day_of_year": day}.get(band.role, 2500)
            self.modis(band.role, np.full((128, 256), value, band.dtype))

    def read(
        self,
        side: str,
        *,
        window_us: int = 8 * DAY_US,
        lr_start: int = micros(2021, 9, 14),
        hr: tuple[int, int] = (micros(2021, 9, 20, 17), micros(2021, 9, 20, 17)),
        **job: object,
    ) -> SidePixels:
        item = SourceItem("a/b/c", self.assets, 0)
        lr = Side("lr", lr_start, lr_start + 8 * DAY_US, (item,))
        place = {"epsg": 32613, "x_m": X_M, "y_m": Y_M, **job}
        whole = SampleJob(
            sample_id="s", subset="sr", stratum="urban", site_id="t", gap_s=0.0, lr=lr,
            hr=Side("hr", *hr, (item,)), **place,
        )  # fmt: skip
        with Sources(SourcePolicy.of([self.folder])) as sources:
            return read_side(sources, MODIS_LANDSAT8, side, whole, window_us)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_landsat_bits_become_flags(files: Files) -> None:
    files.all_landsat()
    qa = np.full((1000, 1000), 1 << 6, np.uint16)
    planted = {1 << 3: MaskBit.CLOUD, 1 << 1: MaskBit.CLOUD, 1 << 4: MaskBit.CLOUD_SHADOW,
               1 << 2: MaskBit.CIRRUS, 1 << 5: MaskBit.SNOW_ICE, 1: MaskBit.NODATA}  # fmt: skip
    for n, bits in enumerate(planted):
        qa[10 * n : 10 * n + 10] = bits
    files.landsat("qa_pixel", qa, nodata=1)
    radsat = np.zeros((1000, 1000), np.uint16)
    radsat[900:910] = 1 << 4
    files.landsat("qa_radsat", radsat, nodata=0)
    found = files.read("hr")
    for n, flag in enumerate(planted.values()):
        assert (found.mask[10 * n : 10 * n + 10] == flag).all()
    assert (found.mask[900:910] == MaskBit.DEFECTIVE).all()
    clear = np.ones(1000, bool)
    clear[:60], clear[900:910] = False, False
    assert not found.mask[clear].any(), "a file that calls 0 its nodata does not hide good pixels"
    assert (found.numbers == 9000).all()
    assert found.age_days is None


def test_fill_in_one_band_is_nodata_for_the_pixel(files: Files) -> None:
    files.all_landsat()
    band = np.full((1000, 1000), 9000, np.uint16)
    band[5, 7] = 0
    files.landsat("green", band, nodata=0)
    found = files.read("hr")
    expected = np.zeros((1000, 1000), np.uint8)
    expected[5, 7] = MaskBit.NODATA
    assert np.array_equal(found.mask, expected)


def test_blocks_that_were_never_written_are_nodata_also_in_quality(files: Files) -> None:
    files.all_landsat()
    rasterio = load_rasterio()
    for role, rows in (("red", (0, 256)), ("qa_pixel", (256, 512))):
        path = Path(files.assets[role])
        with rasterio.open(path) as whole:
            profile, pixels = whole.profile, whole.read()
        path.unlink()
        with rasterio.open(path, "w", **{**profile, "sparse_ok": True, "nodata": None}) as made:
            for row in range(0, 1000, 256):
                if row != rows[0]:
                    window = ((row, min(row + 256, 1000)), (0, 1000))
                    made.write(pixels[:, window[0][0] : window[0][1]], window=window)
    found = files.read("hr")
    assert (found.mask[:512] == MaskBit.NODATA).all()
    assert not found.mask[512:].any()
    assert not found.numbers[MODIS_LANDSAT8.hr_bands.index("red"), :256].any()


def test_sites_south_of_the_equator_lie_in_northern_zones(files: Files) -> None:
    files.all_landsat(crs=32619, north=-3_599_985.0 + SIZE)
    assert not files.read("hr", epsg=32619, y_m=-3_599_985).mask.any()
    with pytest.raises(GridMismatchError, match="zone 32719"):
        files.read("hr", epsg=32719, y_m=-3_599_985)


def test_grids_that_are_off_by_half_a_pixel_are_carried(files: Files) -> None:
    files.all_landsat(west=X_M - 15.0)
    ramp = np.broadcast_to(np.arange(1000, dtype=np.uint16) * 10 + 5000, (1000, 1000))
    files.landsat("blue", np.ascontiguousarray(ramp), west=X_M - 15.0)
    found = files.read("hr").numbers[MODIS_LANDSAT8.hr_bands.index("blue")]
    assert np.array_equal(found[0, :999], 5005 + 10 * np.arange(999))


def test_a_missing_asset_or_file_is_permanent(files: Files) -> None:
    files.all_landsat()
    Path(files.assets["swir22"]).unlink()
    with pytest.raises(MissingSourceError):
        files.read("hr")
    del files.assets["qa_pixel"]
    files.landsat("swir22", np.full((1000, 1000), 9000, np.uint16))
    with pytest.raises(MissingAssetError, match="qa_pixel"):
        files.read("hr")


def test_a_scene_without_items_is_permanent(files: Files, tmp_path: Path) -> None:
    side = Side("x", 0, 0, ())
    job = SampleJob("s", "sr", "u", "t", 32613, X_M, Y_M, 0.0, side, side)
    with (
        Sources(SourcePolicy.of([tmp_path])) as sources,
        pytest.raises(PermanentSourceError, match="no item"),
    ):
        read_side(sources, MODIS_LANDSAT8, "lr", job, DAY_US)


def test_modis_is_carried_with_its_flags_and_days(files: Files) -> None:
    files.all_modis(day=262)
    found = files.read("lr")
    assert found.numbers.shape == (7, 60, 60)
    assert (found.numbers == 2500).all()
    assert not found.mask.any()
    assert found.age_days is not None
    assert found.age_days.dtype == np.int16
    assert (found.age_days == 262 - date(2021, 9, 20).timetuple().tm_yday).all()


def test_modis_fill_and_odd_numbers_are_flagged(files: Files) -> None:
    files.all_modis()
    band = np.full((128, 256), 2500, np.int16)
    band[:64], band[64:] = modis.FILL_REFLECTANCE, 16001
    files.modis("sur_refl_b03", band)
    found = files.read("lr")
    gone = (found.mask & MaskBit.NODATA) != 0
    odd = (found.mask & MaskBit.DEFECTIVE) != 0
    assert gone[:25].all()
    assert odd[35:].all()
    assert not gone[35:].any()
    assert not odd[:25].any()
    third = found.numbers[2]
    assert (third[:25] == modis.FILL_REFLECTANCE).all()
    assert (third[35:] == 16001).all()
    assert (found.numbers[0] == 2500).all(), "the other bands keep their numbers"


def test_unknown_state_and_day_are_nodata(files: Files) -> None:
    files.all_modis()
    for role in ("state", "day_of_year"):
        pixels = np.full((128, 256), 263 if role == "day_of_year" else 8, np.uint16)
        pixels[: 64 if role == "state" else 32] = modis.FILL_UINT16
        files.modis(role, pixels)
    found = files.read("lr")
    assert ((found.mask[:25] & MaskBit.NODATA) != 0).all()
    assert not found.mask[35:].any()
    assert found.age_days is not None
    assert (found.age_days[35:] == 0).all()


@pytest.mark.parametrize(
    ("days", "lr_start", "hr", "ages"),
    [
        ((361, 366), (2020, 12, 26), (2020, 12, 31, 17), (-5, 0)),
        ((1, 3), (2020, 12, 26), (2020, 12, 31, 17), (1, 3)),
        ((362, 2), (2021, 12, 27), (2022, 1, 5, 17), (-8, -3)),
    ],
)
def test_days_count_over_new_year(
    files: Files,
    days: tuple[int, int],
    lr_start: tuple[int, ...],
    hr: tuple[int, ...],
    ages: tuple[int, int],
) -> None:
    files.all_modis()
    pixels = np.full((128, 256), days[0], np.uint16)
    pixels[64:] = days[1]
    files.modis("day_of_year", pixels)
    found = files.read("lr", lr_start=micros(*lr_start), hr=(micros(*hr), micros(*hr)))
    assert found.age_days is not None
    assert (found.age_days[:25] == ages[0]).all()
    assert (found.age_days[35:] == ages[1]).all()
    assert not found.mask.any(), "all of them lie within eight days"


def test_pixels_beyond_the_window_are_flagged(files: Files) -> None:
    files.all_modis()
    pixels = np.full((128, 256), 258, np.uint16)
    pixels[64:] = 261
    files.modis("day_of_year", pixels)
    found = files.read("lr", window_us=3 * DAY_US)
    # 20 September is day 263; 17 September, three days before 17:00, is day 260.
    assert (found.mask[:25] == MaskBit.OUTSIDE_WINDOW).all()
    assert not found.mask[35:].any()


def test_another_projection_is_no_modis(files: Files) -> None:
    files.all_modis()
    path = write_tif(
        files.folder / "utm.tif", np.zeros((1, 10, 10), np.int16), crs=32613, west=X_M, north=Y_M,
        gsd_m=500.0,
    )  # fmt: skip
    files.assets["sur_refl_b01"] = str(path)
    with pytest.raises(GridMismatchError, match="sinusoidal"):
        files.read("lr")


def test_ages_are_unknown_where_nothing_was_seen(files: Files) -> None:
    files.all_modis()
    found = files.read("lr", x_m=X_M + 300_000)
    assert found.age_days is not None
    assert (found.age_days == AGE_UNKNOWN).all()
    assert ((found.mask & MaskBit.NODATA) != 0).all()


def test_only_so_many_rasters_stay_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("geosr_lake.cubes.read.OPEN_RASTERS", 2)
    paths = [
        write_tif(
            tmp_path / f"{n}.tif", np.full((1, 16, 16), n, np.uint8), crs=32613, west=9, north=9,
            gsd_m=1.0, blockxsize=16, blockysize=16,
        )
        for n in range(4)
    ]  # fmt: skip
    with Sources(SourcePolicy.of([tmp_path])) as sources:
        for _ in range(2):
            for n, path in enumerate(paths):
                pixels, _ = sources.pixels(sources.raster(str(path)), (1,), (0, 4, 0, 4))
                assert (pixels == n).all()
                assert len(sources._open) <= 2
        assert sources.bytes_read == 8 * 16
