"""The known APIs and their oddities, and which URLs may be named."""

from datetime import date

import pytest

from geosr_lake.cli.live import wanted
from geosr_lake.errors import UsageError
from geosr_lake.net.apis import EARTH_SEARCH, KNOWN, PLANETARY_COMPUTER, api_of, day_interval


def test_planetary_computer() -> None:
    api = api_of("planetary-computer")
    assert api is PLANETARY_COMPUTER is api_of(f"{api.root}/")
    assert api.page_items <= 1000, "more is refused"
    assert api.by_id, "a full page may lack a next link"
    assert api.collections["modis"] == "modis-09A1-061"


def test_earth_search() -> None:
    api = api_of("earth-search")
    assert api is EARTH_SEARCH
    assert api.page_items <= 267, "longer answers break off at 6 MB"
    assert api.shrinks
    assert 403 in api.busy, "that is how it throttles"
    assert "modis" not in api.collections


@pytest.mark.parametrize("api", KNOWN.values())
def test_every_known_api_has_what_a_task_needs(api: object) -> None:
    assert isinstance(api, type(EARTH_SEARCH))
    assert api.root.startswith("https://")
    assert not api.root.endswith("/")
    assert {"sentinel2", "naip"} <= api.collections.keys()
    assert 0 < api.rate <= 10


def test_days_settle_by_sensor() -> None:
    assert PLANETARY_COMPUTER.settled_after_d("naip") == 730
    assert PLANETARY_COMPUTER.settled_after_d("landsat-c2-l2") == 30
    assert PLANETARY_COMPUTER.settled_after_d("modis-13Q1-061") == 60
    assert PLANETARY_COMPUTER.settled_after_d("else") == 30


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/stac",
        "http://localhost:8080",
        "http://10.0.0.1/stac",
        "ftp://127.0.0.1/",
        "https://me:secret@example.com/",
        "https://example.com/?token=secret",
        "planetary",
        "",
        "https://[broken",
        "file:///etc/passwd",
    ],
)
def test_what_is_not_asked(url: str) -> None:
    with pytest.raises(UsageError) as refused:
        api_of(url)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "url", ["https://example.com/stac/", "http://127.0.0.1:8080", "http://[::1]:80/stac"]
)
def test_what_may_be_named(url: str) -> None:
    api = api_of(url)
    assert api.root == url.rstrip("/")
    assert not api.by_id


def test_a_day_ends_with_its_last_microsecond() -> None:
    assert day_interval(date(2024, 2, 29)) == "2024-02-29T00:00:00Z/2024-02-29T23:59:59.999999Z"


@pytest.mark.parametrize(
    ("name", "landsat", "sentinel2"),
    [
        ("planetary-computer", "landsat-c2-l2", "sentinel-2-l2a"),
        ("earth-search", "landsat-c2-l2", "sentinel-2-c1-l2a"),
        ("https://example.com/stac", "landsat", "sentinel2"),
    ],
)
def test_a_sensor_stands_for_the_collection_of_a_known_api(
    name: str, landsat: str, sentinel2: str
) -> None:
    names = ["landsat", "sentinel2", "else"]
    asked = wanted(name, names, "2024-07-01", None, rate=None, workers=4, again=False)
    assert asked.collections == (landsat, sentinel2, "else")
