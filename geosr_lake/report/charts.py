"""Histograms, bars and the scatter of shifts: numbers in, positions out. No markup is made here."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from statistics import median

from geosr_lake.report import text
from geosr_lake.report.members import Member

SPLITS = ("train", "val", "test")
WIDTH, HEIGHT = 300.0, 120.0
"""Size of a histogram's plotting area."""
UNKNOWN_WIDTH = 52.0
"""Room at the right for the bar of those that have no value."""
MONTHS = "JFMAMJJASOND"


@dataclass(frozen=True)
class Bar:
    """One piece of a stacked bar; `title` says what it counts, `known` whether it has a value."""

    x: float
    y: float
    width: float
    height: float
    split: str
    title: str
    known: bool = True


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
        bars: Pieces of the bars; those of members without a value stand last.
        ticks: Labels under the bars, by x.
        levels: Lines across, by y; the last is the greatest count's.
        unknown: Members that have no value.
        words: What it shows, of how many, in a sentence.
        limit: Where a limit stands, by x, with its label; None: it has none.
    """

    name: str
    unit: str
    bars: tuple[Bar, ...]
    ticks: tuple[Tick, ...]
    levels: tuple[Tick, ...]
    unknown: int
    words: str
    limit: Tick | None = None
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
    unknown: dict[str, int],
    words: str,
    limit: Tick | None = None,
) -> Histogram:
    """Stack the counts of each class by split; ticks and limit stand between 0 and 1."""
    n_unknown = sum(unknown.values())
    levels = _levels(max((sum(c.values()) for c in [*counts, unknown]), default=0))
    reach = WIDTH - UNKNOWN_WIDTH if n_unknown else WIDTH
    width = reach / max(len(counts), 1)
    bars = []
    for i, (count, label) in enumerate(zip(counts, labels, strict=True)):
        bars += _stack(count, label, i * width + 0.75, width - 1.5, levels[-1], known=True)
    ticks = [Tick(tick.at * reach, tick.label) for tick in ticks]
    if n_unknown:
        x = reach + UNKNOWN_WIDTH / 2
        bars += _stack(unknown, "unknown", x - 9, 18.0, levels[-1], known=False)
        ticks.append(Tick(x + 4, "unknown"))
    lines = tuple(Tick(HEIGHT * (1 - n / levels[-1]), text.number(n)) for n in levels)
    line = None if limit is None else Tick(limit.at * reach, limit.label)
    return Histogram(name, unit, tuple(bars), tuple(ticks), lines, n_unknown, words, line)


def _stack(
    count: dict[str, int], label: str, x: float, width: float, top: int, *, known: bool
) -> list[Bar]:
    """Return the pieces of one bar, which is as high as its share of `top`."""
    bars, floor = [], HEIGHT
    for split in SPLITS:
        if n := count.get(split, 0):
            height = HEIGHT * n / top
            floor -= height
            title = f"{label}: {text.number(n)} {split}"
            bars.append(Bar(x, floor, width, height, split, title, known))
    return bars


def _by_split(splits: Iterable[str]) -> dict[str, int]:
    return dict(Counter(splits))


def _words(says: str, noun: str, n: int, rest: str, unknown: int) -> str:
    """Return what a chart shows, of how many, and how many it does not know, in a sentence."""
    if not n:
        return f"{says}: unknown for all {text.number(unknown)} {noun}."
    verb = "is" if unknown == 1 else "are"
    tail = f"; {text.number(unknown)} more {verb} unknown." if unknown else "."
    return f"{says}: {text.number(n)} {noun}, {rest}{tail}"


def histogram(
    members: Sequence[Member],
    name: str,
    unit: str,
    value: Callable[[Member], float | None],
    *,
    classes: int = 14,
    span: tuple[float, float] | None = None,
    says: str = "",
    noun: str = "samples",
    limit: tuple[float, str] | None = None,
) -> Histogram | None:
    """Count members by a number of theirs; None if there is no member.

    Args:
        members: What is counted.
        name: What the number is, a few words.
        unit: Its unit, may be empty.
        value: Gives the number; None is unknown and has a bar of its own.
        classes: About how many classes to make.
        span: Least and greatest number that the axis shows in any case.
        says: What the chart shows, a clause; as `name` where it is empty.
        noun: What the members are.
        limit: A number to mark on the axis, with its label; one of `span`'s range.
    """
    if not members:
        return None
    told = [(m.split, value(m)) for m in members]
    pairs = [(split, v) for split, v in told if v is not None]
    unknown = _by_split(split for split, v in told if v is None)
    if not pairs:
        words = _words(says or name, noun, 0, "", len(told))
        return _stacked(name, unit, [], [], [], unknown, words)
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
    every = next(k for k in (1, 2, 5, 10) if len(cuts) / k <= (5 if unknown else 7))
    # Zero is labelled where the axis has it.
    start = next((i for i, cut in enumerate(cuts) if cut == 0), 0) % every
    ticks = [Tick(i / len(counts), shown[i]) for i in range(start, len(cuts), every)]
    least, middle, most = (
        # A rounded zero has no sign.
        text.number(round(v, digits + 1) + 0.0, digits + 1)
        for v in (min(values), median(values), max(values))
    )
    range_of = f"from {least} to {most}, median {middle} {unit}".rstrip()
    words = _words(says or name, noun, len(values), range_of, len(told) - len(values))
    line = limit and Tick((limit[0] - cuts[0]) / (cuts[-1] - cuts[0]), limit[1])
    return _stacked(name, unit, counts, labels, ticks, unknown, words, line)


def months(
    members: Sequence[Member],
    name: str,
    moment: Callable[[Member], datetime | None],
    *,
    says: str = "",
) -> Histogram | None:
    """Count members by month of the year, UTC; None if there is no member."""
    if not members:
        return None
    counts: list[dict[str, int]] = [{} for _ in MONTHS]
    untold = []
    for m in members:
        if (when := moment(m)) is None:
            untold.append(m.split)
        else:
            month = counts[when.month - 1]
            month[m.split] = month.get(m.split, 0) + 1
    labels = [datetime(2000, i + 1, 1).strftime("%B") for i in range(12)]  # noqa: DTZ001
    ticks = [Tick((i + 0.5) / 12, letter) for i, letter in enumerate(MONTHS)]
    totals = {label: sum(c.values()) for label, c in zip(labels, counts, strict=True)}
    told = ", ".join(f"{text.number(n)} in {label}" for label, n in totals.items() if n)
    words = _words(says or name, "samples", sum(totals.values()), told, len(untold))
    return _stacked(name, "", counts, labels, ticks, _by_split(untold), words)


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
        f"{text.number(median(lengths), 3)}, largest {text.number(lengths[-1], 3)} "
        "LR pixels."
    )
    return Shifts(dots, rings, reach, len(made) - len(known), words)
