"""The layout of the stores: what schemas/zarr_cube.json gives for each task."""

import math

import numpy as np
import pytest
import zarr

from geosr_lake.cubes import store
from geosr_lake.cubes.layout import (
    ArraySpec,
    bands_of,
    coordinate_arrays,
    cube_contract,
    nodata_dn,
    pixel_arrays,
    store_attributes,
)
from geosr_lake.sensors.quality import MASK_MEANINGS
from geosr_lake.sensors.tasks import MODIS_LANDSAT8, S2_NAIP, Task


def by_name(specs: tuple[ArraySpec, ...]) -> dict[str, ArraySpec]:
    return {spec.name: spec for spec in specs}


def test_sentinel2_with_naip() -> None:
    specs = by_name(pixel_arrays(S2_NAIP, 40, 16, "train"))
    assert sorted(specs) == ["hr", "hr_mask", "lr", "lr_mask"]
    lr, hr = specs["lr"], specs["hr"]
    assert (lr.shape, lr.chunk, lr.shard) == ((40, 12, 60, 60), (1, 12, 60, 60), (16, 12, 60, 60))
    assert (hr.shape, hr.chunk) == ((40, 4, 1000, 1000), (1, 4, 250, 250))
    assert hr.shard == (16, 4, 1000, 1000)
    assert (lr.dtype, lr.fill, hr.dtype, hr.fill) == ("uint16", 0, "uint8", 0)
    assert lr.attributes["scale_factor"] == 1e-4
    assert lr.attributes["_FillValue"] == 0
    assert "_FillValue" not in hr.attributes, "0 is a number that a photograph may hold"
    assert [band["name"] for band in hr.attributes["bands"]] == ["R", "G", "B", "N"]


def test_modis_with_landsat() -> None:
    specs = by_name(pixel_arrays(MODIS_LANDSAT8, 9, 4, "archive"))
    assert "lr_age_days" in specs
    assert specs["lr_age_days"].fill == -32768
    assert (specs["lr"].dtype, specs["lr"].fill) == ("int16", -28672)
    assert specs["hr"].attributes["scale_factor"] == 2.75e-5
    assert specs["hr"].attributes["add_offset"] == -0.2
    assert specs["hr"].shape == (9, 7, 1000, 1000)
    assert specs["lr"].codecs[0].configuration["cname"] == "zstd"


@pytest.mark.parametrize("task", [S2_NAIP, MODIS_LANDSAT8], ids=lambda task: task.name)
@pytest.mark.parametrize("codec", ["train", "archive"])
def test_every_pixel_array_is_whole_and_checked(task: Task, codec: str) -> None:
    for spec in pixel_arrays(task, 33, 16, codec):
        assert spec.shard is not None
        assert spec.shard[0] == 16
        assert all(s % c == 0 for s, c in zip(spec.shard, spec.chunk, strict=True))
        assert spec.codecs[-1].name == "crc32c"
        if "mask" in spec.name:
            assert spec.fill == 255
            assert spec.attributes["flag_masks"] == [1, 2, 4, 8, 16, 32, 64]
            assert len(spec.attributes["flag_meanings"].split()) == len(MASK_MEANINGS)


def test_a_tile_of_hr_is_fifteen_lr_pixels() -> None:
    for task in (S2_NAIP, MODIS_LANDSAT8):
        assert cube_contract().hr_chunk_px * task.hr_gsd_m == pytest.approx(15 * task.lr_gsd_m)


@pytest.mark.parametrize("task", [S2_NAIP, MODIS_LANDSAT8], ids=lambda task: task.name)
def test_the_skeleton_opens_and_reads_as_unknown(task: Task, tmp_path) -> None:
    arrays = [*pixel_arrays(task, 3, 2, "train"), *coordinate_arrays(task, 3)]
    store.create(tmp_path / "x.zarr", arrays, {"geosr:task": task.name})
    group = store.open_group(tmp_path / "x.zarr")
    assert group.attrs["geosr:state"] == "building"
    assert (group["lr_mask"][...] == 255).all()
    assert not group["valid"][...].any()
    assert np.isnan(group["correlation"][...]).all()
    assert (group["lr"][0] == nodata_dn(task, "lr")).all()
    for spec in arrays:
        array = group[spec.name]
        assert isinstance(array, zarr.Array)
        assert array.metadata.dimension_names == spec.dimensions
        assert array.shape == spec.shape
        assert math.prod(array.chunks) == math.prod(spec.chunk)


def test_dimensions_and_attributes_are_described() -> None:
    contract = cube_contract()
    used = {d for terms in (*contract.pixels, *contract.coordinates) for d in terms.dimensions}
    assert used == set(contract.dimensions)
    described = set(contract.attributes) | {"Conventions", "coordinates"}
    assert set(store_attributes(S2_NAIP, "m", "val", 4, "train")) | {"geosr:state"} == described
    assert contract.path == "cubes/{manifest_id}/{split}.zarr"
    assert len({terms.name for terms in (*contract.pixels, *contract.coordinates)}) == len(
        (*contract.pixels, *contract.coordinates)
    )


def test_bands_come_in_the_tasks_order() -> None:
    assert [b.role for b in bands_of(MODIS_LANDSAT8, "lr")][:2] == ["sur_refl_b01", "sur_refl_b02"]
    assert len(bands_of(S2_NAIP, "lr")) == 12
