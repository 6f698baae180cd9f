"""Explains sites, samples and manifests: what was chosen, why, and where its pixels lie."""

import json
from collections import Counter

from geosr_lake.lake import Lake
from geosr_lake.recipe import rule_name
from geosr_lake.report.explanation import (
    CANDIDATE,
    Explanation,
    Row,
    cover,
    gap_in_words,
    places,
    rows_of,
    two_scenes,
)
from geosr_lake.report.sections import days, section
from geosr_lake.verdicts import in_words


def explain_site(lake: Lake, name: str) -> Explanation | None:
    """Explain the site of this id; None if no recipe drew it."""
    sites = rows_of(lake, "sites", {"site_id": name})
    if not sites:
        return None
    site = sites[0]
    candidates = rows_of(lake, "candidates", {"site_id": name}, CANDIDATE)
    manifests = len({row["manifest_id"] for row in candidates})
    middle = f"{site['lon']:.5f}, {site['lat']:.5f}"
    says = (
        f"A square of {site['size_m']} m in EPSG:{site['epsg']} around {middle} (lon, lat).",
        f"It has {len(candidates):,} candidates in {manifests} manifest"
        + ("s." if manifests != 1 else "."),
    )
    sections = (
        section("Land cover", cover(rows_of(lake, "site_cover", {"site_id": name}))),
        section("Candidates, the least gap first", _judged(lake, candidates)),
        section("In manifests", places(rows_of(lake, "manifest", {"site_id": name}))),
    )
    facts = {key: site[key] for key in ("size_m", "epsg", "x_m", "y_m", "lon", "lat")}
    return Explanation(name, "site", says, facts, sections)


def _judged(lake: Lake, candidates: list[Row]) -> list[Row]:
    recipes = lake.arrow("manifests", columns=["manifest_id", "recipe"]).to_pylist()
    selects = {r["manifest_id"]: json.loads(r["recipe"]).get("select") or {} for r in recipes}
    candidates.sort(key=lambda row: (row["manifest_id"], abs(row["gap_s"]), row["pair_id"]))
    return [
        {
            "manifest": row["manifest_id"],
            "pair": row["pair_id"],
            "gap": days(row["gap_s"]),
            "stratum": row["stratum"],
            "verdict": row["verdict"],
            "why": reason(row, selects.get(row["manifest_id"], {})),
        }
        for row in candidates
    ]


def reason(candidate: Row, select: Row) -> str:
    """Return a candidate's verdict in words, with the numbers where a share was over its limit.

    Args:
        candidate: A row of `candidates`.
        select: The section `select` of the manifest's recipe.
    """
    verdict = candidate["verdict"]
    value = candidate.get(f"{verdict}_frac")
    limit = next(
        (rule.get("max_frac") for rule in select.get("rules", ()) if rule_name(rule) == verdict),
        None,
    )
    if value is None or limit is None:
        return in_words(verdict)
    return f"{in_words(verdict)} ({value:.3g} > {limit:.3g})"


def explain_sample(lake: Lake, name: str) -> Explanation | None:
    """Explain the sample of this id; None if no manifest holds it."""
    rows = rows_of(lake, "manifest", {"sample_id": name})
    if not rows:
        return None
    rows.sort(key=lambda row: str(row["manifest_id"]))
    row = rows[0]
    says = (
        f"The site {row['site_id']} seen by two scenes: {gap_in_words(row['gap_s'])}.",
        *(_stands(place) for place in rows),
        *_pixels(lake, name),
    )
    keys = ("subset", "site_id", "pair_id", "lr_scene_id", "hr_scene_id", "gap_s")
    facts = {key: row[key] for key in (*keys, "epsg", "x_m", "y_m", "size_m")}
    sections = (
        section("In manifests", places(rows)),
        section("Scenes", two_scenes(lake, row)),
        section("In cubes", _in_cubes(rows_of(lake, "samples", {"sample_id": name}))),
    )
    return Explanation(name, "sample", says, facts, sections)


def _stands(row: Row) -> str:
    return (
        f"In {row['manifest_id']} it is {row['role']} number {row['rank'] + 1} of {row['split']}: "
        f"stratum {row['stratum']}, block {row['block']}."
    )


def _pixels(lake: Lake, name: str) -> list[str]:
    """Return where the sample's pixels lie, or why they do not."""
    said = []
    for row in rows_of(lake, "samples", {"sample_id": name}):
        instead = f", in the place of {row['replaces']}" if row["replaces"] else ""
        said.append(f"Its pixels are at index {row['index']} of {row['cube']}{instead}.")
    shards = lake.arrow("shards", columns=["split", "shard", "rejected"])
    for shard in shards.to_pylist():
        said += [
            f"Shard {shard['shard']} of {shard['split']} rejected its pixels: {failed['reason']}."
            for failed in shard["rejected"]
            if failed["sample_id"] == name
        ]
    return said or ["Its pixels have not been written."]


def _in_cubes(rows: list[Row]) -> list[Row]:
    names = (
        *("manifest_id", "cube", "index", "shard", "replaces", "lr_clear_frac", "hr_clear_frac"),
        *("shift_x_px", "shift_y_px", "correlation", "lr_item", "hr_item"),
    )
    return [{name: row[name] for name in names} for row in rows]


def explain_manifest(lake: Lake, name: str) -> Explanation | None:
    """Explain the manifest of this id; None if the lake does not hold it."""
    found = rows_of(lake, "manifests", {"manifest_id": name})
    if not found:
        return None
    head, key = found[0], {"manifest_id": name}
    funnel = rows_of(lake, "funnel", key, ("step", "rule", "n_in", "n_dropped", "n_out"))
    groups = Counter(
        (row["role"], row["split"], row["stratum"])
        for row in rows_of(lake, "manifest", key, ("role", "split", "stratum"))
    )
    shards = Counter(row["split"] for row in rows_of(lake, "shards", key, ("split",)))
    chosen = f"{head['sample_count']:,} samples and {head['reserve_count']:,} reserves"
    says = (f"What the recipe {head['name']} chose for {head['task']}: {chosen}.",)
    rows = [
        {"role": role, "split": split, "stratum": stratum, "rows": n}
        for (role, split, stratum), n in sorted(groups.items())
    ]
    written = [{"split": split, "shards": n} for split, n in sorted(shards.items())]
    sections = (
        section("Funnel of candidates", sorted(funnel, key=lambda row: int(row["step"]))),
        section("Rows", rows),
        section("Shards written", written),
    )
    facts = {k: v for k, v in head.items() if k not in ("manifest_id", "recipe")}
    return Explanation(name, "manifest", says, facts, sections)
