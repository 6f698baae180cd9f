"""Why a scene is in no pair, and a pair has no candidate."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from manifest_world import (
    SOUTH_M,
    WEST_M,
    Scene,
    all_pairs,
    four_quads,
    lonlat_box,
    make_built,
    put,
)

from geosr_lake.lake import Lake
from geosr_lake.recipe import Recipe
from geosr_lake.report.explain import explain

QUAD = next(scene for scene in four_quads() if scene.sensor == "naip")
FULL = four_quads()[0]


def rule_of(**pairs: Any) -> Recipe:
    rule = {"lr": {"sensor": "sentinel2"}, "hr": {"sensor": "naip"}, "window": "10 d"}
    return Recipe.model_validate({"name": "made", "pairs": rule | pairs})


def why(
    folder: Path, rule: Recipe, scene: Scene, other: Scene, *, paired: bool = False
) -> list[str]:
    """What is said of one of two scenes after a rule has found a pair, or none."""
    lake, scenes = Lake.create(folder / "lake"), [scene, other]
    put(lake, scenes, all_pairs(scenes, rule) if paired else [])
    with lake.stage("pairs", "build") as run:
        run.rule_id, run.recipe = rule.pairs.rule_id, rule.canonical()
    lake.refresh()
    parts = {part.title: part.records for part in explain(lake, scene.scene_id).sections}
    told = parts["Rules without a pair"]
    assert {row["rule"] for row in told} <= {rule.pairs.rule_id}
    return [row["why"] for row in told]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"hr": {"sensor": "naip", "products": ["other"]}}, "its product is NAIP, not other"),
        (
            {"hr": {"sensor": "naip", "platforms": ["a", "b"]}},
            "its platform is unknown, not a or b",
        ),
        ({"start": "2024-02-01"}, "it ends 2024-01-06 13:00:00, before 2024-02-01"),
        ({"end": "2024-01-06"}, "it starts 2024-01-06 12:00:00, not before 2024-01-06"),
        (
            {"lr": {"sensor": "sentinel2", "products": ["other"]}},
            "no scene of sentinel2 that the rule takes lies where it does",
        ),
        (
            {"window": "12 h"},
            "the nearest scene of sentinel2 is 119.00 h away, at most 12 h is asked",
        ),
    ],
)
def test_the_first_condition_that_fails_is_told(
    tmp_path: Path, changes: dict[str, Any], says: str
) -> None:
    assert why(tmp_path, rule_of(**changes), QUAD, FULL) == [says]


def test_boxes_may_meet_where_footprints_do_not(tmp_path: Path) -> None:
    box = lonlat_box(WEST_M, SOUTH_M, WEST_M + 9_000, SOUTH_M + 9_000)
    corner = lonlat_box(WEST_M - 500, SOUTH_M - 500, WEST_M + 8_000, SOUTH_M + 8_000)
    ring = replace(FULL, footprint=box.difference(corner))
    assert why(tmp_path, rule_of(), QUAD, ring) == [
        "of 1 scene of sentinel2 within 10 d no footprint meets its own"
    ]


def test_a_scene_that_came_after_the_pairs_is_told(tmp_path: Path) -> None:
    lake = Lake.create(tmp_path / "lake")
    put(lake, [QUAD, FULL], [])
    rule = rule_of(min_overlap_frac=0.5)
    with lake.stage("pairs", "build") as run:
        run.recipe = rule.canonical()
    parts = {part.title: part.records for part in explain(lake, QUAD.scene_id).sections}
    (told,) = parts["Rules without a pair"]
    assert told["why"] == (
        "it meets 1 scene of sentinel2 within 10 d: less than 50% of the HR footprint is common, "
        "or the pairs are older"
    )


def test_of_a_rule_with_pairs_nothing_is_said(tmp_path: Path) -> None:
    assert why(tmp_path, rule_of(), QUAD, FULL, paired=True) == []


def test_a_rule_for_other_sensors_says_nothing(tmp_path: Path) -> None:
    other = rule_of(lr={"sensor": "modis"}, hr={"sensor": "landsat"})
    assert why(tmp_path, other, QUAD, FULL) == []


def test_a_pair_without_candidates_says_why(tmp_path: Path) -> None:
    built = make_built(tmp_path)
    used = {row["pair_id"] for row in built.lake.arrow("candidates").to_pylist()}
    assert "has no candidate" not in " ".join(explain(built.lake, used.pop()).says)
    rule = rule_of(window="9 d")
    pairs = all_pairs(built.scenes, rule)
    put(built.lake, built.scenes, built.pairs + pairs)
    built.lake.refresh()
    assert (
        explain(built.lake, pairs[0]["pair_id"]).says[-1] == "No manifest was made from its rule."
    )
