"""The recipe's rules on pairs in columns: which of them each would drop, and as what."""

from collections.abc import Iterable
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from geosr_lake.arrays import Bools, Floats, Ints
from geosr_lake.manifest.inputs import Pairs, Scenes
from geosr_lake.recipe import (
    CloudRule,
    GapRule,
    GsdRule,
    MonthsRule,
    OverlapRule,
    PlatformsRule,
    Rule,
    SnowRule,
    SunRule,
    TierRule,
)

_GSD_SLACK = 1.001
"""Archives round pixel sizes (0.6 m as 0.6000001)."""


def dropped_by(rule: Rule, pairs: Pairs, pair: Ints) -> list[tuple[str, Bools]]:
    """Return which pairs a rule would drop, by verdict in the order in which these are asked.

    Args:
        rule: The rule; with `unknown: drop` it has a verdict of its own for what is unknown.
        pairs: All pairs.
        pair: Numbers of those that are asked about.
    """
    unknown, broken = _judged(rule, pairs, pair)
    *of_unknown, of_broken = rule.verdicts
    return [*((name, unknown) for name in of_unknown), (of_broken, broken)]


def _judged(rule: Rule, pairs: Pairs, pair: Ints) -> tuple[Bools, Bools]:
    """Return where the value is unknown, and where it is known and breaks the rule."""
    if isinstance(rule, GapRule):
        # Exact as the join is: gaps are whole microseconds, told in seconds.
        gap_us = np.rint(np.abs(pairs.gap_s[pair]) * 1e6)
        return _nowhere(pair), gap_us > rule.max // timedelta(microseconds=1)
    if isinstance(rule, OverlapRule):
        return _nowhere(pair), pairs.overlap_frac[pair] < rule.min_frac
    if rule.side == "lr":
        return _of_scenes(rule, pairs.lr_scenes, pairs.lr[pair])
    return _of_scenes(rule, pairs.hr_scenes, pairs.hr[pair])


def _of_scenes(
    rule: GsdRule | CloudRule | SnowRule | SunRule | MonthsRule | PlatformsRule | TierRule,
    scenes: Scenes,
    scene: Ints,
) -> tuple[Bools, Bools]:
    match rule:
        case GsdRule():
            return _above(scenes.gsd_m[scene], rule.max_m * _GSD_SLACK)
        case CloudRule():
            return _above(scenes.cloud_frac[scene], rule.max_frac)
        case SnowRule():
            return _above(scenes.snow_frac[scene], rule.max_frac)
        case SunRule():
            return _above(-scenes.sun_elevation_deg[scene], -rule.min_deg)
        case MonthsRule():
            return _nowhere(scene), ~np.isin(scenes.month[scene], rule.months)
        case PlatformsRule():
            return _not_among(scenes.platform, scene, rule.platforms)
        case TierRule():
            return _not_among(scenes.tier, scene, rule.tiers)


def _nowhere(which: Ints) -> Bools:
    return np.zeros(len(which), dtype=bool)


def _above(values: Floats, most: float) -> tuple[Bools, Bools]:
    """Return where values are unknown (nan), and where they are above a limit."""
    return np.isnan(values), values > most  # no comparison with nan holds


def _not_among(
    names: pa.DictionaryArray, scene: Ints, allowed: tuple[str, ...]
) -> tuple[Bools, Bools]:
    """Return where names are unknown (null), and where they are not among those allowed."""
    code = pc.fill_null(names.indices, -1).to_numpy()[scene]
    among = np.isin(names.dictionary.to_numpy(zero_copy_only=False), allowed)
    unknown = code < 0
    # Unknown asks the last name, whatever it is: the answer does not count.
    return unknown, ~unknown & ~np.append(among, True)[code]


def scenes_kept(rules: Iterable[Rule], scenes: Scenes, side: str) -> Bools:
    """Tell which scenes of a side (``lr``, ``hr``) no rule drops, whatever they are paired with."""
    every = np.arange(len(scenes.ids))
    kept = np.ones(len(every), dtype=bool)
    for rule in rules:
        if isinstance(rule, GapRule | OverlapRule) or rule.side != side:
            continue
        unknown, broken = _of_scenes(rule, scenes, every)
        # Where what is unknown is kept, there is no verdict on it.
        kept &= ~broken & ~(unknown & (len(rule.verdicts) > 1))
    return kept
