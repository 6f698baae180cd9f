"""Checks a published catalog: its documents against the schemas, and its promises against the data.

Nothing is fetched. The core schemas come with pystac; those of extensions are read from a folder,
and what is not there is named as unchecked. The schema of the ``geosr:`` fields is the package's.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import zarr

from geosr_lake.errors import EnvironmentProblemError, UsageError
from geosr_lake.publish import terms
from geosr_lake.publish.documents import MIRROR
from geosr_lake.publish.mirror import mirrored_ids
from geosr_lake.resources import resource_dir

MAX_PROBLEMS = 1000
"""More are counted, not told."""


_CORE = {
    kind: f"https://schemas.stacspec.org/v{terms.STAC_VERSION}/{folder}/json-schema/{name}.json"
    for kind, folder, name in (
        ("Catalog", "catalog-spec", "catalog"),
        ("Collection", "collection-spec", "collection"),
        ("Feature", "item-spec", "item"),
    )
}
"""Type of a document -> the core schema, which pystac carries."""


@dataclass(frozen=True)
class ValidateSummary:
    """What was looked at.

    Attributes:
        catalog: The root document.
        documents: STAC documents by type.
        problems: What is wrong, one sentence each, the document first.
        unchecked: Extensions whose schema was not at hand -> how many documents declare it.
    """

    catalog: str
    documents: dict[str, int]
    problems: list[str]
    unchecked: dict[str, int]


@dataclass
class _Findings:
    documents: Counter[str] = field(default_factory=Counter)
    unchecked: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def wrong(self, file: Path, what: str) -> None:
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(f"{file}: {' '.join(what.split())}")


def validate(catalog: Path, schemas: Path | None = None) -> ValidateSummary:
    """Check the catalog whose root document is `catalog`.

    Args:
        catalog: ``catalog.json``.
        schemas: Folder of extensions' schemas, ``*.json`` with their ``$id``.

    Raises:
        UsageError: If there is no catalog.
        EnvironmentProblemError: If jsonschema is not installed.
    """
    if not catalog.is_file():
        raise UsageError(
            "There is no catalog here",
            where=str(catalog),
            next_step="Run `geosr catalog publish`.",
        )
    known = _load_schemas(schemas)
    found = _Findings()
    for file, document in _walk(catalog, found):
        _check_schemas(known, file, document, found)
        _check_links(file, document, found)
        if document.get("type") == "Collection":
            _check_collection(file, document, found)
    return ValidateSummary(
        str(catalog), dict(found.documents), found.problems, dict(found.unchecked)
    )


def _walk(root: Path, found: _Findings) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield every document that child and item links lead to, each once."""
    waiting, seen = [root.absolute()], {root.absolute()}
    while waiting:
        file = waiting.pop()
        try:
            document = json.loads(file.read_bytes())
        except (OSError, ValueError) as error:
            found.wrong(file, f"it cannot be read ({type(error).__name__})")
            continue
        found.documents[str(document.get("type"))] += 1
        yield file, document
        for link in document.get("links", []):
            if link.get("rel") in ("child", "item"):
                target = Path(file.parent, link["href"]).resolve()
                if target not in seen:
                    seen.add(target)
                    waiting.append(target)


class _Schemas:
    """Every schema at hand, compiled on first use; a reference to any other is an error."""

    def __init__(self, folder: Path | None) -> None:
        from pystac.validation.local_validator import get_local_schema_cache
        from referencing import Registry, Resource

        self._by_uri = get_local_schema_cache()
        files = [resource_dir("catalog") / "extension" / "schema.json"]
        if folder is not None:
            files += sorted(folder.glob("*.json"))
        for file in files:
            schema = json.loads(file.read_bytes())
            self._by_uri[str(schema["$id"]).removesuffix("#")] = schema
        # Without a `retrieve` the registry knows what it is given and fetches nothing.
        self._registry = Registry().with_resources(
            [(uri, Resource.from_contents(schema)) for uri, schema in self._by_uri.items()]
        )
        self._compiled: dict[str, Any] = {}

    def __contains__(self, uri: str) -> bool:
        return uri in self._by_uri

    def problem(self, uri: str, document: dict[str, Any]) -> str | None:
        """Return what is wrong with `document` under the schema `uri`, the best guess of all."""
        from jsonschema.exceptions import best_match
        from jsonschema.validators import validator_for
        from referencing.exceptions import Unresolvable

        if uri not in self._compiled:
            schema = self._by_uri[uri]
            self._compiled[uri] = validator_for(schema)(schema, registry=self._registry)
        try:
            error = best_match(self._compiled[uri].iter_errors(document))
        except Unresolvable as missing:
            return f"{uri} leads to a schema that is not at hand: {missing.ref}"
        if error is None:
            return None
        where = "/".join(str(step) for step in error.absolute_path)
        return f"{where or 'the document'} does not fit {uri}: {error.message[:300]}"


def _load_schemas(folder: Path | None) -> _Schemas:
    try:
        return _Schemas(folder)
    except ImportError as error:
        raise EnvironmentProblemError(
            "Checking documents needs the package jsonschema",
            next_step="Run `pip install 'pystac[validation]'`.",
        ) from error


def _check_schemas(
    schemas: _Schemas, file: Path, document: dict[str, Any], found: _Findings
) -> None:
    core = _CORE.get(str(document.get("type")))
    if core is None:
        found.wrong(file, f"its type is {document.get('type')!r}")
        return
    for uri in (core, *document.get("stac_extensions", [])):
        if uri not in schemas:
            found.unchecked[uri] += 1
        elif (problem := schemas.problem(uri, document)) is not None:
            found.wrong(file, problem)


def _check_links(file: Path, document: Mapping[str, Any], found: _Findings) -> None:
    """Every local href exists, is relative, and names no host; only those of sources may."""
    hrefs = [(str(link.get("rel")), str(link.get("href"))) for link in document.get("links", [])]
    assets = document.get("assets", {})
    hrefs += [(f"asset {name}", str(asset.get("href"))) for name, asset in assets.items()]
    for what, href in hrefs:
        outside = bool(urlsplit(href).scheme)
        if outside and what in ("derived_from", "license"):
            continue
        if outside or href.startswith("/"):
            found.wrong(file, f"the href of {what} is not relative: {href[:120]}")
        elif not Path(file.parent, href).exists():
            found.wrong(file, f"the href of {what} leads nowhere: {href[:120]}")


def _check_collection(file: Path, document: Mapping[str, Any], found: _Findings) -> None:
    """The items, the cubes and the mirror hold the same samples, within the extents."""
    listed: list[str] = []
    for asset in document.get("assets", {}).values():
        split = asset.get("geosr:split")
        if split is None:
            continue
        items = _items_of(file.parent / split)
        listed += [str(item["id"]) for item in items]
        store = Path(file.parent, asset["href"])
        if store.is_dir():
            _check_split(file, asset, items, store, found)
        for item in items:
            _check_extent(file, document, item, found)
    mirror = file.parent / MIRROR
    if mirror.is_file() and mirrored_ids(mirror) != listed:
        found.wrong(file, "the mirror does not list the items in their order")


def _items_of(folder: Path) -> list[dict[str, Any]]:
    """Return the items that the catalog of a split links, in its order; unreadable ones not."""
    try:
        links = json.loads((folder / "catalog.json").read_bytes())["links"]
        names = [link["href"] for link in links if link["rel"] == "item"]
        return [json.loads((folder / name).read_bytes()) for name in names]
    except (OSError, ValueError, KeyError):
        return []  # already told by the walk


def _check_split(
    file: Path,
    asset: Mapping[str, Any],
    items: list[dict[str, Any]],
    store: Path,
    found: _Findings,
) -> None:
    group = zarr.open_group(str(store), mode="r", use_consolidated=False)
    ids = np.asarray(group["sample_id"][...])  # type: ignore[index]
    valid = np.asarray(group["valid"][...], dtype=bool)  # type: ignore[index]
    in_cube = {int(slot): str(ids[slot]) for slot in np.flatnonzero(valid)}
    in_items = {int(item["properties"]["geosr:index"]): str(item["id"]) for item in items}
    split = asset["geosr:split"]
    if in_cube != in_items:
        found.wrong(file, f"items and cube of the split {split} hold different samples")
    if asset.get("geosr:samples") != len(in_cube):
        found.wrong(file, f"geosr:samples of the split {split} is not {len(in_cube)}")
    size = sum(part.stat().st_size for part in store.rglob("*") if part.is_file())
    if asset.get("file:size") != size:
        found.wrong(file, f"file:size of the split {split} is not {size}")


def _check_extent(
    file: Path, document: Mapping[str, Any], item: Mapping[str, Any], found: _Findings
) -> None:
    west, south, east, north = document["extent"]["spatial"]["bbox"][0]
    box = item["bbox"]
    # Over the antimeridian a bbox has west > east and the collection's spans the globe.
    inside = south <= box[1] <= box[3] <= north and west <= min(box[0], box[2])
    if not (inside and max(box[0], box[2]) <= east):
        found.wrong(file, f"the item {item['id']} lies outside the spatial extent")
    start, end = document["extent"]["temporal"]["interval"][0]
    times = item["properties"]
    if not start <= times["start_datetime"] <= times["end_datetime"] <= end:
        found.wrong(file, f"the item {item['id']} lies outside the temporal extent")
