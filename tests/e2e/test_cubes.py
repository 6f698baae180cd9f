"""The demo's Zarr stores against the files that their samples name, by the plainest arithmetic."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from numpy.typing import NDArray

from geosr_lake.cubes.inputs import read_inputs
from geosr_lake.cubes.read import Sources, read_side
from geosr_lake.lake import Lake
from geosr_lake.net import SourcePolicy
from geosr_lake.net.gdal_env import load_rasterio
from geosr_lake.sensors.tasks import TASKS

pytestmark = pytest.mark.spark

TIMES = {
    "modis_landsat8": {"hr": {30: 1}},
    "s2_naip": {"lr": {10: 1, 20: 2, 60: 6}, "hr": {0.6: 1}},
}
"""Sides whose grid is the source's own, and how often a pixel of each of its sizes stands there."""


@pytest.fixture(scope="module")
def lake(demo_output: dict[str, Any]) -> Lake:
    return Lake.open(demo_output["lake"])


@pytest.fixture(scope="module")
def places(lake: Lake) -> dict[str, dict[str, Any]]:
    """Rows of the manifests by sample."""
    return {row["sample_id"]: row for row in lake.arrow("manifest").to_pylist()}


@pytest.fixture(scope="module")
def assets(lake: Lake) -> dict[str, dict[str, str]]:
    """Files by the name that `samples` gives an item."""
    return {
        f"{row['archive']}/{row['collection']}/{row['item_id']}": dict(row["assets"])
        for row in lake.arrow("items").to_pylist()
        if row["outcome"] == "kept"
    }


def window(path: str, place: dict[str, Any]) -> NDArray[Any] | None:
    """The file's own pixels under a site; None where its grid is another one."""
    rasterio = load_rasterio()
    from rasterio.windows import Window

    with rasterio.open(path) as opened:
        a, _, c, _, e, f = tuple(opened.transform)[:6]
        assert a == -e
        column = (place["x_m"] - c) / a
        row = (f - place["y_m"] - place["size_m"]) / a
        if opened.crs.to_epsg() % 100 != place["epsg"] % 100 or column % 1 or row % 1:
            return None
        count = round(place["size_m"] / a)
        rows, columns = (slice(int(at), int(at) + count) for at in (row, column))
        pixels: NDArray[Any] = opened.read(window=Window.from_slices(rows, columns))
        return pixels


@pytest.mark.parametrize("task_name", TIMES)
def test_where_grids_coincide_a_cube_holds_the_files_numbers(
    lake: Lake, places: dict[str, Any], assets: dict[str, Any], task_name: str
) -> None:
    task, compared = TASKS[task_name], Counter[str]()
    for sample in lake.arrow("samples", filters=[("task", "=", task_name)]).to_pylist():
        group = zarr.open_group(lake.root / sample["cube"], mode="r")
        for side, times in TIMES[task_name].items():
            sensor = task.lr if side == "lr" else task.hr
            roles = task.lr_bands if side == "lr" else task.hr_bands
            stored = np.asarray(group[side][sample["index"]])
            files = assets[sample[f"{side}_item"]]
            for number, role in enumerate(roles):
                band = sensor.band(role)
                source = window(files[band.asset], places[sample["sample_id"]])
                if source is None:
                    continue
                one = source[number if len(source) > 1 else 0]
                repeated = np.kron(one, np.ones((times[band.gsd_m],) * 2, one.dtype))
                assert np.array_equal(stored[number], repeated), (sample["sample_id"], role)
                compared[side] += 1
    samples = lake.arrow("samples", filters=[("task", "=", task_name)]).num_rows
    for side in TIMES[task_name]:  # one photograph of NAIP lies beside the grid
        assert compared[side] >= 0.8 * samples * len(getattr(task, f"{side}_bands"))


@pytest.mark.parametrize("task_name", TIMES)
def test_a_cube_holds_what_reading_gave(
    lake: Lake, demo_output: dict[str, Any], task_name: str
) -> None:
    """Pixels, masks and ages; what reading gives is held against the truth in tests/pixels."""
    policy, flagged = SourcePolicy.of([Path(demo_output["archive"])]), 0
    samples = lake.arrow("samples", filters=[("task", "=", task_name)]).to_pylist()
    inputs = read_inputs(lake, samples[0]["manifest_id"])
    for sample in samples[:: 1 if task_name == "modis_landsat8" else 6]:
        job = inputs.jobs[sample["sample_id"]]
        group = zarr.open_group(lake.root / sample["cube"], mode="r")
        with Sources(policy) as sources:
            for side in ("lr", "hr"):
                read = read_side(sources, inputs.task, side, job, inputs.window_us)
                arrays = {side: read.numbers, f"{side}_mask": read.mask}
                if read.age_days is not None:
                    arrays["lr_age_days"] = read.age_days
                for name, expected in arrays.items():
                    stored = np.asarray(group[name][sample["index"]])
                    assert np.array_equal(stored, expected), (sample["sample_id"], name)
                flagged += int((read.mask != 0).sum())
        a, b, c, d, e, f = np.asarray(group["lr_transform"][sample["index"]])
        assert (a, b, d, e) == (inputs.task.lr_gsd_m, 0, 0, -inputs.task.lr_gsd_m)
        assert (c, f) == (job.x_m, job.y_m + inputs.task.site_size_m)
    if task_name == "modis_landsat8":
        assert flagged, "no sample has a flagged pixel"
