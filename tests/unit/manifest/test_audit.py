"""Leaks that are planted are found, each kind of them, and nothing else; against arithmetic too."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from manifest_world import EPSG, SOUTH_M, WEST_M, lonlat_box

from geosr_lake.ids import site_id
from geosr_lake.manifest.audit import SAYS, SHOWN, Audit, audit
from geosr_lake.manifest.samples import Samples

SIZE_M = 600
Spot = tuple[int, int]
"""West and south edge of a square, in metres from the corner of the world."""


def samples(
    spots: Sequence[tuple[str, Spot]],
    *,
    strata: Sequence[str] | None = None,
    scenes: Sequence[tuple[str, ...]] | None = None,
    ids: Sequence[str] | None = None,
) -> Samples:
    """Squares of 600 m with a split each."""
    corners = [(WEST_M + x, SOUTH_M + y) for _, (x, y) in spots]
    n = len(spots)
    shapes = [lonlat_box(x, y, x + SIZE_M, y + SIZE_M, steps=4) for x, y in corners]
    footprints = np.empty(n, dtype=object)
    footprints[:] = shapes
    return Samples(
        name="m",
        ids=ids or [f"s{i}" for i in range(n)],
        splits=[split for split, _ in spots],
        strata=strata or [None] * n,
        grounds=[site_id(SIZE_M, EPSG, x, y) for x, y in corners],
        footprints=footprints,
        times=[datetime(2020, 1, 1 + i % 28, tzinfo=UTC) for i in range(n)],
        scenes=scenes or [()] * n,
    )


def test_one_site_in_two_subsets_of_a_split_is_a_leak() -> None:
    twice = samples([("train", (0, 0)), ("train", (0, 0))])
    assert audit(twice, buffer_m=0.0).clean
    one = replace(twice, subsets=["sr", "sr"])
    two = replace(twice, subsets=["sr", "river"])
    assert audit(one, buffer_m=0.0).clean
    assert kinds(audit(two, buffer_m=0.0)) == {"overlap_in_split": 1}


def kinds(found: Audit) -> dict[str, int]:
    return {kind: n for kind, n in found.counts.items() if n}


CLEAN = [("train", (0, 0)), ("train", (600, 0)), ("val", (3_000, 0)), ("test", (0, 6_000))]


def test_a_clean_manifest_is_clean() -> None:
    found = audit(samples(CLEAN), buffer_m=1_500.0)
    assert found.clean
    assert kinds(found) == {}
    assert found.leaks == ()
    least = {(d.a_split, d.b_split): d for d in found.distances}
    # On the map 1,800 m, on the ground 1/0.9996 of it.
    assert least["train", "val"].distance_m == pytest.approx(1_800, rel=1e-3)
    assert {least["train", "val"].a, least["train", "val"].b} == {"s1", "s2"}
    assert least["test", "train"].distance_m == pytest.approx(5_400, rel=1e-3)
    assert least["test", "val"].distance_m == pytest.approx(np.hypot(2_400, 5_400), rel=1e-3)


def planted(spots: list[tuple[str, Spot]], ids: list[str] | None = None) -> Audit:
    whole = [*CLEAN, *spots]
    names = ids and [f"s{i}" for i in range(len(CLEAN))] + ids
    return audit(samples(whole, ids=names), buffer_m=1_500.0)


def test_ground_that_two_splits_share() -> None:
    found = planted([("test", (300, 300))])
    assert kinds(found) == {"overlap_between_splits": 2}
    assert {(leak.a, leak.b) for leak in found.leaks} == {("s0", "s4"), ("s1", "s4")}
    assert {leak.distance_m for leak in found.leaks} == {0.0}


def test_the_same_site_in_two_splits() -> None:
    assert kinds(planted([("val", (0, 6_000))])) == {"overlap_between_splits": 1}


def test_a_neighbour_below_the_buffer() -> None:
    found = planted([("test", (4_800, 0))])
    assert kinds(found) == {"below_buffer": 1}
    (leak,) = found.leaks
    assert (leak.a, leak.b, leak.a_split, leak.b_split) == ("s2", "s4", "val", "test")
    assert leak.distance_m == pytest.approx(1_200, rel=1e-3)


def test_ground_that_is_only_touched_is_below_a_buffer() -> None:
    spots = [("train", (0, 0)), ("test", (600, 0))]
    assert kinds(audit(samples(spots), buffer_m=1.0)) == {"below_buffer": 1}
    assert kinds(audit(samples(spots), buffer_m=0.0)) == {}


def test_frames_of_one_split_that_overlap() -> None:
    assert kinds(planted([("train", (300, 0))])) == {"overlap_in_split": 2}


def test_several_dates_of_one_site_are_no_leak() -> None:
    assert planted([("train", (0, 0)), ("train", (0, 0))]).clean


def test_an_id_that_stands_twice() -> None:
    found = planted([("train", (0, 9_000))], ids=["s0"])
    assert kinds(found) == {"id_twice": 1}
    assert found.leaks[0].a == "s0"


def test_another_manifest() -> None:
    mine, spots = samples(CLEAN), [("train", (0, 0)), ("test", (600, 0)), ("test", (90_000, 0))]
    other = samples(spots, ids=["s0", "x", "y"])
    found = audit(mine, other=other)
    assert found.duplicates is not None
    assert found.duplicates.same_ids == 1
    assert found.duplicates.by_splits == {"train/test": 1, "train/train": 1}
    assert found.duplicates.overlaps == 2
    assert kinds(found) == {"in_other_manifest": 1}
    assert (found.leaks[0].a, found.leaks[0].b) == ("s1", "x")


def test_balance_and_times() -> None:
    strata = ["urban", "urban", "urban", "non_urban"]
    found = audit(samples(CLEAN, strata=strata))
    shares = {one.split: one for one in found.splits}
    assert shares["train"].samples == 2
    assert shares["train"].share == 0.5
    assert shares["train"].strata == {"urban": 1.0}
    assert shares["test"].strata == {"non_urban": 1.0}
    assert found.worst_imbalance == 0.75
    assert shares["train"].first == datetime(2020, 1, 1, tzinfo=UTC)
    assert shares["train"].last == datetime(2020, 1, 2, tzinfo=UTC)


def test_scenes_that_serve_several_splits() -> None:
    scenes = [("a", "x"), ("b", "x"), ("c", "x"), ("d", "y")]
    found = audit(samples(CLEAN, scenes=scenes)).scenes
    assert found is not None
    assert (found.scenes, found.shared, found.samples, found.share) == (6, 1, 3, 0.75)
    assert audit(samples(CLEAN)).scenes is None


def test_many_leaks_are_counted_and_some_are_named() -> None:
    spots = [("train" if i % 2 else "test", (0, 3 * i)) for i in range(60)]
    found = audit(samples(spots), buffer_m=0.0)
    between = sum(i % 2 != j % 2 for i, j in combinations(range(60), 2))
    assert kinds(found) == {
        "overlap_between_splits": between,
        "overlap_in_split": 60 * 59 // 2 - between,
    }
    assert len(found.leaks) == 2 * SHOWN


def test_every_kind_is_said_in_words() -> None:
    assert set(audit(samples(CLEAN)).counts) == set(SAYS)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["train", "val", "test"]),
            st.tuples(st.integers(0, 12), st.integers(0, 12)),
        ),
        min_size=1,
        max_size=25,
    ),
    st.sampled_from([0, 300, 900, 2_000]),
)
def test_against_arithmetic_on_the_map(rows: list[tuple[str, Spot]], buffer_m: int) -> None:
    spots = [(split, (300 * x, 300 * y)) for split, (x, y) in rows]
    expected = dict.fromkeys(SAYS, 0)
    least: dict[tuple[str, str], float] = {}
    for (one, (ax, ay)), (two, (bx, by)) in combinations(spots, 2):
        dx, dy = max(0, abs(ax - bx) - SIZE_M), max(0, abs(ay - by) - SIZE_M)
        overlap = abs(ax - bx) < SIZE_M and abs(ay - by) < SIZE_M
        apart = float(np.hypot(dx, dy))
        if one != two:
            key = (min(one, two), max(one, two))
            least[key] = min(apart, least.get(key, apart))
            expected["overlap_between_splits"] += overlap
            expected["below_buffer"] += not overlap and apart < buffer_m
        else:
            expected["overlap_in_split"] += overlap and (ax, ay) != (bx, by)
    found = audit(samples(spots), buffer_m=buffer_m)
    assert found.counts == expected
    assert {(d.a_split, d.b_split): d.distance_m for d in found.distances} == pytest.approx(
        least, rel=1e-3, abs=0.01
    )
