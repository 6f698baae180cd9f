"""The manifest stage on a small lake: what it chooses, says, writes, and refuses."""

import json
import random
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import shapely
from manifest_world import (
    FIELD,
    SOUTH_M,
    URBAN,
    WEST_M,
    Scene,
    all_pairs,
    four_quads,
    lonlat_box,
    put,
    recipe,
    town_and_fields,
)

from geosr_lake import ids
from geosr_lake.errors import IncompleteError, RecipeError, UsageError
from geosr_lake.lake import Lake, arrow
from geosr_lake.lake.maintain import maintain
from geosr_lake.manifest import ManifestSummary, build
from geosr_lake.recipe import Recipe
from geosr_lake.verdicts import asked

OF_THE_STAGE = ("candidates", "draws", "funnel", "manifest", "manifests", "site_cover", "sites")


def rows(lake: Lake, table: str, **equal: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = lake.arrow(
        table, filters=[(k, "=", v) for k, v in equal.items()] or None
    ).to_pylist()
    return found


def square(site: dict[str, Any]) -> shapely.Polygon:
    x, y, size = site["x_m"], site["y_m"], site["size_m"]
    return lonlat_box(x, y, x + size, y + size, epsg=site["epsg"])


def verdicts_by_hand(
    scenes: list[Scene], pairs: list[dict[str, Any]], sites: list[dict[str, Any]]
) -> dict[tuple[str, str], str]:
    """The verdict on each candidate up to `not_best`, one by one; survivors are 'best'."""
    by_id = {scene.scene_id: scene for scene in scenes}
    found: dict[tuple[str, str], str] = {}
    for site in sites:
        ground = square(site)
        standing = []
        for pair in pairs:
            lr, hr = by_id[pair["lr_scene_id"]], by_id[pair["hr_scene_id"]]
            if not (lr.footprint.contains(ground) and hr.footprint.contains(ground)):
                continue
            key = (site["site_id"], pair["pair_id"])
            if lr.epsg != 32613 or hr.epsg not in (26913, 32613):
                found[key] = "zone_mismatch"
            elif lr.cloud is None:
                found[key] = "lr_cloud_unknown"
            elif lr.cloud > 0.2:
                found[key] = "lr_cloud"
            elif lr.snow is not None and lr.snow > 0.1:
                found[key] = "lr_snow"
            else:
                found[key] = "not_best"
                cloud = lr.cloud + (1.0 if hr.cloud is None else hr.cloud)
                order = (abs(pair["gap_s"]), cloud, -pair["overlap_frac"], pair["pair_id"])
                standing.append((order, key))
        if standing:
            found[min(standing)[1]] = "best"
    return found


def test_every_candidate_has_the_verdict_that_it_has_by_hand(built: Any) -> None:
    expected = verdicts_by_hand(built.scenes, built.pairs, rows(built.lake, "sites"))
    found = {
        (row["site_id"], row["pair_id"]): row["verdict"] for row in rows(built.lake, "candidates")
    }
    assert found.keys() == expected.keys()
    chosen = {"kept": "best", "reserve": "best", "over_quota": "best"}
    assert {key: chosen.get(v, v) for key, v in found.items()} == expected
    assert {"not_best", "lr_cloud", "lr_cloud_unknown", "lr_snow", "kept"} <= set(found.values())


def test_candidates_have_the_lakes_values_and_their_key_once(built: Any) -> None:
    candidates = rows(built.lake, "candidates")
    keys = Counter((row["site_id"], row["pair_id"]) for row in candidates)
    assert max(keys.values()) == 1
    pairs = {row["pair_id"]: row for row in built.pairs}
    scenes = {scene.scene_id: scene for scene in built.scenes}
    for row in candidates:
        pair = pairs[row["pair_id"]]
        for name in ("lr_scene_id", "hr_scene_id", "lr_tile", "hr_tile", "gap_s"):
            assert row[name] == pair[name]
        assert row["lr_cloud_frac"] == scenes[row["lr_scene_id"]].cloud
        assert row["lr_snow_frac"] == scenes[row["lr_scene_id"]].snow


def test_draws_count_the_sites_of_each_tile_pair(built: Any) -> None:
    draws = rows(built.lake, "draws")
    assert {(row["lr_tile"], row["hr_tile"]) for row in draws} == {
        (row["lr_tile"], row["hr_tile"]) for row in built.pairs
    }
    assert all(row["n_sites"] == 25 and 0 < row["n_drawn"] <= 20 for row in draws)
    assert built.summary.sites_found == 100
    drawn = sum(row["n_drawn"] for row in draws)
    assert built.summary.sites_drawn == len(rows(built.lake, "sites")) == drawn
    assert {row["subset"] for row in draws} == {"grid"}


def test_the_funnel_adds_up_to_the_candidates(built: Any) -> None:
    funnel = sorted(rows(built.lake, "funnel"), key=lambda row: row["step"])
    verdicts = Counter(row["verdict"] for row in rows(built.lake, "candidates"))
    assert [row["rule"] for row in funnel] == list(asked(built.recipe.selection[1].verdicts))
    assert funnel[0]["n_in"] == sum(verdicts.values()) == built.summary.candidates
    assert funnel[-1]["n_out"] == built.summary.samples + built.summary.reserves
    for row in funnel:
        assert row["n_in"] == row["n_dropped"] + row["n_out"]
        assert row["n_dropped"] == verdicts[row["rule"]]
    assert verdicts["kept"] == built.summary.samples
    assert verdicts["reserve"] == built.summary.reserves


def test_quotas_strata_blocks_and_splits(built: Any) -> None:
    manifest = rows(built.lake, "manifest")
    got = Counter((row["stratum"], row["role"]) for row in manifest)
    assert got == {
        ("urban", "sample"): 10,
        ("non_urban", "sample"): 10,
        ("urban", "reserve"): 2,
        ("non_urban", "reserve"): 2,
    }
    splits = {row["block"]: row["split"] for row in manifest}
    assert all(splits[row["block"]] == row["split"] for row in manifest)
    assert {r["split"] for r in manifest if r["role"] == "sample"} == {"train", "val", "test"}
    assert len({row["site_id"] for row in manifest}) == len(manifest)
    for row in manifest:
        scenes = (row["lr_scene_id"], row["hr_scene_id"])
        assert row["sample_id"] == ids.sample_id("sr", row["site_id"], *scenes)
        assert row["site_id"] == ids.site_id(600, row["epsg"], row["x_m"], row["y_m"])


def test_strata_follow_the_land_cover(built: Any) -> None:
    cover: dict[str, dict[int, float]] = {}
    for row in rows(built.lake, "site_cover"):
        cover.setdefault(row["site_id"], {})[row["class"]] = row["frac"]
    town_ends_m = WEST_M - 6_000 + 160 * 60
    sites = rows(built.lake, "sites")
    for site in sites:
        inside = min(max((town_ends_m - site["x_m"]) / 600, 0.0), 1.0)
        expected = {URBAN: inside, FIELD: 1 - inside}
        found = cover[site["site_id"]]
        assert found == {c: pytest.approx(f) for c, f in expected.items() if f > 0}
    strata = {row["site_id"]: row["stratum"] for row in rows(built.lake, "candidates")}
    for site in sites:
        urban = cover[site["site_id"]].get(URBAN, 0) >= 0.25
        assert strata[site["site_id"]] == ("urban" if urban else "non_urban")


def test_the_run_and_the_manifest_say_what_was_done(built: Any) -> None:
    head = rows(built.lake, "manifests")[0]
    assert head["manifest_id"] == built.summary.manifest_id
    assert head["pair_rule_id"] == built.recipe.pairs.rule_id
    assert head["select_rule_id"] == built.recipe.select.rule_id
    assert (head["sample_count"], head["reserve_count"]) == (20, 4)
    assert json.loads(head["recipe"])["select"]["quotas"]["urban"] == 10
    run = max(rows(built.lake, "runs"), key=lambda row: row["started_at"])
    assert run["stage"] == "manifest build"
    assert dict(run["counts"])["samples"] == 20
    assert json.loads(run["detail"])["manifest_id"] == built.summary.manifest_id


World = tuple[Lake, list[Scene], Recipe, Path]


def make_world(folder: Path) -> World:
    """A lake of its own with scenes and pairs, and a recipe for a few of its samples."""
    lake, scenes = Lake.create(folder / "lake"), four_quads()
    rule = recipe(sites_per_tile_pair=6, quotas={"urban": 4, "non_urban": 4})
    put(lake, scenes, all_pairs(scenes, rule))
    return lake, scenes, rule, town_and_fields(folder / "lc.tif")


@pytest.fixture
def world(tmp_path: Path) -> World:
    """To be changed."""
    return make_world(tmp_path)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, ManifestSummary]:
    """A lake with its first manifest; others may be added."""
    world = make_world(tmp_path_factory.mktemp("first"))
    lake, _, rule, land_cover = world
    return world, build(lake, rule, land_cover)


def of_the_stage(lake: Lake) -> dict[str, int]:
    return {name: version for name, version in lake.versions.items() if name in OF_THE_STAGE}


def test_the_same_manifest_however_the_rows_lie(first: Any) -> None:
    """In one file or many, in any order, compacted or not."""
    (lake, scenes, rule, land_cover), summary = first
    lake.refresh()
    before, runs = of_the_stage(lake), len(rows(lake, "runs"))
    pairs = all_pairs(scenes, rule)
    for files in (1, 2, 7, 64):
        shuffled = random.Random(files)
        put(
            lake,
            shuffled.sample(scenes, len(scenes)),
            shuffled.sample(pairs, len(pairs)),
            files=files,
        )
        again = build(lake, rule, land_cover)
        assert again.manifest_id == summary.manifest_id
        assert again.content_hash == summary.content_hash
        assert again.unchanged
    maintain(lake)
    again = build(Lake.open(lake.root), rule, land_cover)
    assert (again.manifest_id, again.unchanged) == (summary.manifest_id, True)
    lake.refresh()
    assert {row["manifest_id"] for row in rows(lake, "manifests")} == {summary.manifest_id}
    assert before.keys() == of_the_stage(lake).keys()
    assert len([r for r in rows(lake, "runs") if r["stage"] == "manifest build"]) == 6
    assert len(rows(lake, "runs")) > runs


def test_another_seed_or_limit_is_another_manifest_and_the_first_stays(first: Any) -> None:
    (lake, _, rule, land_cover), summary = first
    one = {"manifest_id": summary.manifest_id}
    tables_of_it = ("manifest", "candidates", "draws", "funnel")
    kept = {table: rows(lake, table, **one) for table in tables_of_it}
    found = {summary.manifest_id}
    for change in ({"seed": 2}, {"rules": []}):
        other = build(lake, recipe(**plain(rule) | change), land_cover)
        assert not other.unchanged
        judged = rows(lake, "candidates", manifest_id=other.manifest_id)
        assert len(judged) == other.candidates
        found.add(other.manifest_id)
    assert len(found) == 3 == len(rows(lake, "manifests"))
    # The last one asks for no limit at all.
    assert {row["verdict"] for row in judged} <= {"kept", "reserve", "not_best", "over_quota"}
    for table, before in kept.items():
        assert sorted(map(str, rows(lake, table, **one))) == sorted(map(str, before))


def plain(rule: Recipe) -> dict[str, Any]:
    assert rule.select is not None
    found: dict[str, Any] = rule.select.model_dump()
    return found


def test_more_scenes_that_change_no_sample_change_the_account_of_them(world: Any) -> None:
    lake, scenes, rule, land_cover = world
    first = build(lake, rule, land_cover)
    cloudy = Scene("sentinel2", "13SED", scenes[0].footprint, 6, cloud=0.9, snow=0.0)
    put(lake, [*scenes, cloudy], all_pairs([*scenes, cloudy], rule))
    second = build(lake, rule, land_cover)
    assert second.manifest_id == first.manifest_id
    assert not second.unchanged
    assert second.candidates > first.candidates
    assert len(rows(lake, "candidates")) == second.candidates
    assert len(rows(lake, "manifests")) == 1
    funnel = {row["rule"]: row["n_dropped"] for row in rows(lake, "funnel")}
    assert funnel == {step.rule: step.n_dropped for step in second.funnel}


def test_a_run_cut_off_leaves_nothing_and_the_next_puts_it_right(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake, _, rule, land_cover = world
    append = arrow.append

    def cut_off(lake: Lake, table: str, *args: Any, **kwargs: Any) -> None:
        if table == "manifest":
            raise KeyboardInterrupt
        append(lake, table, *args, **kwargs)

    with monkeypatch.context() as patch:
        # The rows of a new manifest are appended, table after table.
        patch.setattr(arrow, "append", cut_off)
        with pytest.raises(KeyboardInterrupt):
            build(lake, rule, land_cover)
    reader = Lake.open(lake.root)
    assert all(not rows(reader, table) for table in OF_THE_STAGE)
    assert rows(reader, "runs")[-1]["status"] in ("done", "failed")
    assert "failed" in {row["status"] for row in rows(reader, "runs")}
    said: list[str] = []
    again = Lake.open(lake.root, tell=said.append)
    summary = build(again, rule, land_cover)
    assert not summary.unchanged
    assert any("cut off" in sentence for sentence in said)
    assert len(rows(again, "candidates")) == summary.candidates
    assert len(rows(again, "manifest")) == summary.samples + summary.reserves
    for table in ("sites", "site_cover"):
        every = [tuple(row.values()) for row in rows(again, table)]
        assert len(set(every)) == len(every)


def test_without_pairs_it_says_what_to_run(world: Any) -> None:
    lake, _, _, land_cover = world
    other = Recipe.model_validate(
        json.loads(json.dumps(recipe().model_dump(mode="json")))
        | {"pairs": {"lr": {"sensor": "sentinel2"}, "hr": {"sensor": "naip"}, "window": "3 d"}}
    )
    with pytest.raises(IncompleteError, match="geosr pairs build"):
        build(lake, other, land_cover)
    with pytest.raises(RecipeError, match="ends at pairs"):
        build(lake, other.model_copy(update={"select": None}), land_cover)
    with pytest.raises(UsageError, match="no land-cover raster"):
        build(lake, other, land_cover.with_name("none.tif"))
    assert not of_the_stage(lake)


def test_pairs_older_than_the_scenes_are_refused(world: Any) -> None:
    lake, scenes, rule, land_cover = world
    put(lake, scenes[1:], None)
    with pytest.raises(IncompleteError, match="older than the lake's scenes"):
        build(lake, rule, land_cover)


def test_scenes_of_another_zone_do_not_serve(tmp_path: Path) -> None:
    """A LR scene on the next zone's grid, one on none, and a MODIS scene, which needs none."""
    ground = lonlat_box(WEST_M - 100, SOUTH_M - 100, WEST_M + 1_900, SOUTH_M + 1_900)
    scenes = [
        Scene("sentinel2", "13SED", ground, 0, epsg=32614, cloud=0.0),
        Scene("sentinel2", "13SED", ground, 1, epsg=None, cloud=0.0),
        Scene("sentinel2", "13SED", ground, 9, epsg=32613, cloud=0.0),
        Scene("naip", "quad", ground, 2, epsg=26913, gsd_m=0.6),
        Scene("naip", "quad", ground, 3, epsg=26913, gsd_m=1.0),
    ]
    rule = recipe(
        rules=[{"rule": "gsd", "side": "hr", "max_m": 0.6, "unknown": "drop"}],
        quotas={"urban": 99, "non_urban": 99},
        reserve_frac=0,
    )
    lake = Lake.create(tmp_path / "lake")
    put(lake, scenes, all_pairs(scenes, rule))
    summary = build(lake, rule, town_and_fields(tmp_path / "lc.tif"))
    assert summary.samples == 9
    found = Counter(row["verdict"] for row in rows(lake, "candidates"))
    assert found == {"zone_mismatch": 36, "hr_gsd": 9, "kept": 9}
    assert {row["lr_scene_id"] for row in rows(lake, "manifest")} == {scenes[2].scene_id}


def test_the_recipes_rules_are_asked_in_its_order(tmp_path: Path) -> None:
    """What two rules would drop falls to the first of them, in the funnel too."""
    ground = lonlat_box(WEST_M - 100, SOUTH_M - 100, WEST_M + 1_900, SOUTH_M + 1_900)
    scenes = [
        Scene("sentinel2", "13SED", ground, -1, cloud=0.9, platform="sentinel-2b"),
        Scene("sentinel2", "13SED", ground, 0, cloud=0.2, platform="sentinel-2a"),
        Scene("sentinel2", "13SED", ground, 9, cloud=0.0, platform=None),
        Scene("naip", "quad", ground, 3, epsg=26913),
    ]
    months = {"rule": "months", "side": "lr", "months": [1]}
    cloud = {"rule": "cloud", "side": "lr", "max_frac": 0.2, "unknown": "drop"}
    platforms = {"rule": "platforms", "side": "lr", "platforms": ["sentinel-2a"]}
    gap = {"rule": "gap", "max": "3 d"}
    lake, land_cover = Lake.create(tmp_path / "lake"), town_and_fields(tmp_path / "lc.tif")
    put(lake, scenes, all_pairs(scenes, recipe()))
    found = []
    for rules in (
        [months, cloud, platforms | {"unknown": "drop"}, gap],
        [gap, cloud, months, platforms | {"unknown": "keep"}],
    ):
        rule = recipe(rules=rules, quotas={"urban": 99, "non_urban": 99}, reserve_frac=0)
        summary = build(lake, rule, land_cover)
        assert [step.rule for step in summary.funnel] == list(asked(rule.selection[1].verdicts))
        found.append({step.rule: step.n_dropped for step in summary.funnel if step.n_dropped})
        assert summary.samples == 9
    assert found == [{"lr_months": 9, "lr_platform_unknown": 9}, {"gap": 18}]


def test_modis_serves_every_zone_and_sites_over_a_zones_edge_do_not(
    tmp_path: Path,
) -> None:
    modis = shapely.segmentize(shapely.box(-106, 37, -98, 43), 0.1)
    landsat = shapely.box(-103.2, 39, -101.2, 40.5)
    scenes = [
        Scene("modis", "h10v04", modis, 0, epsg=None),
        Scene("landsat", "032032", landsat, 3, epsg=32613, cloud=0.1),
        Scene("landsat", "032032", landsat, 4, epsg=32613, cloud=0.5),
    ]
    data = recipe().model_dump(mode="json")
    data |= {
        "task": "modis_landsat8",
        "pairs": {"lr": {"sensor": "modis"}, "hr": {"sensor": "landsat"}, "window": "8 d"},
    }
    cloud = {"rule": "cloud", "side": "hr", "max_frac": 0.2, "unknown": "drop"}
    data["select"] |= {"rules": [cloud], "block_deg": 0.5}
    rule = Recipe.model_validate(data)
    lake = Lake.create(tmp_path / "lake")
    put(lake, scenes, all_pairs(scenes, rule))
    summary = build(lake, rule, town_and_fields(tmp_path / "lc.tif"))
    sites = {row["site_id"]: row for row in rows(lake, "sites")}
    assert {row["epsg"] for row in sites.values()} == {32613, 32614}
    for row in rows(lake, "candidates"):
        site = sites[row["site_id"]]
        over = site["xmin"] < -102 < site["xmax"]
        if over:
            assert row["verdict"] == "zone_edge"
        elif site["epsg"] == 32614:
            assert row["verdict"] == "zone_mismatch"
        elif row["hr_cloud_frac"] == 0.5:
            assert row["verdict"] == "hr_cloud"
        else:
            # The raster covers a corner of Colorado's middle only.
            assert row["verdict"] == "cover_unknown"
    assert summary.samples == 0
    assert not rows(lake, "manifest")
    assert rows(lake, "manifests")[0]["sample_count"] == 0


def test_recipes_that_differ_in_their_cubes_have_manifests_of_their_own(
    built: Any, tmp_path: Path
) -> None:
    """The first one keeps its recipe, by which its cubes were made."""
    lake = Lake.open(shutil.copytree(built.lake.root, tmp_path / "lake"))
    cubes = built.recipe.cubes.model_copy(update={"shard_samples": 4})
    other = build(lake, built.recipe.model_copy(update={"cubes": cubes}), built.land_cover)
    assert other.manifest_id != built.summary.manifest_id
    assert other.content_hash == built.summary.content_hash
    held = {row["manifest_id"]: json.loads(row["recipe"]) for row in rows(lake, "manifests")}
    assert held[built.summary.manifest_id]["cubes"]["shard_samples"] == 16
    assert held[other.manifest_id]["cubes"]["shard_samples"] == 4
