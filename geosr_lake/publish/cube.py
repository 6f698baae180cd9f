"""A split's store as the datacube and raster extensions describe it, read off the store itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import zarr

from geosr_lake.errors import CorruptDataError
from geosr_lake.publish.source import SplitCube
from geosr_lake.sensors.model import Band
from geosr_lake.sensors.tasks import Task

_STAC_TYPES = {
    *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float16", "float32", "float64"),
}
_DIMENSIONS = {
    "sample": ("sample", "slots of the split; `valid` tells which hold a sample"),
    "lr_y": ("row", "rows of low resolution from the north"),
    "lr_x": ("column", "columns of low resolution from the west"),
    "hr_y": ("row", "rows of high resolution from the north"),
    "hr_x": ("column", "columns of high resolution from the west"),
}
_PIXELS = ("lr", "hr", "lr_mask", "hr_mask", "lr_age_days")


def bands_of(task: Task, side: str) -> list[Band]:
    """Return the bands of a side, in the order of the cube."""
    sensor, roles = (task.lr, task.lr_bands) if side == "lr" else (task.hr, task.hr_bands)
    return [sensor.band(role) for role in roles]


def stac_bands(task: Task) -> list[dict[str, Any]]:
    """Return the bands of both sides, named ``array[dimension=band]``."""
    described = []
    for side, gsd_m in (("lr", task.lr_gsd_m), ("hr", task.hr_gsd_m)):
        for band in bands_of(task, side):
            entry: dict[str, Any] = {
                "name": f"{side}[{side}_band={band.role}]",
                "description": band.name,
                "gsd": band.gsd_m,
                "data_type": band.dtype,
            }
            if band.nodata is not None:
                entry["nodata"] = band.nodata
            if band.wavelength_um is not None:
                entry["eo:center_wavelength"] = band.wavelength_um
            entry |= {
                "raster:scale": band.scale,
                "raster:offset": band.offset,
                "raster:spatial_resolution": gsd_m,
            }
            described.append(entry)
    return described


def datacube(cube: SplitCube, task: Task) -> dict[str, Any]:
    """Return ``cube:dimensions`` and ``cube:variables`` of a store.

    Raises:
        CorruptDataError: If an array does not name its dimensions.
    """
    group = zarr.open_group(str(cube.path), mode="r", use_consolidated=False)
    sizes: dict[str, int] = {}
    variables: dict[str, Any] = {}
    for name, array in sorted(group.arrays()):
        names = getattr(array.metadata, "dimension_names", None)
        if names is None or None in names:
            raise CorruptDataError(f"The array {name} does not name its dimensions")
        sizes |= dict(zip(names, array.shape, strict=True))
        variables[name] = _variable(name, array, list(names))
    wanted = {dim for name in _PIXELS if name in variables for dim in variables[name]["dimensions"]}
    every = wanted | {dim for variable in variables.values() for dim in variable["dimensions"]}
    return {
        "cube:dimensions": {dim: _dimension(dim, sizes[dim], task) for dim in sorted(every)},
        "cube:variables": variables,
    }


def _variable(name: str, array: Any, dimensions: list[str]) -> dict[str, Any]:
    kind = str(np.dtype(array.dtype)) if array.dtype.kind in "iuf" else "other"
    attributes = dict(array.attrs)
    entry: dict[str, Any] = {
        "dimensions": dimensions,
        "variable_type": "data" if name in _PIXELS else "auxiliary",
        "description": str(attributes.get("long_name", name)),
        "data_type": kind if kind in _STAC_TYPES else "other",
    }
    if isinstance(attributes.get("units"), str):
        entry["unit"] = attributes["units"]
    if isinstance(attributes.get("_FillValue"), int):
        entry["nodata"] = attributes["_FillValue"]
    return entry


def _dimension(name: str, size: int, task: Task) -> dict[str, Any]:
    if name in ("lr_band", "hr_band"):
        values = [band.role for band in bands_of(task, name.split("_", 1)[0])]
        return {"type": "bands", "description": "bands by name", "values": values}
    kind, words = _DIMENSIONS.get(name, ("component", "parts of one value"))
    return {"type": kind, "description": words, "extent": [0, size - 1], "step": 1}
