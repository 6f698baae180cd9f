"""The page as a browser gets it: whole, self-contained, true to the tables, and never a script."""

import itertools
import json
import re
import statistics
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from manifest_world import recipe

from geosr_lake.errors import ResourceError, UsageError
from geosr_lake.lake import Lake
from geosr_lake.report import page
from geosr_lake.report.page import MAX_BYTES, write_report

VOID = {"meta", "img", "input", "br", "link", "hr"}


class Page(HTMLParser):
    """Reads a page into elements, texts and table cells, and refuses tags that do not match."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html = html
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.inside: dict[str, list[str]] = {"style": [], "script": []}
        self.tables: list[list[list[str]]] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        assert len(attrs) == len(dict(attrs)), f"an attribute stands twice in {tag}"
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> does not match"

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in self.inside:
            self.inside[self.open[-1]].append(data)
            return
        self.texts.append(data)
        if {"td", "th"} & set(self.open) and "small" not in self.open:
            self.tables[-1][-1][-1] += data.strip()

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.elements if name == tag]

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.texts))

    def numbers(self, first: str) -> list[list[str]]:
        """Rows of the first table whose first row begins with `first`."""
        return next(table for table in self.tables if table and table[0][0] == first)


def plain(text: str) -> int:
    """The whole number that a cell shows."""
    return int(re.sub(r"\D", "", text))


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


def test_one_manifest_can_be_asked_for(full: tuple[Lake, Any], tmp_path: Path) -> None:
    lake, world = full
    name = next(r["manifest_id"] for r in world.rows["manifests"] if r["task"] == "modis_landsat8")
    summary = write_report(lake, tmp_path / "one.html", manifest_ids=[name])
    html = (tmp_path / "one.html").read_text()
    assert summary.manifests == 1
    assert "Plate I<" in html
    assert "Plate II" not in html


def test_a_manifest_that_is_not_there_is_refused(full: tuple[Lake, Any], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no manifest man-none.*It has: man-"):
        write_report(full[0], tmp_path / "x.html", manifest_ids=["man-none"])
    assert not list(tmp_path.iterdir())


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


@pytest.mark.parametrize("text", HOSTILE)
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


def test_a_page_of_this_command_is_replaced(full: tuple[Lake, Any], tmp_path: Path) -> None:
    lake = Lake.create(tmp_path / "lake")
    out = tmp_path / "x.html"
    write_report(lake, out)
    before = out.stat().st_ino
    write_report(lake, out)
    assert out.stat().st_ino != before  # a new file in its place, never a half one
    assert sorted(p.name for p in tmp_path.iterdir()) == ["lake", "x.html"]


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", b"<!doctype html><title>mine</title>"])
def test_another_file_is_left_alone(tmp_path: Path, content: bytes) -> None:
    lake = Lake.create(tmp_path / "lake")
    out = tmp_path / "mine"
    out.write_bytes(content)
    with pytest.raises(UsageError, match="something else"):
        write_report(lake, out)
    assert out.read_bytes() == content


def test_a_folder_is_left_alone_and_a_missing_one_named(tmp_path: Path) -> None:
    lake = Lake.create(tmp_path / "lake")
    with pytest.raises(UsageError, match="something else"):
        write_report(lake, tmp_path)
    with pytest.raises(UsageError, match="no such folder"):
        write_report(lake, tmp_path / "none" / "x.html")


def test_a_page_that_cannot_be_written_is_an_error_in_words(tmp_path: Path) -> None:
    lake = Lake.create(tmp_path / "lake")
    with pytest.raises(ResourceError, match="cannot be written"):
        write_report(lake, tmp_path / ("x" * 250))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["lake"]


def test_a_page_that_would_be_too_large_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "MAX_BYTES", 10_000)
    with pytest.raises(ResourceError, match="--manifest"):
        write_report(Lake.create(tmp_path / "lake"), tmp_path / "x.html")
    assert not (tmp_path / "x.html").exists()


@pytest.mark.parametrize("n", [0, 1, 2, 3, 5, 12])
def test_pictures_share_their_room(n: int) -> None:
    strips, stamps = page.shares(n)
    used = strips * page.STRIP_BYTES + stamps * page.STAMP_BYTES
    used += page.OPENING_BYTES if strips else 0
    assert max(n, 1) * used <= page.PICTURE_BYTES
    assert stamps > 0
    if n <= 2:
        assert (strips, stamps) == (page.MAX_STRIPS, page.MAX_STAMPS)


def test_the_report_reads_only(full: tuple[Lake, Any], tmp_path: Path) -> None:
    lake, _ = full

    def files() -> dict[str, int]:
        return {str(p): p.stat().st_mtime_ns for p in sorted(lake.root.rglob("*"))}

    before = files()
    write_report(lake, tmp_path / "x.html")
    assert files() == before


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
