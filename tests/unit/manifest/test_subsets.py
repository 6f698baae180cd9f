"""Manifests of several subsets: grid, extents, chips; spreads; several pairs of a site."""

import json
import random
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import geopandas
import pytest
import shapely
from manifest_world import (
    SOUTH_M,
    WEST_M,
    Scene,
    all_pairs,
    lonlat_box,
    put,
    recipe,
    town_and_fields,
)
from pyproj import Transformer
from shapely.geometry import mapping

from geosr_lake import ids
from geosr_lake.errors import UsageError
from geosr_lake.lake import Lake
from geosr_lake.manifest import Files, ManifestSummary, build, choose
from geosr_lake.recipe import Recipe
from geosr_lake.report.explain import explain

Ground = tuple[Lake, Path]
CHIP_CORNERS = [(6_700 + 330 * i, 6_700 + 330 * j) for i in range(12) for j in range(12)]
"""Metres from the corner of the world."""


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    """Four photographs of 6 km in May and four in June, under clear scenes and a cloudy one."""
    folder = tmp_path_factory.mktemp("subsets")
    full = lonlat_box(WEST_M - 1_000, SOUTH_M - 1_000, WEST_M + 13_000, SOUTH_M + 13_000)
    may, june = 140, 170  # days from the first of January
    scenes = [Scene("sentinel2", "13SED", full, day, cloud=0.1) for day in (may, may + 2, june)]
    scenes.append(Scene("sentinel2", "13SED", full, may + 1, cloud=0.9))
    for i in range(4):
        x, y = WEST_M + 6_000 * (i % 2), SOUTH_M + 6_000 * (i // 2)
        quad = lonlat_box(x - 20, y - 20, x + 6_020, y + 6_020, epsg=26913)
        day = may + 3 if i < 2 else june + 3
        scenes.append(Scene("naip", f"quad_{i}", quad, day, epsg=26913, gsd_m=0.6))
    lake = Lake.create(folder / "lake")
    put(lake, scenes, all_pairs(scenes, recipe()))
    return lake, town_and_fields(folder / "lc.tif")


def asked(*subsets: dict[str, Any], **more: Any) -> Recipe:
    told = {"quotas": None, "reserve_frac": 0.0, "sites_per_tile_pair": 100} | more
    return recipe(subsets=list(subsets), **told)


def rows(lake: Lake, table: str, summary: ManifestSummary) -> list[dict[str, Any]]:
    wanted = [("manifest_id", "=", summary.manifest_id)]
    found: list[dict[str, Any]] = lake.arrow(table, filters=wanted).to_pylist()
    return found


def save(path: Path, shapes: list[Any]) -> Path:
    geopandas.GeoDataFrame(geometry=shapes, crs=4326).to_parquet(path)
    return path


def chip(x_m: int, y_m: int, size_m: int = 512) -> shapely.Polygon:
    x, y = WEST_M + x_m, SOUTH_M + y_m
    return lonlat_box(x, y, x + size_m, y + size_m)


def overlapping(manifest: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Samples whose frames share ground, by brute force."""
    return [
        (a["sample_id"], b["sample_id"])
        for i, a in enumerate(manifest)
        for b in manifest[:i]
        if a["epsg"] == b["epsg"]
        and abs(a["x_m"] - b["x_m"]) < 600
        and abs(a["y_m"] - b["y_m"]) < 600
    ]


@pytest.fixture(scope="module")
def three(
    ground: Ground, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Lake, ManifestSummary, Path]:
    """Chips in the north-east, samples inside of an extent in the south, and pairs of the rest."""
    lake, land_cover = ground
    folder = tmp_path_factory.mktemp("three")
    chips = [chip(*corner) for corner in CHIP_CORNERS]
    extent = save(folder / "extent.parquet", [chip(0, 0, 5_000), chip(5_000, 0, 5_000)])
    rule = asked(
        {"name": "label_chips", "sites": "chips", "quotas": {"natural": 12}},
        {"name": "south", "quotas": {"natural": 40}},
        {"name": "sr", "quotas": {"urban": 30, "non_urban": 30}},
        reserve_frac=0.25,
    )
    files = Files({"label_chips": save(folder / "chips.parquet", chips)}, {"south": extent})
    return lake, build(lake, rule, land_cover, files=files), extent


def test_every_subset_gets_its_quota_and_no_two_frames_overlap(three: Any) -> None:
    lake, summary, _ = three
    manifest = rows(lake, "manifest", summary)
    got = Counter((row["subset"], row["role"]) for row in manifest)
    assert got == {
        ("label_chips", "sample"): 12,
        ("label_chips", "reserve"): 3,
        ("south", "sample"): 40,
        ("south", "reserve"): 10,
        ("sr", "sample"): 60,
        ("sr", "reserve"): 16,
    }
    assert overlapping(manifest) == []
    strata = Counter(r["stratum"] for r in manifest if (r["subset"], r["role"]) == ("sr", "sample"))
    assert strata == {"urban": 30, "non_urban": 30}
    assert len({row["sample_id"] for row in manifest}) == len(manifest)
    for row in manifest:
        scenes = (row["lr_scene_id"], row["hr_scene_id"])
        assert row["sample_id"] == ids.sample_id(row["subset"], row["site_id"], *scenes)


def test_sites_lie_where_their_subset_says(three: Any) -> None:
    lake, summary, extent = three
    area = geopandas.read_parquet(extent).union_all()
    for row in rows(lake, "manifest", summary):
        x, y = row["x_m"] - WEST_M, row["y_m"] - SOUTH_M
        if row["subset"] == "label_chips":
            assert x % 60 == y % 60 == 0
            # 512 m in the middle of 600 m, give or take half of 60 m.
            assert abs((x + 300 - 256 - 6_700 + 30) % 330 - 30) <= 31
        else:
            assert x % 600 == y % 600 == 0
        if row["subset"] == "south":
            assert area.covers(
                lonlat_box(row["x_m"], row["y_m"], row["x_m"] + 600, row["y_m"] + 600)
            )


def test_candidates_funnels_and_quotas_add_up_by_subset(three: Any) -> None:
    lake, summary, _ = three
    candidates = rows(lake, "candidates", summary)
    verdicts = Counter((row["subset"], row["verdict"]) for row in candidates)
    assert verdicts["label_chips", "shared_ground"] > 0
    assert verdicts["sr", "shared_ground"] > 0
    manifest = rows(lake, "manifest", summary)
    for subset in ("label_chips", "south", "sr"):
        steps = sorted(
            (row for row in rows(lake, "funnel", summary) if row["subset"] == subset),
            key=lambda row: row["step"],
        )
        mine = [row for row in candidates if row["subset"] == subset]
        assert steps[0]["n_in"] == len(mine)
        assert all(row["n_in"] == row["n_dropped"] + row["n_out"] for row in steps)
        assert all(row["n_dropped"] == verdicts[subset, row["rule"]] for row in steps)
        assert steps[-1]["n_out"] == sum(row["subset"] == subset for row in manifest)
        # The same by stratum and split.
        kept = Counter((r["stratum"], r["split"]) for r in mine if r["verdict"] == "kept")
        chosen = [r for r in manifest if r["subset"] == subset and r["role"] == "sample"]
        assert kept == Counter((r["stratum"], r["split"]) for r in chosen)
    assert summary.funnel[0].n_in == len(candidates)
    told = {(r["subset"], r["stratum"]): r for r in rows(lake, "quotas", summary)}
    assert told["south", "natural"]["samples"] == told["south", "natural"]["asked"] == 40
    assert told["label_chips", "natural"]["reserves"] == 3
    assert all(row["reason"] is None for row in told.values())


def test_what_took_a_sites_ground_is_told(three: Any) -> None:
    lake, summary, _ = three
    manifest = rows(lake, "manifest", summary)
    lost = [c for c in rows(lake, "candidates", summary) if c["verdict"] == "shared_ground"]
    for name in sorted({row["site_id"] for row in lost})[:5]:
        found = explain(lake, name)
        x, y = (found.facts[axis] for axis in ("x_m", "y_m"))
        told = next(part.records for part in found.sections if part.title == "What took its ground")
        assert {row["sample_id"] for row in told} == {
            row["sample_id"]
            for row in manifest
            if abs(row["x_m"] - x) < 600 and abs(row["y_m"] - y) < 600
        }
        assert told


def test_a_sample_names_its_chip(three: Any) -> None:
    """The middle of the frame is that of the chip in this row, but for the pixels of the grid."""
    lake, summary, _ = three
    chips = [row for row in rows(lake, "manifest", summary) if row["subset"] == "label_chips"]
    assert chips
    for row in rows(lake, "manifest", summary):
        assert (row["chip_row"] is None) == (row["subset"] != "label_chips")
    for row in chips:
        east, north = (n + 256 for n in CHIP_CORNERS[row["chip_row"]])
        assert abs(row["x_m"] + 300 - WEST_M - east) <= 31
        assert abs(row["y_m"] + 300 - SOUTH_M - north) <= 31


def test_a_site_is_drawn_for_one_subset(three: Any) -> None:
    lake, summary, _ = three
    of_site = defaultdict(set)
    for row in rows(lake, "candidates", summary):
        of_site[row["site_id"]].add(row["subset"])
    assert {len(subsets) for subsets in of_site.values()} == {1}
    draws = rows(lake, "draws", summary)
    assert {row["subset"] for row in draws} == {"grid", "label_chips"}
    chips = [row for row in draws if row["subset"] == "label_chips"]
    assert sum(row["n_sites"] for row in chips) == 144
    assert all(row["n_drawn"] <= row["n_sites"] for row in draws)
    files = rows(lake, "manifests", summary)[0]["files"]
    assert "chips label_chips" in files
    assert "extent south" in files


def test_how_many_are_looked_at_at_once_does_not_matter(
    ground: Ground, three: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake, land_cover = ground
    chips = save(tmp_path / "c.parquet", [chip(7_000 + 400 * i, 7_000) for i in range(9)])
    rule = asked(
        {"name": "a", "sites": "chips", "quotas": {"natural": 3}},
        {"name": "b", "quotas": {"urban": 9}, "spread": {"months": [5, 6]}},
        {"name": "c", "quotas": {"natural": 99, "urban": 1}},
    )
    found = set()
    for least, most in ((1, 3), (20, 50), (5_000, 5_000)):
        monkeypatch.setattr(choose, "_LEAST", least)
        monkeypatch.setattr(choose, "_MOST", most)
        summary = build(lake, rule, land_cover, files=Files({"a": chips}))
        found.add((summary.content_hash, summary.sites_drawn, summary.candidates))
    assert len(found) == 1


def test_overlaps_are_kept_where_the_recipe_says_so(ground: Ground, tmp_path: Path) -> None:
    lake, land_cover = ground
    chips = save(tmp_path / "c.parquet", [chip(7_000 + 300 * i, 7_000) for i in range(9)])
    subset = {"name": "a", "sites": "chips", "quotas": {"natural": 9}}
    files = Files({"a": chips})
    apart = build(lake, asked(subset), land_cover, files=files)
    together = build(lake, asked(subset, shared_ground="keep"), land_cover, files=files)
    assert apart.samples < 9 == together.samples
    assert overlapping(rows(lake, "manifest", apart)) == []
    assert overlapping(rows(lake, "manifest", together))
    (cell,) = apart.quotas
    assert cell.reason is not None
    assert "shared_ground" in cell.reason


def test_several_pairs_of_a_site_are_the_best_ones(ground: Ground) -> None:
    lake, land_cover = ground
    rule = asked({"name": "sr", "quotas": {"natural": 25}}, pairs_per_site=2)
    summary = build(lake, rule, land_cover)
    of_site = defaultdict(list)
    for row in rows(lake, "candidates", summary):
        of_site[row["site_id"]].append(row)
    chosen = Counter(row["site_id"] for row in rows(lake, "manifest", summary))
    assert sum(chosen.values()) == 25
    assert set(chosen.values()) == {1, 2}
    for site, n in chosen.items():
        standing = sorted(
            (abs(row["gap_s"]), row["verdict"])
            for row in of_site[site]
            if row["verdict"] in ("kept", "not_best", "over_quota")
        )
        assert [verdict for _, verdict in standing[:n]] == ["kept"] * n
    splits = defaultdict(set)
    for row in rows(lake, "manifest", summary):
        splits[row["site_id"]].add(row["split"])
    assert all(len(of) == 1 for of in splits.values())


def test_a_spread_over_months_keeps_to_them(ground: Ground) -> None:
    lake, land_cover = ground
    spread = {"name": "sr", "quotas": {"natural": 41}, "spread": {"months": [5, 6, 7]}}
    summary = build(lake, asked(spread), land_cover)
    got = {cell.band: (cell.asked, cell.samples, cell.reason) for cell in summary.quotas}
    assert got["month 5"] == (14, 14, None)
    assert got["month 6"] == (14, 14, None)
    assert got["month 7"][:2] == (13, 0)
    assert got["month 7"][2] == "no HR scene of this month is in a pair"
    assert summary.sites_drawn < 200  # for a month without photographs no site is drawn
    times = {r["scene_id"]: r["t_start"].month for r in lake.arrow("scenes").to_pylist()}
    months = Counter(times[row["hr_scene_id"]] for row in rows(lake, "manifest", summary))
    assert months == {5: 14, 6: 14}


def test_a_month_in_which_no_site_has_its_best_pair_is_told(ground: Ground, tmp_path: Path) -> None:
    _, land_cover = ground
    box = lonlat_box(WEST_M - 20, SOUTH_M - 20, WEST_M + 6_020, SOUTH_M + 6_020)
    may, june = 140, 170
    days = [("sentinel2", may), ("naip", may + 1), ("sentinel2", june), ("naip", june + 2)]
    scenes = [Scene(sensor, "one", box, day, cloud=0.1, gsd_m=0.6) for sensor, day in days]
    lake = Lake.create(tmp_path / "lake")
    put(lake, scenes, all_pairs(scenes, recipe()))
    spread = {"name": "sr", "quotas": {"natural": 10}, "spread": {"months": [5, 6]}}
    got = {cell.band: cell for cell in build(lake, asked(spread), land_cover).quotas}
    assert (got["month 5"].samples, got["month 6"].samples) == (5, 0)
    reason = got["month 6"].reason
    assert reason is not None
    assert reason.startswith("no site is left; the best pair of most is of another month")


def test_bands_of_latitude_and_the_scale(ground: Ground) -> None:
    lake, land_cover = ground
    middle = 39.8
    spread = {"name": "sr", "quotas": {"natural": 400}, "spread": {"latitudes": [39, middle, 41]}}
    summary = build(lake, asked(spread, scale=0.1), land_cover)
    assert [(c.asked, c.samples) for c in summary.quotas] == [(20, 20), (20, 20)]
    lats = {row["site_id"]: row["lat"] for row in lake.arrow("sites").to_pylist()}
    north = Counter(lats[r["site_id"]] >= middle for r in rows(lake, "manifest", summary))
    assert north == {True: 20, False: 20}


def test_chips_that_were_not_given_are_told(ground: Ground) -> None:
    lake, land_cover = ground
    rule = asked(
        {"name": "a", "sites": "chips", "quotas": {"natural": 3}},
        {"name": "sr", "quotas": {"natural": 3}},
    )
    summary = build(lake, rule, land_cover)
    assert summary.samples == 3
    assert [cell.reason for cell in summary.quotas] == ["its chips were not given", None]
    told = {row["subset"]: row["reason"] for row in rows(lake, "quotas", summary)}
    assert told == {"a": "its chips were not given", "sr": None}


def test_a_subset_far_away_lacks_all_and_says_why(ground: Ground) -> None:
    lake, land_cover = ground
    far = {"name": "far", "quotas": {"natural": 3}, "bounds": [10, 50, 11, 51]}
    summary = build(lake, asked(far, {"name": "sr", "quotas": {"natural": 3}}), land_cover)
    reasons = {cell.subset: cell.reason for cell in summary.quotas}
    assert reasons == {"far": "no other site is shown whole by a pair", "sr": None}
    assert summary.samples == 3


def test_a_wrong_file_changes_nothing(ground: Ground, tmp_path: Path) -> None:
    lake, land_cover = ground
    before = lake.arrow("manifests").num_rows
    with pytest.raises(UsageError, match="no subset 'x'"):
        build(
            lake,
            asked({"name": "sr", "quotas": {"natural": 3}}),
            land_cover,
            files=Files(extents={"x": tmp_path / "none.parquet"}),
        )
    assert lake.arrow("manifests").num_rows == before


def turning(a: tuple[float, float], b: tuple[float, float], point: tuple[float, float]) -> float:
    """Above 0 where a point lies to the left of the way from a to b."""
    return (b[0] - a[0]) * (point[1] - a[1]) - (b[1] - a[1]) * (point[0] - a[0])


def test_a_spread_over_ecoregions_gets_its_quotas_in_each(ground: Ground, tmp_path: Path) -> None:
    """Two triangles beside each other with nothing to the north of them, and one far away."""
    lake, land_cover = ground
    to_lonlat = Transformer.from_crs(32613, 4326, always_xy=True)
    corners = ((-1_000, -1_000), (13_000, -1_000), (13_000, 10_000), (-1_000, 10_000))
    sw, se, ne, nw = (to_lonlat.transform(WEST_M + x, SOUTH_M + y) for x, y in corners)
    rings = {"prairie": (sw, se, ne), "hills": (sw, ne, nw), "tundra": ((0, 0), (1, 0), (0, 1))}
    regions = geopandas.GeoDataFrame(
        {"ECO_NAME": list(rings)}, geometry=[shapely.Polygon(r) for r in rings.values()], crs=4326
    )
    paths = [tmp_path / name for name in ("regions.parquet", "turned.parquet")]
    regions.to_parquet(paths[0])
    regions[::-1].to_parquet(paths[1])
    spread = {"ecoregions": ["tundra", "prairie", "hills"]}
    rule = asked(
        {"name": "sr", "quotas": {"urban": 21, "non_urban": 32}, "spread": spread},
        reserve_frac=0.25,
    )
    summary, turned = (
        build(lake, rule, land_cover, files=Files(ecoregions=path)) for path in paths
    )
    assert turned.content_hash == summary.content_hash

    def region(site: dict[str, Any]) -> str | None:
        point = to_lonlat.transform(site["x_m"] + 300, site["y_m"] + 300)
        holds = [
            name
            for name, (a, b, c) in rings.items()
            if min(turning(a, b, point), turning(b, c, point), turning(c, a, point)) > 0
        ]
        return holds[0] if holds else None

    manifest = rows(lake, "manifest", summary)
    town_ends_m = WEST_M - 6_000 + 160 * 60
    for row in manifest:
        assert (row["stratum"] == "urban") == (row["x_m"] < town_ends_m)
    got = Counter((region(row), row["stratum"], row["role"]) for row in manifest)
    assert got == {
        ("hills", "urban", "sample"): 7,
        ("hills", "urban", "reserve"): 2,
        ("hills", "non_urban", "sample"): 11,
        ("hills", "non_urban", "reserve"): 3,
        ("prairie", "urban", "sample"): 7,
        ("prairie", "urban", "reserve"): 2,
        ("prairie", "non_urban", "sample"): 11,
        ("prairie", "non_urban", "reserve"): 3,
    }
    lacking = {
        (row["band"], row["stratum"]): (row["asked"], row["samples"])
        for row in rows(lake, "quotas", summary)
        if row["reason"] is not None
    }
    assert lacking == {("tundra", "urban"): (7, 0), ("tundra", "non_urban"): (10, 0)}
    sites = {row["site_id"]: row for row in lake.arrow("sites").to_pylist()}
    # Sites in no region are not even drawn.
    judged = rows(lake, "candidates", summary)
    assert {region(sites[row["site_id"]]) for row in judged} == {"prairie", "hills"}
    assert '"ecoregions"' in rows(lake, "manifests", summary)[0]["files"]


CHIPS_M = {"chesapeake": 512.0, "chm": 256.0, "treefinder": 134.4}


def test_chips_of_three_sizes_from_any_kind_of_file(ground: Ground, tmp_path: Path) -> None:
    """Frames by arithmetic: round the chip's middle, their corners on the nearest 60 m."""
    lake, land_cover = ground
    rng = random.Random(7)
    chips: dict[str, list[shapely.Polygon]] = {name: [] for name in CHIPS_M}
    frames = set()
    for n in range(42):
        name = list(CHIPS_M)[n % 3]
        x, y = (start + 1_000 + 720 * at + rng.uniform(0, 59) for start, at in
                ((WEST_M, n % 7), (SOUTH_M, n // 7)))  # fmt: skip
        half = CHIPS_M[name] / 2
        chips[name].append(lonlat_box(x - half, y - half, x + half, y + half))
        corner_x, corner_y = (60 * round((middle - 300) / 60) for middle in (x, y))
        assert max(abs(corner_x + 300 - x), abs(corner_y + 300 - y)) + half < 300
        frames.add((name, 32613, corner_x, corner_y, 600))
    subsets = [
        {"name": name, "sites": "chips", "quotas": {"natural": len(of)}}
        for name, of in chips.items()
    ]
    found = []
    for kind in ("parquet", "geojson", "albers"):
        paths = {name: tmp_path / f"{name}.{kind}" for name in chips}
        for name, of in chips.items():
            if kind == "geojson":
                features = [
                    {"type": "Feature", "properties": {"n": n}, "geometry": mapping(shape)}
                    for n, shape in enumerate(of)
                ]
                told = {"type": "FeatureCollection", "features": features}
                paths[name].write_text(json.dumps(told))
            else:
                frame = geopandas.GeoDataFrame(geometry=of, crs=4326)
                # As the Chesapeake's are published.
                frame.to_crs(5070 if kind == "albers" else 4326).to_parquet(paths[name])
        found.append(build(lake, asked(*subsets), land_cover, files=Files(paths)))
    assert len({summary.content_hash for summary in found}) == 1
    manifest = rows(lake, "manifest", found[0])
    columns = ("subset", "epsg", "x_m", "y_m", "size_m")
    assert {tuple(row[name] for name in columns) for row in manifest} == frames
    assert len(manifest) == len(frames) == 42
    for row in manifest:
        assert row["site_id"] == ids.site_id(600, 32613, row["x_m"], row["y_m"])
