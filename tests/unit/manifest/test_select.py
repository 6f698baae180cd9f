"""Blocks, splits, ranks and hashes of a manifest."""

import hashlib
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geosr_lake.ids import digest
from geosr_lake.manifest.select import (
    SPLITS,
    assign_splits,
    block_of,
    content_hash,
    draw_key,
    manifest_id,
    manifest_rows,
    mixed_order,
    room,
    split_counts,
)
from geosr_lake.manifest.summary import by_split, by_stratum, funnel
from geosr_lake.recipe import Quotas, SelectRule, SplitShares, UrbanRule
from geosr_lake.verdicts import RULE_NAMES

SHARES = SplitShares()


def shares() -> st.SearchStrategy[SplitShares]:
    cuts = st.tuples(st.integers(0, 100), st.integers(0, 100)).map(sorted)
    return cuts.map(
        lambda c: SplitShares(train=c[0] / 100, val=(c[1] - c[0]) / 100, test=(100 - c[1]) / 100)
    )


@pytest.mark.parametrize(
    ("n", "expected"),
    [
        (0, (0, 0, 0)),
        (1, (1, 0, 0)),
        (2, (1, 0, 1)),
        (3, (1, 1, 1)),
        (4, (2, 1, 1)),
        (10, (7, 1, 2)),
        (25, (18, 2, 5)),
        (1000, (720, 80, 200)),
    ],
)
def test_counts_of_blocks(n: int, expected: tuple[int, int, int]) -> None:
    assert tuple(split_counts(n, SHARES)[split] for split in SPLITS) == expected


@given(n=st.integers(0, 400), cut=shares())
def test_counts_add_up_and_follow_the_shares(n: int, cut: SplitShares) -> None:
    counts = split_counts(n, cut)
    assert sum(counts.values()) == n
    positive = [split for split in SPLITS if getattr(cut, split) > 0]
    for split in SPLITS:
        share = getattr(cut, split)
        assert (counts[split] == 0) if share == 0 else (counts[split] >= (n >= len(positive)))
        assert abs(counts[split] - share * n) < 3


BLOCKS = st.sets(st.text("ab_019", min_size=1, max_size=4), max_size=30)


@given(samples=BLOCKS, others=BLOCKS, cut=shares(), seed=st.integers(0, 9))
def test_every_block_has_one_split(
    samples: set[str], others: set[str], cut: SplitShares, seed: int
) -> None:
    assigned = assign_splits(samples, others, cut, seed)
    assert assigned.keys() == samples | others
    got = {split: sum(assigned[b] == split for b in samples) for split in SPLITS}
    assert got == split_counts(len(samples), cut)
    again = assign_splits(sorted(samples), sorted(others, reverse=True), cut, seed)
    assert again == assigned


def test_three_blocks_fill_three_splits_whatever_the_seed() -> None:
    seen = set()
    for seed in range(20):
        assigned = assign_splits({"a", "b", "c"}, set(), SHARES, seed)
        assert sorted(assigned.values()) == ["test", "train", "val"]
        seen.add(tuple(sorted(assigned.items())))
    assert len(seen) > 1


@pytest.mark.parametrize(
    ("lon", "lat", "deg", "block"),
    [
        (-105.1, 40.1, 0.25, "-421_160"),
        (0.0, 0.0, 1.0, "0_0"),
        (-0.0001, -0.0001, 1.0, "-1_-1"),
        (180.0, 10.0, 1.0, "-180_10"),
        (-180.0, 10.0, 1.0, "-180_10"),
        (179.999, 10.0, 1.0, "179_10"),
    ],
)
def test_blocks(lon: float, lat: float, deg: float, block: str) -> None:
    assert block_of(lon, lat, deg) == block


def test_room_rounds_reserves_up_but_not_for_binary_fractions() -> None:
    quotas = Quotas(urban=30, non_urban=5)
    assert room(quotas, 0.1) == {"urban": (30, 3), "non_urban": (5, 1)}
    assert room(quotas, 0.0) == {"urban": (30, 0), "non_urban": (5, 0)}
    assert room(Quotas(urban=0, non_urban=0), 0.5) == {"urban": (0, 0), "non_urban": (0, 0)}


def test_every_stretch_of_the_order_holds_all_strata_alike() -> None:
    strata = {f"u{i}": "urban" for i in range(10)} | {f"n{i}": "non_urban" for i in range(30)}
    order = mixed_order(strata, {name: digest(("k", name)) for name in strata})
    assert sorted(order) == sorted(strata)
    for start in range(0, 40, 8):
        urban = sum(name.startswith("u") for name in order[start : start + 8])
        assert urban == 2
    assert order != sorted(order)


@given(st.dictionaries(st.text(min_size=1, max_size=4), st.sampled_from("ab"), max_size=20))
def test_the_order_does_not_depend_on_that_of_the_members(strata: dict[str, str]) -> None:
    keys = {name: digest(("k", name)) for name in strata}
    turned = dict(reversed(strata.items()))
    assert mixed_order(strata, keys) == mixed_order(turned, keys)


def candidate(i: int, role: str = "sample", stratum: str = "urban") -> dict[str, Any]:
    return {
        "sample_id": f"smp-{i:03d}",
        "role": role,
        "stratum": stratum,
        "site_id": f"sit-{i:03d}",
        "epsg": 32613,
        "x_m": 600 * i,
        "y_m": 0,
        "size_m": 600,
        "pair_id": "par-0",
        "lr_scene_id": "scn-0",
        "hr_scene_id": "scn-1",
        "gap_s": -1.5 * i,
        "lon": -105.0 + 0.1 * (i % 9),
        "lat": 40.0 + 0.1 * (i % 5),
        "place": 1,
    }


def rule(seed: int = 0) -> SelectRule:
    return SelectRule(
        seed=seed,
        sites_per_tile_pair=3,
        urban=UrbanRule(layer="made", classes=(1,), min_frac=0.5),
        quotas=Quotas(urban=5, non_urban=5),
        block_deg=0.25,
    )


def chosen() -> list[dict[str, Any]]:
    samples = [candidate(i, stratum=("urban", "non_urban")[i % 3 == 0]) for i in range(60)]
    return samples + [candidate(i, role="reserve") for i in range(60, 70)]


def test_rows_of_a_manifest() -> None:
    rows = manifest_rows(chosen(), rule())
    assert [row["sample_id"] for row in rows] == sorted(row["sample_id"] for row in rows)
    by_block: dict[str, set[str]] = {}
    for row in rows:
        by_block.setdefault(row["block"], set()).add(row["split"])
    assert all(len(splits) == 1 for splits in by_block.values())
    for role in ("sample", "reserve"):
        for split in SPLITS:
            ranks = sorted(r["rank"] for r in rows if (r["role"], r["split"]) == (role, split))
            assert ranks == list(range(len(ranks)))
    assert {row["split"] for row in rows if row["role"] == "sample"} == set(SPLITS)
    assert "place" not in rows[0]
    assert "lon" not in rows[0]


def test_rows_do_not_depend_on_the_order_of_the_chosen_but_on_the_seed() -> None:
    rows = manifest_rows(chosen(), rule())
    assert manifest_rows(chosen()[::-1], rule()) == rows
    assert manifest_rows(chosen(), rule(seed=1)) != rows


def test_no_chosen_no_rows() -> None:
    assert manifest_rows([], rule()) == []
    only_reserves = manifest_rows([candidate(1, role="reserve")], rule())
    assert [row["split"] for row in only_reserves] == ["train"]


def test_the_hash_covers_values_not_order() -> None:
    rows = manifest_rows(chosen(), rule())
    columns = sorted(rows[0])
    before = content_hash(rows, columns)
    assert content_hash(rows[::-1], columns) == before
    assert len(before) == 64
    rows[7] = rows[7] | {"gap_s": rows[7]["gap_s"] + 1e-9}
    assert content_hash(rows, columns) != before
    assert content_hash([], columns) == hashlib.sha256().hexdigest()


def test_the_manifests_id_stands_for_task_rule_and_rows() -> None:
    ids = {
        manifest_id(task, rule_id, rows)
        for task in ("s2_naip", "modis_landsat8")
        for rule_id in ("rul-1", "rul-2")
        for rows in ("a", "b")
    }
    assert len(ids) == 8
    assert all(name.startswith("man-") and len(name) == 28 for name in ids)
    assert draw_key(1, "sit-1") != draw_key(2, "sit-1")


@given(st.dictionaries(st.sampled_from([*RULE_NAMES, "kept", "reserve"]), st.integers(0, 99)))
def test_the_funnel_adds_up(verdicts: dict[str, int]) -> None:
    steps = funnel(verdicts)
    assert [step.rule for step in steps] == list(RULE_NAMES)
    assert steps[0].n_in == sum(verdicts.values())
    assert steps[-1].n_out == verdicts.get("kept", 0) + verdicts.get("reserve", 0)
    for step in steps:
        assert step.n_in == step.n_dropped + step.n_out
        assert step.n_dropped == verdicts.get(step.rule, 0)
    assert all(a.n_out == b.n_in for a, b in pairwise(steps))


def test_what_strata_and_splits_got() -> None:
    rows = manifest_rows(chosen(), rule())
    strata = by_stratum(rows, {"urban": (50, 5), "non_urban": (20, 2)})
    assert strata["urban"] == {"asked": 50, "samples": 40, "reserves_asked": 5, "reserves": 10}
    assert strata["non_urban"]["samples"] == 20
    splits = by_split(rows)
    assert sum(split["samples"] for split in splits.values()) == 60
    assert sum(split["reserves"] for split in splits.values()) == 10
    assert sum(split["urban"] for split in splits.values()) == 40
    assert all(split["blocks"] >= 1 for split in splits.values())
    assert by_split([])["val"]["samples"] == 0
