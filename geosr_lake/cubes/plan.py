"""The plan: which shard group holds which samples, and what they will cost. Pure functions."""

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from geosr_lake.cubes.inputs import CubeInputs
from geosr_lake.cubes.jobs import SampleJob, ShardPlan
from geosr_lake.cubes.layout import pixel_arrays
from geosr_lake.sensors.model import Band
from geosr_lake.sensors.tasks import Task

ASSUMED_BLOCK_PX = 512
"""Edge of a block of a cloud-optimised GeoTIFF, for the estimate; archives use 256 to 1024."""
ASSUMED_RATIO = 1.5
"""Raw bytes to bytes on disk, as measured on textures like imagery with lz4 and bitshuffle."""


@dataclass(frozen=True)
class Estimate:
    """What the plan will cost, before anything is opened.

    Attributes:
        shards: Shard groups.
        samples: Slots.
        reserves: Reserves dealt to the shards.
        source_requests: Ranges asked for if nothing is shared between samples: one header and the
            blocks of each raster.
        source_bytes: Bytes of those blocks, decoded.
        output_raw_bytes: Bytes of all arrays, not compressed.
        output_bytes: Bytes on disk at the assumed ratio.
    """

    shards: int
    samples: int
    reserves: int
    source_requests: int
    source_bytes: int
    output_raw_bytes: int
    output_bytes: int


def make_plan(inputs: CubeInputs) -> dict[str, list[ShardPlan]]:
    """Return the shard groups of every split that has samples.

    Samples fill the shards in their order. The reserves of a split are dealt in their order, round
    after round, to the shards that hold samples of their subset.
    """
    return {
        split: _plan_split(inputs, split, jobs, inputs.reserves[split])
        for split, jobs in inputs.samples.items()
        if jobs
    }


def _plan_split(
    inputs: CubeInputs, split: str, jobs: list[SampleJob], reserves: list[SampleJob]
) -> list[ShardPlan]:
    size = inputs.rule.shard_samples
    groups = [jobs[first : first + size] for first in range(0, len(jobs), size)]
    dealt = deal([{job.subset for job in group} for group in groups], reserves)
    return [
        ShardPlan(
            task=inputs.task.name,
            split=split,
            shard=shard,
            first_index=shard * size,
            jobs=tuple(group),
            reserves=tuple(dealt[shard]),
            window_us=inputs.window_us,
            rule=inputs.rule,
        )
        for shard, group in enumerate(groups)
    ]


def deal(subsets: list[set[str]], reserves: Iterable[SampleJob]) -> list[list[SampleJob]]:
    """Deal reserves to shards.

    Args:
        subsets: The subsets that each shard holds samples of.
        reserves: In the order in which they are to be used.

    Returns:
        The reserves of each shard, in order. One whose subset no shard holds is left out.
    """
    hands: list[list[SampleJob]] = [[] for _ in subsets]
    dealt: dict[str, int] = defaultdict(int)
    for reserve in reserves:
        seats = [shard for shard, held in enumerate(subsets) if reserve.subset in held]
        if seats:
            hands[seats[dealt[reserve.subset] % len(seats)]].append(reserve)
            dealt[reserve.subset] += 1
    return hands


def estimate(task: Task, plans: Iterable[ShardPlan]) -> Estimate:
    """Return what `plans` will cost at most: samples that share blocks share their reading."""
    listed = list(plans)
    samples = sum(len(plan.jobs) for plan in listed)
    requests, source_bytes = _sample_cost(task)
    raw = sum(_raw_bytes(task, plan) for plan in listed)
    return Estimate(
        shards=len(listed),
        samples=samples,
        reserves=sum(len(plan.reserves) for plan in listed),
        source_requests=samples * requests,
        source_bytes=samples * source_bytes,
        output_raw_bytes=raw,
        output_bytes=int(raw / ASSUMED_RATIO),
    )


def _raw_bytes(task: Task, plan: ShardPlan) -> int:
    specs = pixel_arrays(task, len(plan.jobs), plan.rule.shard_samples, plan.rule.codec)
    return sum(math.prod(spec.shape) * np.dtype(spec.dtype).itemsize for spec in specs)


def _sample_cost(task: Task) -> tuple[int, int]:
    """Return requests and bytes of one sample."""
    requests = total = 0
    for sensor in (task.lr, task.hr):
        assets: dict[str, list[Band]] = defaultdict(list)
        for band in sensor.bands:
            assets[band.asset].append(band)
        for bands in assets.values():
            # A window at a random place touches one block more than fits, along each axis.
            along = math.ceil(task.site_size_m / bands[0].gsd_m / ASSUMED_BLOCK_PX) + 1
            pixel_bytes = sum(np.dtype(band.dtype).itemsize for band in bands)
            requests += 1 + along**2
            total += along**2 * ASSUMED_BLOCK_PX**2 * pixel_bytes
    return requests, total
