"""What competed for a place: the candidates of a site in the order of choice, and reserves."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from geosr_lake.lake import Lake
from geosr_lake.recipe import SIDES, select_of
from geosr_lake.report.explanation import CANDIDATE, Row, Rules, rows_of, share
from geosr_lake.report.limits import OF_SCENES, ZONE, reason
from geosr_lake.report.rows import by_key
from geosr_lake.report.sections import days
from geosr_lake.verdicts import KEPT, RESERVE, RULE_NAMES

BEST = (KEPT, RESERVE, *RULE_NAMES[RULE_NAMES.index("not_best") + 1 :])
"""Verdicts of a site's best candidate: what drops it after that has nothing to do with its pair."""
_ORDER = {name: i for i, name in enumerate((KEPT, RESERVE, *reversed(RULE_NAMES)))}
"""The verdicts from kept to the rule that is asked first."""


def all_rules(lake: Lake) -> Rules:
    """Return the rules of every manifest's recipe."""
    recipes = lake.arrow("manifests", columns=["manifest_id", "recipe"]).to_pylist()
    selects = {row["manifest_id"]: select_of(row["recipe"]) for row in recipes}
    return {name: () if select is None else select.rules for name, select in selects.items()}


def described(lake: Lake, candidates: list[Row], *, ordered: bool = True) -> list[Row]:
    """Return candidates with what their table lacks: overlap, and what dropped them of a scene.

    Args:
        lake: Where pairs and scenes lie.
        candidates: Rows of `candidates`.
        ordered: Whether they will be put in order, so that all need their overlap; else only those
            get it that it dropped.
    """
    overlaps = _overlaps(lake, [c for c in candidates if ordered or c["verdict"] == "overlap"])
    judged = with_scenes(lake, candidates, _judged_side)
    return [{"overlap_frac": overlaps.get(row["pair_id"])} | row for row in judged]


def with_scenes(
    lake: Lake, candidates: list[Row], sides: Callable[[Row], Collection[str]]
) -> list[Row]:
    """Return candidates with the values of their scenes that `candidates` does not repeat.

    Args:
        lake: Where the scenes lie.
        candidates: Rows of `candidates`.
        sides: Which of a candidate's scenes are looked up.
    """
    columns = [*OF_SCENES.values(), ZONE]
    wanted = [row[f"{side}_scene_id"] for row in candidates for side in sides(row)]
    scenes = by_key(lake, "scenes", "scene_id", columns, wanted)
    return [
        row
        | {
            f"{side}_{column}": scene[column]
            for side in sides(row)
            for scene in [scenes.get(row[f"{side}_scene_id"])]
            if scene is not None
            for column in columns
        }
        for row in candidates
    ]


def _judged_side(row: Row) -> tuple[str, ...]:
    """Return the sides whose scenes dropped a candidate by what only `scenes` has."""
    if row["verdict"] == "zone_mismatch":
        return SIDES
    side, _, rule = row["verdict"].partition("_")
    return (side,) if side in SIDES and rule in OF_SCENES else ()


def _overlaps(lake: Lake, candidates: list[Row]) -> dict[str, float]:
    """Return the overlap of the candidates' pairs; their tiles tell which files hold them."""
    if not candidates:
        return {}
    wanted = {
        key: sorted({c[key] for c in candidates}) for key in ("lr_tile", "hr_tile", "pair_id")
    }
    found = lake.arrow(
        "pairs",
        columns=["pair_id", "overlap_frac"],
        filters=[(key, "in", values) for key, values in wanted.items()],
    )
    return {row["pair_id"]: row["overlap_frac"] for row in found.to_pylist()}


def preference(row: Row) -> tuple[float, float, float, str]:
    """Return what candidates of one site are ordered by: the least is chosen.

    The least |gap|, then the least cloud of both sides together, where unknown counts as 1, then
    the greatest overlap, then the pair's id.
    """
    clouds = [row[f"{side}_cloud_frac"] for side in ("lr", "hr")]
    cloud = sum(1.0 if share is None else share for share in clouds)
    return abs(row["gap_s"]), cloud, -(row["overlap_frac"] or 0.0), row["pair_id"]


def in_order(candidates: list[Row]) -> list[Row]:
    """Return described candidates by manifest, subset and site, and there in the order of choice.

    Each has its place in that order as `order`, from 1.
    """
    ordered = sorted(candidates, key=lambda c: (*_contest(c), preference(c)))
    out: list[Row] = []
    for row in ordered:
        same = bool(out) and _contest(out[-1]) == _contest(row)
        out.append(row | {"order": out[-1]["order"] + 1 if same else 1})
    return out


def _contest(row: Row) -> tuple[str, str, str]:
    """Return the place that candidates compete for: a site has one in a manifest's subset."""
    return row["manifest_id"], row["subset"], row["site_id"]


def told(candidates: Iterable[Row], rules: Rules) -> list[Row]:
    """Return candidates of `in_order` as explanations show them.

    Args:
        candidates: The candidates.
        rules: Those of the recipes, by manifest.
    """
    return [
        {
            "order": row["order"],
            "pair": row["pair_id"],
            "verdict": row["verdict"],
            "gap": days(row["gap_s"]),
            "overlap": share(row["overlap_frac"]),
            "lr_cloud": share(row["lr_cloud_frac"]),
            "hr_cloud": share(row["hr_cloud_frac"]),
            "stratum": row["stratum"],
            "why": reason(row, rules.get(row["manifest_id"], ())),
            "subset": row["subset"],
            "manifest": row["manifest_id"],
        }
        for row in candidates
    ]


@dataclass(frozen=True)
class Contest:
    """How a sample stands among the candidates of its site.

    Attributes:
        says: That in a sentence.
        mine: The sample's own candidate; None where the table has no row of it.
        others: The other candidates, in the order of choice.
    """

    says: str
    mine: Row | None
    others: list[Row]


def rivals(lake: Lake, row: Row) -> Contest:
    """Return how the sample of a row of `manifest` stands among the candidates of its site."""
    names = ("manifest_id", "subset", "site_id")
    found = rows_of(lake, "candidates", {name: row[name] for name in names}, CANDIDATE)
    ordered = in_order(described(lake, found))
    mine = next((c for c in ordered if c["pair_id"] == row["pair_id"]), None)
    others = [c for c in ordered if c is not mine]
    passes = (*BEST, "not_best")
    passed = sum(c["verdict"] in passes for c in others)
    if mine is None:
        says = "The table candidates has no row of it: what competed is not known."
    elif not others:
        says = "No other pair shows its site whole: nothing competed with it there."
    else:
        better = ordered[: mine["order"] - 1]
        place = 1 + sum(c["verdict"] in passes for c in better)
        says = (
            f"Of the {len(ordered):,} candidates of its site {len(others) - passed:,} were dropped "
            f"by a rule; of the {passed + 1:,} that passed all it is number {place:,}, by the "
            "least |gap|, then the least cloud, then the greatest overlap, then the least id."
        )
    return Contest(says, mine, others)


def over_quota(lake: Lake, row: Row) -> int:
    """Count the sites that passed every rule, and found the quota of a row's stratum full."""
    equal = {name: row[name] for name in ("manifest_id", "subset", "stratum")}
    sites = rows_of(lake, "candidates", equal | {"verdict": "over_quota"}, ("site_id",))
    return len({site["site_id"] for site in sites})


def reserves(lake: Lake, row: Row) -> list[Row]:
    """Return the reserves of a row's subset, stratum and split, in the order of use."""
    names = ("manifest_id", "subset", "stratum", "split")
    equal = {name: row[name] for name in names} | {"role": RESERVE}
    found = rows_of(lake, "manifest", equal, ("rank", "sample_id", "site_id", "pair_id", "gap_s"))
    states = _states(lake, row["manifest_id"])
    found.sort(key=lambda r: (r["rank"], r["sample_id"]))
    return [
        {
            "rank": r["rank"],
            "sample": r["sample_id"],
            "site": r["site_id"],
            "pair": r["pair_id"],
            "gap": days(r["gap_s"]),
            "state": states.get(r["sample_id"], "waits"),
        }
        for r in found
    ]


def _states(lake: Lake, manifest_id: str) -> dict[str, str]:
    """Return what became of the reserves that were tried, by sample."""
    key = {"manifest_id": manifest_id}
    shards = rows_of(lake, "shards", key, ("rejected",))
    failed = {r["sample_id"]: f"failed: {r['reason']}" for s in shards for r in s["rejected"]}
    made = rows_of(lake, "samples", key, ("sample_id", "replaces"))
    placed = {m["sample_id"]: f"in the place of {m['replaces']}" for m in made if m["replaces"]}
    return failed | placed


def served(lake: Lake, candidates: list[Row], most: int) -> list[Row]:
    """Return the sites that a pair serves, then those that it lost, with the pair that won each.

    Args:
        lake: Where they lie.
        candidates: The candidates of one pair.
        most: The winners of so many sites are looked up; the rows after that say None.
    """
    rules = all_rules(lake)
    unknown = len(_ORDER)
    ordered = sorted(candidates, key=lambda c: (_ORDER.get(c["verdict"], unknown), *_contest(c)))
    sites = sorted({row["site_id"] for row in ordered[:most]})
    filters = [("site_id", "in", sites), ("verdict", "in", list(BEST))]
    best = lake.arrow("candidates", columns=list(CANDIDATE), filters=filters) if sites else None
    # Of several samples of one site the first of them won.
    ranked = in_order(described(lake, best.to_pylist() if best is not None else []))
    winners = {_contest(row): row for row in reversed(ranked)}
    out = []
    for row in described(lake, ordered[:most]) + ordered[most:]:
        winner = winners.get(_contest(row))
        other = winner is not None and winner["pair_id"] != row["pair_id"]
        out.append(
            {
                "site": row["site_id"],
                "verdict": row["verdict"],
                "won_by": winner["pair_id"] if winner and other else None,
                "its_gap": days(winner["gap_s"]) if winner and other else None,
                "why": reason(row, rules.get(row["manifest_id"], ())),
                "subset": row["subset"],
                "manifest": row["manifest_id"],
            }
        )
    return out
