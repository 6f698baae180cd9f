"""Reads crops of samples from a split's Zarr store, after a look at what the store asks for."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import zarr
from numpy.typing import NDArray

from geosr_lake.errors import CorruptDataError, UnsafeInputError, UsageError
from geosr_lake.train.resize import NATIVE_PX

MAX_SAMPLES = 10_000_000
MAX_BANDS = 64
MAX_CHUNK_BYTES = 2**26
MAX_METADATA_BYTES = 2**24
CODECS = frozenset({"sharding_indexed", "bytes", "blosc", "zstd", "gzip", "crc32c", "transpose"})
"""Codecs that only decode: none of them can run what a store names."""

DTYPES = frozenset({"uint8", "uint16", "int16", "int32", "float32"})
UNKNOWN_DN_OFFSET = -(2**31)
"""`lr_dn_offset` of a sample whose item does not say it, and of an empty slot."""


@dataclass(frozen=True, slots=True)
class Window:
    """A square of a sample's frame in LR pixels; `None` for a window is the whole frame.

    Attributes:
        row: First LR row.
        column: First LR column.
        size: LR pixels along an edge; a multiple of 3, so that the HR window is whole.
    """

    row: int
    column: int
    size: int


@dataclass(frozen=True, slots=True)
class Pixels:
    """Numbers as stored: `lr`, `hr` (band, y, x); `lr_mask`, `hr_mask` uint8 flags (y, x)."""

    lr: NDArray[Any]
    hr: NDArray[Any]
    lr_mask: NDArray[np.uint8]
    hr_mask: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class _Opened:
    lr: Any
    hr: Any
    lr_mask: Any
    hr_mask: Any
    sample_ids: tuple[str, ...]
    slots: NDArray[np.int64]
    dn_offsets: NDArray[np.int64]


class SplitStore:
    """A split's store, opened on first use, in whichever thread or process that is.

    Args:
        path: The store's folder.
        bands: ``lr`` and ``hr`` -> names of the bands, as the catalog has them.
        subset: Only the samples of this subset; None: all.

    Raises:
        UsageError: On first use, if no sample is of the subset.
    """

    def __init__(
        self, path: Path, bands: Mapping[str, tuple[str, ...]], subset: str | None = None
    ) -> None:
        self.path = path
        self.bands = dict(bands)
        self.subset = subset
        self._lock = threading.Lock()
        self._opened: _Opened | None = None

    def __reduce__(self) -> tuple[type[SplitStore], tuple[Any, ...]]:
        """Leave what is open behind: a worker opens the store anew."""
        return SplitStore, (self.path, self.bands, self.subset)

    def __len__(self) -> int:
        return len(self._open().sample_ids)

    @property
    def sample_ids(self) -> tuple[str, ...]:
        """Ids of the samples, in the order of the cube; empty slots are left out."""
        return self._open().sample_ids

    def dn_offset(self, i: int) -> int | None:
        """Return what is to be added to the LR numbers of sample `i`; None where unknown."""
        value = int(self._open().dn_offsets[i])
        return None if value == UNKNOWN_DN_OFFSET else value

    def read(self, i: int, window: Window | None = None) -> Pixels:
        """Read one sample, or a window of it.

        One slice an array: fancy indexing of sharded arrays decodes shards over and over.

        Raises:
            CorruptDataError: If bytes are missing or damaged.
        """
        opened = self._open()
        slot = int(opened.slots[i])
        lr = hr = slice(None), slice(None)
        if window is not None:
            lr = _slices(window.row, window.column, window.size)
            hr = _slices(*(_hr_px(n) for n in (window.row, window.column, window.size)))
        try:
            return Pixels(
                lr=np.asarray(opened.lr[(slot, slice(None), *lr)]),
                hr=np.asarray(opened.hr[(slot, slice(None), *hr)]),
                lr_mask=np.asarray(opened.lr_mask[(slot, *lr)]),
                hr_mask=np.asarray(opened.hr_mask[(slot, *hr)]),
            )
        except (ValueError, RuntimeError, OSError) as error:
            raise CorruptDataError(
                f"The pixels of sample {opened.sample_ids[i]} cannot be decoded",
                where=str(self.path),
                next_step="Run `geosr cubes verify`, or copy the store anew.",
            ) from error

    def _open(self) -> _Opened:
        with self._lock:
            if self._opened is None:
                self._opened = _open(self.path, self.bands, self.subset)
            return self._opened


def _slices(row: int, column: int, size: int) -> tuple[slice, slice]:
    return slice(row, row + size), slice(column, column + size)


def _hr_px(lr_px: int) -> int:
    return lr_px * NATIVE_PX[1] // NATIVE_PX[0]


def _open(path: Path, bands: Mapping[str, tuple[str, ...]], subset: str | None) -> _Opened:
    group = _metadata(path / "zarr.json")
    if group.get("node_type") != "group" or group.get("zarr_format") != 3:
        _refuse("This is no Zarr v3 group", path)
    if group.get("attributes", {}).get("geosr:state") != "complete":
        _refuse("The store is not complete", path)
    n = _check_arrays(path, bands)
    opened = zarr.open_group(str(path), mode="r", use_consolidated=False)
    valid = np.asarray(opened["valid"][...], dtype=bool)  # type: ignore[index]
    ids = [str(s) for s in opened["sample_id"][...]]  # type: ignore[index,union-attr]
    offsets = np.asarray(opened["lr_dn_offset"][...], dtype=np.int64)  # type: ignore[index]
    subsets = np.array([str(s) for s in opened["subset"][...]])  # type: ignore[index,union-attr]
    if not len(valid) == len(ids) == len(offsets) == len(subsets) == n:
        _refuse("The coordinates do not have the cube's length", path)
    for side, names in bands.items():
        if tuple(str(name) for name in opened[f"{side}_band"][...]) != names:  # type: ignore[index,union-attr]
            _refuse(f"The store has other {side} bands than the catalog", path)
    if subset is not None and not (valid & (subsets == subset)).any():
        raise UsageError(
            f"No sample of this split is of the subset {subset!r}",
            where=str(path),
            next_step=f"It has {', '.join(sorted(set(subsets[valid])))}.",
        )
    slots = np.flatnonzero(valid if subset is None else valid & (subsets == subset))
    return _Opened(
        lr=opened["lr"],
        hr=opened["hr"],
        lr_mask=opened["lr_mask"],
        hr_mask=opened["hr_mask"],
        sample_ids=tuple(ids[slot] for slot in slots),
        slots=slots,
        dn_offsets=offsets[slots],
    )


def _check_arrays(path: Path, bands: Mapping[str, tuple[str, ...]]) -> int:
    """Check shapes, types, chunks and codecs of the arrays; return the first dimension."""
    lengths = set()
    for side, frame_px in zip(("lr", "hr"), NATIVE_PX, strict=True):
        n_bands, frame = len(bands[side]), (frame_px, frame_px)
        if n_bands > MAX_BANDS:
            _refuse(f"{n_bands} bands are more than {MAX_BANDS}", path)
        lengths.add(_check_array(path / side, (n_bands, *frame)))
        lengths.add(_check_array(path / f"{side}_mask", frame))
        if _check_array(path / f"{side}_band", (), coordinate=True) != n_bands:
            _refuse(f"The store has not the {n_bands} bands of the catalog", path)
    for name in ("valid", "sample_id", "lr_dn_offset", "subset"):
        lengths.add(_check_array(path / name, (), coordinate=True))
    if len(lengths) != 1:
        _refuse("The arrays differ in their number of samples", path)
    return lengths.pop()


def _check_array(path: Path, inner: tuple[int, ...], *, coordinate: bool = False) -> int:
    terms = _metadata(path / "zarr.json")
    try:
        return _checked_length(terms, inner, path, coordinate=coordinate)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UnsafeInputError("The array's metadata are malformed", where=str(path)) from error


def _checked_length(
    terms: dict[str, Any], inner: tuple[int, ...], path: Path, *, coordinate: bool
) -> int:
    length, *rest = terms["shape"]
    if tuple(rest) != inner:
        _refuse(f"The array is not (sample, {', '.join(map(str, inner))})", path)
    if not isinstance(length, int) or not 0 <= length <= MAX_SAMPLES:
        _refuse(f"The array has not 0 to {MAX_SAMPLES} samples", path)
    _check_codecs(terms["codecs"], path)
    if not coordinate:
        if str(terms["data_type"]) not in DTYPES:
            _refuse(f"The array is of type {str(terms['data_type'])[:40]}", path)
        chunk = _inner_chunk(terms)
        if math.prod(chunk) * 4 > MAX_CHUNK_BYTES:
            _refuse(f"A chunk of {chunk} is more than a reader takes", path)
    return length


def _inner_chunk(terms: dict[str, Any]) -> tuple[int, ...]:
    """Return what is decoded as one piece."""
    for codec in terms["codecs"]:
        if codec["name"] == "sharding_indexed":
            return tuple(int(n) for n in codec["configuration"]["chunk_shape"])
    return tuple(int(n) for n in terms["chunk_grid"]["configuration"]["chunk_shape"])


def _check_codecs(codecs: Any, path: Path) -> None:
    if not isinstance(codecs, list):
        _refuse("The array names no codecs", path)
    for codec in codecs:
        name = codec.get("name") if isinstance(codec, dict) else None
        if name not in CODECS and name != "vlen-utf8":
            _refuse(f"The codec {str(name)[:40]!r} is not one that this reader runs", path)
        inner = codec.get("configuration", {})
        if isinstance(inner, dict):
            for key in ("codecs", "index_codecs"):
                if key in inner:
                    _check_codecs(inner[key], path)


def _metadata(file: Path) -> dict[str, Any]:
    try:
        if file.stat().st_size > MAX_METADATA_BYTES:
            _refuse(f"The metadata are longer than {MAX_METADATA_BYTES} bytes", file)
        terms = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise CorruptDataError("The metadata cannot be read", where=str(file)) from error
    if not isinstance(terms, dict):
        _refuse("The metadata are no JSON object", file)
    return terms


def _refuse(what: str, where: Path) -> NoReturn:
    raise UnsafeInputError(what, where=str(where))
