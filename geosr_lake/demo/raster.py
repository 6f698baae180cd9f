"""Writes cloud-optimised GeoTIFFs whose bytes depend on their content alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray

from geosr_lake.demo.render import Grid

_GDAL_CACHE_MB = 64


def write_cog(
    path: Path,
    image: NDArray[np.generic],
    grid: Grid,
    *,
    nodata: float | None,
    block_px: int = 512,
) -> None:
    """Write an image as a cloud-optimised GeoTIFF, tiles without data left out.

    Args:
        path: The file; its folder is made.
        image: (height, width) or (band, height, width).
        grid: Its pixels on the ground.
        nodata: Declared nodata number; None declares none.
        block_px: Edge of the file's tiles.
    """
    bands = image[None] if image.ndim == 2 else image
    path.parent.mkdir(parents=True, exist_ok=True)
    options = {"photometric": "RGB"} if bands.shape[0] == 4 else {}
    with (
        rasterio.Env(GDAL_CACHEMAX=_GDAL_CACHE_MB),
        rasterio.open(
            path,
            "w",
            driver="COG",
            width=grid.width,
            height=grid.height,
            count=bands.shape[0],
            dtype=bands.dtype.name,
            crs=grid.crs,
            transform=grid.transform,
            nodata=nodata,
            compress="DEFLATE",
            level=1,
            predictor="YES" if bands.dtype.itemsize > 1 else "NO",
            blocksize=block_px,
            overview_resampling="nearest",
            num_threads=1,
            sparse_ok=nodata is not None,
            **options,
        ) as target,
    ):
        target.write(bands)
