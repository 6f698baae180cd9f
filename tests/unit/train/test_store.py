"""Reading crops from stores, whole, damaged and hostile ones."""

import json
import os
import pickle
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch")

from catalog_world import CatalogWorld  # noqa: E402

from geosr_lake.errors import CorruptDataError, UnsafeInputError  # noqa: E402
from geosr_lake.sensors.tasks import TASKS  # noqa: E402
from geosr_lake.train.store import SplitStore, Window  # noqa: E402

pytestmark = pytest.mark.train

BANDS = {"lr": TASKS["s2_naip"].lr_bands, "hr": TASKS["s2_naip"].hr_bands}


def store_path(world: CatalogWorld, split: str = "train") -> Path:
    return world.lake.root / "cubes" / world.manifest_ids["s2_naip"] / f"{split}.zarr"


@pytest.fixture
def copy(catalog_world: CatalogWorld, tmp_path: Path) -> Path:
    target = tmp_path / "train.zarr"
    return Path(shutil.copytree(store_path(catalog_world), target))


def test_whole_samples_are_what_was_written(catalog_world: CatalogWorld) -> None:
    store = SplitStore(store_path(catalog_world), BANDS)
    assert store.sample_ids == ("smp-train-000", "smp-train-001", "smp-train-002")
    for i, sample_id in enumerate(store.sample_ids):
        read = store.read(i)
        written = catalog_world.pixels["s2_naip"][sample_id]
        for one, other in zip((read.lr, read.hr, read.lr_mask, read.hr_mask), written, strict=True):
            np.testing.assert_array_equal(one, other)
    assert store.dn_offset(0) == -1000


def test_empty_slots_are_left_out(catalog_world: CatalogWorld) -> None:
    store = SplitStore(store_path(catalog_world, "test"), BANDS)
    assert len(store) == 2
    assert store.sample_ids == ("smp-test-000", "smp-test-001")


@pytest.mark.parametrize("window", [Window(15, 45, 15), Window(0, 0, 60), Window(3, 27, 6)])
def test_a_window_is_a_slice_of_the_whole(catalog_world: CatalogWorld, window: Window) -> None:
    store = SplitStore(store_path(catalog_world), BANDS)
    whole, part = store.read(1), store.read(1, window)
    rows, columns = (slice(at, at + window.size) for at in (window.row, window.column))
    np.testing.assert_array_equal(part.lr, whole.lr[:, rows, columns])
    np.testing.assert_array_equal(part.lr_mask, whole.lr_mask[rows, columns])
    rows, columns = (
        slice(at * 50 // 3, (at + window.size) * 50 // 3) for at in (window.row, window.column)
    )
    np.testing.assert_array_equal(part.hr, whole.hr[:, rows, columns])
    np.testing.assert_array_equal(part.hr_mask, whole.hr_mask[rows, columns])


def test_it_opens_once_for_many_threads_and_anew_for_a_copy(catalog_world: CatalogWorld) -> None:
    store = SplitStore(store_path(catalog_world), BANDS)
    found: list[Any] = []

    def read() -> None:
        found.append((store._open(), store.read(2).lr.sum()))

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(opened) for opened, _ in found}) == 1
    assert len({total for _, total in found}) == 1
    again = pickle.loads(pickle.dumps(store))  # noqa: S301 (our own bytes)
    assert again._opened is None
    assert again.read(2).lr.sum() == found[0][1]


def edit(file: Path, change: Callable[[dict[str, Any]], object]) -> None:
    document = json.loads(file.read_text())
    change(document)
    file.write_text(json.dumps(document))


def inner(document: dict[str, Any]) -> dict[str, Any]:
    """The configuration of the sharding codec."""
    return document["codecs"][0]["configuration"]


HOSTILE: list[tuple[str, Callable[[dict[str, Any]], object], str]] = [
    ("hr", lambda d: d.update(shape=[2**40, 4, 1000, 1000]), "samples"),
    ("hr", lambda d: d.update(shape=[3, 4, 10**9, 10**9]), "the array is not"),
    ("hr", lambda d: d.update(shape=[-3, 4, 1000, 1000]), "samples"),
    ("hr", lambda d: d.update(shape="x"), "the array is not"),
    ("hr", lambda d: inner(d).update(chunk_shape=[3, 4, 10000, 1000]), "chunk"),
    ("hr", lambda d: d.update(data_type="bytes"), "type"),
    ("lr", lambda d: d.update(data_type={"name": "struct"}), "type"),
    ("hr", lambda d: inner(d)["codecs"].append({"name": "numcodecs.pickle"}), "codec"),
    ("lr", lambda d: d["codecs"].append({"name": "evil"}), "codec"),
    ("lr_mask", lambda d: inner(d)["index_codecs"].append({"name": "evil"}), "codec"),
    ("valid", lambda d: d["codecs"].append({"name": "numcodecs.pickle"}), "codec"),
    ("sample_id", lambda d: d.update(codecs=None), "codecs"),
    ("hr", lambda d: d.pop("chunk_grid") and inner(d).clear(), "malformed"),
    ("hr", lambda d: d.update(codecs=[3]), "codec"),
    ("lr", lambda d: d.pop("shape"), "malformed"),
    ("valid", lambda d: d.update(shape=[2]), "differ"),
    ("lr_band", lambda d: d.update(shape=[3]), "12 bands"),
    (".", lambda d: d.update(zarr_format=2), "no Zarr v3 group"),
    (".", lambda d: d.update(node_type="array"), "no Zarr v3 group"),
    (".", lambda d: d["attributes"].update({"geosr:state": "building"}), "not complete"),
    (".", lambda d: d.update(attributes={}), "not complete"),
]


@pytest.mark.parametrize(("array", "change", "words"), HOSTILE)
def test_hostile_stores_are_refused_before_a_chunk_is_read(
    copy: Path, array: str, change: Callable[[dict[str, Any]], object], words: str
) -> None:
    edit(copy / array / "zarr.json", change)
    with pytest.raises(UnsafeInputError, match=f"(?i){words}"):
        len(SplitStore(copy, BANDS))


def test_other_bands_than_the_catalog_are_refused(copy: Path) -> None:
    wrong = {**BANDS, "hr": ("N", "G", "B", "R")}
    with pytest.raises(UnsafeInputError, match="other hr bands"):
        len(SplitStore(copy, wrong))


@pytest.mark.parametrize("text", ["", "[]", "[" * 100_000, "{"])
def test_odd_metadata_are_refused_in_our_words(copy: Path, text: str) -> None:
    (copy / "hr" / "zarr.json").write_text(text)
    with pytest.raises((UnsafeInputError, CorruptDataError)):
        len(SplitStore(copy, BANDS))


def test_a_flipped_bit_is_an_error_and_never_a_pixel(copy: Path) -> None:
    shard = copy / "hr" / "c" / "0" / "0" / "0" / "0"
    data = bytearray(shard.read_bytes())
    data[len(data) // 5] ^= 4
    shard.write_bytes(data)
    store = SplitStore(copy, BANDS)
    with pytest.raises(CorruptDataError, match="cannot be decoded"):
        [store.read(i) for i in range(len(store))]


def test_a_truncated_shard_is_an_error(copy: Path) -> None:
    shard = copy / "hr" / "c" / "0" / "0" / "0" / "0"
    os.truncate(shard, shard.stat().st_size // 2)
    with pytest.raises(CorruptDataError):
        SplitStore(copy, BANDS).read(0)


def test_a_lost_shard_reads_as_unknown_never_as_clear(copy: Path) -> None:
    """Without its file a mask is 255 everywhere: the pixels of a lost shard are invalid."""
    shutil.rmtree(copy / "hr_mask" / "c" / "1")
    assert (SplitStore(copy, BANDS).read(2).hr_mask == 255).all()
