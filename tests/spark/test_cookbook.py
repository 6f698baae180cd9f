"""The shipped queries, against the same questions answered in Python from the tables' rows."""

import math
import re
from collections import Counter, defaultdict
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import table_rows
from cookbook import PASSES, asked, by, rows, samples

from geosr_lake.cli.sql import _shipped
from geosr_lake.lake import Lake

pytestmark = pytest.mark.spark

TESTS = re.compile(r"^def test_(\w+)\(", re.MULTILINE)


def test_there_are_enough_and_each_says_what_it_asks_and_how() -> None:
    shipped = _shipped()
    assert len(shipped) >= 15
    files = Path(__file__).parent.glob("test_cookbook*.py")
    tests = {name for file in files for name in TESTS.findall(file.read_text())}
    assert set(shipped) <= tests
    for name, path in shipped.items():
        first = re.match(r"((?:--.*\n)+)", path.read_text())
        assert first is not None
        assert re.search(r"^-- [A-Z][^?]*\?", first[0])
        assert re.search(rf"^--     geosr sql {name}( --arg \w+=[\d.]+)*$", first[0], re.MULTILINE)


def test_why_dropped(built: Any) -> None:
    rows = asked(built, "why_dropped")
    candidates = built.lake.arrow("candidates").to_pylist()
    counts = Counter(row["verdict"] for row in candidates)
    assert {row["verdict"]: row["candidates"] for row in rows} == counts
    assert sum(row["percent"] for row in rows) == pytest.approx(100, abs=0.5)
    order = [row["verdict"] for row in rows]
    assert order.index("lr_cloud") < order.index("not_best") < order.index("kept")


@pytest.mark.parametrize("limit", [0.05, 0.01, 1.0])
def test_at_cloud_limit(built: Any, limit: float) -> None:
    rows = asked(built, "at_cloud_limit", "--arg", f"max_cloud={limit}")
    standing = [
        row
        for row in built.lake.arrow("candidates").to_pylist()
        if row["verdict"] in ("kept", "reserve", "not_best", "over_quota")
    ]
    passing = [row for row in standing if row["lr_cloud_frac"] <= limit]
    for name, among in (("now", standing), ("then", passing)):
        for stratum in ("urban", "non_urban"):
            sites = {row["site_id"] for row in among if row["stratum"] == stratum}
            found = sum(row[f"sites_{name}"] for row in rows if row["stratum"] == stratum)
            assert found == len(sites)
    lost = sum(1 for row in standing if row["verdict"] == "kept" and row not in passing)
    assert sum(row["samples_lost"] for row in rows) == lost


def test_splits(built: Any) -> None:
    rows = asked(built, "splits")
    assert {row["split"]: row["samples"] for row in rows} == {
        split: counts["samples"] for split, counts in built.summary.splits["sr"].items()
    }


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


def test_latitudes(built: Any) -> None:
    lat = {site["site_id"]: site["lat"] for site in rows(built, "sites")}
    drawn = {c["site_id"] for c in rows(built, "candidates")}
    found = asked(built, "latitudes", "--arg", "band=0.01")
    bands = Counter(round(math.floor(lat[s] / 0.01) * 0.01, 6) for s in drawn)
    taken = Counter(round(math.floor(lat[s["site_id"]] / 0.01) * 0.01, 6) for s in samples(built))
    assert {round(float(row["from_lat"]), 6): row["sites"] for row in found} == bands
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
    classes = {number for sites in groups.values() for s in sites for number in cover[s]}
    assert len(classes) > 1
    assert [row["class"] for row in found] == sorted(classes)
    for name, sites in groups.items():
        for row in found:
            mean = 100 * sum(cover[s].get(row["class"], 0.0) for s in sites) / len(sites)
            assert (row[name] or 0.0) == pytest.approx(mean, abs=0.006), (name, row["class"])


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


def at(hour: int) -> datetime:
    return datetime(2026, 1, 1, hour, tzinfo=UTC)


def test_days_had(lake: Lake) -> None:
    """One day twice, of which the newer counts; one that failed first; two that failed only."""
    first = {
        "api": "https://stac.example.com", "collection": "naip", "area": "", "status": "done",
        "items": 5, "pages": 1, "faults": [], "digest": "d", "fetched_at": at(1), "run_id": "r",
    }  # fmt: skip
    undone = {"status": "undone", "items": 0, "digest": None}
    told = [
        {"day": "2024-07-01"},
        {"day": "2024-07-01", "items": 7, "fetched_at": at(2)},
        {"day": "2024-07-02", **undone, "reason": "The host answered 503"},
        {"day": "2024-07-02", "fetched_at": at(2)},
        {"day": "2024-07-03", **undone, "reason": "The host answered 503"},
        {"day": "2024-07-03", **undone, "reason": "gone", "fetched_at": at(2)},
        {"day": "2024-07-05", **undone, "reason": "gone"},
        {"day": "2024-07-01", "area": "1.0,2.0,3.0,4.0", "items": 2},
        {"day": "2024-07-01", "area": "1.0,2.0,3.0,4.0", "fetched_at": at(2), **undone,
         "reason": "late"},
    ]  # fmt: skip
    with lake.stage("scenes", "ingest"):
        table_rows.add(lake, "slices", [first | row for row in told])
    names = ("area", "days", "items", "days_missing", "first_missing", "last_missing", "reason")
    found = asked(SimpleNamespace(lake=lake), "days_had")
    assert [tuple(row[name] for name in names) for row in found] == [
        ("", 2, 12, 2, "2024-07-03", "2024-07-05", "gone"),
        ("1.0,2.0,3.0,4.0", 1, 2, 0, None, None, None),
    ]
