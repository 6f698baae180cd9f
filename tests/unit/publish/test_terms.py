"""How values are written."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from geosr_lake.publish import terms


@pytest.mark.parametrize(
    ("time", "text"),
    [
        (datetime(2021, 7, 1, 17, 40, tzinfo=UTC), "2021-07-01T17:40:00Z"),
        (datetime(2021, 7, 1, 17, 40, 0, 5, tzinfo=UTC), "2021-07-01T17:40:00.000005Z"),
        (datetime(2021, 7, 1, 1, tzinfo=timezone(timedelta(hours=2))), "2021-06-30T23:00:00Z"),
    ],
)
def test_instants(time: datetime, text: str) -> None:
    assert terms.instant(time) == text


@pytest.mark.parametrize(
    ("label", "href"),
    [
        (
            "earth_search/sentinel-2-l2a/S2A_1",
            "https://earth-search.aws.element84.com/v1/collections/sentinel-2-l2a/items/S2A_1",
        ),
        (
            "usgs/landsat-c2l2-sr/a/b",
            "https://landsatlook.usgs.gov/stac-server/collections/landsat-c2l2-sr/items/a%2Fb",
        ),
        ("unknown/ä/b", "urn:x-stac-item:unknown:%C3%A4:b"),
        ("odd", "urn:x-stac-item:odd::"),
        ("", "urn:x-stac-item:::"),
    ],
)
def test_item_addresses(label: str, href: str) -> None:
    assert terms.item_address(label) == href


def test_documents_refuse_what_is_no_json() -> None:
    assert terms.document({"a": [1.5, "é"]}) == '{\n  "a": [\n    1.5,\n    "é"\n  ]\n}\n'.encode()
    with pytest.raises(ValueError, match="JSON compliant"):
        terms.document({"a": float("nan")})
