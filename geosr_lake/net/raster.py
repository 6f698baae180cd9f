"""Opening one raster: the policy, the named formats, the limits, and what was never written."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geosr_lake.errors import CorruptDataError, PermanentSourceError, TransientSourceError
from geosr_lake.ids import files_version
from geosr_lake.net.formats import (
    FORMATS,
    GEOTIFF,
    LONGEST_START,
    Format,
    neither,
    of_file,
    of_start,
)
from geosr_lake.net.gdal_env import load_rasterio
from geosr_lake.net.gdal_files import GdalFiles, OneFile, on_disk
from geosr_lake.net.policy import LocalFile, RemoteFile, SourcePolicy, without_query
from geosr_lake.net.ranges import RangeFile, RangeReader

MAX_EDGE_PX = 1_500_000
MAX_BANDS = 64
MAX_BLOCK_BYTES = 128 * 1024 * 1024
"""Limits on what a file declares, looked at before anything is decoded: a few kilobytes can claim
to be gigabytes. The longest edge is that of the globe in pixels of 30 m."""

Window = tuple[int, int, int, int]
"""(first row, row after the last, first column, column after the last)."""


class Raster:
    """An open raster. Not to be shared between threads.

    Attributes:
        transform: (a, b, c, d, e, f): x = a col + b row + c, y = d col + e row + f, of pixel edges.
        crs: The CRS, a rasterio object; None if the file has none.
        height: Rows.
        width: Columns.
        count: Bands.
        nodata: The number that the file itself declares as nodata, or None.
    """

    def __init__(self, dataset: Any, where: str, remote: RangeFile | None = None) -> None:
        self._dataset = dataset
        self._where = where
        self._remote = remote
        self.transform: tuple[float, ...] = tuple(dataset.transform)[:6]
        self.crs = dataset.crs
        self.height: int = dataset.height
        self.width: int = dataset.width
        self.count: int = dataset.count
        self.dtype: str = dataset.dtypes[0]
        self.nodata: float | None = dataset.nodata
        self._check_limits()

    def read(self, indexes: tuple[int, ...], window: Window) -> NDArray[Any]:
        """Return the pixels of a window that lies inside the raster, as they are in the file.

        Args:
            indexes: 1-based bands.
            window: Rows and columns.

        Returns:
            (band, row, column) of the file's type; full resolution, never an overview.

        Raises:
            CorruptDataError: If the bytes cannot be decoded.
            TransientSourceError: If the host failed in a way that may heal.
        """
        top, bottom, left, right = window
        try:
            pixels: NDArray[Any] = self._dataset.read(
                list(indexes), window=((top, bottom), (left, right))
            )
        except _raster_errors() as error:
            raise self._failure("The pixels cannot be decoded") from error
        return pixels

    def missing(self, indexes: tuple[int, ...], window: Window) -> NDArray[np.bool_]:
        """Return where the file itself says that there is no data: (row, column).

        That is: a block that was never written in one of the bands (GDAL would deliver zeros), or
        a pixel outside the file's own mask band.
        """
        top, bottom, left, right = window
        gone = np.zeros((bottom - top, right - left), dtype=np.bool_)
        for index in self._block_indexes(indexes):
            self._mark_unwritten(gone, index, window)
        if self._has_mask_besides(indexes):
            try:
                gone |= self._dataset.read_masks(1, window=((top, bottom), (left, right))) == 0
            except _raster_errors() as error:
                raise self._failure("The mask cannot be decoded") from error
        return gone

    def _has_mask_besides(self, indexes: tuple[int, ...]) -> bool:
        """Tell whether the file has a mask that is none of the wanted bands.

        Four-band photographs are met whose near infrared is tagged as alpha.
        """
        flags = {flag.name for flag in self._dataset.mask_flag_enums[0]}
        roles = [role.name for role in self._dataset.colorinterp]
        alpha = {number for number, role in enumerate(roles, start=1) if role == "alpha"}
        return "per_dataset" in flags and not alpha & set(indexes)

    def _block_indexes(self, indexes: tuple[int, ...]) -> tuple[int, ...]:
        interleaved = self._dataset.interleaving
        return indexes[:1] if interleaved is not None and interleaved.name == "pixel" else indexes

    def _mark_unwritten(self, gone: NDArray[np.bool_], index: int, window: Window) -> None:
        if self._dataset.driver != GEOTIFF.driver:  # no other format says it
            return
        top, bottom, left, right = window
        rows, columns = self._dataset.block_shapes[index - 1]
        for row in range(top // rows, -(-bottom // rows)):
            for column in range(left // columns, -(-right // columns)):
                item = f"BLOCK_OFFSET_{column}_{row}"
                if self._dataset.get_tag_item(item, "TIFF", bidx=index) is None:
                    gone[
                        max(row * rows - top, 0) : (row + 1) * rows - top,
                        max(column * columns - left, 0) : (column + 1) * columns - left,
                    ] = True

    def _check_limits(self) -> None:
        rows, columns = self._dataset.block_shapes[0]
        item_bytes = max(np.dtype(name).itemsize for name in self._dataset.dtypes)
        block_bytes = rows * columns * item_bytes * self.count
        if (
            max(self.height, self.width) > MAX_EDGE_PX
            or self.count > MAX_BANDS
            or block_bytes > MAX_BLOCK_BYTES
        ):
            raise CorruptDataError(
                f"The raster claims {self.width} x {self.height} pixels in {self.count} bands and "
                f"blocks of {block_bytes} bytes, more than is read",
                where=self._where,
            )

    def _failure(self, what: str) -> PermanentSourceError | TransientSourceError:
        if self._remote is not None and self._remote.error is not None:
            error = self._remote.error
            if isinstance(error, PermanentSourceError | TransientSourceError):
                return error
        return CorruptDataError(what, where=self._where)


def _raster_errors() -> tuple[type[Exception], ...]:
    rasterio = load_rasterio()
    from rasterio._err import CPLE_BaseError

    return (rasterio.errors.RasterioError, CPLE_BaseError)


@contextmanager
def open_raster(
    href: str, policy: SourcePolicy, formats: tuple[Format, ...] = (GEOTIFF,)
) -> Iterator[Raster]:
    """Open the raster that `href` names, if the policy lets it be opened.

    Args:
        href: A path or an address.
        policy: Says what may be opened.
        formats: Those that it may have; what it is called says nothing.

    Raises:
        UnsafeInputError: If the policy forbids it.
        MissingSourceError: If there is no such file or object.
        CorruptDataError: If it is of no such format, or claims to be huge.
        TransientSourceError: If it may be there but could not be read now.
    """
    source = policy.locate(href)
    if isinstance(source, LocalFile):
        with _local(source.path, of_file(source.path, formats)) as raster:
            yield raster
    else:
        with _remote(source, formats) as raster:
            yield raster


def identity(href: str, policy: SourcePolicy) -> str:
    """Return what tells a raster from others: the SHA-256 of its bytes, if it lies here.

    Of pixels that lie in a file beside it that file's are added. Of a file on a host it is that of
    its address, length and ETag: it is not read whole.

    Raises:
        SourceError: As `open_raster`.
    """
    source = policy.locate(href)
    if isinstance(source, LocalFile):
        beside = _beside(source.path, of_file(source.path, FORMATS))
        return files_version((source.path, *beside))
    remote = RangeFile(source)
    try:
        said = f"{without_query(source.url)}|{remote.size}|{remote.etag}"
    finally:
        remote.release()
    return hashlib.sha256(said.encode()).hexdigest()


def _beside(path: Path, form: Format) -> list[Path]:
    """Return the file beside a raster that holds its pixels, if there is one."""
    other = path.with_suffix(form.beside)
    return [other] if form.beside and other.is_file() and not other.is_symlink() else []


@contextmanager
def _local(path: Path, form: Format) -> Iterator[Raster]:
    if form is GEOTIFF:  # its driver opens no other file, and is fastest by itself
        with _dataset(str(path), str(path), form) as raster:
            yield raster
        return
    files = {_name(form): path}
    for other in _beside(path, form):
        # Looked for by the name inside the file, or, after both were renamed, by the file's own.
        files |= {other.name: other, f"{Path(_name(form)).stem}{form.beside}": other}
    seen = GdalFiles({name: on_disk(one) for name, one in files.items()})
    with _dataset(_name(form), str(path), form, seen) as raster:
        yield raster


@contextmanager
def _remote(source: RemoteFile, formats: tuple[Format, ...]) -> Iterator[Raster]:
    where = without_query(source.url)
    remote = RangeFile(source)
    try:
        form = of_start(remote.read(0, LONGEST_START), formats, where)
        files = GdalFiles({_name(form): OneFile(lambda: RangeReader(remote), remote.size)})
        with _dataset(_name(form), where, form, files, remote) as raster:
            yield raster
    finally:
        remote.release()


def _name(form: Format) -> str:
    """Return what GDAL is told that a file is called, wherever it lies."""
    return f"source{form.ending}"


@contextmanager
def _dataset(
    name: str,
    where: str,
    form: Format = GEOTIFF,
    files: GdalFiles | None = None,
    remote: RangeFile | None = None,
) -> Iterator[Raster]:
    rasterio = load_rasterio()
    options = {} if files is None else {"opener": files}
    try:
        dataset = rasterio.open(name, driver=form.driver, sharing=False, **options)
    except _raster_errors() as error:
        if remote is not None and remote.error is not None:
            raise remote.error from error
        raise CorruptDataError(
            f"This is {neither((form,))} that can be opened", where=where
        ) from error
    with dataset:
        raster = Raster(dataset, where, remote)
        if form.beside:
            _check_pixels(raster, form, where)
        yield raster


def _check_pixels(raster: Raster, form: Format, where: str) -> None:
    """Read a pixel of a file whose pixels may lie in another one: its header opens without."""
    try:
        raster.read((1,), (0, 1, 0, 1))
    except CorruptDataError as error:
        raise CorruptDataError(
            f"The pixels cannot be decoded: if they lie in a {form.beside} file, it must be beside "
            "this one on this machine, under the same name",
            where=where,
        ) from error
