"""What lies in `catalog/` agrees with the sensors' facts, and the extension with itself."""

import copy
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from catalog_world import CatalogWorld

from geosr_lake.publish import terms
from geosr_lake.publish.cube import bands_of, stac_bands
from geosr_lake.resources import resource_dir
from geosr_lake.sensors.quality import MASK_MEANINGS
from geosr_lake.sensors.tasks import TASKS

EXTENSION = resource_dir("catalog") / "extension"


def template(task: str) -> dict[str, Any]:
    return json.loads((resource_dir("catalog") / task / "collection.json").read_text())


@pytest.mark.parametrize("task", sorted(TASKS))
@pytest.mark.parametrize("side", ["lr", "hr"])
def test_reflectance_is_scaled_as_the_sensor_says(task: str, side: str) -> None:
    scaling = template(task)["geosr:scalings"]["reflectance"][side]
    bands = bands_of(TASKS[task], side)
    if (task, side) == ("s2_naip", "hr"):  # bytes, no reflectance
        assert (scaling["scale"], scaling["offset"]) == (1 / 255, 0)
    else:
        assert {(b.scale, b.offset) for b in bands} == {(scaling["scale"], scaling["offset"])}
    assert scaling.get("per_sample_offset", False) == ((task, side) == ("s2_naip", "lr"))


def test_the_papers_scalings() -> None:
    """DN / 3500 and DN / 255; reflectance for MODIS and Landsat."""
    paper = template("s2_naip")["geosr:scalings"]["paper"]
    assert (paper["lr"]["scale"], paper["hr"]["scale"]) == (1 / 3500, 1 / 255)
    both = template("modis_landsat8")["geosr:scalings"]
    assert {k: both["paper"][k] for k in ("lr", "hr")} == {
        k: both["reflectance"][k] for k in ("lr", "hr")
    }


@pytest.mark.parametrize("task", sorted(TASKS))
def test_bands_are_named_by_array_and_dimension(task: str) -> None:
    names = [band["name"] for band in stac_bands(TASKS[task])]
    assert names[0] == f"lr[lr_band={TASKS[task].lr_bands[0]}]"
    assert names[-1] == f"hr[hr_band={TASKS[task].hr_bands[-1]}]"
    assert len(set(names)) == len(TASKS[task].lr_bands) + len(TASKS[task].hr_bands)


@pytest.mark.parametrize("task", sorted(TASKS))
def test_the_card_tells_every_flag(task: str) -> None:
    card = (resource_dir("catalog") / task / "card.md").read_text()
    for bit, meaning in MASK_MEANINGS.items():
        assert f"{int(bit)} {meaning}".replace("\n", " ") in " ".join(card.split())


def schema() -> dict[str, Any]:
    return json.loads((EXTENSION / "schema.json").read_text())


def test_the_extension_has_one_name() -> None:
    assert schema()["$id"] == terms.GEOSR
    assert terms.GEOSR in (EXTENSION / "README.md").read_text()
    jsonschema.Draft7Validator.check_schema(schema())


def test_the_page_of_the_extension_lists_its_fields() -> None:
    written = set(re.findall(r"`(geosr:[a-z_]+)`", (EXTENSION / "README.md").read_text()))
    assert written == set(schema()["definitions"]["fields"]["properties"])


@pytest.fixture
def documents(catalog_world: CatalogWorld) -> dict[str, dict[str, Any]]:
    folder: Path = next(catalog_world.catalog.parent.glob("man-*"))
    files = {
        "catalog": catalog_world.catalog,
        "collection": folder / "collection.json",
        "item": folder / "train" / "smp-train-000.json",
    }
    return {name: json.loads(file.read_text()) for name, file in files.items()}


def valid(document: dict[str, Any]) -> bool:
    return bool(jsonschema.Draft7Validator(schema()).is_valid(document))


def test_the_extension_accepts_what_is_published(documents: dict[str, dict[str, Any]]) -> None:
    assert all(map(valid, documents.values()))


@pytest.mark.parametrize(
    ("kind", "path", "value"),
    [
        ("item", ["properties", "geosr:task"], "s3"),
        ("item", ["properties", "geosr:split"], "validate"),
        ("item", ["properties", "geosr:index"], -1),
        ("item", ["properties", "geosr:index"], 1.5),
        ("item", ["properties", "geosr:gap_s"], None),
        ("item", ["properties", "geosr:lr_clear_frac"], 1.01),
        ("item", ["properties", "geosr:unheard_of"], 1),
        ("item", ["properties", "geosr:site_id"], "../x"),
        ("item", ["properties", "geosr:lr_time"], ["2021-07-01T00:00:00Z"]),
        ("collection", ["geosr:scalings", "paper", "lr", "scale"], 0),
        ("collection", ["geosr:scalings", "reflectance"], {}),
        ("collection", ["assets", "train", "geosr:split"], "all"),
        ("catalog", ["links", 1, "geosr:task"], "s3"),
        ("catalog", ["stac_extensions"], []),
    ],
)
def test_the_extension_refuses(
    documents: dict[str, dict[str, Any]], kind: str, path: list[Any], value: Any
) -> None:
    document = copy.deepcopy(documents[kind])
    at: Any = document
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    assert not valid(document)


@pytest.mark.parametrize("field", ["geosr:task", "geosr:manifest_id", "geosr:index", "geosr:gap_s"])
def test_items_must_have_what_readers_need(
    documents: dict[str, dict[str, Any]], field: str
) -> None:
    document = documents["item"]
    del document["properties"][field]
    assert not valid(document)
