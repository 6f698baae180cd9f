"""Who gets which site, against a plain simulation; and frames that share ground."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geosr_lake.manifest.assign import Assigned, Ground, Offer, assign, wanted
from geosr_lake.manifest.judge import OVER_QUOTA, SHARED_GROUND, STANDS
from geosr_lake.manifest.quotas import Room, cells_of
from geosr_lake.manifest.sites import Cells
from geosr_lake.recipe import SelectRule

SIZE = 600


def rule(subsets: list[dict[str, Any]], reserve_frac: float = 0.5) -> SelectRule:
    urban = {"layer": "made", "classes": [1], "min_frac": 0.5}
    told = {"sites_per_tile_pair": 1, "urban": urban, "block_deg": 1}
    return SelectRule.model_validate(told | {"subsets": subsets, "reserve_frac": reserve_frac})


def offer(sites: list[dict[str, Any]], n_subsets: int) -> Offer:
    def column(key: str) -> np.ndarray:
        return np.array([site[key] for site in sites], dtype=np.int64)

    cells = Cells(column("epsg"), column("x"), column("y"), column("x") * 0.0, column("y") * 0.0)
    return Offer(
        cells,
        np.array([*(site["stratum"] for site in sites), None], dtype=object)[:-1],
        {n: np.array([n in s["inside"] for s in sites], dtype=bool) for n in range(n_subsets)},
        {n: [site["bands"].get(n, (None,)) for site in sites] for n in range(n_subsets)},
        column("standing"),
        column("month"),
    )


SUBSETS = st.lists(
    st.fixed_dictionaries(
        {
            "quotas": st.fixed_dictionaries(
                {name: st.integers(0, 3) for name in ("urban", "non_urban", "natural")}
            ),
            "spread": st.sampled_from([None, {"months": [5, 6]}, {"latitudes": [0, 10, 20]}]),
        }
    ),
    min_size=1,
    max_size=3,
).map(lambda found: [s | {"name": f"s{i}"} for i, s in enumerate(found)])
SITES = st.lists(
    st.fixed_dictionaries(
        {
            "epsg": st.sampled_from([32613, 32613, 32614]),
            "x": st.integers(-3, 3).map(lambda i: i * 240),
            "y": st.integers(0, 2).map(lambda i: i * 300),
            "stratum": st.sampled_from(["urban", "non_urban", "non_urban", None]),
            "inside": st.sets(st.integers(0, 2)),
            "lat": st.sampled_from([None, "0 to 10", "10 to 20"]),
            "standing": st.integers(0, 4),
            "month": st.sampled_from([4, 5, 6]),
            "months": st.sets(st.sampled_from([4, 5, 6])),
        }
    ),
    max_size=12,
)


def with_bands(sites: list[dict[str, Any]], subsets: list[dict[str, Any]]) -> list[dict[str, Any]]:
    def bands(site: dict[str, Any], spread: dict[str, Any]) -> tuple[str, ...]:
        if "latitudes" in spread:
            return () if site["lat"] is None else (site["lat"],)
        # Its pairs have these months, that of its best one among them.
        return tuple(f"month {m}" for m in {*site["months"], site["month"]} & {*spread["months"]})

    spread = {n: s["spread"] for n, s in enumerate(subsets) if s["spread"]}
    # Where land cover is unknown no candidate stands.
    return [
        site
        | {"bands": {n: bands(site, how) for n, how in spread.items()}}
        | ({"standing": 0} if site["stratum"] is None else {})
        for site in sites
    ]


def simulated(
    sites: list[dict[str, Any]], subsets: list[dict[str, Any]], frac: float, most: int, heed: bool
) -> list[tuple[int, int, int, int]]:
    """Subset, samples, reserves and rule of each site, step by step as the rules read."""
    left: Counter[tuple[int, str, str | None]] = Counter()
    asked: dict[tuple[int, str, str | None], int] = {}
    for n, subset in enumerate(subsets):
        spread = subset["spread"]
        bands: list[str | None] = [None]
        if spread:
            bands = ["month 5", "month 6"] if "months" in spread else ["0 to 10", "10 to 20"]
        for stratum, total in subset["quotas"].items():
            for i, band in enumerate(bands):
                share = total // len(bands) + (i < total % len(bands))
                asked[n, stratum, band] = share
                left[n, stratum, band] = share + -(-share * int(frac * 10) // 10)
    taken: list[tuple[int, int, int]] = []
    found = []
    for site in sites:
        result, full = (-1, 0, 0, STANDS), None
        for n, subset in enumerate(subsets):
            if n not in site["inside"]:
                continue
            monthly = subset["spread"] is not None and "months" in subset["spread"]
            parts = site["bands"].get(n, (None,))
            kinds = [site["stratum"], "natural"]
            mine = {k: v for k, v in left.items() if k[0] == n and v > 0 and k[2] in parts}
            if site["stratum"] is None:
                if mine:
                    result = (n, 0, 0, STANDS)
                    break
                continue
            fitting = [k for k in mine if k[1] in kinds]
            if not fitting:
                continue
            if site["standing"] == 0:
                result = (n, 0, 0, STANDS)
                break
            band = f"month {site['month']}" if monthly else parts[0]
            cell = next((k for kind in kinds if (k := (n, kind, band)) in mine), None)
            if cell is None:
                full = n if full is None else full
                continue
            spot = site["epsg"], site["x"], site["y"]
            if heed and shares(spot, taken):
                result = (n, 0, 0, SHARED_GROUND)
                break
            total = asked[cell] + -(-asked[cell] * int(frac * 10) // 10)
            used = total - left[cell]
            take = min(site["standing"], most, left[cell])
            kept = min(take, max(0, asked[cell] - used))
            left[cell] -= take
            taken.append(spot)
            result = (n, kept, take - kept, STANDS)
            break
        if result[0] == -1 and full is not None:
            spot = site["epsg"], site["x"], site["y"]
            drops = SHARED_GROUND if heed and shares(spot, taken) else OVER_QUOTA
            result = (full, 0, 0, drops)
        found.append(result)
    return found


def shares(spot: tuple[int, int, int], taken: list[tuple[int, int, int]]) -> bool:
    return any(
        spot[0] == other[0] and abs(spot[1] - other[1]) < SIZE and abs(spot[2] - other[2]) < SIZE
        for other in taken
    )


def told(found: Assigned) -> list[tuple[int, ...]]:
    columns = (found.subset, found.kept, found.reserves, found.instead)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def tuples(subsets: list[dict[str, Any]], frac: float) -> tuple[SelectRule, Room]:
    made = rule(subsets, frac)
    return made, Room(cells_of(made))


@settings(max_examples=400, deadline=None)
@given(
    subsets=SUBSETS,
    sites=SITES,
    frac=st.sampled_from([0.0, 0.5, 1.0]),
    most=st.integers(1, 3),
    heed=st.booleans(),
)
def test_sites_go_where_a_plain_simulation_puts_them(
    subsets: list[dict[str, Any]], sites: list[dict[str, Any]], frac: float, most: int, heed: bool
) -> None:
    sites = with_bands(sites, subsets)
    made, room = tuples(subsets, frac)
    ground = Ground(SIZE) if heed else None
    whole = told(assign(made.parts, room, ground, offer(sites, len(subsets)), most))
    assert whole == simulated(sites, subsets, frac, most, heed)


@settings(max_examples=100, deadline=None)
@given(subsets=SUBSETS, sites=SITES, cut=st.integers(0, 12), most=st.integers(1, 3))
def test_it_does_not_matter_how_many_are_offered_at_once(
    subsets: list[dict[str, Any]], sites: list[dict[str, Any]], cut: int, most: int
) -> None:
    sites = with_bands(sites, subsets)
    made, room = tuples(subsets, 0.5)
    ground = Ground(SIZE)
    whole = told(assign(made.parts, room, ground, offer(sites, len(subsets)), most))
    made, room = tuples(subsets, 0.5)
    ground, parts = Ground(SIZE), []
    for some in (sites[:cut], sites[cut:]):
        one = offer(some, len(subsets))
        lacked = wanted(made.parts, room, one)
        found = told(assign(made.parts, room, ground, one, most))
        # What is not wanted beforehand is not taken later.
        assert all(lacked[i] for i, (number, *_) in enumerate(found) if number >= 0)
        parts += found
    assert parts == whole


@given(
    st.lists(st.tuples(st.integers(-900, 900), st.integers(-900, 900)), max_size=6),
    st.tuples(st.integers(-900, 900), st.integers(-900, 900)),
)
def test_squares_share_ground_as_their_edges_say(
    taken: list[tuple[int, int]], spot: tuple[int, int]
) -> None:
    ground = Ground(SIZE)
    for x, y in taken:
        ground.take(32613, x, y)
    assert ground.meets(32613, *spot) == shares((32613, *spot), [(32613, *t) for t in taken])
    assert not ground.meets(32614, *spot)


def test_squares_on_both_sides_of_the_equator_see_each_other() -> None:
    ground = Ground(SIZE)
    ground.take(32713, 0, 9_999_700)  # 300 m to the south of the equator, and 300 m to the north
    assert ground.meets(32613, 0, 0)
    assert ground.meets(32613, 599, 299)
    assert not ground.meets(32613, 0, 300)
    assert not ground.meets(32614, 0, 0)


@pytest.mark.parametrize(("x", "y", "meets"), [(600, 0, False), (599, 0, True), (0, -600, False)])
def test_to_touch_is_not_to_share(x: int, y: int, meets: bool) -> None:
    ground = Ground(SIZE)
    ground.take(32613, 0, 0)
    assert ground.meets(32613, x, y) is meets
