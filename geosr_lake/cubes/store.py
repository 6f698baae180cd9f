"""The Zarr stores: made once by the driver, filled a shard at a time, finished by the driver.

A task writes whole shards only, so no two tasks ever touch one file, and a file is either not there
or whole: it is written beside its place and renamed. What is in a file depends on nothing but the
pixels: codecs and their levels are fixed, every chunk is written, empty or not.
"""

import errno
import hashlib
import json
import os
import shutil
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.storage import MemoryStore

from geosr_lake.cubes.jobs import WrittenFile
from geosr_lake.cubes.layout import ArraySpec
from geosr_lake.errors import ContractError, ResourceError

ROOT = "zarr.json"
STATE = "geosr:state"
BUILDING = "building"
COMPLETE = "complete"

_HASH_BYTES = 1 << 20


def skeleton(arrays: Sequence[ArraySpec], attributes: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the metadata of a store, path -> JSON, without a single chunk."""
    content: dict[str, Any] = {}
    group = zarr.create_group(
        MemoryStore(content), zarr_format=3, attributes={**attributes, STATE: BUILDING}
    )
    for spec in arrays:
        group.create_array(
            spec.name,
            shape=spec.shape,
            chunks=spec.chunk,
            shards=spec.shard,
            dtype=spec.dtype,
            fill_value=spec.fill,
            compressors=[codec.model_dump() for codec in spec.codecs],
            filters=[] if spec.dtype != "string" else "auto",
            dimension_names=spec.dimensions,
            attributes=spec.attributes,
        )
    return {path: bytes(buffer.to_bytes()) for path, buffer in content.items()}


def create(path: Path, arrays: Sequence[ArraySpec], attributes: Mapping[str, Any]) -> None:
    """Make the store, or check that it is there with just these arrays.

    Raises:
        ContractError: If a store of another layout is there.
    """
    wanted = skeleton(arrays, attributes)
    if (path / ROOT).is_file():
        for name, text in wanted.items():
            if name != ROOT and not has(path, name, text):
                raise ContractError(
                    "A store with other arrays is here",
                    where=str(path / name),
                    next_step="Move that store away and run the same command again.",
                )
        return
    draft = path.with_name(f".{path.name}.new")
    shutil.rmtree(draft, ignore_errors=True)
    with disk_limits(path):
        for name, text in wanted.items():
            (draft / name).parent.mkdir(parents=True, exist_ok=True)
            (draft / name).write_bytes(text)
        draft.rename(path)


def has(path: Path, name: str, text: bytes) -> bool:
    """Tell whether the store's file `name` is there with just this content."""
    return _read(path / name) == text


def sweep(path: Path) -> int:
    """Remove the drafts of files that a killed run left; return how many there were."""
    left = [file for file in path.rglob("*.partial") if file.is_file()]
    for file in left:
        file.unlink()
    return len(left)


def state(path: Path) -> str | None:
    """Return ``building`` or ``complete``, or None if there is no store."""
    text = _read(path / ROOT)
    return None if text is None else str(json.loads(text)["attributes"].get(STATE))


def mark_building(path: Path) -> None:
    """Take back that the store is complete, before one of its shards is written again."""
    if state(path) != BUILDING:
        _write_root(path, BUILDING)


def empty_block(spec: ArraySpec, n_slots: int) -> NDArray[Any]:
    """Return `n_slots` slots of an array, every pixel unwritten."""
    return np.full((n_slots, *spec.shape[1:]), spec.fill, dtype=spec.dtype)


def write_shard_block(path: Path, spec: ArraySpec, shard: int, block: NDArray[Any]) -> None:
    """Write one shard of one array, whole.

    Args:
        path: The store.
        spec: The array.
        shard: Number of the shard, from 0.
        block: All slots of it: as many as a shard has, or what is left in the last.

    Raises:
        ValueError: If `block` is not the whole shard: writing a part would read, mix and write.
        ResourceError: If the disk is full.
    """
    if spec.shard is None:
        raise ValueError(f"{spec.name} has no shards")
    first = shard * spec.shard[0]
    whole = (min(spec.shard[0], spec.shape[0] - first), *spec.shape[1:])
    if block.shape != whole:
        raise ValueError(f"shard {shard} of {spec.name} is {whole}, not {block.shape}")
    with disk_limits(path):
        array = _open_array(path, spec.name).with_config({"write_empty_chunks": True})
        array[first : first + whole[0]] = block


def shard_files(path: Path, arrays: Sequence[ArraySpec], shard: int) -> tuple[WrittenFile, ...]:
    """Return size and SHA-256 of the files of one shard group, one an array."""
    return tuple(hashed(path, shard_file(spec, shard)) for spec in arrays)


def shard_file(spec: ArraySpec, shard: int) -> str:
    """Return the path of a shard, relative to the store."""
    return f"{spec.name}/c/{shard}" + "/0" * (len(spec.shape) - 1)


def hashed(path: Path, name: str) -> WrittenFile:
    """Return size and SHA-256 of one file of the store."""
    digest, size = hashlib.sha256(), 0
    with (path / name).open("rb") as file:
        while piece := file.read(_HASH_BYTES):
            digest.update(piece)
            size += len(piece)
    return WrittenFile(name, size, digest.hexdigest())


def finish(path: Path, values: Mapping[str, NDArray[Any]]) -> None:
    """Write the coordinates, consolidate the metadata, and mark the store complete.

    Readers that go by the state see either a store in the making or a whole one: the state is
    written last, in one rename.
    """
    with disk_limits(path):
        for name, array in values.items():
            target = _open_array(path, name).with_config({"write_empty_chunks": True})
            target[...] = array
        with warnings.catch_warnings():
            # Consolidated metadata stand beside the specification of version 3; xarray and GDAL
            # read them, and others do without.
            warnings.simplefilter("ignore", category=UserWarning)
            zarr.consolidate_metadata(str(path))
        _write_root(path, COMPLETE)


def open_group(path: Path) -> zarr.Group:
    """Open the store for reading, from its arrays' own metadata."""
    return zarr.open_group(str(path), mode="r", use_consolidated=False)


@contextmanager
def disk_limits(path: Path) -> Iterator[None]:
    """Turn a full disk, or a limit of file size, into a `ResourceError`."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise ResourceError(
                f"The cube cannot be written ({os.strerror(error.errno)})",
                where=str(path),
                next_step="Free some disk and run the same command again.",
            ) from error
        raise


def _open_array(path: Path, name: str) -> zarr.Array[Any]:
    return zarr.open_array(str(path / name), mode="r+")


def _write_root(path: Path, now: str) -> None:
    root = json.loads((path / ROOT).read_bytes())
    root["attributes"][STATE] = now
    if now == BUILDING:
        root.pop("consolidated_metadata", None)
    draft = path / f"{ROOT}.partial"
    draft.write_text(json.dumps(root, indent=2), encoding="utf-8")
    draft.replace(path / ROOT)


def _read(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return None
