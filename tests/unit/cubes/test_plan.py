"""Dealing samples and reserves to shards, and what it will cost."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from geosr_lake.cubes.inputs import CubeInputs
from geosr_lake.cubes.jobs import SampleJob, Side, SourceItem
from geosr_lake.cubes.plan import deal, estimate, make_plan
from geosr_lake.recipe import CubeRule
from geosr_lake.sensors.tasks import MODIS_LANDSAT8, S2_NAIP

SCENE = Side("scn-0", 0, 0, (SourceItem("a/b/c", {"x": "/x.tif"}, 0),))


def job(name: str, subset: str = "sr", stratum: str = "urban") -> SampleJob:
    return SampleJob(name, subset, stratum, "sit", 32613, 0, 0, 0.0, SCENE, SCENE)


def inputs(samples: dict[str, list[SampleJob]], reserves: dict[str, list[SampleJob]], k: int = 4):
    return CubeInputs(
        "man-0", "tiny", S2_NAIP, CubeRule(shard_samples=k), 864_000_000_000, samples, reserves
    )


@given(st.integers(0, 40), st.integers(0, 20), st.integers(1, 9))
def test_every_sample_has_one_slot_and_every_reserve_one_shard(n: int, m: int, k: int) -> None:
    samples = [job(f"s{i}") for i in range(n)]
    reserves = [job(f"r{i}") for i in range(m)]
    plan = make_plan(inputs({"train": samples, "val": []}, {"train": reserves, "val": []}, k))
    assert set(plan) == ({"train"} if n else set())
    shards = plan.get("train", [])
    assert [j for shard in shards for j in shard.jobs] == samples
    assert [shard.first_index for shard in shards] == list(range(0, n, k))
    assert all(len(shard.jobs) == k for shard in shards[:-1])
    dealt = [r.sample_id for shard in shards for r in shard.reserves]
    assert sorted(dealt) == sorted(r.sample_id for r in reserves) if n else not dealt
    if shards:
        sizes = [len(shard.reserves) for shard in shards]
        assert max(sizes) - min(sizes) <= 1
        assert [r.sample_id for r in shards[0].reserves] == [
            r.sample_id for r in reserves[:: len(shards)]
        ]


def test_reserves_go_where_their_subset_is() -> None:
    subsets = [{"sr"}, {"sr", "labels"}, {"labels"}]
    reserves = [job("a"), job("b", "labels"), job("c"), job("d"), job("e", "labels"), job("f", "x")]
    assert [[r.sample_id for r in hand] for hand in deal(subsets, reserves)] == [
        ["a", "d"],
        ["b", "c"],
        ["e"],
    ]


def test_the_plan_hash_changes_with_whatever_changes_the_bytes() -> None:
    plan = make_plan(inputs({"train": [job("a"), job("b")]}, {"train": [job("r")]}))["train"][0]
    again = make_plan(inputs({"train": [job("a"), job("b")]}, {"train": [job("r")]}))["train"][0]
    assert plan.plan_hash == again.plan_hash
    moved = replace(job("b"), x_m=600)
    other_item = replace(SCENE, items=(SourceItem("a/b/c", {"x": "/y.tif"}, 0),))
    changed = [
        replace(plan, jobs=plan.jobs[::-1]),
        replace(plan, jobs=(plan.jobs[0], moved)),
        replace(plan, jobs=(plan.jobs[0], replace(plan.jobs[1], lr=other_item))),
        replace(plan, reserves=()),
        replace(plan, window_us=1),
        replace(plan, rule=CubeRule(shard_samples=4, codec="archive")),
        replace(plan, rule=CubeRule(shard_samples=4, min_hr_clear_frac=0.5)),
        replace(plan, shard=1),
        replace(plan, first_index=4),
    ]
    assert len({plan.plan_hash, *(p.plan_hash for p in changed)}) == len(changed) + 1


def test_the_estimate_counts_blocks_and_bytes() -> None:
    plan = make_plan(inputs({"train": [job(str(i)) for i in range(6)]}, {"train": [job("r")]}))
    cost = estimate(S2_NAIP, plan["train"])
    assert (cost.shards, cost.samples, cost.reserves) == (2, 6, 1)
    # 13 files of Sentinel-2, 2 x 2 blocks each, and a photograph of 3 x 3, one header each.
    assert cost.source_requests == 6 * (13 * 5 + 10)
    raw = 6 * (12 * 60 * 60 * 2 + 4 * 1000 * 1000 + 60 * 60 + 1000 * 1000)
    assert cost.output_raw_bytes == raw
    assert cost.output_bytes == int(raw / 1.5)


def test_a_modis_sample_is_fourteen_megabytes_and_a_mask() -> None:
    wide = replace(inputs({"train": [job("a")]}, {"train": []}), task=MODIS_LANDSAT8)
    cost = estimate(MODIS_LANDSAT8, make_plan(wide)["train"])
    assert 15e6 < cost.output_raw_bytes < 15.2e6
