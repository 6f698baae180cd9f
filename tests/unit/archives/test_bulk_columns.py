"""What is done to whole columns against the same done to one value after the other."""

import hashlib
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from geosr_lake.archives.bulk import depth, shapes, texts, values
from geosr_lake.archives.item import MAX_HREF_CHARACTERS, absolute
from geosr_lake.archives.times import stamp
from geosr_lake.redact import unsigned

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(alphabet='[]{}"\\,: \n é', max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=20,
)


def deepest(value: Any) -> int:
    children = value.values() if isinstance(value, dict) else value
    if not isinstance(value, dict | list):
        return 0
    return 1 + max(map(deepest, children), default=0)


@settings(max_examples=100, deadline=None)
@given(st.lists(JSON, max_size=5), st.integers(0, 6), st.booleans())
def test_depth(docs: list[Any], limit: int, dense: bool) -> None:
    lines = [
        json.dumps(doc, separators=(",", ":") if dense else None, ensure_ascii=dense).encode()
        for doc in docs
    ]
    assert depth.within(lines, limit).tolist() == [deepest(doc) <= limit for doc in docs]


def test_depth_of_many_lines() -> None:
    lines = [b"[" * (i % 9) + b"1" + b"]" * (i % 9) for i in range(1000)]
    assert depth.within(lines, 5).tolist() == [i % 9 <= 5 for i in range(1000)]


HREFS = [
    *("https://h/a.tif", "s3://bucket/key", "/vsi/x", "http://h/ä", "", ".", "a/b", "c:\\x", None),
    *("https://h/a?sig=x", "https://h/a#b", "https://u:p@h/a", "https://h/a&b", "https://h/ a"),
    *("https://h/\x00", "https://h/\x7f", 'https://h/"', "urn:x;y", "1https://h/a", "a b:c"),
    *("https://h/" + "k" * (MAX_HREF_CHARACTERS - 10), "https://h/" + "k" * MAX_HREF_CHARACTERS),
]


def plain_hrefs(hrefs: list[str | None]) -> list[bool]:
    column = pa.array(["x", *hrefs], pa.string()).slice(1)
    return list(texts.is_plain_href(column).tolist())


def test_links_that_are_called_plain_stay_as_they_are() -> None:
    found = plain_hrefs(HREFS)
    # Alone, among plain ones, and among all: the answer is the same.
    assert found == [plain_hrefs([href])[0] for href in HREFS]
    assert found == [plain_hrefs(["https://h/x", href])[1] for href in HREFS]
    for href, plain in zip(HREFS, found, strict=True):
        if plain:
            assert href is not None
            assert absolute(unsigned(href), "/folder") == href
            assert len(href) <= MAX_HREF_CHARACTERS
            assert orjson.dumps(href).decode() == f'"{href}"'
    plain_ones = [href for href, plain in zip(HREFS, found, strict=True) if plain]
    assert plain_ones[:4] == ["https://h/a.tif", "s3://bucket/key", "/vsi/x", "http://h/ä"]
    assert len(plain_ones) == 6


@settings(max_examples=200, deadline=None)
@given(st.lists(st.none() | st.text(alphabet='aZ0_.- "\\\té', max_size=5), max_size=5))
def test_plain_texts_and_ids(found: list[str | None]) -> None:
    column = pa.array(found, pa.string())
    text = re.compile(r"[!#-\[\]-~](?:[ !#-\[\]-~]*[!#-\[\]-~])?")
    plain = texts.is_plain_text(column).tolist()
    # With a blank somewhere a text is looked at closely; without, as bytes.
    assert plain == [one is not None and bool(text.fullmatch(one)) for one in found]
    ids = texts.is_plain_id(column, 3).tolist()
    assert ids == [
        one is not None and bool(re.fullmatch("[A-Za-z0-9_.-]{1,3}", one)) for one in found
    ]


TIMES = st.datetimes(datetime(1972, 1, 1), datetime(2099, 12, 31)) | st.sampled_from(  # noqa: DTZ001
    [datetime(2024, 8, 3, 18, 0, 11), datetime(2000, 2, 29)]  # noqa: DTZ001
)


@settings(max_examples=200, deadline=None)
@given(st.lists(TIMES, max_size=5))
def test_times(times: list[datetime]) -> None:
    utc = [time.replace(tzinfo=UTC) for time in times]
    us = np.array([(time - EPOCH) // timedelta(microseconds=1) for time in utc], np.int64)
    assert texts.stamps(us).to_pylist() == [stamp(time) for time in utc]
    assert texts.iso_days(us).to_pylist() == [time.date().isoformat() for time in utc]
    assert texts.json_times(us).to_pylist() == [orjson.dumps(time).decode() for time in utc]
    written = pa.array([time.isoformat().replace("+00:00", "Z") for time in utc], pa.string())
    found, sound = values.parse_times(written)
    assert sound.all()
    assert found.tolist() == us.tolist()


def test_digests_of_texts() -> None:
    found = ["", "a", None, "é" * 5, "b"]
    expected = [None if one is None else hashlib.sha256(one.encode()).hexdigest() for one in found]
    assert texts.digests(pa.array(found)) == expected
    assert texts.digests(pa.array(["x", *found]).slice(1)) == expected
    assert texts.digests(pa.array([], pa.string())) == []


@pytest.mark.parametrize(
    ("kind", "found", "fits"),
    [
        (pa.string(), ["a", None, 1, b"x", True, ["a"]], [1, 1, 0, 0, 0, 0]),
        (
            pa.float64(),
            [1.5, 2, None, True, "3", 2**53, 2**53 + 1, 10**400],
            [1, 1, 1, 0, 0, 1, 0, 0],
        ),
        (pa.bool_(), [True, None, 0, "true"], [1, 1, 0, 0]),
        (
            pa.list_(pa.float64()),
            [[1, 2.5], [], None, [None], [True], ["1"], "12", {"a": 1}, [[1]]],
            [1, 1, 1, 0, 0, 0, 0, 0, 0],
        ),
    ],
)
def test_values_that_fit_a_column(kind: pa.DataType, found: list[Any], fits: list[int]) -> None:
    ok = np.ones(len(found), bool)
    column = values.of_python(found, kind, ok)
    assert ok.tolist() == [bool(fit) for fit in fits]
    assert column.type == kind
    expected = [value if fit else None for value, fit in zip(found, fits, strict=True)]
    assert column.to_pylist() == expected
    plain = [value for value, fit in zip(found, fits, strict=True) if fit]
    assert values.of_python(plain, kind, np.ones(len(plain), bool)).to_pylist() == plain


SQUARE = [[0, 0], [1, 0.5], [1, 1], [0, 1], [0, 0]]
HOLE = [[0.2, 0.3], [0.5, 0.6], [0.4, 0.7], [0.2, 0.3]]


@pytest.mark.parametrize(
    ("geometry", "plain"),
    [
        ({"type": "Polygon", "coordinates": [SQUARE]}, True),
        ({"type": "Polygon", "coordinates": [SQUARE, HOLE]}, True),
        ({"type": "Polygon", "coordinates": [SQUARE[:-1]]}, False),
        ({"type": "Polygon", "coordinates": [SQUARE[:2] + SQUARE[:1]]}, False),
        ({"type": "Polygon", "coordinates": [[[0, 0, 1], *SQUARE[1:]]]}, False),
        ({"type": "Polygon", "coordinates": [[[0, True], *SQUARE[1:-1], [0, True]]]}, False),
        ({"type": "Polygon", "coordinates": [[[0, 10**400], *SQUARE[1:-1], [0, 10**400]]]}, False),
        ({"type": "Polygon", "coordinates": [["00", "11", "10", "00"]]}, False),
        ({"type": "Polygon", "coordinates": SQUARE}, False),
        ({"type": "Polygon", "coordinates": []}, False),
        ({"type": "Polygon", "coordinates": None}, False),
        ({"type": "Polygon"}, False),
        ({"type": "MultiPolygon", "coordinates": [[SQUARE]]}, False),
        (None, False),
        ([], False),
        ("Polygon", False),
    ],
)
def test_rings(geometry: Any, plain: bool) -> None:
    good = {"type": "Polygon", "coordinates": [HOLE]}
    rings = shapes.Rings()
    for one in (good, geometry, good):
        rings.add(one)
    first, found, last = rings.polygons()
    assert first == last == shapely.geometry.shape(good)
    assert (found is not None) == plain
    assert not plain or found.equals_exact(shapely.geometry.shape(geometry))
