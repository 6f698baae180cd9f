"""Sites of tile pairs, and which of them are drawn: by a hash of the site, before any time.

A tile pair's sites are the cells whose centre lies where the extents of both tiles meet. Each has
a key, a hash of seed and site that is uniform in 64 bits; the least keys are drawn.
"""

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from geosr_lake.arrays import Bools, Ints
from geosr_lake.manifest.cells import OneIn, about_how_many, cells_in_boxes
from geosr_lake.manifest.inputs import TilePairs
from geosr_lake.manifest.sites import Cells
from geosr_lake.sensors.tasks import Task

Keys = NDArray[np.uint64]

WIDER = 4
"""By how much a draw that fell short is widened."""


@dataclass(frozen=True)
class Drawn:
    """Sites in the order of their keys, each once, and how many each tile pair holds.

    Attributes:
        cells: The sites.
        keys: Their keys, rising.
        n_sites: Sites of each tile pair, shape (t,).
    """

    cells: Cells
    keys: Keys
    n_sites: Ints


def draw(task: Task, tiles: TilePairs, seed: int, most: int, near: Bools | None = None) -> Drawn:
    """Return the sites with the least keys of every tile pair.

    Args:
        task: Gives the site grid.
        tiles: The tile pairs.
        seed: Changes the keys.
        most: Sites of a tile pair at most.
        near: The boxes that are looked into, shape (b,), of a tile pair all or none; None: all.
    """
    near = np.ones(len(tiles.boxes), dtype=bool) if near is None else near
    n_sites = np.zeros(len(tiles), dtype=np.int64)
    parts = []
    for owner, cells in cells_in_boxes(task, tiles.boxes[near], tiles.of_box[near]):
        np.add.at(n_sites, owner, 1)
        keys = site_keys(seed, cells)
        least = _least(owner, keys, most)
        parts.append((owner[least], keys[least], cells.take(least)))
    # A tile pair over the edge of a zone came in two parts.
    owner = np.concatenate([o for o, _, _ in parts]) if parts else np.empty(0, np.int64)
    keys = np.concatenate([k for _, k, _ in parts]) if parts else np.empty(0, np.uint64)
    least = _least(owner, keys, most)
    # What several tile pairs draw has one key; two sites have two, but for odds of 2^-64.
    keys, at = np.unique(keys[least], return_index=True)
    return Drawn(Cells.joined([c for _, _, c in parts]).take(least[at]), keys, n_sites)


def _least(owner: Ints, keys: Keys, most: int) -> Ints:
    """Return the positions of the least keys of each owner."""
    order = np.lexsort((keys, owner))
    ranked = owner[order]
    return order[np.arange(len(order)) - np.searchsorted(ranked, ranked) < most]


def sampled(task: Task, tiles: TilePairs, seed: int, n: int, most: int, near: Bools) -> Cells:
    """Return one in `n` of all sites, as if they were all that there are.

    They come in about the order in which a draw would come to them that widens by a factor of
    `WIDER` whenever it fell short: a tile pair's first sites before the next ones of another.

    Args:
        task: Gives the site grid.
        tiles: The tile pairs.
        seed: Changes the keys, and which sites are taken.
        n: From 1 on.
        most: Sites of a tile pair at first.
        near: The boxes that are looked into, shape (b,).
    """
    boxes, n_sites = tiles.boxes[near], np.zeros(len(tiles))
    np.add.at(n_sites, tiles.of_box[near], about_how_many(task, boxes))
    keys, waves, parts = [np.empty(0, np.uint64)], [np.empty(0)], []
    for owner, cells in cells_in_boxes(task, boxes, tiles.of_box[near], OneIn(n, seed)):
        keys.append(site_keys(seed, cells))
        # Keys are uniform: so many of the tile pair's sites have lesser ones, about.
        before = keys[-1] / 2.0**64 * n_sites[owner]
        waves.append(np.ceil(np.log(np.maximum(before / most, 1.0)) / np.log(WIDER)))
        parts.append(cells)
    key, wave = np.concatenate(keys), np.concatenate(waves)
    order = np.lexsort((key, wave))
    _, first = np.unique(key[order], return_index=True)
    return Cells.joined(parts).take(order[np.sort(first)])


def site_keys(seed: int, cells: Cells) -> Keys:
    """Return the keys of sites: a hash of seed, zone and corner.

    The mixing is that of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number
    generators, 2014), once for each number, with its three constants.
    """
    state = np.full(len(cells), np.uint64(seed % 2**64))
    with np.errstate(over="ignore"):
        for column in (cells.epsg, cells.x_m, cells.y_m):
            state = state + column.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
            state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            state = state ^ (state >> np.uint64(31))
    return state


class Holders:
    """Finds the tile pairs that hold sites."""

    def __init__(self, tiles: TilePairs) -> None:
        boxes: NDArray[np.object_] = np.asarray(shapely.box(*tiles.boxes.T))
        self._tree = shapely.STRtree(boxes)
        self._of_box = tiles.of_box

    def of(self, cells: Cells) -> tuple[Ints, Ints]:
        """Return number of a cell and of a tile pair, for all that hold its centre, each once."""
        points = shapely.points(cells.lon, cells.lat)
        cell, box = self._tree.query(points, predicate="intersects")
        both = np.unique(np.stack([cell, self._of_box[box]], axis=1), axis=0)
        return both[:, 0], both[:, 1]
