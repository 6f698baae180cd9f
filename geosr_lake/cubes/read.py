"""The pixels of one side of one sample: read, carried to its grid, masked.

Native pixels only, never an overview. What lies outside a file, in a block that was never written,
or holds the sensor's or the file's nodata number is missing: it is flagged and delivered as nodata,
never as a number.
"""

from collections import OrderedDict
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from datetime import date, timedelta
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS

from geosr_lake.cubes.grids import Grid, raster_grid, sample_grid
from geosr_lake.cubes.jobs import SampleJob, Side, SourceItem
from geosr_lake.cubes.layout import bands_of, nodata_dn, pixel_dtype
from geosr_lake.cubes.resample import Resampler, parallel, resample_flags, resample_numbers
from geosr_lake.cubes.sinusoidal import is_sinusoidal, scattered
from geosr_lake.errors import PermanentSourceError
from geosr_lake.net import Raster, SourcePolicy, open_raster
from geosr_lake.net.errors import GridMismatchError, MissingAssetError
from geosr_lake.net.raster import Window
from geosr_lake.sensors import modis, quality
from geosr_lake.sensors.grid import same_zone
from geosr_lake.sensors.model import Band
from geosr_lake.sensors.quality import MaskBit
from geosr_lake.sensors.tasks import Task

OPEN_RASTERS = 48
"""Rasters kept open at once: the samples of a shard often share scenes."""
MAX_WINDOW_PX = 64_000_000
AGE_UNKNOWN = -32768
"""`lr_age_days` where no day is known."""

_EPOCH = date(1970, 1, 1)
_DAY_US = 86_400_000_000
_DN_BYTE_MAX = 255


@dataclass(frozen=True)
class SidePixels:
    """One side of one sample on its grid.

    Attributes:
        numbers: (band, row, column), digital numbers as the source has them.
        mask: (row, column), uint8 `MaskBit`.
        age_days: (row, column), int16, MODIS only: day seen minus day of the HR acquisition, UTC.
        item: Whose pixels these are.
    """

    numbers: NDArray[Any]
    mask: NDArray[np.uint8]
    age_days: NDArray[np.int16] | None
    item: SourceItem


class Sources:
    """The rasters that one shard has open; for one thread.

    Attributes:
        bytes_read: Bytes of pixels decoded so far.
    """

    def __init__(self, policy: SourcePolicy) -> None:
        self._policy = policy
        self._open: OrderedDict[str, tuple[ExitStack, Raster]] = OrderedDict()
        self.bytes_read = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        while self._open:
            self._open.popitem()[1][0].close()

    def raster(self, href: str) -> Raster:
        """Return the raster, opened or still open."""
        if href in self._open:
            self._open.move_to_end(href)
            return self._open[href][1]
        if len(self._open) >= OPEN_RASTERS:
            self._open.popitem(last=False)[1][0].close()
        stack = ExitStack()
        opening: AbstractContextManager[Raster] = open_raster(href, self._policy)
        raster = stack.enter_context(opening)
        self._open[href] = (stack, raster)
        return raster

    def pixels(
        self, raster: Raster, indexes: tuple[int, ...], window: Window
    ) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Return the pixels of a window that may reach beyond the raster.

        Returns:
            (band, row, column) numbers, 0 where there is no file, and (row, column) where the file
            has nothing: outside it, in unwritten blocks, outside its own mask.
        """
        top, bottom, left, right = window
        if (bottom - top) * (right - left) > MAX_WINDOW_PX:
            raise GridMismatchError(f"{bottom - top} x {right - left} source pixels are needed")
        numbers = np.zeros((len(indexes), bottom - top, right - left), dtype=raster.dtype)
        gone = np.ones(numbers.shape[1:], dtype=np.bool_)
        inner = (max(top, 0), min(bottom, raster.height), max(left, 0), min(right, raster.width))
        if inner[0] < inner[1] and inner[2] < inner[3]:
            rows = slice(inner[0] - top, inner[1] - top)
            columns = slice(inner[2] - left, inner[3] - left)
            numbers[:, rows, columns] = raster.read(indexes, inner)
            gone[rows, columns] = raster.missing(indexes, inner)
            self.bytes_read += numbers[:, rows, columns].nbytes
        return numbers, gone


def read_side(
    sources: Sources, task: Task, side: str, job: SampleJob, window_us: int
) -> SidePixels:
    """Return one side of a sample, from the first of its scene's items that can be read.

    Args:
        sources: The open rasters.
        task: The SR task.
        side: ``lr`` or ``hr``.
        job: The sample.
        window_us: The recipe's window, microseconds: pixels of MODIS composites that were seen
            further than this from the HR acquisition are flagged.

    Raises:
        PermanentSourceError: If none of the items can ever be read: that of the first one.
        TransientSourceError: If one could not be read now.
    """
    scene: Side = getattr(job, side)
    first_error: PermanentSourceError | None = None
    for item in scene.items:
        try:
            return _ItemReader(sources, task, side, job, item).read(window_us)
        except PermanentSourceError as error:
            first_error = first_error or error
    raise first_error or MissingAssetError("The scene has no item", where=scene.scene_id)


@dataclass
class _Layer:
    """Pixels of one asset, still on their own grid."""

    numbers: NDArray[Any]
    missing: NDArray[np.bool_]
    how: Resampler


class _ItemReader:
    """Reads one item for one side of one sample."""

    def __init__(
        self, sources: Sources, task: Task, side: str, job: SampleJob, item: SourceItem
    ) -> None:
        self._sources = sources
        self._task = task
        self._side = side
        self._job = job
        self._item = item
        self._grid = sample_grid(task, side, job.x_m, job.y_m)
        self._sensor = task.lr if side == "lr" else task.hr
        self._ways: dict[Grid, Resampler] = {}

    def read(self, window_us: int) -> SidePixels:
        bands = bands_of(self._task, self._side)
        numbers = np.empty(
            (len(bands), self._grid.height, self._grid.width),
            dtype=pixel_dtype(self._task, self._side),
        )
        mask = np.zeros(numbers.shape[1:], dtype=np.uint8)
        nodata = nodata_dn(self._task, self._side)
        for asset in dict.fromkeys(band.asset for band in bands):
            places = [i for i, band in enumerate(bands) if band.asset == asset]
            layer = self._layer(tuple(bands[i] for i in places))
            numbers[places] = resample_numbers(layer.numbers, layer.missing, layer.how, nodata)
            mask |= resample_flags(_pixel_flags(self._sensor.name, layer), layer.how)
        flags, age_days = self._quality(window_us)
        return SidePixels(numbers, mask | flags, age_days, self._item)

    def _layer(self, bands: tuple[Band, ...]) -> _Layer:
        """Read the bands of one asset; `missing` is (band, row, column)."""
        asset = bands[0].asset
        href = self._item.assets.get(asset)
        if href is None:
            raise MissingAssetError(f"The item has no href for {asset}", where=self._item.label)
        raster = self._sources.raster(href)
        if max(band.index for band in bands) > raster.count or raster.dtype != bands[0].dtype:
            raise GridMismatchError(
                f"{asset} has {raster.count} bands of {raster.dtype}", where=self._item.label
            )
        how = self._way(raster)
        numbers, gone = self._sources.pixels(raster, tuple(b.index for b in bands), how.window)
        missing = np.broadcast_to(gone, numbers.shape).copy()
        for i, band in enumerate(bands):
            if band.nodata is not None:
                missing[i] |= numbers[i] == band.nodata
        if len(bands) > 1 and bands[0].nodata is None:
            # Photographs declare no number: outside the photo all bands are 0 together.
            missing |= np.all(numbers == 0, axis=0)
        is_quality = bands[0].role in self._sensor.quality_roles
        if raster.nodata is not None and not is_quality:
            # What a file says of itself is heeded too; not of flags, where 0 often means "good".
            missing |= np.all(numbers == raster.nodata, axis=0)
        return _Layer(numbers, missing, how)

    def _way(self, raster: Raster) -> Resampler:
        source = raster_grid(raster.transform, raster.height, raster.width)
        if source not in self._ways:
            self._ways[source] = self._new_way(source, raster)
        return self._ways[source]

    def _new_way(self, source: Grid, raster: Raster) -> Resampler:
        epsg = self._job.epsg
        if self._sensor.name == "modis":
            if raster.crs is None or not is_sinusoidal(raster.crs.to_wkt()):
                raise GridMismatchError("The CRS is not MODIS' sinusoidal", where=self._item.label)
            return scattered(source, self._grid, epsg)
        found = None if raster.crs is None else _epsg(raster.crs)
        if found is None or not same_zone(found, epsg):
            raise GridMismatchError(
                f"The CRS is {found or 'unknown'} and not zone {epsg}", where=self._item.label
            )
        return parallel(source, self._grid)

    def _quality(self, window_us: int) -> tuple[NDArray[np.uint8], NDArray[np.int16] | None]:
        """Return the flags of the quality layers, and the age of MODIS pixels."""
        flags = np.zeros((self._grid.height, self._grid.width), dtype=np.uint8)
        age_days = None
        for role in self._sensor.quality_roles:
            layer = self._layer((self._sensor.band(role),))
            decoded = self._decode(role, layer.numbers[0], window_us)
            decoded = np.where(layer.missing[0], np.uint8(MaskBit.NODATA), decoded)
            flags |= resample_flags(decoded, layer.how)
            if role == "day_of_year":
                age_days = self._age_days(layer)
        return flags, age_days

    def _decode(self, role: str, numbers: NDArray[Any], window_us: int) -> NDArray[np.uint8]:
        if role == "day_of_year":
            first, last = day_window(self._job.hr.start_us, self._job.hr.end_us, window_us)
            return quality.decode_modis_day(numbers, self._composite_start, first, last)
        return _DECODERS[role](numbers)

    @property
    def _composite_start(self) -> date:
        return _day(self._job.lr.start_us)

    def _age_days(self, layer: _Layer) -> NDArray[np.int16]:
        seen = modis.composite_dates(layer.how.pick(layer.numbers[0]), self._composite_start)
        hr_day = np.datetime64(_day(self._job.hr.start_us))
        days = (seen - hr_day).astype(np.int64)
        unknown = np.isnat(seen) | layer.how.pick(layer.missing[0])
        return np.where(unknown, AGE_UNKNOWN, days).astype(np.int16)


_DECODERS: dict[str, Callable[[NDArray[Any]], NDArray[np.uint8]]] = {
    "SCL": quality.decode_scl,
    "qa_pixel": quality.decode_qa_pixel,
    "qa_radsat": quality.decode_qa_radsat,
    "state": quality.decode_modis_state,
}


def day_window(start_us: int, end_us: int, window_us: int) -> tuple[date, date]:
    """Return the first and last day that a pixel may be from.

    A pixel's day is an interval of 24 hours, so the rule of pairs holds for it as it stands: the
    gap between the day and the HR acquisition, 0 where they touch, is at most the window.

    Args:
        start_us: Start of the HR acquisition, microseconds since 1970, UTC.
        end_us: End of it.
        window_us: The window, microseconds.
    """
    first = -((_DAY_US - (start_us - window_us)) // _DAY_US)
    last = (end_us + window_us) // _DAY_US
    return _EPOCH + timedelta(days=first), _EPOCH + timedelta(days=last)


def _day(instant_us: int) -> date:
    return _EPOCH + timedelta(days=instant_us // _DAY_US)


def _pixel_flags(sensor: str, layer: _Layer) -> NDArray[np.uint8]:
    """Return the flags that follow from the numbers themselves, on the source's grid."""
    missing = np.asarray(layer.missing.any(axis=0))
    bad = np.zeros_like(missing)
    if sensor == "naip":
        bad |= np.all(layer.numbers == _DN_BYTE_MAX, axis=0)
    elif sensor == "modis":
        low, high = modis.VALID_RANGE_DN
        outside = (layer.numbers < low) | (layer.numbers > high)
        bad |= np.any(outside & ~layer.missing, axis=0)
    return _flag(missing, MaskBit.NODATA) | _flag(bad, MaskBit.DEFECTIVE)


def _flag(where: NDArray[np.bool_], bit: MaskBit) -> NDArray[np.uint8]:
    flags = np.zeros(where.shape, dtype=np.uint8)
    flags[where] = bit
    return flags


def _epsg(crs: Any) -> int | None:
    """Return the EPSG code of a raster's CRS, also where it is spelled in its own way."""
    code = crs.to_epsg()
    return code if code is not None else CRS.from_wkt(crs.to_wkt()).to_epsg(min_confidence=25)
