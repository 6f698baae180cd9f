"""Tokens planted in items wherever archives have been seen to put them, and the search for them."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow.parquet as pq

CANARY = "CANARY-7d1f4a2e"


def signed(item: dict[str, Any]) -> dict[str, Any]:
    """Return the item as an archive would serve it that signs all it gives."""
    assets = {}
    for key, asset in item["assets"].items():
        href = asset["href"]
        mark = "&" if "?" in href else "?"
        assets[key] = {
            **asset,
            "href": f"{href}{mark}st=2024-01-01&se=2024-01-02&sp=rl&sig={CANARY}%3D",
            "xarray:storage_options": {"account_name": "pc", "credential": CANARY},
            "table:storage_options": {"account_name": "pc", "credential": CANARY},
            "alternate": {"s3": {"href": f"s3://b/{key}?X-Amz-Signature={CANARY}"}},
            "msft:token": CANARY,
        }
    links = [
        *item.get("links", []),
        {"rel": "preview", "href": f"https://example.com/p?token={CANARY}"},
    ]
    return {**item, "assets": assets, "links": links}


def found_in(folder: Path) -> list[str]:
    """Return the files below `folder` that show the token, plain, quoted or in base64.

    Of Parquet files the values are looked at: on disk they are compressed.
    """
    forms = [
        CANARY.encode(), quote(CANARY, safe="").encode(), base64.b64encode(CANARY.encode())[:12],
    ]  # fmt: skip
    return [
        str(path.relative_to(folder))
        for path in sorted(folder.rglob("*"))
        if path.is_file() and any(form in text for text in _texts(path) for form in forms)
    ]


def _texts(path: Path) -> Iterator[bytes]:
    """Yield the bytes of a file, and of a Parquet file its rows as JSON, batch by batch."""
    yield path.read_bytes()
    if path.suffix == ".parquet":
        for batch in pq.ParquetFile(path).iter_batches(1_000):
            yield json.dumps(batch.to_pylist(), default=_shown).encode()


def _shown(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)
