"""The file system that GDAL sees instead of the machine's: the files that were named, no others."""

import io
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from geosr_lake.net.gdal_env import load_rasterio


class OneFile(NamedTuple):
    """A file that GDAL may open.

    Attributes:
        open: Opens it, from its start.
        size: Its length, bytes.
    """

    open: Callable[[], io.IOBase]
    size: int


def on_disk(path: Path) -> OneFile:
    """Return a file of this machine. A link is not followed: the policy has resolved them all."""

    def opened() -> io.IOBase:
        return os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb")

    return OneFile(opened, path.lstat().st_size)


class GdalFiles:
    """Files by the names under which GDAL may open them, as the `opener` of `rasterio.open`.

    GDAL neither prints nor follows where they lie, and finds no siblings.
    """

    def __init__(self, files: dict[str, OneFile]) -> None:
        self._files = files
        _register()

    def open(self, path: str, mode: str = "rb", **_: Any) -> io.IOBase:
        """Open a file; any other one is empty, since rasterio loses exceptions from here."""
        if path not in self._files or mode not in ("r", "rb"):
            return io.BytesIO()
        return self._files[path].open()

    def isfile(self, path: str) -> bool:
        """Tell whether this is one of the files."""
        return path in self._files

    def isdir(self, _: str) -> bool:
        """There are no folders."""
        return False

    def ls(self, _: str) -> list[str]:
        """List nothing: GDAL looks for no siblings."""
        return []

    def mtime(self, _: str) -> int:
        """Tell no time: nothing is compared with it."""
        return 0

    def rm(self, _: str) -> None:
        """Remove nothing."""

    def size(self, path: str) -> int:
        """Return a file's length, bytes."""
        return self._files[path].size if path in self._files else 0


@cache
def _register() -> None:
    """Tell rasterio that `GdalFiles` is a file system; its base class comes with rasterio."""
    load_rasterio()
    from rasterio.abc import FileContainer

    FileContainer.register(GdalFiles)
