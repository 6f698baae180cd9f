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


@pytest.mark.parametrize("at_once", [1, 7, 10_000])
def test_shares_are_those_of_each_pair_alone(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    monkeypatch.setattr(space, "OVERLAPS_AT_ONCE", at_once)
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


def outlines(seed: int, count: int, vertices: int) -> np.ndarray:
    """Rings around places of two tiles' size, and one of two parts."""
    rng = np.random.default_rng(seed)
    turn = np.linspace(0, 2 * np.pi, vertices, endpoint=False)
    middles = rng.uniform((-178, -60), (178, 60), (count, 1, 2)).round(1)
    reach = rng.uniform(0.5, 2, (count, 1, 1)) * rng.uniform(0.9, 1.1, (count, vertices, 1))
    rings = middles + reach * np.column_stack([np.cos(turn), np.sin(turn)])
    found = shapely.make_valid(shapely.polygons(rings))
    return np.append(found, shapely.union_all(found[:2]))


def around(lr: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Quads that cross the footprints' edges, touch whole degrees, or lie outside."""
    rng = np.random.default_rng(seed)
    at = rng.integers(0, len(lr), 200)
    west, south, east, north = shapely.bounds(lr[at]).T
    x, y = rng.uniform(west - 0.5, east), rng.uniform(south - 0.5, north)
    size = rng.uniform(0.1, 1.5, len(at))
    boxes = shapely.box(x, y, x + size, y + size)
    degrees = shapely.box(np.floor(x), np.floor(y), np.floor(x) + 1, np.floor(y) + 1)
    return at, np.where(rng.random(len(at)) < 0.3, degrees, boxes)


@pytest.mark.parametrize("seed", range(5))
def test_of_many_vertices_only_those_nearby_are_asked_to_the_same_share(seed: int) -> None:
    lr = outlines(seed, 9, 300)
    at, hr = around(lr, seed)
    hr_at = np.arange(len(hr))
    found = space.shares(lr, hr, at, hr_at)
    met = shapely.intersects(lr[at], hr)
    assert np.array_equal(np.isnan(found), ~met)
    expected = area_m2(shapely.intersection(lr[at], hr)) / area_m2(hr)
    assert found[met] == pytest.approx(expected[met], abs=2e-9)
    assert ((found > 0) & (found < 1)).sum() > 50
    cut = space._cut(lr, hr, at, hr_at)
    assert (
        shapely.get_num_coordinates(cut).mean() < 0.8 * shapely.get_num_coordinates(lr[at]).mean()
    )


def test_a_share_is_the_same_to_the_last_bit_in_any_company() -> None:
    lr = outlines(7, 9, 300)
    at, hr = around(lr, 8)
    together = space.shares(lr, hr, at, np.arange(len(hr)))
    for i, share in enumerate(together.tolist()):
        alone = space.shares(lr[at[i : i + 1]], hr[i : i + 1], np.array([0]), np.array([0]))
        assert alone[0] == share or (np.isnan(share) and np.isnan(alone[0]))
