"""The shipped queries, against the same questions answered in Python from the tables' rows."""

import json
import math
import re
from collections import Counter, defaultdict
from typing import Any

import pytest
from typer.testing import CliRunner

from geosr_lake.cli.app import app
from geosr_lake.cli.sql import _shipped

pytestmark = pytest.mark.spark

PASSES = {"kept", "reserve", "shared_ground", "not_best", "over_quota"}
ELSEWHERE = {"why_dropped", "at_cloud_limit", "splits"}
"""Held against their answers in test_sql.py."""
EMPTY = {"not_kept", "reprocessed", "misfits", "same_ground"}

Rows = list[dict[str, Any]]


def asked(built: Any, query: str, *words: str) -> Rows:
    command = ["sql", query, "--lake", str(built.lake.root), "--json", "--limit", "10000", *words]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    found: Rows = json.loads(done.stdout)
    return found


def rows(built: Any, table: str) -> Rows:
    found: Rows = built.lake.arrow(table).to_pylist()
    return found


def samples(built: Any) -> Rows:
    return [row for row in rows(built, "manifest") if row["role"] == "sample"]


def by(found: Rows, key: str, value: str) -> dict[Any, Any]:
    assert len({row[key] for row in found}) == len(found)
    return {row[key]: row[value] for row in found}


def test_there_are_enough_and_each_says_what_it_asks_and_how() -> None:
    shipped = _shipped()
    assert len(shipped) >= 15
    assert {name for name in shipped if f"test_{name}" not in globals()} == ELSEWHERE | EMPTY
    for name, path in shipped.items():
        first = re.match(r"((?:--.*\n)+)", path.read_text())
        assert first is not None
        assert re.search(r"^-- [A-Z][^?]*\?", first[0])
        assert re.search(rf"^--     geosr sql {name}( --arg \w+=[\d.]+)*$", first[0], re.MULTILINE)


def test_coverage(built: Any) -> None:
    scenes = {scene.scene_id: scene for scene in built.scenes}
    wanted = Counter(f"{scenes[s['hr_scene_id']].start:%Y-%m}" for s in samples(built))
    found = asked(built, "coverage")
    assert by(found, "month", "samples") == wanted
    assert {row["place"] for row in found} == {"zone 13N"}
    urban = sum(s["stratum"] == "urban" for s in samples(built))
    assert sum(row["urban"] for row in found) == urban


def test_gaps(built: Any) -> None:
    passing = [c for c in rows(built, "candidates") if c["verdict"] in PASSES]
    found = asked(built, "gaps")
    assert by(found, "days_apart", "candidates") == Counter(
        int(abs(c["gap_s"]) // 86_400) for c in passing
    )
    assert by(found, "days_apart", "samples") == {
        row["days_apart"]: sum(
            c["verdict"] == "kept" and abs(c["gap_s"]) // 86_400 == row["days_apart"]
            for c in passing
        )
        for row in found
    }
    assert found[-1]["percent_up_to_here"] == 100


@pytest.mark.parametrize("least", [1, 2, 3])
def test_many_dates(built: Any, least: int) -> None:
    pairs = Counter(c["site_id"] for c in rows(built, "candidates") if c["verdict"] in PASSES)
    found = asked(built, "many_dates", "--arg", f"least={least}")
    assert by(found, "site_id", "pairs") == {s: n for s, n in pairs.items() if n >= least}
    assert [row["pairs"] for row in found] == sorted((r["pairs"] for r in found), reverse=True)


def test_busiest_scenes(built: Any) -> None:
    wanted = Counter(s[side] for s in samples(built) for side in ("lr_scene_id", "hr_scene_id"))
    assert by(asked(built, "busiest_scenes"), "scene_id", "samples") == wanted


def test_shared_scenes(built: Any) -> None:
    splits = defaultdict(set)
    for row in rows(built, "manifest"):
        for side in ("lr_scene_id", "hr_scene_id"):
            splits[row[side]].add(row["split"])
    wanted = {scene: " ".join(sorted(names)) for scene, names in splits.items() if len(names) > 1}
    assert wanted
    assert by(asked(built, "shared_scenes"), "scene_id", "splits") == wanted


def test_reserves(built: Any) -> None:
    wanted = Counter((r["split"], r["stratum"], r["role"]) for r in rows(built, "manifest"))
    found = asked(built, "reserves")
    for row in found:
        assert row["samples"] == wanted.pop((row["split"], row["stratum"], "sample"), 0)
        assert row["reserves"] == wanted.pop((row["split"], row["stratum"], "reserve"), 0)
        assert row["taken"] == 0
    assert not wanted


def test_seasons(built: Any) -> None:
    found = asked(built, "seasons")
    assert {(row["hemisphere"], row["month"]) for row in found} == {("north", 1)}
    assert found[0]["samples"] == len(samples(built)) == found[0]["urban"] + found[0]["non_urban"]


def test_latitudes(built: Any) -> None:
    lat = {site["site_id"]: site["lat"] for site in rows(built, "sites")}
    drawn = {c["site_id"] for c in rows(built, "candidates")}
    found = asked(built, "latitudes", "--arg", "band=0.01")
    bands = Counter(round(math.floor(lat[s] / 0.01) * 0.01, 6) for s in drawn)
    taken = Counter(round(math.floor(lat[s["site_id"]] / 0.01) * 0.01, 6) for s in samples(built))
    assert {round(float(row["from_lat"]), 6): row["sites_drawn"] for row in found} == bands
    assert {
        round(float(row["from_lat"]), 6): row["samples"] for row in found if row["samples"]
    } == (taken)


def test_land_cover(built: Any) -> None:
    cover: dict[str, dict[int, float]] = defaultdict(dict)
    for row in rows(built, "site_cover"):
        cover[row["site_id"]][row["class"]] = row["frac"]
    found = asked(built, "land_cover")
    groups = {
        "percent_of_sites": {c["site_id"] for c in rows(built, "candidates")},
        "percent_of_urban_samples": {
            s["site_id"] for s in samples(built) if s["stratum"] == "urban"
        },
        "percent_of_non_urban_samples": {
            s["site_id"] for s in samples(built) if s["stratum"] == "non_urban"
        },
    }
    for name, sites in groups.items():
        for row in found:
            mean = 100 * sum(cover[s].get(row["class"], 0.0) for s in sites) / len(sites)
            assert (row[name] or 0.0) == pytest.approx(mean, abs=0.006), (name, row["class"])


def test_shortfall(built: Any) -> None:
    got = Counter((r["subset"], r["stratum"], r["role"]) for r in rows(built, "manifest"))
    found = asked(built, "shortfall")
    assert {(row["subset"], row["stratum"]) for row in found} == {
        ("sr", "urban"), ("sr", "non_urban"),
    }  # fmt: skip
    for row in found:
        key = row["subset"], row["stratum"]
        assert (row["samples"], row["reserves"]) == (got[*key, "sample"], got[*key, "reserve"])
        assert row["lacking"] == row["asked"] - row["samples"] == 0
        assert row["reason"] is None


def test_funnel_by_split(built: Any) -> None:
    counts: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
    for row in rows(built, "candidates"):
        counts[row["subset"], row["stratum"], row["split"]][row["verdict"]] += 1
    found = asked(built, "funnel_by_split")
    assert len(found) == len(counts)
    for row in found:
        mine = counts[row["subset"], row["stratum"], row["split"]]
        assert row["candidates"] == mine.total()
        assert (row["kept"], row["in_reserve"]) == (mine["kept"], mine["reserve"])
        dropped = {v: n for v, n in mine.items() if v not in ("kept", "reserve")}
        most = min(dropped, key=lambda v: (-dropped[v], v), default=None)
        assert row["most_dropped_by"] == most
        assert row["dropped_by_it"] == (dropped[most] if most else 0)
    first = next(r for r in rows(built, "funnel") if r["step"] == 0)
    assert sum(row["candidates"] for row in found) == first["n_in"]


def test_undrawn(built: Any) -> None:
    wanted = {d["hr_tile"]: d["n_sites"] - d["n_drawn"] for d in rows(built, "draws")}
    assert by(asked(built, "undrawn"), "hr_tile", "undrawn") == wanted


def test_clouds(built: Any) -> None:
    found = asked(built, "clouds")
    for row in found:
        clouds = [s.cloud for s in built.scenes if s.sensor == row["sensor"]]
        known = [c for c in clouds if c is not None]
        assert row["scenes"] == len(clouds)
        assert row["cloud_unknown"] == len(clouds) - len(known)
        assert row["up_to_5_percent"] == sum(c <= 0.05 for c in known)
        assert row["up_to_20_percent"] == sum(c <= 0.2 for c in known)
        if known:
            assert row["mean_percent"] == pytest.approx(100 * sum(known) / len(known), abs=0.06)
    assert {row["sensor"] for row in found} == {s.sensor for s in built.scenes}


def test_lonely_scenes(built: Any) -> None:
    paired = {p[side] for p in built.pairs for side in ("lr_scene_id", "hr_scene_id")}
    for row in asked(built, "lonely_scenes"):
        own = {s.scene_id for s in built.scenes if s.sensor == row["sensor"]}
        assert (row["scenes"], row["in_no_pair"]) == (len(own), len(own - paired))


@pytest.mark.parametrize("query", sorted(EMPTY))
def test_questions_about_what_this_lake_lacks(built: Any, query: str) -> None:
    """It holds no items, no cubes and one manifest: the demo's lake has rows for them."""
    assert asked(built, query) == []
