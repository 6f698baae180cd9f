"""Identifiers, and the only place where they become names of files.

Every id is a prefix and the first 24 hexadecimal digits (96 bits) of the SHA-256 of its parts
joined by ``|``. The same rule can be written in Spark SQL (`SQL_DIGEST`), so that an id can be
made where the rows are. Ids that come from archives never become paths: they stay data.
"""

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

from geosr_lake.errors import UnsafeInputError

ID_DIGITS = 24
"""Hexadecimal digits of an id. 96 bits: among 10^8 rows a collision has odds of 10^-13."""

SQL_DIGEST = "substring(sha2(concat_ws('|', {parts}), 256), 1, 24)"
"""The digest of `digest` as a Spark SQL expression over string columns."""

_SAFE_SEGMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def digest(parts: Iterable[str | int]) -> str:
    """Return the 24 hexadecimal digits that stand for `parts`, in their order."""
    joined = "|".join(str(part) for part in parts)
    return hashlib.sha256(joined.encode()).hexdigest()[:ID_DIGITS]


def version_of(versions: Iterable[str]) -> str:
    """Return the one SHA-256 that stands for several, whatever their order; of one it is itself."""
    known = sorted(versions)
    return known[0] if len(known) == 1 else hashlib.sha256("|".join(known).encode()).hexdigest()


def files_version(files: Iterable[Path]) -> str:
    """Return the SHA-256 of a file's bytes; of several files the one that stands for them."""
    return version_of(map(_file_version, files))


def _file_version(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def scene_id(sensor: str, *identity: str) -> str:
    """Return the id of an acquisition from what identifies it, whatever the archive calls it."""
    return "scn-" + digest((sensor, *identity))


def footprint_id(normalised_wkb: bytes) -> str:
    """Return the id of a footprint from its normalised little-endian WKB in EPSG:4326."""
    return "ftp-" + hashlib.sha256(normalised_wkb).hexdigest()[:ID_DIGITS]


def pair_id(rule_id: str, lr_scene_id: str, hr_scene_id: str) -> str:
    """Return the id of a pair under one rule."""
    return "par-" + digest((rule_id, lr_scene_id, hr_scene_id))


def site_id(size_m: int, epsg: int, x_m: int, y_m: int) -> str:
    """Return the id of a square of ground from its size, CRS and lower-left corner in metres."""
    return "sit-" + digest((size_m, epsg, x_m, y_m))


def sample_id(subset: str, site: str, lr_scene_id: str, hr_scene_id: str) -> str:
    """Return the id of a sample: it does not depend on the manifest that chose it."""
    return "smp-" + digest((subset, site, lr_scene_id, hr_scene_id))


def safe_segment(name: str) -> str:
    """Return `name` if it can be one segment of a path, else raise.

    Raises:
        UnsafeInputError: If it holds anything but letters, digits, ``_`` and ``-``, starts with
            a sign, or is longer than 64 characters.
    """
    if not _SAFE_SEGMENT.fullmatch(name):
        raise UnsafeInputError(
            f"{name[:80]!r} cannot name a file or folder",
            next_step="Use letters, digits, _ and -, at most 64 of them.",
        )
    return name


def child_path(root: Path, *segments: str) -> Path:
    """Return the path below `root` made of safe `segments`."""
    return root.joinpath(*(safe_segment(segment) for segment in segments))
