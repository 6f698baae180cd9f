"""Looks for leaks in a manifest, from its rows alone: nothing here knows how it was built."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import combinations
from typing import Literal

import numpy as np

from geosr_lake.errors import UsageError
from geosr_lake.manifest.ground import Ground, Index, compared, least_distance, within
from geosr_lake.manifest.samples import Samples

SHOWN = 20
"""Leaks of one kind that are named; all are counted."""
ROUNDING_M = 0.01
"""A distance may fall short of the buffer by so much."""

LeakKind = Literal["overlap_between_splits", "below_buffer", "overlap_in_split", "id_twice",
                   "in_other_manifest"]  # fmt: skip
SAYS: dict[LeakKind, str] = {
    "overlap_between_splits": "two samples of different splits share ground",
    "below_buffer": "two samples of different splits are closer than the buffer",
    "overlap_in_split": "two samples of one split share ground and are not of one site and subset",
    "id_twice": "an id stands twice",
    "in_other_manifest": "a sample shares ground with another split of the other manifest",
}


@dataclass(frozen=True, slots=True)
class Leak:
    """Two samples that must not both be there.

    Attributes:
        kind: A key of `SAYS`.
        a: One of them.
        b: The other.
        a_split: The split of `a`.
        b_split: The split of `b`.
        distance_m: Between their footprints; 0 where they touch.
    """

    kind: LeakKind
    a: str
    b: str
    a_split: str
    b_split: str
    distance_m: float


@dataclass(frozen=True, slots=True)
class Distance:
    """The least distance between two splits, and the samples that have it."""

    a_split: str
    b_split: str
    distance_m: float
    a: str
    b: str


@dataclass(frozen=True, slots=True)
class SplitShare:
    """What one split holds.

    Attributes:
        split: Its name.
        samples: How many.
        share: Of all samples.
        strata: Share of each stratum in this split; empty where strata are not known.
        first: Earliest time, if any is known.
        last: Latest time.
    """

    split: str
    samples: int
    share: float
    strata: dict[str, float]
    first: datetime | None
    last: datetime | None


@dataclass(frozen=True, slots=True)
class SharedScenes:
    """Scenes that samples of several splits are cut from: not a leak of ground, but of weather.

    Attributes:
        scenes: All scenes.
        shared: Those of them that serve several splits.
        samples: Samples that are cut from one of these.
        share: Of all samples.
    """

    scenes: int
    shared: int
    samples: int
    share: float


@dataclass(frozen=True, slots=True)
class Duplicates:
    """What a manifest has in common with another one.

    Attributes:
        other: Name of the other.
        same_ids: Ids that both have.
        overlaps: Pairs of samples, one of either, that share ground.
        by_splits: Number of overlaps by split here and split there, ``train/test``.
    """

    other: str
    same_ids: int
    overlaps: int
    by_splits: dict[str, int]


@dataclass(frozen=True)
class Audit:
    """What an audit found.

    Attributes:
        name: The manifest.
        samples: How many it holds.
        sites: Distinct pieces of ground among them.
        buffer_m: Least distance between splits that was asked for.
        distances: The least distance of every two splits.
        splits: What each split holds.
        worst_imbalance: Greatest difference between a stratum's share in a split and in all.
        scenes: Scenes of several splits; None where scenes are not known.
        duplicates: What it shares with another manifest, if one was given.
        counts: How many leaks of each kind.
        leaks: Some of them, the closest first.
    """

    name: str
    samples: int
    sites: int
    buffer_m: float
    distances: tuple[Distance, ...]
    splits: tuple[SplitShare, ...]
    worst_imbalance: float
    scenes: SharedScenes | None
    duplicates: Duplicates | None
    counts: dict[LeakKind, int]
    leaks: tuple[Leak, ...] = field(default=())

    @property
    def clean(self) -> bool:
        """Whether there is no leak."""
        return not any(self.counts.values())


class _Found:
    """Counts leaks, and keeps the closest of each kind."""

    def __init__(self) -> None:
        self.counts: dict[LeakKind, int] = dict.fromkeys(SAYS, 0)
        self._kept: dict[LeakKind, list[Leak]] = defaultdict(list)

    def add(self, leak: Leak) -> None:
        self.counts[leak.kind] += 1
        kept = self._kept[leak.kind]
        kept.append(leak)
        if len(kept) > 50 * SHOWN:
            self._kept[leak.kind] = self._closest(kept)

    def _closest(self, leaks: list[Leak]) -> list[Leak]:
        return sorted(leaks, key=lambda leak: (leak.distance_m, leak.a, leak.b))[:SHOWN]

    def leaks(self) -> tuple[Leak, ...]:
        return tuple(leak for kind in SAYS for leak in self._closest(self._kept[kind]))


def audit(samples: Samples, *, buffer_m: float = 0.0, other: Samples | None = None) -> Audit:
    """Look for leaks in a manifest.

    Samples of one split and the same ground are one site with several dates, no leak.

    Args:
        samples: The manifest's samples; reserves count, since each may become one.
        buffer_m: Least distance between two splits. Ground that only touches is 0 m apart.
        other: Another manifest, whose other splits must share no ground with these.

    Raises:
        UsageError: If one of them holds no sample: nothing in it would be found, and that is not
            to be taken for clean.
    """
    for one in (samples, other):
        if one is not None and not len(one):
            raise UsageError(
                "There is no sample to audit",
                where=one.name,
                next_step="Name a manifest or a file that holds samples.",
            )
    ground, found = Ground(samples.footprints), _Found()
    _close_pairs(samples, ground, buffer_m, found)
    splits: dict[str, list[str]] = defaultdict(list)
    for name, split in zip(samples.ids, samples.splits, strict=True):
        splits[name].append(split)
    for name, several in splits.items():
        if len(several) > 1:
            found.add(Leak("id_twice", name, name, several[0], several[-1], 0.0))
    duplicates = None if other is None else _duplicates(samples, ground, other, found)
    return Audit(
        name=samples.name,
        samples=len(samples),
        sites=len(set(samples.grounds)),
        buffer_m=buffer_m,
        distances=tuple(_distances(samples)),
        splits=tuple(shares := _shares(samples)),
        worst_imbalance=_worst_imbalance(samples, shares),
        scenes=_shared_scenes(samples),
        duplicates=duplicates,
        counts=found.counts,
        leaks=found.leaks(),
    )


def _close_pairs(samples: Samples, ground: Ground, buffer_m: float, found: _Found) -> None:
    for i, j, metres, overlap in _compared_within(ground, ground, buffer_m):
        for a, b, apart, share in zip(i, j, metres, overlap, strict=True):
            one_split = samples.splits[a] == samples.splits[b]
            kind: LeakKind
            if share and not one_split:
                kind = "overlap_between_splits"
            elif share and not _several_pairs(samples, int(a), int(b)):
                kind = "overlap_in_split"
            elif not one_split and apart < buffer_m - ROUNDING_M:
                kind = "below_buffer"
            else:
                continue
            found.add(_leak(kind, samples, int(a), samples, int(b), float(apart)))


def _several_pairs(samples: Samples, a: int, b: int) -> bool:
    """Tell whether two samples are of one site and subset, of which several pairs were kept."""
    return samples.grounds[a] == samples.grounds[b] and samples.of_one_subset(a, b)


def _leak(kind: LeakKind, one: Samples, a: int, other: Samples, b: int, apart: float) -> Leak:
    return Leak(kind, one.ids[a], other.ids[b], one.splits[a], other.splits[b], apart)


def _compared_within(
    a: Ground, b: Ground, most_m: float
) -> Iterator[tuple[list[int], list[int], list[float], list[bool]]]:
    for i, j in within(a, b, most_m):
        metres, overlap = compared(a, b, i, j)
        yield i.tolist(), j.tolist(), metres.tolist(), overlap.tolist()


def _distances(samples: Samples) -> Iterator[Distance]:
    """Yield the least distance of every two splits."""
    names = np.array(samples.splits)
    numbers: dict[str, Index] = {s: np.flatnonzero(names == s) for s in sorted(set(samples.splits))}
    grounds = {s: Ground(samples.footprints[at]) for s, at in numbers.items()}
    for one, two in combinations(grounds, 2):
        least = least_distance(grounds[one], grounds[two])
        if least is not None:
            metres, i, j = least
            a, b = samples.ids[numbers[one][i]], samples.ids[numbers[two][j]]
            yield Distance(one, two, metres, a, b)


def _shares(samples: Samples) -> list[SplitShare]:
    told = []
    for split in sorted(set(samples.splits)):
        at = [i for i, name in enumerate(samples.splits) if name == split]
        strata = Counter(s for i in at if (s := samples.strata[i]) is not None)
        times = [t for i in at if (t := samples.times[i]) is not None]
        told.append(
            SplitShare(
                split,
                len(at),
                len(at) / len(samples),
                {name: n / len(at) for name, n in sorted(strata.items())},
                min(times, default=None),
                max(times, default=None),
            )
        )
    return told


def _worst_imbalance(samples: Samples, shares: list[SplitShare]) -> float:
    whole = Counter(name for name in samples.strata if name is not None)
    return max(
        (
            abs(one.strata.get(name, 0.0) - n / len(samples))
            for one in shares
            for name, n in whole.items()
        ),
        default=0.0,
    )


def _shared_scenes(samples: Samples) -> SharedScenes | None:
    serves: dict[str, set[str]] = defaultdict(set)
    for scenes, split in zip(samples.scenes, samples.splits, strict=True):
        for scene in scenes:
            serves[scene].add(split)
    if not serves:
        return None
    shared = {scene for scene, splits in serves.items() if len(splits) > 1}
    cut = sum(not shared.isdisjoint(scenes) for scenes in samples.scenes)
    return SharedScenes(len(serves), len(shared), cut, cut / len(samples))


def _duplicates(samples: Samples, ground: Ground, other: Samples, found: _Found) -> Duplicates:
    by_splits: Counter[str] = Counter()
    for i, j, metres, overlap in _compared_within(ground, Ground(other.footprints), 0.0):
        for a, b, apart, share in zip(i, j, metres, overlap, strict=True):
            if not share:
                continue
            here, there = samples.splits[a], other.splits[b]
            by_splits[f"{here}/{there}"] += 1
            if here != there:
                found.add(_leak("in_other_manifest", samples, a, other, b, apart))
    same = len(set(samples.ids) & set(other.ids))
    return Duplicates(other.name, same, by_splits.total(), dict(sorted(by_splits.items())))
