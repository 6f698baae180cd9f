"""Two manifests are compared row by row: against the rows themselves."""

import json
import shutil
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from manifest_world import Built, all_pairs, put, recipe, town_and_fields
from typer.testing import CliRunner

from geosr_lake.cli.app import app
from geosr_lake.lake import Lake
from geosr_lake.manifest import build
from geosr_lake.manifest.differ import diff
from geosr_lake.recipe import Recipe

SHOWN = 5
"""Ids that a table shows for example."""


def other_window() -> Recipe:
    """A recipe with the same pairs under another name."""
    whole = recipe()
    pairs = whole.pairs.model_copy(update={"window": timedelta(days=9)})
    return whole.model_copy(update={"pairs": pairs})


OTHERS: dict[str, Recipe] = {
    "the same": recipe(),
    "seed": recipe(seed=2),
    "quotas": recipe(quotas={"urban": 12, "non_urban": 4}),
    "shares": recipe(split={"train": 0.2, "val": 0.4, "test": 0.4}),
    "window": other_window(),
}


def test_another_land_cover_is_told(built: Built, lake: Lake, tmp_path: Path) -> None:
    """The same recipe over the same tables: only the raster differs."""
    other = build(lake, recipe(), town_and_fields(tmp_path / "lc.tif", urban_share=0.6))
    lake.refresh()
    found = diff(lake, built.summary.manifest_id, other.manifest_id)
    assert found.recipe == ()
    heads = {row["manifest_id"]: row for row in lake.arrow("manifests").to_pylist()}
    sums = [heads[name]["layer_version"] for name in (found.a, found.b)]
    assert [(row.what, row.a, row.b) for row in found.files] == [("land cover", *sums)]
    command = ["manifest", "diff", found.a, found.b, "--lake", str(lake.root)]
    assert "Files, by SHA-256" in CliRunner().invoke(app, command).stdout


@pytest.fixture(scope="module")
def lake(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """The lake with pairs of two rules, to which manifests are added."""
    folder = tmp_path_factory.mktemp("differ")
    lake = Lake.open(shutil.copytree(built.lake.root, folder / "lake"))
    put(lake, built.scenes, [*built.pairs, *all_pairs(built.scenes, other_window())])
    return lake


def rows(lake: Lake, manifest: str) -> dict[str, dict[str, Any]]:
    found = lake.arrow("manifest", filters=[("manifest_id", "=", manifest)]).to_pylist()
    return {
        row["sample_id"]: {k: v for k, v in row.items() if k not in ("manifest_id", "sample_id")}
        for row in found
    }


@pytest.mark.parametrize("what", OTHERS)
def test_every_row_that_differs_is_in_the_json(built: Built, lake: Lake, what: str) -> None:
    mine, other = built.summary, build(lake, OTHERS[what], built.land_cover)
    lake.refresh()
    names = (mine.manifest_id, other.manifest_id)
    command = ["manifest", "diff", *names, "--lake", str(lake.root)]
    done = CliRunner().invoke(app, [*command, "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    one, two = (rows(lake, name) for name in names)
    wanted = {
        sample: (one.get(sample), two.get(sample))
        for sample in one.keys() | two.keys()
        if one.get(sample) != two.get(sample)
    }
    assert {row["sample_id"]: (row["a"], row["b"]) for row in told["rows"]} == wanted
    assert len(told["rows"]) == len(wanted)
    assert told["same_rows"] == (not wanted) == (mine.content_hash == other.content_hash)
    assert told["only_a"] == len(one.keys() - two.keys())
    assert told["only_b"] == len(two.keys() - one.keys())
    assert told["in_both"] == len(one.keys() & two.keys())
    moved = Counter(
        column for a, b in wanted.values() if a and b for column in a if a[column] != b[column]
    )
    assert told["moved"] == moved
    few = {
        "the same": set(),
        "shares": {"split", "rank"},
        "window": {"pair_id"},
    }.get(what)
    if few is not None:
        assert moved.keys() == few
        assert not told["only_a"]
    if what != "the same":
        assert len(wanted) > 2 * SHOWN
    shown = CliRunner().invoke(app, command).stdout
    listed = [sample for sample in wanted if sample in shown]
    assert len(listed) == min(SHOWN, told["only_a"]) + min(SHOWN, told["only_b"])
