"""The map of a manifest's sites: geometry in, drawing instructions out. No markup is made here."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import shapely
from shapely.affinity import translate
from shapely.geometry.base import BaseGeometry

from geosr_lake.report import text
from geosr_lake.report.members import Member
from geosr_lake.report.projection import (
    Bounds,
    Frame,
    fit,
    graticule,
    graticule_step,
    scale_length_m,
    unwrapped,
)

WIDTH = 640.0
MARGIN = 30.0
"""Room round the frame for its labels."""
MARK = 7.0
"""Edge of a site's mark."""
TRUE_SIZE = 15.0
"""Sites at least this large on the map are drawn in their true size, with a mark inside."""
MAX_SINGLE = 600
"""Up to this many sites have a name to point at; more are drawn as one path a kind."""
FRAME_STRIPES = 2
"""Stripes of the frame between two lines of the graticule."""


@dataclass(frozen=True)
class Line:
    """A line of the graticule: where it stands, and its label."""

    at: float
    label: str


@dataclass(frozen=True)
class Stripe:
    """A dark piece of the frame."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Mark:
    """One site. `outline` is its true square as an SVG path, None where that is too small."""

    x: float
    y: float
    split: str
    stratum: str
    role: str
    outline: str | None
    title: str


@dataclass(frozen=True)
class Cloud:
    """Many sites of one kind as one SVG path of points."""

    split: str
    stratum: str
    role: str
    path: str


@dataclass(frozen=True)
class Map:
    """Everything that the map's template draws, in units of its view box.

    Attributes:
        width: Width of the frame, without `MARGIN`.
        height: Height of the frame.
        meridians: Lines from top to bottom, by x.
        parallels: Lines from left to right, by y.
        stripes: Dark pieces of the frame.
        lr_shapes: Outlines of the LR scenes as SVG paths.
        hr_shapes: Outlines of the HR scenes as SVG paths.
        drawn: Candidate sites that were not chosen, as one SVG path of points.
        marks: Sites one by one, where they are few.
        clouds: Sites by kind, where they are many.
        scale: Widths of the scale bar's quarter and its label.
        words: The map in a sentence, for those who do not see it.
    """

    width: float
    height: float
    meridians: tuple[Line, ...]
    parallels: tuple[Line, ...]
    stripes: tuple[Stripe, ...]
    lr_shapes: tuple[str, ...]
    hr_shapes: tuple[str, ...]
    drawn: str
    n_drawn: int
    marks: tuple[Mark, ...]
    clouds: tuple[Cloud, ...]
    scale: tuple[float, str]
    words: str


def _path(ring: Iterable[tuple[float, float]], frame: Frame) -> str:
    points = [frame.xy(lon, lat) for lon, lat in ring]
    steps = [f"{x:.1f} {y:.1f}" for x, y in points]
    thinned = [step for i, step in enumerate(steps) if i == 0 or step != steps[i - 1]]
    return "M" + "L".join(thinned) + "Z"


def _outline(shape: BaseGeometry, frame: Frame) -> str:
    """Return a polygon's rings as an SVG path; text that is empty for anything else."""
    parts = [part for part in shapely.get_parts(shape) if part.geom_type == "Polygon"]
    return "".join(
        _path(((x, y) for x, y, *_ in ring.coords), frame)
        for part in parts
        for ring in (part.exterior, *part.interiors)
    )


def _clipped(shapes: Sequence[BaseGeometry], frame: Frame) -> tuple[str, ...]:
    """Return the outlines of shapes, cut a little beyond the frame so that no edge is drawn."""
    b = frame.bounds
    pad = 0.05 * max(b.east - b.west, b.north - b.south)
    window = (b.west - pad, b.south - pad, b.east + pad, b.north + pad)
    detail = 0.3 * (b.north - b.south) / frame.height
    paths = []
    for shape in shapes:
        for turn in (0.0, -360.0):
            moved = translate(shape, xoff=turn)
            cut = shapely.clip_by_rect(shapely.make_valid(moved), *window).simplify(detail)
            if not cut.is_empty and (path := _outline(cut, frame)):
                paths.append(path)
    return tuple(dict.fromkeys(paths))


def _extent(places: Sequence[tuple[float, float]], sites: Bounds, shapes: Sequence[BaseGeometry]
            ) -> Bounds:  # fmt: skip
    """Return what the map shows: the sites, and of the HR scenes what stays in proportion."""
    reach = sites.padded(0.35)
    boxes = [Bounds(*shape.bounds) for shape in shapes]
    near = [b for b in boxes if any(_holds(b, lon, lat) for lon, lat in places)]
    extent = sites
    for box in near:
        extent = extent.union(box.within(reach))
    return extent.padded(0.06)


def _holds(box: Bounds, lon: float, lat: float) -> bool:
    return box.west <= lon <= box.east and box.south <= lat <= box.north


def _stripes(frame: Frame, lons: Sequence[float], lats: Sequence[float], width: float
             ) -> tuple[Stripe, ...]:  # fmt: skip
    """Return the dark pieces of the frame: every other stretch between (parts of) lines."""

    def stretches(at: list[float], end: float) -> list[tuple[float, float]]:
        if len(at) > 1:
            step = (at[1] - at[0]) / FRAME_STRIPES
            before = math.ceil(at[0] / step)
            cuts = [at[0] + i * step for i in range(-before, math.ceil((end - at[0]) / step) + 1)]
            first = (-before) % 2
        else:
            cuts, first = [0.0, *at, end], 0
        pieces = [(max(a, 0.0), min(b, end)) for a, b in pairwise(cuts)]
        return [p for i, p in enumerate(pieces) if (i + first) % 2 == 0 and p[1] > p[0]]

    xs = [frame.xy(lon, frame.bounds.north)[0] for lon in lons]
    ys = sorted(frame.xy(frame.bounds.west, lat)[1] for lat in lats)
    out = []
    for a, b in stretches(xs, frame.width):
        out += [Stripe(a, -width, b - a, width), Stripe(a, frame.height, b - a, width)]
    for a, b in stretches(ys, frame.height):
        out += [Stripe(-width, a, width, b - a), Stripe(frame.width, a, width, b - a)]
    return tuple(out)


def _lines(frame: Frame) -> tuple[list[float], list[float], int]:
    """Return the meridians and parallels of the graticule, and the digits that they need."""
    b = frame.bounds
    step = graticule_step(b.north - b.south)
    wide = graticule_step(b.east - b.west)
    step = max(step, wide)
    digits = max(0, next((d for d in range(4) if round(step, d) == step), 3))
    return graticule(b.west, b.east, step), graticule(b.south, b.north, step), digits


def _wrapped(lon: float) -> float:
    return lon + 360.0 if lon < -180.0 else lon


def draw(
    members: Sequence[Member],
    lr_footprints: Sequence[bytes] = (),
    hr_footprints: Sequence[bytes] = (),
    drawn: Sequence[tuple[float, float]] = (),
) -> Map | None:
    """Lay out the map of a manifest.

    Args:
        members: Its samples and reserves.
        lr_footprints: WKB of the LR scenes, lon/lat.
        hr_footprints: WKB of the HR scenes, lon/lat.
        drawn: Centres (lon, lat) of candidate sites that were not chosen.

    Returns:
        The map, or None for a manifest without members.
    """
    if not members:
        return None
    lons = unwrapped([m.lon for m in members])
    places = list(zip(lons, (m.lat for m in members), strict=True))
    squares = [shapely.from_wkb(m.footprint_wkb) for m in members]
    half_lon = max((s.bounds[2] - s.bounds[0]) / 2 for s in squares)
    half_lat = max((s.bounds[3] - s.bounds[1]) / 2 for s in squares)
    sites = Bounds(
        min(lons) - half_lon,
        min(lat for _, lat in places) - half_lat,
        max(lons) + half_lon,
        max(lat for _, lat in places) + half_lat,
    )
    hr_shapes = [shapely.from_wkb(wkb) for wkb in hr_footprints]
    lr_shapes = [shapely.from_wkb(wkb) for wkb in lr_footprints]
    frame = fit(_extent(places, sites, hr_shapes), WIDTH, most=1.0)
    lon_lines, lat_lines, digits = _lines(frame)
    bar_m = scale_length_m(frame.metres_per_unit * WIDTH / 3.2)
    singles = len(members) <= MAX_SINGLE
    return Map(
        width=WIDTH,
        height=frame.height,
        meridians=tuple(
            Line(frame.xy(lon, 0.0)[0], text.degrees(_wrapped(lon), "lon", digits))
            for lon in lon_lines
        ),
        parallels=tuple(
            Line(frame.xy(frame.bounds.west, lat)[1], text.degrees(lat, "lat", digits))
            for lat in lat_lines
        ),
        stripes=_stripes(frame, lon_lines, lat_lines, 4.0),
        lr_shapes=_clipped(lr_shapes, frame),
        hr_shapes=_clipped(hr_shapes, frame),
        drawn=_points((frame.xy(lon, lat) for lon, lat in drawn), frame),
        n_drawn=len(drawn),
        marks=tuple(map(_mark, members, squares, [frame] * len(members))) if singles else (),
        clouds=() if singles else _clouds(members, frame),
        scale=(bar_m / frame.metres_per_unit / 4, text.length(bar_m)),
        words=_words(members, frame),
    )


def _points(points: Iterable[tuple[float, float]], frame: Frame) -> str:
    """Return points inside the frame as one path; drawn by the caps of its empty lines."""
    inside = (
        (x, y) for x, y in points if -1 <= x <= frame.width + 1 and -1 <= y <= frame.height + 1
    )
    return "".join(dict.fromkeys(f"M{x:.0f} {y:.0f}h0" for x, y in inside))


def _mark(member: Member, square: BaseGeometry, frame: Frame) -> Mark:
    x, y = frame.xy(member.lon, member.lat)
    edge = member.size_m / frame.metres_per_unit
    place = f"{text.degrees(member.lat, 'lat')} {text.degrees(member.lon, 'lon')}"
    stratum = text.words(member.stratum)
    return Mark(
        x=x,
        y=y,
        split=member.split,
        stratum=member.stratum,
        role=member.role,
        outline=_outline(square, frame) if edge >= TRUE_SIZE else None,
        title=f"{member.sample_id}: {member.role}, {member.split}, {stratum}, {place}",
    )


def _clouds(members: Sequence[Member], frame: Frame) -> tuple[Cloud, ...]:
    kinds: dict[tuple[str, str, str], list[tuple[float, float]]] = {}
    for m in members:
        kinds.setdefault((m.split, m.stratum, m.role), []).append(frame.xy(m.lon, m.lat))
    return tuple(Cloud(*kind, _points(points, frame)) for kind, points in sorted(kinds.items()))


def _words(members: Sequence[Member], frame: Frame) -> str:
    b = frame.bounds
    by_split = {split: sum(m.split == split for m in members) for split in ("train", "val", "test")}
    counts = ", ".join(f"{n} {split}" for split, n in by_split.items() if n)
    return (
        f"Map from {text.degrees(b.south, 'lat', 2)} to {text.degrees(b.north, 'lat', 2)} and "
        f"{text.degrees(_wrapped(b.west), 'lon', 2)} to {text.degrees(_wrapped(b.east), 'lon', 2)} "
        f"with {len(members)} sites: {counts}."
    )
