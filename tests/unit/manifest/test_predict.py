"""What a build would find, from a share of the sites, held against what it does find."""

import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import geopandas
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
from typer.testing import CliRunner

from geosr_lake.cli.app import app
from geosr_lake.lake import Lake
from geosr_lake.manifest import Files, build
from geosr_lake.manifest.predict import PredictedCell, _Count, first_frac, predict
from geosr_lake.manifest.quotas import QuotaCell
from geosr_lake.recipe import Recipe

Ground = tuple[Lake, Path]
KM = 48
"""Edge of the world: 80 sites by 80."""


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    """64 photographs of 6 km in two months, under scenes that are clear in the south or nowhere."""
    folder = tmp_path_factory.mktemp("predict")
    low, high = -1_000, KM * 1_000 + 1_000
    full = lonlat_box(WEST_M + low, SOUTH_M + low, WEST_M + high, SOUTH_M + high)
    south = lonlat_box(WEST_M + low, SOUTH_M + low, WEST_M + high, SOUTH_M + 30_000)
    may, june = 140, 170
    scenes = []
    for day in (may, june):
        scenes.append(Scene("sentinel2", "13SED", south, day, cloud=0.1))
        scenes.append(Scene("sentinel2", "13SED", full, day + 1, cloud=0.9))
    for i in range(KM // 6):
        for j in range(KM // 6):
            x, y = WEST_M + 6_000 * i, SOUTH_M + 6_000 * j
            quad = lonlat_box(x - 20, y - 20, x + 6_020, y + 6_020, epsg=26913, steps=4)
            day = (june if (i + j) % 3 else may) + 3
            scenes.append(Scene("naip", f"quad_{i}{j}", quad, day, epsg=26913, gsd_m=0.6))
    lake = Lake.create(folder / "lake")
    put(lake, scenes, all_pairs(scenes, recipe()))
    return lake, town_and_fields(folder / "lc.tif", km=KM + 12)


def asked(*subsets: dict[str, Any], **more: Any) -> Recipe:
    told = {"quotas": None, "reserve_frac": 0.1, "sites_per_tile_pair": 4, "block_deg": 0.1}
    return recipe(subsets=list(subsets), **told | more)


def state(lake: Lake) -> tuple[dict[str, int], set[Path]]:
    return Lake.open(str(lake.root)).versions, set(Path(str(lake.root)).rglob("*"))


def off(cells: tuple[PredictedCell, ...], built: Any) -> Iterator[tuple[PredictedCell, int]]:
    for cell, found in zip(cells, built.quotas, strict=True):
        assert (cell.subset, cell.stratum, cell.band) == (found.subset, found.stratum, found.band)
        assert cell.asked == found.asked
        yield cell, found.samples


SHORT = {"name": "sr", "quotas": {"urban": 3_000, "non_urban": 4_000}}
MONTHS = {"name": "sr", "quotas": {"natural": 5_000}, "spread": {"months": [5, 6, 7]}}
TWO = ({"name": "a", "quotas": {"natural": 700}}, SHORT)
KINDS = [
    pytest.param((SHORT,), id="strata"),
    pytest.param((MONTHS,), id="months", marks=pytest.mark.slow),
    pytest.param(TWO, id="two", marks=pytest.mark.slow),
]


@pytest.mark.parametrize("seed", [1, *(pytest.param(n, marks=pytest.mark.slow) for n in (2, 3))])
@pytest.mark.parametrize("subsets", KINDS)
def test_large_strata_are_predicted_within_a_tenth(
    ground: Ground, subsets: tuple[dict[str, Any], ...], seed: int
) -> None:
    lake, land_cover = ground
    rule = asked(*subsets, seed=seed)
    told = predict(lake, rule, land_cover)
    assert told.frac < 1
    short = 0
    for cell, samples in off(told.cells, build(lake, rule, land_cover)):
        short += samples < cell.asked
        assert cell.met == (samples == cell.asked)
        if cell.samples > 500:
            assert abs(cell.samples - samples) <= 0.1 * samples
            assert cell.plus_minus <= 0.1 * cell.samples
    assert short


def chip_file(path: Path, n: int, step_m: int) -> Path:
    at = [(i % n * step_m, i // n * step_m) for i in range(n * n)]
    shapes = [
        lonlat_box(WEST_M + x, SOUTH_M + y, WEST_M + x + 512, SOUTH_M + y + 512, steps=1)
        for x, y in at
    ]
    geopandas.GeoDataFrame(geometry=shapes, crs=4326).to_parquet(path)
    return path


@pytest.mark.slow
def test_chips_that_overlap_are_all_looked_at(ground: Ground, tmp_path: Path) -> None:
    lake, land_cover = ground
    files = Files({"label": chip_file(tmp_path / "chips.parquet", 30, 400)})
    chips = {"name": "label", "sites": "chips", "quotas": {"natural": 900}}
    absent = {"name": "absent", "sites": "chips", "quotas": {"natural": 50}}
    rule = asked(chips, absent, SHORT)
    told = predict(lake, rule, land_cover, files=files)
    found = list(off(told.cells, build(lake, rule, land_cover, files=files)))
    assert told.frac < 1
    assert [(cell.samples, cell.plus_minus) for cell, _ in found[:2]] == [(found[0][1], 0), (0, 0)]
    assert 100 < found[0][1] < 900
    for cell, samples in found[2:]:
        assert abs(cell.samples - samples) <= 0.1 * samples
    # Where overlaps do not matter a share of the chips is enough.
    rule = asked(chips, shared_ground="keep")
    told = predict(lake, rule, land_cover, files=files, frac=0.5)
    ((cell, samples),) = off(told.cells, build(lake, rule, land_cover, files=files))
    assert told.sites_looked_at < 500
    assert 0 < abs(cell.samples - samples) <= cell.plus_minus


@pytest.mark.parametrize("subsets", KINDS)
def test_all_sites_give_what_a_build_finds(
    ground: Ground, subsets: tuple[dict[str, Any], ...]
) -> None:
    lake, land_cover = ground
    cloud = {"rule": "cloud", "side": "lr", "max_frac": 0.2, "unknown": "drop"}
    most = 1 if "spread" in subsets[0] else 2
    rule = asked(*subsets, rules=[{"rule": "gap", "max": "3 d"}, cloud], pairs_per_site=most)
    told = predict(lake, rule, land_cover, frac=1)
    for cell, samples in off(told.cells, build(lake, rule, land_cover)):
        assert (cell.samples, cell.plus_minus) == (samples, 0)
        assert cell.met == (samples == cell.asked)


def test_where_no_scene_is_kept_nothing_is_found(ground: Ground) -> None:
    lake, land_cover = ground
    none = {"rule": "cloud", "side": "hr", "max_frac": 0.2, "unknown": "drop"}
    told = predict(lake, asked(SHORT, rules=[none]), land_cover)
    assert [(cell.samples, cell.met) for cell in told.cells] == [(0, False)] * 2
    assert told.frac < 1


def test_nothing_is_written_while_another_run_holds_the_lock(ground: Ground) -> None:
    lake, land_cover = ground
    before = state(lake)
    with lake.stage("manifest", "test"):
        held = state(lake)
        predict(Lake.open(str(lake.root)), asked(SHORT), land_cover)
        assert state(lake) == held
    before = state(lake)
    predict(Lake.open(str(lake.root)), asked(SHORT), land_cover)
    assert state(lake) == before


def test_the_command(ground: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake, land_cover = ground
    path, before = tmp_path / "recipe.yaml", state(lake)
    data = json.loads(asked(SHORT).canonical())
    data["pairs"]["window"] = "10 d"
    path.write_text(json.dumps(data))
    options = ["--recipe", str(path), "--land-cover", str(land_cover), "--lake", str(lake.root)]
    words = ["manifest", "build", *options, "--dry-run"]
    monkeypatch.setattr("sys.argv", ["geosr", *words])
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert "nothing is written" in done.stdout
    assert "plus or minus" in done.stdout
    assert "non_urban" in done.stdout
    assert f"Next: {shlex.join(['geosr', 'manifest', 'build', *options])}\n" in done.stderr
    done = CliRunner().invoke(app, ["manifest", "build", *options, "--dry-run", "--json"])
    found = json.loads(done.stdout)
    assert {cell["stratum"]: cell["asked"] for cell in found["cells"]} == SHORT["quotas"]
    assert 0 < found["frac"] < 1
    assert found["seconds"] > 0
    assert state(lake) == before


def count(found: int, share: float, asked: int = 1_000, reserves: int = 100) -> _Count:
    return _Count(QuotaCell("sr", "urban", None, asked, reserves), found, share)


def test_what_a_sample_says_of_a_cell() -> None:
    told = count(100, 0.25).predicted
    # Two standard errors: twice the root of 100 times 3/4, over 1/4.
    assert (told.samples, told.plus_minus, told.met) == (400, 69, False)
    assert count(100, 0.25).settled  # 469 are not many
    assert not count(150, 0.25).settled
    assert 0.25 < count(150, 0.25).wanted_frac < 0.45
    # As many as were asked for, found in half of an eighth: there are about twice as many.
    told = count(138, 0.125 / 2).predicted
    assert (told.samples, told.plus_minus, told.met) == (1_000, 0, True)
    # Full at the very end: there may be a little less.
    told = count(138, 0.125).predicted
    assert (told.samples, told.met) == (1_000, False)
    assert 0 < told.plus_minus < 100
    told = count(0, 0.125).predicted
    assert (told.samples, told.plus_minus, told.met) == (0, 15, False)
    # Samples of a site come together: as many errors as a fourth of the samples would have.
    four = _Count(QuotaCell("sr", "urban", None, 1_000, 100), 100, 0.25, 4)
    assert (four.predicted.samples, four.predicted.plus_minus) == (400, 139)
    assert not four.settled
    assert four.wanted_frac > count(100, 0.25).wanted_frac
    told = count(700, 1.0).predicted
    assert (told.samples, told.plus_minus, told.met) == (700, 0, False)


def test_a_small_share_of_great_quotas_is_enough_at_first() -> None:
    cells = [QuotaCell("sr", "urban", None, n, n // 10) for n in (40, 100_000)]
    assert first_frac(cells) == pytest.approx(1_000 / 110_000)
    assert first_frac(cells[:1]) == first_frac([]) == 1 / 16
