"""Explains scenes and pairs: what they are, which items they come from, what became of them."""

from typing import Any

from geosr_lake.lake import Lake
from geosr_lake.report.contest import all_rules, described, served
from geosr_lake.report.explanation import (
    CANDIDATE,
    SCENE,
    Explanation,
    Row,
    by_verdict,
    gap_in_words,
    places,
    rows_of,
    share,
    two_scenes,
)
from geosr_lake.report.sections import days, interval, section
from geosr_lake.report.unpaired import unpaired

MAX_SITES = 20
"""Sites of a pair that are told one by one."""
_NO_CANDIDATE = (
    "It has no candidate: no site that the manifests of its rule drew lies whole inside both "
    "footprints, or it is newer than they are."
)
_ITEM = ("archive", "collection", "item_id")


def explain_scene(lake: Lake, name: str) -> Explanation | None:
    """Explain the scene of this id; None if the lake does not hold it."""
    scenes = rows_of(lake, "scenes", {"scene_id": name}, SCENE)
    if not scenes:
        return None
    scene = scenes[0]
    when = interval(scene["t_start"], scene["t_end"])
    says = [f"One acquisition by {scene['sensor']} of tile {scene['tile']}, {when}."]
    others = len(scene["superseded"])
    spare = f"{others} more can serve in its place" if others else "no other is known"
    says.append(f"Its pixels are those of the item {scene['item_id']}; {spare}.")
    if scene["standalone"]:
        says.append("No datastrip is known for it: its day, platform and tile identify it.")
    sides = [{f"{side}_scene_id": name} for side in ("lr", "hr")]
    pairs = [row for side in sides for row in rows_of(lake, "pairs", side)]
    candidates = [row for side in sides for row in rows_of(lake, "candidates", side, CANDIDATE)]
    samples = [row for side in sides for row in rows_of(lake, "manifest", side)]
    sections = (
        section("Items", _items(lake, scene)),
        section("Pairs by rule", _by_rule(pairs)),
        section("Rules without a pair", unpaired(lake, scene, {p["rule_id"] for p in pairs})),
        section("Candidates by verdict", _verdicts(lake, candidates)),
        section("In manifests", places(samples)),
    )
    return Explanation(name, "scene", tuple(says), _facts(scene), sections)


def _facts(scene: Row) -> dict[str, Any]:
    return {
        "sensor": scene["sensor"],
        "product": scene["product"],
        "platform": scene["platform"],
        "tile": scene["tile"],
        "time": interval(scene["t_start"], scene["t_end"]),
        "cloud": share(scene["cloud_frac"]),
        "snow": share(scene["snow_frac"]),
        "gsd_m": scene["gsd_m"],
        "sun_elevation_deg": scene["sun_elevation_deg"],
        "tier": scene["tier"],
        "epsg": scene["epsg"],
        "box": ", ".join(f"{scene[edge]:.5f}" for edge in ("xmin", "ymin", "xmax", "ymax")),
        "licence": scene["licence"],
        "assets": ", ".join(sorted(role for role, _ in scene["assets"])),
    }


def _items(lake: Lake, scene: Row) -> list[Row]:
    """Return the items of a scene, the winner first, with the file that each was read from."""
    key = (*_ITEM, "content_hash")
    read = rows_of(
        lake, "items", {"group_key": scene["group_key"]}, (*key, "sensor", "source_file")
    )
    files = {tuple(row[name] for name in key): row["source_file"] for row in read}
    return [
        {"stands": stands}
        | {name: item[name] for name in _ITEM}
        | {"source_file": files.get(tuple(item[name] for name in key))}
        for stands, item in [("winner", scene), *(("superseded", s) for s in scene["superseded"])]
    ]


def _verdicts(lake: Lake, candidates: list[Row]) -> list[Row]:
    return by_verdict(described(lake, candidates, ordered=False), all_rules(lake))


def _by_rule(pairs: list[Row]) -> list[Row]:
    rules: dict[str, list[float]] = {}
    for pair in pairs:
        rules.setdefault(pair["rule_id"], []).append(pair["gap_s"])
    return [
        {
            "rule": rule,
            "pairs": len(gaps),
            "least_gap": days(min(gaps, key=abs)),
            "greatest_gap": days(max(gaps, key=abs)),
        }
        for rule, gaps in sorted(rules.items())
    ]


def explain_pair(lake: Lake, name: str) -> Explanation | None:
    """Explain the pair of this id; None if the lake does not hold it."""
    pairs = rows_of(lake, "pairs", {"pair_id": name})
    if not pairs:
        return None
    pair = pairs[0]
    rule = pair["rule_id"]
    users = {row["name"] for row in rows_of(lake, "manifests", {"pair_rule_id": rule})}
    recipes = f" (recipe {', '.join(sorted(users))})" if users else ""
    gap = gap_in_words(pair["gap_s"])
    says = [
        f"Two scenes whose footprints intersect, within the window of the rule {rule}{recipes}.",
        f"{gap[0].upper()}{gap[1:]}; LR covers {pair['overlap_frac']:.1%} of the HR footprint.",
    ]
    facts = {
        "rule": rule,
        "gap": days(pair["gap_s"]),
        "gap_s": pair["gap_s"],
        "overlap_frac": pair["overlap_frac"],
        "tiles": f"{pair['lr_tile']} with {pair['hr_tile']}",
    }
    candidates = rows_of(lake, "candidates", {"pair_id": name}, CANDIDATE)
    if not candidates:
        says.append(_NO_CANDIDATE if users else "No manifest was made from its rule.")
    sites = served(lake, candidates, MAX_SITES)
    sections = (
        section("Scenes", two_scenes(lake, pair)),
        section("Candidates by verdict", _verdicts(lake, candidates)),
        section("Sites it serves, then those it lost", sites, most=MAX_SITES),
        section("In manifests", places(rows_of(lake, "manifest", {"pair_id": name}))),
    )
    return Explanation(name, "pair", tuple(says), facts, sections)
