"""The page as a browser gets it: whole, self-contained, true to the tables, and never a script."""

import itertools
import re
from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from manifest_world import recipe
from report_page import Page, plain

from geosr_lake.lake import Lake
from geosr_lake.report import page
from geosr_lake.report.page import MAX_BYTES, write_report


@pytest.fixture(scope="module")
def written(full: tuple[Lake, Any], tmp_path_factory: pytest.TempPathFactory) -> Any:
    lake, world = full
    out = tmp_path_factory.mktemp("page") / "report.html"
    summary = write_report(lake, out)
    return Page(out.read_text(encoding="utf-8")), summary, world


def test_the_summary_tells_what_was_written(written: Any) -> None:
    found, summary, world = written
    assert summary.bytes == len(found.html.encode())
    assert summary.manifests == 2
    assert summary.samples == sum(r["role"] == "sample" for r in world.rows["manifest"])
    assert summary.materialized == len(world.rows["samples"]) == summary.pictures


def test_the_page_is_small(written: Any) -> None:
    assert written[1].bytes < MAX_BYTES


def test_ids_stand_once_and_links_lead_somewhere(written: Any) -> None:
    found = written[0]
    ids = [attrs["id"] for _, attrs in found.elements if "id" in attrs]
    assert len(ids) == len(set(ids))
    targets = [a["href"] for a in found.all("a")]
    assert targets
    assert all(target.startswith("#") and target[1:] in ids for target in targets)
    clips = re.findall(r"url\(#([^)]*)\)", found.html)
    assert clips
    assert set(clips) <= set(ids)


def test_nothing_is_loaded_from_elsewhere(written: Any) -> None:
    found = written[0]
    for tag, attrs in found.elements:
        for name in ("src", "href", "xlink:href", "srcset", "action", "data", "poster"):
            value = attrs.get(name)
            assert value is None or value.startswith(("#", "data:image/png;base64,")), (tag, value)
    assert not re.search(r"https?:|//[a-z]", re.sub(r"base64,[\w+/=]+", "", found.html))
    style = "".join(found.inside["style"])
    assert "url(" not in style
    assert "@import" not in style
    assert not {"link", "iframe", "object", "embed", "base", "form"} & {
        t for t, _ in found.elements
    }


def test_the_policy_allows_just_this_style_and_script(written: Any) -> None:
    found = written[0]
    policy = next(m["content"] for m in found.all("meta") if "http-equiv" in m)
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "unsafe" not in policy
    for tag in ("style", "script"):
        assert len(found.all(tag)) == 1
        digest = sha256("".join(found.inside[tag]).encode()).digest()
        assert f"{tag}-src 'sha256-{b64encode(digest).decode()}'" in policy
    # The policy forbids both: they would silently do nothing.
    for tag, attrs in found.elements:
        assert "style" not in attrs, tag
        assert not [name for name in attrs if name.startswith("on")], tag


def test_pictures_have_words_and_figures_captions(written: Any) -> None:
    found = written[0]
    images = found.all("img")
    assert len(images) > 20
    assert all("alt" in image for image in images)
    assert all(image.get("width") and image.get("height") for image in images)
    drawings = [svg for svg in found.all("svg") if svg.get("aria-hidden") != "true"]
    assert drawings
    assert all(svg.get("role") == "img" and svg.get("aria-label") for svg in drawings)
    assert len(found.all("caption")) == len(found.all("table"))
    assert len(found.all("figcaption")) == len(found.all("figure"))
    assert all("scope" in th for th in found.all("th"))


def test_headings_go_down_by_one(written: Any) -> None:
    levels = [int(tag[1]) for tag, _ in written[0].elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b <= a + 1 for a, b in itertools.pairwise(levels))


def test_the_funnel_on_the_page_is_the_table(written: Any) -> None:
    found, _, world = written
    tables = [t for t in found.tables if t and t[0][0] == "Rule"]
    manifests = ("s2_naip", "modis_landsat8")
    assert len(tables) == len(manifests)
    for table, task in zip(tables, manifests, strict=True):
        name = next(r["manifest_id"] for r in world.rows["manifests"] if r["task"] == task)
        rows = [r for r in world.rows["funnel"] if r["manifest_id"] == name]
        shown = {row[0]: row[2:] for row in table[1:]}
        assert plain(shown["candidates"][1]) == rows[0]["n_in"]
        dropping = [r for r in rows if r["n_dropped"]]
        assert [row[0] for row in table[2 : 2 + len(dropping)]] == [
            r["rule"].replace("_", " ").replace("lr ", "LR ") for r in dropping
        ]
        for row, cells in zip(dropping, table[2:], strict=False):
            assert (plain(cells[2]), plain(cells[3])) == (row["n_dropped"], row["n_out"])
        assert plain(shown["samples"][1]) + plain(shown["reserves"][1]) == rows[-1]["n_out"]


def test_counts_on_the_page_are_the_tables(written: Any) -> None:
    found, _, world = written
    way = re.findall(r"<li><b>([^<]*)</b><span>(\w+)", found.html)
    shown = {name: value for value, name in way}
    assert plain(shown["items"]) == len(world.rows["items"])
    assert plain(shown["scenes"]) == len(world.rows["scenes"])
    assert plain(shown["pairs"]) == len(world.rows["pairs"])
    assert plain(shown["candidates"]) == len(world.rows["candidates"])
    strata = [t for t in found.tables if t and t[0][0] == "Stratum"]
    for table in strata:
        sums = [sum(plain(row[i]) for row in table[1:-1]) for i in range(1, 7)]
        assert sums == [plain(cell) for cell in table[-1][1:]]
    outcomes = found.numbers("Outcome")
    assert sum(plain(row[3]) for row in outcomes[1:-1]) == plain(outcomes[-1][3])


def test_sites_stand_on_the_map_in_their_colours(written: Any) -> None:
    found, _, world = written
    titles = re.findall(r"<title>(smp-\w+): (\w+), (\w+), ([\w-]+), ", found.html)
    rows = {r["sample_id"]: r for r in world.rows["manifest"]}
    assert len(titles) == len(rows)
    for name, role, split, _ in titles:
        assert (role, split) == (rows[name]["role"], rows[name]["split"])


def test_strips_tell_what_was_measured(written: Any) -> None:
    found, _, world = written
    facts = {row["sample_id"]: row for row in world.rows["samples"]}
    strips = re.findall(r'<figure class="strip">.*?</figure>', found.html, re.DOTALL)
    assert len(strips) == 2 * page.MAX_STRIPS
    for strip in strips:
        name = re.search(r"smp-\w+", strip)
        assert name is not None
        row = facts[name[0]]
        assert row["lr_item"] in strip
        assert row["hr_item"] in strip
        if row.get("correlation") is not None:
            assert f"{row['correlation']:.3f}" in strip
        assert f"{100 * row['lr_clear_frac']:.1f}" in strip


def test_the_page_says_the_window(written: Any) -> None:
    assert "at most 10 days apart" in written[0].text


def test_the_same_lake_gives_the_same_page(full: tuple[Lake, Any], written: Any) -> None:
    assert page.render(full[0])[0] == written[0].html


def test_an_empty_lake_says_so(tmp_path: Path) -> None:
    lake = Lake.create(tmp_path / "lake")
    summary = write_report(lake, tmp_path / "x.html")
    found = Page((tmp_path / "x.html").read_text())
    assert (summary.manifests, summary.pictures) == (0, 0)
    assert "No item has been read" in found.text
    assert "geosr scenes ingest" in found.text
    assert found.all("img") == []


def test_a_lake_without_cubes_says_so(make_lake: Any, tmp_path: Path) -> None:
    lake, _ = make_lake("s2_naip", n=7, cubes=False)
    summary = write_report(lake, tmp_path / "x.html")
    found = Page((tmp_path / "x.html").read_text())
    assert (summary.materialized, summary.pictures) == (0, 0)
    assert "No pixel has been read yet" in found.text
    assert "geosr cubes materialize" in found.text
    assert len([s for s in found.all("svg") if "Map from" in (s.get("aria-label") or "")]) == 2


HOSTILE = (
    "</style><script>alert(1)</script>",
    "\"><img src=x onerror='alert(1)'>",
    "{{ 7 * 7 }}{% include 'style.css' %}",
    "javascript:alert(1)//\u202egnp.exe\x1b[31m\x00",
    "' onload='alert(1)' x='",
    "]]></svg><svg onload=alert(1)>",
)


@pytest.mark.parametrize(
    "text", [*HOSTILE[:3], *(pytest.param(text, marks=pytest.mark.slow) for text in HOSTILE[3:])]
)
def test_text_from_archives_never_becomes_markup(make_lake: Any, tmp_path: Path, text: str) -> None:
    lake, _ = make_lake("s2_naip", n=3, word=text)
    write_report(lake, tmp_path / "x.html")
    found = Page((tmp_path / "x.html").read_text(encoding="utf-8"))
    assert len(found.all("script")) == len(found.all("style")) == 1
    assert all((image["src"] or "").startswith("data:image/png") for image in found.all("img"))
    for _, attrs in found.elements:
        assert not [name for name in attrs if name.startswith("on")]
    visible = text.translate({0x202E: "\ufffd", 0x1B: "\ufffd", 0: "\ufffd"})
    assert visible in "".join(found.texts)  # shown as it is
    assert not set("\u202e\x1b\x00") & set(found.html)


@pytest.mark.parametrize(
    ("select", "says"),
    [
        ({}, "samples of two splits share none, but they can lie side by side."),
        ({"buffer_m": 1000}, "samples of two splits are at least 1,000 m apart."),
        ({"split": {"mode": "paper"}}, "neighbours can be in two of them."),
    ],
)
def test_the_page_says_how_splits_were_cut(
    write_rows: Any, add_rows: Any, tmp_path: Path, select: dict[str, Any], says: str
) -> None:
    def fill(world: Any) -> None:
        add_rows(world, n=6)
        world.rows["manifests"][0]["recipe"] = recipe(**select).canonical()

    lake, _ = write_rows(fill)
    write_report(lake, tmp_path / "report.html")
    text = Page((tmp_path / "report.html").read_text()).text
    assert says in text
    assert ("whole blocks of ground" in text) == ("split" not in select)
    assert "no neighbour" not in text


def test_a_manifest_without_samples_says_so(write_rows: Any, tmp_path: Path) -> None:
    def fill(world: Any) -> None:
        world.add("manifests", manifest_id="man-1", task="s2_naip", name="none", layer="cover",
                  pair_rule_id="rul-1", select_rule_id="rul-2", layer_version="1",
                  content_hash="c", sample_count=0, reserve_count=0, recipe="{}")  # fmt: skip

    lake, _ = write_rows(fill)
    write_report(lake, tmp_path / "x.html")
    found = Page((tmp_path / "x.html").read_text())
    assert "No sample was chosen" in found.text
    assert not re.findall('class="histogram"', found.html)
