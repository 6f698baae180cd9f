"""Catalogs from outside: the commands, and pystac with xarray alone."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from catalog_world import CatalogWorld, make_world
from typer.testing import CliRunner

from geosr_lake.cli.app import app
from geosr_lake.publish.validate import validate

REPO = Path(__file__).parents[2]


def geosr(*words: str) -> Any:
    return CliRunner().invoke(app, list(words))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> CatalogWorld:
    """A lake of its own, not published yet."""
    folder = tmp_path_factory.mktemp("catalog_cli")
    return make_world(folder / "lake", ("s2_naip",), samples={"train": 1, "test": 1})


def test_publish_then_validate(world: CatalogWorld, stac_schemas: Path) -> None:
    lake = str(world.lake.root)
    published = geosr("catalog", "publish", "--lake", lake, "--json")
    assert published.exit_code == 0, published.output
    summary = json.loads(published.stdout)
    assert summary["changed"] is True
    assert summary["releases"][0]["items"] == {"train": 1, "test": 1}
    checked = geosr("catalog", "validate", "--lake", lake, "--schemas", str(stac_schemas), "--json")
    assert checked.exit_code == 0, checked.output
    found = json.loads(checked.stdout)
    assert found["problems"] == []
    assert found["unchecked"] == {}


def test_again_says_that_nothing_changed(world: CatalogWorld) -> None:
    lake = str(world.lake.root)
    geosr("catalog", "publish", "--lake", lake)
    again = geosr("catalog", "publish", "--lake", lake)
    assert again.exit_code == 0, again.output
    assert "as it was" in again.stdout
    assert "geosr train --catalog" in again.stderr


def test_a_broken_catalog_ends_with_the_contracts_code(tmp_path: Path) -> None:
    world = make_world(tmp_path / "lake", ("s2_naip",), samples={"train": 1})
    lake = str(world.lake.root)
    assert geosr("catalog", "publish", "--lake", lake).exit_code == 0
    next(world.catalog.parent.glob("man-*/train/smp-*.json")).unlink()
    checked = geosr("catalog", "validate", "--lake", lake)
    assert checked.exit_code == 6
    assert "cannot be read" in checked.stderr
    assert geosr("catalog", "publish", "--lake", lake).exit_code == 0
    assert geosr("catalog", "validate", "--lake", lake).exit_code == 0


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["catalog", "publish", "--lake", "nowhere"], 2, "There is no lake here"),
        (["catalog", "validate", "--lake", "nowhere"], 2, "There is no catalog here"),
    ],
)
def test_errors_have_words_and_codes(
    words: list[str], code: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = geosr(*words)
    assert result.exit_code == code
    assert said in result.stderr


SNIPPET = re.search(r"```python\n(.*?)```", (REPO / "catalog" / "README.md").read_text(), re.DOTALL)

LOOK = """
import json, sys
print(json.dumps({
    "ours": [name for name in sys.modules if name.startswith("geosr_lake")],
    "shapes": {name: sample[name].shape for name in ("lr", "hr", "lr_mask", "hr_mask")},
    "id": str(sample.sample_id.item()), "item": item.id,
    "reflectance": float((sample.lr + sample.lr_dn_offset * 1e-4).mean()),
    "start": str(sample.lr_time.values[0]), "published": item.properties["geosr:lr_time"][0],
}))
"""


def test_five_lines_with_pystac_and_xarray_open_a_sample(
    catalog_world: CatalogWorld, tmp_path: Path
) -> None:
    assert SNIPPET is not None
    code = SNIPPET[1]
    lines = [line for line in code.splitlines() if line and not line.startswith("import")]
    assert len(lines) == 5
    assert set(re.findall(r"^import (\w+)$", code, re.MULTILINE)) == {"pystac", "xarray"}
    (tmp_path / "geosr-demo").mkdir()
    (tmp_path / "geosr-demo" / "lake").symlink_to(catalog_world.lake.root)
    done = subprocess.run(
        [sys.executable, "-W", "error::FutureWarning", "-c", code + LOOK],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["ours"] == []
    assert found["id"] == found["item"]
    assert found["shapes"]["lr"][1:] == found["shapes"]["lr_mask"] == [60, 60]
    assert found["shapes"]["hr"][1:] == found["shapes"]["hr_mask"] == [1000, 1000]
    assert found["start"][:19] == found["published"][:19]


def test_every_sample_opens_by_its_item(catalog_world: CatalogWorld) -> None:
    import numpy as np
    import pystac
    import xarray

    catalog = pystac.Catalog.from_file(str(catalog_world.catalog))
    for item in catalog.get_items(recursive=True):
        cube = item.assets["cube"]
        with xarray.open_dataset(
            cube.get_absolute_href(),
            mask_and_scale=False,
            **cube.extra_fields["xarray:open_kwargs"],
        ) as split:
            sample = split.isel(sample=item.properties["geosr:index"])
            written = catalog_world.pixels[item.properties["geosr:task"]][item.id]
            for name, pixels in zip(("lr", "hr", "lr_mask", "hr_mask"), written, strict=True):
                np.testing.assert_array_equal(sample[name].values, pixels)
            assert int(sample.epsg) == int(item.properties["proj:code"].removeprefix("EPSG:"))
            assert sample.hr_transform.values.tolist() == item.properties["proj:transform"]


@pytest.mark.spark
def test_the_demos_catalog_is_valid(demo_output: dict[str, Any], stac_schemas: Path) -> None:
    summary = validate(Path(demo_output["catalog"]), stac_schemas)
    assert summary.problems == []
    assert summary.unchecked == {}
    assert summary.documents["Collection"] == 2
    assert summary.documents["Feature"] >= 40
