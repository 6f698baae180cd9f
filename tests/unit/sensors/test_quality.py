from datetime import date

import numpy as np
import pytest

from geosr_lake.sensors import quality
from geosr_lake.sensors.quality import MASK_MEANINGS, MASK_UNKNOWN, SCL_CLOUDY, MaskBit


def test_the_bits_are_those_of_the_cube():
    assert [int(bit) for bit in MaskBit] == [1, 2, 4, 8, 16, 32, 64]
    assert sum(MaskBit) < MASK_UNKNOWN
    assert list(MASK_MEANINGS) == list(MaskBit)


def test_every_scene_class():
    expected = [1, 32, 0, 4, 0, 0, 0, 0, 2, 2, 8, 16]
    decoded = quality.decode_scl(np.arange(12, dtype=np.uint8))
    assert decoded.tolist() == expected
    assert decoded.dtype == np.uint8
    assert quality.decode_scl(np.array([[12, 255]], dtype=np.uint8)).tolist() == [[32, 32]]


@pytest.mark.parametrize(
    ("qa", "flags"),
    [
        (21824, 0),  # clear land, low confidences
        (21952, 0),  # water
        (1, MaskBit.NODATA),
        (22280, MaskBit.CLOUD),
        (21826, MaskBit.CLOUD),  # dilated
        (23888, MaskBit.CLOUD_SHADOW),
        (30048, MaskBit.SNOW_ICE),
        (54596, MaskBit.CIRRUS),
        (0b111111, MaskBit.NODATA),  # fill says nothing else
    ],
)
def test_landsat_values_as_they_occur(qa, flags):
    assert quality.decode_qa_pixel(np.array([qa], dtype=np.uint16)).tolist() == [flags]


def test_landsat_saturation_and_occlusion():
    values = np.array([0, 1, 1 << 6, 1 << 7, 1 << 8, 1 << 11], dtype=np.uint16)
    assert quality.decode_qa_radsat(values).tolist() == [0, 32, 32, 0, 0, 32]


@pytest.mark.parametrize(
    ("state", "flags"),
    [
        (0b00, 0),
        (0b01, MaskBit.CLOUD),
        (0b10, MaskBit.CLOUD),
        (0b11, 0),  # not set, assumed clear
        (1 << 2, MaskBit.CLOUD_SHADOW),
        (0b01 << 8, 0),  # small cirrus
        (0b10 << 8, MaskBit.CIRRUS),
        (0b11 << 8, MaskBit.CIRRUS),
        (1 << 10, MaskBit.CLOUD),
        (1 << 12, MaskBit.SNOW_ICE),
        (1 << 15, MaskBit.SNOW_ICE),
        (1 << 13, 0),  # beside a cloud
        (0b001 << 3 | 0b01 << 6, 0),  # land, low aerosol
        (0b01 | 1 << 12, MaskBit.CLOUD | MaskBit.SNOW_ICE),
        (65535, MaskBit.NODATA),
    ],
)
def test_modis_state(state, flags):
    assert quality.decode_modis_state(np.array([state], dtype=np.uint16)).tolist() == [flags]


def test_modis_days_outside_the_window():
    days = np.array([[361, 363], [2, 65535]], dtype=np.uint16)
    mask = quality.decode_modis_day(
        days, date(2021, 12, 27), first=date(2021, 12, 29), last=date(2022, 1, 1)
    )
    assert mask.tolist() == [[64, 0], [64, 1]]


def test_both_ends_of_the_window_belong_to_it():
    days = np.array([10, 11, 12, 13], dtype=np.uint16)
    mask = quality.decode_modis_day(days, date(2021, 1, 9), date(2021, 1, 11), date(2021, 1, 12))
    assert mask.tolist() == [64, 0, 0, 64]


def test_nodata_in_any_band():
    dn = np.array([[[0, 5]], [[7, 5]]], dtype=np.uint16)
    assert quality.decode_nodata(dn, 0).tolist() == [[1, 0]]
    assert quality.decode_nodata(dn, None).tolist() == [[0, 0]]


def test_scl_share_is_the_items_cloud_cover(real_data):
    import json

    import rasterio

    folder = real_data / "pixels" / "sentinel2_33TWL"
    products = sorted(folder.rglob("SCL.tif"))
    assert len(products) == 5
    for path in products:
        item = json.loads(next(path.parent.glob("*.json")).read_text())
        with rasterio.open(path) as source:
            mask = quality.decode_scl(source.read(1))
        cloudy = (mask & (MaskBit.CLOUD | MaskBit.CIRRUS)) != 0
        share = 100.0 * cloudy.sum() / (mask != MaskBit.NODATA).sum()
        assert share == pytest.approx(item["properties"]["eo:cloud_cover"], abs=2.0), path
    assert SCL_CLOUDY == (8, 9, 10)


def test_qa_pixel_share_is_the_scenes_cloud_cover(real_data):
    import rasterio

    folder = real_data / "pixels" / "landsat8_008059"
    with rasterio.open(next(folder.glob("*_QA_PIXEL.TIF"))) as source:
        qa = source.read(1)
    valid = quality.decode_qa_pixel(qa) != MaskBit.NODATA
    share = 100.0 * ((qa & 1 << 3) != 0)[valid].mean()
    assert share == pytest.approx(81.1, abs=0.05)
    cloudy = (quality.decode_qa_pixel(qa) & MaskBit.CLOUD) != 0
    assert cloudy[valid].mean() * 100 >= share
