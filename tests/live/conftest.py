"""One STAC API for all tests here, over real items of four collections."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from stac_server import Server, serving

SENTINEL2 = "sentinel2_colorado_2024.parquet"
FILES = (
    "landsat_colorado_more.ndjson.gz",
    "naip_alabama_florida_2011_2023.ndjson.gz",
    "modis_13q1_americas_2023.ndjson.gz",
)


def real_items(folder: Path) -> list[dict[str, Any]]:
    """Return the items of `FILES` and `SENTINEL2`, each once."""
    from stac_geoparquet.arrow import stac_table_to_items

    found: dict[tuple[str, str], dict[str, Any]] = {}
    for name in FILES:
        with gzip.open(folder / "items" / name) as file:
            for line in file:
                item = json.loads(line)
                found.setdefault((item["collection"], item["id"]), item)
    for item in stac_table_to_items(pq.read_table(folder / "items" / SENTINEL2)):
        found.setdefault((item["collection"], item["id"]), item)
    return list(found.values())


@pytest.fixture(scope="session")
def server(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The API; pages say `numberMatched` unless a test turns that off."""
    from canary import signed

    items = [signed(item) for item in real_items(real_data)]
    with serving(tmp_path_factory.mktemp("stac"), items) as running:
        running.count(on=True)
        yield running
