"""Which parts of a subset's spread, months or bands of latitude, sites and tile pairs may serve."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from geosr_lake.arrays import Bools, Ints
from geosr_lake.manifest.assign import Bands
from geosr_lake.manifest.draw import Holders
from geosr_lake.manifest.inputs import Pairs
from geosr_lake.manifest.places import Places
from geosr_lake.manifest.quotas import Room
from geosr_lake.manifest.sites import Cells
from geosr_lake.recipe.subsets import month_name


class Spreads:
    """The spreads of all subsets, told from the pairs and from where sites lie.

    Args:
        pairs: The rule's pairs.
        places: Where the sites of each subset may lie.
        holders: Finds the tile pairs of sites.
    """

    def __init__(self, pairs: Pairs, places: Places, holders: Holders) -> None:
        self._pairs, self._places, self._holders = pairs, places, holders

    def of_sites(self, cells: Cells, number: int) -> Sequence[Bands]:
        """Return the parts of a subset's spread that each site may serve, as `Offer.bands`."""
        spread = self._places.subsets[number].spread
        if spread is None:
            return [(None,)] * len(cells)
        if not spread.months:
            return [() if b is None else (b,) for b in self._places.bands(cells, number)]
        site, tile_pair = self._holders.of(cells)
        bits = np.zeros(len(cells), dtype=np.int64)
        np.bitwise_or.at(bits, site, self._months[tile_pair])
        codes, at = np.unique(bits, return_inverse=True)
        named = [
            tuple(month_name(m) for m in spread.months if code >> m & 1) for code in codes.tolist()
        ]
        return [named[i] for i in at.tolist()]

    def boxes_worth(self, subsets: list[int], room: Room) -> Bools:
        """Tell which boxes of tile pairs are worth a wider draw for what some subsets lack.

        That is: one of their tile pairs reaches the area of a subset, and has a pair of a month
        that it lacks.
        """
        tiles = self._pairs.tiles
        found = np.zeros(len(tiles), dtype=bool)
        for number in subsets:
            reached = self._places.reached(tiles.boxes, [number])
            some = np.isin(np.arange(len(tiles)), tiles.of_box[reached])
            spread = self._places.subsets[number].spread
            if spread is not None and spread.months:
                name = self._places.subsets[number].name
                lacking = [m for m in range(1, 13) if room.may_take(name, None, [month_name(m)])]
                some &= (self._months & sum(1 << month for month in lacking)) > 0
            found |= some
        return found[tiles.of_box]

    @cached_property
    def _months(self) -> Ints:
        """The months of the HR scenes of each tile pair's pairs, bits 1 to 12, shape (t,)."""
        pairs = self._pairs
        found = np.zeros(len(pairs.tiles), dtype=np.int64)
        filled = np.flatnonzero(np.diff(pairs.first) > 0)
        if filled.size:
            bits = np.int64(1) << pairs.hr_scenes.month[pairs.hr]
            found[filled] = np.bitwise_or.reduceat(bits, pairs.first[filled])
        return found
