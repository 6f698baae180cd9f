"""A torch dataset over one split of a catalog: pairs of images with their masks."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Literal, Protocol, TypedDict, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from geosr_lake.errors import UsageError
from geosr_lake.train.catalog import SideScaling, TaskRelease, open_catalog
from geosr_lake.train.resize import NATIVE_PX, paper_px, resize_image, resize_valid
from geosr_lake.train.store import Pixels, SplitStore, Window

Size = Literal["native", "paper"]
_T = TypeVar("_T")

ANY_FLAG = 0xFF
"""Every flag of a mask makes a pixel invalid."""
UNKNOWN = 255
"""Nobody looked at this pixel: invalid, whatever flags are rejected."""

_CROPS = (3, 6, 12, 15, 30, 60)


class Sample(TypedDict):
    """One pair.

    `lr` and `hr` are float32 (band, y, x), scaled; `lr_valid` and `hr_valid` bool (y, x). Invalid
    pixels hold the mean of the band's valid ones (0 where there are none): a number that networks
    can take, never a measurement. `row` and `column` are the crop's first LR pixel in the frame of
    60 by 60.
    """

    lr: Tensor
    hr: Tensor
    lr_valid: Tensor
    hr_valid: Tensor
    sample_id: str
    row: int
    column: int


class SRDataset(Dataset[Sample]):
    """Samples, or the crops of an even grid over them, of one task and split.

    Reading is safe from several threads; a copy in a worker process opens the store anew.

    Args:
        catalog_path: ``catalog.json``, its folder, or the folder of the lake.
        task: ``modis_landsat8`` or ``s2_naip``.
        split: ``train``, ``val`` or ``test``.
        lr_bands: LR bands by name, in the order wanted; None: all.
        hr_bands: HR bands by name; None: all.
        size: ``native``: 60 and 1000 pixels (a crop: its share). ``paper``: resized to 64 and
            1024, a factor of sixteen; see `geosr_lake.train.resize`.
        crop: LR pixels along an edge of a crop: 3, 6, 12, 15, 30 or 60 (``paper``: 15, 30, 60);
            None: whole frames. 15 is the cheapest: 250 HR pixels are one chunk.
        scaling: A scaling that the catalog declares (``reflectance``, ``paper``), or None for
            the digital numbers as stored.
        reject: Flags of a mask that make a pixel invalid.
        subset: Only samples of this subset of the manifest; None: all.
        manifest_id: Needed where the catalog publishes several manifests of the task.
        allow_outside: Read stores outside the catalog's lake as well.

    Raises:
        UsageError: If the catalog has no such task, split, subset, band or scaling, or the crop is
            none.
    """

    def __init__(
        self,
        catalog_path: str | Path,
        task: str,
        split: str,
        *,
        lr_bands: Sequence[str] | None = None,
        hr_bands: Sequence[str] | None = None,
        size: Size = "native",
        crop: int | None = None,
        scaling: str | None = "reflectance",
        reject: int = ANY_FLAG,
        subset: str | None = None,
        manifest_id: str | None = None,
        allow_outside: bool = False,
    ) -> None:
        release = open_catalog(
            catalog_path, task, manifest_id=manifest_id, allow_outside=allow_outside
        )
        self.release = release
        self.lr_bands, self._lr_index = _choose(release, "lr", lr_bands)
        self.hr_bands, self._hr_index = _choose(release, "hr", hr_bands)
        self.size = size
        self.crop = NATIVE_PX[0] if crop is None else crop
        self.scaling = scaling
        self.reject = reject
        self._scalings = _one_of(release.scalings, scaling, "scaling") if scaling else None
        self.lr_px, self.hr_px = _pixels(self.crop, size)
        bands = {side: release.names(side) for side in ("lr", "hr")}
        self._store = SplitStore(_one_of(release.splits, split, "split"), bands, subset)

    def __len__(self) -> int:
        return len(self._store) * self.crops_per_sample

    @property
    def crops_per_sample(self) -> int:
        """Crops of one sample, row by row from the north-west."""
        across: int = NATIVE_PX[0] // self.crop
        return across * across

    @property
    def sample_ids(self) -> tuple[str, ...]:
        """Ids of the samples, in the order of the cube."""
        return self._store.sample_ids

    @property
    def skip_bands(self) -> list[int]:
        """For each HR band, the index of the LR band of the nearest wavelength."""
        return self.release.nearest_lr_bands(self.hr_bands, self.lr_bands)

    def __getitem__(self, index: int) -> Sample:
        """Read one crop.

        Raises:
            IndexError: Beyond the end.
            CorruptDataError: If its bytes are missing or damaged.
        """
        if not -len(self) <= index < len(self):
            raise IndexError(f"{index} of {len(self)}")
        i, place = divmod(index % len(self), self.crops_per_sample)
        row, column = (n * self.crop for n in divmod(place, NATIVE_PX[0] // self.crop))
        whole = self.crop == NATIVE_PX[0]
        pixels = self._store.read(i, None if whole else Window(row, column, self.crop))
        lr, lr_valid = self._side(pixels, i, "lr")
        hr, hr_valid = self._side(pixels, i, "hr")
        return Sample(
            lr=resize_image(lr, self.lr_px),
            hr=resize_image(hr, self.hr_px),
            lr_valid=resize_valid(lr_valid, self.lr_px),
            hr_valid=resize_valid(hr_valid, self.hr_px),
            sample_id=self._store.sample_ids[i],
            row=row,
            column=column,
        )

    def _side(self, pixels: Pixels, i: int, side: str) -> tuple[Tensor, Tensor]:
        is_lr = side == "lr"
        numbers = (pixels.lr if is_lr else pixels.hr)[self._lr_index if is_lr else self._hr_index]
        flags = pixels.lr_mask if is_lr else pixels.hr_mask
        valid = (flags != UNKNOWN) & ((flags & self.reject) == 0)
        if self._scalings is None:
            values = numbers.astype(np.float32)
        else:
            values = _scaled(numbers, self._scalings[side], self._dn_offset(i, side))
        return torch.from_numpy(_filled(values, valid)), torch.from_numpy(valid)

    def _dn_offset(self, i: int, side: str) -> int:
        if self._scalings is None or not self._scalings[side].per_sample_offset:
            return 0
        offset = self._store.dn_offset(i)
        if offset is None:
            raise UsageError(
                f"The number offset of sample {self.sample_ids[i]} is not known",
                where=str(self._store.path),
                next_step="Leave the sample out, or read numbers with scaling=None.",
            )
        return offset


def _one_of(known: Mapping[str, _T], name: str, what: str) -> _T:
    if name not in known:
        raise UsageError(
            f"The catalog has no {what} {name!r}", next_step=f"It has {', '.join(known)}."
        )
    return known[name]


def _choose(
    release: TaskRelease, side: str, wanted: Sequence[str] | None
) -> tuple[tuple[str, ...], list[int]]:
    """Return names and indices of the bands to read."""
    names = release.names(side)
    chosen = names if wanted is None else list(wanted)
    if not chosen or len(set(chosen)) != len(chosen) or not set(chosen) <= set(names):
        raise UsageError(
            f"{', '.join(chosen) or 'nothing'} are no bands of the {side} side",
            next_step=f"It has {', '.join(names)}.",
        )
    return tuple(chosen), [names.index(name) for name in chosen]


def _pixels(crop: int, size: Size) -> tuple[int, int]:
    if crop not in _CROPS:
        raise UsageError(f"A crop has {', '.join(map(str, _CROPS))} LR pixels, not {crop}")
    hr = crop * NATIVE_PX[1] // NATIVE_PX[0]
    if size == "native":
        return crop, hr
    try:
        return paper_px(crop, 0), paper_px(hr, 1)
    except ValueError as error:
        raise UsageError(
            f"A crop of {crop} LR pixels has no paper size",
            next_step="Take 15, 30 or 60, or size='native'.",
        ) from error


def _scaled(
    numbers: NDArray[np.generic], scaling: SideScaling, dn_offset: int
) -> NDArray[np.float32]:
    """Return ``(number + dn_offset) * scale + offset``, worked out in float64."""
    values = (numbers.astype(np.float64) + dn_offset) * scaling.scale + scaling.offset
    return values.astype(np.float32)


def _filled(values: NDArray[np.float32], valid: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Put the mean of each band's valid pixels in the place of the others."""
    if valid.all():
        return values
    if not valid.any():
        return np.zeros_like(values)
    means = values[:, valid].mean(axis=1, dtype=np.float64).astype(np.float32)
    return np.where(valid, values, means[:, None, None])


def epoch_order(n: int, seed: int, epoch: int) -> list[int]:
    """Return 0 to n - 1 in an order that follows from seed and epoch alone.

    By SHA-256, so that it is the same with every version of every library.
    """

    def key(i: int) -> bytes:
        return hashlib.sha256(f"order|{seed}|{epoch}|{i}".encode()).digest()

    return sorted(range(n), key=key)


class Batch(TypedDict):
    """Samples stacked along a new first dimension; see `Sample`."""

    lr: Tensor
    hr: Tensor
    lr_valid: Tensor
    hr_valid: Tensor
    sample_id: list[str]


def collate(samples: Sequence[Sample]) -> Batch:
    """Stack samples."""
    return Batch(
        lr=torch.stack([s["lr"] for s in samples]),
        hr=torch.stack([s["hr"] for s in samples]),
        lr_valid=torch.stack([s["lr_valid"] for s in samples]),
        hr_valid=torch.stack([s["hr_valid"] for s in samples]),
        sample_id=[s["sample_id"] for s in samples],
    )


class SampleSource(Protocol):
    """What batches are drawn from: an `SRDataset`, or a part of one."""

    def __len__(self) -> int:
        """How many samples there are."""

    def __getitem__(self, index: int, /) -> Sample:
        """Return one sample."""


def batches(
    dataset: SampleSource, batch_size: int, *, seed: int = 0, epoch: int = 0, threads: int = 2
) -> Iterator[Batch]:
    """Yield the batches of one epoch, the last one as short as it comes.

    Threads read ahead, by a few batches; what comes, and in which order, does not depend on how
    many. Decoding releases the interpreter's lock, so threads do here what worker processes would
    do at the price of copies.
    """
    order = epoch_order(len(dataset), seed, epoch)
    groups = (order[at : at + batch_size] for at in range(0, len(order), batch_size))
    with ThreadPoolExecutor(max_workers=threads) as pool:
        ahead = [pool.submit(_load, dataset, g) for g in islice(groups, threads + 1)]
        while ahead:
            ready = ahead.pop(0)
            yield ready.result()
            ahead.extend(pool.submit(_load, dataset, g) for g in islice(groups, 1))


def _load(dataset: SampleSource, indices: Sequence[int]) -> Batch:
    return collate([dataset[i] for i in indices])
