"""Where the data files that ship with the package are: `schemas/` and `catalog/`."""

import tempfile
import zipfile
from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).parent


def resource_dir(name: str) -> Path:
    """Return the folder `schemas` or `catalog`, in a wheel or in a source checkout."""
    if not _PACKAGE.is_dir():
        return _unpacked() / name
    installed = _PACKAGE / "_data" / name
    return installed if installed.is_dir() else _PACKAGE.parent / name


@cache
def _unpacked() -> Path:
    """Return the data of a package that is imported from a zip, as Spark ships it to its workers.

    They are laid into a folder for as long as the process lives.
    """
    folder = tempfile.TemporaryDirectory(prefix="geosr-data-")
    _KEPT.append(folder)
    with zipfile.ZipFile(_PACKAGE.parent) as archive:
        inside = f"{_PACKAGE.name}/_data/"
        archive.extractall(folder.name, [n for n in archive.namelist() if n.startswith(inside)])
    return Path(folder.name) / inside


_KEPT: "list[tempfile.TemporaryDirectory[str]]" = []
"""Folders that are removed when the process ends."""
