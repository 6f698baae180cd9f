"""Items read in columns against the same items read one by one: equal to the last bit."""

import gzip
import json
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import stac_geoparquet.arrow
from stac_items import FOLDER, earth_search, landsat, modis, naip, sentinel2

from geosr_lake import archives
from geosr_lake.archives import normalise, normalise_texts
from geosr_lake.archives.bulk.dialects import FLAGS, NUMBERS, TEXTS
from geosr_lake.archives.bulk.normalise import plain_texts
from geosr_lake.archives.item import read_frame
from geosr_lake.archives.record import parse
from geosr_lake.scenes.reading import item_schema

SCHEMA = item_schema()


def reference(texts: list[bytes]) -> pa.RecordBatch:
    return normalise([parse(text) for text in texts], SCHEMA, folder=FOLDER)


def lines_of(path: Path) -> list[bytes]:
    if path.suffix == ".parquet":
        items = stac_geoparquet.arrow.stac_table_to_items(pq.read_table(path))
        return [orjson.dumps(item) for item in items]
    with gzip.open(path) as file:
        return [line.strip() for line in file]


REAL = {
    "naip_colorado_2019_2022.parquet": 10_000,
    "naip_alabama_florida_2011_2023.ndjson.gz": 1_000,
    "sentinel2_colorado_2024.parquet": 1_000,
    "landsat_colorado_100.parquet": 100,
    "landsat_colorado_more.ndjson.gz": 192,
    "modis_13q1_americas_2023.ndjson.gz": 425,
}
"""Files of plain items as archives serve them, and how many they hold: all go by columns."""


@pytest.mark.parametrize(("name", "count"), REAL.items())
def test_real_items_as_lines(real_data: Path, name: str, count: int) -> None:
    texts = lines_of(real_data / "items" / name)
    rows, numbers = plain_texts(texts, SCHEMA)
    assert numbers.tolist() == list(range(count))
    assert rows.equals(reference(texts))


def test_real_items_in_every_dialect(real_data: Path) -> None:
    texts = lines_of(real_data / "items" / "dialects.ndjson.gz")
    rows, numbers = plain_texts(texts, SCHEMA)
    everything = reference(texts)
    assert rows.equals(everything.take(pa.array(numbers)))
    # What is left: old STAC, links that name no archive, hrefs that start at the file.
    assert len(numbers) >= 168
    found = normalise_texts(texts, SCHEMA, folder=FOLDER)
    assert sorted(i for _, part in found for i in part) == list(range(len(texts)))


class Watched(dict[str, Any]):
    """Properties that remember what they were asked for."""

    asked: set[str]

    def get(self, key: str, default: Any = None) -> Any:
        self.asked.add(key)
        return super().get(key, default)


ITEMS = [
    *(naip(), landsat(), landsat(usgs=True), modis()),
    *(sentinel2(), earth_search(sentinel2(strip=None))),
]


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: item["id"])
def test_every_property_that_the_reference_reads_is_a_column(item: dict[str, Any]) -> None:
    frame = read_frame(item, FOLDER)
    watched = Watched(frame.properties)
    watched.asked = set()
    object.__setattr__(frame, "properties", watched)
    for dialect in (archives.landsat, archives.sentinel2, archives.modis, archives.naip):
        if dialect.recognises(frame):
            dialect.read(frame)
            break
    # Asked only of items that the columns leave to the reference.
    left = {"proj:wkt2", "mission"}
    assert watched.asked - left <= {*TEXTS, *NUMBERS, *FLAGS, "proj:transform"}


HUGE = b"1" + b"0" * 400


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"links": []', b'"links": [], "x": NaN'),
        (b'"links": []', b'"links": [], "x": -Infinity'),
        (b'"links": []', b'"links": [], "x": 1e999'),
        (b'"links": []', b'"links": [], "x": 1e-9'),
        (b'"links": []', b'"links": [], "x": ' + HUGE),
        (b'"links": []', b'"links": [], "x": "' + HUGE + b'"'),
        (b'"links": []', b'"links": [], "x": "\xff"'),
        (b'"links": []', b'"links": [], "x": "\\ud800"'),
        (b'"links": []', b'"links": [], "x": "\\"]]]]"'),
        (b'"links": []', b'"links": [], "x": ' + b"[" * 63 + b"]" * 63),
        (b'"links": []', b'"links": [], "x": ' + b"[" * 64 + b"]" * 64),
        (b'"links": []', b'"links": [], "links": []'),
        (b'"links": []', b'"links": [1]'),
        (b'"Polygon"', b'"MultiPolygon"'),
        (b'"Polygon"', b'"Point"'),
        (b'"type": "Feature"', b'"item": {}'),
        (b'"1.0.0"', b'"1.0.0-rc.1"'),
        (b'"1.0.0"', b'"1.1.0"'),
        (b"8.1", b"108.1"),
        (b"8.1", b"null"),
        (b"8.1", b'"8.1"'),
        (b".024Z", b".0240000001Z"),
        (b"-08-03T18", b"-02-30T18"),
        (b"/B02.tif", b"/B02.tif?sig=abc"),
        (b"/B02.tif", b"/B02\\u0000.tif"),
        (b"https://sentinel2l2a01", b"./sentinel2l2a01"),
        (b'"s2:mgrs_tile": "13TDE"', b'"s2:mgrs_tile": "13TDF"'),
        (b"sentinel-2-l2a", b" "),
        (b"40.5", b"4e1"),
        (b"40.5", b"140.5"),
    ],
)
def test_texts_that_the_parsers_see_differently(old: bytes, new: bytes) -> None:
    item = sentinel2()
    self_link = "https://planetarycomputer.microsoft.com/api/stac/v1/collections/sentinel-2-l2a"
    item["assets"]["x"] = {"href": "https://h/x"}
    item["properties"]["s2:generation_time"] = "2024-08-04T00:49:53.000000Z"
    plain = json.dumps(item).encode()
    linked = plain.replace(b'"links": []', b'"links": [{"rel": "self", "href": "%s"}]')
    linked = linked.replace(b"%s", self_link.encode())
    changed = plain.replace(old, new)
    assert changed != plain
    texts = [linked, changed, linked.replace(old, new), linked]
    found = normalise_texts(texts, SCHEMA, folder=FOLDER)
    rows = pa.Table.from_batches([batch for batch, _ in found])
    order = [i for _, numbers in found for i in numbers.tolist()]
    assert rows.equals(pa.Table.from_batches([reference(texts).take(pa.array(order))]))
    assert {0, 3} <= set(plain_texts(texts, SCHEMA)[1].tolist())


def test_too_many_assets_are_left_to_the_reference() -> None:
    item = naip()
    item["assets"] |= {f"a{n}": 1 for n in range(200)}
    text = json.dumps(item).encode()
    assert len(plain_texts([text], SCHEMA)[1]) == 0
    assert reference([text])["reason"].to_pylist() == ["too_many_assets"]


def test_withdrawn_items_are_left_to_the_reference() -> None:
    item = sentinel2()
    item["properties"]["s2:generation_time"] = "2024-08-04T00:49:53.000000Z"
    item["links"] = [{"rel": "self", "href": "https://planetarycomputer.microsoft.com/x"}]
    kept = orjson.dumps(item)
    item["properties"]["deprecated"] = True
    texts = [orjson.dumps(item), kept]
    assert plain_texts(texts, SCHEMA)[1].tolist() == [1]
    assert reference(texts)["outcome"].to_pylist() == ["withdrawn", "kept"]


@pytest.mark.parametrize("assets", [None, {}, {"B02": {}}, {"elsewhere": {"href": "https://h/x"}}])
def test_items_without_a_file(assets: Any) -> None:
    item = sentinel2() | {"assets": assets}
    item["properties"]["s2:generation_time"] = "2024-08-04T00:49:53.000000Z"
    item["links"] = [{"rel": "self", "href": "https://planetarycomputer.microsoft.com/x"}]
    ((rows, _),) = normalise_texts([orjson.dumps(item)], SCHEMA, folder=FOLDER)
    assert rows.equals(reference([orjson.dumps(item)]))


def test_nothing_offered() -> None:
    rows, numbers = plain_texts([], SCHEMA)
    assert (rows.num_rows, len(numbers)) == (0, 0)
    assert normalise_texts([], SCHEMA, folder=FOLDER) == []
