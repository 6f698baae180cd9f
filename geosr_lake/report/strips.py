"""Pictures of samples: which are shown, and what is drawn of each from the Zarr stores."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from geosr_lake.arrays import Floats
from geosr_lake.lake import Progress
from geosr_lake.report import pixels, png
from geosr_lake.report.members import Measured, Member
from geosr_lake.sensors.quality import MASK_MEANINGS, MASK_UNKNOWN, MaskBit
from geosr_lake.sensors.tasks import Task

STRIP_PX = 320
"""Edge of the HR picture of a strip."""
OPENING_PX = 600
"""Edge of the HR picture that opens a manifest."""
STAMP_PX = 100
"""Edge of the HR picture of a stamp."""
DIFFERENCE_FULL = 0.05
"""Difference in reflectance that is drawn in full colour."""


@dataclass(frozen=True)
class Flag:
    """How one flag of the masks is drawn; `bit` 0 stands for pixels that are unknown."""

    bit: int
    words: str
    rgb: tuple[int, int, int]

    @property
    def colour(self) -> str:
        """The colour as CSS and SVG write it."""
        return "#{:02x}{:02x}{:02x}".format(*self.rgb)


_RGB = {
    MaskBit.NODATA: (126, 132, 138),
    MaskBit.OUTSIDE_WINDOW: (232, 178, 60),
    MaskBit.CLOUD: (86, 160, 211),
    MaskBit.CLOUD_SHADOW: (58, 78, 112),
    MaskBit.CIRRUS: (160, 134, 200),
    MaskBit.SNOW_ICE: (52, 180, 172),
    MaskBit.DEFECTIVE: (214, 82, 62),
}
FLAGS = (
    *(Flag(int(bit), MASK_MEANINGS[bit], rgb) for bit, rgb in _RGB.items()),
    Flag(0, "unknown", (176, 156, 132)),
)
"""In the order in which a pixel that has several is drawn: the first wins."""


@dataclass(frozen=True)
class MaskPicture:
    """Flags as a ``data:`` address; `flags` are the words of those that it holds."""

    uri: str
    flags: tuple[str, ...]


@dataclass(frozen=True)
class Strip:
    """The pictures of one sample as ``data:`` addresses.

    Attributes:
        member: The sample.
        measured: What was found at its pixels.
        lr: True colour of low resolution, one picture pixel a pixel.
        hr: True colour of high resolution, averaged by area.
        difference: LR minus fitted HR; clear where there is none.
        lr_mask: Flags of low resolution.
        hr_mask: Flags of high resolution.
    """

    member: Member
    measured: Measured
    lr: str
    hr: str
    difference: str
    lr_mask: MaskPicture
    hr_mask: MaskPicture

    @property
    def flags(self) -> tuple[str, ...]:
        """Words of the flags that the two masks hold."""
        return tuple(dict.fromkeys((*self.lr_mask.flags, *self.hr_mask.flags)))


@dataclass(frozen=True)
class Stamp:
    """A sample in small, both sides as ``data:`` addresses."""

    member: Member
    lr: str
    hr: str


def _flagged(member: Member) -> float:
    found = member.measured
    return 0.0 if found is None else 2.0 - found.lr_clear_frac - found.hr_clear_frac


def choose(members: Sequence[Member], most: int) -> list[Member]:
    """Choose materialized members to show: in turn from each split and stratum, by rank.

    The last of them, if there is one that has more flagged pixels than those, is the one with the
    most: masks are to be seen at work.
    """
    groups: dict[tuple[str, str], list[Member]] = {}
    for m in sorted((m for m in members if m.measured), key=lambda m: (m.rank, m.sample_id)):
        groups.setdefault((m.split, m.stratum), []).append(m)
    order = {"train": 0, "test": 1, "val": 2}
    queues = [groups[key] for key in sorted(groups, key=lambda key: (order[key[0]], key[1]))]
    turns = [m for turn in _turns(queues) for m in turn]
    chosen = turns[:most]
    worst = max(turns, key=lambda m: (_flagged(m), m.sample_id), default=None)
    if worst is not None and len(turns) > most > 0 and _flagged(worst) > 0 and worst not in chosen:
        chosen[-1] = worst
    return chosen


def _turns(queues: Sequence[Sequence[Member]]) -> Iterable[list[Member]]:
    for i in range(max(map(len, queues), default=0)):
        yield [queue[i] for queue in queues if i < len(queue)]


def mask_picture(mask: png.Bytes) -> MaskPicture:
    """Draw flags as colours; pixels without a flag are transparent."""
    indices = np.zeros(mask.shape, dtype=np.uint8)
    known = mask != MASK_UNKNOWN
    words = []
    for i, flag in reversed(list(enumerate(FLAGS, start=1))):
        hit = ((mask & flag.bit) > 0) & known if flag.bit else ~known
        if hit.any():
            indices[hit] = i
            words.append(flag.words)
    palette = [(0, 0, 0, 0), *((*flag.rgb, 255) for flag in FLAGS)]
    return MaskPicture(png.data_uri(png.palette_png(indices, palette)), tuple(reversed(words)))


_LESS, _MORE, _NONE = (47, 102, 144), (168, 64, 46), (126, 132, 138)
_STEPS = 100


def difference_picture(difference: Floats, full: float) -> str:
    """Draw signed numbers: blue below 0, red above, the more opaque the greater.

    Args:
        difference: (n, n), NaN where unknown: drawn grey.
        full: What is drawn opaque, and all beyond it.
    """
    scaled = np.clip(difference / full, -1.0, 1.0) * _STEPS
    steps = np.where(np.isnan(scaled), 2 * _STEPS + 1, np.rint(np.nan_to_num(scaled)) + _STEPS)
    palette = [(*(_LESS if i < 0 else _MORE), round(255 * abs(i) / _STEPS))
               for i in range(-_STEPS, _STEPS + 1)]  # fmt: skip
    return png.data_uri(png.palette_png(steps.astype(np.uint8), [*palette, (*_NONE, 140)]))


def _pair(found: pixels.Pixels, size: int, colours: int) -> tuple[str, str]:
    lr_span, hr_span = found.spans
    lr = png.picture_png(*png.to_rgb(found.lr, lr_span), colours=colours)
    hr = png.picture_png(*png.to_rgb(found.hr_mean(size), hr_span), colours=colours)
    return png.data_uri(lr), png.data_uri(hr)


def strip(found: pixels.Pixels, member: Member, size: int = STRIP_PX) -> Strip:
    """Draw the strip of a materialized member.

    Args:
        found: Its pixels.
        member: Has `measured`.
        size: Edge of the HR pictures.

    Raises:
        ValueError: If the member is not materialized.
    """
    if member.measured is None:
        raise ValueError(f"{member.sample_id} is not materialized")
    lr, hr = _pair(found, size, png.COLOURS)
    return Strip(
        member=member,
        measured=member.measured,
        lr=lr,
        hr=hr,
        difference=difference_picture(found.difference(), DIFFERENCE_FULL),
        lr_mask=mask_picture(found.lr_mask),
        hr_mask=mask_picture(png.nearest(found.hr_mask, size)),
    )


def stamp(found: pixels.Pixels, member: Member) -> Stamp:
    """Draw a sample in small."""
    return Stamp(member, *_pair(found, STAMP_PX, 64))


@dataclass(frozen=True)
class Pictures:
    """All pictures of one manifest.

    Attributes:
        opening: The sample in large: clear on both sides, of much contrast; None without cubes.
        strips: Samples with all that is known of them.
        stamps: More samples in small, in the order of the manifest.
    """

    opening: Strip | None
    strips: tuple[Strip, ...]
    stamps: tuple[Stamp, ...]


def opening(members: Sequence[Member]) -> Member | None:
    """Return the sample that opens a manifest: clear on both sides, urban, best correlated."""

    def order(m: Member) -> tuple[float, bool, float, str]:
        found = m.measured.correlation if m.measured else None
        return (round(_flagged(m), 2), m.stratum != "urban", -(found or -1.0), m.sample_id)

    return min((m for m in members if m.measured), key=order, default=None)


def draw(
    root: Path,
    task: Task,
    members: Sequence[Member],
    *,
    n_strips: int,
    n_stamps: int,
    progress: Progress,
) -> Pictures:
    """Draw the pictures of a manifest; each sample is read once.

    Args:
        root: The lake.
        task: The manifest's SR task.
        members: Samples and reserves in the manifest's order.
        n_strips: Strips at most; 0 leaves out the opening picture, too.
        n_stamps: Samples in small at most.
        progress: Told of each sample.
    """
    made = [m for m in members if m.measured]
    first = opening(made) if n_strips else None
    others = [m for m in made if m is not first]
    in_strips = choose(others if len(others) >= n_strips else made, n_strips)
    some = {m.sample_id for m in choose(made, n_stamps)}
    in_stamps = [m for m in made if m.sample_id in some]
    wanted = {m.sample_id: m for m in (first, *in_strips, *in_stamps) if m}
    progress.start(f"Drawing samples of {task.name}", len(wanted))
    large, strips, stamps = None, {}, {}
    for name, m in wanted.items():
        if m.measured is None:
            continue
        found = pixels.read(root, task, m.measured)
        if m is first:
            large = strip(found, m, OPENING_PX)
        if m in in_strips:
            strips[name] = strip(found, m)
        if m in in_stamps:
            stamps[name] = stamp(found, m)
        progress.advance()
    return Pictures(
        large,
        tuple(strips[m.sample_id] for m in in_strips),
        tuple(stamps[m.sample_id] for m in in_stamps),
    )
