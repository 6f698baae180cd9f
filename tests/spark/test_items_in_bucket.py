"""Files of items in a bucket: the command in a process of its own, whose workers fetch ranges."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from object_store import BUCKET, object_store
from stac_items import landsat, naip, write_lines

from geosr_lake.lake import Lake
from geosr_lake.scenes.ingest import ingest

pytestmark = [pytest.mark.spark, pytest.mark.slow]


@pytest.mark.parametrize("options", [[], ["--spark"]])
def test_the_same_scenes_as_from_a_folder(lake: Lake, tmp_path: Path, options: list[str]) -> None:
    import obstore
    from obstore.store import S3Store

    items = [naip(quarter=quarter) for quarter in ("nw", "ne", "sw", "se")]
    write_lines(tmp_path / "in" / "a.ndjson", items)
    write_lines(tmp_path / "in" / "deep" / "b.ndjson.gz", [landsat(), items[0]])
    expected = ingest(lake, [tmp_path / "in"])
    other = tmp_path / "other"
    with object_store() as environment:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            store = S3Store(BUCKET, region=environment["AWS_REGION"])
            for path in (tmp_path / "in").rglob("*.ndjson*"):
                key = f"items/{path.relative_to(tmp_path / 'in')}"
                obstore.put(store, key, path.read_bytes())
        words = [
            "scenes",
            "ingest",
            f"s3://{BUCKET}/items",
            "--lake",
            str(other),
            "--json",
            *options,
        ]
        done = subprocess.run(
            [sys.executable, "-m", "geosr_lake", *words],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
        )
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert [f["path"] for f in summary["files"]] == [
        f"s3://{BUCKET}/items/a.ndjson",
        f"s3://{BUCKET}/items/deep/b.ndjson.gz",
    ]
    assert (summary["read"], summary["scenes"]) == (expected.read, expected.scenes) == (6, 5)
    ids = [Lake.open(at).arrow("scenes")["scene_id"].to_pylist() for at in (lake.root, other)]
    assert sorted(ids[0]) == sorted(ids[1])
