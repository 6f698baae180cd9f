"""`geosr manifest audit` on manifests with planted leaks: a built one, and a file of others."""

import json
import shutil
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import geopandas
import pytest
import shapely
from manifest_world import (
    EPSG,
    SOUTH_M,
    WEST_M,
    all_pairs,
    four_quads,
    lonlat_box,
    put,
    recipe,
    town_and_fields,
)
from table_rows import add
from typer.testing import CliRunner

from geosr_lake.cli.app import app
from geosr_lake.ids import site_id
from geosr_lake.lake import Lake
from geosr_lake.manifest import build
from geosr_lake.manifest.audit import SAYS

SIZE_M, BUFFER_M = 600, 500
FAR_M = 40_000
"""What is planted lies so far to the north-east of what is clean."""
LEAKS = 8
"""The exit code."""


class Planted(NamedTuple):
    """A sample: its split, its south-west corner in metres, subset, id."""

    split: str
    x_m: int
    y_m: int
    subset: str = "sr"
    sample: str | None = None

    @property
    def corner(self) -> tuple[int, int]:
        return WEST_M + FAR_M + self.x_m, SOUTH_M + FAR_M + self.y_m

    def moved(self, y_m: int) -> "Planted":
        return self._replace(y_m=self.y_m + y_m)


ONE = Planted("train", 0, 0)
PLANTED: dict[str, tuple[str, list[Planted]]] = {
    "ground of two splits overlaps": (
        "overlap_between_splits",
        [ONE, Planted("test", 300, 300)],
    ),
    "a strip of a metre is shared": (
        "overlap_between_splits",
        [ONE, Planted("val", 599, 0)],
    ),
    "one site is in two splits": ("overlap_between_splits", [ONE, Planted("val", 0, 0)]),
    "one site is in two splits, for two subsets": (
        "overlap_between_splits",
        [ONE, Planted("test", 0, 0, "river")],
    ),
    "splits are nearer than the buffer": ("below_buffer", [ONE, Planted("test", 900, 0)]),
    "splits touch": ("below_buffer", [ONE, Planted("test", 600, 0)]),
    "corners are nearer than the buffer": ("below_buffer", [ONE, Planted("val", 900, -900)]),
    "frames of one split overlap": ("overlap_in_split", [ONE, Planted("train", 300, 0)]),
    "one site is in two subsets": ("overlap_in_split", [ONE, Planted("train", 0, 0, "river")]),
    "frames of two subsets overlap": (
        "overlap_in_split",
        [ONE, Planted("train", 60, 540, "river")],
    ),
    "an id stands twice": (
        "id_twice",
        [ONE._replace(sample="twice"), Planted("train", 9_000, 0, sample="twice")],
    ),
}
"""What is planted, and the kind of leak that it is."""
HARMLESS: dict[str, list[Planted]] = {
    "several dates of a site": [ONE, ONE],
    "neighbours in one split": [ONE, Planted("train", 600, 0)],
    "splits as far apart as the buffer": [ONE, Planted("test", 600 + BUFFER_M, 0)],
}


def names_of(planted: Sequence[Planted]) -> list[str]:
    return [one.sample or f"planted-{n}" for n, one in enumerate(planted)]


def write_file(path: Path, planted: Sequence[Planted]) -> Path:
    """A file as others write one: in UTM, with column names of theirs."""
    boxes = [shapely.box(x, y, x + SIZE_M, y + SIZE_M) for x, y in (p.corner for p in planted)]
    columns = {
        "name": names_of(planted),
        "fold": [one.split for one in planted],
        "subset": [one.subset for one in planted],
        "date": ["2020-05-01"] * len(planted),
    }
    geopandas.GeoDataFrame(columns, geometry=boxes, crs=EPSG).to_parquet(path)
    return path


def foreign(folder: Path, planted: Sequence[Planted]) -> list[str]:
    clean = [Planted("train", -20_000, 0), Planted("train", -19_400, 0), Planted("val", -18_000, 0)]
    clean.append(Planted("test", -20_000, 3_000))
    # What is planted comes first: `names_of` numbers it.
    path = write_file(folder / "samples.parquet", [*planted, *clean])
    return [str(path), "--buffer-m", str(BUFFER_M)]


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A lake with a manifest, and its id."""
    folder = tmp_path_factory.mktemp("clean")
    lake, scenes = Lake.create(folder / "lake"), four_quads()
    rule = recipe(quotas={"natural": 20}, buffer_m=BUFFER_M, block_deg=0.03)
    put(lake, scenes, all_pairs(scenes, rule))
    summary = build(lake, rule, town_and_fields(folder / "lc.tif"))
    assert summary.samples > 5
    return Path(lake.root), summary.manifest_id


def in_lake(folder: Path, planted: Sequence[Planted], root: Path, manifest: str) -> list[str]:
    """The built manifest with rows that no builder would write; the buffer is its recipe's."""
    lake = Lake.open(shutil.copytree(root, folder / "lake"))
    row, site = (lake.arrow(table).to_pylist()[0] for table in ("manifest", "sites"))
    rows, sites = [], {}
    for name, one in zip(names_of(planted), planted, strict=True):
        x, y = one.corner
        ground = lonlat_box(x, y, x + SIZE_M, y + SIZE_M, steps=4)
        place = {"site_id": site_id(SIZE_M, EPSG, x, y), "x_m": x, "y_m": y}
        rows.append(row | place | {"sample_id": name, "split": one.split, "subset": one.subset})
        sites[x, y] = site | place | {"footprint_wkb": shapely.to_wkb(ground)}
    with lake.stage("manifest", "test"):
        add(lake, "manifest", rows)
        add(lake, "sites", list(sites.values()))
    return [manifest, "--lake", str(lake.root)]


Source = Callable[[Sequence[Planted]], list[str]]


@pytest.fixture(params=["built", "foreign"])
def source(request: pytest.FixtureRequest, clean: tuple[Path, str], tmp_path: Path) -> Source:
    """Makes a manifest with planted samples; returns how the command names it."""
    if request.param == "foreign":
        return lambda planted: foreign(tmp_path, planted)
    return lambda planted: in_lake(tmp_path, planted, *clean)


def audited(*words: str) -> Any:
    done = CliRunner().invoke(app, ["manifest", "audit", *words])
    assert "Traceback" not in done.output
    return done


def one_line(text: str) -> str:
    """Without line breaks: a title is as wide as its table."""
    return " ".join(text.split())


def found(done: Any) -> dict[str, int]:
    counts = json.loads(done.stdout)["counts"]
    assert counts.keys() == SAYS.keys()
    return {kind: n for kind, n in counts.items() if n}


def test_every_kind_is_planted() -> None:
    assert {kind for kind, _ in PLANTED.values()} | {"in_other_manifest"} == set(SAYS)


def test_without_a_leak_it_ends_well(source: Source) -> None:
    done = audited(*source([ONE]))
    assert done.exit_code == 0, done.output
    assert ": clean" in one_line(done.stdout)
    assert "leaks" not in done.stderr


@pytest.mark.parametrize("what", PLANTED)
def test_a_planted_leak_is_found_told_and_ends_with_its_code(source: Source, what: str) -> None:
    kind, planted = PLANTED[what]
    words = source(planted)
    done = audited(*words, "--json")
    assert done.exit_code == LEAKS
    assert found(done) == {kind: 1}
    told = json.loads(done.stdout)
    assert told["clean"] is False
    (leak,) = told["leaks"]
    assert {leak["a"], leak["b"]} == set(names_of(planted))
    assert sorted([leak["a_split"], leak["b_split"]]) == sorted(one.split for one in planted)
    assert f"The manifest leaks: 1 {kind} ({words[0]})" in done.stderr
    assert "Leave out one sample of each" in done.stderr
    shown = audited(*words)
    assert shown.exit_code == LEAKS
    assert ": LEAKS" in one_line(shown.stdout)
    assert SAYS[kind] in one_line(shown.stdout)
    assert set(names_of(planted)) <= set(shown.stdout.split())


@pytest.mark.parametrize("what", HARMLESS)
def test_what_is_no_leak_is_none(source: Source, what: str) -> None:
    done = audited(*source(HARMLESS[what]), "--json")
    assert done.exit_code == 0, done.output
    assert found(done) == {}


def test_all_at_once_are_counted_apart(source: Source) -> None:
    every = [
        one.moved(20_000 * n) for n, (_, planted) in enumerate(PLANTED.values()) for one in planted
    ]
    done = audited(*source(every), "--json")
    assert done.exit_code == LEAKS
    kinds = [kind for kind, _ in PLANTED.values()]
    assert found(done) == {kind: kinds.count(kind) for kind in set(kinds)}
    said = ", ".join(f"{kinds.count(kind)} {kind}" for kind in SAYS if kind in kinds)
    assert f"The manifest leaks: {said}" in done.stderr


@pytest.mark.parametrize(
    ("there", "leaks", "splits"),
    [
        (Planted("test", 300, 0), 1, "train/test"),
        (Planted("val", 0, 0, "river"), 1, "train/val"),
        (Planted("train", 300, 0), 0, "train/train"),
        (Planted("test", 600, 0), 0, None),
    ],
)
def test_ground_of_another_manifest(
    source: Source, tmp_path: Path, there: Planted, leaks: int, splits: str | None
) -> None:
    other = write_file(tmp_path / "other.parquet", [there])
    done = audited(*source([ONE]), "--against", str(other), "--json")
    assert done.exit_code == (LEAKS if leaks else 0)
    assert found(done) == ({"in_other_manifest": leaks} if leaks else {})
    in_common = json.loads(done.stdout)["duplicates"]
    assert in_common["by_splits"] == ({splits: 1} if splits else {})
    assert in_common["same_ids"] == 1
    assert ("The manifest leaks: 1 in_other_manifest" in done.stderr) is bool(leaks)


def test_the_buffer_of_a_built_manifest_is_its_recipes_unless_another_is_given(
    clean: tuple[Path, str], tmp_path: Path
) -> None:
    words = in_lake(tmp_path, PLANTED["splits are nearer than the buffer"][1], *clean)
    assert json.loads(audited(*words, "--json").stdout)["buffer_m"] == BUFFER_M
    done = audited(*words, "--buffer-m", "299", "--json")
    assert (done.exit_code, found(done)) == (0, {})


def test_scenes_of_several_splits_are_told_with_their_share_and_are_no_leak(
    clean: tuple[Path, str], tmp_path: Path
) -> None:
    apart = [Planted(split, 9_000 * n, 0) for n, split in enumerate(("train", "val", "test"))]
    words = in_lake(tmp_path, apart, *clean)
    done = audited(*words, "--json")
    assert (done.exit_code, found(done)) == (0, {})
    rows = Lake.open(words[-1]).arrow("manifest").to_pylist()
    splits = defaultdict(set)
    for row in rows:
        for side in ("lr_scene_id", "hr_scene_id"):
            splits[row[side]].add(row["split"])
    shared = {scene for scene, of in splits.items() if len(of) > 1}
    cut = sum(not shared.isdisjoint((row["lr_scene_id"], row["hr_scene_id"])) for row in rows)
    told = json.loads(done.stdout)["scenes"]
    assert (told["scenes"], told["shared"], told["samples"]) == (len(splits), len(shared), cut)
    assert told["share"] == pytest.approx(cut / len(rows))
    assert 2 <= len(shared) < len(splits)
    shown = one_line(audited(*words).stdout)
    assert f"scenes that serve several splits │ {len(shared)} of {len(splits)}" in shown
