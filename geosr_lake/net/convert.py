"""A raster of another format on this machine as a GeoTIFF, made by GDAL in a process of its own.

Only what a user names is read so, never what an archive names: a driver of a rarer format may fail
badly, then that process ends and not the run. Only drivers are asked whose files hold their pixels
themselves, or in a file beside them of the same name: others (MRF, ERS, KML, a mosaic) can name any
other raster, on this machine or on a host. Whoever trusts a file names its driver in an
environment variable, `DRIVERS_VARIABLE`.
"""

import atexit
import json
import os
import subprocess
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np

from geosr_lake.errors import CorruptDataError
from geosr_lake.ids import files_version
from geosr_lake.net.gdal_env import GDAL_OPTIONS, load_rasterio

DRIVERS = ("netCDF", "GRIB", "ENVI", "EHdr", "AAIGrid", "GRASSASCIIGrid", "RST", "SAGA", "RRASTER",
           "GSAG", "GSBG", "GS7BG", "BT", "GPKG", "MBTiles", "RMF", "PCRaster", "PNG", "GIF", "BMP",
           "PNM", "USGSDEM", "XYZ")  # fmt: skip
"""GDAL's short names."""
DRIVERS_VARIABLE = "GEOSR_RASTER_DRIVERS"
"""More of them, with commas between, as in VRT,HDF5: what their files name is read too."""

MOST_PX = 1_000_000_000_000
"""Pixels of a raster: the Earth at 25 m has so many."""
_ROWS_AT_ONCE = 256
_REFUSED = 3
"""The exit status with a sentence that says why."""


class Converted(NamedTuple):
    """A GeoTIFF that stays until this process ends.

    Attributes:
        path: Where it is.
        version: SHA-256 over the files that it was made from.
    """

    path: Path
    version: str


def as_geotiff(source: Path) -> Converted:
    """Return a raster of one band of whole numbers as a GeoTIFF; a file that stays is made once.

    Raises:
        CorruptDataError: If it is no such raster that one of `DRIVERS` reads.
    """
    stat = source.stat()
    return _converted(source, stat.st_mtime_ns, stat.st_size)


@cache
def _converted(source: Path, mtime_ns: int, size: int) -> Converted:  # noqa: ARG001 (keys)
    folder = TemporaryDirectory(prefix="geosr-cover-")
    atexit.register(folder.cleanup)
    target = Path(folder.name).resolve() / "cover.tif"
    roots = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        # Not from the working directory, where anything may lie.
        [sys.executable, "-P", "-m", __name__, str(source), str(target)],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(root for root in roots if root)},
    )
    if done.returncode:
        folder.cleanup()
        lines = done.stderr.strip().splitlines()
        said = lines[-1] if done.returncode == _REFUSED and lines else "GDAL fails at it"
        raise CorruptDataError(said, where=str(source))
    return Converted(target, files_version(map(Path, json.loads(done.stdout))))


def main(source: str, target: str) -> None:
    """Do it, in this process; writes the names of the files that were read as JSON."""
    # Before GDAL registers its drivers, and in this process alone.
    skipped = GDAL_OPTIONS["GDAL_SKIP"].split()
    os.environ["GDAL_SKIP"] = " ".join(name for name in skipped if name not in _named())
    rasterio = load_rasterio()
    from rasterio._err import CPLE_BaseError

    try:
        # A header or projection beside the file is looked for.
        with rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="FALSE"), _open(rasterio, source) as raster:
            _check(raster)
            _copy(rasterio, raster, target)
            sys.stdout.write(json.dumps([name for name in raster.files if Path(name).is_file()]))
    except (rasterio.errors.RasterioError, CPLE_BaseError) as error:
        raise _refused(f"GDAL fails at it: {error}") from None


def _named() -> list[str]:
    """Return the drivers that the user names."""
    names = (name.strip() for name in os.environ.get(DRIVERS_VARIABLE, "").split(","))
    return [name for name in names if name]


def _open(rasterio: Any, source: str) -> Any:
    drivers = (*DRIVERS, *_named())
    for driver in drivers:
        with suppress(rasterio.errors.RasterioIOError):
            return rasterio.open(source, driver=driver)
    raise _refused(
        f"It is neither GeoTIFF, Erdas Imagine, JPEG 2000 nor {', '.join(drivers)}; if you trust "
        f"it and the files that it names, put its GDAL driver into {DRIVERS_VARIABLE}"
    )


def _check(raster: Any) -> None:
    if raster.subdatasets and not raster.count:
        raise _refused(f"It holds several rasters: {', '.join(raster.subdatasets)}")
    if raster.count != 1 or not np.issubdtype(np.dtype(raster.dtypes[0]), np.integer):
        raise _refused("It is not one band of whole numbers")
    if raster.height * raster.width > MOST_PX:
        raise _refused("It has more than a million million pixels")


def _copy(rasterio: Any, raster: Any, target: str) -> None:
    profile = {
        **{name: raster.profile[name] for name in ("width", "height", "dtype", "crs", "transform")},
        "driver": "GTiff",
        "count": 1,
        "nodata": raster.nodata,
        "bigtiff": "IF_SAFER",
        "tiled": True,
        "compress": "deflate",
        "zlevel": 1,
    }
    with rasterio.open(target, "w", **profile) as copy:
        for row in range(0, raster.height, _ROWS_AT_ONCE):
            rows = min(_ROWS_AT_ONCE, raster.height - row)
            window = rasterio.windows.Window(0, row, raster.width, rows)
            copy.write(raster.read(1, window=window), 1, window=window)


def _refused(why: str) -> SystemExit:
    sys.stderr.write(f"{why}\n")
    return SystemExit(_REFUSED)


if __name__ == "__main__":
    main(*sys.argv[1:])
