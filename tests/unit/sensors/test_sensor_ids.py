from datetime import UTC, date, datetime

import pytest

from geosr_lake.sensors import landsat, modis, naip, sentinel2


def test_modis_granule_id():
    granule = modis.parse_granule_id("MOD09A1.A2022033.h19v10.061.2022042043514")
    assert granule is not None
    assert (granule.product, granule.day) == ("MOD09A1", date(2022, 2, 2))
    assert (granule.h, granule.v, granule.tile) == (19, 10, "h19v10")
    assert (granule.collection, granule.production) == ("061", "2022042043514")
    assert modis.parse_granule_id("MOD09A1.A2022033.h19v10.061").production == ""


@pytest.mark.parametrize(
    "text",
    [
        "",
        "MOD09A1.A2022366.h19v10.061.2022042043514",  # 2022 has 365 days
        "MOD09A1.A2022000.h19v10.061.2022042043514",
        "MOD09A1.A2022033.h36v10.061.2022042043514",
        "MOD09A1.A2022033.h19v18.061.2022042043514",
        "MOD09A1.A2022033.h19v10.061.2022042043514/../x",
        "LC08_L2SP_033032_20241127_20241203_02_T1",
    ],
)
def test_text_that_is_no_modis_id(text):
    assert modis.parse_granule_id(text) is None


def test_modis_tile_names_go_both_ways():
    assert modis.parse_tile("h09v05") == (9, 5)
    assert modis.tile_name(9, 5) == "h09v05"
    assert modis.parse_tile("h36v05") is None
    assert modis.parse_tile("9,5") is None


@pytest.mark.parametrize(
    "text",
    [
        "LC08_L2SP_033032_20241127_20241203_02_T1",
        "LC08_L2SP_033032_20241127_20241203_02_T1_SR",
        "LC08_L2SP_033032_20241127_02_T1",
    ],
)
def test_one_landsat_scene_under_three_ids(text):
    scene = landsat.parse_scene_id(text)
    assert scene is not None
    assert (scene.mission, scene.tile, scene.day) == ("LC08", "033032", date(2024, 11, 27))
    assert (scene.level, scene.collection, scene.tier) == ("L2SP", "02", "T1")


def test_landsat_ids_that_are_none():
    assert landsat.parse_scene_id("LC08_L2SP_033032_20241327_02_T1") is None
    assert landsat.parse_scene_id("LC80330322024332LGN00") is None


def test_sentinel2_product_names_with_and_without_the_baseline():
    full = sentinel2.parse_product_id(
        "S2B_MSIL2A_20240828T174909_N0511_R141_T13TEF_20240828T214916.SAFE"
    )
    short = sentinel2.parse_product_id("S2B_MSIL2A_20240828T174909_R141_T13TEF_20240828T214916")
    assert full is not None
    assert short is not None
    assert (full.baseline, short.baseline) == ("05.11", None)
    assert (short.platform, short.orbit, short.tile) == ("S2B", 141, "13TEF")
    assert short.generated == datetime(2024, 8, 28, 21, 49, 16, tzinfo=UTC)
    assert sentinel2.parse_product_id("S2A_13TDE_20240828_0_L2A") is None
    assert (
        sentinel2.parse_product_id("S2B_MSIL2A_20241328T174909_R141_T13TEF_20240828T214916") is None
    )


def test_the_datastrip_start_is_the_second_instant():
    start = sentinel2.parse_datastrip_start(
        "S2B_OPER_MSI_L2A_DS_2BPS_20240828T214916_S20240828T180134_N05.11"
    )
    assert start == datetime(2024, 8, 28, 18, 1, 34, tzinfo=UTC)
    assert sentinel2.parse_datastrip_start("") is None


@pytest.mark.parametrize("text", ["13TEF", "T13TEF", "MGRS-13TEF", "t13tef"])
def test_mgrs_tiles_in_several_spellings(text):
    assert sentinel2.parse_tile(text) == "13TEF"


def test_mgrs_tiles_and_their_zones():
    assert sentinel2.parse_tile("1CCV") == "01CCV"
    assert sentinel2.parse_tile("61CCV") is None
    assert sentinel2.parse_tile("13IEF") is None
    assert sentinel2.tile_epsg("13TEF") == 32613
    assert sentinel2.tile_epsg("01CCV") == 32701
    with pytest.raises(ValueError, match="no MGRS tile"):
        sentinel2.tile_epsg("x")


@pytest.mark.parametrize(
    ("baseline", "offset"),
    [("05.11", -1000), ("04.00", -1000), ("N0400", -1000), ("03.01", 0), ("02.14", 0)],
)
def test_the_offset_follows_the_baseline(baseline, offset):
    assert sentinel2.dn_offset(baseline) == offset


def test_a_baseline_that_is_none():
    with pytest.raises(ValueError, match="processing baseline"):
        sentinel2.dn_offset("latest")


def test_naip_ids_with_state_and_delivery_day():
    photo = naip.parse_photo_id("ne_m_4110264_sw_13_060_20220827")
    assert photo is not None
    assert (photo.state, photo.quad, photo.quarter) == ("ne", "4110264", "sw")
    assert (photo.zone, photo.gsd_m, photo.day) == (13, 0.6, date(2022, 8, 27))
    assert photo.tile == "4110264_sw"
    bare = naip.parse_photo_id("m_3211605_ne_11_060_20200415_20200730")
    assert bare is not None
    assert (bare.state, bare.day) == (None, date(2020, 4, 15))
    assert naip.parse_photo_id("m_4207201_ne_18_h_20160809").gsd_m == 0.6
    assert naip.parse_photo_id("m_3008501_ne_16_1_20110815").gsd_m == 1.0
    assert naip.parse_photo_id("m_3008501_ne_16_1_20111315") is None
    assert naip.parse_photo_id("S2A") is None


def test_quarter_quads_against_a_real_photograph():
    # Item ne_m_4110264_sw_13_060_20220827 has bbox -102.131414, 40.995619, -102.055505, 41.067376:
    # its quarter quadrangle and about 300 m around.
    bounds = naip.quarter_quad_bounds("4110264", "sw")
    assert bounds == (-102.125, 41.0, -102.0625, 41.0625)


@pytest.mark.parametrize(
    ("lon", "lat", "expected"),
    [
        (-102.1, 41.03, ("4110264", "sw")),
        (-102.99, 41.99, ("4110201", "nw")),
        (-102.01, 41.01, ("4110264", "se")),
        (-104.97, 39.99, ("3910401", "nw")),
    ],
)
def test_the_quad_of_a_point(lon, lat, expected):
    assert naip.quarter_quad_at(lon, lat) == expected
    west, south, east, north = naip.quarter_quad_bounds(*expected)
    assert west <= lon <= east
    assert south <= lat <= north


def test_quads_that_do_not_exist():
    with pytest.raises(ValueError, match="no USGS quadrangle"):
        naip.quarter_quad_bounds("4110265", "sw")
    with pytest.raises(ValueError, match="no quarter"):
        naip.quarter_quad_bounds("4110264", "xx")
    with pytest.raises(ValueError, match="no USGS quadrangle at"):
        naip.quarter_quad_at(10.0, 40.0)
