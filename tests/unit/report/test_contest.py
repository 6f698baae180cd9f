"""What competed for a place, held against an order that is made apart."""

import json
from typing import Any

import pytest
from manifest_world import recipe
from typer.testing import CliRunner

from geosr_lake import ids
from geosr_lake.cli.app import app
from geosr_lake.lake import Lake
from geosr_lake.report import contest, selections
from geosr_lake.report.explain import explain
from geosr_lake.report.explanation import Explanation, by_verdict

MAN = "man-" + "0" * 24
RULES = [
    {"rule": "cloud", "side": "lr", "max_frac": 0.2, "unknown": "drop"},
    {"rule": "gsd", "side": "hr", "max_m": 1.5, "unknown": "keep"},
]
PAIRS = {
    # gap in days, overlap, cloud of LR and HR, verdict
    "a": (-2.0, 0.8, 0.0, None, "not_best"),
    "b": (1.0, 0.9, 0.10, None, "not_best"),
    "c": (-1.0, 0.9, 0.05, None, "kept"),
    "d": (0.0, 1.0, 0.35, 0.0, "lr_cloud"),
    "e": (1.0, 0.4, 0.10, None, "not_best"),
    "f": (0.5, 1.0, None, 0.1, "lr_cloud_unknown"),
}


def site(i: int) -> str:
    return "sit-" + ids.digest(("site", str(i)))


def pair(name: str) -> str:
    return "par-" + ids.digest((name,))


def place(name: str, i: int) -> dict[str, Any]:
    return {
        "manifest_id": MAN, "subset": "sr", "site_id": site(i), "pair_id": pair(name),
        "lr_scene_id": f"scn-l{name}", "hr_scene_id": f"scn-h{name}", "stratum": "urban",
        "gap_s": PAIRS[name][0] * 86_400,
    }  # fmt: skip


def candidate(world: Any, name: str, i: int, verdict: str) -> None:
    world.add("candidates", **place(name, i), lr_tile="l", hr_tile="h", verdict=verdict,
              lr_cloud_frac=PAIRS[name][2], hr_cloud_frac=PAIRS[name][3])  # fmt: skip


def chosen(world: Any, name: str, i: int, role: str, rank: int, **change: Any) -> str:
    row = place(name, i) | change
    sample = ids.sample_id(row["subset"], row["site_id"], row["lr_scene_id"], row["hr_scene_id"])
    world.add("manifest", **{"split": "test"} | row, sample_id=sample, role=role, rank=rank,
              block="b", epsg=32613, x_m=0, y_m=0, size_m=600)  # fmt: skip
    return sample


def fill(world: Any) -> str:
    """A site that six pairs show, sites that lost to the quota, and reserves; the sample's id."""
    for name, (gap, overlap, *_, verdict) in PAIRS.items():
        world.add("pairs", rule_id="rul-1", lr_scene_id=f"scn-l{name}", pair_id=pair(name),
                  hr_scene_id=f"scn-h{name}", lr_tile="l", hr_tile="h", gap_s=gap * 86_400,
                  overlap_frac=overlap)  # fmt: skip
        candidate(world, name, 0, verdict)
    for i in (0, 1):
        world.add("sites", site_id=site(i), size_m=600, epsg=32613, x_m=0, y_m=0, lon=0.0, lat=0.0,
                  footprint_wkb=b"", xmin=0.0, ymin=0.0, xmax=0.0, ymax=0.0)  # fmt: skip
    sample = chosen(world, "c", 0, "sample", 0)
    for i in range(1, 4):
        candidate(world, "b", i, "over_quota")
    candidate(world, "a", 1, "not_best")
    for rank in range(8):
        candidate(world, "a", 10 + rank, "reserve")
        last = chosen(world, "a", 10 + rank, "reserve", 7 - rank)
    world.add("shards", manifest_id=MAN, task="s2_naip", split="test", shard=0, plan_hash="p" * 64,
              first_index=0, n_slots=4, n_samples=0, files=[], bytes_read=0, seconds=0.0,
              rejected=[{"sample_id": last, "reason": "hr_not_clear"}], run_id="r")  # fmt: skip
    chosen(world, "b", 30, "reserve", 0, stratum="non_urban")
    chosen(world, "b", 31, "reserve", 0, split="train")
    chosen(world, "b", 32, "reserve", 0, subset="river")
    world.add("manifests", manifest_id=MAN, task="s2_naip", name="made", pair_rule_id="rul-1",
              select_rule_id="rul-2", layer="cover", layer_version="1", content_hash="c" * 64,
              sample_count=1, reserve_count=8, recipe=recipe(rules=RULES).canonical())  # fmt: skip
    return sample


@pytest.fixture(scope="module")
def told(write_rows: Any) -> tuple[Lake, str]:
    made: tuple[Lake, str] = write_rows(fill)
    return made


def parts(found: Explanation) -> dict[str, Any]:
    return {part.title: part for part in found.sections}


def order() -> list[str]:
    """The pairs of site 0 by bubbles: each two are compared on their own."""
    names = list(PAIRS)

    def better(a: str, b: str) -> bool:
        (gap_a, over_a, *clouds_a, _), (gap_b, over_b, *clouds_b, _) = PAIRS[a], PAIRS[b]
        if abs(gap_a) != abs(gap_b):
            return abs(gap_a) < abs(gap_b)
        cloud_a, cloud_b = (sum(1.0 if c is None else c for c in x) for x in (clouds_a, clouds_b))
        if cloud_a != cloud_b:
            return cloud_a < cloud_b
        return over_a > over_b

    for _ in names:
        for i in range(len(names) - 1):
            if better(names[i + 1], names[i]):
                names[i : i + 2] = names[i + 1], names[i]
    return names


def test_a_site_lists_its_candidates_in_the_order_of_choice(told: Any) -> None:
    rows = parts(explain(told[0], site(0)))["Candidates, in the order of choice"].records
    assert [row["pair"] for row in rows] == [pair(name) for name in order()]
    assert [row["order"] for row in rows] == list(range(1, 7))
    standing = [row for row in rows if not row["verdict"].startswith("lr_")]
    assert standing[0]["verdict"] == "kept"


def test_a_value_stands_beside_the_limit_that_it_passed(told: Any) -> None:
    rows = parts(explain(told[0], site(0)))["Candidates, in the order of choice"].records
    cloudy = next(row for row in rows if row["verdict"] == "lr_cloud")
    assert cloudy["why"].endswith("(0.35 > 0.2)")
    assert (cloudy["overlap"], cloudy["lr_cloud"], cloudy["hr_cloud"]) == (
        "100.0%",
        "35.0%",
        "0.0%",
    )
    assert next(r for r in rows if r["verdict"] == "lr_cloud_unknown")["lr_cloud"] == "unknown"


def test_a_sample_lists_the_others_of_its_site(told: Any) -> None:
    lake, sample = told
    found = explain(lake, sample)
    others = parts(found)["What else competed for its site"]
    assert [row["pair"] for row in others.records] == [pair(n) for n in order() if n != "c"]
    assert others.more == 0
    # Two were dropped by a rule; the sample and three more passed all.
    assert any("6 candidates of its site 2 were dropped" in s and "of the 4 that" in s
               for s in found.says)  # fmt: skip
    assert any("3 more sites of urban" in s for s in found.says)


def test_a_sample_tells_the_limits_that_it_keeps(told: Any) -> None:
    lake, sample = told
    found = explain(lake, sample)
    rows = parts(found)["Limits that it keeps"].records
    assert rows == [
        {"manifest": MAN, "rule": "lr_cloud", "value": "0.05", "limit": "at most 0.2"},
        {"manifest": MAN, "rule": "hr_gsd", "value": "unknown", "limit": "at most 1.5 m"},
    ]
    assert [found.facts[f"{name}_frac"] for name in ("overlap", "lr_cloud", "hr_cloud")] == [
        0.9, 0.05, None,
    ]  # fmt: skip


def test_a_sample_lists_the_reserves_of_its_kind_by_rank(told: Any) -> None:
    lake, sample = told
    waiting = parts(explain(lake, sample))["Reserves of its subset, stratum and split"]
    assert [row["rank"] for row in waiting.records] == list(range(selections.MAX_RESERVES))
    assert waiting.more == 8 - selections.MAX_RESERVES
    failed, *others = [row["state"] for row in waiting.records]
    assert failed == "failed: hr_not_clear"
    assert set(others) == {"waits"}
    assert any("of which 7 wait" in sentence for sentence in explain(lake, sample).says)


def test_a_reserve_says_how_many_stand_before_it(told: Any) -> None:
    lake, _ = told
    row = next(r for r in lake.arrow("manifest").to_pylist() if r["rank"] == 3)
    says = explain(lake, row["sample_id"]).says
    assert any(s.startswith("3 reserves of urban of test stand before it") for s in says)


def test_rivals_are_capped_and_the_rest_is_counted(
    told: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selections, "MAX_RIVALS", 2)
    lake, sample = told
    others = parts(explain(lake, sample))["What else competed for its site"]
    assert (len(others.rows), others.more) == (2, 3)
    done = CliRunner().invoke(app, ["explain", sample, "--lake", str(lake.root), "--json"])
    assert json.loads(done.stdout)["left_out"] == {
        "What else competed for its site": 3,
        "Reserves of its subset, stratum and split": 3,
    }


def test_a_pair_names_the_pair_that_won_each_site_that_it_lost(told: Any) -> None:
    rows = parts(explain(told[0], pair("a")))["Sites it serves, then those it lost"].records
    assert [row["verdict"] for row in rows] == ["reserve"] * 8 + ["not_best"] * 2
    won = {row["site"]: (row["won_by"], row["its_gap"]) for row in rows}
    assert won[site(0)] == (pair("c"), "-1.000 d")
    assert won[site(1)] == (pair("b"), "+1.000 d")  # best of its site, though the quota was full
    assert won[site(10)] == (None, None)


def test_the_candidates_of_a_pair_are_counted_with_their_value(told: Any) -> None:
    rows = parts(explain(told[0], pair("d")))["Candidates by verdict"].records
    assert [(r["subset"], r["verdict"], r["candidates"]) for r in rows] == [("sr", "lr_cloud", 1)]
    assert rows[0]["why"].endswith("(0.35 > 0.2)")


def test_unequal_values_are_not_said_for_all(told: Any) -> None:
    row = {"manifest_id": MAN, "subset": "sr", "verdict": "lr_cloud", "pair_id": "", "site_id": ""}
    found = contest.all_rules(told[0])
    many = [row | {"lr_cloud_frac": value} for value in (0.3, 0.4)]
    assert "(" not in by_verdict(many, found)[0]["why"]
    assert by_verdict(many[:1], found)[0]["why"].endswith("(0.3 > 0.2)")


def test_a_sample_without_candidates_says_that_it_is_not_known(write_rows: Any) -> None:
    lake, sample = write_rows(lambda world: chosen(world, "c", 0, "sample", 0))
    assert any("not known" in sentence for sentence in explain(lake, sample).says)
