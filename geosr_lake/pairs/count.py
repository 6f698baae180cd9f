"""How many pairs a rule has, before any is made: nothing is written."""

from dataclasses import dataclass

from geosr_lake.errors import UsageError
from geosr_lake.lake import Lake, Progress
from geosr_lake.lake.progress import Silent
from geosr_lake.pairs import here, tiles
from geosr_lake.pairs import scenes as sides
from geosr_lake.pairs.match import Tested
from geosr_lake.recipe import SIDES, Recipe

MOST = (here.MOST_SCENES, 5 * here.MOST_SCENES)
"""Scenes that are held at a time; the second where the window leaves no span with fewer: 6 GB."""


@dataclass(frozen=True, slots=True)
class PairCount:
    """How many pairs a build would find.

    Attributes:
        rule_id: Id of the rule.
        lr_scenes: Scenes of the LR side that pass the rule's filter.
        hr_scenes: Those of the HR side.
        tile_pairs: Pairs of tiles whose extents meet.
        scene_pairs_tested: Scene pairs within the window whose boxes meet.
        footprint_pairs_tested: Exact tests.
        pairs: Pairs.
    """

    rule_id: str
    lr_scenes: int
    hr_scenes: int
    tile_pairs: int
    scene_pairs_tested: int
    footprint_pairs_tested: int
    pairs: int


def count(lake: Lake, recipe: Recipe, *, progress: Progress | None = None) -> PairCount:
    """Return how many pairs `build` would find for the present scenes, in this process.

    Overlaps are measured only if the rule asks for a least one.

    Args:
        lake: The lake.
        recipe: Its section `pairs` is the rule.
        progress: Told of the steps.

    Raises:
        UsageError: If the lake has no scene of one of the sensors, or the window holds too many.
        RecipeError: If it has some, but none passes the recipe's filter.
    """
    rule, steps = recipe.pairs, progress or Silent()
    counts = sides.counts(lake, rule)
    for side, scenes in zip(SIDES, counts, strict=True):
        if not scenes:
            raise sides.why_none(lake, rule, side)
    steps.start("Tiles that meet")
    met = tiles.present(lake, rule.lr.sensor, rule.hr.sensor)
    steps.start("Footprints that intersect")
    did = Tested.nothing()
    spans = next((found for most in MOST if (found := sides.in_spans(lake, rule, most))), None)
    if spans is None:
        raise UsageError(
            f"More than {MOST[-1]:,} scenes are near each other in time: too many to count here",
            next_step="Narrow the recipe's window, start or end; or build the pairs with --spark.",
        )
    for span in spans:
        lr, hr = (
            sides.read(lake, rule, side, here.NEEDED, also)
            for side, also in zip(SIDES, span, strict=True)
        )
        did += here.count(lr, hr, met, rule)
    return PairCount(
        rule_id=rule.rule_id,
        lr_scenes=counts[0],
        hr_scenes=counts[1],
        tile_pairs=len(met),
        scene_pairs_tested=did.scene_pairs,
        footprint_pairs_tested=did.footprint_pairs,
        pairs=did.pairs,
    )
