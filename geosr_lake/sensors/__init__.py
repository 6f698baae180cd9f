"""Facts of MODIS, Landsat, Sentinel-2 and NAIP: bands, scales, quality bits, grids, names.

Nothing here reads a file or opens a connection; nothing here imports another part of the package.
"""

from geosr_lake.sensors import landsat, modis, naip, sentinel2
from geosr_lake.sensors.model import Band, Sensor

SENSORS: dict[str, Sensor] = {
    module.SENSOR.name: module.SENSOR for module in (modis, landsat, sentinel2, naip)
}
"""The four sensors by name."""

__all__ = ["SENSORS", "Band", "Sensor", "landsat", "modis", "naip", "sentinel2"]
