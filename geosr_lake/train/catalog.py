"""Opens a published catalog from its path alone, as something that strangers may have written.

Only three kinds of file are read: the root ``catalog.json``, the ``collection.json`` of the task,
and the Zarr store that an asset of it names. Each must lie below the root of the catalog's lake
(the folder that holds the catalog's own), whatever the hrefs say, unless the caller allows others.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from geosr_lake.errors import CorruptDataError, UnsafeInputError, UsageError

MAX_JSON_BYTES = 64 * 2**20
"""The collection of a million samples stays far below this: items are not in it."""

_BAND = re.compile(r"(lr|hr)\[(?:lr|hr)_band=([A-Za-z0-9_]+)\]")
_SPLIT = "geosr:split"


@dataclass(frozen=True, slots=True)
class BandInfo:
    """A band as the catalog describes it.

    Attributes:
        name: Its name along the cube's ``lr_band`` or ``hr_band``.
        wavelength_um: Centre wavelength, micrometres; None where the catalog gives none.
    """

    name: str
    wavelength_um: float | None


@dataclass(frozen=True, slots=True)
class SideScaling:
    """``value = (number + number offset of the sample) * scale + offset``.

    Attributes:
        scale: Factor.
        offset: Added after the factor.
        per_sample_offset: Whether the sample's number offset (``lr_dn_offset``) is added first.
    """

    scale: float
    offset: float
    per_sample_offset: bool


@dataclass(frozen=True, slots=True)
class TaskRelease:
    """One collection of a catalog: the splits of one SR task under one manifest.

    Attributes:
        collection_id: Its STAC id.
        task: SR task.
        manifest_id: Manifest.
        splits: Split -> the Zarr store, an existing folder.
        bands: ``lr`` and ``hr`` -> the bands in the order of the cube.
        scalings: Name (``reflectance``, ``paper``) -> side -> scaling.
    """

    collection_id: str
    task: str
    manifest_id: str
    splits: Mapping[str, Path]
    bands: Mapping[str, tuple[BandInfo, ...]]
    scalings: Mapping[str, Mapping[str, SideScaling]]

    def names(self, side: str) -> tuple[str, ...]:
        """Names of the bands of a side, in the order of the cube."""
        return tuple(band.name for band in self.bands[side])

    def nearest_lr_bands(self, hr_bands: tuple[str, ...], lr_bands: tuple[str, ...]) -> list[int]:
        """Return, for each HR band, the index in `lr_bands` of the nearest centre wavelength.

        Raises:
            UsageError: If the catalog gives no wavelengths.
        """
        lr = {b.name: b.wavelength_um for b in self.bands["lr"]}
        hr = {b.name: b.wavelength_um for b in self.bands["hr"]}
        nearest = []
        for name in hr_bands:
            target = hr[name]
            known = [
                (abs(wavelength - target), i)
                for i, wavelength in enumerate(lr[band] for band in lr_bands)
                if wavelength is not None and target is not None
            ]
            if not known:
                raise UsageError(f"The catalog gives no wavelengths to match the band {name} by")
            nearest.append(min(known)[1])
        return nearest


def catalog_file(path: str | Path) -> Path:
    """Return the ``catalog.json`` that `path` names: the file, its folder, or the lake's.

    Raises:
        UsageError: If there is none.
    """
    given = Path(path)
    for file in (given, given / "catalog.json", given / "catalog" / "catalog.json"):
        if file.is_file():
            return file.resolve()
    raise UsageError(
        "There is no catalog here",
        where=str(given),
        next_step="Name the catalog.json that `geosr catalog publish` wrote.",
    )


def open_catalog(
    path: str | Path, task: str, *, manifest_id: str | None = None, allow_outside: bool = False
) -> TaskRelease:
    """Return what the catalog at `path` publishes for `task`.

    Args:
        path: ``catalog.json``, its folder, or the folder of the lake.
        task: ``modis_landsat8`` or ``s2_naip``.
        manifest_id: Needed where the catalog publishes several manifests of the task.
        allow_outside: Read stores outside the catalog's lake as well.

    Raises:
        UsageError: If there is no such catalog, task or manifest, or more than one fits.
        UnsafeInputError: If an href leads out of the lake, or to another host.
        CorruptDataError: If a document is not what it must be.
    """
    file = catalog_file(path)
    root = None if allow_outside else file.parent.parent
    found = []
    for link in _list_of_dicts(_read(file), "links", file):
        if link.get("rel") != "child":
            continue
        document = _inside(file.parent, link.get("href"), root, "child link")
        collection = _read(document)
        if collection.get("geosr:task") == task:
            found.append((document, collection))
    if manifest_id is not None:
        found = [(d, c) for d, c in found if c.get("geosr:manifest_id") == manifest_id]
    if not found:
        raise UsageError(
            f"The catalog publishes nothing for {task}"
            + (f" under {manifest_id}" if manifest_id else ""),
            where=str(file),
            next_step="See its child links for what there is.",
        )
    if len(found) > 1:
        known = ", ".join(sorted(str(c.get("geosr:manifest_id")) for _, c in found))
        raise UsageError(
            f"The catalog publishes several manifests for {task}: {known}",
            where=str(file),
            next_step="Name one of them (--manifest).",
        )
    return _release(*found[0], root)


def _release(document: Path, collection: Mapping[str, Any], root: Path | None) -> TaskRelease:
    splits: dict[str, Path] = {}
    bands: dict[str, tuple[BandInfo, ...]] = {}
    assets = collection.get("assets")
    if not isinstance(assets, dict):
        _corrupt("The collection has no assets", document)
    for asset in assets.values():
        if not isinstance(asset, dict) or not isinstance(asset.get(_SPLIT), str):
            continue
        store = _inside(document.parent, asset.get("href"), root, "asset")
        if not (store / "zarr.json").is_file():
            _corrupt(f"The store of the split {asset[_SPLIT]} is not there", store)
        splits[asset[_SPLIT]] = store
        bands = _bands(_list_of_dicts(asset, "bands", document), document)
    if not splits:
        _corrupt("The collection has no asset with geosr:split", document)
    return TaskRelease(
        collection_id=str(collection.get("id")),
        task=str(collection["geosr:task"]),
        manifest_id=str(collection.get("geosr:manifest_id")),
        splits=splits,
        bands=bands,
        scalings=_scalings(collection.get("geosr:scalings"), document),
    )


def _bands(entries: list[dict[str, Any]], document: Path) -> dict[str, tuple[BandInfo, ...]]:
    sides: dict[str, list[BandInfo]] = {"lr": [], "hr": []}
    for entry in entries:
        matched = _BAND.fullmatch(str(entry.get("name")))
        if matched is None:
            _corrupt(f"{str(entry.get('name'))[:80]!r} names no band of a cube", document)
        wavelength = entry.get("eo:center_wavelength")
        known = float(wavelength) if isinstance(wavelength, int | float) else None
        sides[matched[1]].append(BandInfo(matched[2], known))
    return {side: tuple(found) for side, found in sides.items()}


def _scalings(value: Any, document: Path) -> dict[str, dict[str, SideScaling]]:
    try:
        return {
            str(name): {
                side: SideScaling(
                    scale=float(entry[side]["scale"]),
                    offset=float(entry[side]["offset"]),
                    per_sample_offset=bool(entry[side].get("per_sample_offset", False)),
                )
                for side in ("lr", "hr")
            }
            for name, entry in value.items()
        }
    except (AttributeError, KeyError, TypeError, ValueError):
        _corrupt("geosr:scalings is not as the extension has it", document)


def _inside(folder: Path, href: Any, root: Path | None, what: str) -> Path:
    """Return the local path of an href; `root` None allows any, else it must lie below.

    Raises:
        UnsafeInputError: If it is no path, is absolute or has a scheme, or leads out of `root`,
            through links of the file system too.
    """
    if not isinstance(href, str) or not href or "\0" in href:
        raise UnsafeInputError(f"A {what} has no href", where=str(folder))
    if "://" in href or href.startswith(("file:", "//")):
        raise UnsafeInputError(
            f"A {what} leads to another host or scheme: {href[:120]!r}",
            where=str(folder),
            next_step="Copy the data beside the catalog and open that.",
        )
    target = Path(folder, href).resolve()
    if root is not None and (Path(href).is_absolute() or not target.is_relative_to(root)):
        raise UnsafeInputError(
            f"A {what} leads out of the catalog's lake: {href[:120]!r}",
            where=str(folder),
            next_step="If you trust this catalog, allow stores outside of it.",
        )
    return target


def _read(file: Path) -> dict[str, Any]:
    """Read one JSON document of bounded size.

    Raises:
        CorruptDataError: If it is absent, too long, too deep, or no JSON object.
    """
    try:
        if file.stat().st_size > MAX_JSON_BYTES:
            _corrupt(f"The document is longer than {MAX_JSON_BYTES} bytes", file)
        document = json.loads(file.read_bytes(), parse_constant=_refuse_constant)
    except (OSError, ValueError, RecursionError) as error:
        raise CorruptDataError("The document cannot be read", where=str(file)) from error
    if not isinstance(document, dict):
        _corrupt("The document is no JSON object", file)
    return document


def _list_of_dicts(document: Mapping[str, Any], key: str, file: Path) -> list[dict[str, Any]]:
    value = document.get(key)
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        _corrupt(f"{key} is no list of objects", file)
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _corrupt(what: str, where: Path) -> NoReturn:
    raise CorruptDataError(what, where=str(where))
