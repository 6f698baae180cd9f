"""Opening one raster: the policy, the pinned format, the limits, and what was never written."""

import hashlib
import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geosr_lake.errors import CorruptDataError, PermanentSourceError, TransientSourceError
from geosr_lake.net.errors import MissingSourceError
from geosr_lake.net.gdal_env import DRIVER, load_rasterio
from geosr_lake.net.policy import LocalFile, RemoteFile, SourcePolicy, without_query
from geosr_lake.net.ranges import RangeFile

MAX_EDGE_PX = 1_500_000
MAX_BANDS = 64
MAX_BLOCK_BYTES = 128 * 1024 * 1024
"""Limits on what a file declares, looked at before anything is decoded: a few kilobytes can claim
to be gigabytes. The longest edge is that of the globe in pixels of 30 m."""

Window = tuple[int, int, int, int]
"""(first row, row after the last, first column, column after the last)."""

_MAGIC = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")


class Raster:
    """An open GeoTIFF. Not to be shared between threads.

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
def open_raster(href: str, policy: SourcePolicy) -> Iterator[Raster]:
    """Open the GeoTIFF that `href` names, if the policy lets it be opened.

    Raises:
        UnsafeInputError: If the policy forbids it.
        MissingSourceError: If there is no such file or object.
        CorruptDataError: If it is no GeoTIFF, whatever it is called, or claims to be huge.
        TransientSourceError: If it may be there but could not be read now.
    """
    source = policy.locate(href)
    if isinstance(source, LocalFile):
        _check_file(source.path)
        with _dataset(str(source.path), str(source.path), None) as raster:
            yield raster
    else:
        with _remote(source) as raster:
            yield raster


def identity(href: str, policy: SourcePolicy) -> str:
    """Return what tells a file from others: the SHA-256 of its bytes, if it lies here.

    Of a file on a host it is that of its address, length and ETag: it is not read whole.

    Raises:
        SourceError: As `open_raster`.
    """
    source = policy.locate(href)
    if isinstance(source, LocalFile):
        with source.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    remote = RangeFile(source)
    try:
        said = f"{without_query(source.url)}|{remote.size}|{remote.etag}"
    finally:
        remote.release()
    return hashlib.sha256(said.encode()).hexdigest()


@contextmanager
def _remote(source: RemoteFile) -> Iterator[Raster]:
    where = without_query(source.url)
    remote = RangeFile(source)
    try:
        if remote.read(4) not in _MAGIC:
            raise CorruptDataError("This is not a GeoTIFF", where=where)
        remote.seek(0)
        with _dataset(_OBJECT_NAME, where, remote) as raster:
            yield raster
    finally:
        remote.release()


_OBJECT_NAME = "source.tif"
"""What GDAL is told that an object is called, so that it can neither print nor follow its URL."""


class _OneObject:
    """The file system that GDAL sees for a host: one object, and nothing beside it."""

    def __init__(self, remote: RangeFile) -> None:
        self._remote = remote

    def open(self, path: str, mode: str = "rb", **_: Any) -> io.IOBase:
        """Open the object; anything else is empty, since rasterio loses exceptions from here."""
        if path != _OBJECT_NAME or mode not in ("r", "rb"):
            return io.BytesIO()
        self._remote.seek(0)
        return self._remote

    def isfile(self, path: str) -> bool:
        """Tell whether this is the object."""
        return path == _OBJECT_NAME

    def isdir(self, _: str) -> bool:
        """There are no folders."""
        return False

    def ls(self, _: str) -> list[str]:
        """List nothing: GDAL looks for no siblings."""
        return []

    def mtime(self, _: str) -> int:
        """Tell no time: nothing is compared with it."""
        return 0

    def rm(self, _: str) -> None:
        """Remove nothing."""

    def size(self, _: str) -> int:
        """Return the object's length, bytes."""
        return self._remote.size


@cache
def _register_file_system() -> None:
    """Tell rasterio that `_OneObject` is a file system; its base class comes with rasterio."""
    load_rasterio()
    from rasterio.abc import FileContainer

    FileContainer.register(_OneObject)


@contextmanager
def _dataset(name: str, where: str, remote: RangeFile | None) -> Iterator[Raster]:
    rasterio = load_rasterio()
    _register_file_system()
    options = {} if remote is None else {"opener": _OneObject(remote)}
    try:
        dataset = rasterio.open(name, driver=DRIVER, sharing=False, **options)
    except _raster_errors() as error:
        if remote is not None and remote.error is not None:
            raise remote.error from error
        raise CorruptDataError("This is not a GeoTIFF that can be opened", where=where) from error
    with dataset:
        yield Raster(dataset, where, remote)


def _check_file(path: Path) -> None:
    """Check that `path` is a regular file that begins as a TIFF does."""
    try:
        # Not following a link: the policy has resolved all of them already.
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise CorruptDataError("This is not a regular file", where=str(path))
            start = file.read(4)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise MissingSourceError("The file is not there", where=str(path)) from error
    except IsADirectoryError as error:
        raise CorruptDataError("This is not a regular file", where=str(path)) from error
    except OSError as error:
        raise TransientSourceError(
            f"The file cannot be read ({error.strerror})",
            where=str(path),
            next_step="Put that right and run the same command again.",
        ) from error
    if start not in _MAGIC:
        raise CorruptDataError("This is not a GeoTIFF", where=str(path))
