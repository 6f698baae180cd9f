"""Quotas in cells: their sizes, and what is left of them."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geosr_lake.manifest.quotas import Room, cells_of, even_shares, reserves_of
from geosr_lake.recipe import SelectRule, scaled


def rule(*subsets: dict[str, Any], **more: Any) -> SelectRule:
    urban = {"layer": "made", "classes": [1], "min_frac": 0.5}
    told = {"sites_per_tile_pair": 1, "urban": urban, "block_deg": 1, "reserve_frac": 0.1}
    return SelectRule.model_validate(told | {"subsets": list(subsets)} | more)


def test_cells_follow_the_subsets_and_leave_out_what_is_not_asked() -> None:
    found = cells_of(
        rule(
            {"name": "road", "quotas": {"natural": 30}},
            {"name": "sr", "quotas": {"urban": 10, "non_urban": 0}},
        )
    )
    assert [(c.subset, c.stratum, c.band, c.asked, c.reserves) for c in found] == [
        ("road", "natural", None, 30, 3),
        ("sr", "urban", None, 10, 1),
    ]


def test_a_spread_divides_each_quota_evenly() -> None:
    found = cells_of(
        rule({"name": "sr", "quotas": {"urban": 7}, "spread": {"months": [9, 5, 5, 6]}})
    )
    assert [(c.band, c.asked) for c in found] == [("month 5", 3), ("month 6", 2), ("month 9", 2)]
    found = cells_of(
        rule({"name": "sr", "quotas": {"natural": 4}, "spread": {"latitudes": [-10, 0, 22.5]}})
    )
    assert [(c.band, c.asked) for c in found] == [("-10 to 0", 2), ("0 to 22.5", 2)]


@given(st.integers(0, 10**6), st.integers(1, 50))
def test_even_shares_add_up_and_are_even(total: int, parts: int) -> None:
    shares = even_shares(total, parts)
    assert sum(shares) == total
    assert len(shares) == parts
    assert max(shares) - min(shares) <= 1
    assert shares == sorted(shares, reverse=True)


def test_reserves_and_scaled_quotas_round_up_but_not_for_binary_fractions() -> None:
    assert [reserves_of(n, 0.1) for n in (30, 5, 0, 10, 11)] == [3, 1, 0, 1, 2]
    assert reserves_of(9, 0.0) == 0
    assert [scaled(n, 0.1) for n in (30, 5, 0, 1065)] == [3, 1, 0, 107]
    assert scaled(7, 1.0) == 7


@given(st.integers(0, 10**5), st.sampled_from([0.001, 0.01, 0.1, 0.3, 0.5, 1.0, 2.5]))
def test_a_scaled_quota_is_the_product_rounded_up(n: int, scale: float) -> None:
    assert 0 <= scaled(n, scale) - n * scale + 1e-8 < 1
    assert scaled(n, scale) in (math.floor(n * scale), math.ceil(n * scale))


def test_scale_works_on_every_subset() -> None:
    found = cells_of(
        rule(
            {"name": "a", "quotas": {"natural": 2000}},
            {"name": "b", "quotas": {"urban": 5000, "non_urban": 5001}},
            scale=0.01,
        )
    )
    assert [c.asked for c in found] == [20, 50, 51]


def test_samples_are_taken_first_then_reserves_and_never_more() -> None:
    room = Room(cells_of(rule({"name": "sr", "quotas": {"urban": 3}}, reserve_frac=1.0)))
    assert room.take(0, 2) == (2, 0)
    assert room.take(0, 3) == (1, 2)
    assert room.left(0) == 1
    assert room.take(0, 5) == (0, 1)
    assert room.take(0, 5) == (0, 0)
    assert not room.is_open("sr")
    assert room.found == [6]


def test_a_stratum_of_its_own_goes_before_natural() -> None:
    room = Room(
        cells_of(rule({"name": "sr", "quotas": {"urban": 1, "natural": 1}}, reserve_frac=0))
    )
    urban = room.cell_for("sr", "urban", None)
    assert urban is not None
    assert room.cells[urban].stratum == "urban"
    room.take(urban, 1)
    natural = room.cell_for("sr", "urban", None)
    assert natural is not None
    assert room.cells[natural].stratum == "natural"
    assert room.cell_for("sr", "non_urban", None) == natural
    room.take(natural, 1)
    assert room.cell_for("sr", "urban", None) is None


@pytest.mark.parametrize(("stratum", "may"), [("urban", True), ("non_urban", False), (None, True)])
def test_what_is_unknown_may_be_anything(stratum: str | None, may: bool) -> None:
    room = Room(cells_of(rule({"name": "sr", "quotas": {"urban": 1}}, reserve_frac=0)))
    assert room.may_take("sr", stratum, [None]) is may
    assert not room.may_take("other", stratum, [None])
    assert not room.may_take("sr", stratum, [])
    assert not room.may_take("sr", stratum, ["0 to 10"])
    room.take(0, 1)
    assert not room.may_take("sr", stratum, [None])
