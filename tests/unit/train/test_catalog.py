"""Catalogs as strangers may write them: what is opened, and what is refused."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="training needs torch")

from catalog_world import CatalogWorld, nearest_lr_band  # noqa: E402

from geosr_lake.errors import (  # noqa: E402
    CorruptDataError,
    GeoSRError,
    UnsafeInputError,
    UsageError,
)
from geosr_lake.sensors.tasks import TASKS  # noqa: E402
from geosr_lake.train import catalog as reader  # noqa: E402
from geosr_lake.train import open_catalog  # noqa: E402

pytestmark = pytest.mark.train


@pytest.fixture
def copy(catalog_world: CatalogWorld, tmp_path: Path) -> Path:
    """A copy of the published lake whose documents may be changed; pixels are linked."""
    target = tmp_path / "lake"
    for name, how in (("catalog", shutil.copy2), ("cubes", os.link)):
        shutil.copytree(catalog_world.lake.root / name, target / name, copy_function=how)
    return target


def edit(file: Path, change: Callable[[dict[str, Any]], None]) -> None:
    document = json.loads(file.read_text())
    change(document)
    file.unlink()
    file.write_text(json.dumps(document))


def collection_of(lake: Path) -> Path:
    return next(iter(lake.glob("catalog/man-*-*/collection.json")))


def with_href(href: str) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        document["assets"]["train"]["href"] = href

    return change


@pytest.mark.parametrize("way", ["catalog/catalog.json", "catalog", "."])
def test_file_folder_and_lake_name_the_same_catalog(catalog_world: CatalogWorld, way: str) -> None:
    release = open_catalog(catalog_world.lake.root / way, "s2_naip")
    assert release.collection_id == "tiny_s2_naip-00000000"
    assert release.manifest_id == catalog_world.manifest_ids["s2_naip"]
    assert set(release.splits) == {"train", "val", "test"}
    assert release.splits["val"].name == "val.zarr"


@pytest.mark.parametrize("task", sorted(TASKS))
def test_bands_and_scalings_are_those_of_the_sensors(
    catalog_world: CatalogWorld, task: str
) -> None:
    release, facts = open_catalog(catalog_world.catalog, task), TASKS[task]
    assert release.names("lr") == facts.lr_bands
    assert release.names("hr") == facts.hr_bands
    assert release.nearest_lr_bands(facts.hr_bands, facts.lr_bands) == nearest_lr_band(facts)
    reflectance = release.scalings["reflectance"]
    first = facts.lr.band(facts.lr_bands[0])
    assert (reflectance["lr"].scale, reflectance["lr"].offset) == (first.scale, first.offset)
    assert reflectance["lr"].per_sample_offset == (task == "s2_naip")


def test_bands_match_by_wavelength_among_those_chosen(catalog_world: CatalogWorld) -> None:
    release = open_catalog(catalog_world.catalog, "s2_naip")
    assert release.nearest_lr_bands(("N", "R"), ("B8A", "B11", "B04")) == [0, 2]


def test_no_catalog_task_or_manifest(catalog_world: CatalogWorld, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no catalog here"):
        open_catalog(tmp_path, "s2_naip")
    with pytest.raises(UsageError, match="publishes nothing for s3_naip"):
        open_catalog(catalog_world.catalog, "s3_naip")
    with pytest.raises(UsageError, match="publishes nothing for s2_naip under man-x"):
        open_catalog(catalog_world.catalog, "s2_naip", manifest_id="man-x")


def test_of_several_manifests_one_must_be_named(copy: Path) -> None:
    def twice(document: dict[str, Any]) -> None:
        (child,) = (link for link in document["links"] if link.get("geosr:task") == "s2_naip")
        document["links"].append(child)

    edit(copy / "catalog" / "catalog.json", twice)
    with pytest.raises(UsageError, match="several manifests for s2_naip"):
        open_catalog(copy, "s2_naip")


HOSTILE = [
    "file:///etc/passwd",
    "https://example.com/cube.zarr",
    "http://127.0.0.1:1/cube.zarr",
    "s3://bucket/cube.zarr",
    "//example.com/cube.zarr",
    "/etc",
    "../../../../../../../../etc",
    "../../cubes/../../../outside.zarr",
    "file:../../cubes/x.zarr",
    "vsicurl://x",
    "",
    "..\x00",
]


@pytest.mark.parametrize("href", HOSTILE)
def test_hrefs_that_lead_out_are_refused(copy: Path, href: str) -> None:
    edit(collection_of(copy), with_href(href))
    task = json.loads(collection_of(copy).read_text())["geosr:task"]
    with pytest.raises(UnsafeInputError):
        open_catalog(copy, task)


@pytest.mark.parametrize("href", HOSTILE)
def test_child_links_that_lead_out_are_refused(copy: Path, href: str) -> None:
    def change(document: dict[str, Any]) -> None:
        document["links"] = [{"rel": "child", "href": href}]

    edit(copy / "catalog" / "catalog.json", change)
    with pytest.raises(UnsafeInputError):
        open_catalog(copy, "s2_naip")


def test_a_link_of_the_file_system_does_not_lead_out_either(copy: Path, tmp_path: Path) -> None:
    task = json.loads(collection_of(copy).read_text())["geosr:task"]
    manifest = json.loads(collection_of(copy).read_text())["geosr:manifest_id"]
    store = copy / "cubes" / manifest / "train.zarr"
    outside = tmp_path / "outside.zarr"
    store.rename(outside)
    store.symlink_to(outside)
    with pytest.raises(UnsafeInputError, match="leads out"):
        open_catalog(copy, task)
    release = open_catalog(copy, task, allow_outside=True)
    assert release.splits["train"] == outside.resolve()


def test_other_hosts_are_refused_even_where_outside_is_allowed(copy: Path) -> None:
    edit(collection_of(copy), with_href("https://example.com/cube.zarr"))
    task = json.loads(collection_of(copy).read_text())["geosr:task"]
    with pytest.raises(UnsafeInputError, match="another host"):
        open_catalog(copy, task, allow_outside=True)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b'{"links": 3}',
        b'{"links": [3]}',
        b'{"x": NaN, "links": []}',
        b"[" * 200_000,
        b'{"x": ' + b"9" * 5000 + b"}",
        b"\xff\xfe",
        b'{"links": [{"rel": "child"}]}',
    ],
)
def test_odd_documents_are_refused_in_our_words(copy: Path, text: bytes) -> None:
    file = copy / "catalog" / "catalog.json"
    file.unlink()
    file.write_bytes(text)
    with pytest.raises(GeoSRError):
        open_catalog(copy, "s2_naip")


def test_long_documents_are_not_even_read(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "MAX_JSON_BYTES", 100)
    with pytest.raises(CorruptDataError, match="longer than 100 bytes"):
        open_catalog(copy, "s2_naip")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d.update(assets=[]), "no assets"),
        (lambda d: d["assets"].clear(), "no asset with geosr:split"),
        (lambda d: d.pop("geosr:scalings"), "geosr:scalings"),
        (lambda d: d["geosr:scalings"]["paper"].pop("lr"), "geosr:scalings"),
        (lambda d: d["assets"]["train"]["bands"].append({"name": "red"}), "no band of a cube"),
        (with_href("../../cubes"), "is not there"),
    ],
)
def test_broken_collections_are_refused(
    copy: Path, change: Callable[[dict[str, Any]], None], words: str
) -> None:
    task = json.loads(collection_of(copy).read_text())["geosr:task"]
    edit(collection_of(copy), change)
    with pytest.raises(CorruptDataError, match=words):
        open_catalog(copy, task)
