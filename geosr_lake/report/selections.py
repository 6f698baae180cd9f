"""Explains sites, samples and manifests: what was chosen, why, and where its pixels lie."""

from collections import Counter
from collections.abc import Collection

from geosr_lake.lake import Lake
from geosr_lake.lake.pins import manifest_inputs
from geosr_lake.recipe import SIDES
from geosr_lake.report.contest import (
    Contest,
    all_rules,
    described,
    in_order,
    over_quota,
    reserves,
    rivals,
    told,
    with_scenes,
)
from geosr_lake.report.explanation import (
    CANDIDATE,
    Explanation,
    Row,
    Rules,
    cover,
    gap_in_words,
    places,
    rows_of,
    two_scenes,
)
from geosr_lake.report.limits import kept
from geosr_lake.report.sections import section

MAX_RIVALS, MAX_RESERVES, MAX_STEPS = 12, 5, 200
"""Candidates and reserves that a sample's explanation lists, and a manifest's rules by subset."""


def explain_site(lake: Lake, name: str) -> Explanation | None:
    """Explain the site of this id; None if no recipe drew it."""
    sites = rows_of(lake, "sites", {"site_id": name})
    if not sites:
        return None
    site = sites[0]
    candidates = rows_of(lake, "candidates", {"site_id": name}, CANDIDATE)
    ordered = in_order(described(lake, candidates))
    manifests = len({row["manifest_id"] for row in candidates})
    lost = {row["manifest_id"] for row in candidates if row["verdict"] == "shared_ground"}
    middle = f"{site['lon']:.5f}, {site['lat']:.5f}"
    says = (
        f"A square of {site['size_m']} m in EPSG:{site['epsg']} around {middle} (lon, lat).",
        f"It has {len(candidates):,} candidates in {manifests} manifest"
        + ("s." if manifests != 1 else ".")
        if candidates
        else "It was drawn, and no pair shows it whole: it has no candidate.",
    )
    sections = (
        section("Land cover", cover(rows_of(lake, "site_cover", {"site_id": name}))),
        section("Candidates, in the order of choice", told(ordered, all_rules(lake))),
        section("What took its ground", places(_on_ground(lake, site, lost))),
        section("In manifests", places(rows_of(lake, "manifest", {"site_id": name}))),
    )
    facts = {key: site[key] for key in ("size_m", "epsg", "x_m", "y_m", "lon", "lat")}
    return Explanation(name, "site", says, facts, sections)


def _on_ground(lake: Lake, site: Row, manifests: Collection[str]) -> list[Row]:
    """Return the rows of some manifests whose frames overlap a site."""
    if not manifests:
        return []
    near = [
        (axis, sign, site[axis] + step)
        for axis in ("x_m", "y_m")
        for sign, step in ((">", -site["size_m"]), ("<", site["size_m"]))
    ]
    filters = [("manifest_id", "in", sorted(manifests)), ("epsg", "=", site["epsg"]), *near]
    found: list[Row] = lake.arrow("manifest", filters=filters).to_pylist()
    return found


def explain_sample(lake: Lake, name: str) -> Explanation | None:
    """Explain the sample of this id; None if no manifest holds it."""
    rows = rows_of(lake, "manifest", {"sample_id": name})
    if not rows:
        return None
    rows.sort(key=lambda row: str(row["manifest_id"]))
    row, rules = rows[0], all_rules(lake)
    contests = [rivals(lake, place) for place in rows]
    behind = [(place, reserves(lake, place)) for place in rows]
    says = (
        f"The site {row['site_id']} seen by two scenes: {gap_in_words(row['gap_s'])}.",
        *(
            sentence
            for place, contest, (_, kin) in zip(rows, contests, behind, strict=True)
            for sentence in (_stands(place), contest.says, _waits(lake, place, kin))
        ),
        *_pixels(lake, name),
    )
    others = told((other for contest in contests for other in contest.others), rules)
    kin = [
        {"manifest": place["manifest_id"]} | reserve
        for place, found in behind
        for reserve in found
        if reserve["sample"] != name
    ]
    keys = ("subset", "site_id", "pair_id", "lr_scene_id", "hr_scene_id", "gap_s")
    facts = {key: row[key] for key in (*keys, "epsg", "x_m", "y_m", "size_m")}
    judged = ("overlap_frac", "lr_cloud_frac", "hr_cloud_frac")
    facts |= {key: (contests[0].mine or {}).get(key) for key in judged}
    sections = (
        section("In manifests", places(rows)),
        section("Scenes", two_scenes(lake, row)),
        section("Limits that it keeps", _limits(lake, contests, rules)),
        section("What else competed for its site", others, most=MAX_RIVALS),
        section("Reserves of its subset, stratum and split", kin, most=MAX_RESERVES),
        section("In cubes", _in_cubes(rows_of(lake, "samples", {"sample_id": name}))),
    )
    return Explanation(name, "sample", says, facts, sections)


def _limits(lake: Lake, contests: list[Contest], rules: Rules) -> list[Row]:
    """Return the values of a sample beside the limits of the recipes that chose it."""
    mine = [contest.mine for contest in contests if contest.mine is not None]
    return [
        {"manifest": row["manifest_id"]} | rule
        for row in with_scenes(lake, mine, lambda _: SIDES)
        for rule in kept(row, rules.get(row["manifest_id"], ()))
    ]


def _waits(lake: Lake, row: Row, kin: list[Row]) -> str:
    """Return what stands behind a sample, or before a reserve, if its pixels fail."""
    kind = f"{row['stratum']} of {row['split']}"
    lost = over_quota(lake, row)
    full = f" {lost:,} more sites of {row['stratum']} passed every rule and found the quota full."
    if row["role"] == "sample":
        waiting = sum(reserve["state"] == "waits" for reserve in kin)
        return (
            f"Should its pixels fail, a reserve that its shard was dealt takes its place: the "
            f"first of {kind}, of which {waiting:,} wait, else one of another stratum.{full}"
        )
    ahead = sum(reserve["rank"] < row["rank"] for reserve in kin)
    return f"{ahead:,} reserves of {kind} stand before it.{full}"


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


def _by_step(row: Row) -> tuple[str, int]:
    return row["subset"], row["step"]


def explain_manifest(lake: Lake, name: str) -> Explanation | None:
    """Explain the manifest of this id; None if the lake does not hold it."""
    found = rows_of(lake, "manifests", {"manifest_id": name})
    if not found:
        return None
    head, key = found[0], {"manifest_id": name}
    funnel = rows_of(lake, "funnel", key, ("subset", "step", "rule", "n_in", "n_dropped", "n_out"))
    groups = Counter(
        (row["subset"], row["role"], row["split"], row["stratum"])
        for row in rows_of(lake, "manifest", key, ("subset", "role", "split", "stratum"))
    )
    shards = Counter(row["split"] for row in rows_of(lake, "shards", key, ("split",)))
    chosen = f"{head['sample_count']:,} samples and {head['reserve_count']:,} reserves"
    says = (f"What the recipe {head['name']} chose for {head['task']}: {chosen}.",)
    rows = [
        {"subset": subset, "role": role, "split": split, "stratum": stratum, "rows": n}
        for (subset, role, split, stratum), n in sorted(groups.items())
    ]
    written = [{"split": split, "shards": n} for split, n in sorted(shards.items())]
    inputs = manifest_inputs(lake.root).get(name, {})
    read = [{"table": table, "version": version} for table, version in sorted(inputs.items())]
    sections = (
        section("Funnel of candidates", sorted(funnel, key=_by_step), most=MAX_STEPS),
        section("Rows", rows),
        section("Shards written", written),
        section("Delta versions that were read", read),
    )
    facts = {k: v for k, v in head.items() if k not in ("manifest_id", "recipe")}
    return Explanation(name, "manifest", says, facts, sections)
