"""A raster of any format on this machine as a GeoTIFF, made by GDAL in a process of its own.

Only what a user names is read so, never what an archive names: a driver of a rare format may fail
badly, then the process ends and not the run. Drivers that read other rasters or hosts are off
(`gdal_env`), so a mosaic stays refused.
"""

import subprocess
import sys
from pathlib import Path

from geosr_lake.errors import CorruptDataError
from geosr_lake.net.gdal_env import load_rasterio


def as_geotiff(source: Path, target: Path) -> None:
    """Write `source` as a GeoTIFF.

    Raises:
        CorruptDataError: If it is no raster that GDAL reads by itself, or holds several.
    """
    done = subprocess.run(
        [sys.executable, "-m", __name__, str(source), str(target)],
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        raise CorruptDataError(
            lines[-1] if done.returncode == 1 and lines else "GDAL fails at it", where=str(source)
        )


def main(source: str, target: str) -> None:
    """Do it, in this process; exits with a sentence where it cannot be done."""
    rasterio = load_rasterio()
    from rasterio._err import CPLE_BaseError
    from rasterio.shutil import copy

    try:
        # Formats of several files are read whole: a header, a projection.
        with rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="FALSE"):
            with rasterio.open(source) as raster:
                names, bands = raster.subdatasets, raster.count
            if not bands and names:
                sys.exit(f"It holds several rasters: {', '.join(names)}")
            copy(source, target, driver="GTiff", tiled=True, compress="deflate", zlevel=1)
    except (rasterio.errors.RasterioError, CPLE_BaseError) as error:
        sys.exit(f"GDAL does not read it by itself: {error}")


if __name__ == "__main__":
    main(*sys.argv[1:])
