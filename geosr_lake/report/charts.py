"""Histograms, bars and the scatter of shifts: numbers in, positions out. No markup is made here."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from geosr_lake.report import text
from geosr_lake.report.members import Member

SPLITS = ("train", "val", "test")
WIDTH, HEIGHT = 300.0, 120.0
"""Size of a histogram's plotting area."""
DAY_S = 86_400.0
MONTHS = "JFMAMJJASOND"


@dataclass(frozen=True)
class Bar:
    """One piece of a stacked bar; `title` says what it counts."""

    x: float
    y: float
    width: float
    height: float
    split: str
    title: str


@dataclass(frozen=True)
class Tick:
    """A label on an axis."""

    at: float
    label: str


@dataclass(frozen=True)
class Histogram:
    """Counts by class, stacked by split.

    Attributes:
        name: What is counted.
        unit: Unit of the classes, may be empty.
        bars: Pieces of the bars.
        ticks: Labels under the bars, by x.
        levels: Lines across, by y; the last is the greatest count's.
        unknown: Members that have no value.
        words: The histogram in a sentence.
    """

    name: str
    unit: str
    bars: tuple[Bar, ...]
    ticks: tuple[Tick, ...]
    levels: tuple[Tick, ...]
    unknown: int
    words: str
    width: float = WIDTH
    height: float = HEIGHT


def nice_step(span: float, classes: int) -> float:
    """Return the least 1, 2 or 5 times a power of ten that cuts `span` into `classes`."""
    least = span / classes
    power: float = 10.0 ** math.floor(math.log10(least))
    return next(k * power for k in (1.0, 2.0, 5.0, 10.0) if k * power >= least * (1 - 1e-9))


def edges(values: Sequence[float], classes: int) -> list[float]:
    """Return even class edges at nice numbers that hold all values.

    Args:
        values: At least one.
        classes: About how many classes to make, at most one more.
    """
    low, high = min(values), max(values)
    greatest = max(abs(low), abs(high))
    # Values that are all but one still need a class to stand in.
    step = nice_step(max(high - low, 1e-3 * greatest) or 1.0, classes)
    first = math.floor(low / step + 1e-9)
    last = max(math.ceil(high / step - 1e-9), first + 1)
    return [i * step for i in range(first, last + 1)]


def _levels(most: int) -> list[int]:
    """Return up to four whole counts for the lines across, the greatest at least `most`."""
    step = max(1, math.ceil(nice_step(max(most, 1), 3)))
    return list(range(step, step * math.ceil(most / step) + 1, step)) or [1]


def _stacked(
    name: str,
    unit: str,
    counts: Sequence[dict[str, int]],
    labels: Sequence[str],
    ticks: Sequence[Tick],
    unknown: int,
    summary: str,
) -> Histogram:
    """Stack the counts of each class by split."""
    levels = _levels(max((sum(c.values()) for c in counts), default=0))
    top = levels[-1]
    width = WIDTH / len(counts)
    bars = []
    for i, (count, label) in enumerate(zip(counts, labels, strict=True)):
        floor = HEIGHT
        for split in SPLITS:
            if n := count.get(split, 0):
                height = HEIGHT * n / top
                floor -= height
                title = f"{label}: {n} {split}"
                bars.append(Bar(i * width + 0.75, floor, width - 1.5, height, split, title))
    lines = tuple(Tick(HEIGHT * (1 - n / top), text.number(n)) for n in levels)
    return Histogram(name, unit, tuple(bars), tuple(ticks), lines, unknown, summary)


def histogram(
    members: Sequence[Member],
    name: str,
    unit: str,
    value: Callable[[Member], float | None],
    *,
    classes: int = 14,
    span: tuple[float, float] | None = None,
) -> Histogram | None:
    """Count members by a number of theirs; None if no member has it.

    Args:
        members: What is counted.
        name: What the number is, a few words.
        unit: Its unit, may be empty.
        value: Gives the number; None is unknown and counted apart.
        classes: About how many classes to make.
        span: Least and greatest number that the axis shows in any case.
    """
    pairs = [(m.split, v) for m in members if (v := value(m)) is not None]
    if not pairs:
        return None
    values = [v for _, v in pairs]
    cuts = edges([*values, *(span or ())], classes)
    step = cuts[1] - cuts[0]
    counts: list[dict[str, int]] = [{} for _ in cuts[1:]]
    for split, v in pairs:
        i = min(max(math.floor((v - cuts[0]) / step + 1e-9), 0), len(counts) - 1)
        counts[i][split] = counts[i].get(split, 0) + 1
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    shown = [text.number(cut, digits) for cut in cuts]
    labels = [f"{a} to {b}{text.THIN}{unit}" for a, b in pairwise(shown)]
    every = next(k for k in (1, 2, 5, 10) if len(cuts) / k <= 7)
    # Zero is labelled where the axis has it.
    start = next((i for i, cut in enumerate(cuts) if cut == 0), 0) % every
    ticks = [Tick(i * WIDTH / len(counts), shown[i]) for i in range(start, len(cuts), every)]
    middle = sorted(values)[len(values) // 2]
    summary = (
        f"{name}: {len(values)} known, from {text.number(min(values), digits + 1)} to "
        f"{text.number(max(values), digits + 1)} {unit}, median {text.number(middle, digits + 1)}."
    )
    unknown = len(members) - len(values)
    return _stacked(name, unit, counts, labels, ticks, unknown, summary)


def months(
    members: Sequence[Member], name: str, moment: Callable[[Member], datetime | None]
) -> Histogram | None:
    """Count members by month of the year, UTC; None if no member has a moment."""
    counts: list[dict[str, int]] = [{} for _ in MONTHS]
    unknown = 0
    for m in members:
        if (when := moment(m)) is None:
            unknown += 1
        else:
            month = counts[when.month - 1]
            month[m.split] = month.get(m.split, 0) + 1
    if unknown == len(members):
        return None
    width = WIDTH / 12
    labels = [datetime(2000, i + 1, 1).strftime("%B") for i in range(12)]  # noqa: DTZ001
    ticks = [Tick((i + 0.5) * width, letter) for i, letter in enumerate(MONTHS)]
    totals = {label: sum(c.values()) for label, c in zip(labels, counts, strict=True)}
    summary = f"{name}: " + ", ".join(f"{n} in {label}" for label, n in totals.items() if n) + "."
    return _stacked(name, "", counts, labels, ticks, unknown, summary)


def of_manifest(members: Sequence[Member], lr: str, hr: str) -> tuple[Histogram, ...]:
    """Return the histograms of a manifest that have anything to show.

    Args:
        members: Samples and reserves; what the pixels say is counted for all that were read.
        lr: Name of the LR sensor.
        hr: Name of the HR sensor.
    """
    made = [m for m in members if m.measured]
    planned = [m for m in members if m.role == "sample"]
    found = (
        histogram(planned, f"Gap, {hr} minus {lr}", "days", lambda m: m.gap_s / DAY_S),
        months(planned, f"Month of {hr}", lambda m: m.hr.t_start if m.hr else None),
        histogram(
            planned, f"Cloud of the {lr} scene", "%",
            lambda m: None if m.lr_cloud_frac is None else 100 * m.lr_cloud_frac, span=(0.0, 10.0),
        ),
        histogram(
            planned, f"Cloud of the {hr} scene", "%",
            lambda m: None if m.hr_cloud_frac is None else 100 * m.hr_cloud_frac, span=(0.0, 10.0),
        ),
        histogram(
            made, f"Clear pixels of {lr}", "%",
            lambda m: 100 * m.measured.lr_clear_frac if m.measured else None, span=(99.0, 100.0),
        ),
        histogram(
            made, f"Clear pixels of {hr}", "%",
            lambda m: 100 * m.measured.hr_clear_frac if m.measured else None, span=(99.0, 100.0),
        ),
        histogram(
            made, "Correlation at the pixels", "",
            lambda m: m.measured.correlation if m.measured else None, span=(0.9, 1.0),
        ),
    )  # fmt: skip
    return tuple(h for h in found if h is not None)


@dataclass(frozen=True)
class Dot:
    """One sample in the scatter of shifts."""

    x: float
    y: float
    split: str
    title: str


@dataclass(frozen=True)
class Shifts:
    """The estimated shift of LR against HR of every sample, on rings.

    Attributes:
        dots: In a box from -1 to 1 that stands for `reach` LR pixels.
        rings: Radius in the box, and its length in LR pixels as a label.
        reach: LR pixels from the middle to the edge.
        unknown: Materialized samples whose shift cannot be told.
        words: The scatter in a sentence.
    """

    dots: tuple[Dot, ...]
    rings: tuple[Tick, ...]
    reach: float
    unknown: int
    words: str


def shifts(members: Sequence[Member]) -> Shifts | None:
    """Lay out the shifts of materialized members; None if none has one."""
    made = [m for m in members if m.measured]
    known = [(m, m.measured.shift_px) for m in made if m.measured and m.measured.shift_px]
    if not known:
        return None
    lengths = sorted(math.hypot(*shift) for _, shift in known)
    reach = next((r for r in (0.1, 0.2, 0.5, 1.0, 2.0, 5.0) if r >= lengths[-1] * 1.04), 10.0)
    dots = tuple(
        Dot(x / reach, y / reach, m.split,
            f"{m.sample_id}: {text.signed(x, 3)} east, {text.signed(y, 3)} south")
        for m, (x, y) in known
    )  # fmt: skip
    rings = tuple(Tick(k / 2, f"{k / 2 * reach:g}") for k in (1, 2))
    words = (
        f"Estimated shift of {len(known)} samples: median "
        f"{text.number(lengths[len(lengths) // 2], 3)}, largest {text.number(lengths[-1], 3)} "
        "LR pixels."
    )
    return Shifts(dots, rings, reach, len(made) - len(known), words)


@dataclass(frozen=True)
class Cell:
    """A row of the table of strata: samples by split, in the order of `SPLITS`."""

    stratum: str
    by_split: tuple[int, ...]
    total: int
    materialized: int
    reserves: int


def strata(members: Sequence[Member]) -> tuple[Cell, ...]:
    """Count samples by stratum and split; the last row is their sum."""
    names = sorted({m.stratum for m in members})
    groups = [(name, [m for m in members if m.stratum == name]) for name in names]
    rows = []
    for name, group in [*groups, ("all", list(members))]:
        samples = [m for m in group if m.role == "sample"]
        rows.append(
            Cell(
                stratum=name,
                by_split=tuple(sum(m.split == split for m in samples) for split in SPLITS),
                total=len(samples),
                materialized=sum(m.measured is not None for m in group),
                reserves=len(group) - len(samples),
            )
        )
    return tuple(rows)
