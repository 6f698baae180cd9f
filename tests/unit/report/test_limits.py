"""Every kind of rule is told with the value that it judged, from what a lake stores of both."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from manifest_world import Scene, lonlat_box, recipe

from geosr_lake import ids
from geosr_lake.lake import Lake
from geosr_lake.recipe import RULE_KINDS, Rule, parse_canonical
from geosr_lake.report.explain import explain
from geosr_lake.report.explanation import Explanation
from geosr_lake.report.limits import kept, reason
from geosr_lake.verdicts import in_words

MAN, SITE = "man-" + "0" * 24, "sit-" + "0" * 24
RULES = [
    {"rule": "gap", "max": "36 h"},
    {"rule": "overlap", "min_frac": 0.5},
    {"rule": "gsd", "side": "hr", "max_m": 1, "unknown": "drop"},
    {"rule": "cloud", "side": "lr", "max_frac": 0.2, "unknown": "drop"},
    {"rule": "snow", "side": "lr", "max_frac": 0.1, "unknown": "keep"},
    {"rule": "sun", "side": "lr", "min_deg": 30, "unknown": "drop"},
    {"rule": "months", "side": "hr", "months": [2, 1]},
    {"rule": "platforms", "side": "lr", "platforms": ["s2b", "s2a"], "unknown": "drop"},
    {"rule": "tier", "side": "hr", "tiers": ["T1"], "unknown": "keep"},
]
GROUND = lonlat_box(480_000, 4_400_400, 490_000, 4_410_400)
LR = Scene("sentinel2", "lr", GROUND, 0, cloud=0.05, snow=0.02, platform="s2a",
           sun_elevation_deg=45.25)  # fmt: skip
HR = Scene("naip", "hr", GROUND, 0, gsd_m=0.6, tier="T1")
Change = dict[str, Any]
FELL: dict[str, tuple[Change, Change, Change, str | None]] = {
    # changed of LR, of HR, of the pair; value and limit as they are told
    "zone_mismatch": ({"epsg": 32612}, {"epsg": None}, {}, "LR EPSG:32612, HR unknown"),
    "gap": ({}, {}, {"gap_s": -40 * 3600.0}, "40 h > 36 h"),
    "overlap": ({}, {}, {"overlap_frac": 0.25}, "0.25 < 0.5"),
    "hr_gsd": ({}, {"gsd_m": 2.0}, {}, "2 m > 1 m"),
    "lr_cloud": ({"cloud": 0.35}, {}, {}, "0.35 > 0.2"),
    "lr_snow": ({"snow": 0.5}, {}, {}, "0.5 > 0.1"),
    "lr_sun": ({"sun_elevation_deg": 12.5}, {}, {}, "12.5 deg < 30 deg"),
    "lr_sun_unknown": ({"sun_elevation_deg": None}, {}, {}, None),
    "hr_months": ({}, {"day": 100}, {}, "4, not 1, 2"),
    "lr_platform": ({"platform": "s2c"}, {}, {}, "s2c, not s2a, s2b"),
    "hr_tier": ({}, {"tier": "T2"}, {}, "T2, not T1"),
}
KEPT = {
    "gap": ("12.5 h", "at most 36 h"),
    "overlap": ("0.75", "at least 0.5"),
    "hr_gsd": ("0.6 m", "at most 1 m"),
    "lr_cloud": ("0.05", "at most 0.2"),
    "lr_snow": ("0.02", "at most 0.1"),
    "lr_sun": ("45.25 deg", "at least 30 deg"),
    "hr_months": ("1", "1, 2"),
    "lr_platforms": ("s2a", "s2a, s2b"),
    "hr_tier": ("T1", "T1"),
}


def rules(*written: dict[str, Any]) -> tuple[Rule, ...]:
    """Rules as a lake keeps them."""
    _, select = parse_canonical(recipe(rules=list(written)).canonical()).selection
    return select.rules


def fill(world: Any) -> str:
    """A site with a candidate that fell by each rule, and one that was kept; the sample's id."""
    for verdict, (of_lr, of_hr, of_pair, _) in (FELL | {"kept": ({}, {}, {}, None)}).items():
        lr = replace(LR, tile=f"lr-{verdict}", **of_lr)
        hr = replace(HR, tile=f"hr-{verdict}", **of_hr)
        for scene in (lr, hr):
            world.add("scenes", **scene.row())
        told = {"gap_s": 12.5 * 3600, "overlap_frac": 0.75} | of_pair
        two = {"lr_scene_id": lr.scene_id, "hr_scene_id": hr.scene_id}
        place = {"manifest_id": MAN, "subset": "sr", "site_id": SITE, "stratum": "urban",
                 "pair_id": f"par-{verdict}", "gap_s": told["gap_s"], **two}  # fmt: skip
        tiles = {"lr_tile": lr.tile, "hr_tile": hr.tile}
        world.add("pairs", rule_id="rul-1", pair_id=f"par-{verdict}", **two, **tiles, **told)
        world.add("candidates", verdict=verdict, lr_cloud_frac=lr.cloud, lr_snow_frac=lr.snow,
                  **place, **tiles)  # fmt: skip
    ground = {"size_m": 600, "epsg": 32613, "x_m": 0, "y_m": 0}
    world.add("sites", site_id=SITE, lon=0.0, lat=0.0, footprint_wkb=b"", xmin=0.0, ymin=0.0,
              xmax=0.0, ymax=0.0, **ground)  # fmt: skip
    sample = ids.sample_id("sr", SITE, lr.scene_id, hr.scene_id)
    world.add("manifest", sample_id=sample, role="sample", rank=0, block="b", split="test",
              **place, **ground)  # fmt: skip
    world.add("manifests", manifest_id=MAN, task="s2_naip", name="made", pair_rule_id="rul-1",
              select_rule_id="rul-2", layer="cover", layer_version="1", content_hash="c" * 64,
              sample_count=1, reserve_count=0, recipe=recipe(rules=RULES).canonical())  # fmt: skip
    return sample


@pytest.fixture(scope="module")
def made(write_rows: Callable[[Callable[[Any], str]], tuple[Lake, str]]) -> tuple[Lake, str]:
    return write_rows(fill)


def rows(found: Explanation, title: str) -> list[dict[str, Any]]:
    return next(part.records for part in found.sections if part.title == title)


def test_every_kind_is_asked() -> None:
    assert {rule["rule"] for rule in RULES} == set(RULE_KINDS)


@pytest.mark.parametrize("verdict", FELL)
def test_a_site_and_a_pair_tell_what_a_candidate_fell_by(
    made: tuple[Lake, str], verdict: str
) -> None:
    value = FELL[verdict][-1]
    wanted = in_words(verdict) + (f" ({value})" if value else "")
    of_site = rows(explain(made[0], SITE), "Candidates, in the order of choice")
    of_pair = rows(explain(made[0], f"par-{verdict}"), "Candidates by verdict")
    assert [row["why"] for row in of_site if row["verdict"] == verdict] == [wanted]
    assert [row["why"] for row in of_pair] == [wanted]


def test_a_sample_tells_every_limit_that_it_keeps(made: tuple[Lake, str]) -> None:
    found = rows(explain(*made), "Limits that it keeps")
    assert {row["rule"]: (row["value"], row["limit"]) for row in found} == KEPT
    assert [row["rule"] for row in found] == list(KEPT)


def test_what_is_not_known_and_was_kept_is_told_as_unknown() -> None:
    asked = rules({"rule": "sun", "side": "hr", "min_deg": 20, "unknown": "keep"})
    told = {"rule": "hr_sun", "value": "unknown", "limit": "at least 20 deg"}
    assert kept({"hr_sun_elevation_deg": None}, asked) == [told]


@pytest.mark.parametrize(
    ("most", "gap_s", "told"),
    [
        ("10 d", 12.25 * 86_400, "12.2 d > 10 d"),
        ("10 d", -10 * 86_400 - 1.0, "10.0000115741 d > 10 d"),
        ("90 min", 5_400.000001, "90.0000000167 min > 90 min"),
        ("30 s", 31.5, "31.5 s > 30 s"),
    ],
)
def test_a_gap_is_told_in_the_unit_of_its_limit(most: str, gap_s: float, told: str) -> None:
    asked = rules({"rule": "gap", "max": most})
    assert reason({"verdict": "gap", "gap_s": gap_s}, asked).endswith(f" ({told})")


def test_values_that_look_like_their_limit_get_more_digits() -> None:
    asked = rules({"rule": "cloud", "side": "lr", "max_frac": 0.2, "unknown": "drop"})
    told = reason({"verdict": "lr_cloud", "lr_cloud_frac": 0.20004}, asked)
    assert told.endswith(" (0.20004 > 0.2)")


@pytest.mark.parametrize("verdict", ["not_best", "lr_cloud_unknown", "hr_cloud", "zone_edge"])
def test_what_no_rule_of_the_recipe_judged_has_no_value(verdict: str) -> None:
    asked = rules({"rule": "cloud", "side": "lr", "max_frac": 0.2, "unknown": "drop"})
    candidate = {"verdict": verdict, "lr_cloud_frac": 0.35, "hr_cloud_frac": 0.5}
    assert reason(candidate, asked) == in_words(verdict)


def test_a_recipe_that_cannot_be_read_has_no_values(write_rows: Any) -> None:
    def foreign(world: Any) -> str:
        sample = fill(world)
        world.rows["manifests"][0]["recipe"] = '{"select": {"rules": [{"rule": "later"}]}}'
        return sample

    lake, sample = write_rows(foreign)
    assert rows(explain(lake, sample), "Limits that it keeps") == []
    told = rows(explain(lake, "par-lr_sun"), "Candidates by verdict")
    assert [row["why"] for row in told] == [in_words("lr_sun")]
