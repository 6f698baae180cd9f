"""Blocks, splits, ranks and hashes of a manifest."""

import hashlib
import math
from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from manifest_world import recipe

from geosr_lake.ids import digest
from geosr_lake.manifest.select import (
    SPLITS,
    content_hash,
    manifest_id,
    manifest_rows,
    mixed_order,
    split_of,
    splits_by_order,
)
from geosr_lake.manifest.summary import by_split, funnel
from geosr_lake.recipe import CubeRule, Quotas, SelectRule, SplitRule, UrbanRule
from geosr_lake.verdicts import RULE_NAMES

SHARES = SplitRule()


def shares() -> st.SearchStrategy[SplitRule]:
    cuts = st.tuples(st.integers(0, 100), st.integers(0, 100)).map(sorted)
    return cuts.map(
        lambda c: SplitRule(train=c[0] / 100, val=(c[1] - c[0]) / 100, test=(100 - c[1]) / 100)
    )


@given(st.text("ab_019", min_size=1, max_size=6), shares(), st.integers(0, 9))
def test_the_split_of_a_block_follows_the_shares(block: str, cut: SplitRule, seed: int) -> None:
    split = split_of(block, cut, seed)
    assert getattr(cut, split) > 0
    part = int(digest(("split", seed, block)), 16) / 16**24
    below = {"train": 0.0, "val": cut.train, "test": cut.train + cut.val}[split]
    assert below - 1e-9 <= part <= below + getattr(cut, split) + 1e-9


def test_many_blocks_get_their_shares_and_another_seed_other_splits() -> None:
    blocks = [f"{i}_{j}" for i in range(60) for j in range(50)]
    for seed in (0, 1):
        counts = Counter(split_of(block, SHARES, seed) for block in blocks)
        for split in SPLITS:
            share = getattr(SHARES, split)
            # Four standard errors of a share of 3,000.
            error = 4 * math.sqrt(share * (1 - share) / len(blocks))
            assert counts[split] / len(blocks) == pytest.approx(share, abs=error)
    moved = sum(split_of(b, SHARES, 0) != split_of(b, SHARES, 1) for b in blocks)
    assert moved > len(blocks) / 4


@pytest.mark.parametrize(
    ("n", "expected"),
    [
        (0, (0, 0, 0)),
        (1, (1, 0, 0)),
        # River, urban, CDL, GPP and CHM of MODIS with Landsat; each of Sentinel-2 with NAIP.
        (1065, (767, 85, 213)),
        (1687, (1215, 135, 337)),
        (762, (549, 61, 152)),
        (755, (544, 60, 151)),
        (1408, (1014, 112, 282)),
        (2000, (1440, 160, 400)),
    ],
)
def test_by_order_the_counts_are_those_of_the_official_release(
    n: int, expected: tuple[int, int, int]
) -> None:
    names = [f"smp-{i}" for i in range(n)]
    splits = splits_by_order(names, SHARES, 3)
    assert splits.keys() == set(names)
    assert tuple(list(splits.values()).count(split) for split in SPLITS) == expected
    assert splits_by_order(names[::-1], SHARES, 3) == splits


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
        "subset": "sr",
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
        "chip_row": None,
        "lon": -105.0,
        "block": f"{i % 9}_{i % 5}",
        "split": SPLITS[(i % 9) % 3],
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
    assert len(manifest_rows([candidate(1, role="reserve")], rule())) == 1


def test_in_the_papers_mode_a_block_can_lie_in_several_splits() -> None:
    by_order = rule().model_copy(update={"split": SplitRule(mode="paper")})
    rows = manifest_rows([c | {"split": None} for c in chosen()], by_order)
    counts = Counter(row["split"] for row in rows if row["role"] == "sample")
    assert counts == {"train": 44, "val": 4, "test": 12}
    blocks: dict[str, set[str]] = {}
    for row in rows:
        blocks.setdefault(row["block"], set()).add(row["split"])
    assert any(len(splits) > 1 for splits in blocks.values())


def test_the_hash_covers_values_not_order() -> None:
    rows = manifest_rows(chosen(), rule())
    columns = sorted(rows[0])
    before = content_hash(rows, columns)
    assert content_hash(rows[::-1], columns) == before
    assert len(before) == 64
    rows[7] = rows[7] | {"gap_s": rows[7]["gap_s"] + 1e-9}
    assert content_hash(rows, columns) != before
    assert content_hash([], columns) == hashlib.sha256().hexdigest()


def test_the_manifests_id_stands_for_its_recipe_and_rows() -> None:
    """Also for what the choice does not read: cubes are made by the manifest."""
    label = {"product": "cdl", "px": 1200}
    subsets = [{"name": "sr", "quotas": {"urban": 1}}]
    one = recipe(subsets=subsets, quotas=None)
    others = [
        recipe(subsets=subsets, quotas=None, seed=9),
        recipe(subsets=[subsets[0] | {"label": label}], quotas=None),
        recipe(subsets=[subsets[0] | {"label": label | {"px": 512}}], quotas=None),
        one.model_copy(update={"name": "other"}),
        one.model_copy(update={"cubes": CubeRule(shard_samples=4)}),
        one.model_copy(update={"cubes": CubeRule(codec="archive")}),
    ]
    ids = {manifest_id(one, rows) for rows in ("a", "b")} | {manifest_id(o, "a") for o in others}
    assert len(ids) == 8
    assert all(name.startswith("man-") and len(name) == 28 for name in ids)
    again = recipe(subsets=[{"name": "sr", "quotas": {"urban": 10}}], quotas=None, scale=0.1)
    assert manifest_id(again, "a") == manifest_id(one, "a")


@given(st.dictionaries(st.sampled_from([*RULE_NAMES, "kept", "reserve"]), st.integers(0, 99)))
def test_the_funnel_adds_up(verdicts: dict[str, int]) -> None:
    steps = funnel(verdicts, RULE_NAMES)
    assert [step.rule for step in steps] == list(RULE_NAMES)
    assert steps[0].n_in == sum(verdicts.values())
    assert steps[-1].n_out == verdicts.get("kept", 0) + verdicts.get("reserve", 0)
    for step in steps:
        assert step.n_in == step.n_dropped + step.n_out
        assert step.n_dropped == verdicts.get(step.rule, 0)
    assert all(a.n_out == b.n_in for a, b in pairwise(steps))


def test_what_splits_got() -> None:
    of_two = [c | {"subset": ("sr", "road")[i % 2]} for i, c in enumerate(chosen())]
    splits = by_split(manifest_rows(of_two, rule()))
    assert list(splits) == ["road", "sr"]
    for of_subset in splits.values():
        assert sum(split["samples"] for split in of_subset.values()) == 30
        assert sum(split["reserves"] for split in of_subset.values()) == 5
        assert all(split["blocks"] >= 1 for split in of_subset.values())
    assert by_split([]) == {}


def test_each_subset_has_ranks_of_its_own() -> None:
    of_two = [c | {"subset": ("sr", "road")[i % 2]} for i, c in enumerate(chosen())]
    groups: dict[tuple[str, ...], list[int]] = {}
    for row in manifest_rows(of_two, rule()):
        groups.setdefault((row["subset"], row["role"], row["split"]), []).append(row["rank"])
    assert len(groups) > 6
    assert all(sorted(ranks) == list(range(len(ranks))) for ranks in groups.values())


def test_in_the_papers_mode_the_samples_of_a_site_and_its_reserves_go_together() -> None:
    by_order = rule().model_copy(update={"split": SplitRule(mode="paper")})
    twice = [c | {"split": None, "site_id": f"sit-{i // 2}"} for i, c in enumerate(chosen())]
    twice += [
        candidate(100 + i, "reserve") | {"split": None, "site_id": f"sit-{i}"} for i in range(9)
    ]
    of_site: dict[str, set[str]] = {}
    for row in manifest_rows(twice, by_order):
        of_site.setdefault(row["site_id"], set()).add(row["split"])
    assert all(len(splits) == 1 for splits in of_site.values())
    assert set().union(*of_site.values()) == set(SPLITS)
