"""What a shard is asked to do and what it answers: plain values that travel to any worker."""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Literal

from geosr_lake.ids import digest
from geosr_lake.recipe import CubeRule

PIXEL_RULES = 1
"""Version of the rules in `read`, `resample`, `sinusoidal` and `measure`: it rises when the same
sources would give other bytes, so that shards of the earlier rules are made anew."""


@dataclass(frozen=True)
class SourceItem:
    """One archive item of a scene.

    Attributes:
        label: archive/collection/id.
        assets: Canonical band role -> unsigned href.
        dn_offset: To be added to its digital numbers before scaling; None: it does not say.
    """

    label: str
    assets: dict[str, str]
    dn_offset: int | None


@dataclass(frozen=True)
class Side:
    """The scene of one side.

    Attributes:
        scene_id: The scene.
        start_us: Start of the acquisition, microseconds since 1970, UTC.
        end_us: End of it.
        items: The winner and then the superseded ones, best first.
    """

    scene_id: str
    start_us: int
    end_us: int
    items: tuple[SourceItem, ...]


@dataclass(frozen=True)
class SampleJob:
    """One sample: a square of ground and two scenes."""

    sample_id: str
    subset: str
    stratum: str
    site_id: str
    epsg: int
    x_m: int
    y_m: int
    gap_s: float
    lr: Side
    hr: Side


@dataclass(frozen=True)
class ShardPlan:
    """What one shard group has to hold.

    Attributes:
        task: SR task.
        split: train, val or test.
        shard: Number of the shard group, from 0.
        first_index: Index of its first slot in the cube.
        jobs: One a slot.
        reserves: What takes the place of a sample that fails, in order.
        window_us: The recipe's window, microseconds.
        rule: The recipe's rule of cubes.
    """

    task: str
    split: str
    shard: int
    first_index: int
    jobs: tuple[SampleJob, ...]
    reserves: tuple[SampleJob, ...]
    window_us: int
    rule: CubeRule

    @property
    def name(self) -> str:
        """Split and number, for people and for task keys."""
        return f"{self.split}/{self.shard}"

    @cached_property
    def plan_hash(self) -> str:
        """A hash of everything that decides the shard's bytes."""
        asked = {
            "rules": PIXEL_RULES,
            "task": self.task,
            "split": self.split,
            "shard": self.shard,
            "first_index": self.first_index,
            "jobs": [asdict(job) for job in self.jobs],
            "reserves": [asdict(job) for job in self.reserves],
            "window_us": self.window_us,
            "rule": json.loads(self.rule.canonical()),
        }
        text = json.dumps(asked, sort_keys=True, separators=(",", ":"))
        return "pln-" + digest([hashlib.sha256(text.encode()).hexdigest()])


@dataclass(frozen=True)
class Measured:
    """What was measured at a sample's pixels; shares are fractions, shifts LR pixels."""

    lr_valid_frac: float
    hr_valid_frac: float
    lr_clear_frac: float
    hr_clear_frac: float
    shift_x_px: float | None
    shift_y_px: float | None
    correlation: float | None


@dataclass(frozen=True)
class Placed:
    """A sample that stands in the cube.

    Attributes:
        index: Along the cube's first dimension.
        sample_id: The sample.
        subset: Its subset.
        replaces: The sample whose place this reserve took, or None.
        measured: At its pixels.
        lr_item: Label of the item whose LR pixels were read.
        hr_item: The same for HR.
        lr_dn_offset: Of the LR item.
    """

    index: int
    sample_id: str
    subset: str
    replaces: str | None
    measured: Measured
    lr_item: str
    hr_item: str
    lr_dn_offset: int | None


@dataclass(frozen=True)
class WrittenFile:
    """One file of a shard group: path relative to the store, size, SHA-256 in hexadecimal."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Rejection:
    """A sample that failed for good at its pixels."""

    sample_id: str
    reason: str


@dataclass(frozen=True)
class ShardResult:
    """What a shard group answers: the content of its rows in `shards` and `samples`.

    Attributes:
        plan: What was asked.
        status: `done`, or `undone` after a failure that may heal.
        placed: Samples that stand in the cube, by index.
        files: Its files.
        rejected: Samples that failed for good, in the order tried.
        bytes_read: Bytes of source pixels decoded.
        seconds: Wall time.
        message: Why it is undone.
    """

    plan: ShardPlan
    status: Literal["done", "undone"]
    placed: tuple[Placed, ...] = ()
    files: tuple[WrittenFile, ...] = ()
    rejected: tuple[Rejection, ...] = ()
    bytes_read: int = 0
    seconds: float = 0.0
    message: str = field(default="")
