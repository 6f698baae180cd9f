"""One STAC API for all tests here, over real items of four collections."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from stac_server import Server, serving

FILES = (
    "landsat_colorado_more.ndjson.gz",
    "naip_alabama_florida_2011_2023.ndjson.gz",
    "modis_13q1_americas_2023.ndjson.gz",
)


def real_items(folder: Path) -> list[dict[str, Any]]:
    """Return the items of `FILES`, with a token planted in every place where one can be."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for name in FILES:
        with gzip.open(folder / "items" / name) as file:
            for line in file:
                item = json.loads(line)
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
