"""Files of items in a bucket, a real store on loopback; the same files on disk are the oracle."""

import gzip
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from object_store import BUCKET, object_store
from stac_items import naip

from geosr_lake.archives import find_files, first_records, plan_units, read_unit, sources, survey
from geosr_lake.archives.files import is_pattern, is_url, matching
from geosr_lake.errors import UsageError

BOX = [-102.131, 40.995, -102.055, 41.067]
ITEMS = [{**naip(quarter=quarter), "bbox": BOX} for quarter in ("nw", "ne", "sw", "se")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from stac_geoparquet.arrow import parse_stac_items_to_arrow, to_parquet

    root = tmp_path_factory.mktemp("items")
    text = b"\n".join(json.dumps(item).encode() for item in ITEMS)
    page = json.dumps({"type": "FeatureCollection", "features": ITEMS}).encode()
    files = {
        "a.ndjson": text,
        "deep/b.ndjson.gz": gzip.compress(text),
        "deep/er/c.json": page,
        "deep/readme.txt": b"no items",
        "_unfinished/d.ndjson": text,
        ".hidden.ndjson": text,
        "table/_delta_log/0.json": b"{}",
        "table/part.json": page,
    }
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    to_parquet(parse_stac_items_to_arrow(ITEMS), root / "deep" / "d.parquet")
    return root


@pytest.fixture(scope="module")
def bucket(folder: Path) -> Iterator[str]:
    """The same files in a bucket, below a prefix."""
    import obstore
    from obstore.store import S3Store

    with object_store() as env, pytest.MonkeyPatch.context() as patch:
        for name, value in env.items():
            patch.setenv(name, value)
        store = S3Store(BUCKET, region=os.environ["AWS_REGION"])
        for path in folder.rglob("*"):
            if path.is_file():
                obstore.put(store, f"in/{path.relative_to(folder)}", path.read_bytes())
        yield f"s3://{BUCKET}/in"


def ids(*sources: str) -> list[str]:
    units = plan_units(find_files(sources))
    return [record.doc["id"] for unit in units for record in read_unit(unit)]


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/a.ndjson",
        "/deep",
        "/deep/d.parquet",
        "/*.ndjson",
        "/**/*.gz",
        "/d*/e?/c.*",
        "/*",
        "/**",
        "/d*",
        "/**/e?",
        "/de??/*",
    ],
)
@pytest.mark.parametrize("unit_bytes", [700, sources.UNIT_BYTES])
def test_a_bucket_reads_like_a_folder(
    folder: Path, bucket: str, name: str, unit_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "UNIT_BYTES", unit_bytes)
    here, there = find_files([f"{folder}{name}"]), find_files([f"{bucket}{name}"])
    assert [path.removeprefix(str(folder)) for path in here] == [
        path.removeprefix(bucket) for path in there
    ]
    assert ids(*here) == ids(*there) != []
    assert [survey(path).items for path in here] == [survey(path).items for path in there]
    assert [survey(path).bytes for path in here] == [survey(path).bytes for path in there]
    for one, other in zip(plan_units(here), plan_units(there), strict=True):
        assert (one.start, one.stop) == (other.start, other.stop)
        assert one.folder.removeprefix(str(folder)) == other.folder.removeprefix(bucket)


def test_a_lake_in_the_bucket_is_passed_over(bucket: str) -> None:
    found = find_files([bucket], but=f"{bucket}/deep")
    assert found == [f"{bucket}/a.ndjson"]


@pytest.mark.parametrize("name", ["/missing", "/deep/readme.txt", "/x*.ndjson", "/_unfinished/*"])
def test_what_is_not_there_is_refused_in_words(folder: Path, bucket: str, name: str) -> None:
    for source in (f"{folder}{name}", f"{bucket}{name}"):
        if name.startswith("/_"):  # asked for by name
            assert len(find_files([source])) == 1
            continue
        with pytest.raises(UsageError) as caught:
            find_files([source])
        assert caught.value.where == source


@pytest.mark.parametrize("most", [1, 3, 4, 5, 9, 1000])
@pytest.mark.parametrize("unit_bytes", [700, sources.UNIT_BYTES])
def test_the_first_records(
    folder: Path, most: int, unit_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "UNIT_BYTES", unit_bytes)
    units = plan_units(find_files([str(folder)]))
    whole = [record.doc["id"] for unit in units for record in read_unit(unit)]
    first = [r.doc["id"] for unit in first_records(units, most) for r in read_unit(unit)]
    assert first == whole[:most]


def test_names() -> None:
    assert is_url("s3://b/x.json")
    assert not is_url("https://h/x.json")
    assert is_pattern("a/*.json")
    assert not is_pattern("a/b.json")
    assert matching("nothing-*.json") == []
