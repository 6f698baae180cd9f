"""The rules of `select.rules`: typed predicates that a candidate must pass, one kind each.

A rule whose value an archive may leave out must say what becomes of the unknown: `keep` or `drop`.
"""

from typing import Annotated, ClassVar, Literal, get_args

from pydantic import AfterValidator, Field

from geosr_lake.recipe.section import Section
from geosr_lake.recipe.values import Duration, Fraction, MonthSet, NameSet

Side = Literal["lr", "hr"]
SIDES: tuple[Side, ...] = get_args(Side)
Tier = Literal["T1", "T2", "RT"]

_Side = Annotated[Side, Field(description="Whose scene is asked: lr or hr")]
_Unknown = Annotated[
    Literal["drop", "keep"],
    Field(description="drop or keep: what becomes of a scene whose value is unknown"),
]
# -0.0 is another spelling of 0.
_Elevation = Annotated[
    float, Field(ge=-90, le=90, allow_inf_nan=False), AfterValidator(lambda deg: deg + 0.0)
]
_TierSet = Annotated[tuple[Tier, ...], AfterValidator(lambda tiers: tuple(sorted(set(tiers))))]


class _Rule(Section):
    verdict: ClassVar[str]
    """What it calls a candidate that it drops; the rules of one side put ``lr_`` or ``hr_`` before
    it."""

    @property
    def name(self) -> str:
        """What tells it from the other rules of a recipe: ``gap``, ``lr_cloud``."""
        return rule_name(dict(self))

    @property
    def verdicts(self) -> tuple[str, ...]:
        """The verdicts that it can give, in the order in which they are asked."""
        side = getattr(self, "side", None)
        broken = self.verdict if side is None else f"{side}_{self.verdict}"
        drops_unknown = getattr(self, "unknown", "keep") == "drop"
        return (f"{broken}_unknown", broken) if drops_unknown else (broken,)


class GapRule(_Rule):
    """The times of both scenes lie no further apart than `max`."""

    verdict = "gap"
    rule: Literal["gap"]
    max: Duration = Field(description="|gap| <= max, with a unit: 5 d, 12 h")


class OverlapRule(_Rule):
    """The LR footprint covers at least `min_frac` of the HR footprint."""

    verdict = "overlap"
    rule: Literal["overlap"]
    min_frac: Fraction = Field(description="Least share of the HR footprint that LR covers")


class GsdRule(_Rule):
    """A scene's pixels are no coarser than `max_m`."""

    verdict = "gsd"
    rule: Literal["gsd"]
    side: _Side
    max_m: float = Field(gt=0, allow_inf_nan=False, description="Coarsest pixels, metres, to 0.1 %")
    unknown: _Unknown


class CloudRule(_Rule):
    """A scene's cloud share, as the archive states it, is at most `max_frac`."""

    verdict = "cloud"
    rule: Literal["cloud"]
    side: _Side
    max_frac: Fraction = Field(description="Greatest cloud share")
    unknown: _Unknown


class SnowRule(_Rule):
    """A scene's snow share, as the archive states it, is at most `max_frac`."""

    verdict = "snow"
    rule: Literal["snow"]
    side: _Side
    max_frac: Fraction = Field(description="Greatest snow share")
    unknown: _Unknown


class MonthsRule(_Rule):
    """A scene begins in one of these months, in UTC."""

    verdict = "months"
    rule: Literal["months"]
    side: _Side
    months: MonthSet = Field(min_length=1, description="Months of t_start in UTC, 1 to 12")


class SunRule(_Rule):
    """The sun stands at least `min_deg` above the horizon over a scene."""

    verdict = "sun"
    rule: Literal["sun"]
    side: _Side
    min_deg: _Elevation = Field(description="Least elevation of the sun, degrees")
    unknown: _Unknown


class PlatformsRule(_Rule):
    """A scene is of one of these platforms."""

    verdict = "platform"
    rule: Literal["platforms"]
    side: _Side
    platforms: NameSet = Field(min_length=1, description="Platforms as scenes.platform has them")
    unknown: _Unknown


class TierRule(_Rule):
    """A Landsat scene is of one of these tiers."""

    verdict = "tier"
    rule: Literal["tier"]
    side: _Side
    tiers: _TierSet = Field(min_length=1, description="T1, T2 or RT")
    unknown: _Unknown


Rule = Annotated[
    GapRule
    | OverlapRule
    | GsdRule
    | CloudRule
    | SnowRule
    | SunRule
    | MonthsRule
    | PlatformsRule
    | TierRule,
    Field(discriminator="rule"),
]
RULE_KINDS: dict[str, type[_Rule]] = {
    get_args(kind.model_fields["rule"].annotation)[0]: kind for kind in get_args(get_args(Rule)[0])
}
"""Each kind by what stands under `rule`."""


def rule_name(written: dict[str, object]) -> str:
    """Return what tells a rule from the others of a recipe, from its keys: ``lr_cloud``."""
    side, kind = written.get("side"), written.get("rule")
    return str(kind) if side is None else f"{side}_{kind}"


class RuleTwiceError(ValueError):
    """A rule stands twice.

    Attributes:
        at: Where it stands the second time, among the rules.
    """

    def __init__(self, name: str, before: int, at: int) -> None:
        super().__init__(f"the rule {name} stands twice, before this as select.rules.{before}")
        self.at = at


def each_once(rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
    """Return the rules.

    Raises:
        RuleTwiceError: If one stands twice.
    """
    first: dict[str, int] = {}
    for at, rule in enumerate(rules):
        before = first.setdefault(rule.name, at)
        if before != at:
            raise RuleTwiceError(rule.name, before, at)
    return rules
