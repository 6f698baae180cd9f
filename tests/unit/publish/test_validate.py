"""The check finds what is wrong, and fetches nothing."""

import json
import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zarr
from catalog_world import CatalogWorld

from geosr_lake.errors import UsageError
from geosr_lake.publish import validate as module
from geosr_lake.publish.validate import validate


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any connection fails the test."""

    def refuse(*_: object) -> None:
        raise AssertionError("something opened a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture
def copy(catalog_world: CatalogWorld, tmp_path: Path) -> Path:
    """A copy of the published lake whose documents may be changed; pixels are linked."""
    target = tmp_path / "lake"
    for name, how in (("catalog", shutil.copy2), ("cubes", os.link)):
        shutil.copytree(catalog_world.lake.root / name, target / name, copy_function=how)
    return target


def release_of(lake: Path) -> Path:
    return min(lake.glob("catalog/man-*"))


def edit(file: Path, change: Callable[[dict[str, Any]], object]) -> None:
    document = json.loads(file.read_text())
    change(document)
    file.unlink()
    file.write_text(json.dumps(document))


def test_what_is_published_is_valid_against_core_and_extensions(
    catalog_world: CatalogWorld, stac_schemas: Path
) -> None:
    summary = validate(catalog_world.catalog, stac_schemas)
    assert summary.problems == []
    assert summary.unchecked == {}
    assert summary.documents == {"Catalog": 7, "Collection": 2, "Feature": 12}


def test_what_cannot_be_checked_is_named(catalog_world: CatalogWorld) -> None:
    summary = validate(catalog_world.catalog)
    assert summary.problems == []
    uri = "https://stac-extensions.github.io/projection/v2.0.0/schema.json"
    assert summary.unchecked[uri] == 14
    assert not any("geosr-lake" in name for name in summary.unchecked)


def test_there_must_be_a_catalog(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no catalog here"):
        validate(tmp_path / "catalog.json")


ITEM = "train/smp-train-000.json"
DEFECTS: list[tuple[str, Callable[[dict[str, Any]], object], str]] = [
    (ITEM, lambda d: d.pop("geometry"), "geometry"),
    (ITEM, lambda d: d["properties"].update({"geosr:split": "all"}), "geosr"),
    (ITEM, lambda d: d["properties"].update({"proj:code": 32613}), "proj"),
    (ITEM, lambda d: d["properties"].update({"geosr:index": 1}), "hold different samples"),
    (ITEM, lambda d: d.update(id="smp-other"), "hold different samples"),
    (ITEM, lambda d: d.update(id="smp-other"), "the mirror does not list"),
    (ITEM, lambda d: d.update(bbox=[-120.0, 39.0, -119.0, 40.0]), "outside the spatial extent"),
    (
        ITEM,
        lambda d: d["properties"].update(start_datetime="1999-01-01T00:00:00Z"),
        "outside the temporal extent",
    ),
    (ITEM, lambda d: d["assets"]["cube"].update(href="../nowhere.zarr"), "leads nowhere"),
    (ITEM, lambda d: d["assets"]["cube"].update(href="/tmp"), "is not relative"),  # noqa: S108
    (ITEM, lambda d: d["links"].append({"rel": "self", "href": "file:///x"}), "is not relative"),
    (ITEM, lambda d: d.update(type="Thing"), "its type is 'Thing'"),
    (ITEM, lambda d: d["properties"].update({"proj:projjson": {}}), "not at hand"),
    ("collection.json", lambda d: d.pop("license"), "license"),
    (
        "collection.json",
        lambda d: d["assets"]["train"].update({"geosr:samples": 9}),
        "geosr:samples of the split train is not 3",
    ),
    (
        "collection.json",
        lambda d: d["assets"]["val"].update({"file:size": 1}),
        "file:size of the split val is not",
    ),
    (
        "collection.json",
        lambda d: [
            asset.update({"cube:dimensions": {"x": {"type": "spatial"}}})
            for asset in d["assets"].values()
        ],
        "datacube",
    ),
    ("train/catalog.json", lambda d: d["links"].pop(), "hold different samples"),
    ("train/catalog.json", lambda d: d["links"].append(
        {"rel": "item", "href": "./smp-gone.json"}), "cannot be read"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "change", "words"), DEFECTS)
def test_what_is_wrong_is_found(
    copy: Path,
    stac_schemas: Path,
    name: str,
    change: Callable[[dict[str, Any]], object],
    words: str,
) -> None:
    edit(release_of(copy) / name, change)
    problems = validate(copy / "catalog" / "catalog.json", stac_schemas).problems
    assert any(words in problem for problem in problems), problems


def test_a_lost_document_is_found(copy: Path) -> None:
    (release_of(copy) / ITEM).unlink()
    problems = validate(copy / "catalog" / "catalog.json").problems
    assert any("smp-train-000.json: it cannot be read" in problem for problem in problems)


def test_a_cube_that_changed_is_found(copy: Path) -> None:
    folder = release_of(copy)
    manifest = folder.name.rsplit("-", 1)[0]
    store = copy / "cubes" / manifest / "val.zarr"
    shutil.copytree(store, store.with_name("own.zarr"))
    shutil.rmtree(store)
    store.with_name("own.zarr").rename(store)
    zarr.open_array(str(store / "valid"), mode="r+")[0] = False
    problems = validate(copy / "catalog" / "catalog.json").problems
    assert any("items and cube of the split val" in problem for problem in problems)


def test_problems_are_bounded(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PROBLEMS", 2)
    for file in release_of(copy).glob("train/smp-*.json"):
        edit(file, lambda d: d.update(type="Thing"))
    assert len(validate(copy / "catalog" / "catalog.json").problems) == 2
