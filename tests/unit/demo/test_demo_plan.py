import zipfile
from datetime import date, timedelta

import numpy as np
import pyogrio
import pyproj
import pytest
import shapely
from site_cells import cells_within

from geosr_lake.demo import places
from geosr_lake.demo.plan import (
    CELL_COLUMNS,
    CELL_ROWS,
    MODIS_TILE,
    S2_TILE,
    S2_TILE_CORNER_M,
    cells_box,
    photo_window,
)
from geosr_lake.demo.schedule import PHOTOS, make_plan, strips_meet_at
from geosr_lake.sensors import landsat, modis, naip, sentinel2
from geosr_lake.sensors.tasks import MODIS_LANDSAT8, S2_NAIP, TASKS

PLAN = make_plan(tasks=tuple(TASKS))
TO_DEGREES = pyproj.Transformer.from_crs(places.EPSG, 4326, always_xy=True)


def in_degrees(box):
    ring = shapely.segmentize(shapely.box(*box).exterior, 5_000.0)
    return shapely.Polygon(np.column_stack(TO_DEGREES.transform(*shapely.get_coordinates(ring).T)))


def test_photographs_lie_in_the_quadrangles_they_are_named_after():
    for photo in PLAN.photos:
        quarter = shapely.box(*naip.quarter_quad_bounds(photo.quad, photo.quarter))
        assert quarter.contains(in_degrees(photo.box)), photo.name


def test_each_photograph_has_a_block_of_a_tenth_of_a_degree_of_its_own():
    blocks = set()
    for photo in PHOTOS:
        west, south, east, north = in_degrees(photo.box).bounds
        block = (np.floor(west * 10), np.floor(south * 10))
        assert block == (np.floor(east * 10), np.floor(north * 10))
        blocks.add(block)
    assert len(blocks) == len(PHOTOS)


def test_whole_sites_of_the_fine_task():
    usable = [photo for photo in PHOTOS if not photo.missing]
    sites = sum(len(cells_within(S2_NAIP, photo.box, places.EPSG)) for photo in usable)
    assert sites == 16 * len(usable) >= 60


def test_whole_sites_of_the_coarse_task_lie_in_scenes_and_on_the_ground():
    cells = cells_within(MODIS_LANDSAT8, cells_box(CELL_COLUMNS, CELL_ROWS), places.EPSG)
    assert len(cells) == 16
    for cell in cells:
        ground = shapely.box(*cell.bounds_m)
        held = [s for s in PLAN.scenes if shapely.box(*s.data_box).contains(ground)]
        assert any(s.path == 33 for s in held)
        assert shapely.box(*places.EXTENT).contains(ground)
    assert sum(s.path == 34 for s in PLAN.scenes) == 1


def test_modis_and_sentinel2_tiles_hold_the_ground():
    tile = modis.tile_polygon(*MODIS_TILE)
    assert tile.contains(in_degrees(cells_box(CELL_COLUMNS, CELL_ROWS)))
    left, top = S2_TILE_CORNER_M
    edge = sentinel2.TILE_SIZE_M
    assert shapely.box(left, top - edge, left + edge, top).contains(shapely.box(*PLAN.crop))
    assert sentinel2.tile_epsg(S2_TILE) == places.EPSG
    for box in (PLAN.crop, *(photo_window(photo) for photo in PHOTOS)):
        assert [(box[0] - left) % 60, (box[3] - top) % 60] == [0, 0]
        assert [(box[2] - box[0]) % 60, (box[3] - box[1]) % 60] == [0, 0]


def test_the_tile_is_the_one_of_the_public_grid(real_data):
    pq = pytest.importorskip("pyarrow.parquet")
    table = pq.read_table(
        real_data / "grids" / "sentinel2_mgrs_tiles_56984.parquet",
        filters=[("id", "==", S2_TILE)],
    )
    tile = shapely.from_wkb(table["geometry"][0].as_py())
    assert tile.buffer(0.002).contains(in_degrees(PLAN.crop))
    left, top = S2_TILE_CORNER_M
    corner = TO_DEGREES.transform(left, top)
    assert tile.exterior.distance(shapely.Point(corner)) < 0.001


def test_scenes_lie_on_their_paths_and_rows(real_data, tmp_path):
    with zipfile.ZipFile(real_data / "grids" / "WRS2_descending_0.zip") as packed:
        packed.extractall(tmp_path)
    path = next(tmp_path.rglob("*.shp"))
    _, _, geometry, (paths, rows) = pyogrio.raw.read(
        path, columns=["PATH", "ROW"], bbox=(-106.0, 38.0, -103.0, 40.0)
    )
    for scene in PLAN.scenes:
        ground = geometry[(paths == scene.path) & (rows == scene.row)]
        assert shapely.from_wkb(ground[0]).contains(in_degrees(scene.data_box)), scene.item_id


def test_landsat_edges_are_off_by_half_a_pixel():
    for scene in PLAN.scenes:
        for box in (scene.data_box, scene.file_box):
            assert [(value - landsat.GRID_OFFSET_M) % 30 for value in box] == [0, 0, 0, 0]


def test_days_are_those_of_the_orbits():
    # Seen over 13SED by S2A on 2024-07-11 and by S2B on 2024-07-16; every ten days.
    for each in PLAN.passes:
        seen = {"S2A": date(2024, 7, 11), "S2B": date(2024, 7, 16)}[each.platform]
        assert (each.sensed.date() - seen).days % 10 == 0, each.item_id
    # LC08_L2SP_033032_20241127 is of path 33; every sixteen days, path 34 a week later.
    for scene in PLAN.scenes:
        seen = date(2024, 11, 27) + timedelta(days=7 * (scene.path - 33))
        assert (scene.sensed.date() - seen).days % 16 == 0, scene.item_id
    for composite in PLAN.composites:
        assert (composite.start.timetuple().tm_yday - 1) % 8 == 0


def test_ids_read_as_real_ones_do():
    for each in PLAN.passes:
        product = sentinel2.parse_product_id(each.item_id)
        assert product is not None
        assert (product.tile, product.orbit, product.sensed) == (S2_TILE, 98, each.sensed)
    for scene in PLAN.scenes:
        assert landsat.parse_scene_id(scene.item_id) is not None
        assert landsat.parse_scene_id(scene.product_id).processed == scene.processed
    for composite in PLAN.composites:
        granule = modis.parse_granule_id(composite.item_id)
        assert (granule.h, granule.v, granule.day) == (*MODIS_TILE, composite.start)
        made = granule.production
        assert made > f"{composite.start + timedelta(days=8):%Y%j}"
    for photo in PLAN.photos:
        assert naip.parse_photo_id(photo.name).day == photo.day


def test_every_photograph_has_passes_within_ten_days_and_one_outside():
    for photo in PHOTOS:
        days = [abs((each.sensed.date() - photo.day).days) for each in PLAN.passes]
        assert sum(day <= 9 for day in days) >= 3
        assert max(days) > 30


def test_no_window_lies_on_the_line_between_datastrips():
    north = 0
    for photo in PHOTOS:
        west, low, east, high = photo_window(photo)
        line = [strips_meet_at(west), strips_meet_at(east)]
        assert low > max(line) or high < min(line)
        north += low > max(line)
    assert 0 < north < len(PHOTOS)


def test_small_plans_and_single_tasks():
    small = make_plan(small=True, tasks=("s2_naip",))
    assert 0 < len(small.photos) < len(PLAN.photos)
    assert any(photo.missing for photo in small.photos)
    assert (small.scenes, small.composites) == ((), ())
    coarse = make_plan(small=True, tasks=("modis_landsat8",))
    assert (coarse.photos, coarse.passes) == ((), ())
    assert len(coarse.scenes) == 2


@pytest.mark.parametrize("tasks", [(), ("s2_naip", "sar")])
def test_unknown_tasks_are_refused(tasks):
    with pytest.raises(ValueError, match="the demo has the tasks"):
        make_plan(tasks=tasks)
