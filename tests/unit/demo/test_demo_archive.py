import gzip
import json

import numpy as np
import pytest
import rasterio
import stac_geoparquet.arrow
from pyarrow import parquet as pq

from geosr_lake.demo import spectra
from geosr_lake.demo.archive import make_archive
from geosr_lake.sensors import SENSORS, modis, quality, sentinel2
from geosr_lake.sensors.quality import MaskBit


def read_items(path):
    if path.suffix == ".parquet":
        return list(stac_geoparquet.arrow.stac_table_to_items(pq.read_table(path)))
    text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return [json.loads(line) for line in text.splitlines()]


def read(path, band=1):
    with rasterio.open(path) as source:
        return source.read(band)


def tree(root):
    """Every file below a folder by its relative path."""
    files = (path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def of(archive, sensor):
    return [scene for scene in archive.scenes if scene.sensor == sensor]


def test_item_files_come_in_three_dialects(small_archive):
    names = [path.name for path in small_archive.item_files]
    assert names == ["landsat.ndjson.gz", "modis.ndjson", "naip.parquet", "sentinel2.ndjson"]
    assert {path.name for path in small_archive.items.iterdir()} == set(names)


def test_hrefs_lead_from_the_item_files_to_the_rasters(small_archive):
    missing = set()
    for path in small_archive.item_files:
        for item in read_items(path):
            for asset in item["assets"].values():
                target = (path.parent / asset["href"]).resolve()
                assert small_archive.root.resolve() in target.parents
                if not target.exists():
                    missing.add(item["id"])
    planted = small_archive.planted
    assert missing == {*planted.missing, *planted.unpaired}


@pytest.mark.parametrize("sensor", list(SENSORS))
def test_rasters_are_what_the_sensor_and_the_item_say(small_archive, sensor):
    facts = SENSORS[sensor]
    for scene in of(small_archive, sensor):
        for role, path in scene.files.items():
            if scene.item_id in small_archive.planted.missing:
                assert not path.exists()
                continue
            band = next(b for b in facts.bands if b.asset == role)
            grid = scene.grids[role]
            with rasterio.open(path) as source:
                assert set(source.dtypes) == {band.dtype}
                assert source.nodata == band.nodata
                assert source.count == sum(b.asset == role for b in facts.bands)
                assert source.transform.almost_equals(grid.transform, 1e-9)
                assert source.crs == rasterio.crs.CRS.from_user_input(grid.crs)
                assert source.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
                stated = scene.item["assets"].get(role, {}) | scene.item["properties"]
                assert [source.height, source.width] == stated["proj:shape"]
                assert list(source.transform)[:6] == pytest.approx(stated["proj:transform"][:6])


def test_modis_lies_on_the_true_grid(small_archive):
    scene = of(small_archive, "modis")[0]
    with rasterio.open(scene.files["state"]) as source:
        assert tuple(source.bounds) == pytest.approx(modis.tile_bounds_m(9, 5), abs=1e-5)
        assert source.shape == (2400, 2400)


def test_sentinel2_means_are_those_of_the_ground(small_archive):
    scene = small_archive.scene(small_archive.planted.superseded[0][1])
    old = small_archive.scene(small_archive.planted.superseded[0][0])
    box = scene.windows[0]
    for role in ("B04", "B8A", "B09"):
        grid = scene.grids[role]
        rows, columns = grid.window(box)
        x = grid.x_edges(columns.start, columns.stop)
        y = grid.y_edges(rows.start, rows.stop)
        truth = small_archive.truth("sentinel2", [role], x, y)[0]
        clear = small_archive.hidden(scene.item_id, x, y[::-1]).cloud[::-1] == 0
        clear &= small_archive.hidden(scene.item_id, x, y[::-1]).shadow[::-1] == 0
        dn = read(scene.files[role])[rows, columns]
        assert np.abs(dn - 1000 - truth * 1e4)[clear].max() <= 0.5 + 1e-6
        assert clear.mean() > 0.5
        # The first processing had no offset.
        np.testing.assert_array_equal(read(old.files[role])[rows, columns], dn - 1000)


def test_photographs_are_the_ground_in_bytes(small_archive):
    scene = of(small_archive, "naip")[0]
    grid = scene.grids["image"]
    x, y = grid.x_edges(0, 300), grid.y_edges(0, 200)
    for band, role in enumerate("RGBN", start=1):
        truth = small_archive.truth("naip", [role], x, y)[0]
        expected = np.clip(truth * spectra.NAIP_GAIN[role] + spectra.NAIP_OFFSET[role], 0, 255)
        got = read(scene.files["image"], band)[:200, :300]
        assert np.abs(got - expected).max() <= 0.5 + 1e-6


def test_landsat_has_a_frame_of_fill(small_archive):
    scene = of(small_archive, "landsat")[0]
    red, qa = read(scene.files["red"]), read(scene.files["qa_pixel"])
    frame = np.ones_like(red, dtype=bool)
    frame[10:-10, 10:-10] = False
    assert (red[frame] == 0).all()
    assert (qa[frame] == 1).all()
    assert (red[~frame] > 0).all()
    assert not read(scene.files["qa_radsat"]).any()


def test_stated_clouds_are_the_share_in_the_pixels(small_archive):
    for scene in of(small_archive, "landsat"):
        qa = read(scene.files["qa_pixel"])
        valid = qa != 1
        share = 100.0 * ((qa & 1 << 3) != 0)[valid].mean()
        assert scene.item["properties"]["eo:cloud_cover"] == pytest.approx(share, abs=0.01)
        assert share > 0
    for scene in of(small_archive, "sentinel2"):
        properties = scene.item["properties"]
        mask = quality.decode_scl(read(scene.files["SCL"]))
        valid = mask != MaskBit.NODATA
        for name, bits in (
            ("eo:cloud_cover", MaskBit.CLOUD | MaskBit.CIRRUS),
            ("s2:snow_ice_percentage", MaskBit.SNOW_ICE),
            ("s2:cloud_shadow_percentage", MaskBit.CLOUD_SHADOW),
        ):
            share = 100.0 * ((mask & bits) != 0)[valid].mean()
            assert properties[name] == pytest.approx(share, abs=1e-4)
        nodata = 100.0 * (~valid).mean()
        assert properties["s2:nodata_pixel_percentage"] == pytest.approx(nodata, abs=1e-4)


def test_planted_clouds_are_flagged_wherever_they_touch(small_archive):
    for scene in of(small_archive, "sentinel2"):
        grid = scene.grids["SCL"]
        cover = small_archive.hidden(scene.item_id, grid.x_edges(), grid.y_edges()[::-1])
        mask = quality.decode_scl(read(scene.files["SCL"]))
        valid = mask != MaskBit.NODATA
        touched = cover.cloud[::-1] > 0
        np.testing.assert_array_equal(((mask & MaskBit.CLOUD) != 0)[valid], touched[valid])
        blue = read(scene.files["B02"])[::2, ::2][: mask.shape[0], : mask.shape[1]]
        whole = valid & (cover.cloud[::-1] == 1)
        offset = sentinel2.dn_offset(scene.item["properties"]["s2:processing_baseline"])
        assert ((blue[whole].astype(int) + offset) == 6200).all()


def test_composites_have_pixels_from_days_outside_the_window(small_archive):
    late = small_archive.plan.composites[-1]
    scene = small_archive.scene(late.item_id)
    days = read(scene.files["day_of_year"])
    valid = days != modis.FILL_UINT16
    first = late.start.timetuple().tm_yday
    assert set(np.unique(days[valid])) == set(range(first, first + 8))
    # Landsat passed on 2 October; eight days before is 24 September, the composite's third day.
    assert 0.02 < (days[valid] < first + 2).mean() < 0.2


def test_what_is_planted(small_archive):
    planted = small_archive.planted
    s2 = [item["id"] for item in read_items(small_archive.items / "sentinel2.ndjson")]
    assert len(s2) - len(set(s2)) == len(planted.repeated) == 1
    assert s2.count(planted.repeated[0]) == 2
    assert set(planted.malformed) <= set(s2)
    (older, newer), *rest = planted.superseded
    assert not rest
    assert older < newer
    assert len(planted.second_strip) == len(planted.two_states) == 2
    assert len(planted.missing) == len(planted.off_grid) == 1
    assert len(planted.cloudy) >= 1
    assert len(planted.snowy) == 1
    assert len(planted.off_window) >= 3
    assert set(planted.off_window).isdisjoint(planted.cloudy)
    modis_ids = [item["id"] for item in read_items(small_archive.items / "modis.ndjson")]
    assert set(planted.unpaired) <= set(modis_ids)


def test_one_photograph_under_two_states_is_one_file_twice(small_archive):
    first, second = (small_archive.scene(i) for i in small_archive.planted.two_states)
    assert first.files["image"] != second.files["image"]
    assert first.files["image"].read_bytes() == second.files["image"].read_bytes()


def test_the_photograph_off_the_grid_is_off_by_half_a_pixel(small_archive):
    scene = small_archive.scene(small_archive.planted.off_grid[0])
    others = [s for s in of(small_archive, "naip") if s is not scene]
    assert round(scene.grids["image"].west % 0.6, 6) == pytest.approx(0.3)
    for other in others:
        assert other.grids["image"].west % 60.0 == 0.0


def test_an_unknown_scene_is_a_key_error(small_archive):
    with pytest.raises(KeyError, match="nothing"):
        small_archive.scene("nothing")


class Listener:
    def __init__(self):
        self.steps, self.done = [], 0

    def start(self, label, total=None):
        self.steps.append((label, total))

    def advance(self, amount=1):
        self.done += amount


@pytest.mark.slow
def test_bytes_follow_the_arguments_alone(tmp_path, small_archive):
    listener = Listener()
    alone = make_archive(tmp_path, small=True, tasks=("modis_landsat8",), progress=listener)
    first, second = tree(small_archive.root), tree(alone.root)
    assert len(second) > 45
    # The land cover's extent follows the tasks; everything else is the same to the byte.
    differing = [name for name in second if second[name] != first.get(name)]
    assert differing == ["landcover.tif"]
    assert listener.steps[0][0] == "Drawing the landscape"
    assert listener.done == listener.steps[1][1] == 3


@pytest.mark.slow
def test_a_shift_moves_what_the_coarse_sensor_sees(tmp_path, small_archive):
    moved = make_archive(tmp_path, small=True, tasks=("s2_naip",), lr_shift_m=(10.0, -20.0))
    item_id = small_archive.planted.off_window[0]
    still, shifted = small_archive.scene(item_id), moved.scene(item_id)
    rows, columns = still.grids["B04"].window(still.windows[0])
    # One pixel of 10 m east and two south; rows count from the north.
    inner = np.s_[rows.start + 4 : rows.stop - 4, columns.start + 4 : columns.stop - 4]
    there = np.s_[rows.start + 6 : rows.stop - 2, columns.start + 5 : columns.stop - 3]
    red, red_moved = read(still.files["B04"]), read(shifted.files["B04"])
    difference = red[inner].astype(int) - red_moved[there]
    assert np.abs(difference).max() <= 1  # rounding of shifted coordinates
    assert (red[inner] != red_moved[inner]).mean() > 0.2
    photo = of(small_archive, "naip")[0]
    ours, theirs = photo.files["image"], moved.scene(photo.item_id).files["image"]
    assert ours.read_bytes() == theirs.read_bytes()
