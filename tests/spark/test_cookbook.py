"""The shipped queries, against the same questions answered in Python from the tables' rows."""

import json
import math
import re
import shutil
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import combinations
from types import SimpleNamespace
from typing import Any

import pytest
import table_rows
from manifest_world import Built, Scene, recipe
from typer.testing import CliRunner

from geosr_lake.cli.app import app
from geosr_lake.cli.sql import _shipped
from geosr_lake.lake import Lake, ledger
from geosr_lake.manifest import build

pytestmark = pytest.mark.spark

PASSES = {"kept", "reserve", "shared_ground", "not_best", "over_quota"}
ELSEWHERE = {"why_dropped", "at_cloud_limit", "splits"}
"""Held against their answers in test_sql.py."""

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
    assert {name for name in shipped if f"test_{name}" not in globals()} == ELSEWHERE
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


def at(hour: int) -> datetime:
    return datetime(2026, 1, 1, hour, tzinfo=UTC)


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


ITEMS = [
    ("made", "naip", "kept", None, 3),
    ("made", "naip", "unsupported", "product_not_paired", 1),
    ("made", "naip", "quarantined", "bad_footprint", 2),
    ("other", "naip", "unsupported", "product_not_paired", 1),
    ("other", "naip", "kept", None, 1),
]


def items() -> Rows:
    names = ("archive", "collection", "outcome", "reason")
    common = {"source_file": "f", "run_id": "r", "ingested_at": datetime(2024, 1, 1, tzinfo=UTC)}
    return [
        common | dict(zip(names, told, strict=True)) | {"item_id": str(i), "content_hash": str(i)}
        for *told, n in ITEMS
        for i in range(n)
    ]


def superseded(scene: Scene, count: int) -> Rows:
    """Items that stand behind a scene's winner."""
    return [
        {"archive": "other", "collection": scene.sensor, "item_id": f"{scene.tile}_v{n}",
         "content_hash": str(n), "assets": []}
        for n in range(count)
    ]  # fmt: skip


def pixels(place: dict[str, Any], n: int) -> dict[str, Any]:
    """What was measured of the n-th sample; of some nothing could be."""
    return {
        **{name: place[name] for name in ("manifest_id", "sample_id", "subset", "split")},
        "task": "s2_naip", "shard": 0, "cube": f"cubes/made/{place['split']}.zarr", "index": n,
        "lr_item": "a/b/c", "hr_item": "d/e/f", "lr_valid_frac": 1.0, "hr_valid_frac": 1.0,
        "lr_clear_frac": 0.991 + n / 1000, "hr_clear_frac": 0.999 - n / 1000,
        "shift_x_px": None if n == 3 else 0.03 * n, "shift_y_px": None if n == 3 else -0.04 * n,
        "correlation": None if n in (2, 3, 5) else 0.9 + (n % 3) / 100,
    }  # fmt: skip


TOO_MANY = 1_000
"""Urban samples that are asked for where there are fewer sites."""


def photograph(n: int, row: dict[str, Any]) -> dict[str, Any]:
    """A scene as of one of two states, half of them of another month; some keep their name."""
    if row["sensor"] != "naip":
        return row
    named = row | {"item_id": (f"co_m_{n}", f"ne_m_{n}", row["item_id"])[n % 3]}
    later = timedelta(days=160 if n % 2 else 0)
    return named | {key: row[key] + later for key in ("t_start", "t_end")}


@pytest.fixture(scope="module")
def rich(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The same lake with items, scenes of several items, cubes with two reserves, a manifest that
    is split by order, one that asks for too many, sites in both hemispheres and of two subsets."""
    root = tmp_path_factory.mktemp("rich") / "lake"
    lake = Lake.open(shutil.copytree(built.lake.root, root))
    build(lake, recipe(split={"mode": "paper"}), built.land_cover)
    build(lake, recipe(quotas={"urban": TOO_MANY, "non_urban": 10}), built.land_cover)
    lake.refresh()
    scenes = [
        photograph(n, scene.row()) | {"superseded": superseded(scene, n % 3)}
        for n, scene in enumerate([*built.scenes, replace(built.scenes[0], day=400)])
    ]
    with lake.stage("scenes", "test"):
        table_rows.put(lake, "scenes", scenes)
        table_rows.add(lake, "items", items())
    twice = [row | {"subset": "river"} for row in lake.arrow("candidates").to_pylist()[::2]]
    sites = lake.arrow("sites").to_pylist()
    with lake.stage("manifest", "test"):
        table_rows.add(lake, "candidates", twice)
        mirrored = [s | {"lat": s["lat"] * (-1) ** n} for n, s in enumerate(sites)]
        table_rows.put(lake, "sites", mirrored)
    role: dict[str, Rows] = {"sample": [], "reserve": []}
    for row in lake.arrow("manifest").to_pylist():
        role[row["role"]].append(row)
    written = [pixels(row, n) for n, row in enumerate(role["sample"][:7])]
    written += [
        pixels(row, n) | {"replaces": role["sample"][n]["sample_id"]}
        for n, row in enumerate(role["reserve"][:2], start=7)
    ]
    with lake.stage("cubes", "test"):
        ledger.append(lake.root, "samples", written)
    return replace(built, lake=Lake.open(root))


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
