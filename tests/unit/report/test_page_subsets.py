"""The page of a manifest of several subsets: funnels, medians, land cover, histograms, maps."""

import json
import re
import statistics
from typing import Any

import pytest
from report_page import Page, plain

from geosr_lake.report.page import write_report

SUBSETS = ("sr", "river", "urban", "cdl", "gpp", "chm")


def six_subsets(world: Any, add: Any) -> str:
    """Deal a manifest's rows to six subsets and lay land cover under most of its sites."""
    name: str = add(world, n=40)
    for i, row in enumerate(world.rows["manifest"]):
        row["subset"] = SUBSETS[i % 6]
    for i, row in enumerate(world.rows["candidates"]):
        row["subset"] = SUBSETS[i % 6]
    steps = world.rows.pop("funnel")
    del world.rows["draws"]
    for subset in SUBSETS:
        for step in steps:
            world.add("funnel", **step | {"subset": subset})
        draw = {"manifest_id": name, "subset": subset, "lr_tile": "l", "hr_tile": "h"}
        world.add("draws", **draw, n_sites=100 + len(subset), n_drawn=7)
    for i, site in enumerate(world.rows["sites"][4:]):
        key = {"site_id": site["site_id"], "layer": "cover", "layer_version": "1"}
        world.add("site_cover", **key, **{"class": 13, "frac": (i % 5) / 8})
        world.add("site_cover", **key, **{"class": 10, "frac": 0.5})
    recipe = {"select": {"urban": {"layer": "cover", "classes": [13], "min_frac": 0.25}}}
    world.rows["manifests"][0]["recipe"] = json.dumps(recipe)
    return name


@pytest.fixture(scope="module")
def six(write_rows: Any, add_rows: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    worlds = []

    def fill(world: Any) -> str:
        worlds.append(world)
        return six_subsets(world, add_rows)

    lake, _ = write_rows(fill)
    out = tmp_path_factory.mktemp("page") / "report.html"
    write_report(lake, out)
    return Page(out.read_text(encoding="utf-8")), worlds[0]


def test_each_of_six_subsets_has_its_funnel_and_its_medians(six: Any) -> None:
    found, world = six
    assert len([t for t in found.tables if t and t[0][0] == "Rule"]) == 6
    for subset in SUBSETS:
        assert f"From candidates to samples, subset {subset}" in found.text
        assert f"{100 + len(subset)} sites lie in 1 pair of tiles; 7 were drawn" in found.text
    samples = [r for r in world.rows["manifest"] if r["role"] == "sample"]
    for row in found.numbers("Subset")[1:]:
        mine = [abs(r["gap_s"]) / 86_400 for r in samples if r["subset"] == row[0]]
        assert plain(row[1]) == len(mine)
        assert row[2] == (f"{statistics.median(mine):.1f} d" if mine else "\u2013")
    strata = found.numbers("Stratum")
    assert sum(plain(row[4]) for row in strata[1:-1]) == plain(strata[-1][4]) == len(samples)
    assert strata[1][0] == "cdl, urban"


def test_the_land_cover_on_the_page_is_the_tables(six: Any) -> None:
    found, world = six
    samples = [r["site_id"] for r in world.rows["manifest"] if r["role"] == "sample"]
    told = {r["site_id"] for r in world.rows["site_cover"]}
    built = sum(r["frac"] for s in samples for r in world.rows["site_cover"]
                if r["site_id"] == s and r["class"] == 13) / len(samples)  # fmt: skip
    rows = {row[0]: row[2:] for row in found.numbers("Class")[1:]}
    assert rows["class 13"][0].startswith(f"{100 * built:.1f}")
    assert "counts as urban" in found.text
    untold = sum(site not in told for site in samples)
    assert untold > 0
    assert f"over {len(samples)} samples, of which {untold} lie outside" in found.text
    assert f"urban from 25 % on: {len(samples) - untold} samples" in found.text


def test_every_histogram_says_what_it_shows_and_from_how_many(six: Any) -> None:
    found, world = six
    n = sum(r["role"] == "sample" for r in world.rows["manifest"])
    figures = re.findall(r'<figure class="histogram">.*?</figure>', found.html, re.DOTALL)
    assert len(figures) == 6
    for figure in figures:
        says = re.search(r'<p class="note">([^<]*)</p>', figure)
        assert says is not None
        assert f'aria-label="{says[1]}"' in figure
        titles = re.findall(r"<title>[^<]*: (\d+) (?:train|val|test)</title>", figure)
        assert sum(map(int, titles)) == n
        known = re.search(r": (\d+) samples, .*?(?:; (\d+) more|\.$)", says[1])
        if known is None:
            assert f"unknown for all {n} samples" in says[1]
        else:
            assert int(known[1]) + int(known[2] or 0) == n


def test_two_maps_show_the_same_sites(six: Any) -> None:
    found, world = six
    maps = [
        s["aria-label"] or "" for s in found.all("svg") if "Map from" in str(s.get("aria-label"))
    ]
    assert len(maps) == 2
    for words in maps:
        told = re.findall(r"(\d+) (?:train|val|test|urban|non-urban)", words)
        assert sum(map(int, told)) == len(world.rows["manifest"])
