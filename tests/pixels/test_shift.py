"""The estimated shift of LR against HR: none where there is none, one pixel where one is."""

from collections.abc import Callable

import numpy as np
import pytest
from demo_jobs import MODIS_LANDSAT8, S2_NAIP, Truth

from geosr_lake.cubes.jobs import Measured
from geosr_lake.cubes.measure import measure
from geosr_lake.sensors.tasks import Task

Record = Callable[[str, object], None]
WINDOW_US = 30 * 86_400_000_000


def measured(truth: Truth, task: Task, at_most: int) -> list[Measured]:
    jobs = truth.fine_jobs() if task is S2_NAIP else truth.coarse_jobs()
    return [
        measure(
            task,
            truth.read(task, "lr", job, WINDOW_US),
            truth.read(task, "hr", job, WINDOW_US),
        )
        for job, _, _ in list(jobs)[:at_most]
    ]


def errors(found: list[Measured], x: float, y: float) -> np.ndarray:
    shifts = [(m.shift_x_px, m.shift_y_px) for m in found if m.shift_x_px is not None]
    assert len(shifts) > 0.6 * len(found), "most samples have texture enough"
    return np.abs(np.array(shifts, dtype=float) - (x, y))


def test_sentinel2_lies_on_naip(truth: Truth, record_property: Record) -> None:
    found = measured(truth, S2_NAIP, 16)
    off = errors(found, 0, 0)
    record_property("shift of s2_naip", off.max(axis=0).tolist())
    assert off.max() < 0.1
    assert min(m.correlation or 0 for m in found if m.lr_clear_frac == 1) > 0.95


def test_modis_lies_on_landsat(truth: Truth, record_property: Record) -> None:
    found = measured(truth, MODIS_LANDSAT8, 6)
    off = errors(found, 0, 0)
    record_property("shift of modis_landsat8", off.max(axis=0).tolist())
    assert off.max() < 0.1
    assert min(m.correlation or 0 for m in found) > 0.8


def test_a_planted_pixel_is_found_in_sentinel2(moved_s2: Truth, record_property: Record) -> None:
    off = errors(measured(moved_s2, S2_NAIP, 12), 1, 1)
    record_property("planted shift of s2_naip", off.max(axis=0).tolist())
    assert off.max() < 0.15


@pytest.mark.slow
def test_a_planted_pixel_is_found_in_modis(moved_modis: Truth, record_property: Record) -> None:
    off = errors(measured(moved_modis, MODIS_LANDSAT8, 4), -1, 0)
    record_property("planted shift of modis_landsat8", off.max(axis=0).tolist())
    assert off.max() < 0.15
