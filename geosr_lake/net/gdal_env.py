"""GDAL's settings, fixed before its library is loaded.

Drivers are skipped only if the process environment says so before GDAL registers them, so this
module sets it when it is imported, and every module here gets rasterio from `load_rasterio`. Where
another library has loaded GDAL before, the driver named at each opening still holds.
"""

import os
from typing import Any

GDAL_OPTIONS: dict[str, str] = {
    # Drivers that read other files or hosts than the one that was named.
    "GDAL_SKIP": "VRT DERIVED GTI STACIT STACTA WMS WMTS WCS HTTP DAAS EEDA EEDAI PLMOSAIC",
    "GDAL_VRT_ENABLE_PYTHON": "NO",
    # Siblings such as .ovr, .msk and .aux.xml are neither looked for nor believed.
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_PAM_ENABLED": "NO",
    # One shard a thread: GDAL starts none of its own, and its block cache is small and fixed.
    "GDAL_NUM_THREADS": "1",
    "GDAL_CACHEMAX": "128",
    "CPL_DEBUG": "OFF",
    # Hosts are read by `net.ranges`; should GDAL ever be given a URL, it gives up at once.
    "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": ".none",
    "GDAL_HTTP_TIMEOUT": "30",
    "GDAL_HTTP_CONNECTTIMEOUT": "10",
    "GDAL_HTTP_MAX_RETRY": "0",
}


# Once, while the import lock is held: the environment must not change under GDAL's threads.
os.environ.update(GDAL_OPTIONS)


def load_rasterio() -> Any:
    """Return rasterio; GDAL's settings stand in the process environment by then."""
    import rasterio

    return rasterio
