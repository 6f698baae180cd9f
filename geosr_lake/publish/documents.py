"""All files of one release, as paths and bytes: a function of the release and nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

from geosr_lake.ids import ID_DIGITS, safe_segment
from geosr_lake.publish import terms
from geosr_lake.publish.collection import (
    UP,
    card,
    collection,
    collection_id,
    split_catalog,
)
from geosr_lake.publish.items import cube_asset, item
from geosr_lake.publish.source import Release
from geosr_lake.resources import resource_dir

SHA2_256 = "1220"
"""Multihash prefix: SHA2-256, 32 bytes."""
MIRROR = "items.parquet"


def items(release: Release, zarr_type: str) -> Iterator[dict[str, Any]]:
    """Yield the item of every sample, in the order of splits and cubes."""
    collection = collection_id(release)
    assets = {cube.split: cube_asset(cube, f"{UP}../", zarr_type) for cube in release.cubes}
    for sample in release.samples:
        yield item(release, sample, collection, assets[sample.split])


def documents(release: Release, zarr_type: str) -> Iterator[tuple[str, bytes]]:
    """Yield path and bytes of every file of a release but the mirror."""
    checksums = _checksums(release)
    digest = SHA2_256 + hashlib.sha256(checksums).hexdigest()
    yield "collection.json", terms.document(collection(release, zarr_type, digest))
    yield "README.md", card(release).encode()
    yield "checksums.sha256", checksums
    schema = resource_dir("catalog") / "extension" / "schema.json"
    yield "geosr-extension.json", schema.read_bytes()
    for cube in release.cubes:
        ids = [s.sample_id for s in release.samples if s.split == cube.split]
        content = split_catalog(release, cube.split, [safe_segment(name) for name in ids])
        yield f"{cube.split}/catalog.json", terms.document(content)
    for one, sample in zip(items(release, zarr_type), release.samples, strict=True):
        yield f"{sample.split}/{safe_segment(sample.sample_id)}.json", terms.document(one)


def content_digest(release: Release, zarr_type: str) -> str:
    """Return a hash of paths and bytes of all files but the mirror.

    The mirror follows from the items; its bytes depend on the writer's version too.
    """
    whole = hashlib.sha256()
    for path, content in documents(release, zarr_type):
        whole.update(f"{path}\0{hashlib.sha256(content).hexdigest()}\n".encode())
    return whole.hexdigest()[:ID_DIGITS]


def _checksums(release: Release) -> bytes:
    lines = [
        f"{sha256}  {UP}{cube.href}/{path}\n"
        for cube in release.cubes
        for path, sha256 in cube.checksums
    ]
    return "".join(lines).encode()
