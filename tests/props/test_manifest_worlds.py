"""Random worlds of sites and pairs: one verdict a candidate, as the rules read."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from manifest_world import SOUTH_M, WEST_M, boxed, lonlat_box

from geosr_lake.ids import pair_id, site_id
from geosr_lake.manifest import judge as judge_module
from geosr_lake.manifest.inputs import Pairs, Scenes, TilePairs, _months
from geosr_lake.manifest.judge import STANDS, Candidates, Sites, candidates, conditions
from geosr_lake.manifest.sites import Cells
from geosr_lake.recipe import RULE_KINDS, Quotas, SelectRule, SplitRule, UrbanRule
from geosr_lake.sensors.tasks import MODIS_LANDSAT8, S2_NAIP
from geosr_lake.verdicts import OF_A_RECIPE, RULE_NAMES, asked

SHARE = st.one_of(st.none(), st.sampled_from([0.0, 0.1, 0.2, 0.20000001, 0.9]))
ZONE = st.sampled_from([32613] * 8 + [32614, 0])
START = st.sampled_from([
    datetime(2023, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime(2024, 1, 1, tzinfo=UTC),
    datetime(2024, 2, 29, 12, tzinfo=UTC),
    datetime(1969, 12, 31, 23, 59, tzinfo=UTC),  # before the epoch numbers turn negative
])  # fmt: skip
PLATFORM = st.sampled_from(["a", "b", "c", None])
LIMITS: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "gap": st.fixed_dictionaries({"max": st.sampled_from(["0 s", "60 s", "1 min", "1 d"])}),
    "overlap": st.fixed_dictionaries({"min_frac": st.sampled_from([0.0, 0.5, 0.50000001, 1.0])}),
    "gsd": st.just({"max_m": 0.6}),
    "cloud": st.fixed_dictionaries({"max_frac": st.sampled_from([0.1, 0.2])}),
    "snow": st.just({"max_frac": 0.1}),
    "sun": st.fixed_dictionaries({"min_deg": st.sampled_from([30, 30.0000001, -90])}),
    "tier": st.fixed_dictionaries({"tiers": st.sampled_from([["T1"], ["T2", "RT"]])}),
    "months": st.fixed_dictionaries({"months": st.sampled_from([[1], [12], [2, 12, 1]])}),
    "platforms": st.fixed_dictionaries({"platforms": st.sampled_from([["a"], ["b", "a"], ["z"]])}),
}
NEVER_UNKNOWN = {"gap", "overlap", "months"}


@st.composite
def asked_rules(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Some rules in some order, as a recipe has them."""
    kinds = [(k, s) for k in LIMITS for s in ((None,) if k in {"gap", "overlap"} else ("lr", "hr"))]
    found = []
    for kind, side in draw(st.lists(st.sampled_from(kinds), unique=True, max_size=4)):
        rule = {"rule": kind, **draw(LIMITS[kind])} | ({"side": side} if side else {})
        if kind not in NEVER_UNKNOWN:
            rule["unknown"] = draw(st.sampled_from(["drop", "keep"]))
        found.append(rule)
    return found


RULES = st.builds(
    lambda **keys: SelectRule.model_validate(keys),
    seed=st.integers(0, 3),
    sites_per_tile_pair=st.just(1),
    rules=asked_rules(),
    urban=st.just(UrbanRule(layer="made", classes=(1,), min_frac=0.5)),
    quotas=st.builds(Quotas, urban=st.integers(0, 4), non_urban=st.integers(0, 4)),
    reserve_frac=st.sampled_from([0.0, 0.1, 0.5, 1.0]),
    block_deg=st.just(0.25),
    split=st.just(SplitRule()),
    margin_m=st.sampled_from([0.0, 0.0, 150.0]),
    pairs_per_site=st.integers(1, 3),
)


GRID = [(x, y) for x in range(4) for y in range(3)]
"""Sites of the worlds: columns and rows of 600 m."""


def cells_of_the_grid() -> dict[tuple[int, int], Any]:
    cells = boxed(S2_NAIP, (-105.25, 39.74, -105.15, 39.80))
    at = {
        ((x - WEST_M) // 600, (y - SOUTH_M) // 600): i
        for i, (x, y) in enumerate(zip(cells.x_m.tolist(), cells.y_m.tolist(), strict=True))
    }
    return {spot: cells.take(np.array([at[spot]])) for spot in GRID}


CELLS = cells_of_the_grid()
NOTHING: dict[str, Any] = {"lr": [], "hr": [], "pairs": [], "sites": []}


@st.composite
def footprints(draw: st.DrawFn) -> tuple[int, int, int, int]:
    """A rectangle in metres from the world's corner, its edges a little off those of cells."""
    edge = st.sampled_from([-193, -3, 7, 297, 587, 597, 607, 1_047, 1_197, 2_397, 2_607])
    west, south = draw(edge), draw(edge)
    wide, tall = draw(st.integers(5, 30)), draw(st.integers(5, 25))
    # Never on the edge of a cell, or of its margin: there rounding decides.
    part = west, south, west + 100 * wide + 10, south + 100 * tall + 10
    return draw(st.sampled_from([(-193, -193, 2_607, 2_007), (-193, -193, 2_607, 2_007), part]))


@st.composite
def sides(draw: st.DrawFn, gsd: list[float]) -> list[dict[str, Any]]:
    return [
        {
            "box": draw(footprints()),
            "zone": draw(ZONE),
            "cloud": draw(SHARE),
            "snow": draw(SHARE),
            "gsd": draw(st.sampled_from([None, *gsd])),
            "start": draw(START),
            "platform": draw(PLATFORM),
            "sun": draw(st.sampled_from([None, 29.9999999, 30.0, -5.0])),
            "tier": draw(st.sampled_from([None, "T1", "T2", "RT"])),
        }
        for _ in range(draw(st.integers(2, 4)))
    ]


@st.composite
def worlds(draw: st.DrawFn) -> dict[str, Any]:
    """Some cells of a grid, scenes of two sides that cover some of them, and pairs of these."""
    lr, hr = draw(sides([0.6, 0.6000001, 10.0])), draw(sides([0.3, 0.6, 1.0]))
    pairs = [
        {
            "lr": i,
            "hr": j,
            "tile_pair": draw(st.integers(0, 1)),
            "gap_s": draw(st.sampled_from([0.0, 60.0, -60.0, 60.000001, 3600.0])),
            "overlap": draw(st.sampled_from([0.5, 1.0])),
        }
        for i in range(len(lr))
        for j in range(len(hr))
        if draw(st.sampled_from([True, True, False]))
    ]
    sites = [
        {
            "spot": spot,
            "zone_edge": draw(st.sampled_from([False] * 9 + [True])),
            "split_edge": draw(st.sampled_from([False] * 9 + [True])),
            "stratum": draw(st.sampled_from(["urban", "non_urban", "non_urban", None])),
            "tile_pairs": draw(st.sampled_from([{0, 1}, {0, 1}, {0}, {1}, set()])),
        }
        for spot in draw(st.sets(st.sampled_from(GRID), min_size=1, max_size=6))
    ]
    return {
        "lr": lr,
        "hr": hr,
        "pairs": sorted(pairs, key=lambda p: p["tile_pair"]),
        "sites": sites,
    }


def scenes_of(side: list[dict[str, Any]], name: str) -> Scenes:
    def share(key: str) -> np.ndarray:
        return np.array([np.nan if s[key] is None else s[key] for s in side], dtype=float)

    shapes = [
        lonlat_box(WEST_M + w, SOUTH_M + s, WEST_M + e, SOUTH_M + n, steps=4)
        for w, s, e, n in (scene["box"] for scene in side)
    ]
    return Scenes(
        pa.array([f"scn-{name}{i}" for i in range(len(side))]),
        np.array([scene["zone"] for scene in side]),
        share("cloud"),
        share("snow"),
        share("gsd"),
        share("sun"),
        _months(pa.chunked_array([[s["start"] for s in side]], pa.timestamp("us", "UTC"))),
        pa.array([s["platform"] for s in side], pa.string()).dictionary_encode(),
        pa.array([s["tier"] for s in side], pa.string()).dictionary_encode(),
        shapely.bounds(shapes).reshape(-1, 4),
        pa.array(shapely.to_wkb(shapes)),
    )


def pairs_of(world: dict[str, Any]) -> Pairs:
    column = {key: np.array([pair[key] for pair in world["pairs"]]) for key in
              ("lr", "hr", "gap_s", "overlap", "tile_pair")}  # fmt: skip
    none = pa.array(["a", "b"])
    return Pairs(
        column["lr"].astype(np.int64),
        column["hr"].astype(np.int64),
        column["gap_s"].astype(float),
        column["overlap"].astype(float),
        np.searchsorted(column["tile_pair"], np.arange(3)),
        TilePairs(none, none, np.zeros((0, 4)), np.zeros(0, np.int64)),
        scenes_of(world["lr"], "l"),
        scenes_of(world["hr"], "h"),
        "rul-made",
    )


def judge(world: dict[str, Any], rule: SelectRule) -> tuple[Sites, Pairs, Candidates]:
    cells = Cells.joined([CELLS[site["spot"]] for site in world["sites"]])
    ids = [
        site_id(600, 32613, x, y)
        for x, y in zip(cells.x_m.tolist(), cells.y_m.tolist(), strict=True)
    ]
    sites = Sites(
        np.array(ids, dtype=object),
        cells,
        np.array([s["zone_edge"] for s in world["sites"]], dtype=bool),
        np.array([s["split_edge"] for s in world["sites"]], dtype=bool),
        np.array([s["stratum"] for s in world["sites"]], dtype=object),
    )
    held = [(i, t) for i, s in enumerate(world["sites"]) for t in sorted(s["tile_pairs"])]
    site, tile_pair = np.array(held, dtype=np.int64).reshape(-1, 2).T
    pairs = pairs_of(world)
    return sites, pairs, candidates(sites, site, tile_pair, pairs, S2_NAIP, rule)


def by_hand(world: dict[str, Any], rule: SelectRule) -> dict[tuple[int, int], str]:
    """The verdict of each candidate by numbers of site and pair; its place if it is wanted."""
    verdicts: dict[tuple[int, int], str] = {}
    for i, site in enumerate(world["sites"]):
        x, y = (600 * step for step in site["spot"])
        standing = []
        for j, pair in enumerate(world["pairs"]):
            lr, hr = world["lr"][pair["lr"]], world["hr"][pair["hr"]]
            m = rule.margin_m
            whole = all(
                w <= x - m and s <= y - m and x + 600 + m <= e and y + 600 + m <= n
                for w, s, e, n in (lr["box"], hr["box"])
            )
            if not whole or pair["tile_pair"] not in site["tile_pairs"]:
                continue
            verdict = first_rule(site, pair, {"lr": lr, "hr": hr}, rule)
            if verdict is None:
                cloud = sum(1.0 if s["cloud"] is None else s["cloud"] for s in (lr, hr))
                one = pair_id("rul-made", f"scn-l{pair['lr']}", f"scn-h{pair['hr']}")
                standing.append(((abs(pair["gap_s"]), cloud, -pair["overlap"], one), j))
                verdict = "not_best"
            verdicts[i, j] = verdict
        for place, (_, j) in enumerate(sorted(standing)[: rule.pairs_per_site]):
            verdicts[i, j] = f"place {place}"
    return verdicts


def first_rule(
    site: dict[str, Any], pair: dict[str, Any], scenes: dict[str, Any], rule: SelectRule
) -> str | None:
    """The first rule that drops a candidate for what it is."""
    if site["zone_edge"]:
        return "zone_edge"
    if site["split_edge"]:
        return "split_edge"
    if not scenes["lr"]["zone"] == scenes["hr"]["zone"] == 32613:
        return "zone_mismatch"
    for one in rule.model_dump()["rules"]:
        verdict = broken(one, pair, scenes)
        if verdict is not None:
            return verdict
    return "cover_unknown" if site["stratum"] is None else None


def broken(rule: dict[str, Any], pair: dict[str, Any], scenes: dict[str, Any]) -> str | None:
    """What one rule, as plain values, says of a pair."""
    kind = rule["rule"]
    if kind == "gap":
        apart, most = timedelta(seconds=abs(pair["gap_s"])), timedelta(microseconds=rule["max"])
        return "gap" if apart > most else None
    if kind == "overlap":
        return "overlap" if pair["overlap"] < rule["min_frac"] else None
    side = rule["side"]
    scene = scenes[side]
    value, name = {
        "gsd": (scene["gsd"], "gsd"),
        "cloud": (scene["cloud"], "cloud"),
        "snow": (scene["snow"], "snow"),
        "months": (scene["start"].month, "months"),
        "platforms": (scene["platform"], "platform"),
        "sun": (scene["sun"], "sun"),
        "tier": (scene["tier"], "tier"),
    }[kind]
    if value is None:
        return f"{side}_{name}_unknown" if rule["unknown"] == "drop" else None
    passes = {
        "gsd": lambda: value <= rule["max_m"] * 1.001,
        "cloud": lambda: value <= rule["max_frac"],
        "snow": lambda: value <= rule["max_frac"],
        "months": lambda: value in rule["months"],
        "platforms": lambda: value in rule["platforms"],
        "sun": lambda: value >= rule["min_deg"],
        "tier": lambda: value in rule["tiers"],
    }[kind]()
    return None if passes else f"{side}_{name}"


@settings(max_examples=400, deadline=None)
@given(world=worlds(), rule=RULES)
def test_every_candidate_has_the_verdict_that_it_has_by_hand(
    world: dict[str, Any], rule: SelectRule
) -> None:
    _, _, found = judge(world, rule)
    verdicts = {
        (site, pair): RULE_NAMES[verdict]
        if verdict != STANDS
        else f"place {place}"
        if place < rule.pairs_per_site
        else "not_best"
        for site, pair, verdict, place in zip(
            found.site.tolist(),
            found.pair.tolist(),
            found.verdict.tolist(),
            found.place.tolist(),
            strict=True,
        )
    }
    assert len(verdicts) == len(found.site), "a candidate has two verdicts"
    assert verdicts == by_hand(world, rule)
    assert max(Counter(found.site[found.place == 0].tolist()).values(), default=1) == 1
    assert ((found.place >= 0) == (found.verdict == STANDS)).all()


@settings(max_examples=50, deadline=None)
@given(world=worlds(), rule=RULES, data=st.data())
def test_the_order_of_the_pairs_does_not_matter(
    world: dict[str, Any], rule: SelectRule, data: st.DataObject
) -> None:
    turned = data.draw(st.permutations(world["pairs"]))
    other = world | {"pairs": sorted(turned, key=lambda pair: pair["tile_pair"])}

    def told(of: dict[str, Any]) -> set[tuple[int, int, int, int, bool]]:
        _, pairs, found = judge(of, rule)
        lr, hr = pairs.lr[found.pair].tolist(), pairs.hr[found.pair].tolist()
        wanted = (found.place >= 0) & (found.place < rule.pairs_per_site)
        columns = (found.site.tolist(), lr, hr, found.verdict.tolist(), wanted.tolist())
        return set(zip(*columns, strict=True))

    assert told(other) == told(world)


@settings(max_examples=50, deadline=None)
@given(world=worlds(), rule=RULES)
def test_pairs_are_judged_alike_few_at_a_time(world: dict[str, Any], rule: SelectRule) -> None:
    _, _, whole = judge(world, rule)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(judge_module, "_PAIRS_AT_ONCE", 1)
        _, _, parts = judge(world, rule)
    for name in ("site", "pair", "verdict", "place"):
        np.testing.assert_array_equal(getattr(parts, name), getattr(whole, name))


def test_every_kind_of_rule_is_in_the_worlds_and_every_verdict_has_its_sentence() -> None:
    assert LIMITS.keys() == RULE_KINDS.keys()
    every = {
        name
        for kind, model in RULE_KINDS.items()
        for side in ("lr", "hr")
        for name in model.model_construct(rule=kind, side=side, unknown="drop").verdicts
    }
    assert every == {rule.name for rule in OF_A_RECIPE}
    assert len(set(RULE_NAMES)) == len(RULE_NAMES) < 127, "verdicts are told in a byte"


@settings(max_examples=100)
@given(rule=RULES)
def test_the_rules_are_asked_in_the_order_that_is_told(rule: SelectRule) -> None:
    sites, pairs, found = judge(NOTHING, rule)
    none = found.site
    named = [name for name, _ in conditions(sites, none, none, pairs, S2_NAIP, rule)]
    assert (*named, "shared_ground", "not_best", "over_quota") == asked(rule.verdicts)
    assert set(named) <= set(RULE_NAMES)
    bare = rule.model_copy(update={"rules": ()})
    named = [name for name, _ in conditions(sites, none, none, pairs, S2_NAIP, bare)]
    assert named == ["zone_edge", "split_edge", "zone_mismatch", "cover_unknown"]


PLAIN = SelectRule(
    sites_per_tile_pair=1,
    urban=UrbanRule(layer="made", classes=(1,), min_frac=0.5),
    quotas=Quotas(urban=1, non_urban=1),
    block_deg=1,
)


def test_modis_needs_no_zone() -> None:
    scene = {"box": (-100, -100, 700, 700), "zone": 0, "cloud": 0.0, "snow": 0.0, "gsd": 0.6,
             "start": datetime(2024, 1, 1, tzinfo=UTC), "sun": None,
             "platform": None, "tier": None}  # fmt: skip
    pair = {"lr": 0, "hr": 0, "tile_pair": 0, "gap_s": 0.0, "overlap": 1.0}
    site = {"spot": (0, 0), "zone_edge": False, "split_edge": False, "stratum": "urban"}
    world = {
        "lr": [scene],
        "hr": [scene | {"zone": 32613}],
        "pairs": [pair],
        "sites": [site | {"tile_pairs": {0}}],
    }
    sites, pairs, found = judge(world, PLAIN)
    assert RULE_NAMES[found.verdict[0]] == "zone_mismatch"
    rows = conditions(sites, found.site, found.pair, pairs, MODIS_LANDSAT8, PLAIN)
    assert not dict(rows)["zone_mismatch"][0]


def test_no_sites_no_candidates() -> None:
    _, _, found = judge(NOTHING, PLAIN)
    assert len(found.site) == len(found.place) == 0
