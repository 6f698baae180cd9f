"""The values of a store's coordinates, from what was asked and what the ledger says was placed."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer

from geosr_lake.cubes.grids import sample_grid
from geosr_lake.cubes.jobs import Measured, Placed, SampleJob, Side
from geosr_lake.cubes.layout import bands_of, coordinate_arrays
from geosr_lake.sensors.tasks import Task

LONLAT_DIGITS = 9
"""Digits after the point of degrees, a tenth of a millimetre: PROJ's last bits vary with it."""


@lru_cache(maxsize=64)
def _to_lonlat(epsg: int) -> Transformer:
    return Transformer.from_crs(epsg, 4326, always_xy=True)


def coordinate_values(
    task: Task, n_slots: int, placed: Iterable[Placed], jobs: Mapping[str, SampleJob]
) -> dict[str, NDArray[Any]]:
    """Return every coordinate of a store.

    Args:
        task: The SR task.
        n_slots: Length of the first dimension.
        placed: The samples that stand in the store; other slots hold the fill values.
        jobs: The manifest's samples and reserves, by `sample_id`.

    Returns:
        Name -> values, of the shape and type that the layout gives.
    """
    values = {
        spec.name: np.full(
            spec.shape, spec.fill, dtype=object if spec.dtype == "string" else spec.dtype
        )
        for spec in coordinate_arrays(task, n_slots)
    }
    for side in ("lr", "hr"):
        values[f"{side}_band"][:] = [band.role for band in bands_of(task, side)]
    for row in placed:
        for name, value in _of_sample(task, jobs[row.sample_id], row).items():
            if value is not None:
                values[name][row.index] = value
    return values


def _of_sample(task: Task, job: SampleJob, row: Placed) -> dict[str, Any]:
    size_m = task.site_size_m
    west, south = float(job.x_m), float(job.y_m)
    lon, lat = _to_lonlat(job.epsg).transform(west + size_m / 2, south + size_m / 2)
    return {
        "sample_id": job.sample_id,
        "valid": True,
        "subset": job.subset,
        "stratum": job.stratum,
        "site_id": job.site_id,
        "epsg": job.epsg,
        "bbox": (west, south, west + size_m, south + size_m),
        "lr_transform": sample_grid(task, "lr", west, south).transform,
        "hr_transform": sample_grid(task, "hr", west, south).transform,
        "lon": round(lon, LONLAT_DIGITS),
        "lat": round(lat, LONLAT_DIGITS),
        "lr_time": _bounds(job.lr),
        "hr_time": _bounds(job.hr),
        "gap_s": job.gap_s,
        "lr_dn_offset": row.lr_dn_offset,
        **_measured(row.measured),
    }


def _bounds(side: Side) -> Sequence[int]:
    return (side.start_us, side.end_us)


def _measured(measured: Measured) -> dict[str, float | None]:
    return {
        "lr_valid_frac": measured.lr_valid_frac,
        "hr_valid_frac": measured.hr_valid_frac,
        "lr_clear_frac": measured.lr_clear_frac,
        "hr_clear_frac": measured.hr_clear_frac,
        "shift_x_px": measured.shift_x_px,
        "shift_y_px": measured.shift_y_px,
        "correlation": measured.correlation,
    }
