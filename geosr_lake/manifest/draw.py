"""Sites of tile pairs, and which of them are drawn: by a hash of the site, before any time.

A tile pair's sites are the cells whose centre lies where the extents of both tiles meet. Each has
a key, a hash of seed and site that is uniform in 64 bits; the least keys are drawn.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geosr_lake.manifest.cells import cells_in_boxes
from geosr_lake.manifest.inputs import TilePairs
from geosr_lake.manifest.sites import Cells
from geosr_lake.sensors.tasks import Task

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Keys = NDArray[np.uint64]


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
