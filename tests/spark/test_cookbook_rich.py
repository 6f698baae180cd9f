"""The shipped queries of what only a lake with several manifests, items and cubes can answer."""

import math
from collections import Counter, defaultdict
from itertools import combinations
from typing import Any

import pytest
from cookbook import PASSES, asked, rows, samples
from manifest_world import Built
from rich_lake import ITEMS, TOO_MANY, make_rich

pytestmark = pytest.mark.spark


@pytest.fixture(scope="module")
def rich(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Built:
    return make_rich(built, tmp_path_factory.mktemp("rich") / "lake")


def test_coverage_by_state(rich: Built) -> None:
    """By what the photographs are called; of another name, by zone."""
    scenes = {scene["scene_id"]: scene for scene in rows(rich, "scenes")}
    wanted: Counter[tuple[str, str, str]] = Counter()
    for row in samples(rich):
        name, start = (scenes[row["hr_scene_id"]][key] for key in ("item_id", "t_start"))
        place = "zone 13N" if name.startswith("quad") else name[:2]
        wanted[row["manifest_id"], place, f"{start:%Y-%m}"] += 1
    assert {place for _, place, _ in wanted} == {"co", "ne", "zone 13N"}
    found = asked(rich, "coverage")
    assert {(r["manifest_id"], r["place"], r["month"]): r["samples"] for r in found} == wanted
    assert len(found) == len(wanted)


def test_reserves(rich: Built) -> None:
    places = rows(rich, "manifest")
    key = ("manifest_id", "subset", "split", "stratum")
    held = Counter((*(row[name] for name in key), row["role"]) for row in places)
    by_id = {(row["manifest_id"], row["sample_id"]): row for row in places}
    taken = Counter(
        tuple(by_id[row["manifest_id"], row["sample_id"]][name] for name in key)
        for row in rows(rich, "samples")
        if row["replaces"]
    )
    assert taken.total() == 2
    for row in asked(rich, "reserves"):
        mine = tuple(row[name] for name in key)
        assert row["samples"] == held.pop((*mine, "sample"), 0)
        assert row["reserves"] == held.pop((*mine, "reserve"), 0)
        known = round(row["samples"] / row["reserves"], 1) if row["reserves"] else None
        assert row["samples_a_reserve"] == known
        assert row["taken"] == taken.pop(mine, 0)
    assert not held
    assert not taken


def test_seasons(rich: Built) -> None:
    south = {site["site_id"]: site["lat"] < 0 for site in rows(rich, "sites")}
    starts = {scene["scene_id"]: scene["t_start"] for scene in rows(rich, "scenes")}
    wanted: dict[tuple[Any, ...], Counter[str]] = defaultdict(Counter)
    for row in samples(rich):
        half = "south" if south[row["site_id"]] else "north"
        key = row["manifest_id"], half, starts[row["hr_scene_id"]].month
        wanted[key][row["stratum"]] += 1
    assert {key[1:] for key in wanted} == {(h, m) for h in ("north", "south") for m in (1, 6)}
    found = asked(rich, "seasons")
    assert len(found) == len(wanted)
    for row in found:
        of = wanted[row["manifest_id"], row["hemisphere"], row["month"]]
        assert row["samples"] == of.total()
        assert (row["urban"], row["non_urban"]) == (of["urban"], of["non_urban"])


def test_shortfall(rich: Built) -> None:
    key = ("manifest_id", "subset", "stratum")
    got = Counter((*(r[name] for name in key), r["role"]) for r in rows(rich, "manifest"))
    found = asked(rich, "shortfall")
    assert [row["lacking"] for row in found] == sorted((r["lacking"] for r in found), reverse=True)
    for row in found:
        mine = tuple(row[name] for name in key)
        assert (row["samples"], row["reserves"]) == (got[*mine, "sample"], got[*mine, "reserve"])
        assert row["lacking"] == row["asked"] - row["samples"]
    assert found[0]["asked"] == TOO_MANY
    assert found[0]["lacking"] > 0
    assert found[0]["reason"]
    assert [row["reason"] for row in found[1:] if not row["lacking"] and row["reserves"]] == (
        [None] * 5
    )


def test_lonely_scenes(rich: Built) -> None:
    sides = ("lr_scene_id", "hr_scene_id")
    paired = {pair[side] for pair in rows(rich, "pairs") for side in sides}
    own = defaultdict(set)
    for scene in rows(rich, "scenes"):
        own[scene["sensor"], scene["t_start"].year].add(scene["scene_id"])
    found = asked(rich, "lonely_scenes")
    assert {(row["sensor"], row["year"]): (row["scenes"], row["in_no_pair"]) for row in found} == {
        key: (len(ids), len(ids - paired)) for key, ids in own.items()
    }
    assert sum(row["in_no_pair"] for row in found) == 1


def test_not_kept(rich: Built) -> None:
    all_of = {"made": 6, "other": 2}
    wanted = [
        (*told, n, round(100 * n / all_of[told[0]], 1))
        for *told, n in sorted(ITEMS, key=lambda one: (one[0], -one[4], one[2]))
    ]
    assert [tuple(row.values()) for row in asked(rich, "not_kept")] == wanted


def test_reprocessed(rich: Built) -> None:
    found = [
        (-len(row["superseded"]), row["sensor"], row["scene_id"], row["item_id"],
         " ".join(item["item_id"] for item in row["superseded"]))
        for row in rows(rich, "scenes")
        if row["superseded"]
    ]  # fmt: skip
    assert {-n for n, *_ in found} == {1, 2}
    names = ("superseded", "sensor", "scene_id", "item_id", "superseded_items")
    told = [tuple(row[name] for name in names) for row in asked(rich, "reprocessed")]
    assert told == [(-n, *others) for n, *others in sorted(found)]


def test_misfits(rich: Built) -> None:
    places = {(r["manifest_id"], r["sample_id"]): r for r in rows(rich, "manifest")}
    wanted = []
    for row in rows(rich, "samples"):
        place = places[row["manifest_id"], row["sample_id"]]
        known = row["shift_x_px"] is not None
        shift = round(math.hypot(row["shift_x_px"], row["shift_y_px"]), 3) if known else None
        correlation = None if row["correlation"] is None else round(row["correlation"], 3)
        order = (correlation is not None, correlation or 0.0, not known, -(shift or 0.0))
        told = {
            "sample_id": row["sample_id"],
            "split": place["split"],
            "stratum": place["stratum"],
            "shift_px": shift,
            "correlation": correlation,
            "lr_clear_frac": round(row["lr_clear_frac"], 3),
            "hr_clear_frac": round(row["hr_clear_frac"], 3),
            "gap_days": round(place["gap_s"] / 86_400, 2),
        }
        wanted.append((order, row["sample_id"], told))
    assert len(wanted) == 9
    found = asked(rich, "misfits")
    assert [{name: row[name] for name in wanted[0][2]} for row in found] == [
        told for *_, told in sorted(wanted, key=lambda one: one[:2])
    ]


def test_same_ground(rich: Built) -> None:
    splits: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for row in rows(rich, "manifest"):
        splits[row["site_id"]][row["manifest_id"]].add(row["split"])
    wanted = Counter(
        (a, b, here, there)
        for of_site in splits.values()
        for a, b in combinations(sorted(of_site), 2)
        for here in of_site[a]
        for there in of_site[b]
    )
    assert any(here != there for *_, here, there in wanted)
    found = [tuple(row.values()) for row in asked(rich, "same_ground")]
    assert found == [(*key, n) for key, n in sorted(wanted.items())]


def test_many_dates_of_sites_of_two_subsets(rich: Built) -> None:
    passing = [c for c in rows(rich, "candidates") if c["verdict"] in PASSES]
    pairs: dict[tuple[str, str], set[str]] = defaultdict(set)
    for row in passing:
        pairs[row["manifest_id"], row["site_id"]].add(row["pair_id"])
    assert sum(map(len, pairs.values())) < len(passing)
    found = asked(rich, "many_dates", "--arg", "least=2")
    assert {(row["manifest_id"], row["site_id"]): row["pairs"] for row in found} == {
        key: len(of_site) for key, of_site in pairs.items() if len(of_site) >= 2
    }
