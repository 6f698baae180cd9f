"""The draw goes on until quotas are met, and widens where they are not; its steps do not matter."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
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

from geosr_lake.lake import Lake
from geosr_lake.manifest import ManifestSummary, build, choose
from geosr_lake.recipe import Recipe

Ground = tuple[Lake, Path]


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    """Four photographs of 6 km, of 100 sites each, under one clear scene and one cloudy one."""
    folder = tmp_path_factory.mktemp("choose")
    full = lonlat_box(WEST_M - 1_000, SOUTH_M - 1_000, WEST_M + 13_000, SOUTH_M + 13_000)
    scenes = [
        Scene("sentinel2", "13SED", full, 0, cloud=0.1),
        Scene("sentinel2", "13SED", full, 1, cloud=0.9),
    ]
    for i in range(4):
        x, y = WEST_M + 6_000 * (i % 2), SOUTH_M + 6_000 * (i // 2)
        quad = lonlat_box(x - 20, y - 20, x + 6_020, y + 6_020, epsg=26913)
        scenes.append(Scene("naip", f"quad_{i}", quad, 3, epsg=26913, gsd_m=0.6))
    lake = Lake.create(folder / "lake")
    put(lake, scenes, all_pairs(scenes, recipe()))
    return lake, town_and_fields(folder / "lc.tif")


def asked(urban: int, non_urban: int, most: int) -> Recipe:
    return recipe(
        quotas={"urban": urban, "non_urban": non_urban}, reserve_frac=0.0, sites_per_tile_pair=most
    )


def chosen(lake: Lake, summary: ManifestSummary) -> list[dict[str, Any]]:
    wanted = [("manifest_id", "=", summary.manifest_id)]
    found: list[dict[str, Any]] = lake.arrow("manifest", filters=wanted).to_pylist()
    return found


def test_it_draws_no_more_than_the_quotas_need(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake, land_cover = ground
    monkeypatch.setattr(choose, "_LEAST", 10)
    summary = build(lake, asked(5, 5, 100), land_cover)
    assert (summary.samples, summary.widened) == (10, False)
    assert summary.sites_found == 400
    assert summary.sites_drawn <= 60
    # Every drawn site is judged with both scenes, and counted where it lies.
    assert summary.candidates == 2 * summary.sites_drawn
    wanted = [("manifest_id", "=", summary.manifest_id)]
    draws = lake.arrow("draws", filters=wanted).to_pylist()
    assert sum(row["n_drawn"] for row in draws) == summary.sites_drawn
    assert [row["n_sites"] for row in draws] == [100] * 4


@pytest.mark.parametrize("quotas", [(5, 40), (30, 3), (0, 7), (400, 400)])
def test_the_manifest_does_not_depend_on_how_many_are_looked_at_at_once(
    ground: Ground, monkeypatch: pytest.MonkeyPatch, quotas: tuple[int, int]
) -> None:
    lake, land_cover = ground
    found = set()
    for least, most in ((1, 3), (20, 50), (5_000, 5_000)):
        monkeypatch.setattr(choose, "_LEAST", least)
        monkeypatch.setattr(choose, "_MOST", most)
        found.add(build(lake, asked(*quotas, 100), land_cover).content_hash)
    assert len(found) == 1


def test_a_stratum_that_is_full_is_not_drawn_any_more(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake, land_cover = ground
    monkeypatch.setattr(choose, "_LEAST", 20)
    monkeypatch.setattr(choose, "_MOST", 20)
    summary = build(lake, asked(1, 90, 100), land_cover)
    wanted = [("manifest_id", "=", summary.manifest_id)]
    rows = lake.arrow("candidates", filters=wanted).to_pylist()
    drawn = Counter({row["site_id"]: row["stratum"] for row in rows}.values())
    assert drawn["urban"] <= 20
    assert drawn["non_urban"] >= 90
    assert [c.samples for c in summary.quotas if c.stratum == "non_urban"] == [90]


@pytest.mark.parametrize(("quota", "most", "in_the_end"), [(8, 4, 4), (60, 4, 64), (400, 4, 256)])
def test_it_widens_until_quotas_are_met_or_no_site_is_left(
    ground: Ground, quota: int, most: int, in_the_end: int
) -> None:
    lake, land_cover = ground
    summary = build(lake, asked(0, quota, most), land_cover)
    assert summary.sites_per_tile_pair == in_the_end
    assert summary.widened == (in_the_end > most)
    rows = chosen(lake, summary)
    if quota == 400:  # more than there are: all that are not urban
        assert 200 < summary.samples == summary.sites_drawn < 400
    else:
        assert len(rows) == quota
    assert len({row["site_id"] for row in rows}) == len(rows)


def test_a_wider_draw_keeps_what_a_narrow_one_chose(ground: Ground) -> None:
    """More is added behind, nothing is exchanged: the first sites of each tile pair come first."""
    lake, land_cover = ground
    few, many = (build(lake, asked(0, n, 4), land_cover) for n in (8, 60))
    narrow, wide = ({row["site_id"] for row in chosen(lake, one)} for one in (few, many))
    assert narrow < wide


def test_nothing_asked_nothing_drawn(ground: Ground) -> None:
    lake, land_cover = ground
    summary = build(lake, asked(0, 0, 4), land_cover)
    assert (summary.samples, summary.sites_drawn, summary.candidates) == (0, 0, 0)
    assert summary.quotas == ()
