"""The verdicts on candidates: their names, their order, and what they say.

A candidate has one verdict: `kept`, `reserve`, or the first rule of `RULES` that dropped it.
"""

from dataclasses import dataclass

KEPT = "kept"
RESERVE = "reserve"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule that can drop a candidate.

    Attributes:
        name: The verdict of what it drops.
        says: Why, one clause that follows "dropped:".
    """

    name: str
    says: str


RULES: tuple[Rule, ...] = (
    Rule("zone_edge", "the site crosses its UTM zone's edge, where sites of two zones overlap"),
    Rule(
        "split_edge", "another split's block is nearer than select.buffer_m, or in the site itself"
    ),
    Rule("zone_mismatch", "a scene's pixels are not known to lie in the site's UTM zone"),
    Rule("lr_gsd", "the LR scene is coarser than select.lr.max_gsd_m, or its pixel size unknown"),
    Rule("hr_gsd", "the HR scene is coarser than select.hr.max_gsd_m, or its pixel size unknown"),
    Rule("lr_cloud_unknown", "the LR scene states no cloud share (select.lr.unknown_cloud)"),
    Rule("lr_cloud", "the LR scene is cloudier than select.lr.max_cloud_frac"),
    Rule("hr_cloud_unknown", "the HR scene states no cloud share (select.hr.unknown_cloud)"),
    Rule("hr_cloud", "the HR scene is cloudier than select.hr.max_cloud_frac"),
    Rule("lr_snow_unknown", "the LR scene states no snow share (select.lr.unknown_snow)"),
    Rule("lr_snow", "the LR scene has more snow than select.lr.max_snow_frac"),
    Rule("hr_snow_unknown", "the HR scene states no snow share (select.hr.unknown_snow)"),
    Rule("hr_snow", "the HR scene has more snow than select.hr.max_snow_frac"),
    Rule("cover_unknown", "the land-cover layer does not say whether the site is urban"),
    Rule(
        "shared_ground", "its frame overlaps that of a site that was chosen before it, from chips"
    ),
    Rule("not_best", "another pair serves the same site better"),
    Rule(
        "over_quota",
        "the quota of its stratum, or of its part of the spread, was full, and its reserves",
    ),
)
"""In the order in which they are asked."""

RULE_NAMES: tuple[str, ...] = tuple(rule.name for rule in RULES)


def in_words(verdict: str) -> str:
    """Return what `verdict` means, as a clause."""
    if verdict == KEPT:
        return "kept: it is a sample of the manifest"
    if verdict == RESERVE:
        return "reserve: it takes the place of a sample that fails at the pixels"
    says = {rule.name: rule.says for rule in RULES}
    return f"dropped: {says.get(verdict, verdict)}"
