"""The map of a manifest's sites: geometry in, drawing instructions out. No markup is made here."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.affinity import translate
from shapely.geometry.base import BaseGeometry

from geosr_lake.report import dots, text
from geosr_lake.report.dots import MAX_DOTS, Cloud
from geosr_lake.report.map_frame import Stripe, stripes
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
COLOURS = 6
"""Colours of strata that the page's style has."""


@dataclass(frozen=True)
class Line:
    """A line of the graticule: where it stands, and its label."""

    at: float
    label: str


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
class Kin:
    """A stratum of the map: its colour's number, from 0, and how many sites it has."""

    stratum: str
    colour: int
    n_samples: int
    n_reserves: int


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
        clouds: Sites by split and stratum, where they are many.
        strata: The strata in the order of their colours.
        by_stratum: Sites by stratum alone, where they are many.
        merged: Where sites share dots: how many dots there are, and the ground that one covers.
        scale: Widths of the scale bar's quarter and its label.
        words: The map in a sentence, for those who do not see it.
        stratum_words: The same of the map by stratum.
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
    strata: tuple[Kin, ...]
    by_stratum: tuple[Cloud, ...]
    merged: tuple[int, str] | None
    scale: tuple[float, str]
    words: str
    stratum_words: str


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
    at = np.array(places)
    boxes = [Bounds(*shape.bounds) for shape in shapes]
    near = [b for b in boxes if _holds_any(b, at)]
    extent = sites
    for box in near:
        extent = extent.union(box.within(reach))
    return extent.padded(0.06)


def _holds_any(box: Bounds, at: NDArray[np.float64]) -> bool:
    low, high = (box.west, box.south), (box.east, box.north)
    return bool(((at >= low) & (at <= high)).all(axis=1).any())


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
    most_dots: int = MAX_DOTS,
) -> Map | None:
    """Lay out the map of a manifest.

    Args:
        members: Its samples and reserves.
        lr_footprints: WKB of the LR scenes, lon/lat.
        hr_footprints: WKB of the HR scenes, lon/lat.
        drawn: Centres (lon, lat) of candidate sites that were not chosen.
        most_dots: Where sites are many, about how many dots stand for them at most.

    Returns:
        The map, or None for a manifest without members.
    """
    if not members:
        return None
    lons = unwrapped([m.lon for m in members])
    places = list(zip(lons, (m.lat for m in members), strict=True))
    squares = shapely.from_wkb([m.footprint_wkb for m in members])
    boxes = shapely.bounds(squares)
    half_lon, half_lat = ((boxes[:, 2:] - boxes[:, :2]).max(axis=0) / 2).tolist()
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
    kinds = strata(members)
    xy = np.array([frame.xy(m.lon, m.lat) for m in members])
    clouds: tuple[Cloud, ...] = ()
    by_stratum, merged = clouds, None
    if not singles:
        clouds, cell = dots.clouds(members, xy, by_split=True, most=most_dots)
        by_stratum, _ = dots.clouds(members, xy, by_split=False, most=most_dots)
        n_dots = sum(cloud.n_dots for cloud in clouds)
        side = text.length(float(f"{cell * frame.metres_per_unit:.2g}"))
        merged = (n_dots, side) if n_dots < len(members) else None
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
        stripes=stripes(frame, lon_lines, lat_lines, 4.0),
        lr_shapes=_clipped(lr_shapes, frame),
        hr_shapes=_clipped(hr_shapes, frame),
        drawn=_points((frame.xy(lon, lat) for lon, lat in drawn), frame),
        n_drawn=len(drawn),
        marks=tuple(map(_mark, members, squares, [frame] * len(members))) if singles else (),
        clouds=clouds,
        strata=kinds,
        by_stratum=by_stratum,
        merged=merged,
        scale=(bar_m / frame.metres_per_unit / 4, text.length(bar_m)),
        words=_words(frame, len(members), _by_split(members)),
        stratum_words=_words(
            frame,
            len(members),
            ((text.words(kin.stratum), kin.n_samples + kin.n_reserves) for kin in kinds),
        ),
    )


def _points(points: Iterable[tuple[float, float]], frame: Frame) -> str:
    """Return the points inside the frame as one path."""
    inside = [
        (x, y) for x, y in points if -1 <= x <= frame.width + 1 and -1 <= y <= frame.height + 1
    ]
    return dots.path(np.array(inside).reshape(-1, 2))[0]


def strata(members: Sequence[Member]) -> tuple[Kin, ...]:
    """Return the strata, urban and non-urban first; the last colour is that of all that follow."""
    samples = Counter(m.stratum for m in members if m.role == "sample")
    reserves = Counter(m.stratum for m in members if m.role != "sample")
    others = sorted((samples | reserves).keys() - {"urban", "non_urban"})
    return tuple(
        Kin(name, min(colour, COLOURS - 1), samples[name], reserves[name])
        for colour, name in enumerate(("urban", "non_urban", *others))
        if samples[name] or reserves[name]
    )


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


def _by_split(members: Sequence[Member]) -> list[tuple[str, int]]:
    found = Counter(m.split for m in members)
    return [(split, found[split]) for split in ("train", "val", "test")]


def _words(frame: Frame, n: int, counts: Iterable[tuple[str, int]]) -> str:
    b = frame.bounds
    told = ", ".join(f"{k} {name}" for name, k in counts if k)
    return (
        f"Map from {text.degrees(b.south, 'lat', 2)} to {text.degrees(b.north, 'lat', 2)} and "
        f"{text.degrees(_wrapped(b.west), 'lon', 2)} to {text.degrees(_wrapped(b.east), 'lon', 2)} "
        f"with {n} sites: {told}."
    )
