"""Puts a release in place: built in a folder of its own, then the root's pointer is swapped.

A release is a folder ``catalog/<manifest>-<hash of its content>`` that never changes once it has
its name. ``catalog/catalog.json`` names the release of each manifest and is replaced in one rename,
so that readers see the old catalog or the new one, and both have all their files.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from geosr_lake.errors import CorruptDataError
from geosr_lake.publish import terms

DRAFT = ".draft-"
_ROOT_ID = "geosr-lake"
_DESCRIPTION = (
    "Pairs of real satellite and aerial images of the same ground at two resolutions, for "
    "super-resolution and what it is good for downstream. One collection a task and manifest; its "
    "assets are Zarr v3 cubes, one a split."
)


def clear_drafts(catalog: Path) -> None:
    """Remove the drafts that a killed run left; the caller holds the stage's lock."""
    for draft in catalog.glob(f"{DRAFT}*"):
        if draft.is_dir():
            shutil.rmtree(draft)
        else:
            draft.unlink()


def is_whole(folder: Path, documents: Iterable[tuple[str, bytes]], others: Iterable[str]) -> bool:
    """Tell whether `folder` holds just these documents, and these other files."""
    try:
        same = all((folder / path).read_bytes() == content for path, content in documents)
    except FileNotFoundError:
        return False
    return same and all((folder / path).is_file() for path in others)


def draft_folder(catalog: Path, name: str) -> Path:
    """Make and return an empty folder to build the release `name` in."""
    draft = catalog / f"{DRAFT}{name}"
    draft.mkdir(parents=True)
    return draft


def write_documents(folder: Path, documents: Iterable[tuple[str, bytes]]) -> int:
    """Write the files of a release; return how many."""
    count = 0
    for path, content in documents:
        target = folder / path
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(content)
        count += 1
    return count


def place(draft: Path, folder: Path) -> None:
    """Give a built release its name; a damaged release of the same name makes way first."""
    if folder.exists():
        damaged = draft.with_name(f"{draft.name}-damaged")
        folder.rename(damaged)
        draft.rename(folder)
        shutil.rmtree(damaged)
    else:
        draft.rename(folder)


def child_link(folder: str, task: str, manifest_id: str, title: str) -> dict[str, Any]:
    """Return the root's link to a release."""
    return {
        **terms.link("child", f"./{folder}/collection.json", title=title),
        "geosr:task": task,
        "geosr:manifest_id": manifest_id,
    }


def published(catalog: Path) -> dict[str, dict[str, Any]]:
    """Return the root's links to releases, by manifest; none where nothing is published.

    Raises:
        CorruptDataError: If the root document is not one that this package wrote.
    """
    file = catalog / "catalog.json"
    try:
        root = json.loads(file.read_bytes())
        children = [entry for entry in root["links"] if entry["rel"] == "child"]
        return {entry["geosr:manifest_id"]: entry for entry in children}
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError) as error:
        raise CorruptDataError(
            "The root of the catalog is not one that geosr wrote",
            where=str(file),
            next_step="Move the file away and publish again.",
        ) from error


def write_root(catalog: Path, links: dict[str, dict[str, Any]]) -> bool:
    """Put the root document in place; return False if it already says the same."""
    ordered = sorted(links.values(), key=lambda e: (e["geosr:task"], e["geosr:manifest_id"]))
    content = terms.document(
        {
            "type": "Catalog",
            "stac_version": terms.STAC_VERSION,
            "stac_extensions": [terms.GEOSR],
            "id": _ROOT_ID,
            "title": "geosr_lake",
            "description": _DESCRIPTION,
            "links": [terms.link("root", "./catalog.json"), *ordered],
        }
    )
    file = catalog / "catalog.json"
    if file.is_file() and file.read_bytes() == content:
        return False
    draft = catalog / f"{DRAFT}catalog.json"
    with draft.open("wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    draft.replace(file)
    return True
