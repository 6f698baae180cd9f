"""Keys of sites, and the least of them for every tile pair, against sorting by hand."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from manifest_world import boxed

from geosr_lake.manifest.draw import draw, site_keys
from geosr_lake.manifest.inputs import TilePairs
from geosr_lake.manifest.sites import Cells
from geosr_lake.sensors.tasks import MODIS_LANDSAT8, S2_NAIP, Task

Box = tuple[float, float, float, float]


def tiles(boxes: list[Box], owners: list[int] | None = None) -> TilePairs:
    of_box = np.array(range(len(boxes)) if owners is None else owners, dtype=np.int64)
    names = pa.array([f"t{i}" for i in range(of_box.max(initial=-1) + 1)], pa.string())
    return TilePairs(names, names, np.array(boxes).reshape(-1, 4), of_box)


def splitmix(state: int) -> int:
    """One step, in Python's own whole numbers."""
    mask = 2**64 - 1
    state = (state + 0x9E3779B97F4A7C15) & mask
    state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & mask
    state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & mask
    return state ^ (state >> 31)


def test_the_mixing_is_that_of_its_authors() -> None:
    """The first numbers of the generator from the seed 1234567, as widely published."""
    first = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    state = 1234567
    for expected in first:
        assert splitmix(state) == expected
        state = (state + 0x9E3779B97F4A7C15) % 2**64


@given(
    st.integers(0, 2**40), st.integers(32601, 32760), st.integers(-(10**7), 10**7),
    st.integers(-(10**7), 2 * 10**7),
)  # fmt: skip
def test_a_key_is_the_mixing_of_seed_zone_and_corner(seed: int, epsg: int, x: int, y: int) -> None:
    cell = Cells(*(np.array([v]) for v in (epsg, x, y)), np.zeros(1), np.zeros(1))
    state = seed
    for value in (epsg, x, y):
        state = splitmix((state + value) % 2**64)
    assert site_keys(seed, cell).tolist() == [state]


def test_keys_are_spread_evenly() -> None:
    cells = boxed(S2_NAIP, (-105.0, 40.0, -104.0, 41.0))
    parts = np.bincount((site_keys(3, cells) >> np.uint64(60)).astype(int), minlength=16)
    # Sixteen equal parts of 20,000: five standard errors.
    assert abs(parts - len(cells) / 16).max() < 5 * np.sqrt(len(cells) / 16)
    assert (site_keys(3, cells) != site_keys(4, cells)).all()


@settings(max_examples=40, deadline=None)
@given(
    boxes=st.lists(
        st.tuples(st.floats(-102.1, -101.9), st.floats(39.9, 40.1), st.floats(0, 0.05)),
        min_size=1,
        max_size=6,
    ),
    seed=st.integers(0, 5),
    most=st.integers(1, 12),
)
def test_the_least_of_every_tile_pair_are_drawn(
    boxes: list[tuple[float, float, float]], seed: int, most: int
) -> None:
    """Boxes over the edge of a zone, which overlap: a site of several is drawn once."""
    made = [(lon, lat, lon + wide, lat + wide) for lon, lat, wide in boxes]
    found = draw(S2_NAIP, tiles(made), seed, most)
    expected: dict[int, tuple[int, int, int]] = {}
    for number, box in enumerate(made):
        cells = boxed(S2_NAIP, box)
        assert found.n_sites[number] == len(cells)
        keys = site_keys(seed, cells).tolist()
        corners = zip(cells.epsg.tolist(), cells.x_m.tolist(), cells.y_m.tolist(), strict=True)
        expected |= dict(sorted(zip(keys, corners, strict=True))[:most])
    assert found.keys.tolist() == sorted(expected)
    corners = zip(
        found.cells.epsg.tolist(), found.cells.x_m.tolist(), found.cells.y_m.tolist(), strict=True
    )
    assert list(corners) == [expected[key] for key in sorted(expected)]


def test_a_tile_pair_of_two_boxes_draws_as_one() -> None:
    """As over 180 degrees: its sites are those of both boxes, its draw the least of all of them."""
    boxes = [(179.9, 10.0, 180.0, 10.1), (-180.0, 10.0, -179.9, 10.1)]
    found = draw(S2_NAIP, tiles(boxes, [0, 0]), seed=1, most=10)
    assert len(found.cells) == 10
    whole = boxed(S2_NAIP, *boxes)
    assert found.n_sites.tolist() == [len(whole)]
    assert found.keys.tolist() == sorted(site_keys(1, whole).tolist())[:10]
    assert set(found.cells.epsg.tolist()) == {32601, 32660}


def test_the_order_of_the_tile_pairs_does_not_matter() -> None:
    boxes = [(-105 + 0.1 * i, 40.0, -104.8 + 0.1 * i, 40.1) for i in range(5)]
    one, other = draw(S2_NAIP, tiles(boxes), 7, 3), draw(S2_NAIP, tiles(boxes[::-1]), 7, 3)
    assert one.keys.tolist() == other.keys.tolist()
    assert one.n_sites.tolist() == other.n_sites.tolist()[::-1]


@pytest.mark.parametrize("task", [S2_NAIP, MODIS_LANDSAT8])
def test_no_tile_pair_no_site(task: Task) -> None:
    found = draw(task, tiles([]), 0, 4)
    assert len(found.cells) == 0
    assert len(found.n_sites) == 0
