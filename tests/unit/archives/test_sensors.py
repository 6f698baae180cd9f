"""What the dialects of each sensor become: identity, time, tile, bands, pixel grid."""

from datetime import UTC, datetime
from typing import Any

import pytest
import shapely
from stac_items import S2_BANDS, box, earth_search, landsat, modis, naip, row, sentinel2

from geosr_lake.sensors import SENSORS
from geosr_lake.sensors import modis as modis_facts


def day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def changed(item: dict[str, Any], **properties: Any) -> dict[str, Any]:
    return {**item, "properties": {**item["properties"], **properties}}


class TestNaip:
    def test_state_and_spelling_do_not_matter(self) -> None:
        one, other = row(naip(state="co")), row(naip(state="NE"))
        assert one["identity"] == other["identity"] == "4110264_sw|2022-08-27"
        assert one["group_key"] == other["group_key"]
        assert one["content_hash"] != other["content_hash"]

    def test_columns(self) -> None:
        found = row(naip())
        assert (found["sensor"], found["product"], found["tile"]) == ("naip", "NAIP", "4110264_sw")
        assert (found["gsd_m"], found["epsg"], found["platform"]) == (0.6, 26913, None)
        assert found["transform"] == [0.6, 0.0, 741276.0, 0.0, -0.6, 4550210.4]
        assert (found["cloud_frac"], found["snow_frac"]) == (None, None)
        assert set(found["assets"]) == set(SENSORS["naip"].asset_roles)

    @pytest.mark.parametrize(
        ("gsd", "found"),
        [(0.5999999999999955, 0.6), (None, 0.6), ("x", 0.6), (-1, 0.6), (0.3, 0.3)],
    )
    def test_pixel_size(self, gsd: Any, found: float) -> None:
        assert row(changed(naip(), gsd=gsd))["gsd_m"] == found

    def test_the_later_delivery_wins(self) -> None:
        first, second = naip(), naip()
        second["id"] += "_20230114"
        assert row(second)["version_key"] > row(first)["version_key"]
        assert row(second)["identity"] == row(first)["identity"]


class TestLandsat:
    def test_ids_of_two_archives_are_one_scene(self) -> None:
        ours, theirs = row(landsat()), row(landsat(usgs=True))
        assert ours["identity"] == theirs["identity"] == "LC08|033032|2024-09-08"
        assert ours["platform"] == theirs["platform"] == "landsat-8"
        # The same processing: the archive decides, whose links need no account.
        assert ours["version_key"] > theirs["version_key"]

    def test_columns(self) -> None:
        found = row(landsat())
        assert (found["product"], found["tile"], found["epsg"]) == ("L2SP.02", "033032", 32613)
        assert (found["cloud_frac"], found["snow_frac"], found["gsd_m"]) == (0.125, None, 30.0)
        assert set(found["assets"]) == set(SENSORS["landsat"].asset_roles)

    @pytest.mark.parametrize("stated", [None, "T1", "T2", "RT", "", "t1", 1])
    def test_the_tier_is_the_stated_one_else_that_of_the_id(self, stated: Any) -> None:
        item = changed(landsat(), **{"landsat:collection_category": stated})
        assert row(item)["tier"] == (stated if stated in ("T1", "T2", "RT") else "T1")
        assert row({**landsat(), "id": landsat()["id"].replace("_T1", "_RT")})["tier"] == "RT"

    @pytest.mark.parametrize(
        ("stated", "found"),
        [(None, None), (49.4, 49.4), ("49.4", 49.4), (-90, -90), (90.1, None), ("x", None)],
    )
    def test_the_suns_elevation(self, stated: Any, found: float | None) -> None:
        item = changed(landsat(), **{"view:sun_elevation": stated})
        assert row(item)["sun_elevation_deg"] == found
        # It came later than lakes that hold items, which are to know them again.
        assert row(item)["content_hash"] == row(landsat())["content_hash"]

    def test_a_later_processing_wins(self) -> None:
        old, new = landsat(processed="20240914"), landsat(processed="20250101", usgs=True)
        assert row(new)["version_key"] > row(old)["version_key"]

    @pytest.mark.parametrize("mission", ["LC08", "LC09", "LE07", "LT05"])
    def test_missions(self, mission: str) -> None:
        found = row(landsat(mission=mission))
        assert found["platform"] == f"landsat-{mission[3]}"
        assert found["identity"].startswith(mission)

    @pytest.mark.parametrize(
        "item_id",
        [
            "LC08_L2SP_033032_20240908_20240914_02_T1_ST",
            "LC08_L1TP_033032_20240908_20240914_02_T1",
        ],
    )
    def test_products_without_reflectance(self, item_id: str) -> None:
        assert row({**landsat(), "id": item_id})["reason"] == "product_not_paired"

    def test_the_processing_day_is_found_in_the_files(self) -> None:
        item = landsat()
        assert "|20240914" in row(item)["version_key"]
        item["assets"] = {}
        assert "|20240914" not in row(item)["version_key"]

    def test_contradictions(self) -> None:
        item = changed(landsat(), **{"landsat:wrs_row": "033"})
        assert row(item)["reason"] == "tile_contradicts_id"

    def test_a_cloud_cover_of_minus_one_was_not_computed(self) -> None:
        assert row(changed(landsat(), **{"eo:cloud_cover": -1}))["cloud_frac"] is None
        assert row(changed(landsat(), **{"eo:cloud_cover": -2}))["outcome"] == "quarantined"


class TestModis:
    def test_columns(self) -> None:
        found = row(modis())
        assert (found["product"], found["platform"]) == ("MOD09A1.061", "terra")
        assert (found["tile"], found["gsd_m"], found["epsg"]) == ("h09v05", 500.0, None)
        assert found["identity"] == "MOD09A1|061|h09v05|2022-02-02"
        assert set(found["assets"]) == set(SENSORS["modis"].asset_roles)

    def test_the_footprint_is_the_tile_whatever_the_ring(self) -> None:
        wanted = modis_facts.tile_polygon(9, 5)
        for ring in (modis()["geometry"], None, {"type": "Point"}, box(0, 0, 1, 1)):
            found = row({**modis(), "geometry": ring})
            assert shapely.from_wkb(found["footprint_wkb"]).equals(wanted)

    @pytest.mark.parametrize(
        ("product", "doy", "start", "end"),
        [
            ("MOD09A1", "2022033", "2022-02-02", "2022-02-10"),
            ("MYD09A1", "2023361", "2023-12-27", "2024-01-04"),
            ("MOD09A1", "2024361", "2024-12-26", "2025-01-03"),
            ("MOD09Q1", "2022033", "2022-02-02", "2022-02-10"),
            ("MOD13Q1", "2023241", "2023-08-29", "2023-09-14"),
            ("MOD13A1", "2023353", "2023-12-19", "2024-01-04"),
            ("MCD43A4", "2022019", "2022-01-11", "2022-01-27"),
            ("MCD43A4", "2022001", "2021-12-24", "2022-01-09"),
            ("MOD09GA", "2024366", "2024-12-31", "2025-01-01"),
        ],
    )
    def test_times_follow_from_the_id(self, product: str, doy: str, start: str, end: str) -> None:
        for stated in ("2000-01-01T00:00:00Z", "nonsense", None):
            found = row(changed(modis(product, doy), datetime=stated))
            assert (found["t_start"], found["t_end"]) == (day(start), day(end))

    def test_ids_with_and_without_production_time_are_one_scene(self) -> None:
        full, short = row(modis()), row(modis(produced=""))
        assert full["identity"] == short["identity"]
        assert full["version_key"] > short["version_key"]

    def test_collections_are_different_scenes(self) -> None:
        assert row(modis(collection="006"))["identity"] != row(modis())["identity"]

    @pytest.mark.parametrize("product", ["MOD14A1", "MOD11A2", "MCD12Q1", "MOD17A2HGF", "MOD10A1"])
    def test_products_without_reflectance(self, product: str) -> None:
        found = row(modis(product))
        assert (found["reason"], found["sensor"]) == ("product_not_paired", "modis")

    @pytest.mark.parametrize(
        "item_id", ["MOD09A1.A2022366.h09v05.061", "MOD09A1.A2022033.h36v05.061", "MOD09A1"]
    )
    def test_ids_that_name_nothing(self, item_id: str) -> None:
        assert row({**modis(), "id": item_id})["reason"] == "id_not_understood"

    def test_a_tile_outside_the_earth(self) -> None:
        assert row(modis(tile="h00v00"))["reason"] == "id_not_understood"

    def test_contradictions(self) -> None:
        item = changed(modis(), **{"modis:horizontal-tile": 10, "modis:vertical-tile": 5})
        assert row(item)["reason"] == "tile_contradicts_id"

    def test_layers_without_role_keep_their_key(self) -> None:
        item = modis("MOD13Q1")
        item["assets"] = {
            "250m_16_days_red_reflectance": {"href": "red.tif", "roles": ["data"]},
            "tilejson": {"href": "x.json", "roles": ["tiles"]},
            "odd": {"href": "y.tif", "roles": 3},
        }
        assert list(row(item)["assets"]) == ["250m_16_days_red_reflectance"]


class TestSentinel2:
    def test_the_suns_elevation_is_stated_or_follows_from_the_zenith(self) -> None:
        found = [
            row(changed(sentinel2(), **properties))["sun_elevation_deg"]
            for properties in (
                {},
                {"s2:mean_solar_zenith": 38.25},
                {"sentinel2:mean_solar_zenith": 90},
                {"s2:mean_solar_zenith": 38.25, "view:sun_elevation": 50},
                {"s2:mean_solar_zenith": 200},
            )
        ]
        assert found == [None, 51.75, 0, 50, None]
        assert row(sentinel2())["tier"] is None

    def test_columns(self) -> None:
        found = row(sentinel2())
        assert (found["product"], found["platform"]) == ("S2MSI2A", "sentinel-2a")
        assert (found["tile"], found["epsg"], found["gsd_m"]) == ("13TDE", 32613, 10.0)
        assert (found["cloud_frac"], found["snow_frac"]) == (0.081, 0.005)
        assert found["identity"] == "sentinel-2a|13TDE|20240803T180500"
        assert found["transform"] == [10.0, 0.0, 399960.0, 0.0, -10.0, 4500000.0]
        assert set(found["assets"]) == set(SENSORS["sentinel2"].asset_roles)

    def test_the_dialects_agree(self) -> None:
        ours, theirs = row(sentinel2()), row(earth_search(sentinel2()))
        for name in ("identity", "group_key", "tile", "platform", "product", "epsg", "snow_frac"):
            assert ours[name] == theirs[name], name
        assert set(ours["assets"]) == set(theirs["assets"])
        for band in S2_BANDS:
            assert theirs["assets"][band].endswith(f"/{band}.tif")

    @pytest.mark.parametrize(
        ("baseline", "applied", "offset"),
        [
            ("05.11", None, -1000),
            ("04.00", False, -1000),
            ("04.00", True, 0),
            ("03.01", None, 0),
            ("02.12", False, 0),
            (None, None, None),
            ("new", None, None),
        ],
    )
    def test_the_offset_in_the_pixels(
        self, baseline: str | None, applied: bool | None, offset: int | None
    ) -> None:
        item = changed(
            sentinel2(strip=None),
            **{"s2:processing_baseline": baseline, "earthsearch:boa_offset_applied": applied},
        )
        assert row(item)["dn_offset"] == offset

    def test_the_baseline_is_found_in_the_products_name(self) -> None:
        name = "S2A_MSIL2A_20240803T180011_N0511_R141_T13TDE_20240804T004953.SAFE"
        item = changed(
            sentinel2(strip=None), **{"s2:processing_baseline": None, "s2:product_uri": name}
        )
        found = row(item)
        assert (found["processing_baseline"], found["dn_offset"]) == ("05.11", -1000)

    def test_two_datastrips_are_two_scenes_of_one_group(self) -> None:
        one, other = row(sentinel2()), row(sentinel2(strip="20240803T180459"))
        assert one["identity"] != other["identity"]
        assert one["group_key"] == other["group_key"]

    def test_without_a_datastrip_there_is_no_identity(self) -> None:
        found = row(sentinel2(strip=None))
        assert (found["outcome"], found["identity"]) == ("kept", None)
        assert found["group_key"] == row(sentinel2())["group_key"]

    def test_the_other_prefix_serves_as_well(self) -> None:
        item = sentinel2()
        properties = {k.replace("s2:", "sentinel2:"): v for k, v in item["properties"].items()}
        ours, theirs = row(item), row({**item, "properties": properties})
        assert theirs["content_hash"] == ours["content_hash"]

    def test_passes_over_the_antimeridian(self) -> None:
        # Two passes of one UTC date, and one pass on either side of midnight UTC.
        early = row(sentinel2(tile="01WCQ", sensed="20230602T000611", strip="20230602T000600"))
        late = row(sentinel2(tile="01WCQ", sensed="20230602T233651", strip="20230602T233650"))
        assert early["group_key"] != late["group_key"]
        lone = changed(
            sentinel2(tile="01WCQ", sensed="20230601T235900", strip=None),
            datetime="2023-06-02T00:00:07Z",
        )
        before = row(sentinel2(tile="01WCQ", sensed="20230601T235900", strip="20230601T235859"))
        assert row(lone)["group_key"] == before["group_key"] == early["group_key"]

    @pytest.mark.parametrize(
        ("names", "tile"),
        [
            ({"grid:code": "MGRS-13TDE"}, "13TDE"),
            ({"mgrs:utm_zone": 13, "mgrs:latitude_band": "T", "mgrs:grid_square": "DE"}, "13TDE"),
            ({"s2:mgrs_tile": "13TDE"}, "13TDE"),
            ({}, "13TDE"),
        ],
    )
    def test_names_of_the_tile(self, names: dict[str, Any], tile: str) -> None:
        item = changed(sentinel2(), **{"s2:mgrs_tile": None, **names})
        assert row(item)["tile"] == tile

    def test_contradictions(self) -> None:
        assert row(changed(sentinel2(), **{"grid:code": "MGRS-13TDF"}))["reason"] == (
            "tile_contradicts_id"
        )

    @pytest.mark.parametrize("kind", ["S2MSI1C", "S2MSI2Ap"])
    def test_other_levels(self, kind: str) -> None:
        assert row(changed(sentinel2(), **{"s2:product_type": kind}))["reason"] == (
            "product_not_paired"
        )
        item = changed(sentinel2(), **{"s2:product_type": None})
        item["id"] = item["id"].replace("L2A", "L1C")
        assert row(item)["reason"] == "product_not_paired"

    def test_a_number_that_the_archive_calls_invalid_is_unknown(self) -> None:
        item = changed(sentinel2(), **{"sentinel:valid_cloud_cover": False})
        assert row(item)["cloud_frac"] is None

    def test_without_a_time_the_datastrip_serves_then_the_name(self) -> None:
        assert row(changed(sentinel2(), datetime=None))["t_start"] == day("2024-08-03T18:05:00")
        lone = changed(sentinel2(strip=None), datetime=None)
        assert row(lone)["t_start"] == day("2024-08-03T18:00:11")
        lone["id"] = "S2A_13TDE_20240803_0_L2A"
        assert row(lone)["reason"] == "time_missing"

    def test_a_newer_baseline_wins_then_a_newer_product(self) -> None:
        old, new = sentinel2(baseline="02.12", generated="20240901T000000"), sentinel2()
        assert row(new)["version_key"] > row(old)["version_key"]
        newer = sentinel2(generated="20240805T000000")
        assert row(newer)["version_key"] > row(new)["version_key"]

    def test_an_item_with_fewer_files_loses(self) -> None:
        poor = sentinel2(baseline="09.99")
        del poor["assets"]["B02"]
        assert row(poor)["version_key"] < row(sentinel2())["version_key"]


class TestPixelGrid:
    @pytest.mark.parametrize(
        ("stated", "epsg"),
        [
            ({"proj:epsg": 26913}, 26913),
            ({"proj:epsg": "26913"}, 26913),
            ({"proj:epsg": None, "proj:code": "EPSG:26913"}, 26913),
            ({"proj:epsg": None, "proj:code": "IAU_2015:30100"}, None),
            ({"proj:epsg": -1}, None),
            ({"proj:epsg": 26913.5}, None),
            ({"proj:epsg": None}, None),
            ({"proj:epsg": None, "proj:wkt2": "PROJCS[broken"}, None),
        ],
    )
    def test_codes(self, stated: dict[str, Any], epsg: int | None) -> None:
        assert row(changed(naip(), **stated))["epsg"] == epsg

    def test_wkt(self) -> None:
        from pyproj import CRS

        wkt = CRS.from_epsg(26913).to_wkt("WKT2_2019")
        assert row(changed(naip(), **{"proj:epsg": None, "proj:wkt2": wkt}))["epsg"] == 26913

    @pytest.mark.parametrize(
        "stated",
        [
            None,
            "x",
            [1, 2],
            [741276.0, 0.6, 0.0, 4550210.4, 0.0, -0.6],  # GDAL's order
            [0.6, 0.1, 741276.0, 0.0, -0.6, 4550210.4],  # rotated
            [0.6, 0.0, None, 0.0, -0.6, 4550210.4],
            [0.6, 0.0, 741276.0, 0.0, 0.6, 4550210.4],  # south up
        ],
    )
    def test_transforms_that_do_not_count(self, stated: Any) -> None:
        found = row(changed(naip(), **{"proj:transform": stated}))
        assert (found["outcome"], found["transform"]) == ("kept", None)

    def test_an_asset_may_say_it(self) -> None:
        item = changed(naip(), **{"proj:epsg": None, "proj:transform": None})
        item["assets"]["image"] |= {
            "proj:code": "EPSG:26914",
            "proj:transform": [0.3, 0, 5, 0, -0.3, 9, 0, 0, 1],
        }
        found = row(item)
        assert (found["epsg"], found["transform"]) == (26914, [0.3, 0, 5, 0, -0.3, 9])
