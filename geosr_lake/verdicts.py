"""The verdicts on candidates: their names, their order, and what they say.

A candidate has one verdict: `kept`, `reserve`, or the first rule that dropped it, in the order of
`asked`.
"""

from collections.abc import Iterable
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


def _of_side(side: str) -> tuple[Rule, ...]:
    scene = f"the {side.upper()} scene"
    return (
        Rule(f"{side}_gsd_unknown", f"{scene} states no pixel size, and the rule gsd asks for it"),
        Rule(f"{side}_gsd", f"{scene} is coarser than the rule gsd allows"),
        Rule(
            f"{side}_cloud_unknown",
            f"{scene} states no cloud share, and the rule cloud asks for it",
        ),
        Rule(f"{side}_cloud", f"{scene} is cloudier than the rule cloud allows"),
        Rule(
            f"{side}_snow_unknown", f"{scene} states no snow share, and the rule snow asks for it"
        ),
        Rule(f"{side}_snow", f"{scene} has more snow than the rule snow allows"),
        Rule(
            f"{side}_sun_unknown",
            f"{scene} states no elevation of the sun, and the rule sun asks for it",
        ),
        Rule(f"{side}_sun", f"the sun stands lower over {scene} than the rule sun allows"),
        Rule(f"{side}_months", f"{scene} is of a month that the rule months does not name"),
        Rule(
            f"{side}_platform_unknown",
            f"{scene} states no platform, and the rule platforms asks for it",
        ),
        Rule(f"{side}_platform", f"{scene} is of a platform that the rule platforms does not name"),
        Rule(f"{side}_tier_unknown", f"{scene} states no tier, and the rule tier asks for it"),
        Rule(f"{side}_tier", f"{scene} is of a tier that the rule tier does not name"),
    )


BEFORE: tuple[Rule, ...] = (
    Rule("zone_edge", "the site crosses its UTM zone's edge, where sites of two zones overlap"),
    Rule(
        "split_edge", "another split's block is nearer than select.buffer_m, or in the site itself"
    ),
    Rule("zone_mismatch", "a scene's pixels are not known to lie in the site's UTM zone"),
)
"""Asked before the recipe's rules, in this order."""

OF_A_RECIPE: tuple[Rule, ...] = (
    Rule("gap", "the times of both scenes lie further apart than the rule gap allows"),
    Rule("overlap", "LR covers less of the HR footprint than the rule overlap asks for"),
    *(rule for side in ("lr", "hr") for rule in _of_side(side)),
)
"""What the rules of `select.rules` can say; a recipe asks some of them, in an order of its own."""

AFTER: tuple[Rule, ...] = (
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
"""Asked after the recipe's rules, in this order."""

RULES: tuple[Rule, ...] = (*BEFORE, *OF_A_RECIPE, *AFTER)
"""Every rule that there is."""

RULE_NAMES: tuple[str, ...] = tuple(rule.name for rule in RULES)


def asked(of_the_recipe: Iterable[str]) -> tuple[str, ...]:
    """Return the names of all rules that are asked, in their order.

    Args:
        of_the_recipe: Those that the recipe asks, in its order (`SelectRule.verdicts`).
    """
    before, after = (tuple(rule.name for rule in rules) for rules in (BEFORE, AFTER))
    return (*before, *of_the_recipe, *after)


def in_words(verdict: str) -> str:
    """Return what `verdict` means, as a clause."""
    if verdict == KEPT:
        return "kept: it is a sample of the manifest"
    if verdict == RESERVE:
        return "reserve: it takes the place of a sample that fails at the pixels"
    says = {rule.name: rule.says for rule in RULES}
    return f"dropped: {says.get(verdict, verdict)}"
