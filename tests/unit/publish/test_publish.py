"""The stage: what it writes, that it writes it once, and that a reader never sees half of it."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import table_rows
import zarr
from catalog_world import CatalogWorld, add_manifest, make_world
from deltalake import DeltaTable, write_deltalake
from manifest_world import recipe

from geosr_lake.errors import CorruptDataError, IncompleteError, UnsafeInputError, UsageError
from geosr_lake.lake import Lake
from geosr_lake.lake.tables import table_path
from geosr_lake.publish.collection import card
from geosr_lake.publish.publish import publish
from geosr_lake.publish.source import load_release
from geosr_lake.publish.validate import validate

SMALL = {"train": 2, "test": 1}


@pytest.fixture
def world(tmp_path: Path) -> CatalogWorld:
    """A lake of its own, with cubes of one small manifest."""
    return make_world(tmp_path / "lake", ("s2_naip",), samples=SMALL)


def state(folder: Path) -> dict[str, tuple[int, int]]:
    """Inode and modification time of every file."""
    return {
        str(path.relative_to(folder)): (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def digest(folder: Path) -> dict[str, str]:
    """SHA-256 of every file."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def runs(lake: Lake) -> list[dict[str, Any]]:
    lake.refresh()
    rows = [row for row in lake.arrow("runs").to_pylist() if row["stage"] == "publish publish"]
    return sorted(rows, key=lambda row: row["started_at"])


def test_what_is_published(catalog_world: CatalogWorld) -> None:
    root = json.loads(catalog_world.catalog.read_text())
    children = [link for link in root["links"] if link["rel"] == "child"]
    assert [child["geosr:task"] for child in children] == ["modis_landsat8", "s2_naip"]
    for child in children:
        folder = (catalog_world.catalog.parent / child["href"]).parent
        names = {path.name for path in folder.iterdir()}
        assert names == {
            *("collection.json", "README.md", "checksums.sha256", "geosr-extension.json"),
            *("items.parquet", "train", "val", "test"),
        }
        assert len(list(folder.glob("*/smp-*.json"))) == 6


def test_the_collection_describes_its_cubes(catalog_world: CatalogWorld) -> None:
    folder = next(catalog_world.catalog.parent.glob(catalog_world.manifest_ids["s2_naip"] + "-*"))
    collection = json.loads((folder / "collection.json").read_text())
    asset = collection["assets"]["test"]
    group = zarr.open_group(str(folder / asset["href"]), mode="r")
    assert asset["geosr:samples"] == int(group["valid"][...].sum()) == 2
    assert set(asset["cube:variables"]) == set(group.array_keys())
    for name, variable in asset["cube:variables"].items():
        sizes = [
            len(d["values"]) if "values" in d else d["extent"][1] + 1
            for d in (asset["cube:dimensions"][n] for n in variable["dimensions"])
        ]
        assert tuple(sizes) == group[name].shape
    assert asset["cube:variables"]["lr"]["data_type"] == "uint16"
    assert asset["type"] == "application/vnd.zarr; version=3"
    assert len(asset["bands"]) == 16
    assert asset["cube:dimensions"]["lr_band"]["values"] == list(group["lr_band"][...])
    assert collection["version"] == catalog_world.manifest_ids["s2_naip"]


def test_the_mirror_holds_the_items(catalog_world: CatalogWorld) -> None:
    from stac_geoparquet.arrow import stac_table_to_items

    folder = next(catalog_world.catalog.parent.glob(catalog_world.manifest_ids["s2_naip"] + "-*"))
    mirrored = {
        item["id"]: item for item in stac_table_to_items(pq.read_table(folder / "items.parquet"))
    }
    assert len(mirrored) == 6
    for file in folder.glob("*/smp-*.json"):
        item = json.loads(file.read_text())
        copy = mirrored[item["id"]]
        assert copy["bbox"] == pytest.approx(item["bbox"])
        for name in ("geosr:index", "geosr:split", "geosr:lr_dn_offset", "proj:transform"):
            assert copy["properties"][name] == item["properties"][name]


def test_the_checksums_are_those_of_the_files(catalog_world: CatalogWorld) -> None:
    for file in catalog_world.catalog.parent.glob("man-*/checksums.sha256"):
        done = subprocess.run(
            ["sha256sum", "--check", "--strict", file.name], cwd=file.parent, capture_output=True
        )
        assert done.returncode == 0
        listed = {(file.parent / line.split()[1]).resolve() for line in file.open()}
        manifest = file.parent.name.rsplit("-", 1)[0]
        pixels = ("lr", "hr", "lr_mask", "hr_mask", "lr_age_days")
        stores = catalog_world.lake.root.glob(f"cubes/{manifest}/*.zarr")
        found = {p for store in stores for name in pixels for p in (store / name / "c").rglob("*")}
        assert listed == {path.resolve() for path in found if path.is_file()}


def test_again_rewrites_no_byte_and_adds_one_run(world: CatalogWorld) -> None:
    first = publish(world.lake)
    before, commits = state(world.catalog.parent), world.lake.arrow("commits").num_rows
    again = publish(world.lake)
    assert first.changed
    assert not again.changed
    assert [r.folder for r in first.releases] == [r.folder for r in again.releases]
    assert state(world.catalog.parent) == before
    assert [row["counts"] for row in runs(world.lake)] == [
        [("collections", 1), ("items", 3), ("changed", 1)],
        [("collections", 1), ("items", 3), ("changed", 0)],
    ]
    assert world.lake.arrow("commits").num_rows == commits


def test_the_same_lake_gives_the_same_bytes(world: CatalogWorld, tmp_path: Path) -> None:
    publish(world.lake)
    other = tmp_path / "elsewhere" / "lake"
    shutil.copytree(world.lake.root, other)
    shutil.rmtree(other / "catalog")
    publish(Lake.open(other))
    assert digest(other / "catalog") == digest(world.catalog.parent)


def test_what_was_published_before_stays(world: CatalogWorld) -> None:
    publish(world.lake)
    before = digest(world.catalog.parent)
    add_manifest(world, "s2_naip", "man-b", samples=SMALL, seed=5)
    world.lake.refresh()
    summary = publish(world.lake, ["man-b"])
    assert [r.manifest_id for r in summary.releases] == ["man-b"]
    after = digest(world.catalog.parent)
    del before["catalog.json"]
    assert before.items() <= after.items()
    root = json.loads(world.catalog.read_text())
    ids = [link["geosr:manifest_id"] for link in root["links"] if link["rel"] == "child"]
    assert ids == ["man-000000000000000000000000", "man-b"]


def test_incomplete_manifests_are_left_out_and_named(world: CatalogWorld) -> None:
    add_manifest(world, "s2_naip", "man-b", samples=SMALL, complete=False)
    world.lake.refresh()
    summary = publish(world.lake)
    assert [r.manifest_id for r in summary.releases] == ["man-000000000000000000000000"]
    assert list(summary.incomplete) == ["man-b"]
    assert "not complete" in summary.incomplete["man-b"]
    with pytest.raises(IncompleteError, match="split train of man-b is not complete"):
        publish(world.lake, ["man-b"])
    assert [row["status"] for row in runs(world.lake)] == ["done", "failed"]


def test_nothing_to_publish(tmp_path: Path) -> None:
    lake = Lake.create(tmp_path / "lake")
    with pytest.raises(IncompleteError, match="nothing to publish"):
        publish(lake)
    assert not (lake.root / "catalog" / "catalog.json").exists()


@pytest.mark.parametrize(
    ("manifest", "error"),
    [("man-x", UsageError), ("../man-x", UnsafeInputError), ("/etc", UnsafeInputError)],
)
def test_no_such_manifest(world: CatalogWorld, manifest: str, error: type) -> None:
    with pytest.raises(error):
        publish(world.lake, [manifest])


def test_the_media_type_can_be_the_plain_one(world: CatalogWorld) -> None:
    versioned = publish(world.lake).releases[0].folder
    plain = publish(world.lake, zarr_type="plain").releases[0].folder
    assert plain != versioned
    folder = world.catalog.parent / plain
    text = "".join(file.read_text() for file in folder.rglob("*.json"))
    assert "version=3" not in text
    assert '"application/vnd.zarr"' in text
    root = json.loads(world.catalog.read_text())
    assert [link["href"] for link in root["links"] if link["rel"] == "child"] == [
        f"./{plain}/collection.json"
    ]
    with pytest.raises(UsageError, match="no media type"):
        publish(world.lake, zarr_type="zip")


@pytest.mark.parametrize("name", ["collection.json", "items.parquet", "train/catalog.json"])
def test_a_damaged_release_is_mended(world: CatalogWorld, name: str) -> None:
    folder = world.catalog.parent / publish(world.lake).releases[0].folder
    before = digest(world.catalog.parent)
    (folder / name).unlink()
    if name == "collection.json":
        (folder / name).write_text("{}")
    assert publish(world.lake).changed
    assert digest(world.catalog.parent) == before


def test_a_root_of_somebody_else_is_left_alone(world: CatalogWorld) -> None:
    world.catalog.parent.mkdir()
    world.catalog.write_text('{"links": [{"rel": "child", "href": "./x"}]}')
    with pytest.raises(CorruptDataError, match="not one that geosr wrote"):
        publish(world.lake)
    assert '"./x"' in world.catalog.read_text()


def test_tables_and_cubes_that_disagree_are_refused(world: CatalogWorld) -> None:
    (manifest_id,) = world.manifest_ids.values()
    path = str(table_path(world.lake.root, "samples"))
    rows = DeltaTable(path).to_pyarrow_table()
    index = [
        1 - i if split == "train" else i
        for split, i in zip(rows["split"].to_pylist(), rows["index"].to_pylist(), strict=True)
    ]
    place = rows.schema.get_field_index("index")
    swapped = rows.set_column(place, rows.schema.field(place), pa.array(index, pa.int32()))
    with world.lake.stage("cubes", "materialize"):
        write_deltalake(path, swapped, mode="overwrite")
    with pytest.raises(CorruptDataError, match="does not hold the sample"):
        load_release(world.lake, manifest_id)


KILL = """
import os, signal, sys
from pathlib import Path
from geosr_lake.lake import Lake
from geosr_lake.publish import publish as stage, swap

name, when, calls = sys.argv[2], int(sys.argv[3]), 0

def killing(function):
    def wrapped(*args, **kwargs):
        global calls
        calls += 1
        if calls == when:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **kwargs)
    return wrapped

where = stage if hasattr(stage, name) else swap if hasattr(swap, name) else Path
setattr(where, name, killing(getattr(where, name)))
stage.publish(Lake.open(sys.argv[1]))
"""
POINTS = [
    *(("write_bytes", 1), ("write_bytes", 5), ("write_mirror", 1)),
    *(("rename", 1), ("write_root", 1), ("replace", 1)),
]
"""Functions on whose n-th call the process is killed, in the order of the run."""


def publish_killed_at(root: Path, function: str, call: int) -> int:
    """Publish in a process that kills itself; return how it ended."""
    done = subprocess.run(
        [sys.executable, "-c", KILL, str(root), function, str(call)],
        capture_output=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])},
    )
    return done.returncode


@pytest.mark.fault
def test_killed_anywhere_a_reader_sees_the_old_catalog_or_the_new(world: CatalogWorld) -> None:
    publish(world.lake, zarr_type="plain")
    old = world.catalog.read_bytes()
    for function, call in POINTS:
        assert publish_killed_at(world.lake.root, function, call) == -signal.SIGKILL
        assert validate(world.catalog).problems == []
        assert world.catalog.read_bytes() == old  # the pointer is moved last
    publish(Lake.open(world.lake.root))
    summary = validate(world.catalog)
    assert summary.problems == []
    assert summary.documents["Feature"] == 3
    assert world.catalog.read_bytes() != old
    assert not list(world.catalog.parent.glob(".draft-*"))


@pytest.mark.parametrize(
    ("select", "says"),
    [
        ({}, "samples of two splits share none, but they can lie side by side."),
        ({"buffer_m": 1000}, "samples of two splits are at least 1,000 m apart."),
        ({"split": {"mode": "paper"}}, "neighbours can be in two of them."),
    ],
)
def test_the_card_says_how_splits_were_cut(
    world: CatalogWorld, select: dict[str, Any], says: str
) -> None:
    stored = recipe(**select).canonical()
    heads = world.lake.arrow("manifests").to_pylist()
    with world.lake.stage("manifest", "test"):
        table_rows.put(world.lake, "manifests", [row | {"recipe": stored} for row in heads])
    world.lake.refresh()
    text = card(load_release(world.lake, world.manifest_ids["s2_naip"]))
    assert says in text
    assert ("whole blocks of ground" in text) == ("split" not in select)
    assert "each in one split only" not in text
