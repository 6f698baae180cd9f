"""The spool: slices on their way from an API into the lake, each a whole folder or not there.

Pages are written under a name that begins with a dot; when the slice is complete, counted and on
disk, its folder gets its name. Whatever a killed run left under a dot is worth nothing; a folder
with its name is ingested by the next run. Nothing signed is ever written.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urljoin
from uuid import uuid4

import orjson

from geosr_lake.archives.record import MAX_DEPTH, too_deep
from geosr_lake.ids import digest
from geosr_lake.lake.place import Root
from geosr_lake.redact import without_secrets
from geosr_lake.scenes.slices import Slice

ITEMS, FACTS = "items.ndjson", "slice.json"


@dataclass(frozen=True)
class Spooled:
    """A slice that is complete.

    Attributes:
        slice: Which.
        folder: Where it lies.
        items: Items in it.
        pages: Pages that they came on.
        matched: Items that the API says there are; None where it does not say.
        faults: What was seen on the way.
        digest: SHA-256 of the items' file.
        fetched_at: When it was asked for.
    """

    slice: Slice
    folder: Path
    items: int
    pages: int
    matched: int | None
    faults: Mapping[str, int]
    digest: str
    fetched_at: datetime

    @property
    def file(self) -> Path:
        """The items, one a line."""
        return self.folder / ITEMS


def spool_of(root: Root) -> Path:
    """Return the spool of the lake at `root`: in its folder; of one in a bucket, on this machine.

    There it lies in the user's cache, by a name that is the lake's: the next run finds what a
    killed one had fetched. On another machine that is fetched again, and nothing is lost.
    """
    if isinstance(root, Path):
        return root / "spool"
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache, "geosr_lake", "spool", digest(root.identity))


class Draft:
    """A slice that is being written; `finish` or `discard` ends it."""

    def __init__(self, spool: Path, part: Slice) -> None:
        self._spool = spool
        self._slice = part
        self._folder = spool / f".{part.slice_id}.{uuid4().hex[:8]}"
        self._folder.mkdir(parents=True)
        self._file = (self._folder / ITEMS).open("wb")
        self._digest = hashlib.sha256()
        self._items = 0
        self.bytes = 0

    def add(self, items: Iterable[Mapping[str, Any]]) -> None:
        """Write items, unsigned and with absolute hrefs."""
        base = f"{self._slice.api}/collections/{self._slice.collection}/items/"
        for item in items:
            written = _stump(item) if too_deep(item) else _absolute(item, base)
            line = orjson.dumps(without_secrets(written)) + b"\n"
            self._file.write(line)
            self._digest.update(line)
            self._items += 1
            self.bytes += len(line)

    def finish(
        self,
        *,
        pages: int,
        matched: int | None,
        faults: Mapping[str, int],
        fetched_at: datetime,
    ) -> Spooled:
        """Give the slice its name; one of the same name makes room."""
        facts = {
            "api": self._slice.api,
            "collection": self._slice.collection,
            "day": self._slice.day.isoformat(),
            "area": self._slice.area,
            "items": self._items,
            "pages": pages,
            "matched": matched,
            "faults": dict(faults),
            "digest": self._digest.hexdigest(),
            "fetched_at": fetched_at.isoformat(),
        }
        with self._file as file:
            file.flush()
            os.fsync(file.fileno())
        with (self._folder / FACTS).open("w") as text:
            json.dump(facts, text)
            text.flush()
            os.fsync(text.fileno())
        folder = self._spool / self._slice.slice_id
        shutil.rmtree(folder, ignore_errors=True)
        self._folder.rename(folder)
        return _read(folder)

    def discard(self) -> None:
        """Remove what was written."""
        self._file.close()
        shutil.rmtree(self._folder, ignore_errors=True)


def _absolute(item: Mapping[str, Any], base: str) -> dict[str, Any]:
    """Return the item with the hrefs of its assets resolved: the lake is no place to start from."""
    assets = item.get("assets")
    if not isinstance(assets, dict):
        return dict(item)
    return {**item, "assets": {key: _resolved(asset, base) for key, asset in assets.items()}}


def _stump(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is kept of an item that is nested too deep to be written: that, and its names.

    It is read as what it was, so that the account of the slice holds and the item has its reason.
    """
    names = {key: item[key] for key in ("id", "collection") if isinstance(item.get(key), str)}
    deep: list[Any] = []
    for _ in range(MAX_DEPTH):
        deep = [deep]
    return {**names, "nested": deep}


def _resolved(asset: Any, base: str) -> Any:
    href = asset.get("href") if isinstance(asset, dict) else None
    if not isinstance(href, str) or href.startswith("/") or ":" in href.partition("/")[0]:
        return asset
    return {**asset, "href": urljoin(base, href)}


def complete(spool: Path) -> list[Spooled]:
    """Return the complete slices of the spool; remove what is not complete."""
    found = []
    for folder in sorted(spool.iterdir()) if spool.is_dir() else ():
        if folder.name.startswith("."):
            shutil.rmtree(folder, ignore_errors=True)
        elif (folder / FACTS).is_file():
            found.append(_read(folder))
    return found


def remove(spooled: Iterable[Spooled]) -> None:
    """Remove slices from the spool; the empty spool goes too."""
    folders = [one.folder for one in spooled]
    for folder in folders:
        # Out of sight first: half a folder must not be taken for a slice.
        gone = folder.with_name(f".{folder.name}.gone")
        folder.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)
    for spool in {folder.parent for folder in folders}:
        if not any(spool.iterdir()):
            spool.rmdir()


def _read(folder: Path) -> Spooled:
    facts = json.loads((folder / FACTS).read_text())
    return Spooled(
        slice=Slice(
            facts["api"], facts["collection"], date.fromisoformat(facts["day"]), facts["area"]
        ),
        folder=folder,
        items=facts["items"],
        pages=facts["pages"],
        matched=facts["matched"],
        faults=facts["faults"],
        digest=facts["digest"],
        fetched_at=datetime.fromisoformat(facts["fetched_at"]),
    )
