"""Very many sites on a map: one path of points a kind, merged where they would cover each other."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geosr_lake.report.members import Member

MAX_DOTS = 12_000
"""A map has about so many dots at most; more sites are merged by cells of a grid."""
_KINDS = {"train": 0, "val": 1, "test": 2}

Kind = tuple[str, str, str]
Points = NDArray[np.float64]


@dataclass(frozen=True)
class Cloud:
    """Many sites of one kind as one SVG path of points.

    Attributes:
        split: Their split; empty where the map does not part them by it.
        stratum: Their stratum.
        role: sample or reserve.
        path: The points.
        n: Sites that the path stands for.
        n_dots: Points of the path.
    """

    split: str
    stratum: str
    role: str
    path: str
    n: int
    n_dots: int


def path(points: Points, cell: int = 1) -> tuple[str, int]:
    """Return points as one path, drawn by the caps of its empty lines, and how many it has.

    Args:
        points: x and y, shape (n, 2).
        cell: Edge of the cells of which each has one point, in its middle.
    """
    at = np.unique(_cells(points, cell)[:, ::-1], axis=0)[:, ::-1] * cell
    # From one to the next, row by row: half as long as where each stands.
    steps = np.diff(at, axis=0, prepend=np.zeros((1, 2), np.int64)).tolist()
    return "".join(f"m{x} {y}h0" for x, y in steps), len(steps)


def _cells(points: Points, cell: int) -> NDArray[np.int64]:
    return np.rint(points / cell).astype(np.int64)


def clouds(
    members: Sequence[Member], xy: Points, *, by_split: bool, most: int = MAX_DOTS
) -> tuple[tuple[Cloud, ...], int]:
    """Return members by kind, and the edge of the cells that merge them.

    Reserves and train are drawn first: what is rare stands on top.

    Args:
        members: Sites.
        xy: Where each falls on the map, shape (n, 2).
        by_split: Whether kinds differ by split.
        most: About how many dots there are at most.
    """
    groups: dict[Kind, list[int]] = {}
    for i, m in enumerate(members):
        groups.setdefault((m.split if by_split else "", m.stratum, m.role), []).append(i)
    cell = _cell(groups, xy, most)
    out = []
    for kind in sorted(groups, key=_order):
        drawn, n = path(xy[groups[kind]], cell)
        out.append(Cloud(*kind, drawn, len(groups[kind]), n))
    return tuple(out), cell


def _order(kind: Kind) -> tuple[bool, int, str]:
    split, stratum, role = kind
    return role != "reserve", _KINDS.get(split, 0), stratum


def _cell(groups: Mapping[Kind, Iterable[int]], xy: Points, most: int) -> int:
    """Return the least edge of 1, 2, 3 ... at which the cells that are not empty are few enough."""
    kinds = np.zeros(len(xy), np.int64)
    for number, some in enumerate(groups.values()):
        kinds[list(some)] = number
    cell = 1
    while True:
        at = np.column_stack([_cells(xy, cell), kinds])
        if len(np.unique(at, axis=0)) <= max(most, len(groups)) or cell > xy.max(initial=0.0):
            return cell
        cell += 1
