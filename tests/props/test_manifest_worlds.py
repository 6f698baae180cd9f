"""Random worlds of candidates: one verdict each, quotas kept, whatever the partitions."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import DataFrame, SparkSession

from geosr_lake.ids import digest, sample_id
from geosr_lake.manifest.candidates import (
    chosen,
    judged,
    scene_conditions,
    with_verdicts,
    zone_of,
)
from geosr_lake.manifest.select import manifest_rows, room
from geosr_lake.manifest.summary import funnel
from geosr_lake.recipe import Quotas, SelectRule, SideLimits, SplitRule, UrbanRule
from geosr_lake.sensors.grid import wgs84_utm
from geosr_lake.sensors.tasks import MODIS_LANDSAT8, S2_NAIP
from geosr_lake.verdicts import RULE_NAMES

pytestmark = pytest.mark.spark

FOUND = "lr_tile string, hr_tile string, site_id string, hits array<int>"
SITES = (
    "site_id string, epsg int, x_m bigint, y_m bigint, size_m int, lon double, lat double, "
    "zone_edge boolean, split_edge boolean, block string, split string, stratum string"
)
SERVED = (
    "lr_tile string, hr_tile string, fp_index int, pair_id string, lr_scene_id string, "
    "hr_scene_id string, gap_s double, overlap_frac double, lr_zone int, hr_zone int, "
    "lr_cloud_frac double, hr_cloud_frac double, lr_snow_frac double, hr_snow_frac double, "
    "lr_gsd_m double, hr_gsd_m double"
)
SHARE = st.one_of(st.none(), st.sampled_from([0.0, 0.1, 0.2, 0.20000001, 0.9]))
ZONE = st.sampled_from([32613, 32613, 32613, 32614, None])
LIMITS = st.builds(
    SideLimits,
    max_cloud_frac=st.sampled_from([None, 0.1, 0.2]),
    max_snow_frac=st.sampled_from([None, 0.1]),
    unknown_cloud=st.sampled_from(["drop", "keep"]),
    unknown_snow=st.sampled_from(["drop", "keep"]),
    max_gsd_m=st.sampled_from([None, 0.6]),
)
RULES = st.builds(
    SelectRule,
    seed=st.integers(0, 3),
    sites_per_tile_pair=st.just(1),
    lr=LIMITS,
    hr=LIMITS,
    urban=st.just(UrbanRule(layer="made", classes=(1,), min_frac=0.5)),
    quotas=st.builds(Quotas, urban=st.integers(0, 4), non_urban=st.integers(0, 4)),
    reserve_frac=st.sampled_from([0.0, 0.1, 0.5, 1.0]),
    block_deg=st.just(0.25),
    split=st.builds(SplitRule, mode=st.sampled_from(["blocks", "blocks", "paper"])),
)


@st.composite
def worlds(draw: st.DrawFn) -> dict[str, list[dict[str, Any]]]:
    """Sites, pairs of footprints with several pairs each, and which of them hold which site."""
    sites = [
        {
            "site_id": f"sit-{i}",
            "epsg": 32613,
            "x_m": 600 * i,
            "y_m": 0,
            "size_m": 600,
            "lon": -105 + 0.07 * i,
            "lat": 40.0,
            "zone_edge": draw(st.sampled_from([False, False, False, True])),
            "split_edge": draw(st.sampled_from([False, False, False, True])),
            "block": f"{i // 3}_160",
            "split": ("train", "val", "test", "train")[i // 3],
            "stratum": draw(st.sampled_from(["urban", "non_urban", "non_urban", None])),
        }
        for i in range(draw(st.integers(0, 12)))
    ]
    served = [
        {
            "lr_tile": f"t{i % 2}",
            "hr_tile": "h",
            "fp_index": draw(st.integers(0, 2)),
            "pair_id": f"par-{i}",
            "lr_scene_id": f"scn-l{i}",
            "hr_scene_id": f"scn-h{i}",
            "gap_s": draw(st.sampled_from([0.0, 60.0, -60.0, 3600.0])),
            "overlap_frac": draw(st.sampled_from([0.5, 1.0])),
            **{f"{side}_zone": draw(ZONE) for side in ("lr", "hr")},
            **{f"{s}_{n}_frac": draw(SHARE) for s in ("lr", "hr") for n in ("cloud", "snow")},
            "lr_gsd_m": draw(st.sampled_from([None, 0.6, 0.6000001, 10.0])),
            "hr_gsd_m": draw(st.sampled_from([None, 0.3, 0.6, 1.0])),
        }
        for i in range(draw(st.integers(0, 8)))
    ]
    found = [
        {
            "lr_tile": tile,
            "hr_tile": "h",
            "site_id": site["site_id"],
            "hits": sorted(draw(st.sets(st.integers(0, 2)))),
        }
        for site in sites
        for tile in ("t0", "t1")
        if draw(st.booleans())
    ]
    return {"found": found, "sites": sites, "served": served}


def by_hand(world: dict[str, list[dict[str, Any]]], rule: SelectRule) -> dict[str, str]:
    """The verdict of each candidate, written as the rules read."""
    verdicts: dict[str, str] = {}
    best: dict[str, list[tuple[Any, ...]]] = {}
    for spot in world["found"]:
        site = next(s for s in world["sites"] if s["site_id"] == spot["site_id"])
        for pair in world["served"]:
            if pair["lr_tile"] != spot["lr_tile"] or pair["fp_index"] not in spot["hits"]:
                continue
            name = sample_id("sr", site["site_id"], pair["lr_scene_id"], pair["hr_scene_id"])
            verdict = first_rule(site, pair, rule)
            if verdict is None:
                cloud = sum(
                    1.0 if pair[f"{s}_cloud_frac"] is None else pair[f"{s}_cloud_frac"]
                    for s in ("lr", "hr")
                )
                order = (abs(pair["gap_s"]), -pair["overlap_frac"], cloud, name)
                best.setdefault(site["site_id"], []).append((order, name, site["stratum"]))
                verdict = "not_best"
            verdicts[name] = verdict
    survivors = [min(options) for options in best.values()]
    for stratum, (samples, reserves) in room(rule.quotas, rule.reserve_frac).items():
        names = [name for _, name, s in survivors if s == stratum]
        names.sort(key=lambda name: digest(("keep", rule.seed, name)))
        for place, name in enumerate(names):
            verdicts[name] = (
                "kept"
                if place < samples
                else "reserve"
                if place < samples + reserves
                else "over_quota"
            )
    return verdicts


def first_rule(site: dict[str, Any], pair: dict[str, Any], rule: SelectRule) -> str | None:
    """The first rule that drops a candidate for what it is."""
    if site["zone_edge"]:
        return "zone_edge"
    if site["split_edge"]:
        return "split_edge"
    if not pair["lr_zone"] == pair["hr_zone"] == site["epsg"]:
        return "zone_mismatch"
    sides = {"lr": rule.lr, "hr": rule.hr}
    for side, limits in sides.items():
        gsd = pair[f"{side}_gsd_m"]
        if limits.max_gsd_m is not None and (gsd is None or gsd > limits.max_gsd_m * 1.001):
            return f"{side}_gsd"
    for what in ("cloud", "snow"):
        for side, limits in sides.items():
            limit, value = getattr(limits, f"max_{what}_frac"), pair[f"{side}_{what}_frac"]
            if limit is None:
                continue
            if value is None and getattr(limits, f"unknown_{what}") == "drop":
                return f"{side}_{what}_unknown"
            if value is not None and value > limit:
                return f"{side}_{what}"
    return "cover_unknown" if site["stratum"] is None else None


def rows_of(frame: DataFrame) -> list[dict[str, Any]]:
    return [row.asDict() for row in frame.collect()]


def judge(
    spark: SparkSession,
    world: dict[str, list[dict[str, Any]]],
    rule: SelectRule,
    partitions: int,
) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """Verdicts by sample id, and the manifest's rows, from the stage's own steps."""

    def frame(name: str, ddl: str) -> DataFrame:
        names = [column.split()[0] for column in ddl.split(", ")]
        data = [tuple(row[n] for n in names) for row in world[name]]
        return spark.createDataFrame(data, ddl).repartition(partitions)

    candidates = judged(
        frame("found", FOUND), frame("sites", SITES), frame("served", SERVED), S2_NAIP, rule
    ).persist()
    try:
        rows = manifest_rows(
            rows_of(chosen(candidates, rule, room(rule.quotas, rule.reserve_frac))), rule
        )
        roles = spark.createDataFrame(
            [(row["sample_id"], row["role"]) for row in rows], "sample_id string, role string"
        )
        found = rows_of(with_verdicts(candidates, roles).select("sample_id", "verdict"))
    finally:
        candidates.unpersist()
    verdicts = {row["sample_id"]: row["verdict"] for row in found}
    assert len(verdicts) == len(found), "a candidate has two verdicts"
    return verdicts, rows


@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(world=worlds(), rule=RULES)
def test_verdicts_quotas_and_splits(
    spark: SparkSession, world: dict[str, list[dict[str, Any]]], rule: SelectRule
) -> None:
    verdicts, rows = judge(spark, world, rule, partitions=1)
    assert verdicts == by_hand(world, rule)
    assert set(verdicts.values()) <= {*RULE_NAMES, "kept", "reserve"}
    steps = funnel(Counter(verdicts.values()))
    assert steps[0].n_in == len(verdicts)
    assert steps[-1].n_out == len(rows)
    got = Counter((row["stratum"], row["role"]) for row in rows)
    for stratum, (samples, reserves) in room(rule.quotas, rule.reserve_frac).items():
        assert got[stratum, "sample"] <= samples
        assert got[stratum, "reserve"] <= reserves
        assert got[stratum, "reserve"] == 0 or got[stratum, "sample"] == samples
    if rule.split.mode == "blocks":
        sites = {site["site_id"]: site for site in world["sites"]}
        assert all(row["split"] == sites[row["site_id"]]["split"] for row in rows)
    assert judge(spark, world, rule, partitions=3) == (verdicts, rows)


def test_the_rules_are_asked_in_the_order_that_is_told() -> None:
    every = SideLimits(
        max_cloud_frac=0.1,
        max_snow_frac=0.1,
        unknown_cloud="drop",
        unknown_snow="drop",
        max_gsd_m=1.0,
    )
    rule = SelectRule(
        sites_per_tile_pair=1,
        lr=every,
        hr=every,
        urban=UrbanRule(layer="made", classes=(1,), min_frac=0.5),
        quotas=Quotas(urban=1, non_urban=1),
        block_deg=1,
    )
    asked = [*scene_conditions(S2_NAIP, rule), "cover_unknown", "not_best", "over_quota"]
    assert asked == list(RULE_NAMES)
    assert "lr_zone" not in scene_conditions(MODIS_LANDSAT8, rule)["zone_mismatch"]


def test_the_zone_in_sql_is_that_of_the_grid(spark: SparkSession) -> None:
    codes = [*range(26890, 26930), *range(32590, 32670), *range(32690, 32770), 4326, 3031]
    frame = spark.createDataFrame([(code,) for code in codes] + [(None,)], "epsg int")
    found = {
        row["epsg"]: row["zone"]
        for row in frame.selectExpr("epsg", f"{zone_of('epsg')} AS zone").collect()
    }
    assert found.pop(None) is None
    assert found == {code: wgs84_utm(code) for code in codes}
