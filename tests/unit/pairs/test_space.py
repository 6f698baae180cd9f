"""The exact tests of footprints in batches, against shapely pair by pair."""

import numpy as np
import pytest
import shapely

from geosr_lake.pairs import space
from geosr_lake.pairs.area import area_m2


def shapes(seed: int, count: int) -> np.ndarray:
    """Boxes and triangles on a coarse grid: many touch, many are equal, some lie inside."""
    rng = np.random.default_rng(seed)
    x, y, size = rng.integers(0, 8, count), rng.integers(0, 8, count), rng.integers(1, 5, count)
    corners = np.stack([x, y], 1)[:, None] + size[:, None, None] * np.array(
        [[0, 0], [1, 0], [1, 1]]
    )
    return np.concatenate([shapely.box(x, y, x + size, y + size), shapely.polygons(corners)])


def test_shares_are_those_of_each_pair_alone() -> None:
    lr, hr = shapes(1, 15), shapes(2, 15)
    at = np.divmod(np.arange(len(lr) * len(hr)), len(hr))
    ended: list[str] = []
    found = space.shares(lr, hr, *at, ended.append)
    for i, j, share in zip(*at, found.tolist(), strict=True):
        if not lr[i].intersects(hr[j]):
            assert np.isnan(share)
            continue
        both = np.array([lr[i].intersection(hr[j]), hr[j]], dtype=object)
        part, whole = area_m2(both)
        assert share == pytest.approx(part / whole, abs=1e-9)
    assert {0.0, 1.0} < set(found.tolist())
    assert ended == ["exact", "overlap"]
