"""Signatures, tokens and passwords leave links and texts; everything else stays."""

import json
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from geosr_lake.lake.contracts import contract
from geosr_lake.redact import (
    SECRET_PARAMETERS,
    SIGNED_HREF,
    redact,
    unsigned,
    without_secrets,
)

CANARY = "CANARY-7d1f"
AZURE = (
    "https://naipeuwest.blob.core.windows.net/naip/a.tif?st=2024-01-01T00%3A00%3A00Z&se=2024-01-02"
    f"&sp=rl&sv=2021-06-08&sr=c&skoid=1&sktid=2&skt=3&ske=4&sks=b&skv=5&sig={CANARY}%3D"
)
AMAZON = (
    "https://b.s3.amazonaws.com/k.tif?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=A%2F2024"
    f"&X-Amz-Date=1&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature={CANARY}"
)


def test_a_signed_link_becomes_the_plain_one() -> None:
    assert unsigned(AZURE) == "https://naipeuwest.blob.core.windows.net/naip/a.tif"
    assert unsigned(AMAZON) == "https://b.s3.amazonaws.com/k.tif"
    assert unsigned(f"relative/b.tif?sig={CANARY}") == "relative/b.tif"
    assert unsigned(f"https://me:{CANARY}@host/x.tif") == "https://host/x.tif"


@pytest.mark.parametrize("text", ["a1b2c3d4e5f6", "://", "a:", '"sig', "a.b-c_", "?sig=a&"])
def test_a_long_text_is_looked_through_once(text: str) -> None:
    """Of two million characters: looked through from each of them, this would take hours."""
    long = text * (2_000_000 // len(text))
    redact(long)
    unsigned(long)
    assert CANARY not in redact(f"{long} https://me:{CANARY}@host/x.tif")


@pytest.mark.parametrize(
    "href",
    [
        "https://host/data.json?collection=naip&item=x&assets=image&asset_bidx=image%7C1%2C2%2C3",
        "s3://usgs-landsat/collection02/a.TIF",
        "./GRANULE/B02.jp2",
        "/vsicurl/https://host/a.tif",
        "../x;y/a&b.tif",
        "https://host/a.tif?versionId=3",
    ],
)
def test_a_link_without_secrets_stays_as_it_is(href: str) -> None:
    assert unsigned(href) == href


def test_other_parameters_stay_in_order() -> None:
    signed = f"https://h/a.tif?b=2&sig={CANARY}&a=1&Signature=x#page=1&token={CANARY}"
    assert unsigned(signed) == "https://h/a.tif?b=2&a=1#page=1"


def test_what_only_looks_like_a_query_ends_before_the_secret() -> None:
    assert unsigned(f"https://h/a?x=1?sig={CANARY}") == "https://h/a?x=1"
    assert CANARY not in unsigned(f"https://[broken/a?sig={CANARY}")


def _gate(table: str = "items", name: str = "hrefs_unsigned") -> re.Pattern[str]:
    """The pattern of a constraint on links, which Java reads as Python does."""
    text = contract(table).constraints[name]
    found = re.search(r"RLIKE '(.*)'", text)
    assert found is not None
    return re.compile(found[1])


@pytest.mark.parametrize(
    ("table", "name"),
    [
        ("items", "hrefs_unsigned"),
        ("scenes", "hrefs_unsigned"),
        ("scenes", "other_hrefs_unsigned"),
    ],
)
def test_the_tables_gates_are_the_one_definition(table: str, name: str) -> None:
    """Who adds a parameter writes the pattern into both schemas and raises their versions."""
    assert _gate(table, name).pattern == SIGNED_HREF


def test_a_document_loses_its_secrets_wherever_they_are() -> None:
    item = {
        "id": "x",
        "properties": {"title": f"see https://h/a?sig={CANARY} there", "sp": "kept", "n": 3},
        "assets": {
            "a": {
                "href": AZURE,
                "alternate": {"s3": {"href": AMAZON}},
                "xarray:storage_options": {"account_name": "pc", "credential": CANARY},
                "table:storage_options": {"sas_token": CANARY, "account_key": CANARY},
                "msft:token": CANARY,
                "file:values": [{"href": f"rel/b.tif?token={CANARY}"}],
            }
        },
    }
    clean = without_secrets(item)
    assert CANARY not in json.dumps(clean)
    assert clean["properties"]["sp"] == "kept"
    assert clean["assets"]["a"]["href"] == unsigned(AZURE)
    assert clean["assets"]["a"]["xarray:storage_options"] == {"account_name": "pc"}
    assert clean["assets"]["a"]["file:values"] == [{"href": "rel/b.tif"}]
    assert without_secrets(clean) == clean


@given(
    st.lists(
        st.sampled_from(
            ["?", "&", ";", "#", "=", "%3D", "@", "/", "https://h/", "sig", "se", "a", "X-Amz-Date"]
        ),
        max_size=14,
    )
)
@example(["?", "a", "=", "?", "sig", "="])
def test_what_is_stored_always_passes_the_tables_gate(parts: list[str]) -> None:
    assert not _gate().search(unsigned("".join(parts)))


@pytest.mark.parametrize("name", sorted(SECRET_PARAMETERS))
def test_every_name_goes_in_every_spelling(name: str) -> None:
    for spelled in (name, name.upper(), name.title()):
        assert CANARY not in unsigned(f"https://h/a.tif?x=1&{spelled}={CANARY}")
        assert CANARY not in redact(f"GET https://h/a.tif?x=1&{spelled}={CANARY} failed")


@pytest.mark.parametrize(
    "text",
    [
        f"not recognized: {AZURE}",
        json.dumps({"href": AZURE}).replace("&", "\\u0026"),
        f"<a href='{AZURE.replace('&', '&amp;')}'>",
        json.dumps({"xarray:storage_options": {"account_name": "pc", "credential": CANARY}}),
        json.dumps({"token": CANARY, "sas_token": CANARY}),
        f"Authorization: Bearer {CANARY}-0123456789",
        f"curl https://user:{CANARY}@host/path",
        f"redirect=https%3A%2F%2Fh%2Fa%3Fsig%3D{CANARY}%26x%3D1",
        f"{{'api_key': '{CANARY}'}}",
    ],
)
def test_no_secret_survives_in_a_text(text: str) -> None:
    assert CANARY not in redact(text)


def test_a_text_without_secrets_stays_as_it_is() -> None:
    text = '{"id": "x", "created": "2024-01-01", "expires_on": 3, "description": "a token of love"}'
    assert redact(text) == text


@given(st.text(max_size=300))
def test_redacting_twice_is_redacting_once(text: str) -> None:
    assert redact(redact(text)) == redact(text)
