"""The stores: whole shards, deterministic bytes, a state that is written last."""

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr

from geosr_lake.cubes import store
from geosr_lake.cubes.layout import ArraySpec, coordinate_arrays, pixel_arrays, store_attributes
from geosr_lake.errors import ContractError, ResourceError
from geosr_lake.sensors.tasks import S2_NAIP

PIXELS = pixel_arrays(S2_NAIP, 5, 2, "train")
COORDINATES = coordinate_arrays(S2_NAIP, 5)
ATTRIBUTES = store_attributes(S2_NAIP, "man-0", "train", 2, "train")
LR, HR, LR_MASK, HR_MASK = PIXELS


@pytest.fixture
def path(tmp_path: Path) -> Path:
    store.create(tmp_path / "train.zarr", [*PIXELS, *COORDINATES], ATTRIBUTES)
    return tmp_path / "train.zarr"


def block(spec: ArraySpec, n: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 200, (n, *spec.shape[1:])).astype(spec.dtype)


def test_making_it_again_changes_nothing(path: Path) -> None:
    before = {file: file.stat().st_mtime_ns for file in path.rglob("*")}
    store.create(path, [*PIXELS, *COORDINATES], ATTRIBUTES)
    assert {file: file.stat().st_mtime_ns for file in path.rglob("*")} == before
    assert not list(path.parent.glob(".*")), "no draft stays"


def test_a_store_of_another_layout_is_refused(path: Path) -> None:
    other = pixel_arrays(S2_NAIP, 6, 2, "train")
    with pytest.raises(ContractError, match="other arrays"):
        store.create(path, other, {})


def test_a_shard_is_one_file_an_array(path: Path) -> None:
    for spec in PIXELS:
        store.write_shard_block(path, spec, 1, block(spec, 2))
    files = store.shard_files(path, PIXELS, 1)
    assert [f.path for f in files] == [
        "lr/c/1/0/0/0",
        "hr/c/1/0/0/0",
        "lr_mask/c/1/0/0",
        "hr_mask/c/1/0/0",
    ]
    written = {str(f.relative_to(path)) for f in path.rglob("*") if f.is_file()}
    assert {f.path for f in files} == {name for name in written if "/c/" in name}
    group = store.open_group(path)
    assert np.array_equal(group["hr"][2:4], block(HR, 2))
    assert (group["lr_mask"][:2] == 255).all()


def test_the_same_pixels_are_the_same_bytes(path: Path, tmp_path: Path) -> None:
    store.create(tmp_path / "other.zarr", [*PIXELS, *COORDINATES], ATTRIBUTES)
    for spec in PIXELS:
        for target in (path, tmp_path / "other.zarr", path):
            store.write_shard_block(target, spec, 0, block(spec, 2))
    first = store.shard_files(path, PIXELS, 0)
    assert first == store.shard_files(tmp_path / "other.zarr", PIXELS, 0)
    assert len({f.sha256 for f in first}) == len(first)


def test_the_last_shard_is_short_and_written_once(path: Path) -> None:
    store.write_shard_block(path, HR, 2, block(HR, 1))
    assert np.array_equal(store.open_group(path)["hr"][4:], block(HR, 1))


@pytest.mark.parametrize(("shard", "n"), [(0, 1), (0, 3), (2, 2), (3, 1)])
def test_parts_of_a_shard_are_refused(path: Path, shard: int, n: int) -> None:
    with pytest.raises(ValueError, match="shard"):
        store.write_shard_block(path, HR, shard, block(HR, n))


def test_empty_chunks_are_written_too(path: Path) -> None:
    """So that a missing chunk always means a lost one."""
    store.write_shard_block(path, LR_MASK, 0, store.empty_block(LR_MASK, 2))
    content = (path / "lr_mask/c/0/0/0").read_bytes()
    index = np.frombuffer(content[-4 - 16 * 2 : -4], dtype="<u8").reshape(2, 2)
    assert (index != np.uint64(2**64 - 1)).all()


def test_a_flipped_bit_raises(path: Path) -> None:
    store.write_shard_block(path, LR, 0, block(LR, 2))
    file = path / store.shard_file(LR, 0)
    content = bytearray(file.read_bytes())
    for position in (10, len(content) // 2, len(content) - 60):
        damaged = content.copy()
        damaged[position] ^= 1
        file.write_bytes(damaged)
        with pytest.raises((ValueError, RuntimeError)):
            _ = store.open_group(path)["lr"][:2]


def values() -> dict[str, np.ndarray]:
    result = {}
    for spec in COORDINATES:
        dtype = object if spec.dtype == "string" else spec.dtype
        result[spec.name] = np.full(spec.shape, spec.fill, dtype=dtype)
    result["sample_id"][:3] = ["a", "b", "c"]
    result["valid"][:3] = True
    result["lr_time"][:3] = 1_600_000_000_123_456
    result["lr_band"][:] = S2_NAIP.lr_bands
    return result


def test_finishing_marks_the_store_complete_last(path: Path) -> None:
    assert store.state(path) == store.BUILDING
    store.finish(path, values())
    assert store.state(path) == store.COMPLETE
    root = json.loads((path / "zarr.json").read_text())
    consolidated = root["consolidated_metadata"]["metadata"]
    assert {"lr", "hr", "sample_id", "valid"} <= set(consolidated)
    assert json.loads((path / "lr/zarr.json").read_text()) == consolidated["lr"]
    before = {f: (f.read_bytes(), f.stat().st_size) for f in path.rglob("*") if f.is_file()}
    store.finish(path, values())
    assert {f: (f.read_bytes(), f.stat().st_size) for f in path.rglob("*") if f.is_file()} == before


def test_a_complete_store_goes_back_to_building(path: Path) -> None:
    store.finish(path, values())
    store.mark_building(path)
    assert store.state(path) == store.BUILDING
    assert "consolidated_metadata" not in json.loads((path / "zarr.json").read_text())


def test_xarray_opens_it_with_coordinates_and_scale(
    path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    store.write_shard_block(path, LR, 0, block(LR, 2))
    store.finish(path, values())
    opened = xr.open_zarr(path, chunks=None)
    assert {"sample_id", "valid", "epsg", "lr_time", "correlation"} <= set(opened.coords)
    assert list(opened["sample_id"].values[:3]) == ["a", "b", "c"]
    assert str(opened["lr_time"].dtype).startswith("datetime64")
    assert opened["lr_time"].values[0, 0] == np.datetime64("2020-09-13T12:26:40.123456")
    assert np.isnat(opened["lr_time"].values[4]).all()
    red = opened["lr"].sel(lr_band="B04").isel(sample=0).values
    raw = block(LR, 2)[0, S2_NAIP.lr_bands.index("B04")]
    assert np.allclose(red[raw != 0], raw[raw != 0] * 1e-4)
    assert np.isnan(red[raw == 0]).all()
    assert not [w for w in recwarn if "specification" in str(w.message)]


def test_drafts_of_a_killed_run_are_swept(path: Path) -> None:
    draft = path / "hr/c/0/0/0"
    draft.mkdir(parents=True)
    (draft / "0.123abc.partial").write_bytes(b"half")
    assert store.sweep(path) == 1
    assert not list(path.rglob("*.partial"))


def test_a_full_disk_is_said_in_words(path: Path) -> None:
    with pytest.raises(ResourceError, match="Free some disk"), store.disk_limits(path):
        raise OSError(28, "No space left on device")
    with pytest.raises(PermissionError), store.disk_limits(path):
        raise PermissionError(13, "no")


def test_arrays_carry_no_filter_that_others_cannot_read(path: Path) -> None:
    for spec in (*PIXELS, *COORDINATES):
        text = json.loads((path / spec.name / "zarr.json").read_text())
        names = [codec["name"] for codec in text["codecs"]]
        if names == ["sharding_indexed"]:
            names = [c["name"] for c in text["codecs"][0]["configuration"]["codecs"]]
        assert set(names) <= {"bytes", "vlen-utf8", "zstd", "blosc", "crc32c"}
    assert zarr.open_group(str(path), mode="r").metadata.zarr_format == 3
